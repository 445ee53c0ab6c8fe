# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the verification makes of Redis's own words."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
import yaml

SERVICE = yaml.safe_load((pathlib.Path(__file__).resolve().parents[2] / "roles/redis/meta/service.yml").read_text())
CHECK = next(check for check in SERVICE["checks"] if check["name"] == "Redis keeps its data on disk")
WELL = {"rdb_last_bgsave_status": "ok", "aof_last_bgrewrite_status": "ok", "aof_last_write_status": "ok"}


@pytest.fixture
def ask(tmp_path):
    def run(answer):
        """What the check's command prints when redis-cli answers so."""
        (tmp_path / "answer").write_text(answer)
        client = tmp_path / "redis-cli"
        client.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
        client.chmod(0o755)
        environment = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")
        return subprocess.run(
            CHECK["command"], env=environment, capture_output=True, text=True, check=False).stdout.strip()
    return run


def lines(statuses):
    return "# Persistence\r\nloading:0\r\n" + "".join(f"{name}:{value}\r\n" for name, value in statuses.items())


def test_data_that_got_to_disk(ask):
    assert ask(lines(WELL)) == CHECK["expect_text"]


@pytest.mark.parametrize("name", WELL)
def test_what_went_wrong_is_named(ask, name):
    assert ask(lines(dict(WELL, **{name: "err"}))) == f"{name} is err"


@pytest.mark.parametrize("answer", ["", "NOAUTH Authentication required.\n", lines({"aof_last_write_status": "ok"})])
def test_no_answer_is_no_good_answer(ask, answer):
    assert CHECK["expect_text"] not in ask(answer)
