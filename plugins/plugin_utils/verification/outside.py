# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Checks from outside: what a browser, or somebody with bad intentions, gets to see of an installation."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trenova.selfhost.plugins.module_utils.s3 import presigned_path

TIMEOUT_SECONDS = 20
#: Ports of the requirements and of what the services listen on, asked although nothing should answer.
WELL_KNOWN_PORTS = (
    80, 443, 2019, 2375, 2376, 3001, 3002, 4369, 5173, 5432, 5672, 5674, 6379, 6432, 8080, 8081, 9000, 9001, 15672,
    15674, 15692, 25672,
)


class CheckFailed(Exception):
    """A check did not find what it expects."""


class Answer:
    """Status, headers and body of an HTTP answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def text(self):
        """Body as text."""
        return self.body.decode("utf-8", "replace")


class _PinnedConnection(http.client.HTTPSConnection):
    """HTTPS to a given address, with the host name of the request in TLS and in the Host header."""

    def __init__(self, host, address, port, context):
        super().__init__(host, port=port, timeout=TIMEOUT_SECONDS, context=context)
        self.address = address

    def connect(self):
        """Connect to the address instead of what the name resolves to."""
        plain = socket.create_connection((self.address, self.port), TIMEOUT_SECONDS)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


class Visitor:
    """Somebody on another host. Reaches the server by address, so that no DNS entry has to exist yet."""

    def __init__(self, address, ca_certificate=None, port=443, server_address=None):
        self.address = address
        self.port = port
        #: Where the services run: not the address of browsers when a proxy stands in front.
        self.server_address = server_address or address
        self.context = ssl.create_default_context()
        if ca_certificate:
            self.context.load_verify_locations(cadata=ca_certificate)

    def request(self, method, host, path, body=None, headers=None):
        """One request by HTTPS; the certificate is verified."""
        connection = _PinnedConnection(host, self.address, self.port, self.context)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return Answer(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise CheckFailed(f"https://{host}{path}: {error}") from error
        finally:
            connection.close()

    def certificate_days(self, host):
        """Days for which the certificate of a host name is still valid."""
        try:
            plain = socket.create_connection((self.address, self.port), TIMEOUT_SECONDS)
            with self.context.wrap_socket(plain, server_hostname=host) as secured:
                expires = ssl.cert_time_to_seconds(secured.getpeercert()["notAfter"])
        except OSError as error:
            raise CheckFailed(f"{host}: {error}") from error
        return (expires - time.time()) / 86400

    def answers(self, port):
        """Whether a TCP port accepts connections."""
        try:
            with socket.create_connection((self.server_address, port), 2):
                return True
        except OSError:
            return False


class Installation:
    """What the checks need to know of an installation: names and credentials."""

    def __init__(self, values):
        self.domain = values["domain"]
        self.s3 = values.get("s3")
        self.dashboards = values.get("dashboards", [])
        self.profile = values.get("profile")
        self.administrator = values.get("administrator")
        self.http_port = values.get("http_port", 80)
        self.allowed_ports = set(values.get("allowed_ports", ()))
        self.asked_ports = set(values.get("asked_ports", ())) | set(WELL_KNOWN_PORTS)


def expect(answer, status, what):
    """Fail unless an answer has the expected status."""
    if answer.status != status:
        raise CheckFailed(f"{what} answered {answer.status}, expected {status}")
    return answer


def login(visitor, site, mail, password):
    """Answer of a login as the web client sends it."""
    body = json.dumps({"emailAddress": mail, "password": password, "rememberMe": False})
    headers = {"Content-Type": "application/json", "Origin": f"https://{site.domain}"}
    return visitor.request("POST", site.domain, site.profile["login"]["uri"], body, headers)


def check_page(visitor, site):
    """The client's page comes by HTTPS with a valid certificate and the security headers."""
    answer = expect(visitor.request("GET", site.domain, "/"), 200, "/")
    if "<html" not in answer.text().lower():
        raise CheckFailed("the page is no HTML")
    missing = [name for name in ("Strict-Transport-Security", "X-Content-Type-Options") if name not in answer.headers]
    if missing:
        raise CheckFailed("headers are missing: " + ", ".join(missing))
    if "no-cache" not in answer.headers.get("Cache-Control", ""):
        raise CheckFailed("index.html may be cached, so browsers would miss updates")
    return "page, headers and certificate as expected"


def check_certificate(visitor, site):
    """The certificates last for some time yet."""
    names = [site.domain] + ([site.s3["host"]] if site.s3 else []) + [entry["host"] for entry in site.dashboards]
    days = {name: visitor.certificate_days(name) for name in names}
    shortest = min(days, key=days.get)
    if days[shortest] <= 0:
        raise CheckFailed(f"the certificate of {shortest} has expired")
    if days[shortest] >= 1:
        return f"valid for {days[shortest]:.0f} more days or longer"
    return f"valid for {days[shortest] * 24:.0f} more hours (renewed automatically)"


def check_redirect(visitor, site):
    """Plain HTTP leads to HTTPS."""
    connection = http.client.HTTPConnection(visitor.address, site.http_port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": site.domain})
        answer = connection.getresponse()
    except OSError as error:
        raise CheckFailed(str(error)) from error
    finally:
        connection.close()
    if answer.status not in (301, 302, 307, 308) or not answer.headers.get("Location", "").startswith("https://"):
        raise CheckFailed(f"answered {answer.status}")
    return "leads to HTTPS"


def check_probe(visitor, site):
    """The API refuses a request without a session, through Caddy."""
    probe = site.profile["probe"]
    expect(visitor.request("GET", site.domain, probe["uri"]), probe["status"], probe["uri"])
    return f"{probe['uri']} answers {probe['status']}"


def check_login(visitor, site):
    """The operator's account logs in, and gets data.

    After the published passwords: refused attempts count against the same limit, a good one clears it.
    """
    if not site.administrator:
        return "skipped: no account was made by the bootstrap"
    answer = expect(login(visitor, site, *site.administrator), 200, "the login")
    cookies = "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []))
    if not cookies:
        raise CheckFailed("the login set no session cookie")
    for path in (site.profile["login"]["me"], site.profile["login"]["data"]):
        expect(visitor.request("GET", site.domain, path, headers={"Cookie": cookies}), 200, path)
    return f"{site.administrator[0]} logged in and read data"


def check_known_passwords(visitor, site):
    """No account answers to a password that is published."""
    untested = []
    for mail, password in site.profile["known_passwords"]:
        status = login(visitor, site, mail, password).status
        if status == 200:
            raise CheckFailed(f"{mail} logs in with its published password")
        if status == 429 or status >= 500:
            untested.append(f"{mail}: {status}")
    if untested:
        return "not asked, the application answers no login from here at the moment: " + ", ".join(untested)
    return "{} published logins refused".format(len(site.profile["known_passwords"]))


def check_blocked(visitor, site):
    """What must not be reached from outside is not."""
    for pattern in site.profile["blocked_paths"]:
        path = pattern.replace("*", "")
        status = visitor.request("GET", site.domain, path).status
        if status != 404:
            raise CheckFailed(f"{path} answered {status}")
    return "{} paths closed".format(len(site.profile["blocked_paths"]))


def check_objects(visitor, site):
    """An object goes in and out by presigned links; an unsigned request does not."""
    store = site.s3
    bucket = "/trenova-verify"
    path = f"{bucket}/{uuid.uuid4().hex}"
    content = uuid.uuid4().hex.encode()

    def signed(method, target, body=None, query=None):
        link = presigned_path(
            method, store["host"], target, store["access_key"], store["secret_key"], store["region"], query=query)
        return visitor.request(method, store["host"], link, body)

    status = signed("PUT", bucket).status
    if status not in (200, 409):
        raise CheckFailed(f"making a bucket answered {status}")
    # As the application does it: only the entrance keeps strangers out then.
    public = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket[1:]}/*"]}]}
    expect(signed("PUT", bucket, json.dumps(public).encode(), {"policy": ""}), 204, "making the bucket public")
    expect(signed("PUT", path, content), 200, "putting an object")
    try:
        if expect(signed("GET", path), 200, "getting it").body != content:
            raise CheckFailed("the object came back with another content")
        # A signature that is only pretended, and one that is taken off behind the check at the entrance.
        for link, headers in (
            (path, {}),
            (path + "?X-Amz-Signature=pretended", {}),
            (path, {"Authorization": "AWS4-HMAC-SHA256 pretended", "Connection": "Authorization"}),
        ):
            status = visitor.request("GET", store["host"], link, headers=headers).status
            if status not in (400, 403):
                raise CheckFailed(f"getting it without a signature answered {status}")
    finally:
        signed("DELETE", path)
        signed("DELETE", bucket)
    return "put and got by presigned links; others refused"


def check_dashboards(visitor, site):
    """Dashboards open with the password only."""
    for entry in site.dashboards:
        expect(visitor.request("GET", entry["host"], "/"), 401, f"{entry['host']} without a password")
        pair = base64.b64encode("{user}:{password}".format(**entry).encode()).decode()
        headers = {"Authorization": "Basic " + pair}
        expect(visitor.request("GET", entry["host"], "/", headers=headers), 200, f"{entry['host']} with the password")
    return f"{len(site.dashboards)} closed without, open with the password"


def check_ports(visitor, site):
    """Nothing but the published ports answers on the network."""
    ports = sorted(site.asked_ports | site.allowed_ports)
    with ThreadPoolExecutor(max_workers=16) as pool:
        open_ports = {port for port, answers in zip(ports, pool.map(visitor.answers, ports), strict=True) if answers}
    unexpected = sorted(open_ports - site.allowed_ports)
    if unexpected:
        raise CheckFailed("ports answer that should not: " + ", ".join(map(str, unexpected)))
    return "{} ports asked; open: {}".format(len(ports), ", ".join(map(str, sorted(open_ports))))


def checks(site):
    """The checks that apply to an installation, in chains: those of one chain run one after the other."""
    yield [("Page by HTTPS", check_page), ("HTTP leads to HTTPS", check_redirect), ("Certificates", check_certificate)]
    yield [("Open ports, seen from another host", check_ports)]
    if site.profile:
        yield [("API refuses without a session", check_probe), ("Closed paths", check_blocked)]
        yield [("Published passwords refused", check_known_passwords), ("Login of the administrator", check_login)]
    if site.s3:
        yield [("Objects by presigned links", check_objects)]
    if site.dashboards:
        yield [("Dashboards", check_dashboards)]


def run_checks(visitor, site):
    """Results of all checks that apply, several chains at a time: name, ok, detail, seconds."""
    def run(chain):
        return [run_check(name, function, visitor, site) for name, function in chain]

    with ThreadPoolExecutor(max_workers=4) as pool:
        return [result for results in pool.map(run, checks(site)) for result in results]


def run_check(name, function, visitor, site):
    """One result: name, ok, detail, seconds."""
    started = time.monotonic()
    try:
        ok, detail = True, function(visitor, site)
    except CheckFailed as error:
        ok, detail = False, str(error)
    return {"name": name, "ok": ok, "detail": detail, "seconds": round(time.monotonic() - started, 2)}
