# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Certificates of an ACME authority, in the order of their life; and what is told where there is none.

The tests go on from each other: prepare.yml has left the authority stopped for the server.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import ssl
import time
import urllib.request

import yaml

HERE = pathlib.Path(__file__).resolve().parents[1]
FOLDER = pathlib.Path.home() / ".local/state/trenova-lab/acme"
AUTHORITY, LIMITS = "172.30.60.6", "172.30.60.7"
PAGE, JOBS, S3 = NAMES = "acme.trenova.test", "jobs.acme.trenova.test", "s3.acme.trenova.test"
ALL_NAMES = f"{PAGE}, {JOBS} and {S3}"
#: Of the installation, for playbooks that say nothing of it; and how long a verification asks again.
VARIABLES = {
    **yaml.safe_load((HERE / "converge.yml").read_text())[0]["vars"], "trenova_roles": ["caddy"],
    "caddy_acme_ca_file": str(FOLDER / "directory.crt"), "caddy_ca_file": str(FOLDER / "root.crt"),
    "trenova_verify_seconds": 4}
#: Seconds for which the authority makes a certificate, as prepare.yml says it.
LIFE = 120
#: What a firewall before the server does, a stopped authority, and the limiting authority at the address of the other.
REFUSE = "-j REJECT --reject-with tcp-reset"
CLOSED_PORTS = f"-t filter {{}} DOCKER-USER -s {AUTHORITY} -p tcp -m multiport --dports 80,443 {REFUSE}"
STOPPED = f"-t filter {{}} DOCKER-USER -d {AUTHORITY} -p tcp --dport 14000 {REFUSE}"
LIMITED = f"-t nat {{}} PREROUTING -d {AUTHORITY} -p tcp --dport 14000 -j DNAT --to-destination {LIMITS}:14000"


def name_server(path, **record):
    """Change what the name server of the authority answers."""
    request = urllib.request.Request(f"http://{AUTHORITY}:8055/{path}", json.dumps(record).encode())
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


@contextlib.contextmanager
def rule(server, words):
    """A rule of the server's packet filter."""
    server.shell.check_output("iptables -w " + words.format("-I"))
    try:
        yield
    finally:
        server.shell.check_output("iptables -w " + words.format("-D"))


def try_now(server):
    """Have Caddy ask the authority now, and not after its pause; it also looks then which certificates are late."""
    server.shell.check_output(
        "docker restart tren-caddy && timeout 30 sh -c 'until docker inspect tren-caddy | grep -q \\\"healthy\\\"; "
        "do sleep 0.2; done'")


def young(server):
    """Certificates of all names, each with more than half of its life before it: {name: certificate}."""
    try_now(server)
    deadline, found = time.monotonic() + 30, {}
    while len(found) < len(NAMES):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
        with contextlib.suppress(OSError):
            found = {name: told for name in NAMES if left(told := certificate(server, name)) > LIFE / 2}
    return found


def left(told):
    """Seconds for which a certificate is still valid."""
    return ssl.cert_time_to_seconds(told["notAfter"]) - time.time()


def verified(server, expect=0):
    """A verification of the installation."""
    return server.run(playbook="playbooks/verify.yml", expect=expect, variables=VARIABLES)


def told_of_certificates(run):
    """The end of a failed verification: the lines of its message."""
    return run.results[-1]["result"]["msg"].splitlines()


def certificate(server, name):
    """The certificate that a visitor gets, as Python tells it."""
    context = ssl.create_default_context(cafile=str(FOLDER / "root.crt"))
    with socket.create_connection((server.address, 443), 10) as plain, \
            context.wrap_socket(plain, server_hostname=name) as secured:
        return secured.getpeercert()


def test_names_that_lead_elsewhere_are_told_before_anything_is_changed(server, host):
    name_server("add-a", host=S3, addresses=[LIMITS])
    name_server("add-a", host=JOBS, addresses=[LIMITS])
    try:
        before = server.traces()
        output = " ".join(server.run("--check").output.split())
        assert f"{JOBS} and {S3} lead to {LIMITS}, which is no address of this host." in output
        assert server.traces() == before
    finally:
        name_server("clear-a", host=S3)
        name_server("clear-a", host=JOBS)


def test_first_installation_without_an_authority_ends_with_one_sentence(server, first_run):
    assert "no address of this host" not in first_run.real.output
    run = verified(server, expect=2)
    head, *failed = told_of_certificates(run)
    assert head.startswith("1 of "), failed
    assert failed[0].startswith(
        f"  Certificates: {ALL_NAMES} have no certificate: the server does not reach {AUTHORITY}:14000 (")
    assert "connection refused" in failed[0]
    assert failed[1] == "    The last log lines:"
    assert 1 <= len(failed) - 2 <= 6
    assert all("could not get certificate" in line or "will retry" in line for line in failed[2:])


def test_account_that_the_authority_does_not_know(server, host):
    server.run(variables={"caddy_acme_eab_key_id": ""})
    server.shell.check_output("iptables -w " + STOPPED.format("-D"))
    try_now(server)
    run = verified(server, expect=2)
    assert told_of_certificates(run)[1].startswith(
        f"  Certificates: {ALL_NAMES} have no certificate: {AUTHORITY}:14000 wants an account that it knows (")


def test_ports_that_are_closed(server, host):
    with rule(server, CLOSED_PORTS):
        server.run()
        try_now(server)
        run = verified(server, expect=2)
    sentence = told_of_certificates(run)[1]
    assert f"{ALL_NAMES} have no certificate: {AUTHORITY}:14000 cannot connect at {server.address} (" in sentence
    assert "; open ports 80 and 443 for everybody" in sentence


def test_name_that_leads_elsewhere_and_one_without_an_address(server, host):
    name_server("add-a", host=S3, addresses=[LIMITS])
    name_server("set-servfail", host=JOBS)
    try:
        try_now(server)
        run = verified(server, expect=2)
    finally:
        name_server("clear-a", host=S3)
        name_server("clear-servfail", host=JOBS)
    head, sentences = told_of_certificates(run)[:2]
    assert head.startswith("1 of ")
    assert f"{JOBS} has no certificate: {AUTHORITY}:14000 finds no address in the DNS (" in sentences
    assert f"{S3} has no certificate: somebody else answers {AUTHORITY}:14000 at {LIMITS}, which is no" in sentences
    # The others are served meanwhile.
    assert certificate(server, PAGE)["subjectAltName"] == (("DNS", PAGE),)


def test_renewal_that_is_refused_and_one_that_is_not(server, host):
    first = young(server)
    assert "checks passed" in verified(server).output
    with rule(server, LIMITED):
        time.sleep(max(0, *(left(told) - LIFE / 3 + 1 for told in first.values())))
        try_now(server)
        run = verified(server)
        told = " ".join(run.output.split())
        assert f"{S3}: the certificate is valid for" in told or f"and {S3}: the certificate is valid for" in told
        assert f"and is not renewed: {AUTHORITY}:14000 takes no more orders for now (too many certificates (5)" in told
        # What was served is served.
        assert certificate(server, S3) == first[S3]
        time.sleep(max(0, *(left(told) + 1 for told in first.values())))
        run = verified(server, expect=2)
        assert f"{ALL_NAMES}: the certificate has expired: {AUTHORITY}:14000 takes no more orders" in (
            told_of_certificates(run)[1])
    assert young(server)[S3]["serialNumber"] != first[S3]["serialNumber"]
