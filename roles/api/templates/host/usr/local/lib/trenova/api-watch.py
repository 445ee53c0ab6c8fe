# Managed by trenova.selfhost.
"""Restarts an instance of the API that is older than what it depends on, one at a time.

After a restart of Redis the API's rate limiter is gone, after one of RabbitMQ its publisher, until it starts anew.
What is watched stands in api-watch.json beside this file.
"""

import datetime
import fcntl
import json
import os
import socket
import subprocess
import sys
import time

HEALTHY_SECONDS = 60
#: Held by a deployment while it works on a service, and here while an instance restarts.
LOCK = "/run/trenova.lock"


def moment(text):
    """Seconds since 1970 of a time as Docker writes it, which has nine digits of a second or fewer."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    parsed = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.UTC)
    return parsed.timestamp() + float("0." + (fraction or "0"))


def container_started(name):
    """When a container was started; None when it does not run."""
    done = subprocess.run(
        ["docker", "inspect", "--format", "{{json .State}}", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        check=False)
    state = json.loads(done.stdout) if done.returncode == 0 else {}
    return moment(state["StartedAt"]) if state.get("Running") else None


def redis_started(server):
    """When a Redis that is not a container of ours was started; None when it does not answer."""
    with open(server["password_file"], encoding="utf-8") as stream:
        password = stream.read().strip()
    try:
        with socket.create_connection((server["host"], server["port"]), 5) as connection:
            connection.sendall(f"AUTH {password}\r\nINFO server\r\nQUIT\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
    except OSError:
        return None
    for line in answer.splitlines():
        if line.startswith("uptime_in_seconds:"):
            # The age is in whole seconds: rather one restart too many than one too few.
            return time.time() - int(line.partition(":")[2])
    return None


def wait_until_healthy(name):
    """Wait for a restarted instance, so that no two are away at the same time."""
    for _second in range(HEALTHY_SECONDS):
        done = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Health.Status}}", name], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, check=False)
        if done.returncode or done.stdout.strip() == b"healthy":
            return
        time.sleep(1)


def main():
    """Look once, unless a deployment is at work, which sees to the API itself."""
    with open(LOCK, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return look()


def look():
    """Restart the instances that are older than what they depend on."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "api-watch.json"), encoding="utf-8") as stream:
        watched = json.load(stream)
    followed = {name: container_started(name) for name in watched["follows"]}
    for server in watched["redis"]:
        followed["Redis on " + server["host"]] = redis_started(server)
    for instance in watched["instances"]:
        own = container_started(instance)
        younger = [name for name, started in followed.items() if own and started and started > own]
        if not younger:
            continue
        print("{} was started after {}: restarting it".format(" and ".join(younger), instance), flush=True)
        command = ["docker", "restart", "--time", str(watched["stop_seconds"]), instance]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        wait_until_healthy(instance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
