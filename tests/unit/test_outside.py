# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The verification from outside, of a small site that keeps to the rules, or breaks one of them."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import socket
import ssl
import threading
import types
from urllib.parse import parse_qs, urlsplit

import pytest
import test_bundle
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.trenova.selfhost.plugins.module_utils import patience
from ansible_collections.trenova.selfhost.plugins.plugin_utils import description
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import outside, visitor, visits

DOMAIN, S3, JOBS = "erp.trucks.co", "s3.erp.trucks.co", "jobs.erp.trucks.co"
PASSWORDS = {"trenova_admin_password": "of-the-admin", "trenova_dashboard_password": "of-jobs",
             "trenova_minio_password": "of-objects"}


class Site(http.server.BaseHTTPRequestHandler):
    """An installation with page, API, objects and a dashboard. A rule in `broken` is not kept."""

    broken: set = set()
    objects: dict = {}
    logins: list = []

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        host = self.headers["Host"].partition(":")[0]
        {S3: self.object, JOBS: self.dashboard}.get(host, self.page)()

    do_PUT = do_POST = do_DELETE = do_GET

    def page(self):
        path = urlsplit(self.path).path
        if path == "/":
            body = b"plain" if "html" in self.broken else b"<HTML></HTML>"
            safe = {} if "headers" in self.broken else {"Strict_Transport_Security": "x", "X_Content_Type_Options": "x"}
            cache = {} if "cache" in self.broken else {"Cache_Control": "no-cache"}
            return self.answer(200, body, **safe, **cache)
        if path == "/api/v1/auth/login/":
            return self.login(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if path == "/api/v1/":
            return self.answer(200 if "probe" in self.broken else 401)
        if path in ("/api/v1/users/me/", "/api/v1/shipments/"):
            return self.answer(200 if self.headers["Cookie"] == "session=1" and "data" not in self.broken else 401)
        return self.answer(200 if "closed" in self.broken else 404)

    def login(self, sent):
        self.logins.append(sent["emailAddress"])
        if "limit" in self.broken and sent["emailAddress"] != "admin@trucks.co":
            return self.answer(429)
        known = {"admin@trucks.co": PASSWORDS["trenova_admin_password"]}
        if "published" in self.broken:
            known["admin@trenova.app"] = "admin"
        if known.get(sent["emailAddress"]) != sent["password"] or "login" in self.broken:
            return self.answer(401)
        if "starting" in self.broken:
            self.broken.discard("starting")
            return self.answer(502)
        return self.answer(200, **({} if "cookie" in self.broken else {"Set_Cookie": "session=1; Secure"}))

    def object(self):
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        signed = len(query.get("X-Amz-Signature", [""])[0]) == 64
        if not signed and "open" not in self.broken:
            return self.answer(403)
        length = int(self.headers.get("Content-Length") or 0)
        if self.command == "PUT":
            self.objects[parts.path] = self.rfile.read(length)
            return self.answer(204 if "policy" in query else 500 if "bucket" in self.broken else 200)
        if self.command == "DELETE":
            return self.answer(204)
        return self.answer(200, b"other" if "content" in self.broken else self.objects[parts.path])

    def dashboard(self):
        pair = "Basic " + base64.b64encode(b"operator:of-jobs").decode()
        return self.answer(200 if "wall" in self.broken or self.headers["Authorization"] == pair else 401)

    def log_message(self, *_rest):
        """Nothing on the terminal."""


class Redirect(http.server.BaseHTTPRequestHandler):
    """The port of plain HTTP."""

    https_port = 443

    def do_GET(self):
        name = self.headers["Host"].partition(":")[0]
        self.send_response(200 if "redirect" in Site.broken else 308)
        self.send_header("Location", f"https://{name}/" if "port lost" in Site.broken else f"https://{name}:{self.https_port}/")
        self.end_headers()

    def log_message(self, *_rest):
        """Nothing on the terminal."""


def certificate(folder, hours):
    """Certificate and key of the site, which is its own authority: path of both in one file, and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trucks")])
    names = [*(x509.DNSName(host) for host in (DOMAIN, S3, JOBS)), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(begins).not_valid_after(begins + datetime.timedelta(days=1, hours=hours))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    text = made.public_bytes(serialization.Encoding.PEM)
    path = folder / "site.pem"
    path.write_bytes(text + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path, text.decode()


def serve(handler, context=None):
    """A server that answers in a thread."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@pytest.fixture(scope="module", params=[24 * 30])
def running(tmp_path_factory, request):
    """The site: its servers, and the certificate of its authority."""
    path, authority = certificate(tmp_path_factory.mktemp("site"), request.param)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    servers = [serve(Redirect), serve(Site, context)]
    yield types.SimpleNamespace(ports=[server.server_port for server in servers], authority=authority)
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def services():
    """Descriptions of our roles, of what runs on the host."""
    more = json.dumps({"api_bootstrap": "seed", "trenova_admin_email": "admin@trucks.co"})
    return {name: service for name, service in test_bundle.in_play(more)[1].services.items() if runs_here(service)}


@pytest.fixture
def verify(running, services):
    """Function that makes all visits of a site that breaks some rules: {name: (ok, detail)}."""

    def run(*broken, seconds=0, own=services):
        Site.broken, Site.objects, Site.logins = set(broken), {}, []
        plain, secure = running.ports
        Redirect.https_port = secure
        entrance = own["caddy"]["entrance"]
        own = {**own, "caddy": dict(own["caddy"], entrance=dict(
            entrance, http_port=plain, https_port=secure, published={"http": plain, "https": secure}))}
        made = outside.visitor_of(own, "127.0.0.1", None, authority=running.authority)
        scene = outside.scene(own, made, {"listeners": [{"port": secure, "address": "0.0.0.0"}]}, PASSWORDS)
        allowed = set() if "port" in broken else {plain, secure}
        scene = visits.Scene(**{
            **vars(scene), "allowed_ports": scene.allowed_ports | allowed, "asked_ports": {secure}})
        return {entry["name"]: (entry["ok"], entry["detail"]) for entry in outside.run(scene, own, seconds)}

    return run


def test_a_site_that_keeps_to_the_rules_is_told_in_this_order(verify):
    found = verify()
    assert [name for name, (ok, _detail) in found.items() if not ok] == []
    assert list(found) == [
        "Page by HTTPS", "HTTP leads to HTTPS", "Certificates", "Open ports, seen from another host",
        "API refuses without a session", "Closed paths", "Published passwords refused", "Login of the administrator",
        "Objects by presigned links", "Dashboards"]
    assert found["Certificates"] == (True, "valid for 30 more days or longer")
    assert found["Login of the administrator"] == (True, "admin@trucks.co logged in and read data")
    assert found["Dashboards"] == (True, "1 closed without, open with the password")
    # A good login clears what the refused ones have counted.
    assert Site.logins[-1] == "admin@trucks.co"


@pytest.mark.parametrize(("rule", "name", "detail"), [
    ("html", "Page by HTTPS", "the page is no HTML"),
    ("headers", "Page by HTTPS", "headers are missing: Strict-Transport-Security, X-Content-Type-Options"),
    ("cache", "Page by HTTPS", "index.html may be cached, so browsers would miss updates"),
    ("redirect", "HTTP leads to HTTPS", "answered 200"),
    ("port lost", "HTTP leads to HTTPS", "leads to https://erp.trucks.co/, and not to https://erp.trucks.co:"),
    ("port", "Open ports, seen from another host", "ports answer that should not: "),
    ("probe", "API refuses without a session", "/api/v1/ answered 200, expected 401"),
    ("closed", "Closed paths", "/api/v1/database-backups answered 200"),
    ("published", "Published passwords refused", "admin@trenova.app logs in with its published password"),
    ("login", "Login of the administrator", "the login answered 401, expected 200"),
    ("cookie", "Login of the administrator", "the login set no session cookie"),
    ("data", "Login of the administrator", "/api/v1/users/me/ answered 401, expected 200"),
    ("bucket", "Objects by presigned links", "making a bucket answered 500"),
    ("content", "Objects by presigned links", "the object came back with another content"),
    ("open", "Objects by presigned links", "getting it without a signature answered 200"),
    ("wall", "Dashboards", "jobs.erp.trucks.co without a password answered 200, expected 401"),
])
def test_a_rule_that_is_broken_is_told_and_no_other(verify, rule, name, detail):
    failed = {name: detail for name, (ok, detail) in verify(rule).items() if not ok}
    assert list(failed) == [name]
    assert failed[name].startswith(detail)


def test_what_the_limit_keeps_from_being_asked_is_said(verify):
    ok, detail = verify("limit")["Published passwords refused"]
    assert ok
    assert detail.startswith("not asked, the application answers no login from here at the moment: admin@trenova.app: ")


def test_what_needs_a_moment_is_asked_again_and_what_says_no_is_not(verify, monkeypatch):
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    ok, detail = verify("starting", seconds=20)["Login of the administrator"]
    assert ok
    assert detail.startswith("admin@trucks.co logged in and read data (after ")
    assert verify("login", seconds=20)["Login of the administrator"] == (False, "the login answered 401, expected 200")
    assert Site.logins.count("admin@trucks.co") == 1


def test_a_visit_that_cannot_be_made_says_why(verify, services):
    skipped = {"login": {"skip": "no account"}}
    told = [{**visit, **skipped.get(visit["kind"], {})} for visit in services["api"]["visits"]]
    found = verify("login", own=dict(services, api=dict(services["api"], visits=told)))
    assert found["Login of the administrator"] == (True, "skipped: no account")


def test_what_does_not_run_here_is_not_visited(verify, services):
    less = {name: service for name, service in services.items() if name not in ("minio", "asynq_dashboard", "api")}
    assert list(verify(own=less)) == [
        "Page by HTTPS", "HTTP leads to HTTPS", "Certificates", "Open ports, seen from another host"]


def test_without_an_entrance_only_the_ports_are_asked(services):
    less = {name: service for name, service in services.items() if name != "caddy"}
    assert [[visit["kind"] for visit in chain] for chain in outside.chains(less)] == [["ports"]]
    assert outside.password_variables(less) == set()
    assert outside.password_variables(services) == set(PASSWORDS)


@pytest.fixture
def nobody():
    """A port at which nobody answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.parametrize("kind", ["page", "redirect", "certificates"])
def test_a_server_that_does_not_answer_is_told(nobody, kind):
    scene = visits.Scene(visitor.Visitor("127.0.0.1", port=nobody, http_port=nobody), hosts=[DOMAIN])
    answer = visits.ask(scene, {"name": "x", "kind": kind, "host": DOMAIN})
    assert (answer["ok"], answer["lasting"]) == (False, False)
    assert "refused" in answer["detail"]
    assert scene.visitor.answers(nobody) is False


def test_a_certificate_of_nobody_is_not_trusted(running):
    stranger = visitor.Visitor("127.0.0.1", port=running.ports[1])
    with pytest.raises(visitor.CheckFailed, match="certificate verify failed"):
        stranger.request("GET", DOMAIN, "/")


@pytest.mark.parametrize(("days", "ok", "detail"), [
    ({DOMAIN: 40, S3: 3.2}, True, "valid for 3 more days or longer"),
    ({DOMAIN: 0.5}, True, "valid for 12 more hours (renewed automatically)"),
    ({DOMAIN: 40, S3: -1}, False, f"the certificate of {S3} has expired"),
    ({}, True, "no host names to serve"),
])
def test_the_certificate_that_ends_first_is_told(days, ok, detail):
    lives = {name: (left, 90) for name, left in days.items()}
    scene = visits.Scene(types.SimpleNamespace(certificate_days=lives.get), hosts=list(days))
    answer = visits.ask(scene, {"name": "Certificates", "kind": "certificates"})
    assert (answer["ok"], answer["detail"]) == (ok, detail)


def test_kinds_are_those_of_the_schema_and_what_follows_by_itself():
    told = description.schema("service")["properties"]["visits"]["items"]["properties"]["kind"]["enum"]
    assert set(visits.KINDS) == {*told, "ports", "dashboards"}


@pytest.mark.parametrize(("entrance", "given", "address", "port"), [
    ({"host": "127.0.0.3", "https_port": 8443}, None, "127.0.0.2", 8443),
    ({"host": "127.0.0.3", "https_port": 443, "behind_proxy": True}, None, "127.0.0.3", 443),
    ({"host": "127.0.0.3", "https_port": 443, "behind_proxy": True}, "127.0.0.4", "127.0.0.4", 443),
    (None, None, "127.0.0.2", 443),
])
def test_where_a_visitor_comes_to(entrance, given, address, port):
    found = outside.visitor_of({"caddy": {"entrance": entrance}}, "127.0.0.2", None, given)
    assert (found.address, found.port, found.server_address) == (address, port, "127.0.0.2")


def test_a_name_that_only_ssh_knows_is_reached_where_ssh_was():
    assert outside.addresses_of("alias.invalid", "192.0.2.7") == ["192.0.2.7"]
    with pytest.raises(outside.AddressUnknown, match="Set trenova_verify_address to the server's address"):
        outside.addresses_of("alias.invalid")


def test_the_authority_is_the_one_that_is_given_or_that_of_the_host(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("given")
    assert outside.authority({"caddy": {"entrance": {"authority": {"file": str(path)}}}}, "of the host") == "given"
    assert outside.authority({"caddy": {"entrance": {"authority": {"file": ""}}}}, "of the host") == "of the host"
    told = {"caddy": {"entrance": {"authority": {"certificate": "of the inventory", "path": "/x"}}}}
    assert outside.authority(told, "of the host") == "of the inventory"
    assert outside.authority({}, None) is None


def test_ports_that_are_asked_are_the_known_ones_and_what_listens(services):
    heard = [{"port": 7000, "address": "0.0.0.0"}, {"port": 7001, "address": "127.0.0.1"}]
    scene = outside.scene(services, None, {"listeners": heard}, {}, [2222])
    assert scene.allowed_ports == {80, 443, 2222}
    assert scene.asked_ports == {7000, *outside.WELL_KNOWN_PORTS}
    assert "of-" not in repr(visits.Scene(None, passwords=PASSWORDS))


@pytest.mark.parametrize(("template", "expected"), [
    ({"a": "{mail}", "b": ["{password}"], "c": False, "d": 1}, {"a": "{password}", "b": ["x\"y"], "c": False, "d": 1}),
    ("{other} {mail}", "{other} {password}"),
])
def test_values_are_put_in_once_and_as_they_are(template, expected):
    assert visits.filled(template, {"mail": "{password}", "password": 'x"y'}) == expected
