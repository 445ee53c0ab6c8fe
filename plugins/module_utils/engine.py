# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The Docker Engine of the managed host.

What changes something goes through the command line instead of a client library: a bare server has no such library,
and the operator sees in the process list exactly what he would type himself. What only looks goes to the Engine's
socket: ten roles look in every run, and a start of the command line costs fifty times as much.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from urllib.parse import quote

SOCKET = "/run/docker.sock"
READ_SECONDS = 60
#: Variables by which an administrator's environment leads the client elsewhere begin so. His logins are wanted.
CLIENT_VARIABLES = ("DOCKER_", "COMPOSE_")
KEPT_VARIABLES = ("DOCKER_CONFIG",)


class EngineError(Exception):
    """A command of the Engine failed; the text is what it said."""


class TookTooLong(EngineError):
    """A command of the Engine was given up, because it did not end within its time."""


def run(command, **options):
    """Run a command, no shell, and return the completed process; the options are those of subprocess.run.

    Not run_command of the module: that has no time limit, and may not be called from threads (it uses preexec_fn),
    in which images are pulled and hosts measured.
    """
    return subprocess.run(  # pylint: disable=ansible-bad-function
        command, text=True, errors="replace", check=False, **options)


def environment():
    """Environment of a docker command: the Engine is always the one of the socket.

    A context of root's, DOCKER_HOST or COMPOSE_FILE in /etc/environment would have a command see another Engine, or
    another project, than the one that was measured. DOCKER_HOST wins over a context.
    """
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(CLIENT_VARIABLES) or name in KEPT_VARIABLES}
    return dict(kept, DOCKER_HOST=f"unix://{SOCKET}")


def docker(*arguments, **options):
    """Run a docker command and return the completed process.

    Keyword arguments: cwd (directory), stdin (text), seconds (time limit, default 600),
    check (raise EngineError on failure, default True).
    """
    command = ["docker"] + list(arguments)
    try:
        done = run(
            command, cwd=options.get("cwd"), input=options.get("stdin", ""), capture_output=True,
            timeout=options.get("seconds", 600), env=environment(),
        )
    except OSError as error:
        raise EngineError(f"docker cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise TookTooLong(f"docker {arguments[0]} took longer than {error.timeout} s") from error
    if options.get("check", True) and done.returncode != 0:
        raise EngineError((done.stderr or done.stdout).strip() or "docker {} failed".format(" ".join(arguments)))
    return done


def containers(*names):
    """What the Engine knows of containers, by name; absent ones are left out."""
    return _known("/containers/{}/json", names)


def images(*references):
    """What the Engine knows of images, by the reference that was asked for; absent ones are left out."""
    return _known("/images/{}/json", references)


def networks(*names):
    """What the Engine knows of networks, by name; absent ones are left out."""
    return _known("/networks/{}", names)


def containers_of(project):
    """{name: labels} of all containers of a Compose project, those that do not run and one-off ones included."""
    found = _read("/containers/json?all=true&filters=" + _of_project(project))
    return {entry["Names"][0].lstrip("/"): entry.get("Labels") or {} for entry in found if entry.get("Names")}


def networks_of(project):
    """{name: labels} of all networks of a Compose project."""
    return {entry["Name"]: entry.get("Labels") or {} for entry in _read("/networks?filters=" + _of_project(project))}


def information(seconds=READ_SECONDS):
    """What the Engine says of itself and of what the kernel lets it limit."""
    return _read("/info", seconds)


def versions(seconds=READ_SECONDS):
    """Versions of the Engine and of what it is made of."""
    return _read("/version", seconds)


def all_containers(seconds=READ_SECONDS):
    """All containers of the Engine, those that do not run included, as its list has them."""
    return _read("/containers/json?all=true", seconds)


def all_images(seconds=READ_SECONDS):
    """All images of the Engine, as its list has them."""
    return _read("/images/json", seconds)


def all_networks(seconds=READ_SECONDS):
    """All networks of the Engine, as its list has them."""
    return _read("/networks", seconds)


def version():
    """Version of the Engine."""
    return (_read("/version") or {}).get("Version", "")


def memory_in_use(name):
    """Bytes that a running container cannot give back: its memory without pages of files.

    Shared memory is no page of a file here, PostgreSQL's buffers for instance: the kernel counts it apart.
    """
    answer = _read("/containers/{}/stats?stream=false&one-shot=true".format(quote(name, safe="")))
    memory = (answer or {}).get("memory_stats") or {}
    parts = memory.get("stats") or {}
    # The names of cgroup v1 begin with "total_", where the group's children are to be counted too.
    pages = [parts.get("total_" + part, parts.get(part, 0)) for part in ("inactive_file", "active_file")]
    return max(0, memory.get("usage", 0) - sum(pages))


def _of_project(project):
    return quote(json.dumps({"label": ["com.docker.compose.project=" + project]}))


def _known(path, names):
    answers = {name: _read(path.format(quote(name, safe="/:@"))) for name in sorted(set(names))}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _read(path, seconds=READ_SECONDS):
    """JSON of one GET request to the Engine, None where it answers that there is no such thing."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(SOCKET)
            # HTTP/1.0: the answer comes in one piece and ends with the connection.
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _separator, body = received.partition(b"\r\n\r\n")
        status, answer = int(head.split()[1]), json.loads(body)
    except (OSError, ValueError, IndexError) as error:
        raise EngineError(f"The Docker Engine does not answer at {SOCKET}: {error}") from error
    if status == 404:
        return None
    if status != 200:
        raise EngineError("The Docker Engine answered {}: {}".format(status, answer.get("message", "")))
    return answer


def health(container):
    """healthy, unhealthy, starting, or none for a container without a health check."""
    return (container["State"].get("Health") or {}).get("Status", "none")


def started_before(container, other):
    """Whether a container was started before another one, both of which run.

    Their processes tell, whose starts the kernel counts from the boot on: the clock may have been wrong then, and a
    container would seem to have been started in the future, whatever is restarted after it. Without processes to look
    at the Engine's times must do.
    """
    ticks = [process_started(each["State"].get("Pid")) for each in (container, other)]
    if None not in ticks:
        return ticks[0] < ticks[1]
    return started_at(container) < started_at(other)


def process_started(pid):
    """When a process was started, in the kernel's ticks since boot; None where there is none."""
    if not pid:
        return None
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            # The name of the program, in parentheses, may hold anything.
            return int(stream.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def started_at(container):
    """When a container was started, as text that sorts by time.

    The Engine leaves out trailing zeros of the fraction, so the times as they are do not sort.
    """
    moment, _dot, fraction = container["State"]["StartedAt"].rstrip("Z").partition(".")
    return f"{moment}.{fraction:0<9}"


def is_serving(container):
    """Whether a container runs and does not fail its health check."""
    return container["State"]["Status"] == "running" and health(container) in ("healthy", "none")


def last_log_lines(name, count=30):
    """The last lines of a container's log, both streams in order."""
    done = run(
        ["docker", "logs", "--tail", str(count), name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment())
    return done.stdout.splitlines()


def last_health_output(container):
    """What the latest failed health check printed."""
    log = (container["State"].get("Health") or {}).get("Log") or []
    failed = [entry for entry in log if entry.get("ExitCode") != 0]
    return failed[-1]["Output"].strip()[-500:] if failed else ""
