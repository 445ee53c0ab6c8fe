# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads capacity and intent, and collects everything that is wrong with them before it complains."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import deviations, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import (
    TIERS,
    VARIABLES,
    Capacity,
    Intent,
    Override,
    PlanError,
    Profile,
    plain,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import RESOURCES, SERVICES, known
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.values import (
    UNITS,
    choice,
    did_you_mean,
    flag,
    number,
    shown,
    whole,
    without_unit,
)

MODES = ("document", "balanced")
DISK_KINDS = ("ssd", "nvme", "hdd", "unknown")
MINIO_MODES = ("managed", "external")
POOL_MODES = ("transaction", "session")

#: Docker takes quotas of a hundredth of a core; no host has less than this.
LEAST_CORES = 0.1
MOST_CORES = 4096
#: Less than any host has, and more; a number beyond was written in another unit.
LEAST_MEMORY_MB = 128
MOST_MEMORY_MB = 64 * 1024 * 1024
MOST_DISK_GB = 1000 * 1000
#: Beyond this an installation has other limits than those of one plan.
MOST_USERS = 100000

#: What `uname -m` prints.
_ARCHITECTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
#: What a service and a kind of containers may be called.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class _Reader:
    """Takes typed entries out of a mapping. A bad entry is noted, and the default stands in for it."""

    def __init__(self, mapping, name, problems):
        self.problems = problems
        self.mapping = mapping
        if not isinstance(mapping, Mapping):
            self.problems.append(f"{name}: expected a mapping, got {shown(mapping)}")
            self.mapping = {}

    def take(self, key, name, convert, default=None, required=False):
        """The converted entry, or the default where it is absent, None or bad."""
        value = self.mapping.get(key)
        if value is None:
            if required:
                self.problems.append(f"{name}: is missing")
            return default
        try:
            return convert(value)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default


def read(capacity, intent, placed, hosts):
    """Typed capacity and intent of a host.

    `placed` names the services that run on this host if they are wanted, `hosts` has the number of hosts of each.

    Raises PlanError with every problem of both when something is missing, of the wrong kind or unknown. Unknown
    entries of the capacity are ignored (a measurement holds more than the plan needs); unknown entries of the
    intent are refused, because a misspelt wish would silently be lost.
    """
    problems = []
    found = _read_capacity(capacity, problems)
    reserved_mb, wanted = _read_intent(intent, problems)
    wanted = dataclasses.replace(wanted, hosts=hosts, services=tuple(
        service for service in (*wanted.services, *wanted.foreign) if service in placed))
    if reserved_mb >= found.memory_mb and not problems:
        problems.append(
            f"{VARIABLES['reserved_memory_mb']}: {reserved_mb} MiB are all that the host has ({found.memory_mb} MiB)")
    if problems:
        raise PlanError(problems)
    return dataclasses.replace(found, reserved_memory_mb=reserved_mb), wanted


def _read_capacity(mapping, problems):
    reader = _Reader(mapping, "capacity", problems)

    def take(key, convert, default=None, required=False):
        return reader.take(key, "capacity." + key, convert, default, required)

    found = Capacity(
        cores=take("cores", _cores, 1, required=True),
        memory_mb=int(take("memory_mb", _memory_mb, LEAST_MEMORY_MB, required=True)),
        disk_free_gb=take("disk_free_gb", _disk_gb, 0, required=True),
        disk_total_gb=take("disk_total_gb", _disk_gb, 0, required=True),
        disk_used_by_trenova_gb=take("disk_used_by_trenova_gb", _disk_gb, 0),
        disk_kind=take("disk_kind", lambda value: choice(value, DISK_KINDS), "unknown"),
        architecture=take("architecture", _architecture, "unknown"),
        backup_on_data_disk=take("backup_on_data_disk", flag),
    )
    if not any(problem.startswith("capacity") for problem in problems):
        problems.extend(
            f"capacity.{name}: {plain(getattr(found, name))} GB are more than the disk has "
            f"(disk_total_gb {plain(found.disk_total_gb)})"
            for name in ("disk_free_gb", "disk_used_by_trenova_gb") if getattr(found, name) > found.disk_total_gb)
    return found


def _read_intent(mapping, problems):
    reader = _Reader(mapping, "intent", problems)
    problems.extend(
        f"intent.{key}: is unknown{did_you_mean(key, VARIABLES)}"
        for key in reader.mapping if key not in VARIABLES
    )

    def take(key, convert, default=None):
        return reader.take(key, VARIABLES[key], convert, default)

    tier = take("tier", lambda value: choice(value, TIERS))
    users = take("users", _users)
    if reader.mapping.get("tier") is None and reader.mapping.get("users") is None:
        problems.append("set trenova_tier or trenova_users")
    reserved_mb = take("reserved_memory_mb", _reserved_mb, 0)
    foreign = _read_foreign(reader.mapping.get("foreign"), problems)
    return reserved_mb, Intent(
        tier=tier or tiers.tier_for_users(users or 1),
        users=users,
        mode=take("mode", lambda value: choice(value, MODES), "document"),
        overrides=take("overrides", lambda value: _overrides(value, foreign), {}),
        strict=take("strict", flag, False),
        accept_undersized_host=take("accept_undersized_host", flag, False),
        accept_overcommit=take("accept_overcommit", flag, False),
        accept_backup_on_data_disk=take("accept_backup_on_data_disk", flag, False),
        restore_document=take("restore_document", _deviation_ids, ()),
        minio_mode=take("minio_mode", lambda value: choice(value, MINIO_MODES), "managed"),
        pool_mode=take("pool_mode", lambda value: choice(value, POOL_MODES), "transaction"),
        services=take("services", _services, tuple(SERVICES)),
        profile=take("profile", _profile, Profile()),
        foreign=foreign,
    )


def _cores(value):
    result = number(value)
    if not LEAST_CORES <= result <= MOST_CORES:
        raise ValueError(f"expected {LEAST_CORES} to {MOST_CORES} cores, got {shown(value)}")
    return result


def _architecture(value):
    if not isinstance(value, str) or not _ARCHITECTURE.fullmatch(value):
        raise ValueError(f'expected a name as "uname -m" prints it, got {shown(value)}')
    return str(value)


def _amount(value, unit):
    result = number(without_unit(value, unit))
    if result < 0:
        raise ValueError(f"expected a number of at least 0, got {shown(value)}")
    return result


def _memory_mb(value):
    result = _amount(value, "MiB")
    if result <= 0:
        raise ValueError(f"expected a number above 0, got {shown(value)}")
    if result < LEAST_MEMORY_MB:
        raise ValueError(f"{result:g} MiB is less than any host has; for {result:g} GiB write {result * 1024:.10g}")
    if result > MOST_MEMORY_MB:
        raise ValueError(
            f"{shown(value)} MiB is more than any host has; if that is in bytes, write {result // 1024 ** 2:.10g}")
    return result


def _disk_gb(value):
    result = _amount(value, "GB")
    if result > MOST_DISK_GB:
        raise ValueError(
            f"{shown(value)} GB is more than any host has; if that is in bytes, write {result // 1000 ** 3:.10g}")
    return result


def _reserved_mb(value):
    result = _amount(value, "MiB")
    if not isinstance(result, int):
        raise ValueError(f"expected a whole number of MiB, got {shown(value)}")
    return result


def _users(value):
    result = whole(value)
    if result < 1:
        raise ValueError(f"expected a whole number of at least 1, got {shown(value)}")
    if result > MOST_USERS:
        raise ValueError(
            f"expected at most {MOST_USERS} users who work at the same time, got {shown(value)}; "
            "more of them need several installations")
    return result


def _overrides(value, foreign):
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping of services, got {shown(value)}")
    sheets = {}
    for service, settings in value.items():
        if service not in SERVICES and service not in foreign:
            raise ValueError(f"no service is called {shown(service)}{did_you_mean(service, [*SERVICES, *foreign])}")
        kinds = {kind: {} for kind in foreign.get(service, ()) if kind != "main"} or known(service).kinds
        sheets.update(_overrides_of(service, kinds, settings))
    return sheets


def _overrides_of(service, kinds, settings):
    """{sheet: overrides} of a service, each by the name that the operator has written."""
    main = {}
    sheets = {service: main}
    for name, value in _settings(service, settings).items():
        if name in kinds:
            place = f"{service}.{name}"
            for inner, figure in _settings(place, value).items():
                sheets.setdefault(place, {})[inner] = Override(figure, f"{place}.{inner}")
        else:
            main[name] = Override(value, f"{service}.{name}")
    for kind, earlier in kinds.items():
        for name in [name for name in main if name in earlier]:
            figures = sheets.setdefault(f"{service}.{kind}", {})
            if earlier[name] in figures:
                raise ValueError(
                    f"{service}.{name} is the earlier name of {service}.{kind}.{earlier[name]}, and both are set; "
                    "take one of them out")
            figures[earlier[name]] = main.pop(name)
    return sheets


def _settings(place, value):
    if not isinstance(value, Mapping):
        raise ValueError(f"{place}: expected a mapping of settings, got {shown(value)}")
    return value


def unlike_hosts(capacities, groups) -> list[str]:
    """What is wrong with the form of hosts and groups, before it is looked into."""
    problems = [f"{name}: expected a mapping, got {shown(value)}" for name, value in (
        ("capacities", capacities), ("groups", groups)) if not isinstance(value, Mapping)]
    if not problems:
        problems = [f"groups: {shown(service)}: expected a list of hosts, got {shown(hosts)}"
                    for service, hosts in groups.items()
                    if not isinstance(hosts, (list, tuple)) or not all(isinstance(host, str) for host in hosts)]
        problems += [f"groups: {shown(service)}: a host is named twice: {', '.join(hosts)}"
                     for service, hosts in groups.items() if not problems and len(set(hosts)) < len(hosts)]
    return problems


def foreign_names(intent) -> list[str]:
    """Names of the services of somebody else's that an intent has, before it is known to be sound."""
    found = intent.get("foreign") if isinstance(intent, Mapping) else None
    return list(found) if isinstance(found, Mapping) else []


def _read_foreign(value, problems):
    """{service: {kind: figures}} of somebody else's services, whole and in the order of a plan."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.append(f"{VARIABLES['foreign']}: expected a mapping of services, got {shown(value)}")
        return {}
    return {service: _foreign_service(service, containers, problems) for service, containers in value.items()}


def _foreign_service(service, containers, problems):
    place = f"meta/service.yml of the role {service}"
    if service in SERVICES or not _NAME.fullmatch(str(service)):
        problems.append(f"{place}: {shown(service)} cannot be the name of a service of its own; choose another")
    if not isinstance(containers, Mapping) or "main" not in containers:
        problems.append(f"{place}: expected resources of the container main, got {shown(containers)}")
        return {}
    return {kind: _foreign_container(f"{place}: resources of the container {kind}", kind, figures, problems)
            for kind, figures in sorted(containers.items(), key=lambda item: item[0] != "main")}


def _foreign_container(place, kind, figures, problems):
    if not _NAME.fullmatch(str(kind)):
        problems.append(f"{place}: expected a name of small letters, digits and underscores, got {shown(kind)}")
    reader, found = _Reader(figures, place, problems), {}
    if reader.mapping is not figures:
        return found
    problems.extend(
        f"{place}: {name} is unknown{did_you_mean(name, RESOURCES)}" for name in figures if name not in RESOURCES)
    for name, resource in RESOURCES.items():
        value = reader.take(
            name, f"{place}: {name}", lambda given, resource=resource: _resource(given, resource, found),
            resource.default, required=resource.default is None and not resource.optional)
        if value is not None and (name != "count" or kind != "main" or value != 1):
            found[name] = value
    return found


def _resource(value, resource, found):
    """A figure of a container within its bounds. Raises ValueError otherwise."""
    bare = without_unit(value, resource.unit) if resource.unit in UNITS else value
    result = whole(bare) if resource.whole else float(number(bare))
    most = found.get(resource.within, resource.most)
    for beyond, word, bound in ((result < resource.least, "at least", resource.least),
                                (most is not None and result > most, "at most", most)):
        if beyond:
            why = f", its {resource.within}" if word == "at most" and resource.within else ""
            raise ValueError(f"expected {word} {plain(bound)} {resource.unit}".rstrip() + f"{why}, got {shown(value)}")
    return result


def _deviation_ids(value):
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list of deviations, got {shown(value)}")
    return tuple(deviations.known(entry) for entry in value)


def _services(value):
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list of services, got {shown(value)}")
    return tuple(choice(service, SERVICES) for service in value)


def _profile(value):
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping, got {shown(value)}")
    known_entries = [field.name for field in dataclasses.fields(Profile)]
    for key in value:
        if key not in known_entries:
            raise ValueError(f"{shown(key)} is unknown{did_you_mean(key, known_entries)}")
    found = {}
    for key, convert in (("job_concurrency", _positive), ("worker_only", flag), ("stop_seconds", _positive)):
        try:
            found[key] = convert(value.get(key, getattr(Profile, key)))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return Profile(**found)


def _positive(value):
    result = whole(value)
    if result < 1:
        raise ValueError(f"expected at least 1, got {result}")
    return result
