# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module: what it takes, what it gives back, and that it works alone on a host."""

from __future__ import annotations

import contextlib
import copy
import json

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from converge_builders import validated

from ansible_collections.trenova.selfhost.plugins.module_utils import locking
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import Tools
from ansible_collections.trenova.selfhost.plugins.modules import converge

#: As it is before AnsibleModule fills the defaults of the parts into it.
SPECIFICATION = copy.deepcopy(converge.ARGUMENT_SPEC)


def options_of(specification, documented, where=""):
    """Where the specification of arguments and the documentation differ, in words."""
    for name in sorted({*specification, *documented}):
        option, words = specification.get(name), documented.get(name)
        if option is None or words is None:
            yield f"{where}{name} is only in one of both"
            continue
        for part in ("type", "elements", "default", "choices", "required"):
            if option.get(part) != words.get(part):
                yield f"{where}{name}: {part} differs"
        yield from options_of(option.get("options", {}), words.get("suboptions", {}), f"{where}{name}.")


def test_the_documentation_says_what_the_module_takes():
    documented = yaml.safe_load(converge.DOCUMENTATION)["options"]
    assert list(options_of(SPECIFICATION, documented)) == []


def test_the_example_is_accepted():
    for task in yaml.safe_load(converge.EXAMPLES):
        validated(task["trenova.selfhost.converge"] or {})


@pytest.mark.parametrize(("reload", "says"), [
    ({"files": ["/a"]}, "one of the following is required: command, signal"),
    ({"files": ["/a"], "command": ["x"], "signal": "HUP", "container": "c"}, "mutually exclusive: command|signal"),
    ({"files": ["/a"], "signal": "HUP"}, "missing parameter(s) required by 'signal': container")])
def test_a_reload_is_a_command_or_a_signal(reload, says):
    with pytest.raises(AssertionError) as raised:
        validated({"version": "1", "project": {}, "services": [{"name": "a", "reload": [reload]}]})
    assert says in str(raised.value)


@pytest.fixture
def module(host, monkeypatch, capsys):
    """Function that runs the module as Ansible does, and returns its return code and result."""
    monkeypatch.setattr(converge, "Engine", lambda directory: host.engine)
    monkeypatch.setattr(converge, "Tools", lambda engine: Tools(engine, host.clock, host.command))
    locks = []

    @contextlib.contextmanager
    def held():
        if locks == ["taken"]:
            raise locking.LockError("another deployment has been at work for 300 s; nothing was changed")
        locks.append("held")
        yield
        locks.append("let go")

    monkeypatch.setattr(locking, "held", held)

    def run(*services, **more):
        arguments = dict({
            "version": "0.2.0", "project": {"directory": str(host.directory), "networks": host.networks},
            "services": list(services)}, **more)
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            converge.main()
        return ended.value.code, json.loads(capsys.readouterr().out)

    run.locks = locks
    return run


def test_a_run_holds_the_lock_and_a_check_does_not(module, host):
    code, result = module(host.service("redis"), _ansible_check_mode=True)
    assert (code, result["started"], module.locks) == (0, ["tren-redis"], [])
    code, result = module(host.service("redis"))
    assert (code, result["started"], module.locks) == (0, ["tren-redis"], ["held", "let go"])
    assert result["changed"] is True


def test_a_failure_comes_with_the_results_of_all_services(module, host):
    host.engine.ends_up["sha256:redis:1"] = "unhealthy"
    code, result = module(host.service("redis"), host.service("minio"))
    assert (code, result["failed"]) == (1, True)
    assert result["msg"].startswith("redis: tren-redis did not become healthy")
    states = {name: found["state"] for name, found in result["services"].items()}
    assert states == {"redis": "failed", "minio": "started"}


@pytest.mark.parametrize(("happens", "says"), [
    (lambda module, host: module.locks.append("taken"), "another deployment has been at work for 300 s; nothing was"),
    (lambda module, host: setattr(host.engine, "answers", False), "The Docker Engine does not answer")])
def test_what_stops_everything_is_told_in_one_sentence(module, host, happens, says):
    happens(module, host)
    code, result = module(host.service("redis"))
    assert (code, result["msg"][:len(says)]) == (1, says)
    assert host.files() == {}


def test_secrets_are_masked_wherever_they_turn_up(module, host):
    host.engine.failing["compose up"] = "cannot use s3cret-one, nor the text c29tZXRoaW5n"
    redis = host.service("redis", secrets={"secrets/x": "something"})
    _code, result = module(redis, secrets=["s3cret-one"])
    assert "tren-redis was not started: cannot use" in result["msg"]
    assert "s3cret-one" not in json.dumps(result["msg"])
    assert "c29tZXRoaW5n" not in json.dumps(result["msg"])
