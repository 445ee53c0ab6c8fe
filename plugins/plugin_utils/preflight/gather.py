# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All that is checked of one host before anything is changed on it.

A playbook asks for it by `trenova.selfhost.preflight`; a role that is used alone asks by itself.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import time

from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.module_utils import host_names
from ansible_collections.trenova.selfhost.plugins.module_utils.images import familiar
from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue as roles
from ansible_collections.trenova.selfhost.plugins.plugin_utils import (
    formats,
    image_lock,
    inventory,
    preflight,
    role_files,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import Catalogue, DescriptionInvalid
from ansible_collections.trenova.selfhost.plugins.plugin_utils.daemon_json import merged
from ansible_collections.trenova.selfhost.plugins.plugin_utils.logins import login_arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring import root
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import (
    accounts,
    contents,
    names_of_host,
    of_services,
    places,
    repositories,
    texts,
    visitors,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import (
    HOST_NAMES,
    PREFIX,
    remark_on_names,
    remark_on_others,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import PlanImpossible, Run, current
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import (
    address_of,
    project_of,
    templated,
    understood,
    unfit,
    unresolved,
)

#: Variables of the inventory that the checks look at, besides those that services name and what their checks need.
VARIABLES = (
    *HOST_NAMES, *visitors.FORMATS, *texts.PATHS, *places.VARIABLES, "docker_registry_logins", "docker_source")


def checked_before(action, task_vars):
    """The run, where it has checked the host already with all roles that it knows of now; None otherwise."""
    known = Run.from_facts(task_vars)
    if known:
        root.keep(action, task_vars, known.capacity)
    taking_part = Catalogue(action, task_vars, project_of(action, task_vars)).places
    return known if known and known.checked and set(taking_part) <= set(known.places) else None


def check_host(action, task_vars):
    """(problems, run): what is wrong with a host and its inventory, and what is known of it.

    The run is None where the inventory alone is wrong enough, so that nobody is contacted in vain.
    """
    problems = [
        *preflight.check_address({"ansible_host": address_of(action, task_vars)}),
        *_unfit(action, task_vars), *unresolved(action, task_vars)]
    if not problems:
        catalogue = Catalogue(action, task_vars, project_of(action, task_vars))
        # Descriptions read some of the files.
        problems = [
            *_missing_files(action, task_vars, catalogue.places),
            *preflight.check_packages(catalogue.python_packages())]
    if problems:
        return problems, None
    try:
        run = current(action, task_vars)
    except PlanImpossible as error:
        return [preflight.Problem(text, preflight.INVENTORY, "a value that it names") for text in error.problems], None
    except root.NotRoot as error:
        return [error.problem], None
    except DescriptionInvalid as error:
        return [
            preflight.Problem(f"{where}: {what}.", error.path, allowed) for where, what, allowed in error.faults], None
    facts = facts_of(action, run, task_vars)
    problems, told = preflight.check_all(facts), []
    if not problems:
        problems, told = ask_repository(action, task_vars, facts)
        names = ask_names(action, task_vars, facts)
        problems += [*names.problems(), *preflight.check_reachable(ask_external(action, task_vars, facts))]
        problems += preflight.check_registries(ask_registries(action, task_vars, facts, run.places), facts)
        problems += contents_problems(action, task_vars, facts)
        told += names.remarks()
    return problems, run.but(
        checked=not problems, warnings=[*preflight.warnings(facts), *accounts.remarks(facts), *told])


def _unfit(action, task_vars):
    """Problems of values that do not fit; of another role's, perhaps, how both go on side by side."""
    found = unfit(action, task_vars)
    others = inventory.shared_with_others(task_vars, {name for name, _problem in found})
    for name, problem in found:
        if name in others:
            yield dataclasses.replace(problem, write=(
                f"{problem.write}; or, as it is set for {others[name]} and may be another role's, "
                f"`{name}:` without a value in group_vars/trenova, which stands for the default"))
        else:
            yield problem


def _missing_files(action, task_vars, places):
    """Problems of files on the controller that roles are to have and that are not there."""
    for path in places.values():
        for name, option in role_files.role_options(action, path).items():
            if option.format not in formats.THERE:
                continue
            # A role's own default may be an expression.
            fault = formats.fault(option.format, templated(action, task_vars, name, None))
            if fault:
                yield preflight.Problem(f"{name} {fault[0]}.", preflight.INVENTORY, f"{name}: {fault[1]}")


def remarks(action, task_vars, run):
    """Sentences on what may be meant otherwise, and stops nobody."""
    given, known = _given(task_vars, run.services), known_variables(action, task_vars)
    there, defaults = understood(action, task_vars), role_files.own_variables()
    own = {name for name in known.intersection(given) if not name.startswith(PREFIX)}
    others = inventory.shared_with_others(
        task_vars, {name for name in own if there.get(name) != defaults.get(name)})
    return [text for text in (remark_on_names(given, known), remark_on_others(others, there)) if text]


def _given(task_vars, services):
    """Names of the inventory that begin like ours."""
    prefixes = tuple(f"{prefix}_" for prefix in ["trenova", *services])
    return [name for name in task_vars if name.startswith(prefixes)]


def checked_run(action, task_vars):
    """(run, whether it is new), checked here where no preflight has done so: roles are usable alone."""
    known = checked_before(action, task_vars)
    if known:
        return known, False
    problems, run = check_host(action, task_vars)
    if problems:
        found = [problem.lines() for problem in problems]
        raise AnsibleActionFail(message({task_vars["inventory_hostname"]: found}))
    return run, True


def ask_external(action, task_vars, facts):
    """What servers of somebody else's answer to the host. Costs a module execution only where there are some."""
    servers = [
        server for service in facts.all_services.values() if service.get("external")
        for server in service.get("reachable", [])]
    if not servers or facts.capacity.get("measured") is False:
        return []
    names = {server["password_variable"] for server in servers if "password_variable" in server}
    result = action._execute_module(
        module_name="trenova.selfhost.reach", task_vars=task_vars,
        module_args={"servers": servers, "passwords": {name: facts.variables.get(name) for name in names}})
    if result.get("failed"):
        raise AnsibleActionFail("External services could not be asked: {}".format(result.get("msg")), result=result)
    return result["results"]


def ask_names(action, task_vars, facts):
    """Where the names lead to that have no certificate yet, seen from here and from the host, as `names.Leads`.

    Costs a module execution only where there are such names.
    """
    missing = names_of_host.without_certificate(facts)
    if not missing:
        return names_of_host.Leads(facts)
    # What leads to where the server is reached from here is no stranger's, whoever has that address.
    ways = {address_of(action, task_vars), templated(action, task_vars, "trenova_verify_address", None)} - {None, ""}
    found = host_names.resolved({*missing, *ways})
    reached = {address for name in ways for address in found[name] or []}
    told = {address for addresses in found.values() for address in addresses or []}
    result = action._execute_module(
        module_name="trenova.selfhost.acme", task_vars=task_vars,
        module_args={"names": missing, "addresses": sorted(told)})
    return names_of_host.Leads(
        facts, {name: found[name] for name in missing}, result.get("resolved") or {},
        {*(result.get("own") or []), *reached})


def contents_problems(action, task_vars, facts):
    """What services hold that a smaller plan has no room for. Asks only where a figure gets smaller."""
    found = contents.shrinking(facts)
    if not found or facts.capacity.get("measured") is False:
        return []
    passwords = {
        entry["password_variable"]: facts.variables.get(entry["password_variable"])
        for entry in found if "password_variable" in entry}
    result = action._execute_module(
        module_name="trenova.selfhost.probe", task_vars=task_vars, module_args={
            "project": facts.project.name, "checks": contents.questions(found, facts), "passwords": passwords})
    # Where the Engine does not answer, the run says so.
    return [] if result.get("failed") else list(contents.check_contents(found, result["results"]))


def ask_repository(action, task_vars, facts):
    """(problems, sentences) of the repository of packages. Asks only where an entry of ours is to be written."""
    question = repositories.wanted(facts)
    if question is None:
        return [], []
    answer = action._execute_module(
        module_name="trenova.selfhost.package_repository", module_args=question, task_vars=task_vars)
    if answer.get("failed"):
        raise AnsibleActionFail("The repository could not be asked: {}".format(answer.get("msg")), result=answer)
    problems = list(repositories.check_repository(question, answer))
    return problems, [] if problems else [repositories.announcement(question, answer)]


def ask_registries(action, task_vars, facts, described):
    """What keeps the host from pulling the images that it lacks. Costs a module execution only where it lacks some."""
    present = facts.capacity.get("images", {})
    missing = sorted({
        service["image"] for name, service in facts.services.items()
        if name in described and service.get("image") and familiar(service["image"]) not in present})
    if not missing or facts.capacity.get("measured") is False:
        return []
    lock = image_lock.lock_of(action, task_vars)
    digests = {image: image_lock.digest_for(lock, image, facts.capacity["architecture"]) for image in missing}
    # Asked for as they will be pulled.
    missing = [f"{image}@{digest}" if digest else image for image, digest in digests.items()]
    daemon = json.loads(merged(
        facts.capacity["docker"]["daemon_json"],
        {"registry-mirrors": templated(action, task_vars, "docker_registry_mirrors", [])},
        templated(action, task_vars, "docker_daemon_extra", {}), facts.capacity["deployed"]["daemon_json"],
        facts.capacity["docker"]))
    # Addresses of proxies may hold a password.
    proxies = base64.b64encode(json.dumps(daemon.get("proxies", {})).encode("utf-8")).decode("ascii")
    arguments = dict(
        login_arguments(action, task_vars), project_dir=facts.project.directory, images=missing,
        architecture=facts.capacity["architecture"],
        proxies=proxies, certificates=templated(action, task_vars, "docker_registry_ca", {}),
        mirrors=daemon.get("registry-mirrors", []), insecure=daemon.get("insecure-registries", []))
    result = action._execute_module(
        module_name="trenova.selfhost.manifests", module_args=arguments, task_vars=task_vars)
    if result.get("failed"):
        raise AnsibleActionFail("The registries could not be asked: {}".format(result.get("msg")), result=result)
    return result["findings"]


def facts_of(action, run, task_vars):
    """What the checks look at."""
    names = {*VARIABLES, *of_services.variables(run.services)}
    for service in run.services.values():
        names.update(service.get("secrets") or {})
        names.update(service.get("secrets_optional") or [])
        names.update(service.get("formats") or {})
        names.update(service.get("required") or {})
        asked = service.get("reachable", [])
        names.update(entry["password_variable"] for entry in asked if "password_variable" in entry)
    names.update(f"{name}_compose_extra" for name in run.services)
    shared_formats = {
        name: option.format for name, option in role_files.shared_options().items()
        # Paths on the controller are for playbooks that a deployment may do without.
        if option.format and (option.format == formats.ON_HOST or ".." in option.format)}
    names.update(shared_formats)
    catalogue, there = Catalogue(action, task_vars, project_of(action, task_vars)), understood(action, task_vars)
    for path in catalogue.places.values():
        names.update(name for name in role_files.role_options(action, path) if name in there)
    # What only a role's defaults say is no wish of the inventory.
    variables = {name: catalogue.value(name) if name in there else None for name in names}
    known = known_variables(action, task_vars)
    project = project_of(action, task_vars, run.capacity)
    return preflight.Facts(
        variables, run.capacity, run.plan, run.services, now=time.time(),
        project=project,
        given=_given(task_vars, run.services), known=known, formats=shared_formats,
        read=action._loader.get_text_file_contents)


def known_variables(action, task_vars):
    """Names that mean something: options and secrets of the roles, and what crosses roles."""
    paths = {name: roles.role_path(name) for name in roles.own_roles()}
    paths.update(Catalogue(action, task_vars, project_of(action, task_vars)).places)
    known = set(role_files.shared_variables())
    for path in paths.values():
        known.update(role_files.role_options(action, path), roles.role_defaults(action, path))
        described = roles.load(action, os.path.join(path, roles.DESCRIPTION))
        known.update(described.get("secrets") or {}, described.get("secrets_optional") or [])
    return known


def message(problems):
    """Problems of hosts as a person reads them: {host: [lines of a problem]}."""
    count = sum(len(found) for found in problems.values())
    head = "1 problem was found; nothing was changed." if count == 1 else (
        f"{count} problems were found; nothing was changed.")
    lines = [head]
    for name, found in sorted(problems.items()):
        if len(problems) > 1:
            lines.append(f"{name}:")
        for number, (first, *others) in enumerate(found, start=1):
            lines.append(f"{number:2}. {first}")
            lines.extend("    " + line for line in others)
    return "\n".join(lines)
