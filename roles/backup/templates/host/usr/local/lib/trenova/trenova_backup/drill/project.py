# Managed by trenova.selfhost.
"""The project of a drill, made from the live one as Compose tells it. Nothing here reads or writes anything.

The same services in the same images read the same configuration, and find each other by the live names: these are
aliases in networks of the drill's own, from which nothing leads outside. Data lies elsewhere, no port is published, and
what is mounted besides cannot be written.
"""

from __future__ import annotations

import copy
import dataclasses
import os

#: Before the name of each live container.
PREFIX = "drill-"
#: For jobs of the backup whose targets are elsewhere.
OUT = "-out"
#: Against 1024 of a container that says nothing.
CPU_SHARES = 64
#: The kernel ends these first where memory is short.
OOM_SCORE = 1000
#: What a live container is given and one of a drill is not: ways past its networks, names of others, the host's own.
DROPPED = (
    "cgroup_parent", "depends_on", "deploy", "devices", "external_links", "extra_hosts", "ipc", "links", "mac_address",
    "mem_reservation", "pid", "ports", "scale", "userns_mode", "uts")
LABEL = "trenova.role"


@dataclasses.dataclass(frozen=True)
class Drill:
    """What a drill is to be. root: its directory on the host. places: [(live directory, that of the drill)].

    containers: live names of those that have one of their own. jobs: services of Compose that only run for backups.
    without: directories that are not there, and not needed.
    """

    name: str
    root: str
    places: tuple
    containers: tuple
    jobs: tuple
    without: tuple = ()

    def place(self, path):
        """Where something lies in the drill that lies somewhere live; None where nothing of it is mapped."""
        fitting = [(live, own) for live, own in self.places if (path + "/").startswith(live.rstrip("/") + "/")]
        if not fitting:
            return None
        live, own = max(fitting, key=lambda entry: len(entry[0]))
        return os.path.normpath(os.path.join(own, os.path.relpath(path, live)))


def container(name):
    """Name of a container of the drill, by that of the live one."""
    return PREFIX + name


def made(live, drill):
    """The file of the drill's project. live: what `docker compose config` tells. Raises ValueError, with a sentence."""
    networks, services = live.get("networks") or {}, {}
    for name, definition in live["services"].items():
        if name in drill.jobs:
            services[name] = _job(definition, drill, networks)
        elif definition.get("container_name") in drill.containers:
            services[name] = _service(definition, drill)
    missing = set(drill.containers) - {live["services"][name].get("container_name") for name in services}
    if missing:
        raise ValueError(f"The project does not have {', '.join(sorted(missing))}. Run site.yml.")
    used = sorted({key for definition in services.values() for key in definition.get("networks") or {}})
    return {
        "name": drill.name, "services": services,
        "networks": {key: {"name": f"{drill.name}_{key}", **({} if key.endswith(OUT) else {"internal": True})}
                     for key in used},
        **{kind: {key: _file(entry, drill) for key, entry in live[kind].items()}
           for kind in ("configs", "secrets") if live.get(kind)},
        "volumes": {key: {"name": f"{drill.name}_{key}"} for key in sorted(
            volume["source"] for definition in services.values() for volume in definition.get("volumes") or []
            if volume.get("type") == "volume" and volume.get("source"))}}


def mounted(project, drill):
    """{directory of the drill: live directory} of all that its containers mount and that is its own."""
    own = {place: live for live, place in drill.places}
    found = {}
    for definition in project["services"].values():
        for volume in definition.get("volumes") or []:
            for place, live in own.items():
                if volume.get("type") == "bind" and (volume["source"] + "/").startswith(place + "/"):
                    found[volume["source"]] = os.path.normpath(
                        os.path.join(live, os.path.relpath(volume["source"], place)))
    return found


def by_digest(project, digests):
    """A project whose images are named by digests, as far as these are known: {reference: repository@digest}."""
    return dict(project, services={
        name: dict(definition, image=digests.get(definition["image"], definition["image"]))
        for name, definition in project["services"].items()})


def unknown_mounts(project, is_there):
    """What containers would mount and is not there. is_there: asked for each path of the host."""
    return sorted({volume["source"] for definition in project["services"].values()
                   for volume in definition.get("volumes") or []
                   if volume.get("type") == "bind" and not is_there(volume["source"])})


def _file(entry, drill):
    """A config or a secret of Compose, with its file where it lies for the drill."""
    return dict(entry, file=drill.place(entry["file"]) or entry["file"]) if entry.get("file") else entry


def _service(definition, drill):
    if definition.get("privileged") or str(definition.get("network_mode", "none")) != "none":
        raise ValueError(
            f"{definition['container_name']} is privileged or in the network of the host: nothing keeps it from what "
            "lives. A drill is not possible here; set backup_drill_schedule: \"\".")
    made_of = _common(definition, drill)
    made_of["container_name"] = container(definition["container_name"])
    made_of["networks"] = {
        key: {"aliases": sorted({definition["container_name"], *((told or {}).get("aliases") or [])})}
        for key, told in (definition.get("networks") or {}).items()}
    made_of["labels"] = {LABEL: (definition.get("labels") or {}).get(LABEL, ""), "trenova.drill": "true"}
    made_of.pop("profiles", None)
    return made_of


def _job(definition, drill, networks):
    """A job reads the targets, wherever they are, and writes only to the drill."""
    made_of = _common(definition, drill)
    made_of.pop("container_name", None)
    made_of["labels"] = {"trenova.drill": "true"}
    if "networks" in definition:
        made_of["networks"] = {
            key if (networks.get(key) or {}).get("internal") else key + OUT: None for key in definition["networks"]}
    return made_of


def _common(definition, drill):
    made_of = {key: copy.deepcopy(value) for key, value in definition.items() if key not in DROPPED}
    made_of.update(restart="no", cpu_shares=CPU_SHARES, oom_score_adj=OOM_SCORE)
    volumes = [_volume(volume, drill) for volume in definition.get("volumes") or []]
    made_of["volumes"] = [volume for volume in volumes if volume]
    return made_of


def _volume(volume, drill):
    """A mount of the drill; None for a socket, through which more can be done than to read it."""
    if volume.get("type") != "bind":
        return dict(volume)
    if volume["source"] in drill.without:
        return None
    place, options = drill.place(volume["source"]), dict(volume.get("bind") or {}, create_host_path=False)
    if place:
        return dict(volume, source=place, bind=options)
    if volume["source"].endswith(".sock") or volume["source"] in ("/", "/run", "/var/run"):
        return None
    return dict(volume, read_only=True, bind=options)


# -- Memory -----------------------------------------------------------------------------------------------------------


def limits(project, live, available):
    """{service: bytes} of memory that the containers of a drill may take, of so many that are available.

    Each gets what the plan reserves for it, and of what is left as much as the others in proportion, up to its live
    limit. Raises ValueError, with a sentence, where it is not enough for that.
    """
    known = {}
    for name, definition in project["services"].items():
        if "container_name" in definition:
            limit = int(live["services"][name].get("mem_limit") or 0)
            known[name] = (min(int(live["services"][name].get("mem_reservation") or limit), limit), limit)
    least = sum(reserved for reserved, _limit in known.values())
    if least > available:
        raise ValueError(
            f"{least // 1_000_000} MB of memory are needed, and {max(0, available) // 1_000_000} MB can be spared "
            "here. Nothing was started. Give the host more memory, or make no drills on it (backup_drill_schedule: "
            "\"\").")
    more = sum(limit - reserved for reserved, limit in known.values())
    share = min(1.0, (available - least) / more) if more else 1.0
    return {name: reserved + int((limit - reserved) * share) for name, (reserved, limit) in known.items()}


def limited(project, memory):
    """A project whose containers take no more memory than they may."""
    services = {
        name: dict(definition, mem_limit=memory[name], memswap_limit=memory[name]) if memory.get(name) else definition
        for name, definition in project["services"].items()}
    return dict(project, services=services)
