# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The installation as its clients see it; what only the smoke application offers is here and not in verify."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import time

import pytest

DOMAIN = "trenova.test"


class Client:
    """A browser, reduced to what the tests need."""

    def __init__(self, address, authority):
        self.address = address
        self.context = ssl.create_default_context(cadata=authority)
        self.cookie = None

    def request(self, method, path, body=None, host=DOMAIN, headers=None):
        """Status, headers and body of one request."""
        connection = http.client.HTTPSConnection(host, context=self.context, timeout=30)
        plain = socket.create_connection((self.address, 443), 30)
        connection.sock = self.context.wrap_socket(plain, server_hostname=host)
        sent = {"Origin": f"https://{DOMAIN}", "Content-Type": "application/json", **(headers or {})}
        if self.cookie:
            sent["Cookie"] = self.cookie
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def login(self, mail, password):
        """Log in and keep the session."""
        status, headers, _body = self.request(
            "POST", "/api/v1/auth/login/", {"emailAddress": mail, "password": password, "rememberMe": False})
        if status == 200:
            self.cookie = "; ".join(value.split(";")[0] for value in headers.get_all("Set-Cookie"))
        return status


@pytest.fixture
def client(server, host):
    """Somebody who has not logged in."""
    return Client(server.address, host.file("/var/lib/trenova/caddy/ca/caddy-root.crt").content_string)


@pytest.fixture
def operator(client, secrets):
    """Somebody who has."""
    assert client.login("admin@trenova.test", secrets["trenova_admin_password"]) == 200
    return client


def test_page_is_served_with_this_installations_address(client):
    status, _headers, body = client.request("GET", "/")
    page = body.decode()
    assert status == 200
    script = page.split('src="')[1].split('"')[0]
    status, headers, body = client.request("GET", script)
    assert status == 200
    assert b"https://trenova.test/api/v1" in body
    assert b"trenova.invalid" not in body
    assert "immutable" in headers["Cache-Control"]


def test_routing_of_the_application_falls_back_to_the_page(client):
    status, headers, body = client.request("GET", "/shipments/42/edit")
    assert (status, b"<html" in body.lower(), headers["Cache-Control"]) == (200, True, "no-cache")


def test_missing_assets_and_source_maps_are_not_found(client):
    page = client.request("GET", "/")[2].decode()
    script = page.split('src="')[1].split('"')[0]
    assert client.request("GET", script + ".map")[0] == 404
    assert client.request("GET", "/assets/absent-12345678.js")[0] == 404


@pytest.mark.parametrize("mail", ["admin@trenova.app", "system@trenova.app"])
def test_published_passwords_are_refused(client, mail):
    assert client.login(mail, "admin") != 200
    assert client.login(mail, "password123") != 200


def test_job_is_enqueued_and_done(operator):
    status, _headers, body = operator.request("POST", "/api/v1/smoke/jobs", {"queue": "critical", "count": 3})
    assert status == 202
    batch = json.loads(body)["batch"]
    counts = {}
    for _attempt in range(30):
        counts = json.loads(operator.request("GET", f"/api/v1/smoke/jobs?batch={batch}")[2])
        if counts["distinct"] == 3:
            assert counts["rows"] == 3
            return
        time.sleep(1)
    pytest.fail(f"the jobs were not done: {counts}")


def test_message_is_published_by_the_application(operator):
    assert operator.request("POST", "/api/v1/smoke/publish", {"message": "from a test"})[0] == 202


def test_dashboard_is_read_only_behind_a_login(client, secrets):
    host = "jobs.trenova.test"
    assert client.request("GET", "/", host=host)[0] == 401
    pair = base64.b64encode(f"operator:{secrets['trenova_dashboard_password']}".encode()).decode()
    login = {"Authorization": "Basic " + pair}
    assert client.request("GET", "/api/queues", host=host, headers=login)[0] == 200
    assert client.request("POST", "/api/queues/default:pause", host=host, headers=login)[0] == 405
