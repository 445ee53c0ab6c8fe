# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with who runs what.

Problems come as {id of an installation: [Problem]}, so that in a fleet only those stop that are concerned; those under
None concern all. A problem that two installations have with each other is told of both.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import (
    DOMAINS,
    KEY_OF_BACKUPS,
    LIKENESS,
    MEMBER_PREFIX,
    NAME_OF_BACKUPS,
    ROOT,
    Places,
    installations,
    is_ordinal,
    written_ordinal,
)

HOSTS_FILE = "hosts.yml of the inventory"


def structure_problems(inventory, services, placed=None) -> dict[str | None, list[Problem]]:
    """What is wrong with the groups alone. Hosts that are only imagined can be planned when nothing is.

    The arguments are those of `topology.installations`.
    """
    places = Places(inventory, services)
    found = [each for check in STRUCTURE for each in check(places)]
    for installation in installations(inventory, services, placed=placed):
        found.extend(([installation.id], problem) for problem in _idle(installation))
    return _by_installation(found)


def problems_of(inventory, services, records=None, placed=None) -> dict[str | None, list[Problem]]:
    """Everything that is wrong with groups, host names, private addresses and ordinals.

    The arguments are those of `topology.installations`.
    """
    there = installations(inventory, services, records, placed)
    checks = (_shared_names, _shared_addresses, _shared_keys)
    found = [(ids, problem) for check in checks for ids, problem in check(inventory, there)]
    for installation in there:
        found.extend(([installation.id], problem) for problem in _addresses(installation))
        found.extend(
            ([installation.id], problem) for problem in _ordinals(inventory, installation, services, records or {}))
    return _by_installation(found, structure_problems(inventory, services, placed))


def not_yet(inventory, services) -> dict[str | None, list[Problem]]:
    """Installations on several hosts, for playbooks that can do nothing with them yet."""
    return {
        installation.id: [Problem(
            f"An installation on several hosts is not possible yet; nothing was done. {installation.id} has "
            f"{len(installation.hosts)}: {', '.join(installation.host_names)}.",
            "the groups " + ", ".join(_member_groups(inventory, services, installation)),
            f"one server in the group {installation.group}, and no group of a service; databases that you run "
            "elsewhere are postgres_mode: external and the like. playbooks/plan.yml plans several hosts")]
        for installation in installations(inventory, services) if installation.is_spread}


def at_start(inventory, services, several=False) -> list[Problem]:
    """What stops a play before it contacts anybody, when child groups are not known yet.

    Where there may be child groups, only what concerns all; the rest is left to whoever knows them. With `several`, an
    installation may have several hosts.
    """
    flat = replace(inventory, children={})
    found = merged(structure_problems(flat, services), {} if several else not_yet(flat, services))
    if Places(inventory, services).possible_child_groups():
        found = {None: found.get(None, [])}
    return list(dict.fromkeys(problem for problems in found.values() for problem in problems))


def merged(*several) -> dict[str | None, list[Problem]]:
    """Problems of several checks as one, each once, those that concern all first."""
    found = {}
    for problems in several:
        for name, told in problems.items():
            kept = found.setdefault(name, [])
            kept.extend(problem for problem in told if problem not in kept)
    return dict(sorted(found.items(), key=lambda entry: entry[0] is not None))


def _by_installation(found, earlier=None):
    """[(ids, problem)] as {id: [problem]}, after earlier ones of that form."""
    return merged(earlier or {}, *({name: [problem]} for ids, problem in found for name in ids))


def _member_groups(inventory, services, installation):
    names = set(installation.host_names)
    return [MEMBER_PREFIX + service for service in services
            if names.intersection(inventory.hosts(MEMBER_PREFIX + service))]


def _check_there(places):
    if not places.root:
        yield [None], Problem(
            f"The inventory has no host in the group {ROOT}; nothing was done.", "the file after -i",
            f"a group {ROOT} with the server in it, as in inventories/prod/hosts.yml")


def _check_decided(places):
    """Hosts of several customers are never taken for those of one."""
    if places.is_undecided:
        yield [None], Problem(
            f"Which groups are child groups of {ROOT} cannot be read with this version of Ansible, and one "
            f"installation or several may be meant by {', '.join(places.possible_child_groups())}.",
            "the file after -i", "one inventory for each installation; or use another version of ansible-core")


def _check_member_groups(places):
    for group in places.member_groups:
        hosts = places.inventory.hosts(group)
        if group in places.inventory.groups and not hosts:
            yield [None], Problem(
                f"The group {group} has no host.", HOSTS_FILE, f"a host of {ROOT} in it, or no such group")
        outside = [host for host in hosts if host not in places.root]
        if outside:
            yield places.ids_of(hosts) or [None], Problem(
                f"The group {group} has hosts that are not in the group {ROOT}, whose variables they need: "
                f"{', '.join(outside)}.", HOSTS_FILE, "these hosts in the group of their installation, too")


def _check_near_misses(places):
    for group, meant in places.near_misses.items():
        ids = places.ids_of(places.inventory.hosts(group), with_neighbours=True)
        yield ids or [None], Problem(
            f"The group {group} means nothing; {meant} is the group of a service.", HOSTS_FILE,
            f"{meant}; or a name that is less like it, if the group is yours")


def _check_apart(places):
    """Each host is in one installation."""
    ids = {}
    for part in places.parts:
        for host in part.hosts:
            ids.setdefault(host, []).append(part.id)
    for host, names in ((host, list(dict.fromkeys(names))) for host, names in ids.items()):
        if len(names) > 1:
            yield names, Problem(
                f"{host} is in {len(names)} installations: {', '.join(names)}.", HOSTS_FILE,
                f"{host} in one child group of {ROOT}; groups that sort hosts otherwise beside {ROOT}, not below it")


def _check_names(places):
    """Each installation has a name of its own."""
    names = [part.id for part in places.parts]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield [name], Problem(
            f"A host and a group are both called {name}, and each is an installation.", HOSTS_FILE,
            "another name for one of them")


STRUCTURE = (_check_there, _check_decided, _check_member_groups, _check_near_misses, _check_apart, _check_names)


def _idle(installation):
    """Hosts of an installation on several that run nothing."""
    busy = {member.host for members in installation.members.values() for member in members}
    for host in installation.host_names:
        if installation.is_spread and host not in busy:
            yield Problem(
                f"{host} runs nothing; it is one of {len(installation.hosts)} hosts of {installation.id}.", HOSTS_FILE,
                f"{host} in the group of a service, {MEMBER_PREFIX}<service>; or not in {installation.id}")


def _addresses(installation):
    """Hosts of one installation reach each other, each by an address of its own."""
    seen = {}
    for host in installation.hosts:
        if host.private_address is None:
            if installation.is_spread:
                yield Problem(
                    f"{host.name} has no private address, and is one of {len(installation.hosts)} hosts of "
                    f"{installation.id}.", f"host variables of {host.name}",
                    "trenova_private_address: the address by which the other hosts reach it")
            continue
        address, where = _address(host), f"trenova_private_address of {host.name}"
        if address is None:
            yield Problem(
                f"The private address of {host.name} is no address: {host.private_address}.", where,
                "an IPv4 or IPv6 address, as 10.0.0.5")
        elif address in seen:
            yield Problem(
                f"{seen[address]} and {host.name} of {installation.id} have the same private address {address}.", where,
                "an address of its own for each")
        else:
            seen[address] = host.name


def _address(host):
    """A private address in the one form that can be compared; None for what is none."""
    try:
        return str(ipaddress.ip_address(host.private_address or ""))
    except ValueError:
        return None


def _ordinals(inventory, installation, services, records):
    """What is written agrees with what is recorded, and no two members have one number."""
    for host in installation.host_names:
        yield from _written(inventory, host, services, records.get(host, {}))
    for service in services:
        seen = {}
        for host in installation.host_names:
            recorded = records.get(host, {}).get(service)
            number = recorded or written_ordinal(inventory, host, service)
            if number in seen:
                where = "the records of both hosts" if recorded else f"trenova_ordinals of {host}"
                yield Problem(
                    f"{seen[number]} and {host} of {installation.id} are both number {number} of {service}.", where,
                    "a number of its own for each; the one that holds data keeps its own")
            elif number:
                seen[number] = host


def _written(inventory, host, services, recorded):
    written, where = inventory.variable(host, "trenova_ordinals"), f"trenova_ordinals of {host}"
    if written is not None and not isinstance(written, Mapping):
        yield Problem(f"{where} is no mapping: {written}.", where, "numbers by service, as {postgres: 2}")
        return
    for service, number in (written or {}).items():
        frozen = recorded.get(service)
        if service not in services:
            near = difflib.get_close_matches(str(service), services, n=1, cutoff=LIKENESS)
            meant = f"; {near[0]} is" if near else ""
            yield Problem(f"{service} is no service{meant}.", where, f"one of {', '.join(services)}")
        elif not is_ordinal(number):
            yield Problem(
                f"The number of {service} on {host} is none: {number}.", where, "a whole number of at least 1")
        elif frozen not in (None, number):
            yield Problem(
                f"{host} is number {frozen} of {service}, which never changes; the inventory says {number}.", where,
                f"{service}: {frozen}, or nothing")


def _shared_names(inventory, there):
    """(ids, problem) for host names that more than one installation claims."""
    claims = {}
    for installation in there:
        for host, variable, name in _names(inventory, installation):
            claims.setdefault(name, {}).setdefault(installation.id, (host, variable))
    told = set()
    for name, claimed in claims.items():
        ids, (hosts, variables) = tuple(claimed), zip(*claimed.values(), strict=True)
        # Who shares a domain shares what follows from it; once is enough. A host in two installations is told as that.
        if len(set(hosts)) > 1 and ids not in told:
            told.add(ids)
            yield ids, Problem(
                f"{_listed(ids)} are to serve the same host name {name}.",
                f"{', '.join(dict.fromkeys(variables))} of these installations",
                "a host name for each; or, where their hosts are one installation, who runs what in groups "
                f"{MEMBER_PREFIX}<service>")


def _names(inventory, installation):
    """(host, variable, host name) of an installation, its domain first; none where that is missing."""
    for host in installation.host_names:
        if inventory.variable(host, DOMAINS[0]):
            for variable in DOMAINS:
                if name := inventory.variable(host, variable):
                    yield host, variable, str(name).lower().rstrip(".")


def _shared_addresses(_inventory, there):
    """(ids, problem) for private addresses that hosts of more than one installation have."""
    owners = {}
    for installation in there:
        for host in installation.hosts:
            if address := _address(host):
                owners.setdefault(address, {}).setdefault(installation.id, host.name)
    for address, hosts in owners.items():
        if len(set(hosts.values())) > 1:
            yield tuple(hosts), Problem(
                f"{_listed(hosts.values())} have the same private address {address}, and are hosts of "
                f"{_listed(hosts)}.", "trenova_private_address of these hosts", "an address of its own for each")


def _shared_keys(inventory, there):
    """(ids, problem) for a key of backups that several installations have: whoever has it reads them all.

    What is called alike in its backups is one installation, on another server perhaps.
    """
    owners = {}
    for installation in there:
        for host in installation.host_names:
            if key := inventory.variable(host, KEY_OF_BACKUPS):
                owners.setdefault(key, {})[inventory.variable(host, NAME_OF_BACKUPS) or host] = installation.id
    for named in owners.values():
        ids = tuple(dict.fromkeys(named.values()))
        if len(ids) > 1:
            yield ids, Problem(
                f"{_listed(ids)} encrypt their backups with the same trenova_backup_key: whoever has that of one reads "
                "those of all.", "trenova_backup_key of these installations",
                "a key for each, in its secrets.yml: take the shared one out of where they all have it, and run "
                "ansible-playbook playbooks/secrets.yml -i <inventory>")


def _listed(names):
    *others, last = names
    return f"{', '.join(others)} and {last}"
