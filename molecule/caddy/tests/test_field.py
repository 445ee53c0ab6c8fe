# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Field reports that only a running Caddy can show: its ports, a proxy beside it, streams at a reload."""

from __future__ import annotations

import concurrent.futures
import json
import shlex
import socket
import ssl
import time

import pytest
from test_caddy import SITE, curl

REGISTRY = "172.30.60.2:5000"
#: Ports for which preflight itself may have asked, and a public one that neither the host nor Caddy has by itself.
OTHER_PORTS = {"caddy_http_port": 8080, "caddy_https_port": 8443}
PROXY_HERE = {"caddy_tls": "proxy", "caddy_http_port": 8080, "caddy_bind_address": "127.0.0.1",
              "caddy_trusted_proxies": ["127.0.0.1"], "caddy_public_https_port": 9443}
#: Headers as JSON; a WebSocket, and a list that lives, with a word each quarter of a second for thirty seconds.
BACKEND = """
import base64, hashlib, http.server, json, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.headers.get('Upgrade') == 'websocket':
            key = (self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()
            self.send_response(101)
            for name, value in (('Upgrade', 'websocket'), ('Connection', 'Upgrade'),
                                ('Sec-WebSocket-Accept', base64.b64encode(hashlib.sha1(key).digest()).decode())):
                self.send_header(name, value)
            return self.stream(b'\\x81\\x04tick')
        if self.path == '/events':
            self.send_response(200)
            self.send_header('Content-Type', 'text/event-stream')
            return self.stream(b'data: tick\\n\\n')
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def stream(self, word):
        self.end_headers()
        self.close_connection = True
        for number in range(120):
            try: self.wfile.write(word); self.wfile.flush()
            except OSError: return
            time.sleep(0.25)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def backend(host):
    """A service that is none of ours, on the network of the applications."""
    host.check_output(
        "docker run --detach --name backend --network trenova_app --entrypoint python3 "
        f"{REGISTRY}/trenova/mail:1 -c {shlex.quote(BACKEND)}")
    yield
    host.check_output("docker rm --force backend")


@pytest.fixture(scope="module")
def other_ports(server, host):
    """The installation on other ports than everybody's; put back at the end of this file."""
    server.run(variables=OTHER_PORTS)
    yield
    server.run()


def headers_of(text):
    """Headers that the backend has seen."""
    return json.loads(text[text.index("{"):])


def test_report_01_another_port_leads_in_from_outside_and_inside(server, backend, other_ports):
    """Redirect, HTTP/3 and the services' own way to the names of browsers have the port."""
    status, text = curl(server, f"http://{SITE}:8080/a?b=1", port=8080)
    assert status == 308
    assert f"location: https://{SITE}:8443/a?b=1" in text.lower()
    status, text = curl(server, f"https://{SITE}:8443/", "--insecure", port=8443)
    assert status == 200
    assert 'h3=":8443"' in text
    assert headers_of(text.rpartition("\r\n\r\n")[2])["Host"] == f"{SITE}:8443"
    # By the alias in the network of the containers, the same address, and with it the same signature.
    inside = server.client(
        "trenova/minio:RELEASE.2026-02-12T20-18-48Z", f"curl --silent --cacert /ca/caddy-root.crt https://{SITE}:8443/",
        network="trenova_app", options="--volume /var/lib/trenova/caddy/ca:/ca:ro")
    assert headers_of(inside)["Host"] == f"{SITE}:8443"


def held(server, path, *headers):
    """How many words came, and whether the stream still lived after twelve seconds."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection((server.address, 8443), 5)
    words, begin = 0, time.monotonic()
    with context.wrap_socket(plain, server_hostname=SITE) as stream:
        lines = [f"GET {path} HTTP/1.1", f"Host: {SITE}:8443", *headers, "", ""]
        stream.sendall("\r\n".join(lines).encode())
        while time.monotonic() < begin + 12:
            received = stream.recv(4096)
            if not received:
                return words, False
            words += received.count(b"tick")
    return words, True


def test_report_50_websockets_and_live_lists_outlive_a_reload(server, backend, other_ports):
    """Both are open while the configuration changes, and go on."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
               "Sec-WebSocket-Version: 13")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        streams = [pool.submit(held, server, "/socket", *upgrade), pool.submit(held, server, "/events")]
        time.sleep(1)
        run = server.run(variables={**OTHER_PORTS, "caddy_security_headers": {"X-Reloaded": "yes"}})
        assert [command for command in run.gathered("reloaded") if command.startswith("caddy reload")]
        assert run.gathered("started") == []
        status, text = curl(server, f"https://{SITE}:8443/", "--insecure", port=8443)
        assert (status, "x-reloaded: yes" in text.lower()) == (200, True)
        answers = [stream.result() for stream in streams]
    assert [lives for _words, lives in answers] == [True, True]
    assert min(words for words, _lives in answers) > 35


@pytest.fixture
def proxy(host):
    """A proxy on the server itself, which ends TLS and passes plain HTTP on to the loopback."""
    configuration = (
        "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
        f"https://{SITE}:9443 {{\n\ttls internal\n\treverse_proxy http://127.0.0.1:8080\n}}\n")
    start = f"printf '%s' {shlex.quote(configuration)} >/tmp/Caddyfile; exec caddy run --config /tmp/Caddyfile"
    host.check_output(
        f"docker run --detach --name proxy --network host {REGISTRY}/library/caddy:2.11.4 sh -c {shlex.quote(start)}")
    yield
    host.check_output("docker rm --force proxy")


def test_report_02_a_proxy_on_the_server_is_believed_and_nobody_else(server, host, backend, other_ports, proxy):
    """What comes by the loopback has the gateway's address; what comes from a container beside it has its own."""
    server.run(variables=PROXY_HERE)
    deadline = time.monotonic() + 20
    while (answer := curl(server, f"https://{SITE}:9443/", "--insecure", port=9443))[0] != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.5)
    seen = headers_of(answer[1].rpartition("\r\n\r\n")[2])
    client = socket.create_connection((server.address, 22))
    assert seen["X-Forwarded-For"].split(", ")[0] == client.getsockname()[0]
    client.close()
    assert seen["X-Forwarded-Proto"] == "https"
    assert curl(server, f"http://{SITE}:8080/", port=8080)[0] == 0, "the port is open to others"
    asked = f"curl --silent --output /dev/null --write-out '%{{http_code}}' --header 'Host: {SITE}' http://tren-caddy/"
    image = "trenova/minio:RELEASE.2026-02-12T20-18-48Z"
    assert server.client(image, asked, network="trenova_edge") == "403"
    assert server.client(image, asked, network="trenova_app") == "403"


def test_report_17_compose_takes_an_ipv6_address_in_brackets(server, host):
    """The other notation is what it refuses."""
    text = "services: {{a: {{image: a, ports: ['{}:80:80/tcp']}}}}"
    parsed = host.run(f"echo {shlex.quote(text.format('[2001:db8::5]'))} | docker compose --file - config")
    assert "host_ip: 2001:db8::5" in parsed.stdout, parsed.stderr
    assert host.run(f"echo {shlex.quote(text.format('2001:db8::5'))} | docker compose --file - config").rc != 0
