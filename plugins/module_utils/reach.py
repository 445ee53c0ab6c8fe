# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""First words with servers that somebody else runs: do they answer, and are they what they are said to be?

A bare host has no client of PostgreSQL or Redis, so the few bytes that are needed are spoken here.
"""

from __future__ import annotations

import socket
import struct
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from ansible_collections.trenova.selfhost.plugins.module_utils.s3 import presigned_path

TIMEOUT_SECONDS = 10
#: The request for TLS that every PostgreSQL since 7.2 answers with one letter, before any login.
POSTGRES_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
#: Policies that throw away keys without an expiry: queued jobs.
EVICTS_JOBS = "allkeys-"


class Unreachable(Exception):
    """A server does not answer, or not as what it is said to be."""


def connect(host, port):
    """A TCP connection."""
    try:
        return socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
    except OSError as error:
        raise Unreachable(f"{host}:{port} does not answer: {error}") from error


def postgres(check):
    """PostgreSQL answers, with TLS where TLS is wanted."""
    with connect(check["host"], check["port"]) as connection:
        try:
            connection.sendall(POSTGRES_SSL_REQUEST)
            answer = connection.recv(1)
        except OSError:
            answer = b""
    if answer not in (b"S", b"N"):
        raise Unreachable("{host}:{port} is no PostgreSQL".format(**check))
    if check.get("tls") and answer == b"N":
        raise Unreachable("{host}:{port} offers no TLS, and postgres_external_tls asks for it".format(**check))
    return "answers, with TLS" if answer == b"S" else "answers, without TLS"


class RedisConnection:
    """A connection to Redis in its own protocol (RESP 2)."""

    def __init__(self, host, port, password=None):
        self.socket = connect(host, port)
        self.stream = self.socket.makefile("rb")
        if password:
            self.command("AUTH", password)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def command(self, *words):
        """The answer to a command: text, a number, None, or a list of these."""
        message = [f"*{len(words)}\r\n".encode()]
        for word in (str(word).encode() for word in words):
            message.append(b"$%d\r\n%s\r\n" % (len(word), word))
        try:
            self.socket.sendall(b"".join(message))
            return self._answer()
        except OSError as error:
            raise Unreachable(f"Redis does not answer: {error}") from error

    def _answer(self):
        line = self.stream.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise Unreachable("Redis refuses: " + rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.stream.read(length + 2)[:-2].decode("utf-8", "replace")
        if kind == b"*":
            return [self._answer() for _entry in range(max(0, int(rest)))]
        if kind != b"+":
            raise Unreachable("this is no Redis")
        return rest.decode("utf-8", "replace")


def redis(check, password):
    """Redis lets us in, knows the JSON commands, and does not evict jobs."""
    with RedisConnection(check["host"], check["port"], password) as server:
        if not (server.command("COMMAND", "INFO", "JSON.SET") or [None])[0]:
            raise Unreachable("{host}:{port} has no JSON commands; every login to Trenova would fail".format(**check))
        try:
            policy = (server.command("CONFIG", "GET", "maxmemory-policy") or ["", ""])[1]
        except Unreachable:
            return "answers, with JSON; it does not tell its eviction policy"
    if policy.startswith(EVICTS_JOBS):
        raise Unreachable("{host}:{port} has the policy {policy}, which throws queued jobs away; "
                          "set volatile-lru or noeviction there".format(policy=policy, **check))
    return f"answers, with JSON, {policy}"


def s3(check, secret_key):
    """An S3 service lists our buckets."""
    path = presigned_path("GET", check["host"], "/", check["access_key"], secret_key, check["region"])
    connection = (HTTPSConnection if check["tls"] else HTTPConnection)(check["host"], timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(2000).decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        raise Unreachable("{} does not answer: {}".format(check["host"], error)) from error
    finally:
        connection.close()
    if answer.status != 200:
        code = text.partition("<Code>")[2].partition("</Code>")[0] or answer.status
        raise Unreachable("{} refuses the access key: {}".format(check["host"], code))
    return "answers, and knows the access key"


def ask(check, passwords):
    """One check of a server: what it answers, or Unreachable."""
    password = passwords.get(check.get("password_variable"))
    if check["kind"] == "postgres":
        return postgres(check)
    return {"redis": redis, "s3": s3}[check["kind"]](check, password)
