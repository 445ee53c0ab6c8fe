# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who runs what: from the groups of an inventory to installations, their hosts and the members of their services.

Plain data that knows nothing of Ansible. One host is an installation with one host.

- The group `trenova` holds all hosts. A child group of it is one installation when it has one host, or when some of its
  hosts are in a member group; otherwise each of its hosts is an installation of its own. The same holds for the child
  groups of a child group, and for `trenova` itself where it has none. Hosts beside child groups are installations of
  their own.
- A member group, `trenova_<service>`, says which hosts run a service. It holds for all installations: each has those of
  its hosts that are in it. A service without a host there stays where it is recorded, or runs on the first host that is
  in no member group, or else on the first.
- The number of a member (its ordinal) comes from the record of its host, from `trenova_ordinals`, or is the lowest that
  no other member has.

What can be wrong with all of this is in topology_problems.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.trenova.selfhost.plugins.plugin_utils.instances import instance_names, ordinal_name

#: The group that holds every host.
ROOT = "trenova"
#: A group with this prefix and the name of a service holds the hosts that run it.
MEMBER_PREFIX = "trenova_"
#: Groups that Ansible makes by itself.
BUILT_IN = frozenset(("all", "ungrouped"))
#: Variables that give a host name to an installation; the others follow from the first unless they are set.
DOMAINS = ("trenova_domain", "trenova_s3_domain", "trenova_jobs_domain")
#: Variables of hosts that are looked at.
VARIABLES = ("ansible_host", "trenova_private_address", "trenova_ordinals", *DOMAINS)
#: Those besides that only a comparison of installations looks at: what opens the backups, and what these are called.
KEY_OF_BACKUPS, NAME_OF_BACKUPS = "trenova_backup_key", "backup_installation"
#: How alike two names are, from 0 to 1, when one is taken for a typing error of the other.
LIKENESS = 0.8
#: Who may come to an endpoint, and which members answer there.
SCOPES = ("host", "installation", "public")
SERVED_BY = ("any", "leader")


@dataclass(frozen=True)
class Inventory:
    """What an inventory says of groups and hosts."""

    #: Hosts of each group, those of its child groups included, in the order of the inventory.
    groups: Mapping[str, Sequence[str]]
    #: Child groups of each group; None where nobody can say.
    children: Mapping[str, Sequence[str]] | None = field(default_factory=dict)
    #: Variables of hosts, those in VARIABLES, resolved. What is not set is absent.
    variables: Mapping[str, Mapping] = field(default_factory=dict)

    def hosts(self, group) -> tuple[str, ...]:
        """Names of the hosts of a group, none for a group that does not exist."""
        return tuple(self.groups.get(group) or ())

    def variable(self, host, name):
        """A variable of a host; None where it is not set, or empty."""
        value = self.variables.get(host, {}).get(name)
        return None if value == "" else value


@dataclass(frozen=True)
class Host:
    """A server of an installation."""

    name: str
    #: By which the controller reaches it.
    address: str
    #: By which the other hosts of the installation reach it; None where it is not given.
    private_address: str | None


@dataclass(frozen=True)
class Member:
    """A service on a host, by its name in the inventory. The ordinal counts from 1 and never changes."""

    service: str
    host: str
    ordinal: int


@dataclass(frozen=True)
class Container:
    """A container of a member. The key says which kind it is: `main`, `exporter`, `worker`, and so on."""

    member: Member
    key: str
    name: str


@dataclass(frozen=True)
class Endpoint:
    """Where a service listens: who may come (SCOPES), and which of its members answer (SERVED_BY)."""

    service: str
    name: str
    port: int
    scope: str
    serve: str


@dataclass(frozen=True)
class Installation:
    """One Trenova."""

    #: The name of its group or, in a fleet of single hosts, of its host.
    id: str
    #: The group that holds its hosts and nobody else's; None where it is a host of a fleet.
    group: str | None
    hosts: tuple[Host, ...]
    #: Members of each service, by their ordinals.
    members: Mapping[str, tuple[Member, ...]]

    @property
    def host_names(self) -> tuple[str, ...]:
        """Names of the hosts, in the order of the inventory."""
        return tuple(host.name for host in self.hosts)

    @property
    def is_spread(self) -> bool:
        """Whether it runs on several hosts."""
        return len(self.hosts) > 1

    @property
    def service_hosts(self) -> dict[str, list[str]]:
        """Names of the hosts that run each service, by the ordinals of its members."""
        return {service: [member.host for member in members] for service, members in self.members.items()}


def installations(inventory, services, records=None, placed=None) -> tuple[Installation, ...]:
    """The installations of an inventory, in its order.

    `services` are the names of all services that roles describe: they make member groups. Those in `placed` get
    members, all when it is None. `records` is what hosts have kept, {host: {service: ordinal}}; the numbers in records
    of hosts that have left stay taken.
    """
    places = Places(inventory, services)
    return tuple(
        Installation(
            part.id, part.group, tuple(_host(inventory, name) for name in part.hosts),
            {service: _members(places, part, service, records or {})
             for service in (services if placed is None else placed)})
        for part in places.parts)


def members_on(host, inventory, services, recorded=None) -> dict[str, Member]:
    """{service: member} of a host, by what it has recorded and what the inventory says.

    A service that the installation has elsewhere, and any on a host outside of the topology, is numbered by the record,
    or as the first.
    """
    recorded = recorded or {}
    found = {service: Member(service, host, recorded.get(service, 1)) for service in services}
    for installation in installations(inventory, services, {host: recorded}):
        for members in installation.members.values() if host in installation.host_names else ():
            found.update((member.service, member) for member in members if member.host == host)
    return found


def written_ordinal(inventory, host, service) -> int | None:
    """The number that `trenova_ordinals` gives to a member; None where it gives none that can be used."""
    written = inventory.variable(host, "trenova_ordinals")
    number = written.get(service) if isinstance(written, Mapping) else None
    return number if is_ordinal(number) else None


def is_ordinal(number) -> bool:
    """Whether a value can be the number of a member."""
    return isinstance(number, int) and not isinstance(number, bool) and number > 0


def near_miss(group, services) -> str | None:
    """The member group that the name of a group is a typing error of; None where it is none."""
    name = group.lower().replace("-", "_")
    if not name.startswith(MEMBER_PREFIX) or group.removeprefix(MEMBER_PREFIX) in services:
        return None
    near = difflib.get_close_matches(name.removeprefix(MEMBER_PREFIX), services, n=1, cutoff=LIKENESS)
    return MEMBER_PREFIX + near[0] if near else None


def containers(member, described, counts=None) -> tuple[Container, ...]:
    """Containers of a member: `described` is {key: {"name": base}}, `counts` the number of each kind, 1 by default.

    The first of a kind is named as that of the first member, with the number of this one; others count on from it.
    """
    return tuple(
        Container(member, key, name)
        for key, entry in described.items()
        for name in instance_names((counts or {}).get(key, 1), first_name(member, entry["name"])))


def first_name(member, base) -> str:
    """Name of a member's first container of a kind."""
    return ordinal_name(base, member.ordinal)


def endpoints(service, described) -> tuple[Endpoint, ...]:
    """Endpoints of a service: `described` is {name: {"port", "scope", "serve"}}.

    Without a scope it is for its host alone; without `serve`, any member answers. The schema of descriptions holds
    them to SCOPES and SERVED_BY.
    """
    return tuple(
        Endpoint(service, name, entry["port"], entry.get("scope", SCOPES[0]), entry.get("serve", SERVED_BY[0]))
        for name, entry in described.items())


@dataclass(frozen=True)
class Part:
    """An installation before anything is placed on its hosts."""

    id: str
    group: str | None
    hosts: tuple[str, ...]


class Places:
    """The groups of an inventory, read once: member groups, near misses of them, and which hosts belong together."""

    def __init__(self, inventory, services):
        self.inventory = inventory
        self.root = inventory.hosts(ROOT)
        self.member_groups = [MEMBER_PREFIX + service for service in services]
        self.in_member_groups = {host for group in self.member_groups for host in inventory.hosts(group)}
        self.near_misses = {group: meant for group in inventory.groups if (meant := near_miss(group, services))}
        self._children = inventory.children or {}
        self._below_member_groups = self._descendants(self.member_groups)
        #: Each installation with the groups that its hosts were found in.
        self._found_in = {}
        for part, group in self._parts():
            self._found_in.setdefault(part, set()).add(group)
        self.parts = tuple(self._found_in)

    def ids_of(self, hosts, with_neighbours=False) -> list[str]:
        """Ids of the installations that have some of these hosts, and of those that were found in the same groups."""
        hit = [part for part in self.parts if set(hosts).intersection(part.hosts)]
        if with_neighbours:
            groups = set().union(*(self._found_in[part] for part in hit))
            hit = [part for part in self.parts if groups.intersection(self._found_in[part])]
        return list(dict.fromkeys(part.id for part in hit))

    def possible_child_groups(self) -> list[str]:
        """Groups that may be child groups of `trenova` with installations in them, by their names and hosts alone."""
        return [
            group for group in self.inventory.groups
            if group != ROOT and self._is_ordinary(group) and self.inventory.hosts(group)
            and set(self.inventory.hosts(group)) <= set(self.root)]

    @property
    def is_undecided(self) -> bool:
        """Whether it hangs on child groups, which are not known, which hosts are one installation."""
        return self.inventory.children is None and bool(
            self.in_member_groups.intersection(self.root) and self.possible_child_groups())

    def _is_ordinary(self, group):
        return group not in BUILT_IN and group not in self.member_groups and group not in self.near_misses

    def _descendants(self, groups):
        found, ahead = set(), list(groups)
        while ahead:
            for child in self._children.get(ahead.pop(), ()):
                if child not in found:
                    found.add(child)
                    ahead.append(child)
        return found

    def _parts(self) -> Iterator[tuple[Part, str]]:
        """Installations, each with the group that its hosts were found in; a host may be found in several."""
        for group, hosts, is_whole in self._leaves(ROOT):
            if is_whole and (len(hosts) == 1 or self.in_member_groups.intersection(hosts)):
                yield Part(group, group, hosts), group
            else:
                for host in hosts:
                    yield Part(host, None, (host,)), group

    def _leaves(self, group):
        """(group, hosts, whether these are all of it) of each group without child groups, and for hosts beside such."""
        children = [child for child in self._children.get(group, ()) if self._holds_installations(child, group)]
        covered = set()
        for child in children:
            covered.update(self.inventory.hosts(child))
            yield from self._leaves(child)
        beside = tuple(host for host in self.inventory.hosts(group) if host not in covered)
        if beside:
            yield group, beside, not children

    def _holds_installations(self, child, parent):
        """Whether a child group is no member group, nor a part of one that says where its parent runs a service."""
        return bool(
            self._is_ordinary(child) and self.inventory.hosts(child)
            and (parent == ROOT or child not in self._below_member_groups))


def _host(inventory, name):
    address = inventory.variable(name, "trenova_private_address")
    return Host(
        name, str(inventory.variable(name, "ansible_host") or name), None if address is None else str(address))


def _members(places, part, service, records):
    """Members of a service in an installation, by their ordinals."""
    hosts = [host for host in places.inventory.hosts(MEMBER_PREFIX + service) if host in part.hosts]
    recorded = {host: records[host][service] for host in part.hosts if service in records.get(host, {})}
    if not hosts:
        free = [host for host in part.hosts if host not in places.in_member_groups]
        # Its data does not move because another host has come first.
        hosts = [min(recorded, key=recorded.get)] if recorded else (free or part.hosts)[:1]
    written = {host: written_ordinal(places.inventory, host, service) for host in part.hosts}
    fixed = {host: recorded.get(host) or written[host] for host in part.hosts}
    taken = set(fixed.values())
    if recorded:
        # It is not known to which installation a host belonged that has left: each keeps clear of its numbers.
        taken.update(record[service] for host, record in records.items()
                     if host not in places.root and service in record)
    found = []
    for host in hosts:
        number = fixed[host] or next(number for number in range(1, len(taken) + 2) if number not in taken)
        taken.add(number)
        found.append(Member(service, host, number))
    return tuple(sorted(found, key=lambda member: member.ordinal))
