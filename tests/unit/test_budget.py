# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run may cost on the controller, in things that can be counted."""

from __future__ import annotations

import copy

import pytest
import test_bundle
from ansible.parsing import dataloader

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, compiled, hashes, run
from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import gather


def host(name):
    """Variables of another host of the same inventory."""
    variables, _known = test_bundle.in_play()
    return dict(variables, inventory_hostname=name, trenova_domain=f"{name}.trucks.co")


def prepare(variables):
    """What the first task does for a host that nothing has changed on."""
    action = test_bundle.action_for(variables)
    gather.check_host(action, variables)
    known = run.current(action, variables)
    return Wanted(action, variables, known, known.places).due()


def test_files_of_roles_are_parsed_once_and_never_copied(monkeypatch):
    catalogue.preload()
    variables, copies, parsed = host("erp2"), [], []

    def counted(value, *rest):
        copies.append(value)
        return copy.deepcopy(value, *rest)

    real = dataloader.DataLoader.load

    def load(self, data, file_name="<string>", **more):
        parsed.append(file_name)
        return real(self, data, file_name, **more)

    monkeypatch.setattr(dataloader, "copy", type("copy", (), {"deepcopy": staticmethod(counted)}))
    monkeypatch.setattr(dataloader.DataLoader, "load", load)
    prepare(variables)
    assert copies == []
    # What is shared by the roles is none of theirs.
    assert [name for name in parsed if "/roles/" in name] == []


def test_templates_are_compiled_once_for_all_hosts():
    catalogue.preload()
    prepare(host("erp3"))
    before = compiled.count()
    prepare(host("erp3"))
    assert compiled.count() == before


@pytest.fixture
def compiled_texts(monkeypatch):
    """No code is known; texts that are compiled from now on."""
    texts, real = [], compiled._compile
    monkeypatch.setattr(compiled, "_CODE", {})
    monkeypatch.setattr(compiled.sys, "dont_write_bytecode", False)
    monkeypatch.setattr(compiled, "_compile", lambda some, **more: texts.extend(some) or real(some, **more))
    return texts


def kept(directory):
    return directory / "kept" / compiled.KEPT_AS


def test_code_is_kept_for_the_runs_that_follow(compiled_texts, tmp_path, monkeypatch):
    wanted = {"files": ["a {{ x }} b\\n"], "expressions": ["{{ y }}\\n"], "directory": kept(tmp_path).parent}
    compiled.prepare(**wanted)
    assert sorted(compiled_texts) == ["a {{ x }} b\\n", "{{ y }}\\n"]
    code = dict(compiled._CODE)
    assert len(code) == 2
    compiled_texts.clear()
    monkeypatch.setattr(compiled, "_CODE", {})
    compiled.prepare(**wanted)
    assert (compiled_texts, compiled._CODE) == ([], code)
    assert [path.name for path in kept(tmp_path).parent.iterdir()] == [compiled.KEPT_AS]


@pytest.mark.parametrize("change", ["text", "version", "damage", "emptied"])
def test_code_of_something_else_is_not_taken(compiled_texts, tmp_path, monkeypatch, change):
    compiled.prepare(["{{ x }}"], [], kept(tmp_path).parent)
    compiled_texts.clear()
    if change == "version":
        monkeypatch.setattr(compiled, "ansible_version", "2.99.0")
    elif change != "text":
        kept(tmp_path).write_bytes(b"" if change == "emptied" else kept(tmp_path).read_bytes()[:100])
    text = "{{ other }}" if change == "text" else "{{ x }}"
    compiled.prepare([text], [], kept(tmp_path).parent)
    assert compiled_texts == [text]


@pytest.mark.parametrize("call", ["chmod", "replace"])
def test_a_full_disk_leaves_nothing_behind(compiled_texts, tmp_path, monkeypatch, call):
    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled.os, call, fail)
    compiled.prepare(["{{ x }}"], [], kept(tmp_path).parent)
    assert compiled.count() == 1
    assert list(kept(tmp_path).parent.iterdir()) == []


def test_code_that_cannot_be_kept_is_no_fault(compiled_texts, tmp_path):
    compiled._CODE["other"] = object()
    compiled.prepare(["{{ x }}"], [], kept(tmp_path).parent)
    assert compiled.count() == 2
    assert not kept(tmp_path).exists()


def test_where_nothing_can_be_kept_everything_works(compiled_texts, tmp_path):
    (tmp_path / "kept").write_text("a file")
    compiled.prepare(["{{ x }}"], [], kept(tmp_path).parent)
    assert compiled_texts == ["{{ x }}"]
    assert compiled.count() == 1


def test_own_templates_are_compiled_before_the_controller_forks():
    catalogue.preload()
    before = compiled.count()
    prepare(host("erp4"))
    # Only what stands in the inventory itself is new.
    assert compiled.count() - before < 12


def test_hashes_that_are_slow_on_purpose_are_made_for_a_deployment_only(monkeypatch):
    made = []
    monkeypatch.setattr(hashes, "_bcrypt", lambda password, login: made.append(login) or "$2b$10$hash")
    variables = host("erp5")
    action = test_bundle.action_for(variables)
    known = run.current(action, variables)
    wanted = Wanted(action, variables, known, known.places)
    assert wanted.due()
    assert made == []
    texts = str([service.arguments() for service in wanted.services])
    assert set(made) == {"admin@trenova.app", "operator"}
    assert "bcrypt-of-" not in texts


@pytest.mark.parametrize("variable", ["trenova_admin_password", "trenova_dashboard_password"])
def test_another_password_is_another_wish(variable):
    wishes = []
    for password in ("correct-horse-battery", "horse-staple-correct"):
        variables = dict(host("erp6"), **{variable: password}, api_bootstrap="seed")
        action = test_bundle.action_for(variables)
        known = run.current(action, variables)
        wishes.append([service.wish for service in Wanted(action, variables, known, ["api", "caddy"]).services])
    assert wishes[0] != wishes[1]


def test_another_login_of_a_registry_is_another_wish_of_all_services():
    """A run with nothing else to do has to bring a new login, and to take an old one away."""
    wishes = []
    for password in (None, "horse-staple", "battery-horse"):
        logins = {"registry.test": {"username": "puller", "password": password}} if password else {}
        variables = dict(host("erp7"), docker_registry_logins=logins)
        action = test_bundle.action_for(variables)
        known = run.current(action, variables)
        services = Wanted(action, variables, known, known.places).services
        wishes.append({service.name: service.wish for service in services})
    assert all(len({found[name] for found in wishes}) == 3 for name in wishes[0])
