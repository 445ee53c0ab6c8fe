# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The watch knows each start of what it looks at, and leaves its turn out while a deployment is at work."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

import host_programs
import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import locking

watch = host_programs.load("api/templates/host/usr/local/lib/trenova/api-watch.py")


def test_watch_leaves_its_turn_out_while_a_deployment_is_at_work(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(watch, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(watch, "look", lambda: looks.append(1) or 0)
    with locking.held(watch.LOCK):
        assert watch.main() == 0
    assert looks == []
    watch.main()
    assert looks == [1]


def test_deployment_waits_for_the_watch(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LOCK", str(tmp_path / "lock"))
    at_work, done = threading.Event(), threading.Event()

    def look():
        at_work.set()
        time.sleep(0.5)
        done.set()
        return 0

    monkeypatch.setattr(watch, "look", look)
    thread = threading.Thread(target=watch.main)
    thread.start()
    assert at_work.wait(5)
    with pytest.raises(locking.LockError, match="the watch of the API, has been at work for 0.1 s"), \
            locking.held(watch.LOCK, seconds=0.1):
        pass
    with locking.held(watch.LOCK):
        assert done.is_set()
    thread.join()


def test_both_name_the_same_lock():
    assert watch.LOCK == locking.LOCK


def answering(answer):
    """Port of a server that gives one answer to the first who asks."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _address = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def test_age_of_a_redis_elsewhere(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret")
    port = answering(b"+OK\r\n$60\r\n# Server\r\nrun_id:0a1b\r\nuptime_in_seconds:100\r\n\r\n+OK\r\n")
    identity, since_boot = watch.redis({"host": "127.0.0.1", "port": port, "password_file": str(password)})
    assert identity == "0a1b"
    assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - 100 - since_boot) < 2


def test_redis_that_does_not_answer_is_no_reason_to_restart(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret")
    assert watch.redis({"host": "127.0.0.1", "port": 1, "password_file": str(password)}) is None


def test_a_container_is_known_by_its_start(monkeypatch):
    def inspect(words, **_more):
        running = "true" if words[-1] == "tren-redis" else "false"
        state = f'{{"Running": {running}, "Pid": {os.getpid()}, "StartedAt": "2026-11-24T01:02:03.1Z"}}'
        return subprocess.CompletedProcess(words, int(words[-1] == "absent"), f'"0a1b" {state}\n')

    monkeypatch.setattr(watch.subprocess, "run", inspect)
    identity, since_boot = watch.container("tren-redis")
    assert identity == "0a1b 2026-11-24T01:02:03.1Z"
    assert since_boot == watch.started_since_boot(os.getpid())
    assert watch.container("stopped") is None
    assert watch.container("absent") is None
