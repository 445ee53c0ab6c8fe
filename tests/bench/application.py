# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Users of a deployed Trenova: they read, and many of them upload documents at the same time."""

from __future__ import annotations

import collections
import json
import secrets
import threading
import time
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import Answer, CheckFailed, Visitor

READERS, UPLOADERS = 16, 24
DOCUMENT_BYTES = 2 * 1024 * 1024
#: The application allows one address so many requests a second; whoever asks for more is refused and waits.
_PAUSE_SECONDS = 0.2
_READ = ("/api/v1/users/me", "/api/v1/customers", "/api/v1/shipments")


class Account(NamedTuple):
    """Who logs in where."""

    domain: str
    mail: str
    password: str


class Crowd:
    """Readers and uploaders, with a session for each reader: the application reads all of one with each request."""

    def __init__(self, visitor: Visitor, account: Account):
        self.visitor = visitor
        self.account = account
        self.seen: collections.Counter = collections.Counter()
        self.uploaded = 0
        self._lock = threading.Lock()
        self._sessions = [self._login() for _reader in range(READERS)]

    def _login(self) -> str:
        body = json.dumps(
            {"emailAddress": self.account.mail, "password": self.account.password, "rememberMe": False})
        answer = self._ask("POST", "/api/v1/auth/login", body, {
            "Content-Type": "application/json", "Origin": f"https://{self.account.domain}"})
        if answer.status != 200:
            raise RuntimeError(f"the login answered {answer.status}")
        return "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []))

    def _ask(self, method: str, path: str, body=None, headers=None) -> Answer:
        return self.visitor.request(method, self.account.domain, path, body, headers)

    def _headers(self, number: int) -> dict:
        return {"Cookie": self._sessions[number % len(self._sessions)]}

    def _read(self, number: int) -> int:
        return self._ask("GET", _READ[number % len(_READ)], headers=self._headers(number)).status

    def _upload(self, number: int) -> int:
        edge = secrets.token_hex(8)
        fields = "".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("resourceType", "shipment"), ("resourceId", f"bench-{number}")))
        head = (f'{fields}--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{number}.bin"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n")
        body = head.encode() + secrets.token_bytes(DOCUMENT_BYTES) + f"\r\n--{edge}--\r\n".encode()
        return self._ask("POST", "/api/v1/documents/upload", body, dict(
            self._headers(number), **{"Content-Type": f"multipart/form-data; boundary={edge}"})).status

    def _keep_on(self, act, number: int, ends: float) -> None:
        while time.monotonic() < ends:
            try:
                status = act(number)
            except CheckFailed:
                status = 0
            with self._lock:
                self.seen[status] += 1
                self.uploaded += status == 201
            if status in (0, 429):
                time.sleep(_PAUSE_SECONDS)

    def work(self, seconds: int) -> str:
        """Read and upload for so long, and say what came of it."""
        ends = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._keep_on, args=(act, number, ends))
            for act, count in ((self._read, READERS), (self._upload, UPLOADERS)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(self.seen.items()))
        return f"{self.uploaded} documents of 2 MiB uploaded, {UPLOADERS} at a time; answers: {answers}"
