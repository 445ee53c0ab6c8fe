# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The documentation says what the code does."""

from __future__ import annotations

import itertools
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv
from ansible.template import Templar

from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring.intent import INTENT_VARIABLES

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
VARIABLES = yaml.safe_load((ROOT / "meta/variables.yml").read_text())
SHARED = {name: option for section in VARIABLES["sections"] for name, option in section["options"].items()}
BOUNDS = re.compile(r"at least (-?\d+)|(-?\d+) to (-?\d+)")
UNIT = re.compile(r"(_|\b)(ms|seconds|minutes|hours|days|mb|gb|bits|ports?|number)\b", re.IGNORECASE)
#: Names of networks, containers and databases.
NO_VARIABLES = {"trenova_app", "trenova_backup", "trenova_data", "trenova_edge", "trenova_go_db", "trenova_selfhost"}


def specification(role):
    """Main entry point of a role's argument specification."""
    return yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]


def description(option):
    """Description of an option as one text."""
    text = option["description"]
    return text if isinstance(text, str) else " ".join(text)


def with_parts(options):
    """Options and the parts of structured ones, as (name, option)."""
    for name, option in options.items():
        yield name, option
        for part, value in with_parts(option.get("options", {})):
            yield f"{name}.{part}", value


def faults(name, option):
    """What the specification of an option leaves open, in words."""
    if not option.get("description"):
        return [f"{name} has no description"]
    text, found = description(option), []
    if "type" not in option:
        found.append(f"{name} has no type")
    if option.get("type") == "list" and "elements" not in option:
        found.append(f"{name} does not say of what it is a list")
    if "default" not in option and not option.get("required") and not re.search("(?i)default|required|without", text):
        found.append(f"{name} does not say what happens without it")
    if option.get("type") in ("int", "float"):
        bounds = BOUNDS.search(text)
        if not bounds:
            found.append(f"{name} is a number without bounds")
        else:
            least, *most = (int(bound) for bound in bounds.groups() if bound)
            default = option.get("default", least)
            if default < least or most and default > most[0]:
                found.append(f"{name} is not within its own bounds by default")
        if not UNIT.search(name) and not UNIT.search(text):
            found.append(f"{name} is a number without a unit")
    return found


def test_what_is_generated_is_current():
    command = [sys.executable, ROOT / "docs/generate.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_type_unit_default_bounds_and_meaning(role):
    options = with_parts(specification(role)["options"])
    assert [fault for name, option in options for fault in faults(name, option)] == []


def test_every_shared_variable_has_type_unit_default_bounds_and_meaning():
    assert [fault for name, option in with_parts(SHARED) for fault in faults(name, option)] == []


@pytest.mark.parametrize(("option", "says"), [
    ({"type": "int", "default": 3, "description": "Port."}, "x is a number without bounds"),
    ({"type": "int", "default": 3, "description": "Retries, 1 to 9."}, "x is a number without a unit"),
    ({"type": "int", "default": 0, "description": "Port, 1 to 65535."}, "x is not within its own bounds by default"),
    ({"type": "int", "default": 9, "description": "Seconds, -1 to 8."}, "x is not within its own bounds by default"),
    ({"type": "str", "description": "Name."}, "x does not say what happens without it"),
    ({"default": "", "description": "Name."}, "x has no type"),
    ({"type": "str", "default": ""}, "x has no description"),
    ({"type": "list", "default": [], "description": "Names."}, "x does not say of what it is a list"),
])
def test_an_incomplete_option_is_found(option, says):
    assert faults("x", option) == [says]


@pytest.mark.parametrize("option", [
    {"type": "int", "default": -1, "description": "Milliseconds; ms, -1 to 5."},
    {"type": "int", "default": 1, "description": "Number of people, at least 1."},
    {"type": "str", "description": "Name. By default that of the host."},
    {"type": "str", "required": True, "description": "Name."},
])
def test_a_complete_option_is_not_found(option):
    assert faults("x", option) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_default_has_a_specification_and_every_option_the_name_of_its_role(role):
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    options = specification(role)["options"]
    assert set(defaults) == set(options)
    assert all(name.startswith(f"{role}_") for name in options)


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_specification(role):
    loader = DataLoader()
    defaults = loader.load_from_file(str(ROOT / "roles" / role / "defaults/main.yml"), trusted_as_template=True)
    # Secrets stand for themselves: what is no trusted template stays as it is.
    secrets = {name: "{{ " + name + " }}" for name in SHARED if name.endswith("_password")}
    templar = Templar(loader, variables=dict(secrets, **defaults, role_path=str(ROOT / "roles" / role)))
    for name, option in specification(role)["options"].items():
        if "default" in option:
            # An expression is shown as it is, or as what it comes to when nothing else is set.
            assert option["default"] in (defaults[name], templar.template(defaults[name])), name


def anchor(heading):
    """What a heading is called in an address, as GitHub has it."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def test_links_between_pages_lead_to_pages_and_headings():
    broken, seen = [], 0
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "roles").glob("*/README.md")]:
        for place, heading in re.findall(r"\]\(([^)#\s:]*\.md)?(?:#([^)\s]*))?\)", path.read_text()):
            target = path.parent / place if place else path
            seen += 1
            if not target.is_file() or heading and heading not in {
                    anchor(found) for found in re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)}:
                broken.append(f"{path.relative_to(ROOT)}: {place}#{heading}")
    assert seen > 50
    assert broken == []


@pytest.mark.parametrize("role", ROLES)
def test_bounds_are_those_that_preflight_checks(role):
    formats = yaml.safe_load((ROOT / "roles" / role / "meta/service.yml").read_text()).get("formats") or {}
    for name, option in specification(role)["options"].items():
        if option["type"] in ("int", "float"):
            stated = "..".join(bound for bound in BOUNDS.search(description(option)).groups() if bound)
            assert formats.get(name) == stated, name


@pytest.mark.parametrize("role", ROLES)
def test_galaxy_shows_what_the_specification_says(role):
    meta = yaml.safe_load((ROOT / "roles" / role / "meta/main.yml").read_text())
    assert meta["galaxy_info"]["description"] == specification(role)["short_description"]


@pytest.mark.parametrize("role", ROLES)
def test_every_secret_is_described(role):
    service = yaml.safe_load((ROOT / "roles" / role / "meta/service.yml").read_text())
    secrets = next(section for section in VARIABLES["sections"] if section["title"] == "Secrets")["options"]
    assert set(service.get("secrets") or {}) <= set(secrets)


def test_no_variables_beside_the_playbooks_hide_those_of_an_inventory():
    """Variables beside a playbook would win over group_vars/all of the inventory."""
    assert list(ROOT.glob("group_vars")) == list(ROOT.glob("playbooks/group_vars")) == []


def test_shared_variables_are_those_that_are_used():
    texts = [
        path.read_text() for folder in ("playbooks", "roles", "plugins", "inventories/prod")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.name != "README.md" and path.suffix != ".pem" and "__pycache__" not in path.parts]
    used = {name for text in texts for name in re.findall(r"\btrenova_[a-z0-9_]*[a-z0-9]\b", text)} - NO_VARIABLES
    known = set(SHARED) | set(VARIABLES["internal"])
    assert used - known == set(), "used, and not in meta/variables.yml"
    assert known - used == set(), "in meta/variables.yml, and used nowhere"


def commands_of_playbooks():
    """(where, command) for what is written of calls of playbooks and their options, "..." standing for the begin."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "playbooks").glob("*.yml")]
    for path in sorted(pages):
        text = re.sub(r"\\\n#?\s*", " ", path.read_text())
        for found in re.findall(r"(?:\.\.\.|\bansible-playbook\b)[^\n`]*? -e [^\n`]*|(?<=`)-e [^\n`]*", text):
            yield path.relative_to(ROOT), re.split(r"\s{3,}", found)[0]


def test_what_commands_give_to_playbooks_arrives_as_it_is_written():
    """A space ends a value, whatever quotes a shell takes off before."""
    broken, seen = [], 0
    for where, command in commands_of_playbooks():
        words = shlex.split(command)
        for option, value in itertools.pairwise(words):
            if option == "-e" and "=" in value and not value.startswith("{"):
                seen += 1
                name, _equals, rest = value.partition("=")
                if parse_kv(value) != {name: rest}:
                    broken.append(f"{where}: -e {value}")
    assert seen > 30
    assert broken == []


def test_the_wishes_for_the_plan_are_described():
    options = {name for role in ROLES for name in specification(role)["options"]}
    assert set(INTENT_VARIABLES) <= set(SHARED) | options


@pytest.mark.parametrize("role", ROLES)
def test_skeleton_of_the_role_is_whole(role):
    for part in ("defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "meta/service.yml", "tasks/main.yml",
                 "README.md"):
        assert (ROOT / "roles" / role / part).is_file(), part
