# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The way by which the program of the backups reaches the Engine, which systemd would start for whoever connects."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
from trenova_backup import gate  # noqa: E402  # found by the line above

#: Asks like `docker exec`: a request, what is said until its end, and once more how that ended.
CLIENT = """
import os, socket
def ask(text):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(os.environ["DOCKER_HOST"][len("unix://"):])
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(999), b""))
print(ask(b"exec"))
try:
    print(ask(b"how"))
except OSError:
    print(b"")
"""


class Held(threading.Thread):
    """A socket that systemd holds: whoever connects starts the Engine, which answers once all is said."""

    def __init__(self, path, monkeypatch):
        super().__init__(daemon=True)
        self.starts, self.is_running, self.stops_after = 0, True, None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        self.start()

    def run(self):
        while True:
            connection, _address = self._socket.accept()
            self.starts += not self.is_running
            self.is_running = True
            with connection:
                asked = b"".join(iter(lambda taken=connection: taken.recv(999), b""))
                self.is_running = asked != self.stops_after
                connection.sendall(asked.upper() * 100_000)


@pytest.fixture
def held(tmp_path, monkeypatch):
    return Held(tmp_path / "docker.sock", monkeypatch)


def client():
    """What a client is told, by a program of its own."""
    done = subprocess.run([sys.executable, "-c", CLIENT], capture_output=True, text=True, check=True, timeout=30)
    return [len(eval(line)) for line in done.stdout.splitlines()]  # noqa: S307  # our own words


def test_while_the_engine_runs_all_that_is_said_passes_both_ways(held):
    before = os.environ["DOCKER_HOST"]
    with gate.guarded(lambda: held.is_running):
        assert os.environ["DOCKER_HOST"] != before
        assert client() == [400_000, 300_000]
    assert os.environ["DOCKER_HOST"] == before
    assert held.starts == 0


def test_an_engine_that_is_stopped_while_a_client_waits_for_it_is_not_started_again(held):
    held.stops_after = b"exec"
    assert client() == [400_000, 300_000]
    assert held.starts == 1, "what the gate is for"
    with gate.guarded(lambda: held.is_running):
        assert client() == [400_000, 0]
        assert (held.starts, held.is_running) == (1, False)


def test_nobody_else_enters_and_nothing_stays(held):
    with gate.guarded(lambda: True):
        directory = pathlib.Path(os.environ["DOCKER_HOST"][len("unix://"):]).parent
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_an_engine_elsewhere_is_reached_as_it_is(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2376")
    with gate.guarded(lambda: False):
        assert os.environ["DOCKER_HOST"] == "tcp://10.0.0.1:2376"


def test_without_a_word_it_is_the_engine_of_the_host(monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with gate.guarded(lambda: False):
        assert os.environ["DOCKER_HOST"].startswith("unix://")
    assert "DOCKER_HOST" not in os.environ
