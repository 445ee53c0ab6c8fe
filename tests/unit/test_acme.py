# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Certificates of an ACME authority: what is said where there is none, or an old one, and where names do not lead here.

The lines of the log are those that Caddy wrote with Pebble (molecule/acme), and the details that Let's Encrypt gives.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest
import test_bundle
import test_preflight
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.module_utils import acme_log, engine, host, host_names
from ansible_collections.trenova.selfhost.plugins.modules import acme as module
from ansible_collections.trenova.selfhost.plugins.modules import capacity
from ansible_collections.trenova.selfhost.plugins.plugin_utils import preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import gather, names_of_host
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import (
    certificates,
    table,
    visitor,
    visits,
)

PAGE, JOBS, S3 = NAMES = "erp.trucks.co", "jobs.erp.trucks.co", "s3.erp.trucks.co"
LETS_ENCRYPT = "acme-v02.api.letsencrypt.org-directory"
OWN = "203.0.113.7"
VARIABLES = {
    "directory": "caddy_acme_directory", "root": "caddy_acme_ca_file", "account": "caddy_acme_eab_key_id",
    "key": "trenova_acme_eab_mac_key", "mail": "caddy_acme_email", "authority": "caddy_ca_file"}
URN = "urn:ietf:params:acme:error:"


def not_got(name, error, issuer=LETS_ENCRYPT):
    """The line that Caddy writes when an authority has refused a certificate."""
    return json.dumps({
        "level": "error", "ts": 1796009764.25, "logger": "tls.obtain", "msg": "could not get certificate from issuer",
        "identifier": name, "issuer": issuer, "error": error})


def again(name, error="", what="Obtain"):
    """The line that ends an attempt."""
    return json.dumps({
        "level": "error", "ts": 1796009764.26, "logger": "tls.obtain", "msg": "will retry",
        "error": f"[{name}] {what}: {error}", "attempt": 1, "retrying_in": 60, "elapsed": 2.6, "max_duration": 2592000})


def challenge(name, kind, detail, of="http-01"):
    """The line of a challenge that failed; its stack of calls is longer."""
    return json.dumps({
        "level": "error", "ts": 1796009764.24, "msg": "challenge failed", "identifier": name, "challenge_type": of,
        "problem": {"type": URN + kind, "title": "", "detail": detail, "instance": "", "subproblems": None},
        "stacktrace": "github.com/mholt/acmez/v3.(*Client).pollAuthorization\n\tclient.go:557"})


def said(*lines, names=NAMES, own=(OWN,), directory="", resolved=None):
    """What a host says of the names, by lines of the log."""
    return certificates.Said(
        acme_log.attempts(lines, set(names)), resolved or {}, frozenset(own), directory, "tren-caddy", VARIABLES)


def sentences(*lines, state=visitor.MISSING, names=(PAGE,), **more):
    return certificates.sentences(dict.fromkeys(names, state), said(*lines, names=names, **more))


TOO_MANY = (
    "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after "
    "2026-12-02 10:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/")
FETCHING = f"Fetching http://{PAGE}/.well-known/acme-challenge/Zz_-1: "
DIRECTORY = 'Get "https://pki.trucks.co/dir": '
REGISTERING = "registering account [mailto:a@b.test] with server: provisioning client: "
OF_SOMEBODY = "198.51.100.4, which is no address of this server itself ("

#: What it is, what the authority or Go said, what is told of it, and what is to be done.
CASES = [
    ("no address", f"HTTP 400 {URN}dns - DNS problem: NXDOMAIN looking up A for {PAGE} - check that a record exists",
     "Let's Encrypt finds no address in the DNS (DNS problem: NXDOMAIN", "create an A record"),
    ("no address, as Pebble says it", f'HTTP 400 {URN}malformed - Could not resolve URL "{PAGE}"',
     "Let's Encrypt finds no address in the DNS (Could not resolve", "create an A record"),
    ("closed port", f"HTTP 400 {URN}connection - {OWN}: {FETCHING}Timeout during connect (likely firewall problem)",
     f"cannot connect at {OWN} ({OWN}: Fetching http://{PAGE}/.well-known/acme-challenge/…: Timeout",
     "open ports 80 and 443 for everybody"),
    ("elsewhere, where nobody answers", f"HTTP 400 {URN}connection - 198.51.100.4: {FETCHING}Connection refused",
     f"Let's Encrypt cannot connect at {OF_SOMEBODY}", "point the name to this server"),
    ("elsewhere, by IPv6", f"HTTP 400 {URN}connection - 2001:db8::9: {FETCHING}Error getting validation data",
     "cannot connect at 2001:db8::9, which is no address of this server itself (", "its AAAA record included"),
    ("somebody else", f"HTTP 403 {URN}unauthorized - 198.51.100.4: Invalid response from http://{PAGE}/.well-known/"
     'acme-challenge/a: "<!DOCTYPE html>\\n<link rel=preconnect>"',
     f"somebody else answers Let's Encrypt at {OF_SOMEBODY}", "point the name"),
    ("TLS-ALPN, as Pebble says it",
     f"HTTP 403 {URN}unauthorized - Failed to connect to {OWN}:443 for the tls-alpn-01 challenge",
     f"Let's Encrypt cannot connect at {OWN} (", "open ports 80 and 443"),
    ("limit", f"HTTP 429 {URN}rateLimited - {TOO_MANY}", f"takes no more orders for now ({TOO_MANY})",
     "another run does not help"),
    ("limit without a type", "HTTP 429 about:blank - slow", "takes no more orders for now (slow)", "leave it"),
    ("CAA", f"HTTP 403 {URN}caa - CAA record for {PAGE} prevents issuance",
     "a CAA record does not allow Let's Encrypt (", "add the authority to that record"),
    ("forbidden name", f"HTTP 400 {URN}rejectedIdentifier - Cannot issue for it",
     "Let's Encrypt makes no certificate for it (", "take another name"),
    ("account that must be known",
     f"HTTP 403 {URN}externalAccountRequired - newAccount requests must include an 'externalAccountBinding'",
     "wants an account that it knows (", "caddy_acme_eab_key_id"),
    ("mail address", f"HTTP 400 {URN}invalidContact - contact email has invalid domain", "does not take the account (",
     "caddy_acme_email"),
    ("authority that is down",
     f"{REGISTERING}performing request: {DIRECTORY}dial tcp 10.0.0.9:443: connect: connection refused",
     f"the server does not reach Let's Encrypt ({DIRECTORY}dial tcp 10.0.0.9:443: connect: connection refused)",
     "Caddy asks again by itself"),
    ("authority that is not found",
     f"performing request: {DIRECTORY}dial tcp: lookup pki.trucks.co on 127.0.0.11:53: no such host",
     "the server does not reach Let's Encrypt (", "let the server out to it"),
    ("authority with a fault", f"{REGISTERING}HTTP 503: upstream", "does not reach", "wait until it is back"),
    ("authority whose own certificate is strange",
     f"performing request: {DIRECTORY}tls: failed to verify certificate: x509: certificate signed by unknown authority",
     "the server does not know who vouches for Let's Encrypt itself", "write caddy_acme_ca_file"),
    ("no directory", f"{REGISTERING}HTTP 404: 404 page not found\n", "answers, and has no ACME directory there (",
     "correct caddy_acme_directory"),
    ("anything else", f"HTTP 500 {URN}serverInternal - boom", "Let's Encrypt refuses it (boom)", "look at what it"),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_refusal_is_one_sentence_with_what_to_do(case):
    _name, error, wrong, remedy = case
    [text] = sentences(not_got(PAGE, error), again(PAGE, error))
    assert text.startswith(f"{PAGE} has no certificate: ")
    assert wrong in text
    assert remedy in text.partition("); ")[2]
    assert "\n" not in text


def test_account_that_is_refused_is_not_taken_for_a_name_that_leads_elsewhere():
    error = f"HTTP 403 {URN}unauthorized - The account key is unknown"
    [text] = sentences(not_got(PAGE, error), again(PAGE, f"registering account [] with server: {error}"))
    assert "does not take the account (The account key is unknown)" in text


def test_names_with_the_same_fault_have_one_sentence():
    lines = [not_got(name, f"HTTP 400 {URN}dns - NXDOMAIN looking up A for {name}") for name in (PAGE, S3)]
    lines.append(not_got(JOBS, f"HTTP 429 {URN}rateLimited - too many"))
    texts = sentences(*lines, names=NAMES)
    assert [text.partition(": ")[0] for text in texts] == [
        f"{PAGE} and {S3} have no certificate", f"{JOBS} has no certificate"]


def test_most_telling_challenge_and_the_last_attempt_are_told():
    lines = [
        not_got(PAGE, f"HTTP 429 {URN}rateLimited - before"), again(PAGE),
        challenge(PAGE, "unauthorized", "198.51.100.4: Invalid response from http://x: 404"),
        challenge(PAGE, "connection", "dial tcp 198.51.100.4:443: connect: connection refused", of="tls-alpn-01"),
        not_got(PAGE, f"HTTP 400 {URN}connection - dial tcp 198.51.100.4:443: connect: refused"), again(PAGE)]
    [text] = sentences(*lines)
    assert "somebody else answers Let's Encrypt at 198.51.100.4" in text


def test_word_in_a_host_name_is_not_taken_for_a_reason():
    name = "resolve-nxdomain.connect.co"
    error = f"HTTP 403 {URN}unauthorized - 198.51.100.4: Invalid response from http://{name}/: 404"
    [text] = sentences(not_got(name, error), names=(name,))
    assert "somebody else answers" in text


@pytest.mark.parametrize(("issuer", "directory", "name"), [
    (LETS_ENCRYPT, "", "Let's Encrypt"), ("acme.zerossl.com-v2-DV90", "", "ZeroSSL"),
    ("172.30.60.6:14000-dir", "https://172.30.60.6:14000/dir", "172.30.60.6:14000"),
    ("", "https://acme-staging-v02.api.letsencrypt.org/directory", "Let's Encrypt"), ("", "", "the authority")])
def test_authority_is_called_as_people_call_it(issuer, directory, name):
    assert certificates.authority(issuer, directory) == name


@pytest.mark.parametrize(("state", "words"), [
    (visitor.UNKNOWN, "write caddy_ca_file: its root (PEM)"),
    (visitor.OF_ANOTHER, "look whether what answers there is this server"),
    (visitor.MISSING, "the log of tren-caddy says no reason"),
    (visitor.EXPIRED, "the certificate has expired, and the log")])
def test_state_without_a_refusal(state, words):
    [text] = sentences(state=state)
    assert words in text
    assert text.startswith(PAGE)


@pytest.mark.parametrize(("days", "words"), [
    (12.4, "12 days"), (1.5, "36 hours"), (0.01, "14 minutes"), (-1, "0 minutes")])
def test_how_long_a_certificate_lasts(days, words):
    assert certificates.left(days) == words


def results(**of_visit):
    visit = {"name": "Certificates", "kind": "certificates", "ok": True, "detail": "valid for 3 more days or longer"}
    return [dict(visit, **of_visit)]


def test_what_fails_for_want_of_a_certificate_is_not_told_as_a_failure_of_its_own():
    log = said(not_got(PAGE, f"HTTP 429 {URN}rateLimited - too many"), again(PAGE))
    page = {
        "name": "Page", "kind": "page", "ok": False, "detail": "tlsv1 alert", "certificates": {PAGE: visitor.MISSING}}
    other = {"name": "API", "kind": "probe", "ok": False, "detail": "answered 500"}
    found, warnings = certificates.explained(
        [*results(ok=False, detail="x", certificates={PAGE: visitor.MISSING}), page, other], log)
    assert [(entry["name"], table.is_note(entry), entry["ok"]) for entry in found] == [
        ("Certificates", False, False), ("Page", True, True), ("API", False, False)]
    assert found[1]["detail"] == f"not asked, for want of a certificate for {PAGE}"
    assert warnings == []
    told = table.conclusion(found, "r.json")["msg"].splitlines()
    assert told[0] == "2 of 3 checks failed."
    assert told[2:5] == [
        "    The last log lines:",
        f"      03:36:04 could not get certificate from issuer: HTTP 429 {URN}rateLimited - too many",
        f"      03:36:04 will retry: [{PAGE}] Obtain:"]


def test_renewal_that_fails_is_a_warning_while_the_certificate_lasts():
    log = said(not_got(S3, f"HTTP 429 {URN}rateLimited - too many"), again(S3, what="Renew"))
    found, warnings = certificates.explained(results(late={S3: 12.0, PAGE: 12.0}), log)
    assert warnings == [found[0]["detail"]]
    assert warnings[0].startswith(
        f"{S3}: the certificate is valid for 12 days more and is not renewed: Let's Encrypt takes no more orders")
    assert found[0]["ok"]
    assert table.is_note(found[0])


def test_late_certificate_without_a_refusal_is_told_as_always():
    assert certificates.explained(results(late={PAGE: 12.0}), said()) == (results(late={PAGE: 12.0}), [])


def test_failure_of_another_kind_stays_what_it_is():
    failed = results(ok=False, detail="timed out")
    assert certificates.concerned(failed) == []
    assert certificates.explained(failed, said()) == (failed, [])


#: Whatever an authority answers: JSON of any form, with the words that are looked for in it.
WORDS = st.one_of(st.text(), st.sampled_from([
    "could not resolve", "connect: refused", "dial tcp 1.2.3.4:80", "performing request: ", "x509:", "HTTP 404:", "::1",
    "{at}", "%s {name} {0}", "\u2028\n\r\x00", "999.1.1.1", f"HTTP 400 {URN}dns - a\nb"]))
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8)
PROBLEM = st.fixed_dictionaries({}, optional={
    "type": st.one_of(JSON, st.sampled_from([URN + kind for kind in (*certificates.REFUSALS, *certificates.SAME)])),
    "title": JSON, "detail": JSON, "status": JSON, "instance": JSON, "subproblems": JSON})
ENTRY = st.fixed_dictionaries(
    {"msg": st.one_of(JSON, st.sampled_from([acme_log.NOT_GOT, acme_log.CHALLENGE, *acme_log.AGAIN]))}, optional={
        "identifier": st.one_of(JSON, st.sampled_from(NAMES)), "issuer": JSON, "problem": st.one_of(JSON, PROBLEM),
        "ts": JSON, "error": st.one_of(
            JSON, st.builds("HTTP {} {} - {}".format, st.integers(100, 999), WORDS, WORDS),
            st.builds(f"[{PAGE}] Obtain: {{}}".format, WORDS))})
LINES = st.lists(st.one_of(st.text(), ENTRY.map(json.dumps)), max_size=8)


@settings(max_examples=300, deadline=None)
@given(lines=LINES, own=st.sets(WORDS, max_size=2), directory=WORDS,
       states=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*visitor.LACKS, "3 days"]), min_size=1))
def test_whatever_an_authority_says_a_sentence_is_one_line_with_its_names(lines, own, directory, states):
    found = said(*lines, own=own, directory=directory)
    texts = certificates.sentences(states, found)
    assert all(text.isprintable() for text in texts)
    assert all(any(name in text for text in texts) for name in states)
    assert all(line.isprintable() for attempt in found.attempts.values() for line in attempt["lines"])


def test_addresses_in_a_text():
    text = "dial tcp 198.51.100.4:80, [2001:db8::9]:443 and 2001:db8::9: 12:34:56 v1.2.3.4.5 999.1.1.1 interface::"
    assert acme_log.addresses(text) == ["198.51.100.4", "2001:db8::9"]


def test_names_are_asked_for_a_bounded_time():
    def look_up(name, *_rest):
        if name == "slow":
            time.sleep(3)
        if name in ("gone", "silent"):
            raise socket.gaierror(socket.EAI_NONAME if name == "gone" else socket.EAI_AGAIN, "said")
        address = {"here": "127.0.1.1"}.get(name, OWN)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))] * 2

    began = time.monotonic()
    assert host_names.resolved(["there", "gone", "silent", "here", "slow"], 0.3, look_up) == {
        "there": [OWN], "gone": [], "silent": None, "here": None, "slow": None}
    assert time.monotonic() - began < 2


def test_own_addresses_are_those_that_one_can_listen_on():
    assert host_names.is_own("127.0.0.1")
    assert not host_names.is_own("192.0.2.1")
    assert not host_names.is_own("2001:db8::1")


def test_certificates_that_caddy_keeps_of_authorities(tmp_path):
    for place in (f"{LETS_ENCRYPT}/{PAGE}/{PAGE}.crt", f"local/{S3}/{S3}.crt", f"{LETS_ENCRYPT}/{JOBS}/{JOBS}.key"):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.touch()
    assert host.certificates(str(tmp_path)) == [PAGE]
    assert host.certificates(str(tmp_path / "nothing")) == []


@pytest.mark.parametrize(("services", "names"), [
    ({}, []), ({"redis": {}}, []), ({"caddy": {"entrance": {"host": PAGE}}}, None),
    ({"caddy": {"entrance": {"acme": {}}}}, []), ({"caddy": {"entrance": {"acme": {"certificates": "here"}}}}, [PAGE])])
def test_certificates_of_what_is_deployed(services, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "here" / LETS_ENCRYPT / PAGE / f"{PAGE}.crt"
    path.parent.mkdir(parents=True)
    path.touch()
    assert capacity.certificates_of(services) == names


def test_log_that_the_engine_does_not_hand_out_is_empty(monkeypatch):
    def silent(*_arguments, **_options):
        raise engine.EngineError("no Engine")

    monkeypatch.setattr(engine, "docker", silent)
    assert module.log_lines("tren-caddy", "8h") == []


class Caddy:
    """A container whose log says something of a name each second from its start on."""

    def __init__(self, monkeypatch, age, *lines):
        self.now, self.lines, self.asked = 1796009764.0, list(lines), []
        self.started = self.now - age
        monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(engine, "containers", lambda name: {name: {"State": {"StartedAt": self.moment}}})
        monkeypatch.setattr(engine, "docker", self.logs)

    strptime = staticmethod(time.strptime)

    @property
    def moment(self):
        return time.strftime("%Y-%m-%dT%H:%M:%S.25Z", time.gmtime(self.started))

    def time(self):
        return self.now

    monotonic = time

    def sleep(self, seconds):
        self.now += seconds
        assert len(self.asked) < 100, "it waits for ever"

    def logs(self, *words, **_options):
        self.asked.append(words[words.index("--since") + 1])
        said_by_now = self.lines[:max(0, round(self.now - self.started))]
        return subprocess.CompletedProcess(words, 0, "", "\n".join(said_by_now))


def test_what_caddy_was_told_before_its_start_is_of_no_account(monkeypatch):
    caddy = Caddy(monkeypatch, 3600)
    module.attempts("tren-caddy", {PAGE})
    assert caddy.asked == [caddy.moment.replace(".25Z", ".250000000Z")]


def test_caddy_that_has_just_begun_to_ask_is_waited_for(monkeypatch):
    caddy = Caddy(monkeypatch, 0, *(
        line for name in NAMES for line in (not_got(name, f"HTTP 403 {URN}dns - nothing"), again(name))))
    assert set(module.attempts("tren-caddy", set(NAMES))) == set(NAMES)
    assert caddy.now - caddy.started == 6


def test_caddy_that_does_not_speak_of_a_name_is_waited_for_a_bounded_time(monkeypatch):
    caddy = Caddy(monkeypatch, 0, not_got(PAGE, f"HTTP 403 {URN}dns - nothing"), again(PAGE))
    assert set(module.attempts("tren-caddy", set(NAMES))) == {PAGE}
    assert 0 < caddy.now - caddy.started <= module.ASKING_SECONDS + module.PAUSE_SECONDS


def test_caddy_that_is_started_again_and_again_is_waited_for_a_bounded_time(monkeypatch):
    caddy = Caddy(monkeypatch, 0)
    begin = caddy.now
    monkeypatch.setattr(
        engine, "containers", lambda name: {name: {"State": {"StartedAt": time.strftime(
            "%Y-%m-%dT%H:%M:%S.25Z", time.gmtime(caddy.now - 2))}}})
    assert module.attempts("tren-caddy", {PAGE}) == {}
    assert 0 < caddy.now - begin <= module.ASKING_SECONDS + module.PAUSE_SECONDS


@pytest.mark.parametrize("age", [-5, 3600 * 24 * 30])
def test_start_that_is_long_ago_or_yet_to_come_does_not_bound_the_log(monkeypatch, age):
    caddy = Caddy(monkeypatch, age)
    module.attempts("tren-caddy", {PAGE})
    assert caddy.asked == ["8h"]


def test_start_that_the_engine_does_not_tell_does_not_bound_the_log(monkeypatch):
    caddy = Caddy(monkeypatch, 3)
    monkeypatch.setattr(engine, "containers", lambda _name: {})
    module.attempts("tren-caddy", {PAGE})
    assert caddy.asked == ["8h"]


def leads(here, on_host, own=(OWN,), ssh=None, served=()):
    deployed = dict(test_preflight.CAPACITY["deployed"], certificates=list(served))
    there = dict(test_preflight.CAPACITY, ssh_address=ssh, deployed=deployed)
    services = {"caddy": {"entrance": {"acme": {"otherwise": "caddy_tls: internal"}}}}
    facts = preflight.Facts(test_preflight.VARIABLES, there, {"refusals": []}, services)
    return names_of_host.Leads(facts, here, on_host, own)


def test_name_that_nobody_finds_is_a_problem():
    found = leads({PAGE: [OWN], JOBS: [], S3: []}, {PAGE: [OWN], JOBS: [], S3: []}, ssh="8.8.8.8")
    [problem] = found.problems()
    assert problem.what == (
        f"{JOBS} and {S3} are not found in the DNS, neither from here nor from the host: no authority can give a "
        "certificate.")
    assert "8.8.8.8 for instance" in problem.write
    assert "caddy_tls: internal" in problem.write
    assert list(found.remarks()) == []


def test_name_that_nobody_finds_stops_nobody_who_serves_others():
    found = leads({JOBS: []}, {JOBS: []}, served=[PAGE])
    assert list(found.problems()) == []
    assert list(found.remarks()) == [
        f"{JOBS} is not found in the DNS, neither from here nor from the host: no authority can give a certificate. "
        "Create an A record for each, with the address at which visitors reach the server."]


@pytest.mark.parametrize(("here", "on_host", "words"), [
    ([], None, "No name server has told where erp.trucks.co leads to"),
    (None, [], "No name server has told where erp.trucks.co leads to"),
    (None, None, "No name server has told where erp.trucks.co leads to"),
    ([OWN], [], None), ([], [OWN], None), (["198.51.100.4"], [OWN], None), ([OWN], None, None),
    (["198.51.100.4"], ["198.51.100.4"], "erp.trucks.co leads to 198.51.100.4, which is no address of this host."),
    (["198.51.100.4"], ["10.0.0.4"], "erp.trucks.co leads to 198.51.100.4 and 10.0.0.4, which is no address"),
    ([OWN, "2001:db8::9"], None, "erp.trucks.co leads to this host and also to 2001:db8::9"),
])
def test_name_that_leads_elsewhere_or_nobody_knows_where_stops_nobody(here, on_host, words):
    found = leads({PAGE: here}, {PAGE: on_host})
    assert list(found.problems()) == []
    told = list(found.remarks())
    assert (told == []) if words is None else (len(told) == 1 and told[0].startswith(words))


def known(**more):
    variables, run = test_bundle.in_play(json.dumps(more))
    action = test_bundle.action_for(variables)
    return action, variables, gather.facts_of(action, run, variables)


ACME = {"caddy_tls": "acme", "caddy_acme_email": "ops@trucks.co"}


def test_only_names_without_a_certificate_are_asked_for():
    _action, _variables, facts = known(**ACME)
    facts.capacity = {name: value for name, value in facts.capacity.items() if name != "measured"}
    names = names_of_host.without_certificate(facts)
    assert len(names) == 3
    facts.capacity["deployed"] = dict(facts.capacity["deployed"], certificates=names[:1])
    assert names_of_host.without_certificate(facts) == names[1:]
    # An edition that did not say where its certificates lie has served them all the same.
    facts.capacity["deployed"]["certificates"] = None
    assert names_of_host.without_certificate(facts) == []
    assert names_of_host.without_certificate(known(caddy_tls="internal")[2]) == []


def test_the_host_and_the_controller_are_asked_together(monkeypatch):
    action, variables, facts = known(**ACME, ansible_host="server.trucks.co")
    facts.capacity = {name: value for name, value in facts.capacity.items() if name != "measured"}
    names, asked = names_of_host.without_certificate(facts), []
    answers = dict.fromkeys(names, [OWN]) | {"server.trucks.co": ["198.51.100.4"], names[0]: ["198.51.100.4"]}
    monkeypatch.setattr(host_names, "resolved", lambda wanted: {name: answers[name] for name in wanted})
    action._execute_module = lambda **more: asked.append(more["module_args"]) or {
        "resolved": {names[1]: ["192.0.2.9"], names[2]: [OWN]}, "own": [OWN]}
    found = gather.ask_names(action, variables, facts)
    assert asked == [{"names": names, "addresses": ["198.51.100.4", OWN]}]
    # The first leads to where the server is reached from here, the others to an address that is the host's.
    assert (list(found.problems()), list(found.remarks())) == ([], [])


def test_nobody_is_asked_where_all_have_their_certificates():
    action, variables, facts = known(caddy_tls="internal")
    found = gather.ask_names(action, variables, facts)
    assert (list(found.problems()), list(found.remarks())) == ([], [])


@functools.cache
def rendered(told):
    """(files of the project, secret ones among them; description of Caddy; its containers) by variables as JSON."""
    variables, run = test_bundle.in_play(told)
    made = test_bundle.by_plan("caddy", variables, run)
    files = {entry["path"]: entry["content"] for entry in made["files"]}
    files.update({entry["path"]: base64.b64decode(entry["content"]).decode() for entry in made["secret_files"]})
    short = {path.removeprefix("/opt/trenova/caddy/"): content for path, content in files.items()}
    return short, run.services["caddy"], made["containers"]


def signed(name, days=2, by=None, whole=90):
    """(certificate, key) of a name, of whose life so many days are left; by: (certificate, key) of its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    authority, authority_key = by or (None, key)
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(authority.subject if by else subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(ends - datetime.timedelta(days=whole)).not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=not by, path_length=None), critical=True)
            .sign(authority_key, hashes.SHA256()))
    return made, key


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def root(tmp_path):
    """A root certificate, as a file."""
    path = tmp_path / "root.pem"
    path.write_bytes(pem(signed("trucks")[0]))
    return path


@pytest.fixture
def entrance(tmp_path):
    """Function that serves {name: (certificate, key)} by TLS and returns the port; other names get an alert."""
    listeners = []

    def context_of(number, certificate, key):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(pem(certificate) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def serve(pairs):
        contexts = {name: context_of(number, *pair) for number, (name, pair) in enumerate(pairs.items())}

        def choose(connection, name, _context):
            if name not in contexts:
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            connection.context = contexts[name]
            return None

        first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        first.sni_callback = choose
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer():
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), first.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)

        threading.Thread(target=answer, daemon=True).start()
        return listener.getsockname()[1]

    yield serve
    for listener in listeners:
        listener.close()


def test_what_a_certificate_lacks_is_seen_by_its_handshake(entrance):
    ours, others = signed("ours", whole=3), signed("others", whole=3)
    port = entrance({
        "good.co": signed("good.co", 40, ours), "late.co": signed("late.co", 12, ours),
        "old.co": signed("old.co", -1, ours), "strange.co": signed("strange.co", 40, others),
        "wrong.co": signed("good.co", 40, ours)})
    somebody = visitor.Visitor("127.0.0.1", pem(ours[0]).decode(), port=port)

    def asked(*hosts):
        return visits.ask(visits.Scene(somebody, hosts=list(hosts)), {"name": "Certificates", "kind": "certificates"})

    told = asked("good.co", "late.co")
    assert told["ok"]
    assert told["detail"] == "valid for 12 more days or longer"
    assert list(told["late"]) == ["late.co"]
    told = asked("good.co", "old.co", "strange.co", "wrong.co", "none.co")
    assert told["certificates"] == {
        "old.co": visitor.EXPIRED, "strange.co": visitor.UNKNOWN, "wrong.co": visitor.OF_ANOTHER,
        "none.co": visitor.MISSING}
    with pytest.raises(visitor.CheckFailed) as failure:
        somebody.request("GET", "none.co", "/")
    assert failure.value.answer()["certificates"] == {"none.co": visitor.MISSING}


def test_server_that_does_not_answer_is_no_certificate_that_is_missing():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    scene = visits.Scene(visitor.Visitor("127.0.0.1", port=port), hosts=[PAGE])
    assert "certificates" not in visits.ask(scene, {"name": "Certificates", "kind": "certificates"})


def test_authority_of_ones_own_is_known_to_caddy_and_to_whoever_comes_through_it(root):
    more = dict(ACME, caddy_acme_directory="https://pki.trucks.co/acme/directory", caddy_acme_ca_file=str(root))
    files, service, containers = rendered(json.dumps(more))
    lines = '\tacme_ca "https://pki.trucks.co/acme/directory"\n\tacme_ca_root /etc/caddy/acme-ca.pem\n'
    assert lines in files["config/Caddyfile"]
    assert files["config/acme-ca.pem"].strip() == root.read_text().strip()
    # Whoever reaches the names through Caddy knows the same authority.
    assert files["config/ca.pem"] == files["config/acme-ca.pem"]
    acme = service["entrance"]["acme"]
    assert (acme["container"], acme["directory"]) == ("main", more["caddy_acme_directory"])
    assert {**acme["variables"], "authority": service["entrance"]["authority"]["variable"]} == VARIABLES
    assert acme["certificates"] == "/var/lib/trenova/caddy/data/caddy/certificates"
    assert containers == rendered(json.dumps(ACME))[2]


def test_account_that_an_authority_knows_is_a_secret(root):
    more = dict(ACME, caddy_acme_eab_key_id="trucks", trenova_acme_eab_mac_key="zWNDZM6eQGHWpSRTPal5")
    files = rendered(json.dumps(more))[0]
    assert "\timport /run/trenova/acme-eab.caddy\n" in files["config/Caddyfile"]
    assert files["secrets/acme-eab.caddy"] == 'acme_eab {\n\tkey_id "trucks"\n\tmac_key "zWNDZM6eQGHWpSRTPal5"\n}\n'


def test_whoever_sets_nothing_of_it_has_nothing_of_it():
    files, service, _containers = rendered(json.dumps(ACME))
    assert not {"config/acme-ca.pem", "config/ca.pem", "secrets/acme-eab.caddy"} & set(files)
    assert "acme_ca" not in files["config/Caddyfile"]
    assert service["entrance"]["acme"]["directory"] == ""
    assert rendered(json.dumps({"caddy_tls": "internal"}))[1]["entrance"]["acme"] == {}


def told(**more):
    """What preflight says of an authority, in words."""
    facts = known(**more)[2]
    return [problem.what for problem in preflight.check_all(facts) if "acme" in problem.what or "PEM" in problem.what]


def test_what_is_said_of_an_authority_goes_together(root):
    more = dict(ACME, caddy_acme_ca_file=str(root))
    assert ("caddy_acme_ca_file is set, and caddy_acme_directory is not: the public authorities would not be known."
            in told(**more))
    assert told(**more, caddy_acme_directory="https://pki.trucks.co/dir") == []
    assert told(**ACME, caddy_acme_eab_key_id="a") == [
        "trenova_acme_eab_mac_key is missing, and caddy_acme_eab_key_id is set."]
    root.write_text("no certificate")
    assert told(**more, caddy_acme_directory="https://pki.trucks.co/dir") == [
        f"caddy_acme_ca_file holds no certificate in PEM: {root}."]
