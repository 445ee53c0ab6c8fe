# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The scripts of the backup role: what is written for which services, and what they do when they run."""

from __future__ import annotations

import base64
import functools
import json
import pathlib
import re
import shutil
import stat
import subprocess

import pytest
import test_bundle
import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils import description
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import Member

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "roles/backup/templates"
EXTERNAL = {
    "postgres_mode": "external", "postgres_external_host": "db.trucks.co", "redis_mode": "external",
    "redis_external_host": "redis.trucks.co", "minio_mode": "external", "minio_external_endpoint": "s3.trucks.co"}
AWAY = {
    "backup_target": "s3", "backup_s3_endpoint": "https://s3.else.co", "backup_s3_bucket": "away",
    "backup_s3_access_key": "key", "trenova_backup_s3_secret_key": "Secret-key_of-another-bucket",
    "backup_mail_to": "ops@trucks.co", "backup_smtp_host": "mail.trucks.co"}
CASES = {
    "managed": {},
    "external": EXTERNAL,
    "away": AWAY,
    "nothing to save": {"trenova_roles": ["docker", "backup"]},
    "directories alone": {"trenova_roles": ["docker", "caddy", "backup"]},
}
#: A service of one's own that has all kinds of state.
LEDGER = description.resolved({
    "title": "Ledger of \"Trucks & Co\"", "containers": {"main": {"name": "ledger"}},
    "endpoints": {"sql": {"port": 5433}, "s3": {"port": 9000}, "cache": {"port": 6380}},
    "state": [
        {"path": "ledger/it's here", "backup": {"kind": "directory"}},
        {"path": "ledger/it's here/tmp", "backup": {"kind": "none", "because": "it is made anew"}},
        {"path": "ledger/sql", "backup": {
            "kind": "postgres", "endpoint": "sql", "login": "reader", "databases": ["books", "it's"], "ca": "THE CA",
            "sslmode": "verify-full", "password_variable": "trenova_ledger_sql_password"}},
        {"path": "ledger/objects", "backup": {
            "kind": "objects", "endpoint": "s3", "tls": True, "region": "eu", "access_key": "ledger",
            "password_variable": "trenova_ledger_s3_password"}},
        {"path": "ledger/cache", "backup": {
            "kind": "redis", "endpoint": "cache", "password_variable": "trenova_ledger_redis_password"}}],
}, Project(), Member("ledger", "trucks", 1))
PASSWORDS = {
    f"trenova_ledger_{store}_password": f"Password-of_the-ledgers-{store}" for store in ("sql", "s3", "redis")}


def bundle(more, ledger=False):
    """All that the backup is made of, with the service of one's own beside ours where that is wished."""
    variables, known = test_bundle.in_play(json.dumps(more))
    if ledger:
        variables = dict(variables, **PASSWORDS)
        known = known.but(services=dict(known.services, ledger=LEDGER))
    action = test_bundle.action_for(variables)
    seen = test_bundle.catalogue.role_variables(action, test_bundle.catalogue.role_path("backup"), variables)
    return Bundle(action, seen, known, "backup")


def contents(more, ledger=False):
    """{path below the directory of the role, or absolute: content} of its files."""
    return _contents(json.dumps(more), ledger)


@functools.cache
def _contents(more, ledger):
    arguments = bundle(json.loads(more), ledger).arguments()
    found = {entry["path"]: entry["content"] for entry in arguments["files"]}
    found.update({
        entry["path"]: base64.b64decode(entry["content"]).decode() for entry in arguments["secret_files"]})
    return {path.removeprefix("/opt/trenova/backup/"): content for path, content in found.items()}


def jobs(more, ledger=False):
    return yaml.safe_load(contents(more, ledger)["compose.yaml"])["services"]


def test_the_role_knows_no_service_by_name():
    texts = [path.read_text() for path in [*TEMPLATES.rglob("*"), ROOT / "roles/backup/meta/service.yml"]
             if path.is_file()]
    assert len(texts) > 10
    by_name = re.compile(r"services\s*[.\[]|\bavailable\b|uses:|needs:")
    assert [match.group() for text in texts for match in by_name.finditer(text)] == []


@pytest.mark.parametrize("ledger", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_scripts_are_sound(case, ledger, tmp_path):
    scripts = {path: content for path, content in contents(CASES[case], ledger).items() if path.endswith(".sh")}
    assert {"config/backup.sh", "config/check.sh"} <= set(scripts)
    for path, content in scripts.items():
        assert content.startswith("#!/bin/sh\n"), path
        script = tmp_path / pathlib.Path(path).name
        script.write_text(content)
        subprocess.run(["sh", "-n", script], check=True)
        if shutil.which("shellcheck"):
            done = subprocess.run(
                ["shellcheck", "--severity=warning", script], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_a_backup_that_has_nothing_to_save_needs_no_login():
    found = contents(CASES["nothing to save"])
    assert [path for path in found if path.startswith("secrets/")] == []
    for job in yaml.safe_load(found["compose.yaml"])["services"].values():
        assert not any("secrets" in str(volume) for volume in job["volumes"])


def test_each_login_is_for_its_own_server():
    found = contents({}, ledger=True)
    password = test_bundle.in_play()[0]["trenova_backup_password"]
    assert found["secrets/pgpass"].splitlines() == [
        "tren-ledger:5433:*:reader:Password-of_the-ledgers-sql", f"tren-db:5432:*:trenova_backup:{password}"]
    assert "cache-redis.rdb" not in found["secrets/redis-passwords"]
    assert "ledger-redis.rdb Password-of_the-ledgers-redis\n" in found["secrets/redis-passwords"]
    rclone = found["secrets/rclone.conf"]
    assert re.findall(r"^\[.*\]$", rclone, re.MULTILINE) == ["[ledger-objects]", "[objects]"]
    assert "endpoint = https://tren-ledger:9000\nregion = eu\naccess_key_id = ledger\n" in rclone
    assert "endpoint = http://tren-minio:9000\n" in rclone
    assert found["config/postgres-ca.pem"] == "THE CA\n"


def test_a_password_of_somebody_elses_postgres_is_that_of_the_application():
    variables = test_bundle.in_play(json.dumps(EXTERNAL))[0]
    assert contents(EXTERNAL)["secrets/pgpass"] == (
        f"db.trucks.co:5432:*:trenova:{variables['trenova_postgres_password']}\n")


def test_passwords_of_others_are_masked_like_its_own():
    assert set(PASSWORDS.values()) <= set(bundle({}, ledger=True).secrets)


def test_no_password_lies_in_a_file_that_all_may_read():
    arguments = bundle({}, ledger=True).arguments()
    text = json.dumps(arguments["files"])
    assert [value for value in PASSWORDS.values() if value in text] == []


def test_all_that_is_saved_is_started_before():
    needs = bundle({}, ledger=True).arguments()["needs"]
    assert {"caddy", "minio", "postgres", "redis", "ledger"} <= set(needs)
    assert {"backup", "client", "rabbitmq"} & set(needs) == set()


def test_stores_elsewhere_are_saved_although_their_roles_take_no_part():
    script = contents(dict(EXTERNAL, trenova_roles=["docker", "backup"]))["config/backup.sh"]
    assert "use_postgres db.trucks.co 5432 trenova require" in script
    assert "save_redis redis.trucks.co" in script
    assert "step minio objects objects mirror_objects objects" in script


def test_stores_that_are_nowhere_are_not_saved():
    script = contents(CASES["nothing to save"])["config/backup.sh"]
    assert [line for line in script.splitlines() if line.startswith("step ")] == [
        "step backup manifest manifest.json write_manifest", 'step backup "removal of old backups" "" remove_old']


def test_only_what_is_elsewhere_opens_a_way_out():
    assert jobs({})["backup"]["networks"] == ["data"]
    assert jobs(EXTERNAL)["backup"]["networks"] == ["data", "edge"]


def test_root_packs_directories_and_may_do_nothing_else():
    job = jobs({}, ledger=True)["backup-directories"]
    assert (job["user"], job["cap_drop"], job["cap_add"]) == ("0:10002", ["ALL"], ["DAC_READ_SEARCH"])
    assert job["network_mode"] == "none"
    assert "networks" not in job
    assert job["read_only"]
    assert job["security_opt"] == ["no-new-privileges:true"]
    mounts = [volume for volume in job["volumes"] if isinstance(volume, dict)]
    assert [volume for volume in job["volumes"] if not (volume in mounts or volume.endswith(":ro"))] == []
    [writable] = [mount for mount in mounts if not mount.get("read_only")]
    assert (writable["source"], writable["target"]) == ("/var/lib/trenova/backup-directories", "/packed")
    mounts.remove(writable)
    assert {mount["source"]: mount["target"] for mount in mounts} == {
        "/var/lib/trenova/caddy/data": "/state/directory-caddy-caddy-data.tar.zst",
        "/var/lib/trenova/ledger/it's here": "/state/directory-ledger-ledger-it's here.tar.zst"}
    assert all(mount["read_only"] and not mount["bind"]["create_host_path"] for mount in mounts)
    assert not any("secrets" in str(volume) for volume in job["volumes"])


def test_what_root_packs_is_for_the_backup_alone():
    [directory] = [entry for entry in bundle({}).arguments()["directories"] if "backup-directories" in entry["path"]]
    assert (directory["owner"], directory["group"], directory["mode"]) == (0, 10002, "0750")


def test_the_other_jobs_have_no_capability_and_cannot_change_what_was_packed():
    for name, job in jobs(AWAY, ledger=True).items():
        if name != "backup-directories":
            assert (job["user"], job["cap_drop"], "cap_add" in job) == ("10002:10002", ["ALL"], False), name
            assert {"type": "bind", "source": "/var/lib/trenova/backup-directories", "target": "/packed",
                    "read_only": True, "bind": {"create_host_path": False}} in job["volumes"], name


def test_without_a_declared_directory_nothing_runs_as_root():
    more = {"trenova_roles": ["docker", "postgres", "backup"]}
    found = contents(more)
    assert "backup-directories" not in jobs(more)
    assert "config/directories.sh" not in found
    assert "/packed" not in found["compose.yaml"]
    assert "backup-directories" not in found["/etc/systemd/system/trenova-backup.service"]


def test_the_unit_packs_before_it_saves_and_saves_although_packing_failed():
    unit = contents({})["/etc/systemd/system/trenova-backup.service"]
    starts = re.findall(r"^ExecStart=(-?).* (\S+)$", unit, re.MULTILINE)
    assert starts == [("-", "backup-directories"), ("", "backup")]
    assert re.findall(r"^(Exec\w+)=-/usr/bin/find (\S+) -mindepth 1 -delete$", unit, re.MULTILINE) == [
        ("ExecStartPre", "/var/lib/trenova/backup-directories"),
        ("ExecStopPost", "/var/lib/trenova/backup-directories")]


# -- What the scripts do ----------------------------------------------------------------------------------------------

#: Stand-ins of the programs that talk to stores. They write what is asked for, and fail where a file says so.
STUBS = {
    "pg_dump": 'for word; do case $word in --file=*) echo "$PGHOST $PGSSLMODE" >"${word#--file=}";; esac; done',
    "pg_dumpall": 'for word; do case $word in --file=*) echo roles >"${word#--file=}";; esac; done',
    "pg_restore": 'cat "$2"',
    "psql": "echo 170004",
    "redis-cli": 'for word; do file=$word; done; printf "REDIS0011 %s" "$REDISCLI_AUTH" >"$file"',
    "rclone": 'case $1 in lsf) [ ! -e "$0.broken" ] && echo bucket/;; '
              'sync) mkdir -p "$3" && echo object >"$3/object";; esac',
}
needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ["jq", "tar", "zstd"])), reason="jq, tar and zstd, which the image has, are not here")


class Machine:
    """The places that the scripts see, in a directory, and stand-ins of the programs that talk to stores."""

    def __init__(self, root, more, ledger=False):
        self.root = root
        self.files = contents(more, ledger)
        for name in ("state", "packed", "backups", "status", "tmp", "bin", "run/trenova"):
            (root / name).mkdir(parents=True)
        for name, body in STUBS.items():
            program = root / "bin" / name
            program.write_text(f"#!/bin/sh\n{body}\n")
            program.chmod(0o755)
        for path, content in self.files.items():
            if path.startswith(("config/", "secrets/")):
                target = root / "run/trenova" / path
                target.parent.mkdir(exist_ok=True)
                target.write_text(self.moved(content))

    def moved(self, text):
        """A script whose places are those of this machine."""
        return re.sub(r"(?<![\w/.}])/(state|packed|backups|status|tmp|run/trenova)\b", rf"{self.root}/\1", text)

    def run(self, script):
        """Exit code and output of a script."""
        done = subprocess.run(
            ["sh", self.root / "run/trenova/config" / script], capture_output=True, text=True, check=False,
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin", "TZ": "UTC"}, cwd=self.root)
        return done.returncode, done.stdout + done.stderr

    def state(self, file):
        """The directory that is packed to a file, made where it is not there."""
        directory = self.root / "state" / file
        directory.mkdir(exist_ok=True)
        return directory

    def backup(self):
        """(exit code, {step: state}, directory, output) of packing and saving, as the unit does it."""
        packing = self.run("directories.sh")[1] if "config/directories.sh" in self.files else ""
        code, output = self.run("backup.sh")
        status = json.loads((self.root / "status/status.json").read_text())
        assert status["exit_status"] == code
        states = {step["name"]: step["state"] for step in status["steps"]}
        return code, states, self.root / "backups" / status["place"], packing + output


CADDY = "directory-caddy-caddy-data.tar.zst"
LEDGERS = "directory-ledger-ledger-it's here.tar.zst"


@pytest.fixture
def machine(tmp_path):
    """Our services and the one of one's own, with files in their directories."""
    made = Machine(tmp_path, {}, ledger=True)
    (made.state(CADDY) / "root.key").write_text("key")
    for name in ("kept", "tmp", "tmp/gone", "tmpkept", "kept/tmp"):
        (made.state(LEDGERS) / name).mkdir()
    (made.state(LEDGERS) / "kept/book").write_text("42")
    return made


def listing(archive):
    done = subprocess.run(["tar", "--list", f"--file={archive}"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


@needs_tools
def test_a_backup_holds_every_declared_thing_under_its_name(machine):
    code, states, place, output = machine.backup()
    assert (code, set(states.values())) == (0, {"ok"}), output
    assert {path.name for path in place.iterdir()} == {
        CADDY, LEDGERS, "trenova_go_db.dump", "globals.sql", "redis.rdb", "ledger-books.dump", "ledger-it's.dump",
        "ledger-globals.sql", "ledger-redis.rdb", "manifest.json", "SHA256SUMS"}
    assert (machine.root / "backups/objects/current/bucket/object").exists()
    assert (machine.root / "backups/ledger-objects/current/bucket/object").exists()


@needs_tools
def test_each_store_is_asked_at_its_own_place_with_its_own_password(machine):
    place = machine.backup()[2]
    assert (place / "trenova_go_db.dump").read_text() == "tren-db disable\n"
    assert (place / "ledger-books.dump").read_text() == "tren-ledger verify-full\n"
    assert (place / "ledger-redis.rdb").read_text() == "REDIS0011 Password-of_the-ledgers-redis"
    assert "ledgers" not in (place / "redis.rdb").read_text()


@needs_tools
def test_an_archive_holds_the_files_and_not_what_is_declared_below(machine):
    place = machine.backup()[2]
    assert listing(place / CADDY) == {"./", "./root.key"}
    assert listing(place / LEDGERS) == {"./", "./kept/", "./kept/book", "./kept/tmp/", "./tmpkept/"}


@needs_tools
def test_archives_are_for_the_group_of_the_backup_and_then_for_it_alone(machine):
    place = machine.backup()[2]
    assert stat.S_IMODE((machine.root / "packed" / CADDY).stat().st_mode) == 0o640
    assert stat.S_IMODE((place / CADDY).stat().st_mode) == 0o600


@needs_tools
def test_status_and_manifest_list_every_step_with_its_service(machine):
    place = machine.backup()[2]
    manifest = json.loads((place / "manifest.json").read_text())
    told = [(step["service"], step["name"], step["file"]) for step in manifest["steps"]]
    assert told == [
        ("caddy", "directory caddy/data", CADDY),
        ("ledger", "directory ledger/it's here", LEDGERS),
        ("ledger", "database books of ledger", "ledger-books.dump"),
        ("ledger", "database it's of ledger", "ledger-it's.dump"),
        ("ledger", "roles of ledger", "ledger-globals.sql"),
        ("postgres", "database trenova_go_db", "trenova_go_db.dump"),
        ("postgres", "roles", "globals.sql"),
        ("ledger", "objects of ledger", "ledger-objects"),
        ("minio", "objects", "objects"),
        ("ledger", "redis of ledger", "ledger-redis.rdb"),
        ("redis", "redis", "redis.rdb")]
    status = json.loads((machine.root / "status/status.json").read_text())
    assert [step["service"] for step in status["steps"]] == [entry[0] for entry in told] + ["backup", "backup"]
    assert status["objects_bytes"] > 0


@needs_tools
def test_checksums_cover_the_archives_and_the_manifest(machine):
    place = machine.backup()[2]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=place, check=True)
    assert {CADDY, LEDGERS, "manifest.json"} <= {
        line.partition("  ./")[2] for line in (place / "SHA256SUMS").read_text().splitlines()}


@needs_tools
def test_a_directory_that_cannot_be_packed_fails_the_backup_which_saves_everything_else(machine):
    shutil.rmtree(machine.state(CADDY))
    code, states, place, output = machine.backup()
    assert code == 1
    assert {name for name, state in states.items() if state == "failed"} == {"directory caddy/data"}
    assert place.name.endswith(".incomplete")
    assert {"trenova_go_db.dump", LEDGERS} <= {path.name for path in place.iterdir()}
    assert f"did not pack {CADDY}" in output
    assert not (machine.root / "packed" / (CADDY + ".part")).exists()


@needs_tools
@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda _text: b"", lambda _text: b"no archive"])
def test_an_archive_that_cannot_be_listed_fails_the_backup(machine, damage):
    (machine.state(CADDY) / "more").write_bytes(bytes(range(256)) * 4096)
    assert machine.run("directories.sh")[0] == 0
    archive = machine.root / "packed" / CADDY
    archive.write_bytes(damage(archive.read_bytes()))
    assert machine.run("backup.sh")[0] == 1
    steps = json.loads((machine.root / "status/status.json").read_text())["steps"]
    assert [step["name"] for step in steps if step["state"] == "failed"] == ["directory caddy/data"]


@needs_tools
def test_a_directory_that_changes_while_it_is_read_is_packed_again(machine):
    tar = machine.root / "bin/tar"
    tar.write_text('#!/bin/sh\n/usr/bin/env -i PATH=/usr/bin:/bin tar "$@"; echo >>"$0.runs"; '
                   '[ "$(wc -l <"$0.runs")" -gt 1 ] && exit 0; exit 1\n')
    tar.chmod(0o755)
    code, output = machine.run("directories.sh")
    assert code == 0, output
    # Once more for the first of two directories.
    assert len((machine.root / "bin/tar.runs").read_text().splitlines()) == 3


@needs_tools
def test_a_directory_that_never_holds_still_is_not_packed(machine):
    tar = machine.root / "bin/tar"
    tar.write_text('#!/bin/sh\n/usr/bin/env -i PATH=/usr/bin:/bin tar "$@"; exit 1\n')
    tar.chmod(0o755)
    assert machine.run("directories.sh")[0] == 1
    assert list((machine.root / "packed").iterdir()) == []


@needs_tools
def test_object_storage_that_does_not_answer_fails_the_backup_and_is_told(machine):
    (machine.root / "bin/rclone.broken").write_text("")
    code, states, _place, _output = machine.backup()
    assert code == 1
    assert {name for name, state in states.items() if state == "failed"} == {"objects", "objects of ledger"}


@needs_tools
def test_a_backup_of_nothing_is_one(tmp_path):
    code, states, place, output = Machine(tmp_path, CASES["nothing to save"]).backup()
    assert (code, states) == (0, {"manifest": "ok", "removal of old backups": "ok"}), output
    assert json.loads((place / "manifest.json").read_text())["steps"] == []


@needs_tools
def test_copies_elsewhere_hold_the_objects_of_all_stores(tmp_path):
    made = Machine(tmp_path, AWAY, ledger=True)
    (tmp_path / "bin/rclone").write_text(
        '#!/bin/sh\ncase $1 in lsf) echo bucket/;; esac; echo "$*" >>"$0.told"\n')
    for file in (CADDY, LEDGERS):
        made.state(file)
    code, _states, _place, output = made.backup()
    told = (tmp_path / "bin/rclone.told").read_text()
    assert code == 0, output
    for store in ("objects", "ledger-objects"):
        assert f"{tmp_path}/backups/{store}/current away:away/{store}/current" in told
    assert "--include /*objects/replaced/**" in told
