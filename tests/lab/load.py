# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A steady stream of requests through the entrance of a server of the lab, as browsers make them.

Requests begin at their time whether earlier ones have been answered or not, so that an outage is not overlooked because
nobody asks meanwhile. Whatever is not answered with 200 within half a minute has failed. A connection that was closed
while nobody used it is opened again, as every browser does. The requests are HTTP/1.1, and all of them safe: one that
was closed upon before a byte of an answer is made once more (RFC 9110, 9.2.2), because a server in Go reads and drops
what reaches it over HTTP/1.1 in the very moment in which it is reloaded. These are counted.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import ssl
import threading
import time
from typing import NamedTuple

REQUEST_SECONDS = 30
#: Enough for a second of requests that wait for a server that is being replaced, thirty times over.
WORKERS = 96
#: Browsers in which somebody is logged in; no divisor of the number of paths, so that each asks for all of them.
SESSIONS = 8
#: Errors of a connection that the other side has closed while it was idle.
CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Answer(NamedTuple):
    """When a request was due, in seconds since the start of the load; how long it took; what was wrong with it; when it
    was made, which is later than due where all workers wait for answers."""

    due: float
    seconds: float
    fault: str | None
    began: float


class Entrance:
    """The way to a server by its address, whatever its names resolve to."""

    def __init__(self, address, domain):
        self.address = address
        self.domain = domain
        # Whose certificate it is, is not what is measured here.
        self.context = ssl._create_unverified_context()  # noqa: S323

    def connection(self):
        """A new connection."""
        connection = http.client.HTTPSConnection(
            self.domain, timeout=REQUEST_SECONDS, context=self.context)
        connection._create_connection = lambda _place, *rest: socket.create_connection((self.address, 443), *rest)
        return connection

    def log_in(self, mail, password):
        """Cookies of a new session."""
        connection = self.connection()
        body = json.dumps({"emailAddress": mail, "password": password, "rememberMe": False})
        connection.request("POST", "/api/v1/auth/login/", body, {
            "Content-Type": "application/json", "Origin": f"https://{self.domain}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        return "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie"))


class Load:
    """The stream of requests: a context in which it goes on, and what came of it."""

    def __init__(self, entrance, sessions, rate=50, workers=WORKERS):
        self.entrance = entrance
        #: Requests that are made at once, at most. With few, a rate that is too high is what the application answers.
        self.workers = workers
        #: Cookies of several sessions, which take turns: the application reads with each request all that it remembers
        #: of a session, and that is every request before.
        self.sessions = sessions
        self.rate = rate
        #: The page of the client, and requests that read the session from Redis and rows from PostgreSQL. The
        #: application answers a user of one address only so often: lists five times a second, himself fifty times,
        #: which leaves room for those that had to wait.
        self.paths = ("/api/v1/shipments/?limit=2&offset=0", *["/api/v1/users/me/", "/"] * 12)
        self.answers = []
        #: Requests on a new connection that were closed upon and made once more.
        self.made_again = 0
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = []
        self._began = None

    def __enter__(self):
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _number in range(self.workers)]
        for thread in self._threads:
            thread.start()
        time.sleep(2)
        return self

    def __exit__(self, *_error):
        time.sleep(2)
        self._stop.set()
        for thread in self._threads:
            thread.join(REQUEST_SECONDS + 5)

    def again(self):
        """Another stream of the same requests."""
        return Load(self.entrance, self.sessions, self.rate, self.workers)

    @contextlib.contextmanager
    def unfailing(self, capsys, what):
        """All requests that are made meanwhile are answered; what came of them is printed."""
        with self:
            yield
        with capsys.disabled():
            print(f"\n  {what}: {self.summary()}")
        assert self.failed == [], self.summary()

    def now(self):
        """Seconds since the start of the load."""
        return time.monotonic() - self._began

    def _work(self):
        connection, is_new = self.entrance.connection(), True
        while True:
            number = next(self._numbers)
            due = number / self.rate
            if self._stop.wait(max(0.0, due - self.now())):
                return
            path = self.paths[number % len(self.paths)]
            headers = {"Cookie": self.sessions[number % len(self.sessions)]}
            began = self.now()
            fault = self._ask(connection, path, headers)
            if fault == CLOSED and not is_new:
                connection.close()
                fault = self._ask(connection, path, headers)
            if fault == CLOSED:
                self.made_again += 1
                connection.close()
                fault = self._ask(connection, path, headers)
            self.answers.append(Answer(due, self.now() - began, str(fault) if fault else None, began))
            is_new = bool(fault)
            if fault:
                connection.close()

    def _ask(self, connection, path, headers):
        """What was wrong with a request; None when it was answered with 200."""
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except CLOSED:
            return CLOSED
        except (OSError, http.client.HTTPException) as error:
            return f"{path}: {type(error).__name__} {error}"
        return None if answer.status == 200 else f"{path}: {answer.status} {body[:80]!r}"

    @property
    def failed(self):
        """The answers that failed."""
        return sorted(answer for answer in self.answers if answer.fault)

    def summary(self):
        """What came of it, for people."""
        if not self.answers:
            return "no request was made"
        slowest = max(answer.seconds for answer in self.answers)
        words = f"{len(self.answers)} requests, {len(self.failed)} failed, the slowest took {slowest:.1f} s"
        if self.made_again:
            words += f", {self.made_again} made again"
        if self.failed:
            faults = sorted({answer.fault for answer in self.failed})
            words += f"; between {self.failed[0].due:.1f} and {self.failed[-1].due:.1f} s: {', '.join(faults[:6])}"
        return words
