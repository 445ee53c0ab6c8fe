# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All that is checked of one host before anything is changed on it.

A playbook asks for it by `trenova.selfhost.preflight`; a role that is used alone asks by itself.
"""

from __future__ import annotations

import base64
import json
import os
import time

from ansible.errors import AnsibleActionFail, AnsibleTemplateError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.trenova.selfhost.plugins.module_utils.images import familiar
from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue as roles
from ansible_collections.trenova.selfhost.plugins.plugin_utils import image_lock, preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import Catalogue, DescriptionInvalid
from ansible_collections.trenova.selfhost.plugins.plugin_utils.daemon_json import merged
from ansible_collections.trenova.selfhost.plugins.plugin_utils.logins import login_arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import (
    accounts,
    contents,
    of_services,
    places,
    texts,
    visitors,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import HOST_NAMES
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import PlanImpossible, Run, current
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of, templated

#: Variables of the inventory that the checks look at, besides those that services name and what their checks need.
VARIABLES = (
    *HOST_NAMES, *visitors.FORMATS, *texts.PATHS, *places.VARIABLES, "docker_registry_logins", "docker_source")


#: What our own playbooks register.
OWN_RESULTS = ("trenova_preflight", "trenova_report")


def checked_before(action, task_vars):
    """The run, where it has checked the host already with all roles that it knows of now; None otherwise."""
    known = Run.from_facts(task_vars)
    taking_part = Catalogue(action, task_vars, project_of(action, task_vars)).places
    return known if known and known.checked and set(taking_part) <= set(known.places) else None


def check_host(action, task_vars):
    """(problems, run): what is wrong with a host and its inventory, and what is known of it.

    The run is None where the inventory alone is wrong enough, so that nobody is contacted in vain.
    """
    problems = list(preflight.check_address(task_vars)) + argument_problems(action, task_vars)
    if problems:
        return problems, None
    try:
        run = current(action, task_vars)
    except PlanImpossible as error:
        return [preflight.Problem(text, preflight.INVENTORY, "a value that it names") for text in error.problems], None
    except DescriptionInvalid as error:
        return [
            preflight.Problem(f"{where}: {what}.", error.path, allowed) for where, what, allowed in error.faults], None
    facts = facts_of(action, run, task_vars)
    problems = preflight.check_all(facts)
    if not problems:
        problems = list(preflight.check_reachable(ask_external(action, task_vars, facts)))
        problems += preflight.check_registries(ask_registries(action, task_vars, facts, run.places), facts)
        problems += contents_problems(action, task_vars, facts)
    return problems, run.but(checked=not problems, warnings=preflight.warnings(facts) + accounts.remarks(facts))


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
    catalogue = Catalogue(action, task_vars, project_of(action, task_vars))
    for path in catalogue.places.values():
        names.update(name for name in roles.argument_spec(action, path) if name in task_vars)
    # What only a role's defaults say is no wish of the inventory.
    variables = {name: catalogue.value(name) if name in task_vars else None for name in names}
    known = known_variables(action, task_vars)
    prefixes = tuple(f"{prefix}_" for prefix in ["trenova", *run.services])
    project = project_of(action, task_vars, run.capacity)
    return preflight.Facts(
        variables, run.capacity, run.plan, run.services, now=time.time(),
        project=project,
        given=[name for name in task_vars if name.startswith(prefixes)], known=known)


def known_variables(action, task_vars):
    """Names that mean something: options and secrets of the roles, and what crosses roles."""
    paths = {name: roles.role_path(name) for name in roles.own_roles()}
    paths.update(Catalogue(action, task_vars, project_of(action, task_vars)).places)
    known = {*roles.shared_variables(action), *OWN_RESULTS}
    for path in paths.values():
        known.update(
            roles.argument_spec(action, path), roles.role_defaults(action, path))
        described = roles.load(action, os.path.join(path, roles.DESCRIPTION))
        known.update(described.get("secrets") or {}, described.get("secrets_optional") or [])
    return known


def argument_problems(action, task_vars):
    """Problems of type and value, by the argument specifications of the roles."""
    problems = []
    catalogue = Catalogue(action, task_vars, project_of(action, task_vars))
    for name, path in sorted(catalogue.places.items()):
        spec = roles.argument_spec(action, path)
        variables = roles.role_variables(action, path, task_vars)
        defaults = roles.role_defaults(action, path)
        templar = catalogue.templar(path)
        given, help_page = {}, f"a value as roles/{name}/README.md describes it"
        # The roles' own defaults refer to secrets that may be missing; a check of their own looks for these.
        for option in (key for key in spec if key in variables and variables[key] != defaults.get(key)):
            try:
                given[option] = templar.template(variables[option])
            except AnsibleTemplateError as error:
                problems.append(preflight.Problem(
                    f"{option} cannot be resolved: {error}", preflight.INVENTORY, help_page))
        given = {option: value for option, value in given.items() if value is not None}
        for message in ArgumentSpecValidator(spec).validate(given).error_messages:
            problems.append(preflight.Problem(message, preflight.INVENTORY, help_page))
    return problems


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
