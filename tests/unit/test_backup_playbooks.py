# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The tasks that list and make backups: what they ask the program on the host, and what people read."""

from __future__ import annotations

import json
import types

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.action import backups


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
