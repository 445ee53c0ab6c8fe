# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A container that is healthy and with which nobody can work is not ready: no visitor is led to it."""

from __future__ import annotations

import base64
import email.message
import types

import pytest
from test_converge_run import BOTH, PAST, caddyfile, edge

from ansible_collections.trenova.selfhost.plugins.module_utils import account

READY = {"uri": "/login/", "me": "/me/", "data": "/data/", "logout": "/logout/"}


class People:
    """What instances answer to people: each cannot be worked with until so many seconds after its start."""

    def __init__(self, host):
        self.host = host
        self.well_after, self.refuses, self.logins = {}, {}, []

    def answer(self, address, port, method, path, body, headers):
        assert (port, headers.get("Origin", "https://erp.trucks.co")) == (3001, "https://erp.trucks.co")
        headers, status = email.message.Message(), 200
        if path == "/login/":
            assert (method, body) == ("POST", '{"password": "of the admin"}')
            self.logins.append((address, round(self.host.clock.now)))
            headers["Set-Cookie"] = "session=1; Secure"
            ill = self.host.clock.now < self.well_after.get(address, 0)
            status = self.refuses.get(address) or (500 if ill else 200)
        return types.SimpleNamespace(status=status, headers=headers)


@pytest.fixture
def people(host):
    """People who work with the instances of the host."""
    found = People(host)
    host.answers = found.answer
    return found


def logins(*names):
    """The logins that must work at instances."""
    body = base64.b64encode(b'{"password": "of the admin"}').decode()
    return [
        {"container": name, "port": 3001, "origin": "https://erp.trucks.co", "user": "admin@trucks.co", "login": READY,
         "body": body} for name in names]


def api(host, *instances, **more):
    """The API, with a login that must work at each of its instances."""
    names = instances or ["tren-api"]
    return host.service("api", *names, files={"config/api": more.get("version", "1")}, ready=logins(*names), **more)


def says(result):
    return result["services"]["api"]["says"]


def test_a_start_is_ready_when_a_login_works(host, people):
    result = host.converge(api(host))
    assert people.logins == [("tren-api", 0)]
    assert not [words for words in says(result) if "login" in words]


def test_a_login_that_takes_a_moment_is_awaited_and_said(host, people):
    people.well_after["tren-api"] = 12
    result = host.converge(api(host))
    assert says(result)[-1] == "a login at tren-api worked (after 14 s)"
    assert result["services"]["api"]["seconds"] >= 14


def test_what_runs_unchanged_is_not_asked(host, people):
    host.converge(api(host))
    people.logins.clear()
    assert not host.converge(api(host))["changed"]
    assert people.logins == []


def test_an_instance_with_which_nobody_can_work_is_not_ready(host, people):
    people.well_after["tren-api"] = 10**6
    run = host.run(api(host))
    # All of the thirty seconds that the container may take.
    assert run.failure().splitlines()[0] == (
        "api: tren-api is healthy, but nobody can work with it: the login answered 500, expected 200 (asked for 30 s)")
    assert run.result()["services"]["api"]["log_lines"] == ["last words of tren-api"]
    # The application refuses the sixth.
    assert len(people.logins) <= 5


def test_the_second_stays_where_nobody_can_work_with_the_first(host, people):
    names = ("tren-api", "tren-api-2")
    host.converge(api(host, *names))
    before = host.engine.state()["containers"]
    people.well_after["tren-api"] = 10**6
    people.logins.clear()
    run = host.run(api(host, *names, version="2"))
    assert run.result()["rolled_back"] == ["tren-api"]
    assert {address for address, _moment in people.logins} == {"tren-api"}
    assert host.engine.state()["containers"] == before


@pytest.mark.parametrize("status", [400, 403, 429])
def test_an_account_that_is_refused_proves_enough_and_is_told(host, people, status):
    people.refuses["tren-api"] = status
    result = host.converge(api(host))
    assert says(result)[-1] == (
        f"tren-api is taken as it is: the login answered {status}, expected 200, as admin@trucks.co")
    assert len(people.logins) == 1


def test_without_an_account_the_health_check_decides(host):
    host.converge(host.service("api", "tren-api"))


def led_to_when_asked(host, people):
    """What the entrance led to at each login: [(instance, content of its file)]."""
    found, answer = [], people.answer

    def look(address, port, method, path, body, headers):
        if path == "/login/":
            found.append((address, caddyfile(host)))
        return answer(address, port, method, path, body, headers)

    host.answers = look
    return found


def test_the_entrance_leads_to_a_new_instance_after_a_login_worked_there(host, people):
    host.converge(*edge(host, "one", ready=logins("tren-api")))
    people.well_after["tren-api-2"] = host.clock.now + 12
    seen = led_to_when_asked(host, people)
    host.converge(*edge(host, "both", interim="one", names=BOTH, ready=logins(*BOTH)))
    assert seen == [("tren-api-2", "one")] * 3
    assert caddyfile(host) == "both"


def test_the_entrance_leads_back_to_a_replaced_instance_after_a_login_worked_there(host, people):
    host.converge(*edge(host, "both", names=BOTH, ready=logins(*BOTH)))
    people.well_after = {"tren-api": host.clock.now + 12}
    seen = led_to_when_asked(host, people)
    host.converge(*edge(host, "both", names=BOTH, past=PAST, version="2", ready=logins(*BOTH)))
    assert seen == [("tren-api", "two")] * 3 + [("tren-api-2", "one")]
    assert caddyfile(host) == "both"


def test_the_entrance_does_not_lead_to_an_instance_with_which_nobody_can_work(host, people):
    host.converge(*edge(host, "one", ready=logins("tren-api")))
    people.well_after["tren-api-2"] = 10**6
    run = host.run(*edge(host, "both", interim="one", names=BOTH, ready=logins(*BOTH)))
    assert "tren-api-2 is healthy, but nobody can work with it" in run.failure()
    assert caddyfile(host) == "one"


def test_a_container_that_does_not_answer_is_told(host, people):
    host.answers = account.request
    run = host.run(dict(api(host), ready=[dict(logins("tren-api")[0], port=1)]))
    assert "nobody can work with it: /login/ does not answer" in run.failure()
