# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the images' own sources say, against what the rendered roles do with the images.

The facts are in roles/*/meta/image.yml, of images that are built here in images/*/image.yml and its Dockerfile.
What roles use is read from their rendered files alone: containers, scripts, health checks, reloads, jobs, contracts.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from typing import NamedTuple

import pytest
import shell_programs
import yaml
from test_bundle import ROLES, ROOT, by_plan, in_play

from ansible_collections.trenova.selfhost.plugins.module_utils.images import image_major, split_reference

BASES = yaml.safe_load((ROOT / "images/bases.yml").read_text())
FACTS = {path.parts[-3]: yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("roles/*/meta/image.yml"))}
PUBLISHED = [role for role, told in FACTS.items() if "image" in told]
BUILT = {
    yaml.safe_load(path.read_text())["path"]: path.parent for path in sorted(ROOT.glob("images/*/image.yml"))}
WITH_IMAGE = [role for role in ROLES if role != "docker"]
AT = re.compile(r"([a-z0-9-]+):\d+(-\d+)?")
COPY = re.compile(r"^COPY (?:--from=(\S+) )?(.+) (\S+)$", re.MULTILINE)
COMMIT = re.compile(r"[0-9a-f]{40}")
#: Inventories whose rendered roles are looked at: what is common, and what brings in further scripts and files.
VARIANTS = {
    "usual": {},
    "large": {"trenova_tier": "large"},
    "other files": {
        "caddy_tls": "internal", "backup_targets": [{"name": "away", "s3": {
            "endpoint": "https://s3.test", "bucket": "b", "access_key": "k"}}],
        "trenova_backup_s3_secret_key": "s" * 20,
        "backup_mail_to": "a@trucks.co", "backup_smtp_host": "mail.test", "client_api_placeholder": "https://x.invalid"},
    "PostgreSQL 18": {"postgres_image": "docker.io/library/postgres:18.6"},
    "PostgreSQL 16": {"postgres_image": "docker.io/library/postgres:16.15"},
}
CASES = [(role, variant) for role in WITH_IMAGE for variant in VARIANTS
         if role == "postgres" or not variant.startswith("PostgreSQL")]


class Image(NamedTuple):
    """What an image is and has."""

    programs: frozenset
    uid: int
    any_user: bool
    entrypoint: list
    command: list
    first_words: list
    stop_signals: list
    ports: list
    volumes: list
    writes: list
    file_capabilities: dict
    must_exist: list
    runs_command: bool


def of_base(name):
    """Programs of a base image."""
    return {program for package in BASES["bases"][name]["packages"].values() for program in package["programs"]}


def published(told, reference):
    """The image that a role's file of facts speaks of, in the version of a reference."""
    facts = {**told["facts"], **told.get("majors", {}).get(str(image_major(reference)), {})}
    known = {name: fact["is"] for name, fact in facts.items()}
    return Image(
        frozenset(of_base(told["base"]) | set(known["programs"])), known["user"]["uid"], known["any_user"],
        known["entrypoint"], known["command"], known["first_words"], known["stop_signals"], known["ports"],
        known["volumes"], known["writes"], known.get("file_capabilities", {}), known.get("must_exist", []),
        True)


def copied(stage, sources, target):
    """Names of the files that a COPY makes; those in a folder of a stage are what was copied to it there."""
    if not target.endswith("/"):
        return {target.rpartition("/")[2]}
    return {name for source in sources for name in (
        {name for _stage, inner, place in COPY.findall(stage) if place == source for name in inner.split()}
        if source.endswith("/") else {source.rpartition("/")[2]})}


def built(folder):
    """An image of ours: what its description promises, and what the last stage of its Dockerfile brings."""
    told = yaml.safe_load((folder / "image.yml").read_text())
    contract, text = told["contract"], (folder / "Dockerfile").read_text().replace("\\\n", " ")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    named = {match.group(1): stage for stage in stages if (match := re.match(r"\S+ AS (\S+)", stage))}
    last = stages[-1]
    if last.split()[0] in named:
        last = named[last.split()[0]] + last
    words = [word for line in re.findall(r"apt-get install ([^&]*)", last) for word in line.split()]
    installed = {re.sub(r"-(\d+|\$\w+)$", "", word.strip('"')) for word in words if not word.startswith("-")}
    programs = {program for package in installed for program in BASES["packages"].get(package, [])}
    for stage, sources, target in COPY.findall(last):
        if re.match(r"/usr/(local/)?bin/", target):
            programs |= copied(named.get(stage, ""), sources.split(), target)
    if "CADDY_IMAGE" in last.split()[0]:
        programs |= published(FACTS["caddy"], FACTS["caddy"]["version"]).programs
    else:
        programs |= of_base("debian-13-slim")
    # What an operator brings: the programs of the application's folder bin/.
    programs |= {path[len("bin/"):] for path in told.get("context", {}).get("required", []) if path.startswith("bin/")}
    command = contract["command"]
    return Image(
        frozenset(programs), int(contract["user"].partition(":")[0]), True, contract["entrypoint"], command,
        command[:1], [contract["stop_signal"]] if "stop_signal" in contract else ["SIGTERM"], contract["ports"],
        re.findall(r"^VOLUME (\S+)", last, re.MULTILINE), contract["data"] + contract["tmpfs"], {}, [],
        not contract["entrypoint"])


def image_of(reference):
    """The image behind a reference."""
    name = split_reference(reference)[0]
    path = name.partition("/")[2]
    if path in BUILT:
        return built(BUILT[path])
    [told] = [told for told in FACTS.values() if told.get("image") == name]
    return published(told, reference)


class Use(NamedTuple):
    """What a rendered role does with its image."""

    image: Image
    reference: str
    arguments: dict
    containers: dict
    description: dict

    def scripts(self):
        """Contents of the shell scripts that it mounts."""
        folder = f"/opt/trenova/{self.arguments['name']}/config/"
        return {entry["path"][len(folder):]: entry["content"] for entry in self.arguments["files"]
                if entry["path"].startswith(folder) and entry["content"].startswith("#!")}

    def programs(self):
        """Programs of the images of all its containers: jobs may run in that of the server that they work on."""
        return self.image.programs.union(*(
            image_of(container["image"]).programs for container in self.containers.values()))

    def texts(self):
        """Everything that tells a server where to listen."""
        return "\n".join(entry["content"] for entry in self.arguments["files"])

    def commands(self):
        """(what for, command) of everything that is run in its containers, beside scripts."""
        for name, container in self.containers.items():
            entrypoint = container.get("entrypoint")
            if entrypoint:
                yield f"entrypoint of {name}", entrypoint
            # What an entrypoint of ours is handed are its words; one that is published runs them.
            elif container.get("command") and self.image.runs_command:
                yield f"command of {name}", container["command"]
            test = (container.get("healthcheck") or {}).get("test") or []
            if test:
                kind, *words = test
                words = [word.replace("$$", "$") for word in words]
                yield f"health check of {name}", ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        for entry in self.arguments["reload"]:
            if entry["container"] and entry.get("command"):
                yield "reload", entry["command"]
        for hold in ((self.description.get("rollout") or {}).get("holds") or {}).values():
            yield "hold", hold["before"]
            yield "hold", hold["after"]
        for check in self.description.get("checks", []):
            if "container" in check and "command" in check:
                yield check["name"], check["command"]
        for image in self.arguments["images"]:
            for clause in image["contract"]:
                yield clause["says"], clause.get("command", [])
                for program in clause.get("programs", []):
                    yield clause["says"], [program]


@functools.cache
def use_of(role, variant):
    """What a role does with its image in a variant of the inventory."""
    variables, known = in_play(json.dumps(VARIANTS[variant]))
    arguments = by_plan(role, variables, known)
    fragment = next(entry["content"] for entry in arguments["files"]
                    if entry["path"] == f"/opt/trenova/{role}/compose.yaml")
    containers = yaml.safe_load(fragment)["services"]
    [image] = arguments["images"]
    return Use(image_of(image["reference"]), image["reference"], arguments, containers, known.services[role])


def mounts(container):
    """(target, source, whether it can be written to) of what is mounted into a container; of a tmpfs without source."""
    found = []
    for entry in container.get("volumes", []):
        if isinstance(entry, dict):
            found.append((entry["target"], entry["source"], not entry.get("read_only")))
        else:
            source, target, *options = entry.split(":")
            found.append((target, source, options != ["ro"]))
    return found + [(entry.partition(":")[0], None, True) for entry in container.get("tmpfs", [])]


def covers(target, path):
    """Whether a mount holds a path."""
    return path == target or path.startswith(target.rstrip("/") + "/")


every_use = pytest.mark.parametrize(("role", "variant"), CASES)


@every_use
def test_every_program_that_is_called_is_in_the_image(role, variant):
    use = use_of(role, variant)
    missing = {}
    for what, command in use.commands():
        for program in shell_programs.of_command(command) - shell_programs.BUILTINS:
            if program.rpartition("/")[2] not in use.image.programs and program not in use.image.entrypoint:
                missing.setdefault(program, set()).add(what)
    for name, content in use.scripts().items():
        for program in shell_programs.programs(content):
            if program not in use.programs():
                missing.setdefault(program, set()).add(name)
    assert missing == {}


@every_use
def test_the_user_of_a_container_is_one_with_whom_the_image_works(role, variant):
    use = use_of(role, variant)
    for name, container in use.containers.items():
        uid = int(str(container["user"]).partition(":")[0])
        assert uid == use.image.uid or use.image.any_user, name
        assert uid != 0 or container["cap_drop"] == ["ALL"], name


@every_use
def test_every_volume_of_the_image_is_a_mount_so_that_no_nameless_volume_takes_the_data(role, variant):
    use = use_of(role, variant)
    for name, container in use.containers.items():
        targets = {target for target, _source, _writable in mounts(container)}
        # A mount above would be covered by the nameless volume, and one below would leave it empty and in the way.
        assert set(use.image.volumes) <= targets, name


@every_use
def test_what_the_program_writes_to_can_be_written_to_and_outlives_it_where_it_is_a_volume(role, variant):
    use = use_of(role, variant)
    for name in [each["service"] for each in use.arguments["containers"]]:
        container = use.containers[name]
        assert container["read_only"] is True
        writable = [target for target, _source, can_write in mounts(container) if can_write]
        assert [path for path in use.image.writes if not any(covers(target, path) for target in writable)] == []
        kept = [target for target, source, _can_write in mounts(container) if source]
        assert set(use.image.volumes) <= set(kept), name


@every_use
def test_a_container_is_stopped_by_a_signal_on_which_the_program_ends_in_order(role, variant):
    use = use_of(role, variant)
    for name in [each["service"] for each in use.arguments["containers"]]:
        signal = use.containers[name].get("stop_signal")
        assert signal is None or signal in use.image.stop_signals, name


@every_use
def test_every_endpoint_is_a_port_of_the_image_or_one_that_the_role_sets(role, variant):
    use = use_of(role, variant)
    for name, endpoint in (use.description.get("endpoints") or {}).items():
        assert endpoint["port"] in use.image.ports or re.search(rf"\b{endpoint['port']}\b", use.texts()), name


@every_use
def test_a_program_with_a_file_capability_may_have_it(role, variant):
    use = use_of(role, variant)
    for program, capabilities in use.image.file_capabilities.items():
        for name, container in use.containers.items():
            assert set(capabilities) <= set(container.get("cap_add", [])), (name, program)
        for clause in use.arguments["images"][0]["contract"]:
            if program in {word for each in [clause.get("command", [])] for word in shell_programs.of_command(each)}:
                assert set(capabilities) <= set(clause.get("capabilities", [])), program


@every_use
def test_the_entrypoint_does_its_work_for_the_command(role, variant):
    use = use_of(role, variant)
    for name in [each["service"] for each in use.arguments["containers"]]:
        container = use.containers[name]
        if "entrypoint" not in container and use.image.entrypoint and role in PUBLISHED:
            command = container.get("command") or use.image.command
            assert command[0] in use.image.first_words, name


@every_use
def test_what_the_entrypoint_would_make_is_there(role, variant):
    use = use_of(role, variant)
    files = {entry["path"] for entry in [*use.arguments["files"], *use.arguments["secret_files"]]}
    for name, container in use.containers.items():
        for needed in use.image.must_exist:
            path = (container.get("environment") or {}).get(needed["variable"], needed["path"])
            target, source, can_write = max(
                (mount for mount in mounts(container) if covers(mount[0], path)), default=("", None, False),
                key=lambda mount: len(mount[0]))
            assert can_write or source and source + path[len(target):] in files, (name, path)


@pytest.mark.parametrize("variant", [variant for role, variant in CASES if role == "postgres"])
def test_data_of_each_major_lies_in_the_directory_that_is_mounted(variant):
    use = use_of("postgres", variant)
    [container] = use.containers.values()
    told = FACTS["postgres"]
    facts = {**told["facts"], **told["majors"].get(str(image_major(use.reference)), {})}
    data = (container.get("environment") or {}).get("PGDATA", facts["environment"]["is"]["PGDATA"])
    kept = [(target, source) for target, source, _writable in mounts(container) if source and covers(target, data)]
    assert kept == [(facts["volumes"]["is"][0], "/var/lib/trenova/postgres")]


@pytest.mark.parametrize(("lies", "major", "answer"), [
    ("", "17", 0), ("", "18", 1), ("18/docker", "18", 0), ("18/docker", "19", 1), ("18/docker", "17", 1)])
def test_the_contract_finds_the_data_where_the_image_of_each_major_keeps_it(tmp_path, lies, major, answer):
    [clause] = [each for each in use_of("postgres", "usual").arguments["images"][0]["contract"] if "state" in each]
    (tmp_path / lies).mkdir(parents=True, exist_ok=True)
    (tmp_path / lies / "PG_VERSION").write_text(f"{lies.partition('/')[0] or 17}\n")
    told = subprocess.run(
        [word.replace("/state", str(tmp_path)) for word in clause["command"]], env={**os.environ, "PG_MAJOR": major},
        capture_output=True, text=True, check=False)
    assert told.returncode == answer, told.stderr


# -- The facts themselves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", PUBLISHED)
def test_facts_are_of_the_version_that_the_role_names(role):
    assert use_of(role, "usual").reference == f"{FACTS[role]['image']}:{FACTS[role]['version']}"


def test_every_role_with_an_image_has_facts_or_builds_it():
    for role in WITH_IMAGE:
        reference = use_of(role, "usual").reference
        assert role in PUBLISHED or split_reference(reference)[0].partition("/")[2] in BUILT, role


@pytest.mark.parametrize("role", FACTS)
def test_every_fact_has_a_line_of_a_source(role):
    told = FACTS[role]
    facts = [*told.get("facts", {}).items(), *(
        entry for major in told.get("majors", {}).values() for entry in major.items())]
    for name, fact in [*facts, *(("behaviour", entry) for entry in told.get("behaviour", []))]:
        assert fact.keys() <= {"is", "at", "says"}, name
        assert AT.fullmatch(fact["at"]), name
        assert fact["at"].partition(":")[0] in told["sources"], name
    for source in told["sources"].values():
        assert COMMIT.fullmatch(source["commit"])
        assert source.keys() <= {"repository", "commit", "path", "note"}


def test_every_package_of_a_base_has_a_line_of_a_source():
    for base in BASES["bases"].values():
        for package in base["packages"].values():
            assert AT.fullmatch(package["at"])
            assert package["at"].partition(":")[0] in BASES["sources"]
        assert not set(base["lacks"]) & {name for package in base["packages"].values() for name in package["programs"]}


@pytest.mark.parametrize("role", PUBLISHED)
def test_what_an_image_lacks_is_nothing_that_it_has(role):
    image = published(FACTS[role], FACTS[role]["version"])
    assert not set(FACTS[role]["facts"]["lacks"]["is"]) & image.programs


# -- The reader of scripts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("script", "called"), [
    ("curl -s x | jq .", {"curl", "jq"}),
    ("a=$(cat /x) b=1 sort", {"cat", "sort"}),
    ('echo "it is $(date -u)"', {"date"}),
    ("if ! grep -q x y; then rm y; fi", {"grep", "rm"}),
    ("for i in 1 2; do sleep 1; done", {"sleep"}),
    ("case $1 in a|b) cut -f1 ;; *) tr a b ;; esac", {"cut", "tr"}),
    ("f() { wc -l; }; f <x >y 2>&1", {"wc"}),
    ("exec 3<>/dev/tcp/1.1.1.1/1; exec caddy run", {"caddy"}),
    ("timeout 5 psql -c x", {"timeout", "psql"}),
    ("find . -name '*.gz' -exec gunzip {} +", {"find", "gunzip"}),
    ("head -c 5 x # | tail", {"head"}),
    ("pg_config --dir 2>/dev/null || ls", {"ls"}),
    ("command -v curl >/dev/null || wget x", {"wget"}),
    ('[ "$(cat a)" = b ] && "$0" "$@"', {"cat"}),
    ("echo 'not | a program'", set()),
    ("cat >x <<'END'\nSELECT $(no) FROM b;\nEND\nsync", {"cat", "sync"}),
    ("cat <<END | tr a b\nnone \"here\", but $(wc -l x)\nEND\nsync", {"cat", "tr", "wc", "sync"}),
    ("x=$(($(du -s a) + 1)); seq $((1 + 2))", {"seq"}),
    ("while IFS= read -r line; do sed p; done <x", {"sed"}),
])
def test_programs_of_a_script(script, called):
    assert shell_programs.programs(script) == called


def test_a_command_is_read_with_the_script_that_it_is_handed():
    assert shell_programs.of_command(["sh", "-c", "redis-cli ping | grep PONG"]) == {"sh", "redis-cli", "grep"}
    assert shell_programs.of_command(["pg_isready", "--quiet"]) == {"pg_isready"}
