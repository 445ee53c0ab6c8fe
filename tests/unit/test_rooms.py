# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a thing lives: only roles know services, and each room imports only what it may."""

from __future__ import annotations

import ast
import functools
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
OURS = "ansible_collections.trenova.selfhost.plugins."
#: Roles whose names may stand nowhere else. That of Docker is not among them: the Engine itself is called so, its
#: command and what is measured of it.
SERVICES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.name != "docker")
#: Names of services that are no words of everyday language.
PROPER_NAMES = [name for name in SERVICES if name not in ("api", "backup", "client")]
#: Rooms that are made of what is known of one service.
OF_SERVICES = ("plugin_utils/sizing/", "plugin_utils/preflight/of_services/")
#: File -> (names that it may say, why).
EXCEPTIONS = {
    "action/backup_now.py": ({"backup"}, "what the work is called"),
    "action/upgrade_postgres.py": ({"backup"}, "a key of descriptions"),
    "module_utils/host.py": (
        {"backup", "postgres"},
        "the version of its data and an upgrade that is at work are measured before any description is known"),
    "module_utils/reach.py": ({"postgres", "redis"}, "the protocol that a server speaks"),
    "modules/probe.py": ({"redis"}, "the protocol that a server speaks"),
    "plugin_utils/hashes.py": ({"rabbitmq"}, "the form of a hash, which is that server's"),
    "plugin_utils/secret_kinds.py": ({"postgres"}, "a password that everybody knows"),
    "plugin_utils/backup/stores.py": (
        {"backup", "postgres", "redis"}, "kinds of state, called like the servers that have it; a key of descriptions"),
    "plugin_utils/backup/targets.py": ({"backup"}, "a key of descriptions"),
    "plugin_utils/description.py": ({"backup"}, "a key of descriptions"),
    "plugin_utils/report/view.py": (
        {"api", "pgbouncer", "postgres"}, "the way of the connections, with the colours of those on it"),
    "plugin_utils/report/table.py": (set(SERVICES), "which figures of a plan a table shows"),
}
#: Playbook -> names that it may say beside those of the roles that it includes, and why.
EXCEPTIONS_OF_PLAYBOOKS = {
    "playbooks/images.yml": ({"api", "backup", "client", "minio"}, "folders of images/, one for each image"),
    "playbooks/drill.yml": ({"backup"}, "a word of a message"),
    "playbooks/restore.yml": ({"backup"}, "a word of a message"),
    "playbooks/tasks/archive.yml": ({"client"}, "a word of a message"),
    "playbooks/upgrade_postgres.yml": ({"postgres"}, "the one that it upgrades"),
}
#: What can be imported and tested without Ansible, with all that it imports.
WITHOUT_ANSIBLE = (
    "plugin_utils/sizing/**/*.py", "plugin_utils/verification/**/*.py", "plugin_utils/preflight/**/*.py",
    "plugin_utils/report/**/*.py", "plugin_utils/description.py", "plugin_utils/project.py", "plugin_utils/compose.py",
    "plugin_utils/routes.py", "plugin_utils/formats.py", "plugin_utils/schedules.py", "plugin_utils/reported.py",
    "plugin_utils/profiles.py",
)
#: What of it cannot, and why.
WITH_ANSIBLE = {
    "plugin_utils/preflight/gather.py": "asks modules and resolves variables",
}
#: What travels to a host knows of Ansible what a module needs.
OF_MODULES = ("ansible.module_utils",)


def files(*patterns):
    """Files of the plugins, by their path below them."""
    return sorted({path.relative_to(PLUGINS).as_posix() for pattern in patterns for path in PLUGINS.glob(pattern)})


@functools.cache
def parsed(name):
    """Syntax tree of a file."""
    return ast.parse((PLUGINS / name).read_text())


def texts(tree):
    """(line, text) of all strings of a program, without its documentation."""
    documentation = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body
        and isinstance(node.body[0], ast.Expr)}
    documentation |= {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)
        and [getattr(target, "id", "") for target in node.targets][0] in ("DOCUMENTATION", "EXAMPLES", "RETURN")}
    return [
        (node.lineno, node.value) for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation]


def imports(name):
    """Names of the modules that a file imports."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def file_of(module):
    """File of a module of ours; None where there is none of this name."""
    base = module[len(OURS):].replace(".", "/")
    return next((name for name in (f"{base}.py", f"{base}/__init__.py") if (PLUGINS / name).is_file()), None)


@functools.cache
def foreign_imports(name):
    """{module that is not ours: file that imports it} of a file and all files of ours that it imports."""
    seen, waiting, found = set(), [name], {}
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for module in imports(current):
            if not module.startswith(OURS):
                found.setdefault(module, current)
            elif file := file_of(module):
                waiting.append(file)
    return found


@pytest.mark.parametrize("name", [
    name for name in files("**/*.py") if not name.startswith(OF_SERVICES)])
def test_no_file_of_the_plugins_names_a_service(name):
    allowed, _why = EXCEPTIONS.get(name, ((), ""))
    named = [(line, text) for line, text in texts(parsed(name)) if text in SERVICES]
    assert [entry for entry in named if entry[1] not in allowed] == []
    # An exception that nobody needs any more goes.
    assert bool(named) is (name in EXCEPTIONS)


@pytest.mark.parametrize("name", files(
    "action/*.py", "plugin_utils/preflight/*.py", "plugin_utils/verification/*.py", "plugin_utils/reported.py"))
def test_no_variable_of_a_service_is_named_where_all_are_treated_alike(name):
    word = re.compile(r"\b({})(_|\b)".format("|".join(PROPER_NAMES)))
    assert [(line, text) for line, text in texts(parsed(name)) if word.search(text)] == []


def told(part):
    """All texts of a playbook but the names of roles that it includes."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "roles" or key.rpartition(".")[2] in ("include_role", "import_role"):
                continue
            yield from told(value)
    elif isinstance(part, list):
        for entry in part:
            yield from told(entry)
    elif isinstance(part, str):
        yield part


@pytest.mark.parametrize("path", sorted(
    str(path.relative_to(ROOT)) for path in [ROOT / "site.yml", *ROOT.glob("playbooks/**/*.yml")]))
def test_no_playbook_names_a_service(path):
    allowed, _why = EXCEPTIONS_OF_PLAYBOOKS.get(path, (set(), ""))
    word = re.compile(r"\b({})\b".format("|".join(SERVICES)))
    named = {found for text in told(yaml.safe_load((ROOT / path).read_text())) for found in word.findall(text)}
    assert named - allowed == set()
    assert bool(named) is (path in EXCEPTIONS_OF_PLAYBOOKS)


def test_every_exception_has_a_reason():
    for name, (names, why) in {**EXCEPTIONS, **EXCEPTIONS_OF_PLAYBOOKS}.items():
        assert names <= set(SERVICES), name
        assert why


@pytest.mark.parametrize("name", files("modules/**/*.py", "module_utils/**/*.py"))
def test_what_travels_to_hosts_imports_nothing_of_the_controller(name):
    assert [module for module in imports(name) if module.startswith((OURS + "plugin_utils", OURS + "action"))] == []
    of_ansible = [module for module in imports(name) if re.match(r"ansible(\.|$)", module)]
    assert [module for module in of_ansible if not module.startswith(OF_MODULES)] == []


@pytest.mark.parametrize("name", files(*WITHOUT_ANSIBLE))
def test_what_can_be_tested_without_ansible_imports_nothing_of_it(name):
    found = {module: by for module, by in foreign_imports(name).items() if re.match(r"ansible(\.|$)", module)}
    assert bool(found) is (name in WITH_ANSIBLE), found


@pytest.mark.parametrize("pattern", WITHOUT_ANSIBLE)
def test_every_room_without_ansible_is_there(pattern):
    assert files(pattern)


def test_the_reader_finds_what_stands_in_code_and_not_in_documentation():
    tree = ast.parse('"""redis"""\nEXAMPLES = "redis"\ndef f():\n    """redis"""\n    return {"redis": f"a{1}redis"}\n')
    assert texts(tree) == [(5, "redis"), (5, "a"), (5, "redis")]
    task = {"name": "say redis", "ansible.builtin.include_role": {"name": "redis"}}
    assert list(told([{"roles": ["x.redis"], "tasks": [task]}])) == ["say redis"]
