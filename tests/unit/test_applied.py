# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every figure of the plan is applied, and every tuned number that is applied is a figure of the plan."""

from __future__ import annotations

import copy
import functools
import json
import re

import pytest
import test_bundle

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.reading import figures_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import imagined
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.information import INFORMATION
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import SERVICES

LARGE = {"trenova_tier": "large", "trenova_capacity": {
    "measured": False, "cores": 32, "memory_mb": 98304, "disk_free_gb": 500, "disk_total_gb": 500,
    "docker": {"installed": True, "version": "26.1.5"},
    "kernel": test_bundle.INVENTORY["trenova_capacity"]["kernel"]}}
#: Inventories that between them have a place for every figure.
INVENTORIES = (LARGE, dict(LARGE, postgres_image="docker.io/library/postgres:18.1"))


@functools.cache
def deployments():
    """(variables, run) of each inventory, and of a plan for several hosts of each service."""
    found = [test_bundle.in_play(json.dumps(more)) for more in INVENTORIES]
    variables, known = found[0]
    hosts = ["a", "b", "c", "d"]
    groups = {service: hosts[:max(count for count in (entry.nodes or (3,)) if count <= 4)]
              for service, entry in SERVICES.items()}
    plans = sizing.plan_hosts({host: imagined(32, 96, 500) for host in hosts}, groups, {"tier": "large"})
    return [*found, (variables, known.but(plan=plans["a"]))]


def deployed(role, variables, known):
    """All that is done for a service, without what is only noted beside it."""
    arguments = test_bundle.by_plan(role, variables, known)
    return json.dumps({key: value for key, value in arguments.items() if key not in ("release", "wish")}, default=str)


@functools.cache
def as_planned(role, number):
    return deployed(role, *deployments()[number])


def changed(plan, path, explained):
    """A plan in which one figure is another, nothing else."""
    plan = dict(plan, services=copy.deepcopy(plan["services"]))
    *parents, name = path.split(".")
    place = functools.reduce(lambda entry, key: entry[key], parents, plan["services"])
    value = place[name]
    others = [word for word in explained["bounds"].get("choices", ["session"]) if word != value]
    place[name] = others[0] if isinstance(value, str) else value + 1
    return plan


def is_applied(role, path, explained):
    """Whether anything that is deployed changes with one figure alone."""
    for number, (variables, known) in enumerate(deployments()):
        if path.split(".")[0] not in known.plan["services"]:
            continue
        plan = changed(known.plan, path, explained)
        if deployed(role, variables, known.but(plan=plan)) != as_planned(role, number):
            return True
    # How many containers there are is asked by the description, which is read with the plan.
    variables, known = deployments()[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizing, "plan", lambda *_arguments: changed(known.plan, path, explained))
        again = test_bundle.run.current(test_bundle.action_for(variables), variables)
    return deployed(role, variables, again) != as_planned(role, 0)


def planned_figures():
    """(service, sheet, name, path) of every figure of a large installation."""
    plan = sizing.plan(imagined(32, 96, 500), {"tier": "large"})
    for service, entry in plan["services"].items():
        for path, name, _value in figures_of(service, entry):
            kind = path.split(".")[2] if ".containers." in path else None
            yield service, f"{service}.{kind}" if kind else service, name.rpartition(".")[2], path


FIGURES = list(planned_figures())
EXPLAINED = sizing.plan(imagined(32, 96, 500), {"tier": "large"})["explain"]


@pytest.mark.parametrize("service", dict.fromkeys(entry[0] for entry in FIGURES))
def test_every_figure_changes_what_is_deployed_or_is_said_to_inform(service):
    informing = {
        path for owner, sheet, name, path in FIGURES if owner == service and name in INFORMATION.get(sheet, {})}
    applied = {
        path for owner, _sheet, _name, path in FIGURES
        if owner == service and is_applied(service, path, EXPLAINED[path])}
    everything = {path for owner, _sheet, _name, path in FIGURES if owner == service}
    assert everything - applied - informing == set(), "planned, and nobody is told"
    assert applied & informing == set(), "said to inform, and somebody is told"


def test_every_figure_that_follows_from_nothing_else_can_be_set():
    host = imagined(32, 96, 500)
    for _service, sheet, name, path in FIGURES:
        entry, (service, _dot, kind) = EXPLAINED[path], sheet.partition(".")
        own = {name: changed({"services": sizing.plan(host, {"tier": "large"})["services"]}, path, entry)}
        value = functools.reduce(lambda place, key: place[key], path.split("."), own[name]["services"])
        overrides = {service: {kind: {name: value}} if kind else {name: value}}
        if entry["derived"]:
            with pytest.raises(sizing.PlanError, match="cannot be set, it follows from other figures"):
                sizing.plan(host, {"tier": "large", "overrides": overrides})
        else:
            planned = sizing.plan(host, {"tier": "large", "overrides": overrides})["explain"][path]
            assert (planned["value"], planned["overridden"]) == (value, True) or "technical_max" in planned["bounds"]


def test_what_only_informs_says_so_and_why():
    known = {(sheet, name) for _service, sheet, name, _path in FIGURES}
    assert {(sheet, name) for sheet, names in INFORMATION.items() for name in names} <= known
    for _service, sheet, name, path in FIGURES:
        assert EXPLAINED[path].get("information") == INFORMATION.get(sheet, {}).get(name)


ROLES = test_bundle.ROOT / "roles"
#: Templates in which numbers are none of the plan's, and why.
OTHER_TEMPLATES = {
    "*/templates/**/*.sh*": "a program: its attempts and patience are those of its steps, and tested with it",
    "*/templates/**/*.py": "a program, tested as one",
    "backup/templates/config/*.sql": "a question; its numbers are those of PostgreSQL's catalogue",
    "*/templates/host/etc/systemd/**/*": "when and how long a program runs; what an operator chooses is a variable",
    "backup/templates/host/**/settings.json.j2": "how long a program waits; what an operator chooses is a variable",
    "*/profiles/*.j2": "what one version of the application is told besides, its own defaults",
}
#: (templates, what may stand there, why).
EXCEPTIONS = (
    ("**/*", r"127\.0\.0\.1(/32)?", "the container itself"),
    ("**/*", r"\bmode=[0-7]{4}\b", "modes of directories"),
    ("**/*", r"scram-sha-256|UTF-?8", "names with a number in them"),
    ("**/*", r"indent=2", "how a file looks"),
    ("**/*", r"image_major\) \| int >= \d+", "versions of a server, which know other settings"),
    ("**/*", r"(length|nodes) > 1\b", "whether there are several"),
    ("caddy/**/compose.yaml.j2", r'tcp_migrate_req: "1"', "a switch"),
    ("api/**/login.json.j2", r"\[1:-1\]", "a text without its quotes"),
    ("backup/**/logins.json.j2", r"\[1:-1\]", "a text without its quotes"),
    ("**/compose.yaml.j2", r":(80|443|2019|8080|9000|9001)(?=[/\"])|PORT: \"8080\"", "ports inside of containers"),
    ("caddy/**/Caddyfile.j2", r"localhost:2019", "its own port for orders"),
    ("*/**/Caddyfile.j2", r"\b(403|404|502|503|504)\b", "answers of HTTP"),
    ("client/**/Caddyfile.j2", r"path_regexp .*|max-age=31536000", "how names are built, and for ever in a cache"),
    ("backup/templates/compose.yaml.j2", r'user: "0:', "root, who packs what belongs to others"),
    ("backup/templates/compose.yaml.j2", r'RESTIC_PROGRESS_FPS: "1"', "how often a program says how far it is"),
    ("api/templates/compose.yaml.j2", r"size=(1|16)m", "folders that the application wants and nothing is written to"),
    ("api/templates/**/accounts.sql.j2", r"<> 1 THEN", "one account is left"),
    ("pgbouncer/**/pgbouncer.ini.j2", r"pool_size=1$|lookup\(\$1\)|log_(dis)?connections = 0",
     "one connection asks for verifiers; no line for each client"),
    ("pgbouncer/**/pgbouncer.ini.j2", r"stats_period = 300", "how often a line goes to the log"),
    ("postgres/**/reload.conf.j2", r"log_(temp_files = 10MB|autovacuum_min_duration = 10s)",
     "what is worth a line of the log"),
    ("rabbitmq/**/compose.yaml.j2", r"exec 3<>", "a file descriptor"),
    ("rabbitmq/**/rabbitmq.conf.j2", r"_mb \* 1048576", "MiB in bytes, which RabbitMQ wants"),
    ("redis/**/redis.conf.j2", r"oom-score-adj-values 0 200 800", "the copy that saves is killed before the server"),
    ("redis/**/redis.conf.j2", r"latency-monitor-threshold 100|timeout 0", "what is noted; idle clients are kept"),
    ("docker/**/60-trenova.conf.j2", r"overcommit_memory('\) != '2'| = 1)|\[4096, ",
     "a switch; the default of later kernels"),
)
_NUMBER = re.compile(r"(?<![A-Za-z_\d.])\d+")


def lines_of(path):
    """(number, line) of a template, without what is a comment there."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    for number, line in enumerate(text.splitlines(), 1):
        if not re.match(r"\s*(#|;|--)", line):
            yield number, re.sub(r"\s#\s.*$", "", line)


def templates():
    """Paths of all templates below the roles whose numbers are those of the plan, in order."""
    found = [path for pattern in ("*/templates/**/*", "*/profiles/*.j2") for path in ROLES.glob(pattern)
             if path.is_file() and "__pycache__" not in path.parts]
    others = {path for pattern in OTHER_TEMPLATES for path in ROLES.glob(pattern)}
    return sorted(path.relative_to(ROLES) for path in set(found) - others)


def allowed_in(path):
    """What may stand in a template, by its place among the exceptions."""
    return [(place, re.compile(expression)) for place, (pattern, expression, _why) in enumerate(EXCEPTIONS)
            if path in {found.relative_to(ROLES) for found in ROLES.glob(pattern)}]


def numbers_of(path):
    """(line, text) of each number of a template that is none of the plan's."""
    allowed = allowed_in(path)
    for number, line in lines_of(ROLES / path):
        rest = line
        for _place, expression in allowed:
            rest = expression.sub("", rest)
        if _NUMBER.search(rest):
            yield number, line.strip()


def test_no_template_holds_a_number_that_is_not_the_plans():
    assert {str(path): found for path in templates() if (found := list(numbers_of(path)))} == {}


def test_every_exception_is_needed_and_has_a_reason():
    used = {place for path in templates() for place, expression in allowed_in(path)
            if any(expression.search(line) for _number, line in lines_of(ROLES / path))}
    assert used == set(range(len(EXCEPTIONS)))
    assert all(why for _pattern, _expression, why in EXCEPTIONS)
    for pattern in OTHER_TEMPLATES:
        assert list(ROLES.glob(pattern)), pattern


@pytest.mark.parametrize(("line", "found"), [
    ("idle_timeout = 10min", True), ("save 3600 1", True), ("x = {{ [2, cpus] | max }}", True), ("a: 0.5", True),
    ("  lb_try_duration 20s", True), ("# 10 of them", False), ("x: y  # 10 of them", False), ("protocols h1 h2", False),
    ("work_mem = {{ plan.settings.work_mem_kb }}kB", False), ("sha256:", False), ("{# 5 #}", False),
])
def test_the_reader_finds_numbers_and_no_names(tmp_path, line, found):
    (tmp_path / "x.j2").write_text(line + "\n")
    assert any(_NUMBER.search(text) for _number, text in lines_of(tmp_path / "x.j2")) is found
