# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The task that verifies: what it asks of the host, and what it says; the host answers from a table."""

from __future__ import annotations

import copy
import threading
import types

import pytest
import test_bundle
from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.action import verify
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import visitor, visits

ANSWER = {
    "results": [{"name": "Redis", "ok": True, "detail": "as expected", "seconds": 0}],
    "containers": [{"name": "tren-redis", "ok": True, "detail": "healthy", "seconds": 0}],
    "images": [], "backup_status": None,
    "waiting_seconds": 60.0, "listeners": [], "ssh_address": "192.0.2.7", "ca_certificate": None}


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Function that runs the task with further variables: (its result, arguments of the module, what was shown)."""

    def run(answer=None, **more):
        variables = dict(copy.copy(test_bundle.in_play()[0]), **more)
        shown, asked = [], []
        plain = test_bundle.action_for(variables)
        action = verify.ActionModule(
            task=types.SimpleNamespace(
                args={"report_dir": str(tmp_path)}, async_val=0, check_mode=False, action="verify", diff=False),
            connection=types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None)), play_context=None,
            loader=plain._loader, templar=plain._templar, shared_loader_obj=None)
        action._display = types.SimpleNamespace(display=shown.append, warning=shown.append)

        def execute(module_name, module_args, task_vars):
            asked.append((module_name, module_args))
            return dict(ANSWER, **((answer() if callable(answer) else answer) or {}))

        action._execute_module = execute
        return action.run(task_vars=variables), asked, shown

    def ask(_scene, visit):
        return {"name": visit["name"], "ok": True, "detail": "as expected"}

    monkeypatch.setattr(visits, "ask", ask)
    monkeypatch.setattr(visitor.Visitor, "reaches_entrance", lambda _visitor: True)
    return run


def test_everything_is_asked_once_and_told_in_groups(task):
    result, asked, shown = task()
    assert [name for name, _arguments in asked] == ["trenova.selfhost.probe"]
    assert asked[0][1]["seconds"] == 30
    assert [entry["group"] for entry in result["results"]] == [
        *["from outside"] * 10, "inside", "containers", "backups", "backups"]
    assert result["results"][-2]["detail"].startswith("none yet, due ")
    assert shown[0].splitlines()[-1] == "  13 of 13 checks passed; 1 say nothing of it, see their notes"
    assert result["report"].endswith("/verify-erp1.json")
    assert result["changed"] is False


def test_a_check_that_fails_fails_the_task(task):
    result, _asked, _shown = task({"results": [{"name": "Redis", "ok": False, "detail": "is gone", "seconds": 30}]})
    assert result["failed"]
    assert result["msg"] == "1 of 14 checks failed.\n  Redis: is gone"


def test_a_host_that_cannot_be_asked_is_told_as_it_says(task):
    result, _asked, _shown = task({"failed": True, "msg": "The Docker Engine does not answer"})
    assert result["msg"] == "The Docker Engine does not answer"


@pytest.mark.parametrize("seconds", [0, 600, "15"])
def test_the_time_to_ask_again_can_be_set(task, seconds):
    assert task(trenova_verify_seconds=seconds)[1][0][1]["seconds"] == int(seconds)


@pytest.mark.parametrize(("seconds", "what"), [(601, "is 601"), (-1, "is -1"), ("long", "is no number: long")])
def test_a_time_that_is_none_is_told_with_its_bounds(task, seconds, what):
    with pytest.raises(AnsibleActionFail, match=f"trenova_verify_seconds {what}; write a number from 0 to 600."):
        task(trenova_verify_seconds=seconds)


@pytest.mark.parametrize(("changed", "order"), [(False, ["visit", "host"]), (True, ["host", "visit"])])
def test_visitors_wait_for_the_host_only_where_something_has_changed(task, monkeypatch, changed, order):
    """What the measurement saw of it holds otherwise, and a run without changes is that much shorter."""
    happened, visited = [], threading.Event()
    known = test_bundle.in_play()[1].but(changed=changed)
    monkeypatch.setattr(verify, "current", lambda *_arguments: known)

    def visit(*_arguments):
        happened.append("visit")
        visited.set()
        return []

    def answer():
        # Where visitors do not wait for the host, it answers when they have come.
        assert changed or visited.wait(10)
        happened.append("host")
        return {}

    monkeypatch.setattr(verify.outside, "run", visit)
    task(answer)
    assert happened == order


def test_a_server_without_an_address_is_told(task):
    with pytest.raises(AnsibleActionFail, match="Set trenova_verify_address"):
        task({"ssh_address": None}, ansible_host="nowhere.invalid")


ACME = {"caddy_tls": "acme", "caddy_acme_email": "ops@trucks.co"}
#: What a host says of a name that was beyond a limit.
FAILURE = {
    "issuer": "acme-v02.api.letsencrypt.org-directory", "status": 429, "type": "rateLimited", "detail": "too many"}
SAID = {"resolved": {}, "own": [], "attempts": {
    "erp.trucks.co": {"registers": False, "lines": ["04:00:00 refused"], "failures": [FAILURE]}}}


def certificates_are(monkeypatch, **found):
    """What the visit to the certificates finds; the others are well."""
    def ask(_scene, visit):
        answer = {"name": visit["name"], "kind": visit["kind"], "ok": True, "detail": "as expected"}
        return dict(answer, **found) if visit["kind"] == "certificates" else answer

    monkeypatch.setattr(visits, "ask", ask)


def test_the_host_is_asked_what_an_authority_said_of_a_certificate_that_is_missing(task, monkeypatch):
    certificates_are(
        monkeypatch, ok=False, lasting=True, detail="an alert", certificates={"erp.trucks.co": visitor.MISSING})
    result, asked, _shown = task(SAID, **ACME)
    assert asked[1] == ("trenova.selfhost.acme", {"names": ["erp.trucks.co"], "container": "tren-caddy"})
    assert result["msg"].splitlines()[1:] == [
        "  Certificates: erp.trucks.co has no certificate: Let's Encrypt takes no more orders for now (too many); "
        "leave it as it is, Caddy asks again by itself: another run does not help, and may use up more of the limit",
        "    The last log lines:", "      04:00:00 refused"]


def test_a_renewal_that_fails_is_a_warning(task, monkeypatch):
    certificates_are(monkeypatch, late={"erp.trucks.co": 12.0})
    result, _asked, shown = task(SAID, **ACME)
    assert "failed" not in result
    [warning] = [text for text in shown if "is not renewed" in text and not text.startswith("Verification")]
    assert warning.startswith("erp1: erp.trucks.co: the certificate is valid for 12 days more and is not renewed: ")


@pytest.mark.parametrize(("variables", "count"), [(ACME, 2), ({"caddy_tls": "internal"}, 1)])
def test_without_an_answer_of_the_host_it_is_told_what_was_seen(task, monkeypatch, variables, count):
    certificates_are(
        monkeypatch, ok=False, lasting=True, detail="an alert", certificates={"erp.trucks.co": visitor.MISSING})
    answers = iter([{}, {"failed": True, "msg": "gone"}])
    result, asked, _shown = task(lambda: next(answers), **variables)
    assert len(asked) == count
    assert result["msg"].splitlines()[1:] == ["  Certificates: an alert"]
