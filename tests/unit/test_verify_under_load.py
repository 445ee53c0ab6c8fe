# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The verification of an installation that was under load a moment ago, whose logins and sessions fail for a while."""

from __future__ import annotations

import types

import pytest
import test_bundle
from test_account import Application, answer

from ansible_collections.trenova.selfhost.plugins.module_utils import account, patience
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import outside, visits

PASSWORD = "of-the-admin"


class Visitor(Application):
    """Brings requests of the visits to an application that was made for shorter paths."""

    def __init__(self, well_at, **more):
        super().__init__(well_at, **more)
        self.published, self.began = 400, None

    def request(self, method, _host, path, body=None, headers=None):
        if path == "/api/v1/auth/login/" and PASSWORD not in body:
            self.requests.append((method, "published", self.now))
            return answer(self.published if self.now < self.well_at else 400)
        paths = {"/api/v1/auth/login/": "/login/", "/api/v1/auth/logout/": "/logout/", "/api/v1/users/me/": "/me/"}
        self.requests.append((method, paths.get(path, "/data/"), round(self.now)))
        if paths.get(path) == "/login/":
            return self.login()
        if paths.get(path) == "/logout/":
            return answer(204)
        if self.now < self.well_at:
            return answer(self.session_fails)
        return answer(200 if (headers or {}).get("Cookie") in self.sessions else 401)


@pytest.fixture
def verify(monkeypatch):
    """Function that makes the API's visits with a clock of its own: {name: (ok, detail)}."""
    services = test_bundle.in_play('{"api_bootstrap": "seed"}')[1].services
    chain = [visit for visit in services["api"]["visits"] if visit["kind"] in ("refused_logins", "login")]

    def run(visitor, seconds=30):
        scene = visits.Scene(visitor=visitor, passwords={"trenova_admin_password": PASSWORD})
        clock = types.SimpleNamespace(monotonic=lambda: visitor.now)
        monkeypatch.setattr(outside, "time", clock)
        monkeypatch.setattr(outside, "until_ok", lambda ask, deadline: patience.until_ok(
            ask, deadline, clock.monotonic, visitor.sleep))
        monkeypatch.setattr(outside, "chains", lambda _services: [chain])
        return {entry["name"]: (entry["ok"], entry["detail"]) for entry in outside.run(scene, services, seconds)}

    return run


LOGIN, PUBLISHED = "Login of the administrator", "Published passwords refused"


def test_where_all_is_well_nothing_is_said_of_time(verify):
    found = verify(Visitor(0))
    assert found[LOGIN] == (True, "admin@trucks.co logged in and read data")


@pytest.mark.parametrize("status", [500, 429, 403])
def test_a_login_that_fails_for_a_while_is_asked_again_and_it_is_said_how_long_it_took(verify, status):
    visitor = Visitor(12, login_fails=status)
    assert verify(visitor)[LOGIN] == (True, "admin@trucks.co logged in and read data (after 14 s)")
    assert len(visitor.logins()) == 3


@pytest.mark.parametrize("status", [500, 429, 403])
def test_a_session_that_fails_for_a_while_is_asked_again_and_no_other_is_begun(verify, status):
    visitor = Visitor(12, login_fails=200, session_fails=status)
    assert verify(visitor)[LOGIN] == (True, "admin@trucks.co logged in and read data (after 12 s)")
    assert len(visitor.logins()) == 1


def test_time_is_bounded_and_the_application_does_not_take_it_for_an_attack(verify):
    visitor = Visitor(10**6)
    assert verify(visitor)[LOGIN] == (False, "the login answered 500, expected 200 (asked for 30 s)")
    assert len(visitor.logins()) == 4
    assert verify(Visitor(10**6), seconds=0)[LOGIN] == (False, "the login answered 500, expected 200")


def test_a_session_that_was_read_is_ended(verify):
    visitor = Visitor(0)
    verify(visitor)
    assert [path for _method, path, _moment in visitor.requests][-1] == "/logout/"


def test_a_published_password_that_is_neither_let_in_nor_refused_is_asked_about_again(verify):
    """Its session may only not be kept at the moment: that is no refusal."""
    visitor = Visitor(9)
    visitor.published = 500
    assert verify(visitor)[PUBLISHED] == (True, "2 published logins refused (after 14 s)")
    visitor = Visitor(10**6)
    visitor.published = 500
    ok, detail = verify(visitor, seconds=600)[PUBLISHED]
    assert not ok
    assert detail.startswith("the login of admin@trenova.app answered 500, neither let in nor refused")
    assert len([path for _method, path, _moment in visitor.requests if path == "published"]) <= 2 * 5


def test_pauses_fit_into_the_time_that_a_verification_takes_by_default():
    assert sum(account.PAUSES[:3]) == 30
    assert len(account.PAUSES) == 4
