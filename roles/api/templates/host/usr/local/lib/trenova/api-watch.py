# Managed by trenova.selfhost.
"""Restarts an instance of the API that is older than what it depends on, one at a time.

After a restart of Redis the API's rate limiter is gone, after one of RabbitMQ its publisher, until it starts anew.
What is watched stands in api-watch.json beside this file.

Starts are counted from the boot of the host: its clock may have been wrong then. For one start of what it depends on,
an instance is restarted once.
"""

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
#: {instance: {what it depends on: start for which it was restarted}}
RESTARTED = "/run/trenova-api-watch.json"


def engine_runs():
    """Whether the Engine runs. While an administrator keeps it stopped, any command of its would start it again."""
    return subprocess.run(["systemctl", "is-active", "--quiet", "docker.service"], check=False).returncode == 0


def started_since_boot(pid):
    """When a process was started, in seconds since the boot of the host; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def container(name):
    """(which start it is, when it was in seconds since boot) of a container; None when it does not run."""
    done = subprocess.run(
        ["docker", "inspect", "--format", "{{json .Id}} {{json .State}}", name], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, check=False)
    if done.returncode != 0:
        return None
    identity, _space, state = done.stdout.partition(" ")
    state = json.loads(state)
    since_boot = started_since_boot(state["Pid"]) if state.get("Running") else None
    return None if since_boot is None else (json.loads(identity) + " " + state["StartedAt"], since_boot)


def redis(server):
    """The same of a Redis that is not a container of ours; None when it does not answer."""
    with open(server["password_file"], encoding="utf-8") as stream:
        password = stream.read().strip()
    try:
        with socket.create_connection((server["host"], server["port"]), 5) as connection:
            connection.sendall(f"AUTH {password}\r\nINFO server\r\nQUIT\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
    except OSError:
        return None
    told = dict(line.split(":", 1) for line in answer.splitlines() if ":" in line)
    if "uptime_in_seconds" not in told:
        return None
    # The age is in whole seconds: rather one restart too many than one too few.
    return told.get("run_id", ""), time.clock_gettime(time.CLOCK_BOOTTIME) - int(told["uptime_in_seconds"])


def wait_until_healthy(name):
    """Wait for a restarted instance, so that no two are away at the same time."""
    for _second in range(HEALTHY_SECONDS):
        if not engine_runs():
            return
        done = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Health.Status}}", name], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, check=False)
        if done.returncode or done.stdout.strip() == b"healthy":
            return
        time.sleep(1)


def remembered():
    """For which starts instances were restarted since boot."""
    try:
        with open(RESTARTED, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def remember(restarted):
    """Keep for which starts instances were restarted."""
    with open(RESTARTED + ".new", "w", encoding="utf-8") as stream:
        json.dump(restarted, stream)
    os.replace(RESTARTED + ".new", RESTARTED)


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
    if not engine_runs():
        return 0
    followed = {name: container(name) for name in watched["follows"]}
    followed.update({"Redis on " + server["host"]: redis(server) for server in watched["redis"]})
    followed = {name: found for name, found in followed.items() if found}
    restarted = remembered()
    for instance in watched["instances"]:
        own, done = container(instance), restarted.get(instance, {})
        younger = [name for name, (identity, since_boot) in followed.items()
                   if own and since_boot > own[1] and done.get(name) != identity]
        if not younger:
            continue
        print("{} was started after {}: restarting it".format(" and ".join(younger), instance), flush=True)
        command = ["docker", "restart", "--time", str(watched["stop_seconds"]), instance]
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0:
            restarted[instance] = {name: identity for name, (identity, _since_boot) in followed.items()}
            remember(restarted)
        wait_until_healthy(instance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
