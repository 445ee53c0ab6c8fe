# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An account that logs in to the application and reads, as its web client does.

It is the only proof from outside that sessions work: the application may answer its probe and refuse everybody else,
because each of its instances stops to ask its cache for a while after some failures, and tells nobody.
"""

from __future__ import annotations

import contextlib
import re
from http.client import HTTPConnection, HTTPException

from ansible_collections.trenova.selfhost.plugins.module_utils.patience import NotYet

TIMEOUT_SECONDS = 20
#: Answers to a login that are about the account, and those of them that it will get whenever it asks.
REFUSED = (400, 401, 403, 422, 429)
WRONG = (400, 401, 422)
#: Answers of the entrance: the application was not reached, so that it has counted no attempt.
NOT_REACHED = (502, 503, 504)
#: Seconds after each login that failed: the application refuses the sixth within a quarter of an hour. Where it has
#: stopped to ask its cache, it does so again ten seconds later.
PAUSES = (4, 10, 16, 30)


def not_answered(told, status, attempts):
    """The failure of a login that was neither let in nor refused, after so many others.

    It says when to ask again, so that the application does not take the next one for one too many.
    """
    if status in NOT_REACHED:
        return NotYet(told)
    pause = pause_after(attempts)
    return NotYet(told, lasting=pause is None, again_after=pause)


def pause_after(attempts):
    """Seconds until a login after one that failed and so many others before; None when there may be none."""
    return PAUSES[attempts] if attempts < len(PAUSES) else None


class Refused(NotYet):
    """The application works, and does not let this account in."""


def filled(template, values):
    """A template with values for {name} in its texts; what is no text stays as it is."""
    if isinstance(template, dict):
        return {key: filled(entry, values) for key, entry in template.items()}
    if isinstance(template, list):
        return [filled(entry, values) for entry in template]
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), template)
    return template


def login_headers(origin):
    """Headers of a login, as of the client's page at an origin. Lists of sessions tell who it was."""
    return {"Content-Type": "application/json", "Origin": origin, "User-Agent": "trenova.selfhost"}


class Answer:
    """Status, headers and body of an HTTP answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def text(self):
        """Body as text."""
        return self.body.decode("utf-8", "replace")


def request(address, port, method, path, body=None, headers=None):
    """One request by plain HTTP. Raises NotYet where nobody answers."""
    connection = HTTPConnection(address, int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        return Answer(connection.getresponse())
    except (OSError, HTTPException) as error:
        raise NotYet(f"{path} does not answer: {error}") from error
    finally:
        connection.close()


class Account:
    """Somebody who logs in once and reads until that works, or until one has to log in again.

    send: a function (method, path, body, headers) that returns an Answer or raises NotYet. login: uri, me and data of
    the profile, and logout where it has one. origin: of the page, with its scheme. body: of the login. look: at the
    answer of a login that let the account in; raises NotYet where a browser could not work with it.
    """

    def __init__(self, send, login, origin, body, look=lambda _answer: None):
        self._send = send
        self._look = look
        self._login = login
        self._origin = origin
        self._body = body
        self._cookies = None
        self._attempts = 0

    def proves(self):
        """Log in, unless that is done, read, and log out. Raises NotYet, or Refused where the account is not let in."""
        if self._cookies is None:
            self._cookies = self._logged_in()
        for path in (self._login["me"], self._login["data"]):
            self._read(path)
        self._log_out()

    def _logged_in(self):
        answer = self._send("POST", self._login["uri"], self._body, login_headers(self._origin))
        told = f"the login answered {answer.status}, expected 200"
        before, self._attempts = self._attempts, self._attempts + (answer.status not in NOT_REACHED)
        if answer.status in REFUSED:
            pause = pause_after(before)
            raise Refused(told, lasting=pause is None or answer.status in WRONG, again_after=pause)
        if answer.status != 200:
            raise not_answered(told, answer.status, before)
        self._look(answer)
        cookies = "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []))
        if not cookies:
            raise NotYet("the login set no session cookie", lasting=True)
        return cookies

    def _read(self, path):
        answer = self._send("GET", path, None, {"Cookie": self._cookies})
        told = f"{path} answered {answer.status}, expected 200"
        if answer.status == 401:
            # The session is gone: an address has changed, a cache was emptied.
            self._cookies = None
            raise not_answered(told, answer.status, self._attempts)
        if answer.status != 200:
            raise NotYet(told)

    def _log_out(self):
        """A session that nobody uses any more can only be stolen. That it stays is no failure."""
        headers, self._cookies = dict(login_headers(self._origin), Cookie=self._cookies), None
        if self._login.get("logout"):
            with contextlib.suppress(NotYet):
                self._send("POST", self._login["logout"], None, headers)
