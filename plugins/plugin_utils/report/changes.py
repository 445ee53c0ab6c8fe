# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a deployment would change on a host against what is applied there, before anything does.

Figures are compared with the parts of the plan that lie beside the services, containers by the digest labels that the
measurement has read, files by the hashes of the records, which hold none of a secret file.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import read_parts


class Wish(NamedTuple):
    """What is wanted of a service: the arguments of the module that makes it so.

    They are None where the service is not wanted any more, or where `problem` says why they cannot be had.
    """

    service: str
    arguments: Any
    problem: str | None = None


def changes(plan, wishes, capacity) -> dict[str, Any]:
    """{"remarks", "services"}: what is said of the whole, and each service of which anything changes."""
    deployed = capacity["deployed"]
    parts, remarks = read_parts(deployed.get("plan"))
    containers = {container["name"]: container for container in capacity["containers"] if not container["one_off"]}
    known = [wish for wish in wishes if wish.arguments and wish.arguments["wish"] != _unchanged(deployed, wish)]
    touched = touched_containers([wish.arguments for wish in wishes if wish.arguments], containers)
    found = []
    for wish in wishes:
        figures = figure_changes(plan, wish.service, parts.get(wish.service))
        if wish.problem:
            says = ["its restarts cannot be told"] if figures else []
        elif wish.arguments is None:
            says = _removal(wish.service, deployed, containers)
        elif wish in known or touched.keys() & {unit["name"] for unit in wish.arguments["containers"]}:
            says = _difference(wish.arguments, touched, deployed.get("files", {}).get(wish.service), containers)
        else:
            continue
        if says:
            found.append({"service": wish.service, "says": says, "figures": figures})
    return {"remarks": _wish_changes(plan, parts) + remarks + _problems(wishes), "services": found}


def _unchanged(deployed, wish):
    return deployed.get("unchanged", {}).get(wish.service)


def _wish_changes(plan, parts):
    """Tier, mode and users, where those that were applied were others."""
    told = []
    for key in ("tier", "mode", "users"):
        before = sorted({reading.amount(part[key]) for part in parts.values()} - {reading.amount(plan[key])})
        if before:
            told.append("{}: {} -> {}".format(key, " or ".join(before), reading.amount(plan[key])))
    return told


def _problems(wishes):
    """Why restarts cannot be told, with all the services of which that is so."""
    found = {}
    for wish in wishes:
        if wish.problem:
            found.setdefault(wish.problem, []).append(wish.service)
    return [
        "Restarts of {} cannot be told: {}.".format(", ".join(services), problem.rstrip("."))
        for problem, services in found.items()]


def figure_changes(plan, service, part):
    """The figures of a service that differ from its applied part; none where there is no such part."""
    if not part or service not in plan["services"]:
        return []
    before = {path: (name, value) for path, name, value in reading.figures_of(service, part["figures"])}
    after = {path: (name, value) for path, name, value in reading.figures_of(service, plan["services"][service])}
    return [
        {"name": (after.get(path) or before[path])[0], "unit": plan["explain"].get(path, {}).get("unit", ""),
         "before": before.get(path, (None, None))[1], "after": after.get(path, (None, None))[1]}
        for path in [*after, *(path for path in before if path not in after)]
        if before.get(path, (None, None))[1] != after.get(path, (None, None))[1]]


def touched_containers(all_arguments, containers) -> dict[str, str]:
    """{container: what happens to it} over all services; who follows a container is restarted after it."""
    touched = {}
    for arguments in all_arguments:
        for unit in arguments["containers"]:
            container = containers.get(unit["name"])
            if container is None:
                touched[unit["name"]] = "creates"
            elif container["digest"] not in (unit["digest"], *unit["also"]):
                touched[unit["name"]] = "replaces"
            elif container["state"] != "running":
                touched[unit["name"]] = "starts"
        touched.update((name, "removes") for name in retired(arguments, containers))
    grows = True
    while grows:
        before = len(touched)
        started = {name for name, what in touched.items() if what != "removes"}
        for arguments in all_arguments:
            if started.intersection(arguments["follows"]):
                for unit in arguments["containers"]:
                    touched.setdefault(unit["name"], "restarts")
        grows = len(touched) > before
    return touched


def _difference(arguments, touched, recorded, containers):
    """What happens to a service whose wish is another one, or which follows one that is restarted."""
    names = [unit["name"] for unit in arguments["containers"]]
    names += [name for name, what in touched.items() if what == "removes" and name in retired(arguments, containers)]
    says = [f"{touched[name]} {name}{_after(arguments, touched, name)}" for name in names if name in touched]
    if any(touched.get(name) in ("creates", "replaces") for name in names):
        says += ["runs before that: {}".format(job["says"]) for job in arguments["jobs"]]
    files = changed_files(arguments, recorded)
    if files is None:
        return says or ["is compared on the host: it has no record of its files"]
    says += [
        "reloads {}".format(entry.get("container") or " ".join(entry["command"]))
        for entry in arguments["reload"]
        if set(files).intersection(entry["files"]) and touched.get(entry.get("container")) is None]
    if not says and [os.path.basename(path) for path in files] == ["compose.yaml"]:
        running = [unit["name"] for unit in arguments["containers"]]
        says = ["sets the limits of {} while {}".format(
            ", ".join(running), "it runs" if len(running) == 1 else "they run")]
    elif files and not says:
        says = ["writes {}, restarts nothing".format(", ".join(files))]
    return list(dict.fromkeys(says)) or [
        "no container, file or figure differs that can be seen from here: a secret, an owner, or a change on the host"]


def retired(arguments, containers):
    """Containers of the service's role that nobody wants any more, an instance too many say."""
    wanted = {unit["name"] for unit in arguments["containers"]}
    return [name for name, container in containers.items()
            if container["role"] == arguments["name"] and name not in wanted]


def _after(arguments, touched, name):
    followed = [other for other in arguments["follows"] if touched.get(other, "removes") != "removes"]
    return " after {}".format(", ".join(followed)) if touched[name] == "restarts" else ""


def changed_files(arguments, recorded):
    """Paths of the files that differ from a service's record, those that it names no more included; None without one.

    Secret files are left out: nothing is known of theirs here.
    """
    if recorded is None:
        return None
    wanted = {
        entry["path"]: hashlib.sha256(entry["content"].encode("utf-8")).hexdigest() for entry in arguments["files"]}
    return sorted(path for path in {*wanted, *recorded} if wanted.get(path) != recorded.get(path))


def _removal(service, deployed, containers):
    """What goes with a service that is deployed and not wanted any more."""
    if service not in deployed["services"]:
        return []
    names = [name for name, container in containers.items() if container["role"] == service]
    return [f"removes {name}" for name in names] or ["its files are removed"]
