# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The tasks that list and make backups: what they ask the program on the host, and what people read."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.trenova.selfhost.plugins.action import backup_now, backups, drill, drill_kit, restore
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import following

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Host:
    """A host whose program answers from a list of answers: a dict, or (exit code, what it says)."""

    def __init__(self, *answers):
        self.answers, self.asked, self.shown, self.warned = list(answers), [], [], []

    def task(self, plugin, check_mode=False, **arguments):
        """The result of a task."""
        action = plugin.ActionModule(
            task=types.SimpleNamespace(args=arguments, async_val=0, check_mode=check_mode, action="x", diff=False),
            connection=types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None), reset=lambda: None),
            play_context=None, loader=None, templar=None, shared_loader_obj=None)
        action._display = types.SimpleNamespace(display=self.shown.append, warning=self.warned.append)
        action._low_level_execute_command = self.execute
        return action.run(task_vars={"inventory_hostname": "erp1"})

    def execute(self, command):
        start = "/usr/bin/env python3 -B /usr/local/lib/trenova/backup.py "
        assert command.startswith(start)
        self.asked.append(command[len(start):])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        code, text = (0, json.dumps(answer)) if isinstance(answer, dict) else answer
        return {"rc": code, "stdout": text if code == 0 else "", "stderr": "" if code == 0 else text}


LIST = {"installation": "erp1", "targets": [{"name": "local"}], "failure": {}, "text": "Backups of erp1"}


def test_a_list_is_shown_as_the_host_tells_it():
    host = Host(LIST)
    result = host.task(backups)
    assert (host.asked, host.shown) == (["list --json"], ["Backups of erp1\n"])
    assert result == {"changed": False, "installation": "erp1", "targets": [{"name": "local"}], "failure": {}}


def test_what_a_login_shell_says_is_no_answer():
    host = Host((0, "Welcome to erp1\n" + json.dumps(LIST) + "\nBye\n"))
    assert host.task(backups)["installation"] == "erp1"


@pytest.mark.parametrize(("answer", "sentence"), [
    ((2, "python3: can't open file '/usr/local/lib/trenova/backup.py': [Errno 2] No such file or directory"),
     "No backups are made on erp1: it was not deployed yet, or backup_enabled is false. Run site.yml."),
    ((2, "usage: backup.py [-h] {backup,cut}\nbackup.py: error: unrecognized arguments: --json"),
     "The program of the backups on erp1 is that of another version. Run site.yml."),
    ((0, "[]"), "The program of the backups on erp1 is that of another version. Run site.yml."),
    ((1, "\nThe Docker Engine does not run.\n"), "The Docker Engine does not run."),
    ((1, ""), "The program of the backups on erp1 failed.")])
def test_what_cannot_be_asked_is_one_sentence(answer, sentence):
    with pytest.raises(AnsibleActionFail) as raised:
        Host(answer).task(backups)
    assert str(raised.value) == sentence


# -- Now --------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time passes by itself; what is read is how much was slept."""
    slept = [0.0]
    monkeypatch.setattr(following, "time", types.SimpleNamespace(
        monotonic=lambda: slept[0], sleep=lambda seconds: slept.__setitem__(0, slept[0] + seconds)))
    return slept


BEGUN = {"is_running": False, "invocation": "0a1b", "level": "incremental", "targets": ["local", "offsite"],
         "unit": "trenova-backup.service"}
RECORD = {"state": "ok", "level": "incremental", "stamp": "20261130T013000Z", "bytes": 5, "objects_bytes": 7,
          "because": ""}


def part(*lines, cursor="c", record=None, text=""):
    return {"lines": list(lines), "cursor": cursor, "is_running": record is None, "record": record, "text": text}


def test_progress_is_shown_as_it_comes_and_the_end_is_a_table():
    host = Host(BEGUN, part("one", cursor="c1"), part("two", "three", cursor="c2"),
                part("four", record=RECORD, text="All is saved\n  Cache"))
    result = host.task(backup_now)
    follow = "follow 0a1b --unit trenova-backup.service"
    assert host.asked == ["start", follow, follow + " --cursor=c1", follow + " --cursor=c2"]
    assert host.shown == [
        "  erp1  incremental backup to local, offsite; it goes on without this playbook: journalctl -fu "
        "trenova-backup.service", "  erp1  one", "  erp1  two", "  erp1  three", "  erp1  four",
        "\n  All is saved\n    Cache\n"]
    assert result == {"changed": True, "level": "incremental", "stamp": "20261130T013000Z", "bytes": 5,
                      "objects_bytes": 7}


def test_a_backup_that_fails_fails_the_task_with_its_last_lines():
    lines = [f"line {number}" for number in range(30)]
    failed = dict(RECORD, state="failed", because="Cache cannot be read.")
    result = Host(BEGUN, part(*lines, record=failed)).task(backup_now)
    assert result["failed"]
    told = result["msg"].splitlines()
    assert told[0] == "The backup failed. Cache cannot be read."
    assert told[2:-1] == ["  " + line for line in lines[-20:]]
    assert told[-1] == "All of it: journalctl -u trenova-backup.service on erp1."


def test_one_that_ends_without_a_record_failed():
    ended = dict(part("Traceback"), is_running=False)
    told = Host(BEGUN, ended).task(backup_now)["msg"]
    assert told.splitlines()[0] == "The backup failed. It ended before it could tell why."


def test_one_that_gave_way_is_no_backup():
    record = dict(RECORD, state="skipped", because="Another backup is at work; this one gives way to it.")
    result = Host(BEGUN, part(record=record)).task(backup_now)
    assert result == {
        "failed": True, "msg": "No backup was made. Another backup is at work; this one gives way to it."}


def test_a_lost_connection_is_asked_for_again_and_the_backup_is_followed_to_its_end(clock):
    gone = AnsibleConnectionFailure("no route")
    host = Host(BEGUN, part("one"), gone, gone, part("two", record=RECORD))
    assert host.task(backup_now)["changed"]
    assert len(host.warned) == 1
    assert "The backup goes on there" in host.warned[0]
    assert "  erp1  two" in host.shown
    with pytest.raises(AnsibleConnectionFailure):
        Host(BEGUN, *[gone] * 1000).task(backup_now)
    assert clock[0] > following.PATIENCE_SECONDS


def test_a_backup_that_is_at_work_is_followed_and_a_full_one_made_after_it():
    busy = dict(BEGUN, is_running=True, invocation="9f")
    host = Host(busy, part(record=RECORD))
    assert host.task(backup_now)["changed"]
    assert host.asked == ["start", "follow 9f --unit trenova-backup.service"]
    host = Host(busy, part(record=RECORD), dict(BEGUN, level="full"), part(record=dict(RECORD, level="full")))
    assert host.task(backup_now, full=True)["level"] == "full"
    assert host.asked == ["start --full", "follow 9f --unit trenova-backup.service", "start --full",
                          "follow 0a1b --unit trenova-backup.service"]
    host = Host(dict(busy, level="full"), part(record=dict(RECORD, level="full")))
    assert host.task(backup_now, full=True)["level"] == "full"
    assert len(host.asked) == 2


def test_what_a_backup_is_allowed_is_for_one_of_its_own():
    full = dict(BEGUN, is_running=True, invocation="9f", level="full")
    host = Host(full, part(record=dict(RECORD, level="full")), BEGUN, part(record=RECORD))
    assert host.task(backup_now, full=True, accept_vanished=True, clock_is_right=True)["changed"]
    start = "start --full --accept-vanished --clock-is-right"
    assert host.asked == [start, "follow 9f --unit trenova-backup.service", start,
                          "follow 0a1b --unit trenova-backup.service"]


@pytest.mark.parametrize(("found", "changed", "line"), [
    (BEGUN, True, "  erp1  would make a backup (incremental) to local, offsite"),
    (dict(BEGUN, is_running=True), False,
     "  erp1  would follow the incremental backup that is at work to local, offsite")])
def test_check_mode_tells_and_does_nothing(found, changed, line):
    host = Host(found)
    assert host.task(backup_now, check_mode=True) == {"changed": changed, "level": "incremental"}
    assert (host.asked, host.shown) == (["start --check"], [line])


# -- The way back -----------------------------------------------------------------------------------------------------

PLAN = {"installation": "erp1", "text": "Restore of erp1", "stores": [], "seconds": 60}
RESTORING = {"unit": "trenova-restore.service", "invocation": "7c"}
BUSY = dict(RESTORING, is_running=True, is_part=False)
TABLE = {"stores": ["postgres"], "only": "public.shipments", "to": "2026-11-23 14:05:00+00"}
ASKED = {"only": "public.shipments", "stores": ["postgres"], "to": "2026-11-23 14:05:00+00", "target": ""}
WHERE = "public.shipments of trenova_go_db is in the schema restored_20261123t150000z, beside the live one."
FOUND = {"state": "ok", "part": ASKED, "where": WHERE, "seconds": 21}


def test_without_the_name_of_the_installation_a_restore_is_only_told():
    host = Host(PLAN)
    result = host.task(restore, stores=["postgres"], to="2026-11-23 14:05:00+00")
    assert host.asked == ["restore --store postgres '--to=2026-11-23 14:05:00+00' --plan --json"]
    assert host.shown == ["  \n  Restore of erp1\n  "]
    assert result["failed"]
    assert "-e trenova_restore_confirm=erp1" in result["msg"]


def test_with_it_the_host_restores_and_is_followed():
    record = {"state": "ok", "copies": {"postgres": "/var/lib/trenova/.postgres.before"}, "seconds": 61}
    host = Host(PLAN, RESTORING, part("fetched", cursor="c1"), part("laid", record=record))
    result = host.task(restore, confirm="erp1")
    assert host.asked == [
        "restore --confirm=erp1 --plan --json", "restore --confirm=erp1 --leave-stopped --start",
        "follow 7c --unit trenova-restore.service", "follow 7c --unit trenova-restore.service --cursor=c1"]
    assert host.shown[-3:] == [
        "  erp1  fetched", "  erp1  laid",
        "  erp1  what was there before is in /var/lib/trenova/.postgres.before, until a good backup a week later"]
    assert (result["changed"], result["copies"]) == (True, record["copies"])


@pytest.mark.parametrize("record", [{"state": "failed", "because": "No space is left."}, None])
def test_a_restore_that_fails_says_why_and_how_it_goes_on(record):
    ended = dict(part("one"), is_running=False, record=record)
    result = Host(PLAN, RESTORING, ended).task(restore, confirm="erp1")
    assert result["failed"]
    assert ("No space is left." if record else "It ended before it began.") in result["msg"]
    assert "Repeat this with the same words" in result["msg"]


def test_a_restore_in_check_mode_is_told_and_not_begun():
    host = Host(PLAN)
    assert host.task(restore, check_mode=True, confirm="erp1")["changed"]
    assert len(host.asked) == 1


def test_a_restore_that_is_at_work_is_followed_and_no_other_one_begun():
    record = {"state": "ok", "copies": {}, "seconds": 61}
    host = Host(BUSY, part("laid", record=record))
    assert host.task(restore, confirm="erp1")["changed"]
    assert host.asked == ["restore --confirm=erp1 --plan --json", "follow 7c --unit trenova-restore.service"]


def test_a_part_needs_no_confirmation_and_ends_with_where_it_is():
    host = Host(PLAN, RESTORING, part("recovering", cursor="c1"), part("15:00:21 " + WHERE, record=FOUND))
    result = host.task(restore, **TABLE)
    words = "--store postgres --only=public.shipments '--to=2026-11-23 14:05:00+00'"
    assert host.asked == [
        f"restore {words} --plan --json", f"restore {words} --start", "follow 7c --unit trenova-restore.service",
        "follow 7c --unit trenova-restore.service --cursor=c1"]
    assert host.shown == [
        "  \n  Restore of erp1\n  ", "  erp1  it goes on without this playbook: journalctl -fu trenova-restore.service",
        "  erp1  recovering", "  erp1  15:00:21 " + WHERE]
    assert result == {"changed": True, "plan": {"installation": "erp1", "stores": [], "seconds": 60}, "where": WHERE,
                      "seconds": 21}


def test_a_part_in_check_mode_is_told_and_not_begun():
    host = Host(PLAN)
    assert host.task(restore, check_mode=True, **TABLE)["changed"]
    assert len(host.asked) == len(host.shown) == 1


@pytest.mark.parametrize(("words", "sentence"), [
    ({"stores": []}, "trenova_restore_stores names none. Write -e trenova_restore_stores=NAME, the one "),
    ({"stores": ["postgres", "objects"]}, "trenova_restore_stores names postgres and objects. Write "),
    ({"confirm": "erp1"}, "It replaces nothing, so nobody confirms it. Leave out trenova_restore_confirm; or ")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_no_wish_for_a_part_is_a_sentence_before_anybody_is_asked(words, sentence, check_mode):
    host = Host()
    result = host.task(restore, check_mode=check_mode, **dict(TABLE, **words))
    assert result["failed"]
    assert sentence in result["msg"]
    assert "\n" not in result["msg"]
    assert (host.asked, host.shown) == ([], [])


@pytest.mark.parametrize("record", [{"state": "failed", "part": ASKED, "because": "No space is left."}, None])
def test_a_part_that_fails_says_why_and_that_nothing_was_replaced(record):
    ended = dict(part("one"), is_running=False, record=record)
    result = Host(PLAN, RESTORING, ended).task(restore, **TABLE)
    assert result["failed"]
    assert ("No space is left." if record else "It ended before it began.") in result["msg"]
    assert result["msg"].endswith("Nothing was replaced, and nobody was stopped: repeat this.")


@pytest.mark.parametrize(("words", "is_part", "at_work"), [
    ({"confirm": "erp1"}, True, "a restore of a part is at work"),
    (TABLE, False, "a restore of whole stores is at work")])
def test_neither_a_part_nor_a_whole_restore_is_taken_for_the_other(words, is_part, at_work):
    """Who waits for the data would be told that it is back, and who wants a table that it is there."""
    host = Host(dict(BUSY, is_part=is_part))
    result = host.task(restore, **words)
    assert result["failed"]
    assert at_work in result["msg"]
    assert len(host.asked) == 1


@pytest.mark.parametrize(("more", "is_mine"), [
    ({}, True), ({"only": "public.loads"}, False), ({"to": ""}, False), ({"target": "offsite"}, False)])
def test_a_part_that_is_at_work_is_followed_and_only_the_same_one_is_the_answer(more, is_mine):
    host = Host(dict(BUSY, is_part=True), part("recovering", record=dict(FOUND, part=dict(ASKED, **more))))
    result = host.task(restore, **TABLE)
    assert host.asked[1:] == ["follow 7c --unit trenova-restore.service"]
    assert result.get("where") == (WHERE if is_mine else None)
    assert is_mine or "Repeat this for public.shipments." in result["msg"]


#: A Python that answers for the program on the host, with what a part comes to, and notes what it is asked.
ANSWERS = """#!{python}
import json, os, sys
words = sys.argv[1:]
if "/usr/local/lib/trenova/backup.py" not in words:
    os.execv("{python}", ["{python}", *words])
with open("{asked}", "a") as asked:
    print(*words[2:], file=asked)
print(json.dumps({plan} if "--plan" in words else {begun} if "--start" in words else {end}))
"""


@pytest.fixture
def by_playbook(tmp_path):
    """A function that runs the playbook against this machine: (exit code, output, what the host was asked)."""
    state, asked, program = tmp_path / "project/.state", tmp_path / "asked", tmp_path / "bin/python3"
    state.mkdir(parents=True)
    program.parent.mkdir()
    program.write_text(ANSWERS.format(
        python=sys.executable, asked=asked, plan=PLAN, begun=RESTORING, end=part("15:00:21 " + WHERE, record=FOUND)))
    program.chmod(0o755)
    (tmp_path / "hosts.json").write_text(json.dumps({"trenova": {"hosts": {"erp1": {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "trenova_become": False,
        "trenova_project_dir": str(state.parent), "trenova_domain": "trucks.test"}}}}))

    def run(*words, is_deployed=True, **variables):
        if is_deployed:
            (state / "host.json").write_text("{}")
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), str(ROOT / "playbooks/restore.yml"),
                   "-i", str(tmp_path / "hosts.json"), "-e", json.dumps(variables), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, check=False,
            env=dict(os.environ, PATH=f"{program.parent}:{os.environ['PATH']}", ANSIBLE_NOCOLOR="1"))
        return done.returncode, done.stdout + done.stderr, asked.read_text().splitlines() if asked.exists() else []

    return run


def test_the_playbook_brings_a_part_back_and_deploys_nothing(by_playbook):
    code, output, asked = by_playbook(
        trenova_restore_stores="postgres", trenova_restore_only=TABLE["only"], trenova_restore_to=TABLE["to"])
    assert code == 0, output
    words = "restore --store postgres --only=public.shipments --to=2026-11-23 14:05:00+00"
    assert asked == [f"{words} --plan --json", f"{words} --start", "follow 7c --unit trenova-restore.service"]
    assert f"erp1  15:00:21 {WHERE}" in output
    after = output.partition("TASK [Deploy what differs]")[2].partition("TASK [Bring it back]")[2]
    assert set(re.findall(r"^(\w+): \[erp1\]", after, re.MULTILINE)) == {"changed", "skipping"}
    assert after.count("changed: [erp1]") == 1


def test_beside_nothing_no_part_comes_back(by_playbook, tmp_path):
    code, output, asked = by_playbook(
        is_deployed=False, trenova_restore_stores="postgres", trenova_restore_only=TABLE["only"],
        trenova_restore_confirm="erp1")
    assert (code, asked) == (2, [])
    assert "There is no live data on erp1 that public.shipments could come back beside." in " ".join(output.split())
    assert list((tmp_path / "project/.state").iterdir()) == []


# -- Drills -----------------------------------------------------------------------------------------------------------

DRILLING = {"unit": "trenova-drill.service", "invocation": "8d", "is_running": False}


@pytest.mark.parametrize("is_running", [False, True])
def test_a_drill_is_followed_to_its_report(is_running):
    record = {"state": "ok", "drill": {"rto_seconds": 112, "rpo_seconds": 300, "run": "20261123T013000Z"}}
    ended = part("logged in", record=record, text="Drill of erp1\n  RTO 112 s")
    host = Host(dict(DRILLING, is_running=is_running), ended)
    result = host.task(drill)
    assert host.asked == ["drill --start", "follow 8d --unit trenova-drill.service"]
    assert host.shown[-1] == "  erp1  logged in"
    assert ("already" in host.shown[0]) is is_running
    assert (result["report"], result["rto_seconds"], result.get("failed")) == (
        ["Drill of erp1", "  RTO 112 s"], 112, None)


@pytest.mark.parametrize(("record", "words"), [
    ({"state": "failed", "because": "It is broken."}, "The drill failed. It is broken."),
    ({"state": "skipped", "because": "800 MB of memory are needed."}, "No drill was made. 800 MB"),
    (None, "The drill failed. It ended before it could tell why.")])
def test_a_drill_that_fails_fails_the_task_and_says_why(record, words):
    result = Host(DRILLING, dict(part("one"), is_running=False, record=record)).task(drill)
    assert result["failed"]
    assert words in result["msg"]


LOOKED = {"targets": ["offsite"]}


def test_another_host_is_given_what_the_program_tells():
    host = Host(LOOKED, {"home": "/x", "content": "c2VjcmV0"})
    result = host.task(drill_kit, host="spare1", keep=True)
    assert host.asked == ["drill --look", "drill --kit spare1 --keep"]
    assert result == {"changed": False, "targets": ["offsite"], "kit": {"home": "/x", "content": "c2VjcmV0"}}


@pytest.mark.parametrize("more", [{"only_look": True}, {"check_mode": True}])
def test_who_only_looks_is_told_no_secret(more):
    host = Host(LOOKED)
    assert host.task(drill_kit, host="spare1", **more) == {"changed": False, "targets": ["offsite"]}
    assert host.asked == ["drill --look"]


def test_the_server_is_told_of_a_drill_on_another_host_and_makes_none():
    host = Host({"taken": ["20261123T040000Z"]})
    assert host.task(drill, made_on="spare1") == {"changed": False, "taken": ["20261123T040000Z"]}
    assert host.asked == ["drill --take-over"]


def test_a_drill_in_check_mode_is_not_begun():
    host = Host()
    assert not host.task(drill, check_mode=True)["changed"]
    assert host.asked == []
