# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run works with: the Engine, a clock and the commands of the host. Tests hand in others."""

from __future__ import annotations

import subprocess
import time

from ansible_collections.trenova.selfhost.plugins.module_utils import account
from ansible_collections.trenova.selfhost.plugins.module_utils import engine as docker_engine
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

#: How long a command may take that makes a service read its files.
COMMAND_SECONDS = 600
#: `docker stop` waits for the container's own stop timeout first.
STOP_SECONDS = 900


class Engine:
    """The Docker Engine as seen from the directory of one Compose project. Failures are raised as EngineError."""

    def __init__(self, directory):
        self.directory = directory

    # What only looks goes to the socket, and costs no process.
    containers = staticmethod(docker_engine.containers)
    containers_of = staticmethod(docker_engine.containers_of)
    images = staticmethod(docker_engine.images)
    networks = staticmethod(docker_engine.networks)
    networks_of = staticmethod(docker_engine.networks_of)
    information = staticmethod(docker_engine.information)
    version = staticmethod(docker_engine.version)
    memory_in_use = staticmethod(docker_engine.memory_in_use)
    docker = staticmethod(docker_engine.docker)

    def compose(self, *arguments, seconds):
        """Run a command of Compose in the project's directory; returns the completed process, failed or not."""
        command = ["compose", "--ansi", "never", "--progress", "plain", *arguments]
        return self.docker(*command, cwd=self.directory, seconds=seconds, check=False)

    def exec_(self, container, command, seconds=COMMAND_SECONDS):
        """Run a command in a container."""
        self.docker("exec", container, *command, seconds=seconds)

    def signal(self, container, signal):
        """Send a signal to the main process of a container."""
        self.docker("kill", "--signal", signal, container)

    def update(self, container, options):
        """Set limits of a running container; `options` are those of `docker update`."""
        self.docker("update", *options, container)

    def stop(self, *containers):
        """Stop containers, each within its own stop timeout."""
        self.docker("stop", *containers, seconds=STOP_SECONDS)

    def remove(self, *containers, volumes=False):
        """Remove containers, with their anonymous volumes where asked for."""
        self.docker("rm", "--force", *(["--volumes"] if volumes else []), *containers)

    def remove_network(self, name):
        """Remove a network."""
        self.docker("network", "rm", name)

    @staticmethod
    def logs(container):
        """The last lines of a container's log."""
        return docker_engine.last_log_lines(container)


def run_on_host(command, seconds=COMMAND_SECONDS):
    """Run a command on the host and return the completed process, both streams in `stdout`.

    A program that is missing, and one that does not end, are EngineErrors like any other failure.
    """
    try:
        return docker_engine.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError("{} took longer than {} s".format(" ".join(command), seconds)) from error


class Tools:
    """The Engine, a clock (`monotonic` and `sleep`), and the functions that run a command and that send a request."""

    def __init__(self, engine, clock=time, run=run_on_host, request=account.request):
        self.engine = engine
        self.clock = clock
        self.run = run
        self.request = request
