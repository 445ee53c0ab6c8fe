# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An account that logs in to an application whose sessions fail for a while, and that counts what it asks."""

from __future__ import annotations

import email.message
import http.server
import threading
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.module_utils import account
from ansible_collections.trenova.selfhost.plugins.module_utils.patience import NotYet, until_ok

LOGIN = {"uri": "/login/", "me": "/me/", "data": "/data/", "logout": "/logout/"}
#: Of the application: attempts within a quarter of an hour.
ATTEMPTS = 5


class Application:
    """Answers like the real one: attempts count whether they can succeed or not, and a good one clears them."""

    def __init__(self, well_at=0.0, **more):
        self.now = 0.0
        #: From when on logins and sessions work, and what is answered before.
        self.well_at, self.login_fails, self.session_fails = well_at, 500, 403
        self.right, self.counted, self.sessions = True, 0, set()
        self.requests = []
        vars(self).update(more)

    def sleep(self, seconds):
        self.now += seconds

    def send(self, method, path, body, headers):
        self.requests.append((method, path, round(self.now)))
        cookies = headers.get("Cookie")
        if path == "/login/":
            assert (body, headers["Origin"]) == ("the body", "https://erp.trucks.co")
            return self.login()
        if path == "/logout/":
            self.sessions.discard(cookies)
            return answer(204)
        if self.now < self.well_at:
            return answer(self.session_fails)
        return answer(200 if cookies in self.sessions else 401)

    def login(self):
        self.counted += 1
        if self.counted > ATTEMPTS:
            return answer(429)
        if not self.right:
            return answer(400)
        if self.now < self.well_at and self.login_fails != 200:
            return answer(self.login_fails)
        self.counted = 0
        self.sessions.add(f"session={len(self.requests)}")
        return answer(200, f"session={len(self.requests)}; Secure; HttpOnly")

    def proved(self, seconds=30):
        """What came of an account that asks for so many seconds."""
        visitor = account.Account(self.send, LOGIN, "https://erp.trucks.co", "the body")

        def ask():
            try:
                visitor.proves()
            except NotYet as failure:
                return failure.answer()
            return {"ok": True, "detail": "worked"}

        return until_ok(ask, seconds, lambda: self.now, self.sleep)

    def logins(self):
        return [moment for _method, path, moment in self.requests if path == "/login/"]


def answer(status, cookie=None):
    headers = email.message.Message()
    if cookie:
        headers["Set-Cookie"] = cookie
    return types.SimpleNamespace(status=status, headers=headers)


def test_where_all_is_well_one_login_is_enough_and_its_session_is_ended():
    application = Application()
    assert application.proved() == {"ok": True, "detail": "worked", "seconds": 0.0}
    assert [path for _method, path, _moment in application.requests] == ["/login/", "/me/", "/data/", "/logout/"]
    assert application.sessions == set()


@pytest.mark.parametrize(("well_at", "after", "logins"), [
    (2, 4, [0, 4]), (10, 14, [0, 4, 14]), (14, 14, [0, 4, 14]), (29, 30, [0, 4, 14, 30])])
def test_logins_that_fail_are_asked_again_and_it_is_said_how_long_it_took(well_at, after, logins):
    application = Application(well_at)
    assert application.proved() == {"ok": True, "detail": f"worked (after {after} s)", "seconds": float(after)}
    assert application.logins() == logins


@pytest.mark.parametrize("status", [403, 429, 500, 404])
def test_sessions_that_fail_are_asked_again_each_second_with_the_same_session(status):
    application = Application(12, login_fails=200, session_fails=status)
    assert application.proved()["detail"] == "worked (after 12 s)"
    assert application.logins() == [0]


def test_a_session_that_is_lost_is_begun_anew():
    application = Application(3, login_fails=200, session_fails=401)
    assert application.proved()["ok"]
    assert len(application.logins()) == 2


@pytest.mark.parametrize("status", [502, 503, 504])
def test_where_the_application_is_not_reached_nothing_is_counted(status):
    application = Application(20, login_fails=status)
    application.login = lambda: (
        answer(status) if application.now < 20 else Application.login(application))
    assert application.proved()["detail"] == "worked (after 20 s)"


def test_a_wrong_password_is_asked_once():
    application = Application(right=False)
    assert application.proved() == {"ok": False, "detail": "the login answered 400, expected 200", "seconds": 0.0}


@pytest.mark.parametrize("status", [403, 429])
def test_a_refusal_that_may_pass_is_asked_about_again(status):
    application = Application(9, login_fails=status)
    assert application.proved()["detail"] == "worked (after 14 s)"


def test_a_login_without_a_cookie_is_no_login():
    application = Application()
    application.login = lambda: answer(200)
    assert application.proved()["detail"] == "the login set no session cookie"


@given(st.floats(0, 700), st.integers(0, 600), st.sampled_from([500, 403]), st.integers(0, 3))
def test_the_application_never_takes_it_for_an_attack(well_at, seconds, status, counted):
    """However long it may ask, of the five attempts one is left for a person, with those that others have made."""
    application = Application(well_at, login_fails=status, counted=0)
    found = application.proved(seconds)
    assert len(application.logins()) <= ATTEMPTS
    assert found["seconds"] <= seconds + 1 or seconds < 1
    if well_at <= min(seconds, 30):
        assert found["ok"]


def test_a_request_by_plain_http():
    class Handler(http.server.BaseHTTPRequestHandler):
        """Says what it was sent."""

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.end_headers()
            self.wfile.write(self.path.encode() + b" " + body + b" " + self.headers["Origin"].encode())

        def log_message(self, *_rest):
            """Nothing on the terminal."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        found = account.request("127.0.0.1", server.server_port, "POST", "/login/", "{}", {"Origin": "https://a.test"})
    assert (found.status, found.text()) == (201, "/login/ {} https://a.test")
    with pytest.raises(NotYet, match="/login/ does not answer: .*refused"):
        account.request("127.0.0.1", 1, "POST", "/login/", "{}", {})
