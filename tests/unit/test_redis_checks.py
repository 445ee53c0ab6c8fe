# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the verification makes of Redis's own words, in its own protocol."""

from __future__ import annotations

import pathlib
import socketserver
import threading

import pytest
import yaml

from ansible_collections.trenova.selfhost.plugins.modules import probe

SERVICE = yaml.safe_load((pathlib.Path(__file__).resolve().parents[2] / "roles/redis/meta/service.yml").read_text())
CHECKS = {check["name"]: check for check in SERVICE["checks"]}
WELL = {"rdb_last_bgsave_status": "ok", "aof_last_bgrewrite_status": "ok", "aof_last_write_status": "ok"}


def encoded(answer):
    """An answer in RESP 2."""
    if isinstance(answer, list):
        return b"*%d\r\n" % len(answer) + b"".join(map(encoded, answer))
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, Exception):
        return f"-{answer}\r\n".encode()
    return b"$%d\r\n%s\r\n" % (len(answer.encode()), answer.encode())


@pytest.fixture
def ask():
    """Function that makes a check of a server that answers so: its result, and the commands that the server got."""
    servers = []

    def run(check, answer):
        got = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while line := self.rfile.readline():
                    words = []
                    for _word in range(int(line[1:])):
                        words.append(self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode())
                    got.append(words)
                    self.wfile.write(b"+OK\r\n" if words[0] == "AUTH" else encoded(answer))

        servers.append(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        inspector = type("Inspector", (), {"passwords": {"trenova_redis_password": "kD8-fW2_qL5xR9"}})()
        place = {"host": "127.0.0.1", "port": servers[-1].server_address[1]}
        return probe.run_check(inspector, dict(check, **place)), got

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def lines(statuses):
    return "# Persistence\r\nloading:0\r\n" + "".join(f"{name}:{value}\r\n" for name, value in statuses.items())


DISK = CHECKS["Redis keeps its data on disk"]
JSON = CHECKS["Redis knows the JSON commands"]
SETTINGS = dict(CHECKS["Redis reports the planned settings"], expect={"maxmemory": 805306368, "appendonly": "yes"})


@pytest.mark.parametrize(("check", "answer", "detail"), [
    (DISK, lines(WELL), "written"),
    (JSON, [["json.set", -4, ["write"]], ["json.get", -2, ["readonly"]]], "as expected"),
    (SETTINGS, ["appendonly", "yes", "maxmemory", "805306368", "port", "6379"], "2 settings as planned"),
])
def test_a_good_answer_is_one(ask, check, answer, detail):
    result, got = ask(check, answer)
    assert (result["ok"], result["detail"]) == (True, detail)
    assert got == [["AUTH", "kD8-fW2_qL5xR9"], check["command"]]


@pytest.mark.parametrize("name", WELL)
def test_what_went_wrong_is_named(ask, name):
    result, _got = ask(DISK, lines(dict(WELL, **{name: "err"})))
    assert (result["ok"], result["detail"]) == (False, f"{name} is err, planned ok")


@pytest.mark.parametrize(("check", "answer", "detail"), [
    (DISK, "", "aof_last_bgrewrite_status is not reported"), (DISK, lines({"aof_last_write_status": "ok"}), "not rep"),
    (JSON, ["", ""], "expected 'json.get'"), (JSON, [], "expected 'json.get'"),
    (SETTINGS, ["appendonly", "no", "maxmemory", "805306368"], "appendonly is no, planned yes"), (SETTINGS, [], "not "),
    (DISK, ValueError("NOAUTH Authentication required."), "Redis refuses: NOAUTH"),
])
def test_a_bad_answer_is_no_good_one(ask, check, answer, detail):
    result, _got = ask(check, answer)
    assert result["ok"] is False
    assert detail in result["detail"]
