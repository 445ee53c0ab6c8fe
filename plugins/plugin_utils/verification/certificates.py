# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why host names have no certificate, or keep an old one: what the ACME authority said, and what is to be done.

Names with the same fault have one sentence, on one line. What else failed for want of a certificate says just that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.trenova.selfhost.plugins.module_utils.acme_log import addresses, one_line
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import (
    EXPIRED,
    MISSING,
    OF_ANOTHER,
    UNKNOWN,
)

#: Kind of the visit that looks at the certificates of all names.
VISIT = "certificates"
LONGEST_DETAIL = 240
MOST_LINES = 6
#: Names of the authorities that Caddy asks by itself, by a word in their addresses.
AUTHORITIES = {"letsencrypt": "Let's Encrypt", "zerossl": "ZeroSSL"}

POINT_HERE = (
    "point the name to this server, its AAAA record included, or have the router that it leads to hand on ports 80 and "
    "443")
#: {kind of a refusal: (what is wrong, what to do)}; the most telling first, where an attempt was refused in several
#: ways. Put in are {authority} and {at}, where it has looked, and names of variables, as the description has them.
REFUSALS = {
    "rateLimited": (
        "{authority} takes no more orders for now",
        "leave it as it is, Caddy asks again by itself: another run does not help, and may use up more of the limit"),
    "caa": (
        "a CAA record does not allow {authority}", "add the authority to that record, or remove the record"),
    "rejectedIdentifier": (
        "{authority} makes no certificate for it", "take another name, or another authority ({directory})"),
    "externalAccountRequired": (
        "{authority} wants an account that it knows",
        "write {account} and {key}, as it gives them out"),
    "account": (
        "{authority} does not take the account",
        "correct what it speaks of: {mail}, {account} or {key}"),
    "unknownAuthority": (
        "the server does not know who vouches for {authority} itself",
        "write {root}: the root certificate (PEM) of its own address"),
    "noDirectory": ("{authority} answers, and has no ACME directory there", "correct {directory}"),
    "notReached": (
        "the server does not reach {authority}",
        "let the server out to it, or wait until it is back: Caddy asks again by itself"),
    "dns": (
        "{authority} finds no address in the DNS",
        "create an A record with the address at which visitors reach this server (AAAA for IPv6)"),
    "unauthorized": ("somebody else answers {authority}{at}", POINT_HERE),
    "elsewhere": ("{authority} cannot connect{at}", POINT_HERE),
    "connection": (
        "{authority} cannot connect{at}",
        "open ports 80 and 443 for everybody, in the firewall of the server and in that of its provider"),
    "other": ("{authority} refuses it", "look at what it says, and at {directory}"),
}
#: Types of RFC 8555 (6.7) that mean one of these.
SAME = {
    "incorrectResponse": "unauthorized", "tls": "connection", "userActionRequired": "account",
    "accountDoesNotExist": "account", "unsupportedContact": "account", "invalidContact": "account",
}
#: Words of a detail that say more than its type: authorities differ in what they call a name without an address.
NO_ADDRESS = re.compile(
    r"resolv|NXDOMAIN|SERVFAIL|no valid (A|AAAA|IP)\b|no such host|no IP addresses|looking up (A|AAAA)\b",
    re.IGNORECASE)
NO_CONNECTION = re.compile(r"\bconnect|timed? ?out|deadline exceeded|no route to host|unreachable", re.IGNORECASE)
#: An answer that was got has any words in it; only this is none.
NOT_ANSWERED = re.compile(r"\W*(failed|cannot|could not|unable) to connect", re.IGNORECASE)
UNKNOWN_AUTHORITY = re.compile(r"x509:|certificate signed by|failed to verify certificate", re.IGNORECASE)
NO_DIRECTORY = re.compile(r"\bHTTP 4\d\d:")
NOT_REACHED = re.compile(r"performing request|provisioning client|dial tcp|\bHTTP 5\d\d:|\blookup\b", re.IGNORECASE)
#: What is left of a detail when it is told: addresses of challenges end with a key, and errors begin with their way.
CHALLENGE = re.compile(r"(/\.well-known/acme-challenge/)[\w-]+")
WAY = re.compile(r"^.*performing request: ", re.DOTALL)
WEB_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Said:
    """What a host says of its names: the answers of the module `acme`, and whom it asks."""

    #: {name: its last attempt}
    attempts: dict[str, Any] = field(default_factory=dict)
    #: {name: its addresses}, as the host resolves it.
    resolved: dict[str, Any] = field(default_factory=dict)
    #: Addresses that are the host's.
    own: frozenset[str] = frozenset()
    #: Address of the authority's directory; empty where Caddy asks the public ones.
    directory: str = ""
    container: str = ""
    #: Variables of the inventory: those of the description's `acme`, and `authority`.
    variables: dict[str, str] = field(default_factory=dict)


def concerned(results):
    """Host names whose certificates are missing, wrong or late, by the results of the visits."""
    return sorted({*_lacks(results), *_late(results)})


def explained(results, said):
    """(the results, with what the authority said in them; sentences that are warnings)."""
    lacks, told, warnings = _lacks(results), [], []
    for result in results:
        without = set(result.get("certificates") or {})
        if result.get("kind") == VISIT and without:
            told.append(_failed(result, lacks, said))
        elif result.get("kind") == VISIT and result.get("late"):
            warnings = sentences({name: left(days) for name, days in result["late"].items()
                                  if name in said.attempts}, said)
            told.append(dict(result, note=True, detail=". ".join(warnings)) if warnings else result)
        elif not result["ok"] and without and without <= set(lacks):
            told.append(dict(result, ok=True, note=True, detail="not asked, for want of a certificate for {}".format(
                ", ".join(sorted(without)))))
        else:
            told.append(result)
    return told, warnings


def _lacks(results):
    """{host name: what its certificate lacks}, as the visit to the certificates has found it at last."""
    return {name: lack for result in results if result.get("kind") == VISIT
            for name, lack in (result.get("certificates") or {}).items()}


def _late(results):
    return {name: days for result in results if result.get("kind") == VISIT
            for name, days in (result.get("late") or {}).items()}


def _failed(result, lacks, said):
    lines = [line for name in sorted(lacks) for line in (said.attempts.get(name) or {}).get("lines") or []]
    return dict(
        result, detail=". ".join(sentences(lacks, said)), log_lines=list(dict.fromkeys(lines))[-MOST_LINES:])


def sentences(states, said):
    """Sentences on names: {name: what its certificate lacks, or how long it lasts}. Those with one fault have one."""
    groups = {}
    for name in sorted(states):
        groups.setdefault(_fault(name, states[name], said), []).append(name)
    return [_sentence(names, state, kind, said) for (state, kind, _at), names in groups.items()]


def left(days):
    """How long a certificate is still valid, in words."""
    if days >= 2:
        return f"{days:.0f} days"
    return f"{days * 24:.0f} hours" if days * 24 >= 2 else f"{max(0, days) * 1440:.0f} minutes"


def _fault(name, state, said):
    """(state, kind of what was refused, where the authority looked): what is the same for names with one fault."""
    attempt = said.attempts.get(name)
    if not attempt or state in (UNKNOWN, OF_ANOTHER):
        return state, None, ""
    kind, failure = told_most(name, attempt, said.own)
    return state, kind, _at(name, failure, said) if "{at}" in REFUSALS[kind][0] else ""


def _sentence(names, state, kind, said):
    who, several = _listed(names), len(names) > 1
    if state == UNKNOWN:
        variable = said.variables["authority"]
        return f"{who}: the certificate is of an authority that nobody here knows; write {variable}: its root (PEM)"
    if state == OF_ANOTHER:
        return f"{who}: the certificate is that of another name; look whether what answers there is this server"
    if state == EXPIRED:
        what = f"{who}: the certificate has expired"
    elif state == MISSING:
        what = f"{who} {'have' if several else 'has'} no certificate"
    else:
        what = f"{who}: the certificate is valid for {state} more and is not renewed"
    if kind is None:
        return (f"{what}, and the log of {said.container} says no reason, as while it still asks: run "
                "playbooks/verify.yml again in a minute")
    name = names[0]
    _kind, failure = told_most(name, said.attempts[name], said.own)
    issuer = next((each["issuer"] for each in said.attempts[name]["failures"] if each["issuer"]), "")
    wrong, remedy = REFUSALS[kind]
    wrong = wrong.format(authority=authority(issuer, said.directory), at=_at(name, failure, said))
    detail = one_line(CHALLENGE.sub(r"\1…", WAY.sub("", failure["detail"])), LONGEST_DETAIL)
    told = f" ({detail})" if detail else ""
    return f"{what}: {wrong}{told}; {remedy.format(**said.variables)}"


def _listed(names):
    return names[0] if len(names) == 1 else "{} and {}".format(", ".join(names[:-1]), names[-1])


def _at(name, failure, said):
    """Where the authority looked for a name, and whether that is this server, as far as it is known."""
    looked = addresses(failure["detail"]) or said.resolved.get(name) or []
    if not looked:
        return ""
    foreign = "" if set(looked) & set(said.own) else ", which is no address of this server itself"
    return " at {}{}".format(" and ".join(looked[:2]), foreign)


def told_most(name, attempt, own):
    """(kind of refusal, the failure) of the most telling one of an attempt."""
    order, failures = list(REFUSALS), attempt["failures"]
    place, number = min((order.index(kind_of(name, failure, own, attempt.get("registers"))), number)
                        for number, failure in enumerate(failures))
    return order[place], failures[number]


def kind_of(name, failure, own, registers=False):
    """Kind of a refusal, one of REFUSALS. registers: whether it is the account that was refused."""
    kind, detail = SAME.get(failure["type"], failure["type"]), failure["detail"]
    # Names and addresses of the web may have any words in them.
    words = WEB_ADDRESS.sub("", detail.replace(name, ""))
    if failure["status"] == 429:
        return "rateLimited"
    if kind == "unauthorized" and registers:
        return "account"
    if not kind:
        for pattern, meant in ((UNKNOWN_AUTHORITY, "unknownAuthority"), (NO_DIRECTORY, "noDirectory"),
                               (NOT_REACHED, "notReached")):
            if pattern.search(words):
                return meant
    if kind in REFUSALS and kind not in ("connection", "unauthorized", "other"):
        return kind
    if kind == "unauthorized" and not NOT_ANSWERED.match(words):
        return kind
    if kind != "unauthorized" and NO_ADDRESS.search(words):
        return "dns"
    if kind not in ("connection", "unauthorized") and not NO_CONNECTION.search(words):
        return "other"
    looked = addresses(detail)
    return "elsewhere" if looked and not set(looked) & set(own) else "connection"


def authority(issuer, directory):
    """An authority as people call it."""
    place = urlsplit(directory).netloc or issuer.partition("-")[0]
    known = next((name for word, name in AUTHORITIES.items() if word in (directory or issuer)), None)
    return known or one_line(place, LONGEST_DETAIL) or "the authority"
