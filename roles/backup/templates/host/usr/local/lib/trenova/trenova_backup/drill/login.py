# Managed by trenova.selfhost.
"""A login at the application of a drill, and what can be read with it: as the client does, by plain HTTP."""

from __future__ import annotations

import http.client
import json
import time

from trenova_backup.errors import BackupError

TIMEOUT_SECONDS = 20
#: Answers to a login that are about the account.
REFUSED = (400, 401, 403, 422)
#: For how long an application that starts is asked again.
PATIENCE_SECONDS = 120
#: Between logins: the application counts those that fail.
PAUSE_SECONDS = 5


def prove(login, body, address, seconds=PATIENCE_SECONDS):
    """Log in and read; [(path, status, bytes)] of what was read. Raises BackupError where that does not work.

    login: port, origin, uri (where one logs in), read (paths), logout. body: what is sent to log in.
    """
    deadline, cookies = time.monotonic() + seconds, ""
    while True:
        status, cookies, _size = request(address, login, "POST", login["uri"], body)
        if status == 200 and cookies:
            break
        if status in REFUSED:
            raise BackupError(
                f"The login at the application answered {status}: is the password of the administrator in the "
                "inventory the one that he has? Where it is not to be, set backup_drill_login: false.")
        if time.monotonic() > deadline:
            raise BackupError("The application of the drill lets nobody in: " + (
                f"a login answered {status}." if status else "it does not answer."))
        time.sleep(PAUSE_SECONDS)
    found = []
    for path in login["read"]:
        status, _cookies, size = request(address, login, "GET", path, cookies=cookies)
        if status != 200:
            raise BackupError(f"The application of the drill answered {status or 'nothing'} to {path}, after a login.")
        found.append([path, status, size])
    if login.get("logout"):
        request(address, login, "POST", login["logout"], cookies=cookies)
    return found


def request(address, login, method, path, body=None, cookies=""):
    """(status, cookies, bytes) of a request; 0 where nobody answers."""
    connection = http.client.HTTPConnection(address, login["port"], timeout=TIMEOUT_SECONDS)
    headers = {"Origin": login["origin"], "Content-Type": "application/json", "User-Agent": "trenova.selfhost drill"}
    if cookies:
        headers["Cookie"] = cookies
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        size = len(answer.read())
        return answer.status, "; ".join(
            value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", [])), size
    except (OSError, http.client.HTTPException):
        return 0, "", 0
    finally:
        connection.close()
