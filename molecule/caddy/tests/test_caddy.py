# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Caddy as browsers, services and a proxy in front see it."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import subprocess
import threading
import time

import pytest

SITE, LOCKED = "hello.trenova.test", "locked.trenova.test"
#: A small HTTP server: /slow sends a line each quarter of a second for five seconds, everything else tells the headers.
BACKEND = """
import http.server, json, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.0'
    def do_GET(self):
        self.send_response(200); self.end_headers()
        if self.path == '/slow':
            for number in range(20):
                self.wfile.write(b'line\\n'); self.wfile.flush(); time.sleep(0.25)
        else:
            self.wfile.write(json.dumps(dict(self.headers)).encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def backend(host):
    """A service that is none of ours, on the network of the applications."""
    host.check_output(
        "docker run --detach --name backend --network trenova_app --entrypoint python3 "
        f'172.30.60.2:5000/trenova/mail:1 -c "{BACKEND}"')
    yield
    host.check_output("docker rm --force backend")


@pytest.fixture(scope="module")
def authority(host, tmp_path_factory):
    """Certificate of Caddy's own authority."""
    path = tmp_path_factory.mktemp("ca") / "ca.crt"
    path.write_text(host.file("/var/lib/trenova/caddy/ca/caddy-root.crt").content_string)
    return path


def curl(server, url, *options, name=SITE, port=443, address=None):
    """(status, headers and body) of a request to the server."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--max-time", "30", "--noproxy", "*", "--write-out",
         "\n%{http_code}", "--resolve", f"{name}:{port}:{address or server.address}", *options, url],
        capture_output=True, text=True, check=False)
    body, _newline, status = done.stdout.rpartition("\n")
    return int(status or 0), body + done.stderr


def test_site_answers_by_https_with_security_headers(server, backend, authority):
    status, text = curl(server, f"https://{SITE}/", "--cacert", str(authority))
    assert status == 200
    assert "strict-transport-security: max-age=31536000" in text.lower()
    assert "x-frame-options: deny" in text.lower()
    assert '"X-Forwarded-Proto": "https"' in text


def test_http_leads_to_https(server, backend):
    status, text = curl(server, f"http://{SITE}/", port=80)
    assert status == 308
    assert f"https://{SITE}/" in text


def test_login_is_asked_for(server, backend, authority, secrets):
    password = secrets["trenova_dashboard_password"]
    options = ("--cacert", str(authority))
    assert curl(server, f"https://{LOCKED}/", *options, name=LOCKED)[0] == 401
    assert curl(server, f"https://{LOCKED}/", *options, "--user", "operator:guessed", name=LOCKED)[0] == 401
    status, text = curl(server, f"https://{LOCKED}/", *options, "--user", f"operator:{password}", name=LOCKED)
    assert status == 200
    assert "Authorization" not in text


def test_headers_of_a_stranger_are_not_believed(server, backend, authority):
    options = ("--cacert", str(authority), "--header", "X-Forwarded-For: 1.2.3.4")
    assert "1.2.3.4" not in curl(server, f"https://{SITE}/", *options)[1]


def test_unknown_host_names_get_nothing(server, backend, authority):
    status, _text = curl(server, "https://other.trenova.test/", "--cacert", str(authority), name="other.trenova.test")
    assert status == 0


def test_reload_drops_no_connection(server, backend, authority):
    """Short requests without a break, and one that takes five seconds, while the configuration changes.

    What runs is finished. A connection that is made in the very moment in which Caddy hands its sockets over may be
    reset before it was used (Go's HTTP/2 server; 1 in 200 under load); clients then try again, as browsers do.
    """
    stop = threading.Event()
    options = ("--cacert", str(authority))

    def requests():
        answers = []
        while not stop.is_set():
            answers.append(curl(server, f"https://{SITE}/", *options, "--retry", "1", "--retry-all-errors"))
        return answers

    headers = {"caddy_security_headers": {"X-Reloaded": "yes"}}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        streams = [pool.submit(requests) for _stream in range(2)]
        time.sleep(0.5)
        slow = pool.submit(curl, server, f"https://{SITE}/slow", *options)
        run = server.run(variables=headers)
        stop.set()
        answers = [answer for stream in streams for answer in stream.result()]
        slow_status, slow_text = slow.result()
    assert [command for command in run.gathered("reloaded") if command.startswith("caddy reload")]
    assert "X-Reloaded" in curl(server, f"https://{SITE}/", *options)[1].replace("x-reloaded", "X-Reloaded")
    assert len(answers) > 20
    assert [text for status, text in answers if status != 200] == []
    assert (slow_status, slow_text.count("line")) == (200, 20)
    server.run()


def test_change_of_routes_restarts_nothing(server, backend, authority):
    # Caddy answers to the names of its routes inside, so that a new name needs a new container; a new path does not.
    routes = [
        {"host": SITE, "upstreams": ["backend:8080"]},
        {"host": LOCKED, "upstreams": ["backend:8080"], "login": True},
        {"host": SITE, "upstreams": ["nowhere:1"], "paths": ["/nowhere*"]}]
    with server.change({"caddy_routes_extra": routes}, shows=["+\t\thandle /nowhere*"]):
        assert curl(server, f"https://{SITE}/", "--cacert", str(authority))[0] == 200


def certificate(folder, name):
    """An authority and a certificate that it signed for the names of the site: (authority, certificate, key)."""
    ca, key, request, signed = (folder / f"{name}.{part}" for part in ("ca", "key", "csr", "crt"))
    extensions = folder / "extensions"
    extensions.write_text(f"subjectAltName=DNS:{SITE},DNS:{LOCKED},DNS:trenova.test,DNS:*.trenova.test\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
        ["req", "-x509", *curve, "-keyout", f"{ca}.key", "-out", ca, "-subj", f"/CN={name} authority", "-days", "30"],
        ["req", "-new", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={SITE}"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "20",
         "-extfile", extensions, "-out", signed],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    return ca, signed, key


def test_own_certificates(server, backend, tmp_path):
    ca, signed, key = certificate(tmp_path, "own")
    files = {
        "caddy_tls": "files", "caddy_certificate_file": str(signed), "caddy_certificate_key_file": str(key),
        "caddy_ca_file": str(ca)}
    with server.change(files):
        assert curl(server, f"https://{SITE}/", "--cacert", str(ca))[0] == 200
        assert "PRIVATE KEY" not in json.dumps(server.run("--check", "--diff", variables=files).output)
        # Those that come after them, in the same files.
        certificate(tmp_path, "own")
        assert server.run(variables=files).gathered("started") == []
        assert curl(server, f"https://{SITE}/", "--cacert", str(ca))[0] == 200


@pytest.fixture
def proxy(server, tmp_path):
    """A proxy in front, which ends TLS: (its address, its authority)."""
    ca, signed, key = certificate(tmp_path, "proxy")
    (tmp_path / "Caddyfile").write_text(
        "{\n\tadmin off\n}\n"
        f"https://{SITE}, https://trenova.test {{\n\ttls /tls/{signed.name} /tls/{key.name}\n"
        f"\treverse_proxy http://{server.address}:80\n}}\n")
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    pathlib.Path(tmp_path).chmod(0o755)
    address = "172.30.60.99"
    subprocess.run(
        ["docker", "run", "--detach", "--name", "trenova-lab-proxy", "--network", "trenova-lab", "--ip", address,
         "--volume", f"{tmp_path}:/tls:ro", "trenova-lab/library/caddy:2.11.4", "caddy", "run", "--config",
         "/tls/Caddyfile", "--adapter", "caddyfile"], check=True, capture_output=True)
    yield address, ca
    subprocess.run(["docker", "rm", "--force", "trenova-lab-proxy"], check=True, capture_output=True)


def test_proxy_in_front_ends_tls(server, backend, proxy):
    address, ca = proxy
    behind = {"caddy_tls": "proxy", "caddy_trusted_proxies": [address]}
    with server.change(behind, restarts=["tren-caddy"]):
        deadline = time.monotonic() + 20
        while (answer := curl(server, f"https://{SITE}/", "--cacert", str(ca), address=address))[0] != 200:
            assert time.monotonic() < deadline, answer
        assert '"X-Forwarded-Proto": "https"' in answer[1]
        # Plain HTTP from anybody else, and HTTPS on the server itself, are closed.
        assert curl(server, f"http://{SITE}/", port=80)[0] == 403
        assert curl(server, f"https://{SITE}/", "--insecure")[0] == 0


def test_storage_is_not_cleaned_at_a_start(server, host):
    """The cleaning would remove folders of certificates that are being made; Caddy writes when it has cleaned."""
    data = host.file("/var/lib/trenova/caddy/data/caddy")
    assert "certificates" in data.listdir()
    assert "last_clean.json" not in data.listdir()


def test_who_waits_for_a_socket_that_is_reloaded_is_not_reset(host):
    assert host.check_output("docker exec tren-caddy cat /proc/sys/net/ipv4/tcp_migrate_req") == "1"
