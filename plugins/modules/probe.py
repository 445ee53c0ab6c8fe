#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Ask the services of a host how they are, from inside
version_added: 0.1.0
description:
  - Runs the checks that the services declare (C(checks) in meta/service.yml), several at a time, and looks at every
    container of the project. Used by M(trenova.selfhost.verify).
options:
  project:
    description: Name of the Compose project.
    type: str
    required: true
  checks:
    description: The checks, as the services declare them.
    type: list
    elements: dict
    default: []
  passwords:
    description: Passwords that checks name, by variable.
    type: dict
    default: {}
  images:
    description: References of images of which the registry is asked whether it has another one under the tag now.
    type: list
    elements: str
    default: []
  seconds:
    description: For how many seconds a check that fails is asked again, each second; at least 0.
    type: int
    default: 0
  ca_file:
    description: Certificate of the project's own authority; its content is returned when the file exists.
    type: path
  status_file:
    description: Status file of the backups; its content is returned when the file exists.
    type: path
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.test_data
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Ask the services
  trenova.selfhost.probe:
    project: trenova
    checks: "{{ ansible_facts['trenova'].services.redis.checks }}"
"""

RETURN = r"""
results:
  description: One entry for each check with name, ok, detail and seconds, which is how long it took.
  returned: always
  type: list
  elements: dict
containers:
  description: The same for each container of the project.
  returned: always
  type: list
  elements: dict
networks:
  description: The networks of the project by name, each with C(ipv6), whether it has IPv6.
  returned: always
  type: dict
host:
  description: Results of what is wrong with the host itself, so that no service can be reached; empty else.
  returned: always
  type: list
  elements: dict
images:
  description: Results of images that are others in their registry; one entry for all where none is.
  returned: always
  type: list
  elements: dict
waiting_seconds:
  description: For how many seconds there has been a directory for O(status_file) and nothing in it.
  returned: when O(status_file) is not there and its directory is
  type: float
"""

import base64
import json
import os
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import addresses, engine, host, moved_tags, reach
from ansible_collections.trenova.selfhost.plugins.module_utils.patience import until_ok

TIMEOUT_SECONDS = 15


#: How long a program may take that only looks.
PROGRAM_SECONDS = 90
#: How much of what it says is told, from the end.
PROGRAM_LETTERS = 1000


class CheckFailed(Exception):
    """A check did not find what it expects. One that is lasting is not asked again: it may count against us."""

    def __init__(self, text, lasting=False):
        super().__init__(text)
        self.lasting = lasting


class Inspector:
    """The containers of the project as they are at the moment, and the ways to talk to them."""

    def __init__(self, project, passwords):
        self.passwords = passwords
        self.names = sorted(engine.containers_of(project))

    def container(self, name):
        """What the Engine knows of a container of the project."""
        found = engine.containers(name) if name in self.names else {}
        if name not in found:
            raise CheckFailed(f"there is no container {name}")
        return found[name]

    def address(self, name):
        """An IP address of a container."""
        networks = self.container(name)["NetworkSettings"]["Networks"].values()
        addresses = [network["IPAddress"] for network in networks if network["IPAddress"]]
        if not addresses:
            raise CheckFailed(f"{name} has no address; it does not run")
        return addresses[0]

    def request(self, check, method, path, body=None):
        """One HTTP request to a container: (status, text)."""
        headers = {"Content-Type": "application/json"}
        if check.get("login"):
            pair = "{}:{}".format(check["login"], self.passwords[check["password_variable"]])
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        connection = HTTPConnection(self.address(check["container"]), int(check["port"]), timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            raise CheckFailed("{}:{} does not answer: {}".format(check["container"], check["port"], error)) from error
        finally:
            connection.close()

    def execute(self, check):
        """Output of a command in a container."""
        done = engine.docker("exec", check["container"], *check["command"], seconds=TIMEOUT_SECONDS, check=False)
        if done.returncode != 0:
            raise CheckFailed((done.stderr or done.stdout).strip()[-300:] or f"exit code {done.returncode}")
        return done.stdout


def check_settings(inspector, check):
    """The server itself reports the values of the plan."""
    reported = {}
    for line in inspector.execute(check).splitlines():
        name, separator, rest = line.partition("|")
        if separator:
            reported[name] = rest.split("|")[0]
    return as_planned(reported, check)


def as_planned(reported, check):
    """{name: value} that a server reports holds what is expected."""
    different = [
        f"{name} is {reported.get(name, 'not reported')}, planned {value}"
        for name, value in sorted(check["expect"].items()) if reported.get(name) != str(value)]
    if different:
        raise CheckFailed("; ".join(different))
    return check.get("success", "{} settings as planned".format(len(check["expect"])))


def check_command(inspector, check):
    """The output of a command holds a text, or a number that is large enough."""
    output = inspector.execute(check).strip()
    if "expect_text" in check and str(check["expect_text"]) not in output:
        raise CheckFailed("expected {!r}, found {!r}".format(check["expect_text"], output[:200]))
    if "expect_at_least" in check:
        number = int(output.split()[-1]) if output else 0
        if number < int(check["expect_at_least"]):
            raise CheckFailed("found {}, expected at least {}".format(number, check["expect_at_least"]))
    return check.get("success", "as expected")


def check_http(inspector, check):
    """A page answers with the expected status."""
    status, _text = inspector.request(check, "GET", check["path"])
    if status != int(check["expect_status"]):
        raise CheckFailed("answered {}, expected {}".format(status, check["expect_status"]))
    return f"answers {status}"


def check_http_json(inspector, check):
    """The first object of a JSON answer holds the expected values."""
    status, text = inspector.request(check, "GET", check["path"])
    if status != 200:
        raise CheckFailed(f"answered {status}")
    answer = json.loads(text)
    first = answer[0] if isinstance(answer, list) else answer
    different = [
        f"{name} is {first.get(name)}, planned {value}"
        for name, value in sorted(check["expect"].items()) if first.get(name) != value]
    if different:
        raise CheckFailed("; ".join(different))
    return "{} limits as planned".format(len(check["expect"]))


def check_rabbitmq_round_trip(inspector, check):
    """A message published to a queue of our own comes out of it again."""
    vhost, queue, text = quote(check["vhost"], safe=""), "trenova-verify", uuid.uuid4().hex
    path = f"/api/queues/{vhost}/{queue}"
    inspector.request(check, "PUT", path, {"durable": True, "auto_delete": False, "arguments": {
        "x-expires": 60000, "x-queue-type": "classic"}})
    try:
        message = {"properties": {}, "routing_key": queue, "payload": text, "payload_encoding": "string"}
        status, answer = inspector.request(check, "POST", f"/api/exchanges/{vhost}/amq.default/publish", message)
        if status != 200 or not json.loads(answer).get("routed"):
            raise CheckFailed(f"publishing answered {status}: {answer[:200]}")
        _status, answer = inspector.request(
            check, "POST", path + "/get", {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
        messages = json.loads(answer)
        if not isinstance(messages, list) or not messages or messages[0].get("payload") != text:
            raise CheckFailed(f"the message did not come back: {answer[:200]}")
    finally:
        inspector.request(check, "DELETE", path)
    return "published and consumed"


def check_redis(inspector, check):
    """What Redis answers to a command has the expected fields, holds a text, or is a number that is large enough; of
    one `field`, its number.

    `{now}` in the command stands for the time in seconds since 1970.
    """
    password = inspector.passwords[check["password_variable"]]
    host_name = check["host"] or inspector.address(check["container"])
    words = [word.replace("{now}", str(int(time.time()))) for word in check["command"]]
    with reach.RedisConnection(host_name, check["port"], password) as server:
        answer = server.command(*words)
    if "field" in check:
        return str(int(fields_of(answer)[check["field"]]))
    if "expect" in check:
        return as_planned(fields_of(answer), check)
    if "expect_text" in check and str(check["expect_text"]) not in str(answer):
        raise CheckFailed("expected {!r}, found {!r}".format(check["expect_text"], str(answer)[:200]))
    if "expect_at_least" in check and answer < int(check["expect_at_least"]):
        raise CheckFailed("found {}, expected at least {}".format(answer, check["expect_at_least"]))
    return check.get("success", "as expected")


def check_program(_inspector, check):
    """A program of the host succeeds."""
    try:
        done = engine.run(
            check["program"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PROGRAM_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckFailed(str(error), lasting=True) from error
    if done.returncode != 0:
        raise CheckFailed(done.stdout.strip()[-PROGRAM_LETTERS:] or f"exit code {done.returncode}", lasting=True)
    return check.get("success", "as expected")


def fields_of(answer):
    """{name: value} of an answer of Redis: names and values in turns, or a line `name:value` for each."""
    if isinstance(answer, list):
        return dict(zip(answer[::2], answer[1::2]))
    lines = [line.partition(":") for line in str(answer).splitlines()]
    return {name: value for name, separator, value in lines if separator}


CHECKS = {
    "redis": check_redis,
    "settings": check_settings,
    "command": check_command,
    "http": check_http,
    "http_json": check_http_json,
    "rabbitmq_round_trip": check_rabbitmq_round_trip,
    "program": check_program,
}


def run_check(inspector, check):
    """One result: name, ok, detail, and whether a failure is lasting."""
    lasting = False
    try:
        ok, detail = True, CHECKS[check["kind"]](inspector, check)
    except (CheckFailed, reach.Unreachable, engine.EngineError, ValueError, KeyError, IndexError) as error:
        ok, detail, lasting = False, str(error) or type(error).__name__, getattr(error, "lasting", False)
    return {"name": check["name"], "ok": ok, "detail": detail, "lasting": lasting}


def memory_used_mb(container):
    """Memory that a container uses in MiB, from its cgroup."""
    pid = container["State"]["Pid"]
    for line in (host.read_text(f"/proc/{pid}/cgroup") or "").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        base = host.CGROUP_ROOT if controllers == "" else os.path.join(host.CGROUP_ROOT, "memory")
        for name in ("memory.current", "memory.usage_in_bytes"):
            text = host.read_text(os.path.join(base, path.lstrip("/"), name))
            if text:
                return int(text) // 1048576
    return None


def container_result(inspector, name):
    """One result: the container runs, is healthy, within its limit, and was not killed for memory."""
    try:
        container = inspector.container(name)
    except (CheckFailed, engine.EngineError) as error:
        return {"name": name, "ok": False, "detail": str(error)}
    state, limit = container["State"], container["HostConfig"]["Memory"] // 1048576
    used = memory_used_mb(container) if state["Running"] else None
    faults, lasting = [], []
    if not engine.is_serving(container):
        faults.append("state {}, health {}".format(state["Status"], engine.health(container)))
    if state.get("OOMKilled"):
        lasting.append("was killed for memory")
    if not limit:
        lasting.append("has no memory limit")
    detail = f"{engine.health(container)}, {used} of {limit} MiB"
    if container.get("RestartCount"):
        detail += ", restarted {} times".format(container["RestartCount"])
    return {
        "name": name, "ok": not faults + lasting, "detail": "; ".join(faults + lasting) or detail,
        "lasting": bool(lasting), "memory_mb": used, "memory_limit_mb": limit}


def run_all(inspector, checks, seconds):
    """(results of the checks, results of all containers); what fails is asked again for so many seconds."""
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(max_workers=6) as pool:
        results = list(pool.map(lambda check: until_ok(lambda: run_check(inspector, check), deadline), checks))
        containers = list(pool.map(
            lambda name: until_ok(lambda: container_result(inspector, name), deadline), inspector.names))
    return results, containers


def networks(project):
    """Networks of the project by name, with whether each has IPv6."""
    try:
        found = engine.networks(*engine.networks_of(project))
    except engine.EngineError:
        return {}
    return {name: {"ipv6": bool(network.get("EnableIPv6"))} for name, network in found.items()}


def host_results():
    """What is wrong with the host itself: results that tell why nothing answers."""
    if host.kernel()["net.ipv4.ip_forward"] != "0":
        return []
    return [{
        "name": "The host forwards packets", "ok": False, "seconds": 0.0,
        "detail": "net.ipv4.ip_forward is 0, so that published ports do not answer: sysctl -w net.ipv4.ip_forward=1, "
                  "and the same in /etc/sysctl.d"}]


def waiting_seconds(path):
    """For how long there has been a directory for a file that is not there; None where there is none.

    Nothing is written into such a directory before the file itself, so its time is that of the deployment.
    """
    if not path or os.path.exists(path):
        return None
    try:
        return round(time.time() - os.stat(os.path.dirname(path)).st_mtime, 1)
    except OSError:
        return None


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "str", "required": True},
            "checks": {"type": "list", "elements": "dict", "default": []},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "images": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "int", "default": 0},
            "ca_file": {"type": "path"},
            "status_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        inspector = Inspector(module.params["project"], module.params["passwords"])
    except engine.EngineError as error:
        module.fail_json(msg=str(error))
    status_file = module.params["status_file"]
    with ThreadPoolExecutor(1) as pool:
        images = pool.submit(moved_tags.results, module.params["images"])
        results, containers = run_all(inspector, module.params["checks"], module.params["seconds"])
    module.exit_json(
        changed=False,
        results=results,
        containers=containers,
        host=host_results(),
        images=images.result(),
        ca_certificate=host.read_text(module.params["ca_file"]) if module.params["ca_file"] else None,
        backup_status=host.read_json(status_file) if status_file else None,
        waiting_seconds=waiting_seconds(status_file),
        listeners=host.listeners(),
        networks=networks(module.params["project"]),
        **addresses.by_ssh(),
    )


if __name__ == "__main__":
    main()
