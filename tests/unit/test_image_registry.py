# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A small registry answers as the large ones do, and each way of not giving an image is told apart."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import image_registry
from ansible_collections.trenova.selfhost.plugins.module_utils.image_registry import Image, Settings

INDEX, MANIFEST = image_registry.INDEX_TYPES[0], image_registry.MANIFEST_TYPES[2]
LOGIN = ("puller", "pass:word")
BASIC = "Basic " + base64.b64encode(b"puller:pass:word").decode()
#: Path below /v2/ -> (type, document).
CONTENT = {
    "team/app/manifests/1": (INDEX, {"manifests": [
        {"platform": {"os": "linux", "architecture": "amd64"}}, {"platform": {"os": "linux", "architecture": "arm64"}},
        {"platform": {"os": "unknown", "architecture": "unknown"}}]}),
    "team/app/manifests/arm": (INDEX, {"manifests": [
        {"platform": {"os": "linux", "architecture": "arm64"}},
        {"platform": {"os": "windows", "architecture": "amd64"}},
        {"platform": {"os": "unknown", "architecture": "unknown"}}]}),
    "team/app/manifests/plain": (MANIFEST, {"config": {"digest": "sha256:c0"}}),
    "team/app/manifests/apple": (MANIFEST, {"config": {"digest": "sha256:a0"}}),
    "team/app/manifests/sha256:d0": (MANIFEST, {"config": {"digest": "sha256:c0"}}),
    "team/app/blobs/sha256:c0": ("application/json", {"architecture": "amd64"}),
    "team/app/blobs/sha256:a0": ("application/json", {"architecture": "arm64"}),
    "library/redis/manifests/8": (MANIFEST, {"config": {"digest": "sha256:c0"}}),
    "library/redis/blobs/sha256:c0": ("application/json", {"architecture": "amd64"}),
}


class Registry(http.server.ThreadingHTTPServer):
    """A registry in this process. mode: open, basic, bearer, or a status that it always answers."""

    daemon_threads = True

    def __init__(self, mode="open", context=None, public=False, redirect=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.public, self.redirect = mode, public, redirect
        self.requests = []
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https" if context else "http"
        self.name = f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A handshake that the client breaks off is what some tests want."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        address = urllib.parse.urlsplit(self.path)
        authorization = self.headers.get("Authorization")
        server.requests.append((self.command, self.path, authorization))
        if isinstance(server.mode, int):
            return self.answer(server.mode)
        if address.path == "/token":
            return self.token(urllib.parse.parse_qs(address.query), authorization)
        if server.mode == "basic" and authorization != BASIC:
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="private"'})
        scope = address.path[len("/v2/"):].rpartition("/manifests/")[0] or address.path[4:].rpartition("/blobs/")[0]
        if server.mode == "bearer" and authorization != f"Bearer for repository:{scope}:pull":
            realm = f"{server.scheme}://{server.name}/token"
            return self.answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="small registry"'})
        path = address.path[len("/v2/"):]
        if server.redirect and "/blobs/" in path:
            return self.answer(307, {"Location": f"{server.redirect}/blob"})
        if path and path not in CONTENT:
            return self.answer(404)
        kind, document = CONTENT.get(path, ("application/json", {}))
        if "/manifests/" in path and kind not in self.headers.get("Accept", ""):
            return self.answer(404)
        return self.answer(200, {"Content-Type": kind}, document)

    do_HEAD = do_GET

    def token(self, query, authorization):
        if authorization not in ((None, BASIC) if self.server.public else (BASIC,)):
            return self.answer(401)
        assert query["service"] == ["small registry"]
        return self.answer(200, {}, {"token": "for " + query["scope"][0]})

    def answer(self, status, headers=None, document=None):
        body = json.dumps(document or {}).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments):
        """Silence."""


@contextlib.contextmanager
def serving(*arguments, **options):
    server = Registry(*arguments, **options)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """(certificate, context of a server that has it)."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1,DNS:registry.test", "-keyout", "key.pem",
         "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return (folder / "cert.pem").read_text(), context


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(image_registry, "TIMEOUT_SECONDS", 1)


def ask(server, *versions, login=None, machine="x86_64", **settings):
    """Findings for versions of team/app, each as (kind, number of images)."""
    separators = ["@" if version.startswith("sha256:") else ":" for version in versions]
    references = [f"{server.name}/team/app{mark}{version}" for mark, version in zip(separators, versions, strict=True)]
    found = image_registry.ask(references, machine, Settings(lambda _name: login, **settings))
    return [(finding["kind"], len(finding["images"])) for finding in found]


@pytest.mark.parametrize(("reference", "registry", "path", "version"), [
    ("redis", "docker.io", "library/redis", "latest"),
    ("docker.io/redis:8", "docker.io", "library/redis", "8"),
    ("edoburu/pgbouncer:v1", "docker.io", "edoburu/pgbouncer", "v1"),
    ("index.docker.io/library/redis:8", "docker.io", "library/redis", "8"),
    ("localhost/app:1", "localhost", "app", "1"),
    ("registry.test:5000/app:1@sha256:ab", "registry.test:5000", "app", "sha256:ab"),
])
def test_references_are_read_as_the_engine_reads_them(reference, registry, path, version):
    image = Image(reference)
    assert (image.registry, image.path, image.version) == (registry, path, version)


@pytest.mark.parametrize("version", ["1", "plain", "sha256:d0"])
def test_image_that_is_there_has_no_finding(version):
    with serving() as server:
        assert ask(server, version) == []
        assert server.requests[1][:2] == ("HEAD", f"/v2/team/app/manifests/{version}")


def test_docker_hub_is_asked_at_its_own_address():
    assert image_registry.Endpoint("docker.io", Settings()).host == "registry-1.docker.io"


@pytest.mark.parametrize(("mode", "login", "version", "expected"), [
    ("basic", LOGIN, "1", []),
    ("basic", ("puller", "wrong"), "1", [("login_refused", 1)]),
    ("basic", None, "1", [("login_missing", 1)]),
    ("basic", "helper", "1", []),
    ("bearer", LOGIN, "1", []),
    ("bearer", LOGIN, "2", [("absent", 1)]),
    ("bearer", LOGIN, "plain", []),
    ("bearer", ("puller", "wrong"), "1", [("login_refused", 1)]),
    ("bearer", None, "1", [("denied", 1)]),
    ("bearer", "helper", "1", []),
    ("open", None, "2", [("absent", 1)]),
    ("open", None, "arm", [("architecture", 1)]),
    ("open", None, "apple", [("architecture", 1)]),
    (503, None, "1", [("answer", 1)]),
    (429, None, "1", [("answer", 1)]),
])
def test_each_way_of_not_giving_an_image_is_told_apart(mode, login, version, expected):
    with serving(mode) as server:
        assert ask(server, version, login=login) == expected


def test_token_for_everybody_needs_no_login():
    with serving("bearer", public=True) as server:
        assert ask(server, "1") == []
        assert {authorization for _method, path, authorization in server.requests if "/token" in path} == {None}


def test_architecture_is_that_of_the_host():
    with serving() as server:
        assert ask(server, "arm", "apple", machine="aarch64") == []
        assert ask(server, "plain", machine="aarch64") == [("architecture", 1)]


def test_password_does_not_follow_a_redirect():
    with serving(503) as elsewhere, serving("basic", redirect=f"http://{elsewhere.name}") as server:
        assert ask(server, "plain", login=LOGIN) == []
        assert [(path, authorization) for _method, path, authorization in elsewhere.requests] == [("/blob", None)]


def test_certificate_of_an_unknown_authority_is_told_once(authority, monkeypatch):
    monkeypatch.setattr(image_registry, "is_insecure", lambda *_arguments: False)
    with serving(context=authority[1]) as server:
        assert ask(server, "1", "plain", "2") == [("certificate", 3)]
        assert ask(server, "1", certificates={server.name: "no certificate"}) == [("certificate", 1)]


def test_certificate_of_the_inventory_or_of_the_host_is_trusted(authority, monkeypatch, tmp_path):
    monkeypatch.setattr(image_registry, "is_insecure", lambda *_arguments: False)
    with serving(context=authority[1]) as server:
        assert ask(server, "1", "plain", certificates={server.name: authority[0]}) == []
        folder = tmp_path / server.name
        folder.mkdir()
        (folder / "ca.crt").write_text(authority[0])
        assert ask(server, "1", folder=str(tmp_path)) == []


def test_password_is_not_sent_without_tls(authority, monkeypatch):
    """Neither to the registry itself nor to where it sends those who ask for a token."""
    monkeypatch.setattr(image_registry, "is_insecure", lambda *_arguments: False)
    with serving("basic") as server:
        assert ask(server, "1", login=LOGIN) == [("plain", 1)]
        assert server.requests == []
    with serving("bearer", context=authority[1]) as server:
        server.scheme = "http"
        assert ask(server, "1", login=LOGIN, certificates={server.name: authority[0]}) == [("answer", 1)]
        assert [authorization for _method, _path, authorization in server.requests] == [None]


def test_insecure_registries_are_those_of_the_engine():
    assert image_registry.is_insecure("localhost:5000", [])
    assert image_registry.is_insecure("127.0.0.2:5000", [])
    assert image_registry.is_insecure("10.1.2.3:5000", ["10.0.0.0/8"])
    assert image_registry.is_insecure("registry.test:5000", ["registry.test:5000"])
    assert not image_registry.is_insecure("registry.test:5000", ["10.0.0.0/8", "other.test"])
    assert not image_registry.is_insecure("10.1.2.3:5000", [])


def test_registry_that_nobody_serves_is_told_once():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = image_registry.ask([f"127.0.0.1:{port}/app:{number}" for number in range(4)], "x86_64", Settings())
    assert [(entry["kind"], len(entry["images"])) for entry in found] == [("unreachable", 4)]
    assert "Connection refused" in found[0]["detail"]


def test_registry_that_accepts_and_says_nothing_costs_one_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"10.255.255.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        references = [f"{name.replace('10.255.255.1', '127.0.0.1')}/app:{number}" for number in range(12)]
        found = image_registry.ask(references, "x86_64", Settings())
        # By TLS and without, as this machine's own registry may be spoken to.
        assert time.monotonic() - started < 4
    assert [(entry["kind"], len(entry["images"])) for entry in found] == [("unreachable", 12)]


def test_name_that_nobody_knows_is_unreachable():
    found = image_registry.ask(["registry.invalid/app:1"], "x86_64", Settings())
    assert [entry["kind"] for entry in found] == ["unreachable"]


def test_mirror_is_asked_first_and_docker_hub_for_what_it_lacks(monkeypatch):
    with serving() as mirror, serving("bearer", public=True) as hub:
        monkeypatch.setattr(image_registry, "API_HOSTS", {"docker.io": hub.name})
        settings = Settings(lambda _name: LOGIN, mirrors=[f"http://{mirror.name}"])
        assert image_registry.ask(["redis:8"], "x86_64", settings) == []
        assert [path for _method, path, _authorization in hub.requests] == ["/v2/"]
        found = image_registry.ask(["redis:9"], "x86_64", settings)
        assert [(entry["registry"], entry["kind"]) for entry in found] == [("docker.io", "absent")]


def test_login_of_docker_hub_is_not_told_to_a_mirror(monkeypatch):
    with serving("basic") as mirror, serving("bearer") as hub:
        monkeypatch.setattr(image_registry, "API_HOSTS", {"docker.io": hub.name})
        settings = Settings(lambda _name: LOGIN, mirrors=[f"http://{mirror.name}"])
        assert image_registry.ask(["redis:8"], "x86_64", settings) == []
        assert {authorization for _method, _path, authorization in mirror.requests} == {None}


def test_mirror_suffices_where_docker_hub_is_out_of_reach(monkeypatch):
    monkeypatch.setattr(image_registry, "API_HOSTS", {"docker.io": "registry.invalid"})
    with serving() as mirror:
        settings = Settings(mirrors=["http://registry.invalid", f"http://{mirror.name}/"])
        assert image_registry.ask(["redis:8"], "x86_64", settings) == []
        assert [entry["kind"] for entry in image_registry.ask(["redis:9"], "x86_64", settings)] == ["unreachable"]


@pytest.mark.parametrize(("url", "no", "expected"), [
    ("https://registry.test/v2/", "", "http://proxy.test:3128"),
    ("https://registry.test:5000/v2/", "localhost,registry.test", None),
    ("https://registry.test:5000/v2/", "registry.test:5000", None),
    ("https://a.registry.test/v2/", ".registry.test", None),
    ("https://a.registry.test/v2/", "registry.test", None),
    ("https://my-registry.test/v2/", "registry.test", "http://proxy.test:3128"),
    ("https://10.1.2.3:5000/v2/", "10.0.0.0/8", None),
    ("https://11.1.2.3:5000/v2/", "10.0.0.0/8", "http://proxy.test:3128"),
    ("https://127.0.0.1:5000/v2/", "", None),
    ("https://registry.test/v2/", "*", None),
    ("http://registry.test/v2/", "", None),
])
def test_proxy_is_that_of_the_engine(url, no, expected):
    proxies = {"https": "http://proxy.test:3128", "http": "", "no": no}
    assert image_registry.proxy_for(urllib.parse.urlsplit(url), proxies) == expected
