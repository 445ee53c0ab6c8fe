# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why a program failed, in its own words: restic's, rclone's, and those of docker exec."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
from trenova_backup import words  # noqa: E402  # found by the line above
from trenova_backup.engine import Engine, Process  # noqa: E402
from trenova_backup.errors import Interrupted, TargetError  # noqa: E402
from trenova_backup.repository import Repository  # noqa: E402

#: As an Engine says them, on the output, with code 126.
NO_SUCH = ('OCI runtime exec failed: exec failed: unable to start container process: exec: "rabbitmqctl": executable '
           "file not found in $PATH: unknown")
NO_USER = "unable to find user nobodyx: no matching entries in passwd file"
SAID = "unable to open repository at rclone:target-two:trucks: server response unexpected: 500 (500) Is it there?"
EXIT = {"message_type": "exit_error", "code": 1, "message": "Fatal: " + SAID.replace(" Is it", "\nIs it")}
STATUS = {"message_type": "status", "percent_done": 0.5}


@pytest.mark.parametrize(("lines", "errors", "told"), [
    ([], [], ""), ([""], ["  "], ""), (["a", "b"], [], "b"), (["b"], ["no route to host."], "no route to host"),
    # restic, with --json and without.
    ([], [json.dumps(EXIT)], SAID), ([json.dumps(STATUS)], [json.dumps(EXIT), "subprocess said: bye"], SAID),
    ([], [json.dumps({"message_type": "error", "error": {"message": "open /x: permission denied"}, "item": "/x"})],
     "open /x: permission denied"),
    ([], [json.dumps({"message_type": "error", "error": {"message": "one file"}}), json.dumps(EXIT)], SAID),
    ([], ["Fatal: repository is already locked"], "repository is already locked"),
    # rclone, and restic that hands on what rclone says.
    ([], ["2026/11/30 01:30:15 ERROR : docs/a: Failed to copy: AccessDenied"], "docs/a: Failed to copy: AccessDenied"),
    ([], ["2026/11/30 01:30:15 NOTICE: Failed to lsf: bucket is gone."], "Failed to lsf: bucket is gone"),
    ([], [json.dumps({"level": "error", "msg": "no space left", "source": "x"})], "no space left"),
    ([], ["rclone: 2026/11/30 01:30:15 ERROR : dial tcp: connection refused", json.dumps(EXIT)],
     "dial tcp: connection refused"),
    # docker exec.
    ([NO_SUCH], [], NO_SUCH), (["half of a file", NO_SUCH], [], NO_SUCH),
    ([NO_SUCH], ["Error response"], "Error response"),
    # What only looks like it.
    ([], ['"text"'], '"text"'), ([], ["[1]"], "[1]"), ([], ["{"], "{"), ([], ["{}"], "{}"),
])
def test_the_reason_is_the_words_of_whoever_is_nearest_to_it(lines, errors, told):
    assert words.reason(lines, errors) == told


@given(st.lists(st.text()), st.lists(st.text()))
def test_a_reason_is_one_short_line_whatever_was_said(lines, errors):
    found = words.reason(lines, errors)
    assert len(found) <= words.LONGEST
    assert found == " ".join(found.split())
    assert bool(found) or not any("".join(line.split()).strip(".:") for line in [*lines[-1:], *errors][-1:])


def test_what_restic_says_for_programs_is_a_sentence_for_people():
    process = type("Ended", (), {"code": 1, "said": words.reason([], [json.dumps(EXIT)])})()
    target = {"name": "two", "repository": "rclone:target-two:trucks"}

    class Ended:
        @staticmethod
        def run(*_words):
            return process

        @staticmethod
        def look():
            pass

    with pytest.raises(TargetError) as caught:
        Repository(target, Ended(), {}).run("snapshots")
    assert str(caught.value).startswith("Target two: unable to open repository at rclone:target-two:trucks: server")
    assert "{" not in str(caught.value)


def test_an_engine_that_was_stopped_is_told_before_what_restic_seems_to_say():
    class Restarted:
        @staticmethod
        def look():
            raise Interrupted("It was interrupted: the Docker Engine was stopped or restarted.")

    process = type("Process", (), {"code": 255, "said": "exit code 255"})()
    with pytest.raises(Interrupted):
        Repository({"name": "two", "repository": "/targets/two/restic"}, Restarted(), {}).why(process)


# -- Commands that cannot be started ----------------------------------------------------------------------------------

ENGINE = """#!/bin/sh
echo "$*" >>{calls}
[ -z "{errors}" ] || echo "{errors}" >&2
printf '%s\\n' '{said}'
exit {code}
"""


class Told(dict):
    """As much of the settings as an Engine asks for."""

    def path(self, name):
        return f"{self['project_dir']}/{name}"


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """An Engine's command that says something on its output, and ends with a code."""
    def make(said, code, errors=""):
        (tmp_path / "docker").write_text(ENGINE.format(calls=tmp_path / "calls", said=said, code=code, errors=errors))
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(Engine, "look", lambda _self: None)
        return Engine(Told({"project": "trenova", "project_dir": str(tmp_path), "jobs": []}))
    return make


def ended(process):
    process.wait(10)
    process.end()
    return process.said


@pytest.mark.parametrize(("said", "code"), [(NO_SUCH, 126), (NO_SUCH, 127), (NO_USER, 126)])
def test_a_command_that_cannot_be_started_says_why_wherever_its_output_goes(docker, tmp_path, said, code):
    engine = docker(said, code)
    into = str(tmp_path / "definitions.json")
    assert ended(engine.execute("tren-rabbitmq", ["rabbitmqctl", "export_definitions"], into)) == said
    assert ended(engine.execute("tren-rabbitmq", ["rabbitmqctl"])) == said
    assert ended(engine.execute("tren-rabbitmq", ["rabbitmqctl"], read_lines=lambda _line: None)) == said


@pytest.mark.parametrize(("code", "errors", "told"), [
    (127, "sh: 1: rabbitmqctl: not found", "sh: 1: rabbitmqctl: not found"), (1, "", "exit code 1"),
    (3, "", "exit code 3")])
def test_a_command_that_was_started_is_not_started_twice(docker, tmp_path, code, errors, told):
    engine = docker("half of a file", code, errors)
    assert ended(engine.execute("tren-rabbitmq", ["export"], str(tmp_path / "out"))) == told
    assert (tmp_path / "calls").read_text().splitlines() == ["exec tren-rabbitmq export"]


def test_a_file_of_the_host_that_cannot_be_read_is_no_matter_of_the_engine(tmp_path):
    assert "No such file" in ended(Process(["cat", str(tmp_path / "absent")], output=str(tmp_path / "out")))


@pytest.mark.parametrize(("words", "told"), [
    (["sh", "-c", "exit 137"], "it was killed (exit code 137), by somebody or because memory was short"),
    (["sh", "-c", "echo base backup >&2; kill -KILL $$"],
     "it was killed (exit code -9), by somebody or because memory was short; it last said: base backup")])
def test_who_was_killed_is_told_so_whatever_it_said_last(words, told):
    assert ended(Process(words)) == told
