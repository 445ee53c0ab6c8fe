# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Field reports of the way of a request: what is said of addresses, ports and proxies arrives everywhere the same."""

from __future__ import annotations

import base64
import contextlib
import copy
import email.message
import functools
import hashlib
import hmac
import ipaddress
import itertools
import json
import os
import pathlib
import re
import socket
import socketserver
import subprocess
import sys
import threading
import types
from urllib.parse import parse_qsl, urlsplit

import jinja2
import jinja2.nativetypes
import pytest
import readers
import test_bundle
import test_preflight
import yaml
from ansible.plugins.filter.core import FilterModule as CoreFilters

from ansible_collections.trenova.selfhost.plugins.module_utils import addresses
from ansible_collections.trenova.selfhost.plugins.modules import probe
from ansible_collections.trenova.selfhost.plugins.plugin_utils import (
    catalogue,
    compose,
    entrance,
    formats,
    ipv6,
    preflight,
    project,
    quoting,
    role_files,
    routes,
    secret_kinds,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import gather, texts
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import (
    families,
    outside,
    table,
    visitor,
    visits,
    way,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import main as backup_program  # noqa: E402  # found by the line above
from trenova_backup import notify  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

DOMAIN, S3 = "erp.trucks.co", "s3.erp.trucks.co"
#: 443 belongs to somebody else, which is when preflight says to take another port.
ANOTHER_PORT = {"caddy_tls": "internal", "caddy_http_port": 8080, "caddy_https_port": 8443}
PROXY_HERE = {"caddy_tls": "proxy", "caddy_http_port": 8080, "caddy_bind_address": "127.0.0.1",
              "caddy_trusted_proxies": ["127.0.0.1"]}


@functools.cache
def rendered(more):
    """Files of all services with these variables, as JSON: {path: content}; and the run."""
    variables, known = test_bundle.in_play(more)
    found = {}
    for role in ("caddy", "client", "api", "minio", "backup"):
        arguments = test_bundle.by_plan(role, variables, known)
        found.update({entry["path"]: entry["content"] for entry in arguments["files"]})
        found.update({
            entry["path"]: base64.b64decode(entry["content"]).decode() for entry in arguments["secret_files"]})
    return {path.removeprefix("/opt/trenova/"): content for path, content in found.items()}, known


def files_with(**more):
    """Files of the services by their path below the project's directory."""
    return rendered(json.dumps(more))[0]


def entrance_with(**more):
    """What the description says of the entrance."""
    return rendered(json.dumps(more))[1].entrance


def services_with(**more):
    """Descriptions of the services."""
    return rendered(json.dumps(more))[1].services


def told(**more):
    """What preflight says of variables of the inventory, in words."""
    variables, known = test_bundle.in_play(json.dumps(more))
    action = test_bundle.action_for(variables)
    return [problem.what for problem in preflight.check_all(gather.facts_of(action, known, variables))]


class Conversation:
    """Requests of a visitor, answered from a table by method and path; what was asked is kept."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def visitor(self, services, server="192.0.2.7"):
        made = outside.visitor_of(services, server, None)
        made._request = self.request(made)
        made.plain_request = functools.partial(made._request, "http")
        return made

    def request(self, made):
        real = visitor.Visitor._request

        def answer(scheme, method, host, path, body=None, headers=None):
            connection = Connection()
            original, visitor._PinnedConnection = visitor._PinnedConnection, lambda *_arguments: connection
            try:
                real(made, scheme, method, host, path, body, headers)
            finally:
                visitor._PinnedConnection = original
            sent = types.SimpleNamespace(scheme=scheme, method=method, host=host, path=path, headers=connection.headers)
            self.asked.append(sent)
            return self.answers(sent)

        return answer


class Connection:
    """Takes one request, and answers it with nothing."""

    headers: dict

    def request(self, _method, _path, body=None, headers=None):
        self.headers = headers

    def getresponse(self):
        return types.SimpleNamespace(status=200, headers={}, read=lambda: b"")

    def close(self):
        """Nothing to close."""


def reply(status=200, body=b"", cookies=(), **headers):
    """An answer of a server."""
    message = email.message.Message()
    for name, value in [*headers.items(), *(("Set-Cookie", cookie) for cookie in cookies)]:
        message[name.replace("_", "-")] = value
    return types.SimpleNamespace(status=status, headers=message, body=body, text=body.decode)


# -- 1 -------------------------------------------------------------------------------------------------------------


def test_report_01_another_port_is_in_all_that_names_the_installation():
    """Caddy is published on 8443 because 443 is taken, as preflight itself says; the page loads, and nobody can log in.

    The port is part of the public address, which is known in one place: redirect, API, CORS, links to objects, HTTP/3
    and verification have it. Caddy listens on that port inside as well, so that the API signs what it sends.
    """
    files = files_with(**ANOTHER_PORT)
    client = yaml.safe_load(files["client/compose.yaml"])["services"]["client"]
    assert client["environment"]["API_ORIGIN"] == "https://erp.trucks.co:8443"
    for part in ("serve", "database"):
        config = yaml.safe_load(files[f"api/secrets/{part}/config.production.yaml"])
        assert config["cors"]["allowedOrigins"] == "https://erp.trucks.co:8443"
        assert (config["minio"]["endpoint"], config["minio"]["useSSL"]) == ("s3.erp.trucks.co:8443", True)
    caddy = yaml.safe_load(files["caddy/compose.yaml"])["services"]["caddy"]
    assert caddy["ports"] == ["8080:80/tcp", "8443:8443/tcp", "8443:8443/udp"]
    assert S3 in caddy["networks"]["app"]["aliases"]
    assert readers.sites(files["caddy/config/Caddyfile"]) == [
        ["erp.trucks.co:8443"], ["jobs.erp.trucks.co:8443"], ["s3.erp.trucks.co:8443"]]


def test_report_01_defaults_name_no_port():
    """Without another port, addresses are as they were."""
    files = files_with()
    assert "API_ORIGIN: https://erp.trucks.co\n" in files["client/compose.yaml"]
    assert yaml.safe_load(files["caddy/compose.yaml"])["services"]["caddy"]["ports"] == [
        "80:80/tcp", "443:443/tcp", "443:443/udp"]
    assert readers.sites(files["caddy/config/Caddyfile"])[0] == ["erp.trucks.co"]


def test_report_01_a_proxy_or_router_with_another_port_is_named_to_browsers():
    """What visitors see differs from what the host publishes, behind a router as well as behind a proxy."""
    behind = files_with(**PROXY_HERE, caddy_public_https_port=9443)
    assert "API_ORIGIN: https://erp.trucks.co:9443\n" in behind["client/compose.yaml"]
    caddy = yaml.safe_load(behind["caddy/compose.yaml"])["services"]["caddy"]
    assert caddy["ports"] == ["127.0.0.1:8080:80/tcp"]
    assert readers.sites(behind["caddy/config/Caddyfile"])[0] == [
        "http://erp.trucks.co", "https://erp.trucks.co:9443"]
    router = files_with(**ANOTHER_PORT, caddy_public_http_port=80, caddy_public_https_port=443)
    assert "API_ORIGIN: https://erp.trucks.co\n" in router["client/compose.yaml"]
    assert yaml.safe_load(router["caddy/compose.yaml"])["services"]["caddy"]["ports"] == [
        "8080:80/tcp", "8443:443/tcp", "8443:443/udp"]


@pytest.mark.parametrize(("more", "words"), [
    ({"caddy_tls": "acme", "caddy_http_port": 8080, "caddy_https_port": 8443},
     "caddy_tls is acme, and the authority asks the ports 80 and 443 only; visitors come to 8080 and 8443."),
    ({"caddy_tls": "internal", "caddy_http_port": 8443, "caddy_https_port": 8443},
     "caddy_http_port and caddy_https_port are the same: 8443."),
    ({"caddy_tls": "internal", "caddy_https_port": 2019},
     "The public port of HTTPS is 2019, which is that of Caddy's administration."),
])
def test_report_01_ports_that_cannot_work_are_refused(more, words):
    """What no authority can reach, and what Caddy has for itself, is told before anything changes."""
    assert words in told(**more)


@pytest.mark.parametrize("more", [
    {"caddy_tls": "acme", "caddy_https_port": 8443},
    {"caddy_tls": "acme", "caddy_http_port": 8080, "caddy_https_port": 8443, "caddy_public_http_port": 80},
    {"caddy_tls": "acme", "caddy_http_port": 8080, "caddy_https_port": 8443,
     "caddy_acme_directory": "https://ca.trucks.co/acme/directory"},
    ANOTHER_PORT,
])
def test_report_01_ports_that_can_work_are_not(more):
    """One of the two ports that an authority asks is enough; an authority of one's own may ask others."""
    assert [words for words in told(**more) if re.search(r"\bports?\b", words)] == []


PAGE = b'<html><script type="module" src="/assets/app-1.js"></script></html>'
SAFE = {"Strict_Transport_Security": "x", "X_Content_Type_Options": "x", "Cache_Control": "no-cache"}


@pytest.mark.parametrize(("script", "headers", "fault"), [
    (b'u="https://erp.trucks.co:8443/api/v1"', {}, None),
    (b'u="https://erp.trucks.co:8443/api/v1",m="https://maps.invalid-co.com/api/js"', {}, None),
    (b"nothing of an address", {"Alt_Svc": 'h3=":8443"; ma=2592000'}, None),
    (b'u="https://erp.trucks.co/api/v1"', {},
     "the page asks an API at https://erp.trucks.co, and not at https://erp.trucks.co:8443"),
    (b'u="https://trenova.invalid/api/v1"', {},
     "the page asks an API at https://trenova.invalid, and not at https://erp.trucks.co:8443"),
    (b"", {"Alt_Svc": 'h3=":443"; ma=2592000'}, "HTTP/3 is announced on port 443, and not on 8443"),
])
def test_report_01_a_page_that_asks_elsewhere_is_told(script, headers, fault):
    """The verification reads in the page's own programs where it will look for the API."""
    services = services_with(**ANOTHER_PORT)

    def answers(sent):
        return reply(body=script) if sent.path == "/assets/app-1.js" else reply(body=PAGE, **SAFE, **headers)

    talk = Conversation(answers)
    scene = visits.Scene(talk.visitor(services), entrance=services["caddy"]["entrance"])
    answer = visits.ask(scene, {"name": "Page", "kind": "page", "host": DOMAIN})
    assert (answer["ok"], answer["detail"]) == (
        (False, fault) if fault else (True, "page, headers and certificate as expected"))
    assert {sent.headers["Host"] for sent in talk.asked} == {"erp.trucks.co:8443"}


def test_report_01_a_session_cookie_without_secure_is_told():
    """Cookies of a login must not travel without TLS, and the API must allow the page's origin."""
    services = services_with(**ANOTHER_PORT)
    login = services["api"]["exports"]["profile"]["login"]
    visit = {"name": "Login", "kind": "login", "host": DOMAIN, "login": login, "user": "a@b.co",
             "password_variable": "x"}

    def ask(**headers):
        talk = Conversation(lambda _sent: reply(**headers))
        answer = visits.ask(visits.Scene(talk.visitor(services), entrance=services["caddy"]["entrance"]), visit)
        assert talk.asked[0].headers["Origin"] == "https://erp.trucks.co:8443"
        return answer["detail"]

    assert "not marked as secure" in ask(cookies=["session=1; Path=/; HttpOnly"])
    assert ask(cookies=["session=1; path=/; secure; HttpOnly"]) == "a@b.co logged in and read data"
    assert "allows the origin https://erp.trucks.co, and not https://erp.trucks.co:8443" in ask(
        cookies=["session=1; Secure"], Access_Control_Allow_Origin="https://erp.trucks.co")


# -- 2 -------------------------------------------------------------------------------------------------------------


def test_report_02_a_proxy_on_the_host_is_known_by_what_caddy_sees_of_it(tmp_path):
    """nginx or cloudflared on the server passes requests on to 127.0.0.1; Caddy sees a bridge, and answers 403 to all.

    The loopback in caddy_trusted_proxies works as written: Caddy reads at its start which gateway such connections come
    from, and believes that one too. The ports must be bound to the loopback, or others would come from there as well.
    """
    words = readers.caddyfile(files_with(**PROXY_HERE)["caddy/config/Caddyfile"])
    assert ["import", "/config/trusted*.caddy", "127.0.0.1"] in words
    assert ["import", "/config/not-from*.caddy", "127.0.0.1"] in words
    assert not any("static" in line for line in words)
    tables = tmp_path / "net"
    tables.mkdir()
    (tables / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\neth1\t000014AC\t00000000\t0001\neth0\t00000000\t010013AC\t0003\n")
    zero = "0" * 32
    (tables / "ipv6_route").write_text(
        f"fd0000000000000000000000000000 40 {zero} 00 {zero} 0 0 0 1 eth0\n"
        f"{zero} 00 {zero} 00 fd12345678900000{'0' * 15}1 400 1 0 3 eth0\n{zero} 00 {zero} 00 {zero} ffffffff lo\n")
    started = run_gateway(tables, tmp_path)
    assert started.stdout == "caddy run\n"
    expected = ["{args[:]}", "172.19.0.1", "fd12:3456:7890:0000:0000:0000:0000:0001"]
    assert (tmp_path / "trusted.caddy").read_text().split() == ["trusted_proxies", "static", *expected]
    assert (tmp_path / "not-from.caddy").read_text().split() == ["not", "remote_ip", *expected]


def test_report_02_without_a_gateway_nobody_else_is_believed(tmp_path):
    """Where the container has no way out, the files are there and add nobody."""
    (tmp_path / "route").write_text("Iface\tDestination\tGateway\tFlags\n")
    run_gateway(tmp_path, tmp_path)
    assert (tmp_path / "trusted.caddy").read_text().split() == ["trusted_proxies", "static", "{args[:]}"]


def run_gateway(tables, place):
    """The program that Caddy is started by, in which `caddy` only says its words."""
    files = files_with(**PROXY_HERE)
    command = yaml.safe_load(files["caddy/compose.yaml"])["services"]["caddy"]["command"]
    assert command[:3] == ["sh", "/etc/caddy/gateway.sh", "caddy"]
    return subprocess.run(
        ["sh", "-c", files["caddy/config/gateway.sh"], "sh", "echo", *command[2:4]], check=True, capture_output=True,
        text=True, env=dict(os.environ, NETWORK_TABLES=str(tables), XDG_CONFIG_HOME=str(place)))


def test_report_02_no_other_container_of_caddy_is_made_for_it():
    """Where nobody names the loopback, Caddy is started as ever, and is not replaced for this."""
    for more in ({}, {"caddy_tls": "proxy", "caddy_trusted_proxies": ["192.0.2.10"]}):
        files = files_with(**more)
        command = yaml.safe_load(files["caddy/compose.yaml"])["services"]["caddy"]["command"]
        assert (command[:2], "caddy/config/gateway.sh" in files) == (["caddy", "run"], False)


def test_report_02_a_proxy_elsewhere_is_named_as_it_is():
    """Nothing is believed besides what the inventory names."""
    words = readers.caddyfile(files_with(caddy_tls="proxy", caddy_trusted_proxies=["192.0.2.10", "fd00::/8"])[
        "caddy/config/Caddyfile"])
    assert ["trusted_proxies", "static", "192.0.2.10", "fd00::/8"] in words
    assert ["not", "remote_ip", "192.0.2.10", "fd00::/8"] in words


@pytest.mark.parametrize(("more", "words"), [
    (dict(PROXY_HERE, caddy_bind_address=""), "caddy_trusted_proxies names this host itself (127.0.0.1)"),
    (dict(PROXY_HERE, caddy_bind_address="192.0.2.7"), "caddy_trusted_proxies names this host itself (127.0.0.1)"),
    (dict(PROXY_HERE, caddy_bind_address="", caddy_trusted_proxies=["10.0.0.0/8", "::1"]), "this host itself (::1)"),
    (dict(PROXY_HERE, caddy_trusted_proxies=["192.0.2.10"]), "everybody would be refused"),
])
def test_report_02_what_would_be_open_or_closed_to_all_is_refused(more, words):
    """A gateway that everybody may come from is no proxy."""
    assert [sentence for sentence in told(**more) if words in sentence]


@pytest.mark.parametrize("more", [
    PROXY_HERE, dict(PROXY_HERE, caddy_bind_address="::1", caddy_trusted_proxies=["::1"]),
    {"caddy_tls": "proxy", "caddy_trusted_proxies": ["192.0.2.10"]}])
def test_report_02_what_fits_together_is_taken(more):
    """Loopback with loopback, and elsewhere with elsewhere."""
    assert [words for words in told(**more) if "prox" in words] == []


def test_report_02_ports_of_the_proxy_are_no_violation():
    """80 and 443 are the proxy's, by whichever address it is named; without one they are nobody's but Caddy's."""
    def allowed(**more):
        services = services_with(**more)
        return outside.scene(services, None, {"listeners": []}, {}, [22]).allowed_ports

    assert allowed(**PROXY_HERE) == {22, 80, 443, 8080}
    assert allowed(**PROXY_HERE, caddy_public_https_port=9443) == {22, 80, 9443, 8080}
    assert allowed(caddy_tls="proxy", caddy_http_port=8080, caddy_trusted_proxies=["172.18.0.1"]) == {22, 80, 443, 8080}
    assert allowed(**ANOTHER_PORT) == {22, 8080, 8443}


def test_report_02_a_proxy_that_takes_no_plain_http_is_no_fault():
    """A tunnel has no port 80; without a proxy, Caddy must lead from there."""
    def refuse(*_arguments):
        raise ConnectionRefusedError("refused")

    visit = {"name": "Redirect", "kind": "redirect", "host": DOMAIN}
    there = types.SimpleNamespace(plain_request=refuse)
    assert visits.ask(visits.Scene(there, entrance={"behind_proxy": True}), visit)["ok"] is True
    assert visits.ask(visits.Scene(there, entrance={}), visit)["ok"] is False


# -- 17 ------------------------------------------------------------------------------------------------------------

IPV6_HOST = {"ipv6_addresses": ["2001:db8::7"], "docker": {"version": "28.5.1", "daemon_json": None, "networks": {}}}


def of_host(edge=None, **docker):
    """A host with IPv6, another Engine, and where that is said, a network of the entrance with IPv6 or without."""
    networks = [] if edge is None else [{"name": "trenova_edge", "ipv6": edge}]
    return dict(IPV6_HOST, docker=dict(IPV6_HOST["docker"], **docker), networks=networks)


def test_report_17_visitors_by_ipv6_keep_their_addresses():
    """Everybody who comes by IPv6 has one address, the gateway's: one limit, and one session address for all.

    The network on which ports are published has IPv6, with a subnet of its own, where the host has an IPv6 address and
    the Engine makes rules for it; else the verification says so. Bind addresses, proxies and servers may be IPv6. From
    recorded facts.
    """
    capacity = json.dumps({"trenova_capacity": dict(test_bundle.INVENTORY["trenova_capacity"], **IPV6_HOST)})
    variables, known = test_bundle.in_play(capacity)
    [base] = [entry["content"] for entry in test_bundle.by_plan("caddy", variables, known)["files"]
              if entry["path"] == "/opt/trenova/compose.yaml"]
    networks = yaml.safe_load(base)["networks"]
    subnet = ipaddress.ip_network(networks["edge"]["ipam"]["config"][0]["subnet"])
    assert networks["edge"]["enable_ipv6"] is True
    assert subnet.subnet_of(ipaddress.ip_network("fd00::/8"))
    assert subnet.prefixlen == 64
    assert [key for key in networks if "enable_ipv6" in networks[key]] == ["edge"]
    assert ipv6.subnet("acme_edge") != ipv6.subnet("trenova_edge")


@pytest.mark.parametrize(("capacity", "wished", "is_on"), [
    (of_host(), None, True),
    (of_host(version="27.0.3"), None, True),
    (of_host(version="26.1.5+dfsg1"), None, False),
    (of_host(version="26.1.5", daemon_json={"ip6tables": True, "experimental": True}), None, True),
    (of_host(daemon_json={"ip6tables": False}), None, False),
    (of_host(daemon_json={"iptables": False}), None, False),
    (of_host(version=None), None, False),
    (dict(IPV6_HOST, ipv6_addresses=[]), None, False),
    # What is there stays: nobody loses the entrance for it.
    (of_host(edge=False), None, False),
    (of_host(edge=True, version="26.1.5"), None, True),
    (of_host(edge=False), True, True),
    (of_host(edge=True), False, False),
])
def test_report_17_whether_a_network_has_ipv6(capacity, wished, is_on):
    """By what the host and the Engine can, and what is there already."""
    assert ipv6.is_on("trenova_edge", wished, capacity) is is_on


def test_report_17_ipv6_that_cannot_be_had_is_refused_by_name():
    """Who asks for it hears what is missing."""
    capacity = dict(copy.deepcopy(test_preflight.CAPACITY), **of_host(version="26.1.5", installed=True))
    [problem] = test_preflight.problems({"trenova_ipv6": True}, capacity)
    assert problem.what == (
        "trenova_ipv6 is true, and Docker Engine 26.1.5 makes no rules for IPv6; version 27 does.")
    assert test_preflight.problems({"trenova_ipv6": True}, dict(capacity, **of_host(installed=True))) == []
    [problem] = test_preflight.problems({"trenova_ipv6": "perhaps"}, capacity)
    assert problem.what == "trenova_ipv6 is neither true nor false: perhaps."


def test_report_17_an_ipv6_proxy_that_would_be_refused_is_told():
    """Its address does not arrive where the network has no IPv6."""
    behind = {"caddy_tls": "proxy", "caddy_trusted_proxies": ["fd00::10"]}
    assert [words for words in told(**behind) if "they do not arrive at Caddy" in words]
    assert not [words for words in told(**behind, trenova_ipv6=True) if "do not arrive" in words]
    assert not [words for words in told(caddy_tls="proxy", caddy_trusted_proxies=["fd00::10", "192.0.2.1"])
                if "do not arrive" in words]


@pytest.mark.parametrize(("address", "ports"), [
    ("2001:db8::5", ["[2001:db8::5]:80:80/tcp", "[2001:db8::5]:443:443/tcp", "[2001:db8::5]:443:443/udp"]),
    ("192.0.2.5", ["192.0.2.5:80:80/tcp", "192.0.2.5:443:443/tcp", "192.0.2.5:443:443/udp"]),
])
def test_report_17_an_ipv6_address_stands_in_brackets(address, ports):
    """As Compose wants it."""
    files = files_with(caddy_bind_address=address)
    assert yaml.safe_load(files["caddy/compose.yaml"])["services"]["caddy"]["ports"] == ports


def test_report_17_names_have_addresses_of_both_families(monkeypatch):
    """All are tried in their order, until one answers."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: [
        (socket.AF_INET6, 1, 6, "", ("2001:db8::7", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("192.0.2.7", 0))])
    assert outside.addresses_of("erp.trucks.co") == ["2001:db8::7", "192.0.2.7"]
    tried = []

    def connect(address, _seconds):
        tried.append(address[0])
        if ":" in address[0]:
            raise OSError("no route")
        return types.SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(visitor.socket, "create_connection", connect)
    somebody = visitor.Visitor(["2001:db8::7", "192.0.2.7"])
    assert somebody.reaches_entrance()
    somebody.connect(443)
    assert tried == ["2001:db8::7", "192.0.2.7", "192.0.2.7"]


def test_report_17_a_server_known_by_ipv6_alone_is_visited():
    """ansible_host is an IPv6 address, with or without brackets."""
    for server in ("2001:db8::7", "[2001:db8::7]"):
        found = outside.visitor_of(services_with(), server, None)
        assert (found.addresses, found.server_addresses) == (["2001:db8::7"], ["2001:db8::7"])


def test_report_17_under_sudo_the_connection_is_known_still(tmp_path):
    """The processes above have the variable that sudo takes away."""
    for process, parent, environment in (
            ("self", "30", "PATH=/bin\0"), ("30", "20", "SUDO_USER=deploy\0"),
            ("20", "1", "HOME=/home/deploy\0SSH_CONNECTION=2001:db8::99 50112 2001:db8::7 2222\0")):
        folder = tmp_path / process
        folder.mkdir()
        (folder / "status").write_text(f"Name:\tx\nPPid:\t{parent}\n")
        (folder / "environ").write_text(environment)
    assert addresses.ssh_connection(str(tmp_path)) == ("2001:db8::7", 2222)
    (tmp_path / "20" / "environ").write_text("")
    assert addresses.ssh_connection(str(tmp_path)) is None


def test_report_17_addresses_of_the_host_are_those_that_others_reach(tmp_path):
    """Neither the loopback, nor link-local addresses, nor those of networks of containers."""
    (tmp_path / "if_inet6").write_text(
        "00000000000000000000000000000001 01 80 10 80 lo\n"
        "20010db8000000000000000000000007 02 40 00 80 eth0\n"
        "fe80000000000000021132fffe010203 02 40 20 80 eth0\n"
        "fd8c0000000000000000000000000001 04 40 00 80 br-1a2b3c\n")
    assert addresses.ipv6_addresses(str(tmp_path / "if_inet6")) == ["2001:db8::7"]
    assert addresses.ipv6_addresses(str(tmp_path / "none")) == []


OLD = of_host(version="26.1.5", networks={"trenova_edge": {"ipv6": False}})
SHARED = "all have one address here, whose failed logins and limits they share: erp.trucks.co leads to 2001:db8::7, "


@pytest.mark.parametrize(("more", "networks", "capacity", "names", "expected"), [
    ({}, {"trenova_edge": {"ipv6": True}}, IPV6_HOST, [], (False, "arrive under their own addresses")),
    ({}, {"trenova_edge": {"ipv6": False}}, OLD, [], (
        False, "are not served: Docker Engine 26.1.5 makes no rules for IPv6; version 27 does. So erp.trucks.co must "
        "have no IPv6 address")),
    ({}, {"trenova_edge": {"ipv6": False}}, OLD, ["2001:db8::7"], (
        True, SHARED + "and Docker Engine 26.1.5 makes no rules for IPv6; version 27 does. Else give the name no IPv6 "
        "address")),
    ({}, {"trenova_edge": {"ipv6": False}}, IPV6_HOST, ["2001:db8::7"], (
        True, SHARED + "and trenova_ipv6: true makes the network anew, which interrupts for a moment")),
    ({}, {"trenova_edge": {"ipv6": False}}, dict(OLD, ipv6_addresses=[]), ["2001:db8::7"], None),
    ({"caddy_tls": "proxy", "caddy_trusted_proxies": ["192.0.2.1"]}, {"trenova_edge": {"ipv6": False}}, OLD, ["::2"],
     None),
    ({"caddy_bind_address": "192.0.2.7"}, {"trenova_edge": {"ipv6": False}}, OLD, ["::2"], None),
])
def test_report_17_the_verification_says_what_becomes_of_visitors_by_ipv6(more, networks, capacity, names, expected):
    """A sentence, and no failure: the installation serves."""
    found = families.results(services_with(**more), networks, capacity, lambda _host: names)
    assert [(bool(entry.get("note")), entry["detail"]) for entry in found] == ([expected] if expected else [])
    assert all(entry["ok"] for entry in found)


# -- 38 ------------------------------------------------------------------------------------------------------------


def seen(*listeners, **more):
    """What a host says of itself."""
    return {"listeners": [{"port": port, "address": address, "process": program}
                          for port, address, program in listeners], "ssh_address": "192.0.2.7", "ssh_port": 22, **more}


def test_report_38_ports_of_other_software_may_answer():
    """A good installation fails its own check, because node_exporter or a second sshd listens on the same server.

    trenova_verify_other_ports names what is the administrator's; ports of SSH need not be named. What fails says who
    listens there and what to write. What cannot be asked from here, behind a jump host, is said and is no failure.
    """
    services = services_with()
    heard = seen((9100, "0.0.0.0", "node_exporter"), (2222, "::", "sshd"), (5432, "127.0.0.1", "postgres"),
                 (6379, "::1", "redis-server"))
    answering = types.SimpleNamespace(
        addresses=["192.0.2.7"], server_addresses=["192.0.2.7"], answers=lambda port: port in (22, 443, 2222, 9100))

    def ports(others):
        scene = outside.scene(services, answering, heard, {}, formats.ports_of(others))
        return visits.ask(scene, {"name": "Ports", "kind": "ports"})

    assert ports([])["detail"] == (
        "ports answer that should not: 9100 (node_exporter). Stop what listens there, close them in the firewall, or, "
        "where they are yours, write trenova_verify_other_ports: [9100]")
    assert ports([9100])["ok"] is True
    assert ports(["9000-9200"])["ok"] is True


@pytest.mark.parametrize(("value", "fault"), [
    ([9100, "9200-9300"], None), ("9100", None), ([], None), (None, None), ([0], True), ([70000], True),
    (["9300-9200"], True), (["http"], True), ([True], True),
])
def test_report_38_a_port_that_is_none_is_refused(value, fault):
    """By name, before anything changes."""
    found = [problem.what for problem in test_preflight.problems({"trenova_verify_other_ports": value})]
    assert bool(found) is bool(fault)
    assert all(words.startswith("trenova_verify_other_ports holds what is no port: ") for words in found)


@pytest.mark.parametrize(("told_by_ssh", "over"), [
    ("user root\nproxyjump bastion.trucks.co\n", "bastion.trucks.co"),
    ("proxycommand ssh -W [%h]:%p bastion\n", "another host (ProxyCommand)"),
    ("proxyusefdpass no\nproxycommand none\n", ""),
    ("", ""),
])
def test_report_38_ssh_says_whether_it_goes_over_another_host(monkeypatch, told_by_ssh, over):
    """It is asked with the options that Ansible gives it, whose files count as well."""
    asked = []

    def run(command, **_more):
        asked.append(command)
        return types.SimpleNamespace(stdout=told_by_ssh)

    monkeypatch.setattr(way.subprocess, "run", run)
    assert way.Way("erp1", options=("-F", "ssh.cfg")).over() == over
    assert asked == [["ssh", "-F", "ssh.cfg", "-G", "erp1"]]
    assert way.Way("erp1", is_local=True).over() == ""


@pytest.mark.parametrize("over", ["bastion.trucks.co", ""])
def test_report_38_behind_a_jump_host_nothing_is_said_of_the_installation(monkeypatch, over):
    """One try decides, in place of a failure of each check after twenty seconds."""
    services = services_with()
    made = outside.visitor_of(services, "192.0.2.7", None)
    made.reaches_entrance = lambda: False
    monkeypatch.setattr(visits, "ask", lambda _scene, visit: {"name": visit["name"], "ok": False, "detail": "none"})
    monkeypatch.setattr(way.Way, "over", lambda _way: over)
    results = outside.run(outside.scene(services, made, seen(), {}), services, 0, way.Way("erp1"))
    assert {entry["ok"] for entry in results} == {bool(over)}
    assert {bool(entry.get("note")) for entry in results} == {bool(over)}
    if over:
        assert results[0]["detail"].startswith(
            "cannot be asked from here: the way to the server leads over bastion.trucks.co. ")
        results = table.grouped({"from outside": results})
        assert table.conclusion(results, "x").get("failed") is None
        lines = table.table("erp1", results).splitlines()
        assert lines[2].startswith("    note   Page by HTTPS")
        assert lines[2].endswith("reaches the entrance")
        assert lines[-1] == f"  0 of 0 checks passed; {len(results)} say nothing of it, see their notes"


def test_report_38_on_the_server_itself_the_loopback_is_not_what_others_see(monkeypatch):
    """Ports are asked at the address that the host has for others; without one, they cannot be asked."""
    services, here = services_with(), way.Way("localhost", is_local=True)
    monkeypatch.setattr(outside, "own_addresses", lambda: ["192.0.2.7"])
    made = outside.visitor_of(services, "127.0.0.1", None, way=here)
    assert (made.addresses, made.server_addresses) == (["192.0.2.7"], ["192.0.2.7"])
    monkeypatch.setattr(outside, "own_addresses", list)
    made = outside.visitor_of(services, "127.0.0.1", None, way=here)
    scene = outside.scene(services, made, seen(ssh_address=None), {}, way=here)
    answer = visits.ask(scene, {"name": "Ports", "kind": "ports"})
    assert (answer["ok"], answer["note"]) == (True, True)
    assert "this host has no address but its loopback" in answer["detail"]


def test_report_38_the_end_of_a_tunnel_is_not_the_server():
    """A forwarded port of a virtual machine leads to the server; the other ports of this machine do not."""
    services = services_with()
    made = outside.visitor_of(services, "127.0.0.1", "10.0.2.15")
    made.reaches_entrance = lambda: False
    scene = outside.scene(services, made, seen(ssh_address="10.0.2.15"), {})
    results = outside.run(scene, services, 0, way.Way("127.0.0.1"))
    assert {entry["detail"].partition(". ")[0] for entry in results} == {
        "cannot be asked from here: 127.0.0.1 is this machine's end of a tunnel to the server"}
    assert outside.scene(services, made, seen(ssh_address="127.0.0.1"), {}).unseen == ""


def test_report_38_an_entrance_that_is_bound_to_the_loopback_is_not_seen_from_elsewhere():
    """Who comes by a tunnel of SSH gets there; from here, nothing can be said."""
    services = services_with(caddy_tls="internal", caddy_bind_address="127.0.0.1")
    made = outside.visitor_of(services, "192.0.2.7", None)
    assert made.server_addresses == ["192.0.2.7"]
    scene = outside.scene(services, made, seen(), {})
    assert "the entrance listens on 127.0.0.1 of the server alone" in scene.unseen
    assert scene.ports_unseen == ""
    assert outside.scene(services, made, seen(), {}, way=way.Way(is_local=True)).unseen == ""


@pytest.mark.parametrize(("address", "expected"), [
    ("127.0.0.1", True), ("127.8.0.0/16", True), ("::1", True), ("::ffff:127.0.0.1", True), ("0:0:0:0:0:0:0:1", True),
    ("0.0.0.0/0", False), ("192.0.2.1", False), ("fe80::1", False), ("proxy1", False)])
def test_report_02_the_loopback_is_known_in_every_spelling(address, expected):
    """As addresses, networks, and those that one family writes for the other."""
    assert entrance.is_loopback(address) is expected


@pytest.mark.parametrize(("more", "given", "expected"), [
    ({}, None, ("192.0.2.7", 443, 80)),
    (ANOTHER_PORT, None, ("192.0.2.7", 8443, 8080)),
    ({"caddy_bind_address": "192.0.2.99"}, None, ("192.0.2.99", 443, 80)),
    ({"caddy_bind_address": "0.0.0.0"}, None, ("192.0.2.7", 443, 80)),
    (dict(ANOTHER_PORT, caddy_public_http_port=80, caddy_public_https_port=443), None, ("192.0.2.7", 8443, 8080)),
    (dict(ANOTHER_PORT, caddy_public_http_port=80, caddy_public_https_port=443), "198.51.100.1",
     ("198.51.100.1", 443, 80)),
    (dict(PROXY_HERE, caddy_public_https_port=9443), "192.0.2.7", ("192.0.2.7", 9443, 80)),
])
def test_report_38_visitors_come_where_the_entrance_listens(more, given, expected):
    """At the address that it is bound to, on the ports of the host; at a given one, on the public ports."""
    found = outside.visitor_of(services_with(**more), "192.0.2.7", None, given)
    assert (found.address, found.port, found.http_port) == expected
    assert found.server_addresses == ["192.0.2.7"]


# -- 43 ------------------------------------------------------------------------------------------------------------

MAIL = {"backup_mail_to": "ops@trucks.co", "backup_smtp_host": "mail.trucks.co", "backup_smtp_user": "erp"}
#: Texts that grammars are about to take apart.
NASTY = (
    'pa"ss\\word', "a'b$c%d#e;f", "`backtick` $(id) ${HOME}", "  blanks around  ", '"quoted"', "ends with \\",
    "#comment", "a:b=c,d", "-rf *?[x]", "%n %(home) 100%", "ünï ☃ 😀", '"""', "yes", "0123", "{a: [b]} & *c !d | >e",
)


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes mails from one login, and keeps what was said to it."""

    def __init__(self, user, password):
        self.login, self.verbs, self.mails = [user, password], [], []
        super().__init__(("127.0.0.1", 0), MailConversation)

    @contextlib.contextmanager
    def serving(self):
        """Its port while it serves."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self.server_address[1]
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class MailConversation(socketserver.StreamRequestHandler):
    """One client of the mail server."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail")
        known = False
        for line in self.rfile:
            verb, *words = line.decode().split()
            self.server.verbs.append(verb.upper())
            if verb.upper() == "EHLO":
                self.say("250-mail\r\n250 AUTH PLAIN")
            elif verb.upper() == "AUTH":
                known = base64.b64decode(words[1]).decode().split("\0")[1:] == self.server.login
                self.say("235 welcome" if known else "535 authentication failed")
            elif verb.upper() == "DATA":
                self.say("354 go on")
                mail = list(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(b"".join(mail).decode())
                self.say("250 taken")
            elif verb.upper() == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok" if known or verb.upper() == "NOOP" else "530 log in first")


def mail_settings(tmp_path, port, password):
    """What the program of the backups works with, its files written below a directory."""
    files = files_with(**MAIL, trenova_smtp_password=password, backup_smtp_tls="none", backup_smtp_port=port)
    settings = json.loads(files["/usr/local/lib/trenova/trenova_backup/settings.json"])
    assert settings["mail"]["password_file"] == "/opt/trenova/backup/secrets/messages/smtp-password"
    place = tmp_path / "smtp-password"
    place.write_text(files["backup/secrets/messages/smtp-password"], encoding="utf-8")
    settings["mail"].update(host="127.0.0.1", password_file=str(place))
    (tmp_path / "backup").mkdir(exist_ok=True)
    return Settings(dict(settings, data_dir=str(tmp_path)))


def check_mail(settings):
    """What the verification runs."""
    return backup_program.VERBS["check-mail"](settings, None)


@pytest.mark.parametrize("password", NASTY)
def test_report_43_any_password_reaches_the_mail_server(tmp_path, password):
    """The password of the mail server has a quote, curl reads another one, and the only alarm of the backups is dead.

    Each value is written in the grammar of its reader, and what no line can hold is refused by name. The verification
    connects and logs in to the mail server with the program that would send the mail, and sends none.
    """
    server = MailServer("erp", password)
    with server.serving() as port:
        settings = mail_settings(tmp_path, port, password)
        assert check_mail(settings) == 0
        assert (server.mails, "AUTH" in server.verbs, "DATA" in server.verbs) == ([], True, False)
        notify.owe(settings, "failed", {"verb": "backup", "because": "The disk is full."}, 0)
        assert notify.deliver(settings, 0) == []
    assert "The disk is full." in server.mails[0]
    assert notify.owed(settings) == []


def test_report_43_a_mail_server_is_asked_by_the_verification():
    """By the program that would send the mail."""
    always = ("program", ["/usr/local/lib/trenova/backup.py", "health"])
    checks = services_with(**MAIL, trenova_smtp_password="x")["backup"]["checks"]
    assert [(check["kind"], check["program"][-2:]) for check in checks] == [
        always, ("program", ["/usr/local/lib/trenova/backup.py", "prove"])]
    assert [(check["kind"], check["program"][-2:]) for check in services_with()["backup"]["checks"]] == [always]


def test_report_43_what_the_mail_server_says_is_one_sentence_with_its_name(tmp_path, capsys):
    """A login that it refuses, and a server that is not there."""
    server = MailServer("erp", "another")
    with server.serving() as port:
        settings = mail_settings(tmp_path, port, "pä'ss")
        assert check_mail(settings) == 1
    assert check_mail(settings) == 1
    refused, absent = capsys.readouterr().err.splitlines()
    assert refused == f"127.0.0.1:{port} takes no mail from here: (535, b'authentication failed')"
    assert absent.startswith(f"127.0.0.1:{port} takes no mail from here: ")
    assert "refused" in absent


def test_report_43_a_refused_login_is_not_tried_again(tmp_path):
    """Attempts count against the account."""
    asked = tmp_path / "asked"
    check = {"name": "Mail", "kind": "program", "program": [
        "/bin/sh", "-c", f"echo asked >>{asked}; echo mail.trucks.co:587 takes no mail from here >&2; exit 1"]}
    result = probe.run_check(None, check)
    assert (result["ok"], result["lasting"]) == (False, True)
    assert result["detail"] == "mail.trucks.co:587 takes no mail from here"
    assert asked.read_text() == "asked\n"


def test_report_43_a_refused_login_is_not_tried_again_for_each_message(tmp_path):
    """That are owed; they stay."""
    server = MailServer("erp", "another")
    with server.serving() as port:
        settings = mail_settings(tmp_path, port, "pä'ss")
        for number in range(3):
            notify.owe(settings, "failed", {"verb": "backup", "because": "The disk is full."}, number)
        assert len(notify.deliver(settings, 10)) == 1
    assert (server.verbs.count("AUTH"), len(notify.owed(settings))) == (1, 3)


def test_report_43_a_login_without_its_password_is_refused():
    """Before anything changes."""
    assert "trenova_smtp_password is missing, and backup_smtp_user is set." in told(**MAIL)


@pytest.mark.parametrize("text", ["two\nlines", "carriage\rreturn", "null\0", "tab\tulator", "\u2028"])
def test_report_43_what_no_line_can_hold_is_refused_by_name(text):
    """In any text of the inventory, in lists and dictionaries as well; where several lines are wanted, it is taken."""
    for more in ({"trenova_smtp_password": text}, {"caddy_security_headers": {"X-Test": text}},
                 {"api_environment_extra": {"A": text}}, {"caddy_dashboard_user": text}):
        [name] = more
        assert [words for words in told(**more) if words.startswith(f"{name} holds a line break")], more
    assert not [words for words in told(api_config_extra={"a": text}) if "line break" in words]
    for grammar in quoting.GRAMMARS:
        with pytest.raises(ValueError, match="line break"):
            quoting.quoted(text, grammar)


def test_report_43_every_grammar_is_that_of_a_file_of_ours():
    """One that no role writes is nobody's."""
    written = "".join(path.read_text(errors="replace") for path in (ROOT / "roles").rglob("*.j2"))
    assert set(re.findall(r"quoted\(['\"](\w+)['\"]\)", written)) == set(quoting.GRAMMARS)


#: All of it in few texts, for what takes longer.
WORST = ('pa"ss\\w\'o$b%d#e;f&g', "  blanks, : = [a] {b}  ", '"quoted" ☃ -rf *?', "`tick` %n ends with \\")

#: Grammar -> what its reader makes of a text in that notation.
READERS = {
    "caddyfile": lambda text: readers.caddyfile(f"word {text} other")[0][1],
    "compose": lambda text: readers.interpolated(yaml.safe_load(f"a: {text}")["a"]),
    "ini": lambda text: readers.ini(f"[a]\nkey = {text}\n")["a"]["key"],
    "pgpass": lambda text: readers.pgpass(f"*:*:*:{text}:x")[0][3],
    "postgresql": lambda text: readers.postgresql(f"name = {text}\n")["name"],
    "sql": lambda text: readers.sql(f"SELECT {text};")[1],
    "userlist": lambda text: readers.userlist(f"{text} {text}")[0][0],
}


@pytest.mark.parametrize("grammar", READERS)
def test_report_43_a_reader_takes_back_what_was_written(grammar):
    """Each text in each grammar, and all pairs of special characters, or a refusal."""
    assert set(READERS) == set(quoting.GRAMMARS)
    pairs = ["x" + "".join(pair) + "y" for pair in itertools.product("\"'\\`$%#;:=,{}[]()<>|&*!@ ~^", repeat=2)]
    ends = ["".join(pair) for pair in itertools.product("\"'\\`$%#;: a", repeat=2)]
    refused = []
    for text in [*NASTY, *pairs, *ends]:
        try:
            written = quoting.quoted(text, grammar)
        except ValueError:
            refused.append(text)
            continue
        assert READERS[grammar](written) == text, (text, written)
    assert refused == []


def options_of(role):
    """Options of a role that are texts of any form, with the form in which one is given: {name: function of a text}."""
    described = role_files.load(test_bundle.action_for({}), f"{role_files.role_path(role)}/meta/service.yml")
    specification = role_files.argument_spec(test_bundle.action_for({}), role_files.role_path(role))
    kinds = described.get("formats") or {}
    found = {}
    for name, option in specification.items():
        if option.get("type", "str") == "str" and "choices" not in option and not name.endswith("_image"):
            found[name] = str
        elif option.get("type") == "dict" and kinds.get(name) != "text" and name in FREE_DICTIONARIES:
            found[name] = functools.partial(lambda key, text: {key: text}, FREE_DICTIONARIES[name])
        elif name in FREE_LISTS:
            found[name] = FREE_LISTS[name]
    found.update(dict.fromkeys(described.get("secrets_optional") or [], str))
    return {name: form for name, form in found.items() if name not in NOT_FREE}


#: Dictionaries whose values are texts, with a key that each of them takes.
FREE_DICTIONARIES = {
    "caddy_security_headers": "X-Test", "minio_settings_extra": "MINIO_TEST", "api_environment_extra": "TEST",
    "postgres_settings_extra": "log_line_prefix",
}
#: Lists with texts that are free, by the form in which one stands there.
FREE_LISTS = {"pgbouncer_users_extra": lambda text: [{"name": "reports", "password": text}]}
#: Names of profiles, paths on this machine, and what docker's own role only compares.
NOT_FREE = {"api_profile", "docker_source"}
#: What makes the other options of a role count.
SURROUNDINGS = {
    "backup": dict(
        MAIL, trenova_smtp_password="x", trenova_backup_s3_secret_key="x", backup_targets=[{
            "name": "away", "s3": {"endpoint": "https://s3.trucks.co", "bucket": "b", "access_key": "k"}}]),
    "pgbouncer": {"pgbouncer_auth": "file"},
}
MARK = "plainword7"


@pytest.mark.parametrize("role", catalogue.own_roles())
def test_report_43_every_text_of_every_role_arrives_or_is_refused_by_name(role):
    """Files with nasty texts are those with a plain word in their places, as their readers see both."""
    given = options_of(role)
    around = SURROUNDINGS.get(role, {})

    def read(values):
        variables, known = test_bundle.in_play(json.dumps({**around, **values}))
        arguments = test_bundle.by_plan(role, variables, known)
        found = {entry["path"]: entry["content"] for entry in arguments["files"]}
        found.update({
            entry["path"]: base64.b64decode(entry["content"]).decode() for entry in arguments["secret_files"]})
        return {path: readers.read(path, content) for path, content in sorted(found.items())}

    plain = functools.cache(lambda names: read({name: given[name](MARK) for name in names}))
    for text in WORST:
        taken = {name: form(text) for name, form in given.items() if is_taken(role, around, name, form(text))}
        if not taken:
            continue
        assert readers.with_text(plain(tuple(taken)), MARK, text) == read(taken)


def is_taken(role, around, name, value):
    """Whether preflight takes a value: by its format, and as a text of one line."""
    kinds = {}
    for service in (services_with(**around) if role in ("backup", "caddy", "client", "api", "minio") else {}).values():
        kinds.update(service.get("formats") or {})
    if not kinds:
        kinds = test_bundle.in_play(json.dumps(around))[1].services[role].get("formats") or {}
    if name in kinds and formats.fault(kinds[name], value):
        return False
    return not any(map(quoting.has_control, texts.texts_of(value)))


@pytest.mark.parametrize("text", NASTY)
def test_report_43_secrets_that_files_cannot_hold_are_refused(text):
    """Those of a kind are letters and digits, which every file can hold; others are written as they are."""
    assert secret_kinds.fault("password", text * 20)


# -- 50 ------------------------------------------------------------------------------------------------------------


def test_report_50_streams_outlive_a_reload():
    """Each reload of Caddy's configuration cuts off WebSockets and live lists, those of everybody at once.

    WebSockets go on for up to twelve hours with the configuration that they began with; other streams, and requests by
    HTTP/3, end by themselves, because no grace period cuts them off. A stop of the container takes 30 s at most.
    """
    for more in ({}, PROXY_HERE, ANOTHER_PORT):
        words = readers.caddyfile(files_with(**more)["caddy/config/Caddyfile"])
        proxied = [line for line in words if line[0] == "reverse_proxy"]
        assert len(proxied) == len([line for line in words if line == ["stream_close_delay", "43200s"]]) > 0
        assert not [line for line in words if line[0] == "grace_period"]
    caddy = yaml.safe_load(files_with()["caddy/compose.yaml"])["services"]["caddy"]
    assert caddy["stop_grace_period"] == "30s"


# -- The kind ------------------------------------------------------------------------------------------------------

#: What an inventory can say of the way of a request.
DIMENSIONS = {
    "caddy_tls": ["acme", "internal", "files", "proxy"],
    "caddy_http_port": [80, 8080],
    "caddy_https_port": [443, 8443, "4443"],
    "caddy_public_http_port": [None, 80, 8000],
    "caddy_public_https_port": [None, 443, 9443],
    "caddy_bind_address": ["", "127.0.0.1", "192.0.2.7", "2001:db8::7", "::1", "0.0.0.0"],
    "caddy_trusted_proxies": [[], ["192.0.2.10"], ["127.0.0.1"], ["fd00::/8", "10.0.0.0/8"]],
    "trenova_s3_domain": [S3, "objects.trucks.co"],
}


def combinations():
    """All that an inventory can say; what is None is not said."""
    for values in itertools.product(*DIMENSIONS.values()):
        yield {name: value for name, value in zip(DIMENSIONS, values, strict=True) if value is not None}


class Rendered:
    """The real templates and descriptions, by plain Jinja: a run of Ansible's engine takes a hundred times as long."""

    TEMPLATES = {
        "caddy": ("config/Caddyfile.j2", "compose.yaml.j2"), "client": ("compose.yaml.j2",),
        "api": ("secrets/serve/config.production.yaml.j2",)}

    def __init__(self):
        self.variables, self.known = test_bundle.in_play()
        filters = dict(CoreFilters().filters())
        for path in (ROOT / "plugins/filter").glob("*.py"):
            module = __import__(
                f"ansible_collections.trenova.selfhost.plugins.filter.{path.stem}", fromlist=["FilterModule"])
            filters.update({f"trenova.selfhost.{name}": made for name, made in module.FilterModule().filters().items()})
        self.native = jinja2.nativetypes.NativeEnvironment()
        self.native.filters.update(filters)
        self.environments, self.defaults, self.told, self.cached = {}, {}, {}, {}
        for role in ("caddy", "client", "api", "minio"):
            path = catalogue.role_path(role)
            loader = jinja2.FileSystemLoader([f"{path}/templates", path])
            self.environments[role] = jinja2.Environment(  # noqa: S701  # as Ansible has it
                loader=loader, trim_blocks=True, keep_trailing_newline=True)
            self.environments[role].filters.update(filters)
            self.defaults[role] = yaml.safe_load(pathlib.Path(path, "defaults/main.yml").read_text())
            self.told[role] = yaml.safe_load(pathlib.Path(path, "meta/service.yml").read_text())
        self.compiled = functools.cache(self.native.from_string)

    def value(self, told, variables):
        """A value of a description with its expressions resolved."""
        if isinstance(told, dict):
            return {key: self.value(entry, variables) for key, entry in told.items()}
        if not isinstance(told, str) or "{{" not in told:
            return told
        return self.compiled(told.strip()).render(variables)

    def seen_by(self, role, given):
        """Variables as a role sees them."""
        plain = {name: value for name, value in self.variables.items()
                 if isinstance(value, (str, int, bool)) and "{{" not in str(value)}
        layers = {**self.defaults[role], "trenova_jobs_domain": f"jobs.{DOMAIN}", **plain, **given}
        for _round in range(3):
            layers = {name: self.value(value, layers) if isinstance(value, str) else value
                      for name, value in layers.items() if name != "api_profile_data"}
        return layers

    def __call__(self, given):
        """(entrance, services, {(role, template): text}) of what an inventory says."""
        caddy = self.seen_by("caddy", given)
        where = self.value(self.told["caddy"]["entrance"], caddy)
        minio = dict(self.seen_by("minio", given), entrance=where)
        services = dict(self.known.services)
        services["caddy"] = dict(
            services["caddy"], entrance=where, endpoints=self.value(self.told["caddy"]["endpoints"], caddy),
            exports=dict(services["caddy"]["exports"], tls=given["caddy_tls"]))
        services["minio"] = dict(
            services["minio"], exports=self.value(self.told["minio"]["exports"], minio),
            visits=[dict(visit, host=given["trenova_s3_domain"]) for visit in services["minio"]["visits"]],
            routes=[dict(route, host=given["trenova_s3_domain"]) for route in services["minio"]["routes"]])
        files = {}
        for role, templates in self.TEMPLATES.items():
            # Of what varies, other roles see the entrance and the name of the objects.
            key = (role, json.dumps([where, given["trenova_s3_domain"]]))
            if role == "caddy" or key not in self.cached:
                self.cached[key] = self._files(role, templates, given, services, where)
            files.update(self.cached[key])
        return where, services, files

    def _files(self, role, templates, given, services, where):
        variables = dict(
            self.seen_by(role, given), services=services, service=services[role], entrance=where,
            plan=self.known.plan["services"][role], capacity=self.known.capacity,
            trenova_project_dir="/opt/trenova", trenova_data_dir="/var/lib/trenova", reaches_outside=False)
        return {(role, name): self.environments[role].get_template(name).render(variables) for name in templates}


@pytest.fixture(scope="module")
def by_plain_jinja():
    return Rendered()


#: Every fifth of ten thousand combinations: the number has no divisor in common with those of the dimensions.
STEP = 5
#: Certificates are files of the controller, which nobody has here.
FILES = {"caddy_certificate_file": __file__, "caddy_certificate_key_file": __file__}


def test_kind_d_page_api_cookies_redirects_cors_links_and_verification_agree(by_plain_jinja, monkeypatch):
    """For each combination of ports, proxy, address and family, all that names the installation names the same."""
    # Reading the certificates of all authorities takes longer than all the rest.
    monkeypatch.setattr(visitor.ssl, "create_default_context", types.SimpleNamespace)
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_arguments, **_more: [
        (0, 1, 6, "", ("192.0.2.7" if not re.fullmatch(r"[0-9a-f:.]+", name) else name, 0))])
    count = 0
    for given in itertools.islice(combinations(), 0, None, STEP):
        where, services, files = by_plain_jinja(given)
        agree(given, where, services, files)
        count += 1
    assert count > 2000


@functools.cache
def plain_yaml(text):
    """Content of a YAML file, by the fast parser where it is there."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # a safe loader


def agree(given, where, services, files):
    """All that follows from what an inventory says follows from it in the same way."""
    is_behind = given["caddy_tls"] == "proxy"
    public = int(given.get("caddy_public_https_port") or (443 if is_behind else given["caddy_https_port"]))
    plain = int(given.get("caddy_public_http_port") or (80 if is_behind else given["caddy_http_port"]))
    port, s3 = "" if public == 443 else f":{public}", given["trenova_s3_domain"]
    origin, endpoint = f"https://{DOMAIN}{port}", f"{s3}{port}"

    # The page asks the API where it comes from, and the API lets it, with a cookie that needs TLS.
    client = plain_yaml(files["client", "compose.yaml.j2"])["services"]["main"]
    assert client["environment"]["API_ORIGIN"] == origin
    config = plain_yaml(files["api", "secrets/serve/config.production.yaml.j2"])
    assert config["cors"]["allowedOrigins"] == origin
    assert (config["auth"]["cookieSecure"], config["auth"]["cookieDomain"]) == (True, "")
    assert (config["minio"]["endpoint"], config["minio"]["useSSL"]) == (endpoint, True)

    # Caddy listens inside where the API and links look for it, and is published as the inventory says.
    caddy = plain_yaml(files["caddy", "compose.yaml.j2"])["services"]["main"]
    assert s3 in caddy["networks"]["app"]["aliases"]
    bound = {f"{published.protocol}/{published.inside}": published for published in map(
        readers.published, caddy["ports"])}
    assert {each.address for each in bound.values()} == {given["caddy_bind_address"] or None}
    assert bound["tcp/80"].outside == int(given["caddy_http_port"])
    assert set(bound) == {"tcp/80"} | (set() if is_behind else {f"tcp/{public}", f"udp/{public}"})
    assert is_behind or bound[f"tcp/{public}"].outside == int(given["caddy_https_port"])
    for sites in readers.sites(files["caddy", "config/Caddyfile.j2"]):
        *http, https = sites
        assert urlsplit(https if "//" in https else f"//{https}").port in ({None, 443} if public == 443 else {public})
        assert bool(http) is is_behind
        # Caddy leads from plain HTTP to the port that it listens on (makeRedirRoute), and names it for HTTP/3.
        name = urlsplit(https if "//" in https else f"//{https}").netloc
        assert entrance.origin(name.partition(":")[0], where) == f"https://{name}"

    # A visitor is sent where he is expected, and what he signs is what the server sees.
    talk = Conversation(lambda sent: reply(308, Location=f"{origin}/") if sent.scheme == "http" else reply(204))
    somebody = talk.visitor(services)
    scene = outside.scene(services, somebody, {"listeners": []}, {"trenova_minio_password": "secret"}, [22])
    assert visits.check_redirect(scene, {"host": DOMAIN}) == "leads to HTTPS"
    lost = Conversation(lambda sent: reply(308, Location=f"https://{DOMAIN}:1/"))
    with pytest.raises(visitor.CheckFailed, match="and not to"):
        visits.check_redirect(visits.Scene(lost.visitor(services), entrance=where), {"host": DOMAIN})
    assert talk.asked[-1].headers["Host"] == DOMAIN + ("" if plain == 80 else f":{plain}")
    [visit] = services["minio"]["visits"]
    answer = visits.ask(scene, visit)
    assert not answer["ok"]
    assert talk.asked[-1].headers["Host"] == endpoint
    assert signed_for(talk.asked[-1], endpoint, "secret")
    visits.logged_in(scene, {"host": DOMAIN, "login": services["api"]["exports"]["profile"]["login"]}, "a", "b")
    assert talk.asked[-1].headers["Origin"] == origin
    assert (somebody.public_ports, scene.entrance) == ({"http": plain, "https": public}, where)
    assert is_behind or (somebody.port, somebody.http_port) == (
        int(given["caddy_https_port"]), int(given["caddy_http_port"]))
    if given["caddy_bind_address"] not in ("", "0.0.0.0") and not is_behind:
        assert somebody.addresses == [given["caddy_bind_address"]]
    assert {int(given["caddy_http_port"]), 22} <= scene.allowed_ports
    assert ({plain, public} <= scene.allowed_ports) or "127.0.0.1" not in given["caddy_trusted_proxies"]


def signed_for(sent, host, secret):
    """Whether the signature of a presigned request is right for what a server sees: Host header, method and path."""
    parts = urlsplit(sent.path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    signature = query.pop("X-Amz-Signature")
    _key, day, region, service, end = query["X-Amz-Credential"].split("/")
    canonical = "\n".join([
        sent.method, parts.path, parts.query.partition("&X-Amz-Signature")[0], f"host:{sent.headers['Host']}", "",
        "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], f"{day}/{region}/{service}/{end}",
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, end):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return sent.headers["Host"] == host and hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature


@pytest.mark.parametrize("number", range(8))
def test_kind_d_what_plain_jinja_makes_of_the_templates_is_what_a_run_makes(by_plain_jinja, number):
    """Combinations from all over, by both."""
    everything = list(combinations())
    given = everything[number * len(everything) // 8 + 17 * number]
    files = files_with(**given, **FILES)
    _where, _services, texts_of_templates = by_plain_jinja(given)
    assert texts_of_templates["caddy", "config/Caddyfile.j2"] == files["caddy/config/Caddyfile"]
    assert yaml.safe_load(texts_of_templates["api", "secrets/serve/config.production.yaml.j2"]) == yaml.safe_load(
        files["api/secrets/serve/config.production.yaml"])
    for role in ("caddy", "client"):
        short = yaml.safe_load(texts_of_templates[role, "compose.yaml.j2"])["services"]["main"]
        whole = yaml.safe_load(files[f"{role}/compose.yaml"])["services"][role]
        assert whole["environment"] == compose.without_proxies(short["environment"])
        assert whole["networks"] == short["networks"]
        assert whole.get("ports") == short.get("ports")


def test_kind_d_the_origin_is_made_in_one_place():
    """No template and no program puts a scheme and the name of the installation together itself."""
    found = []
    for path in [*(ROOT / "roles").rglob("*"), *(ROOT / "plugins").rglob("*.py")]:
        if path.is_file() and path.name not in ("README.md", "entrance.py") and "__pycache__" not in path.parts:
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
                if re.search(r"https?://(\{\{|\{\w|' ?~)", line) and not re.search(r"127\.0\.0\.1|site\.host", line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


def test_kind_d_routes_of_all_hosts_are_known_by_one_address():
    """Whatever a service adds as a host name has the port of the entrance."""
    where = entrance_with(**ANOTHER_PORT)
    services = services_with(**ANOTHER_PORT)
    assert [entrance.origin(name, where) for name in routes.route_hosts(services)] == [
        f"https://{name}:8443" for name in (DOMAIN, f"jobs.{DOMAIN}", S3)]
    assert project.Project().outside == ["edge"]
    assert os.path.exists(ROOT / "docs/bring-your-own.md")
