# Managed by trenova.selfhost.
"""Restarts an instance of the API with which nobody can work although it answers its probe, one at a time.

An instance that had trouble with Redis stops to ask it for some seconds; its logins fail then and its sessions are
nobody's. Mostly that passes. Where it does not, a start is what helps, unless what the API needs is ill itself.

Whether one can work is seen with a session of the administrator, which is kept and renewed a few times a day, because
the application remembers each request that was made with one. Without his password it is seen in the log, where an
instance complains for each request of which it does not ask Redis. What is watched stands in api-sessions.json beside
this file.
"""

import fcntl
import http.client
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
#: Held by a deployment while it works on a service, and here while an instance restarts.
LOCK = "/run/trenova.lock"
#: What is known from one look to the next. A session of the administrator is in it.
MEMORY = "/run/trenova-api-sessions.json"
#: How often an instance is asked with which one could work the last time.
ASK_SECONDS = 60
#: For how long nobody must be able to work: longer than an instance does without Redis.
FAILING_SECONDS = 45
#: Looks that lie farther apart say nothing of the time between them.
NEXT_LOOK_SECONDS = 60
RESTARTS, RESTARTS_SECONDS = 3, 3600
SESSION_SECONDS = 6 * 3600
#: Logins that fail. The application refuses the sixth within a quarter of an hour.
LOGINS, LOGINS_SECONDS = 4, 900
TIMEOUT_SECONDS = 10
HEALTHY_SECONDS = 60
#: Lines of the log in which to look.
LAST_LINES = 400
#: Answers to a login that are about the account.
REFUSED = (400, 401, 403, 422)


def say(text):
    """A line of the journal."""
    print(text, flush=True)


def engine_runs():
    """Whether the Engine runs. While an administrator keeps it stopped, any command of its would start it again."""
    return subprocess.run(["systemctl", "is-active", "--quiet", "docker.service"], check=False).returncode == 0


def described(names):
    """What the Engine says of containers, by name; those that are gone are left out."""
    if not names:
        return {}
    done = subprocess.run(
        ["docker", "inspect", *names], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return {found["Name"].lstrip("/"): found for found in json.loads(done.stdout or "[]")}


def health(container):
    """healthy, unhealthy or starting of a container that runs; what else it does, or None where there is none."""
    state = (container or {}).get("State", {})
    if state.get("Status") != "running":
        return state.get("Status")
    return (state.get("Health") or {}).get("Status", "healthy")


def address_of(container):
    """An address of a container."""
    networks = container["NetworkSettings"]["Networks"].values()
    return next((network["IPAddress"] for network in networks if network["IPAddress"]), None)


def request(address, port, method, path, body=None, headers=None):
    """(status, cookies) of a request; 0 where nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, dict(headers or {}, **{"User-Agent": "trenova.selfhost watch"}))
        answer = connection.getresponse()
        answer.read()
        return answer.status, "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []))
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


class Unknown(Exception):
    """A session does not tell whether one can work with an instance."""


class Session:
    """A session of the administrator that all instances know, because it is kept in Redis.

    `kept` is what is known of it from one look to the next: cookies, when it began, when logins failed, and of which
    password it is known that it is refused.
    """

    def __init__(self, login, kept, now):
        self.login = login
        self.kept = kept
        self.now = now

    def is_refused(self):
        """Whether the application has refused this very password, so that there is no use in asking again."""
        return bool(self.kept.get("refused")) and self.kept["refused"] == self._password_file()

    def fault(self, address):
        """Why nobody can work with the instance at an address, None where one can. Raises Unknown."""
        if self.is_refused():
            raise Unknown
        if self.kept.get("cookies") and self.now - self.kept["began"] > SESSION_SECONDS:
            self._end(address)
        status = self._ask(address, "GET", "me")[0] if self.kept.get("cookies") else 401
        # A session that is gone, or of which Redis was not asked: a login tells.
        return told(self.login["me"], status) if status != 401 else self._begin(address)

    def _begin(self, address):
        failed = [moment for moment in self.kept.get("failed", []) if self.now - moment < LOGINS_SECONDS]
        if len(failed) >= LOGINS:
            raise Unknown
        with open(self.login["body_file"], encoding="utf-8") as stream:
            status, cookies = self._ask(address, "POST", "uri", stream.read())
        if status == 200 and cookies:
            self.kept.update(cookies=cookies, began=self.now, failed=[], refused=None)
            return None
        if status in REFUSED:
            self.kept["refused"] = self._password_file()
            say(f"The administrator's login answered {status}: from now on only the log is looked at. Is "
                "trenova_admin_password the one that he has?")
            raise Unknown
        self.kept["failed"] = failed + ([self.now] if status else [])
        if status == 429:
            raise Unknown
        return told("a login", status)

    def _end(self, address):
        if self.login.get("logout"):
            self._ask(address, "POST", "logout")
        self.kept["cookies"] = None

    def _ask(self, address, method, path, body=None):
        headers = {"Origin": self.login["origin"], "Content-Type": "application/json"}
        if self.kept.get("cookies"):
            headers["Cookie"] = self.kept["cookies"]
        return request(address, self.login["port"], method, self.login[path], body, headers)

    def _password_file(self):
        found = os.stat(self.login["body_file"])
        return [found.st_ino, found.st_mtime]


def told(what, status):
    """What is wrong with an answer, None where nothing is: too many requests are answered by one that works."""
    if status in (200, 429):
        return None
    return f"{what} answered {status}" if status else f"{what} was not answered"


def complaint(instance, pattern, seconds):
    """What an instance has complained of in its log in the last seconds, None where it has not."""
    if not pattern:
        return None
    command = ["docker", "logs", "--since", f"{seconds}s", "--tail", str(LAST_LINES), instance]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return f"its log says: {pattern}" if done.returncode == 0 and pattern in done.stdout else None


class Watch:
    """One look at all instances."""

    def __init__(self, watched, memory, now):
        self.watched = watched
        self.now = now
        if memory.get("looked", now) > now:
            memory.clear()
        self.seconds = now - memory.get("looked", now)
        known = memory.get("instances", {})
        self.memory = memory
        self.known = {name: known.get(name, {}) for name in watched["instances"]}
        if self.seconds > NEXT_LOOK_SECONDS:
            # A deployment was at work meanwhile, or the host slept.
            for entry in self.known.values():
                entry.pop("failing", None)
        memory.update(looked=now, instances=self.known)
        login = watched.get("login")
        self.session = Session(login, memory.setdefault("session", {}), now) if login else None

    def look(self):
        """Ask the instances that are due, and restart one with which nobody can work. The next look is for the next."""
        containers = described([*self.known, *self.watched["needs"]])
        ill = [name for name in self.watched["needs"] if health(containers.get(name)) != "healthy"]
        failing = [
            name for name in self.known
            if health(containers.get(name)) in ("healthy", "unhealthy") and self._is_failing(name, containers[name])]
        for name in failing:
            reason = self._reason_to_leave(name, ill)
            if reason is None:
                self._restart(name)
                return
            if self.known[name].get("left") != reason:
                self.known[name]["left"] = reason
                say(f"{name} is left alone: {reason}")

    def _is_failing(self, name, container):
        """Whether nobody could work with an instance for longer than that lasts by itself."""
        known = self.known[name]
        asks = self.session is not None and not self.session.is_refused()
        if asks and "failing" not in known and self.now - known.get("asked", -ASK_SECONDS) < ASK_SECONDS:
            return False
        known["asked"] = self.now
        fault = self.fault(name, container)
        if fault is None:
            if "failing" in known:
                say(f"{name}: one can work with it again, after {self.now - known['failing']:.0f} s")
            known.pop("failing", None)
            known.pop("left", None)
            return False
        if "failing" not in known:
            say(f"{name}: nobody can work with it, {fault}")
            known["failing"] = self.now
        return self.now - known["failing"] >= FAILING_SECONDS

    def fault(self, name, container):
        """Why nobody can work with an instance, None where one can or nobody knows."""
        address = address_of(container)
        if self.session is not None and address:
            try:
                return self.session.fault(address)
            except Unknown:
                pass
        if health(container) == "unhealthy":
            return "it does not answer its probe"
        return complaint(name, self.watched.get("complaint"), round(self.seconds) + 5)

    def _reason_to_leave(self, name, ill):
        """Why a start would not help an instance, None where it may."""
        if ill:
            return f"{', '.join(ill)} is not well itself"
        if len(self._restarts(name)) >= RESTARTS:
            return f"it was restarted {RESTARTS} times within an hour"
        in_vain = [other for other in self.known if other != name and "failing" in self.known[other]
                   and self._restarts(other)]
        return f"a start did not help {in_vain[0]}" if in_vain else None

    def _restarts(self, name):
        return [moment for moment in self.known[name].get("restarts", []) if self.now - moment < RESTARTS_SECONDS]

    def _restart(self, name):
        known = self.known[name]
        say(f"{name}: restarting it, nobody could work with it for {self.now - known['failing']:.0f} s")
        known.update(restarts=[*self._restarts(name), self.now])
        known.pop("left", None)
        # Before the restart, which may be the end of this process.
        remember(self.memory)
        command = ["docker", "restart", "--time", str(self.watched["stop_seconds"]), name]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        container = healthy(name)
        # What it has logged before does not count.
        self.seconds = 0
        if container is not None and self.fault(name, container) is None:
            say(f"{name}: one can work with it again")
            known.pop("failing", None)


def healthy(name):
    """What the Engine says of a restarted instance that is healthy; None where it does not become so in time."""
    for _second in range(HEALTHY_SECONDS):
        if not engine_runs():
            return None
        container = described([name]).get(name)
        if container is None or health(container) == "healthy":
            return container
        time.sleep(1)
    return None


def remembered():
    """What is known from the looks before, since boot."""
    try:
        with open(MEMORY, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def remember(memory):
    """Keep what is known, for root alone."""
    with open(os.open(MEMORY + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(memory, stream)
    os.replace(MEMORY + ".new", MEMORY)


def main():
    """Look once, unless a deployment is at work, which sees to the API itself."""
    with open(LOCK, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return look()


def look():
    """One look, with what is known from those before."""
    with open(os.path.join(HERE, "api-sessions.json"), encoding="utf-8") as stream:
        watched = json.load(stream)
    if not watched["instances"] or not engine_runs():
        return 0
    memory = remembered()
    try:
        Watch(watched, memory, time.monotonic()).look()
    finally:
        remember(memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
