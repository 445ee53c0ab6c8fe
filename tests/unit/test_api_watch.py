# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The watch compares times as Docker and Redis tell them."""

from __future__ import annotations

import importlib.util
import pathlib
import socket
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2] / (
    "roles/api/templates/host/usr/local/lib/trenova/api-watch.py")
SPEC = importlib.util.spec_from_file_location("api_watch", SOURCE)
watch = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(watch)


def test_times_within_a_tenth_of_a_second_are_ordered():
    """Docker cuts trailing zeros, so that as text the later of these two comes first."""
    assert watch.moment("2026-11-24T01:02:03.1Z") < watch.moment("2026-11-24T01:02:03.12345678Z")
    assert watch.moment("2026-11-24T01:02:03Z") < watch.moment("2026-11-24T01:02:03.000001Z")


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
    port = answering(b"+OK\r\n$40\r\n# Server\r\nuptime_in_seconds:100\r\n\r\n+OK\r\n")
    started = watch.redis_started({"host": "127.0.0.1", "port": port, "password_file": str(password)})
    assert abs(time.time() - 100 - started) < 2


def test_redis_that_does_not_answer_is_no_reason_to_restart(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret")
    assert watch.redis_started({"host": "127.0.0.1", "port": 1, "password_file": str(password)}) is None
