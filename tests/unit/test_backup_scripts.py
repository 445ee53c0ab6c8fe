# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The files of the backup role: what is written for which services, and who may read what."""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import threading

import pytest
import test_bundle
import yaml
from backup_figures import FIGURES

from ansible_collections.trenova.selfhost.plugins.plugin_utils import description
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import Member

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "roles/backup/templates"
EXTERNAL = {
    "postgres_mode": "external", "postgres_external_host": "db.trucks.co", "redis_mode": "external",
    "redis_external_host": "redis.trucks.co", "minio_mode": "external", "minio_external_endpoint": "s3.trucks.co"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAbCd\n-----END OPENSSH PRIVATE KEY-----\n"
AWAY = {
    "backup_targets": [
        {"name": "offsite", "s3": {"endpoint": "https://s3.else.co", "bucket": "away", "access_key": "key"}},
        {"name": "box", "sftp": {"host": "box.else.co", "user": "erp", "host_key": "ssh-ed25519 AAAA"}}],
    "trenova_backup_s3_secret_key": "Secret-key_of-another-bucket", "trenova_backup_sftp_key": KEY,
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
            "sslmode": "verify-full", "password_variable": "trenova_ledger_sql_password", "name": "sql"}},
        {"path": "ledger/objects", "backup": {
            "kind": "objects", "endpoint": "s3", "tls": True, "region": "eu", "access_key": "ledger",
            "password_variable": "trenova_ledger_s3_password", "name": "books"}},
        {"path": "ledger/cache", "backup": {
            "kind": "redis", "endpoint": "cache", "name": "cache",
            "password_variable": "trenova_ledger_redis_password"}}],
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


SETTINGS = "/usr/local/lib/trenova/trenova_backup/settings.json"


def test_the_program_is_told_the_figures_of_the_plan():
    assert (told_settings({})["figures"], told_settings({})["retention"]["cuts_hours"]) == (FIGURES, 24)
    own = {"left_free_gb": 2.5, "stream_growth": 2, "chain_bases": 3, "cuts_hours": 48, "copy_mb_per_second": 90,
           "cpus": 0.25, "idle_cpus": 2.5}
    found = told_settings({"trenova_plan_overrides": {"backup": own}})
    assert (found["figures"], found["retention"]["cuts_hours"]) == ({
        "copy_bytes_per_second": 90_000_000, "left_free_bytes": 2_500_000_000, "stream_growth": 2,
        "chain_bases": 3, "cpus": 0.25, "idle_cpus": 2.5}, 48)


def test_the_role_knows_no_service_by_name():
    files = [path for path in [*TEMPLATES.rglob("*"), ROOT / "roles/backup/meta/service.yml"]
             if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 10
    by_name = {False: re.compile(r"services\s*[.\[](?!values|items)|\bavailable\b|uses:|needs:"),
               True: re.compile(r"\btren-")}
    assert [match.group() for path in files for match in by_name[path.suffix == ".py"].finditer(path.read_text())] == []


@pytest.mark.parametrize("ledger", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_scripts_are_sound(case, ledger, tmp_path):
    scripts = {path: content for path, content in contents(CASES[case], ledger).items() if path.endswith(".sh")}
    assert {"config/receive.sh", "config/check.sh"} <= set(scripts)
    for path, content in scripts.items():
        assert content.startswith("#!/bin/sh\n"), path
        script = tmp_path / pathlib.Path(path).name
        script.write_text(content)
        subprocess.run(["sh", "-n", script], check=True)
        if shutil.which("shellcheck"):
            done = subprocess.run(
                ["shellcheck", "--severity=warning", script], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_each_login_is_for_its_own_server():
    found = contents({}, ledger=True)
    password = test_bundle.in_play()[0]["trenova_backup_password"]
    assert found["secrets/stores/pgpass"].splitlines() == [
        "tren-ledger:5433:*:reader:Password-of_the-ledgers-sql", f"tren-db:5432:*:trenova_backup:{password}"]
    assert "cache Password-of_the-ledgers-redis\n" in found["secrets/stores/redis-passwords"]
    rclone = found["secrets/objects/rclone.conf"]
    assert re.findall(r"^\[.*\]$", rclone, re.MULTILINE) == [
        "[store-books]", "[store-objects]", "[target-local]", "[objects-local]"]
    assert "endpoint = https://tren-ledger:9000\nregion = eu\naccess_key_id = ledger\n" in rclone
    assert "endpoint = http://tren-minio:9000\n" in rclone
    assert found["config/postgres-ca.pem"] == "THE CA\n"


def test_who_writes_to_targets_has_no_login_of_a_store_and_who_reads_stores_no_key():
    found = contents(AWAY, ledger=True)
    assert "store-" not in found["secrets/targets/rclone.conf"]
    mounted = {
        name: {volume.split("/")[5].partition(":")[0] for volume in job["volumes"]
               if isinstance(volume, str) and "/backup/secrets/" in volume}
        for name, job in jobs(AWAY, ledger=True).items()}
    assert mounted == {
        "backup-check": {"stores", "targets", "objects"}, "backup-keep": {"targets"},
        "backup-postgres-postgres": {"stores"}, "backup-postgres-sql": {"stores"}, "backup-redis": {"stores"},
        "backup-objects": {"targets", "objects"}, "backup-restore-postgres": set(),
        "backup-directory-installation": set(), "backup-directory-caddy-data": set(),
        "backup-directory-ledger-it-s-here": set()}


def test_a_target_has_its_secret_in_one_line():
    rclone = contents(AWAY)["secrets/targets/rclone.conf"]
    assert "secret_access_key = Secret-key_of-another-bucket\n" in rclone
    assert "key_pem = " in rclone
    assert "BEGIN OPENSSH PRIVATE KEY-----\\nAbCd\\n-----END" in rclone
    assert "type = crypt\nremote = target-offsite:away/erp1/objects\n" in rclone
    assert contents(AWAY)["config/known_hosts"] == "box.else.co ssh-ed25519 AAAA\n"


def test_what_lies_in_the_targets_brings_an_installation_back_without_its_inventory():
    variables = test_bundle.in_play()[0]
    told = json.loads(contents({})["secrets/installation/secrets.json"])
    assert told == {name: value for name, value in variables.items() if name in told}
    assert {"trenova_postgres_password", "trenova_backup_key", "trenova_admin_password"} <= set(told)
    stores = {store["store"]: store for store in json.loads(contents({})[SETTINGS])["stores"]}
    assert "installation" in stores


def test_a_password_of_somebody_elses_postgres_is_that_of_the_application():
    variables = test_bundle.in_play(json.dumps(EXTERNAL))[0]
    assert contents(EXTERNAL)["secrets/stores/pgpass"] == (
        f"db.trucks.co:5432:*:trenova:{variables['trenova_postgres_password']}\n")


def test_passwords_of_others_are_masked_like_its_own():
    assert set(PASSWORDS.values()) <= set(bundle({}, ledger=True).secrets)


@pytest.mark.parametrize("more", [{}, AWAY])
def test_no_secret_lies_in_a_file_that_all_may_read(more):
    arguments = bundle(more, ledger=True).arguments()
    text = json.dumps(arguments["files"])
    variables = test_bundle.in_play(json.dumps(more))[0]
    ours = [variables["trenova_backup_key"], *PASSWORDS.values(), "Secret-key_of-another-bucket", "AbCd"]
    assert [value for value in ours if value in text] == []


def test_all_that_is_saved_is_started_before():
    needs = bundle({}, ledger=True).arguments()["needs"]
    assert {"caddy", "minio", "postgres", "rabbitmq", "redis", "ledger"} <= set(needs)
    assert {"backup", "client"} & set(needs) == set()


def told_stores(more, ledger=False):
    return {store["store"]: store for store in json.loads(contents(more, ledger)[SETTINGS])["stores"]}


def test_stores_elsewhere_are_saved_although_their_roles_take_no_part():
    stores = told_stores(dict(EXTERNAL, trenova_roles=["docker", "backup"]))
    postgres = stores["postgres"]
    assert (postgres["host"], postgres["login"], postgres["sslmode"], postgres["physical"]) == (
        "db.trucks.co", "trenova", "require", False)
    assert stores["redis"]["host"] == "redis.trucks.co"
    assert stores["objects"]["job"] == "backup-objects"


def test_stores_that_are_nowhere_are_not_saved():
    assert list(told_stores(CASES["nothing to save"])) == ["installation"]


def test_each_store_has_a_job_that_is_there():
    for case in CASES.values():
        there = jobs(case, ledger=True)
        settings = json.loads(contents(case, ledger=True)[SETTINGS])
        assert {store["job"] for store in settings["stores"]} <= set(there)
        assert set(settings["jobs"]) <= set(there)


def test_a_server_is_read_by_programs_of_its_own_version():
    found = jobs(EXTERNAL)
    assert found["backup-postgres-postgres"]["image"] == found["backup-keep"]["image"]
    assert jobs({})["backup-postgres-postgres"]["image"] == "docker.io/library/postgres:17.11"


def test_only_what_is_elsewhere_opens_a_way_out():
    assert {name: job.get("networks", job.get("network_mode")) for name, job in jobs({}).items()} == {
        "backup-check": ["data"], "backup-keep": "none", "backup-postgres-postgres": ["data"],
        "backup-restore-postgres": "none", "backup-redis": ["data"], "backup-objects": ["data"],
        "backup-directory-installation": "none",
        "backup-directory-caddy-data": "none"}
    assert jobs(AWAY)["backup-keep"]["networks"] == ["edge"]
    assert jobs(AWAY)["backup-objects"]["networks"] == ["data", "edge"]
    assert jobs(AWAY)["backup-postgres-postgres"]["networks"] == ["data"]
    assert jobs(EXTERNAL)["backup-postgres-postgres"]["networks"] == ["data", "edge"]


@pytest.mark.parametrize(("store", "path"), [
    ("installation", "/opt/trenova"), ("caddy-data", "/var/lib/trenova/caddy/data"),
    ("ledger-it-s-here", "/var/lib/trenova/ledger/it's here")])
def test_root_reads_a_directory_and_may_do_nothing_else(store, path):
    job = jobs({}, ledger=True)["backup-directory-" + store]
    assert (job["user"], job["cap_drop"], job["cap_add"]) == ("0:10002", ["ALL"], ["DAC_READ_SEARCH"])
    assert job["network_mode"] == "none"
    assert job["read_only"]
    assert job["security_opt"] == ["no-new-privileges:true"]
    mounts = {volume["source"]: volume for volume in job["volumes"] if isinstance(volume, dict)}
    assert mounts.pop("/var/lib/trenova/backup/pipes")["target"] == "/pipes"
    [(source, mount)] = mounts.items()
    assert (source, mount["target"], mount["read_only"], mount["bind"]["create_host_path"]) == (
        path, "/state/" + store, True, False)


def test_the_other_jobs_have_no_capability():
    for name, job in jobs(AWAY, ledger=True).items():
        if not name.startswith("backup-directory-"):
            # What recovers does so as the user of the server.
            user = "999:999" if name == "backup-restore-postgres" else "10002:10002"
            assert (job["user"], job["cap_drop"], "cap_add" in job) == (user, ["ALL"], False), name


@pytest.mark.parametrize(("minutes", "there"), [(5, True), (0, False)])
def test_small_backups_can_be_switched_off(minutes, there):
    more = {"backup_cut_minutes": minutes}
    units = {path for path in contents(more) if "backup-cut" in path}
    assert bool(units) is there
    gone = [path for path in bundle(more).arguments()["host_files"] if "backup-cut" in path]
    assert bool(gone) is not there


def test_what_an_earlier_edition_made_outside_of_the_project_goes():
    gone = bundle({"trenova_data_dir": "/srv/data"}).arguments()["host_files"]
    assert {"/usr/local/lib/trenova/backup-unit.py", "/usr/local/lib/trenova/backup-unit.json",
            "/srv/data/backup-directories", "/srv/data/backup/unmailed"} <= set(gone)


def told_settings(more, ledger=False):
    return json.loads(contents(more, ledger)[SETTINGS])


def test_a_drill_starts_one_container_of_each_service_and_logs_in():
    told = told_settings({})["drill"]
    assert {"tren-api", "tren-db", "tren-minio", "tren-caddy"} <= set(told["containers"])
    assert len(told["containers"]) == len(set(told["containers"]))
    assert "ledger" in " ".join(told_settings({}, ledger=True)["drill"]["containers"])
    assert {entry["container"] for entry in told["after_start"]} == {"tren-db", "tren-caddy"}
    assert told["logins"] == []  # no account is known
    [login] = told_settings(SEED)["drill"]["logins"]
    assert (login["container"], login["port"], login["uri"][:4]) == ("tren-api", 3001, "/api")


def test_what_a_calendar_starts_is_made_after_the_start_of_a_host_that_was_off():
    timers = {path: text.splitlines() for path, text in contents({}).items() if path.endswith(".timer")}
    by_calendar = {path for path, lines in timers.items() if any(line.startswith("OnCalendar=") for line in lines)}
    assert {path.rpartition("/")[2] for path in by_calendar} == {"trenova-backup.timer", "trenova-drill.timer"}
    assert {path for path, lines in timers.items() if "Persistent=true" in lines} == by_calendar


SEED = {"api_bootstrap": "seed", "trenova_admin_email": 'a"b@trucks.co'}


def test_the_login_of_a_drill_is_a_secret_of_the_host_alone():
    [login] = json.loads(contents(SEED)["secrets/drill/logins.json"])
    variables = test_bundle.in_play(json.dumps(SEED))[0]
    assert login["body"]["password"] == variables["trenova_admin_password"]
    assert login["body"]["emailAddress"] == SEED["trenova_admin_email"]
    assert json.loads(contents(dict(SEED, backup_drill_login=False))["secrets/drill/logins.json"]) == []
    assert "secrets/drill" not in json.dumps(jobs(SEED))


@pytest.mark.parametrize(("more", "is_due"), [({}, True), ({"backup_drill_schedule": ""}, False), (EXTERNAL, False)])
def test_a_drill_is_due_where_it_is_wished_and_possible(more, is_due):
    """Not where something is somebody else's, which is not there a second time."""
    assert ("/etc/systemd/system/trenova-drill.timer" in contents(more)) is is_due
    assert ("drill" in [schedule["verb"] for schedule in told_settings(more)["schedules"]]) is is_due
    assert bool(told_settings(more)["drill"]) is (more is not EXTERNAL)
    assert "ExecStopPost=/usr/bin/env python3 -B /usr/local/lib/trenova/backup.py drill --remove" in contents(
        more)["/etc/systemd/system/trenova-drill.service"]


# -- What the scripts do ----------------------------------------------------------------------------------------------

class Machine:
    """The places that the scripts see, in a directory."""

    def __init__(self, root):
        self.root = root
        (root / "bin").mkdir()
        for path, content in contents({}, ledger=True).items():
            if path.startswith(("config/", "secrets/")):
                target = root / "run/trenova" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(re.sub(r"(?<![\w/.}])/(tmp|run/trenova|upgrade)\b", rf"{root}/\1", content))
        (root / "tmp").mkdir()
        (root / "upgrade").mkdir()

    def program(self, name, body):
        """A stand-in of a program."""
        (self.root / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.root / "bin" / name).chmod(0o755)

    def start(self, script, *words):
        """A script that runs."""
        return subprocess.Popen(
            ["sh", self.root / "run/trenova/config" / script, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin", "TZ": "UTC"}, cwd=self.root)

    def run(self, script, *words):
        """(exit code, output, errors) of a script."""
        process = self.start(script, *words)
        out, errors = process.communicate(timeout=30)
        return process.returncode, out, errors.decode()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def members(archive):
    return sorted(tarfile.open(fileobj=io.BytesIO(archive)).getnames())


def test_an_archive_holds_the_files_and_not_what_is_declared_below(machine):
    state = machine.root / "state"
    for name in ("kept", "tmp", "tmp/gone", "tmpkept", "kept/tmp"):
        (state / name).mkdir(parents=True)
    (state / "kept/book").write_text("42")
    code, archive, _errors = machine.run("archive.sh", str(state), "--exclude=./tmp")
    assert (code, members(archive)) == (0, [".", "./kept", "./kept/book", "./kept/tmp", "./tmpkept"])


def test_equal_files_make_equal_archives(machine):
    archives = []
    for order in (("a", "b", "c"), ("c", "a", "b")):
        state = machine.root / "".join(order)
        state.mkdir()
        for name in order:
            (state / name).write_text(name)
            os.utime(state / name, (1, 1))
        os.utime(state, (1, 1))
        archives.append(machine.run("archive.sh", str(state))[1])
    assert archives[0] == archives[1]


@pytest.mark.parametrize(("tar_code", "code"), [(0, 0), (1, 0), (2, 1)])
def test_a_file_that_changes_while_it_is_read_is_no_failure_and_one_that_cannot_be_read_is(machine, tar_code, code):
    machine.program("tar", f"exit {tar_code}")
    assert machine.run("archive.sh", "/state")[0] == code


def test_a_directory_that_is_gone_fails(machine):
    code, _archive, errors = machine.run("archive.sh", str(machine.root / "gone"))
    assert (code, "gone" in errors) == (1, True)


def test_redis_is_asked_with_the_password_of_its_store(machine):
    machine.program("redis-cli", 'echo "$REDISCLI_AUTH" "$@"')
    assert machine.run("redis.sh", "tren-ledger", "6380", "cache", "PING")[1].decode() == (
        "Password-of_the-ledgers-redis -h tren-ledger -p 6380 PING\n")


class Passing:
    """A stream on its way through receive.sh."""

    def __init__(self, machine, *extract):
        self.pipe = machine.root / "pipe"
        os.mkfifo(self.pipe)
        self.process = machine.start("receive.sh", str(self.pipe), *extract)
        self.writer = None

    def write(self, content):
        self.writer = threading.Thread(target=self.pipe.write_bytes, args=(content,), daemon=True)
        self.writer.start()

    def end(self, word):
        pathlib.Path(f"{self.pipe}.end").write_text(word + "\n")
        out, _errors = self.process.communicate(timeout=30)
        return self.process.returncode, out


def test_a_stream_is_handed_on_whole(machine):
    passing = Passing(machine)
    content = os.urandom(3_000_000)
    passing.write(content)
    assert passing.end("good") == (0, content)


def test_a_stream_whose_writer_failed_is_no_stream(machine):
    passing = Passing(machine)
    passing.write(b"half of it")
    assert passing.end("bad")[0] == 1


def test_nothing_is_good_before_the_writer_said_so(machine):
    passing = Passing(machine)
    passing.write(b"all of it")
    with pytest.raises(subprocess.TimeoutExpired):
        passing.process.wait(0.5)
    assert passing.end("good")[0] == 0


@pytest.mark.parametrize(("word", "is_there"), [("good", True), ("bad", True)])
def test_a_member_of_a_tar_that_passes_by_is_left_besides(machine, word, is_there):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in (("base/1", os.urandom(200_000)), ("backup_manifest", b"the manifest")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    left = machine.root / "manifest"
    passing = Passing(machine, "backup_manifest", str(left))
    passing.write(archive.getvalue())
    code, out = passing.end(word)
    assert (code == 0, out == archive.getvalue()) == (word == "good", True)
    assert left.read_bytes() == b"the manifest"


def test_the_key_of_the_objects_follows_from_the_key_alone(machine):
    machine.program("rclone", 'printf "obscured-"; cat')
    machine.program("show", 'echo "$RCLONE_CRYPT_PASSWORD $RCLONE_CRYPT_PASSWORD2"')
    first = machine.run("objects.sh", "show")[1]
    assert first.decode().split()[0] == "obscured-" + test_bundle.in_play()[0]["trenova_backup_key"]
    assert machine.run("objects.sh", "show")[1] == first
    (machine.root / "run/trenova/secrets/targets/key").write_text("another\n")
    assert machine.run("objects.sh", "show")[1].split()[1] != first.split()[1]


ALWAYS = {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}
#: Limits of time that a server knows, by its major.
LIMITS = {
    13: ALWAYS, 15: ALWAYS | {"idle_session_timeout"}, 18: ALWAYS | {"idle_session_timeout", "transaction_timeout"}}
CLIENT = """
echo "$(basename "$0") $PGHOST $PGUSER ${PGDATABASE:-} $PGOPTIONS" >>%s/clients
for word in "$@"; do case $word in --file=*/passing) cat "${word#*=}" >/dev/null ;; esac; done
[ -t 0 ] || cat >/dev/null
echo told
"""


@pytest.fixture
def upgrade(machine):
    """upgrade.sh with stand-ins of all clients; a call is (exit code, what each client was told)."""
    for name in ("psql", "pg_dump", "pg_dumpall", "vacuumdb"):
        machine.program(name, CLIENT % machine.root)
    machine.program("pg_ctl", "exit 0")

    def call(*words):
        (machine.root / "clients").write_text("")
        code, _out, errors = machine.run("upgrade.sh", *words)
        assert code == 0, errors
        return sorted((machine.root / "clients").read_text().splitlines())
    call.program = machine.program
    call.here = machine.root / "upgrade"
    return call


@pytest.mark.parametrize(("old", "new"), [(13, 15), (15, 18), (18, 18)])
def test_what_is_set_for_a_database_or_a_role_ends_no_upgrade(upgrade, old, new):
    """It wins over the command of a server and loses against what a client brings, which a server has to know."""
    for verb, major in (("start-old", old), ("start-new", new)):
        upgrade.program("postgres", "printf '%s\\tuser\\n' work_mem my_transaction_timeout_ms "
                        + " ".join(LIMITS[major]))
        upgrade(verb, "", "replica", "10", "32MB")
    told = {"old": [], "new": []}
    for words in (["globals"], ["database", "it's"], ["analyze", "2"], ["facts", "old", "dbname='x'", "1"],
                  ["facts", "new", "dbname='x'", "1"], ["contents", "old", "it's"], ["contents", "new", "it's"],
                  ["asked", "old"], ["asked", "new"]):
        seen = upgrade(*words)
        assert seen
        for line in seen:
            name, place, user, *_more = line.split()
            assert user == "postgres"
            assert name not in ("pg_dump", "pg_dumpall") or place == f"{upgrade.here}/old"
            told[pathlib.Path(place).name].append(line)
    assert {line.split()[0] for line in told["old"]} == {"pg_dump", "pg_dumpall", "psql"}
    assert {line.split()[0] for line in told["new"]} == {"psql", "vacuumdb"}
    for server, major, is_read_only in (("old", old, "on"), ("new", new, "off")):
        for line in told[server]:
            brought = dict(word.split("=") for word in line.split(" -c ")[1:])
            assert {name for name in brought if name.endswith("_timeout")} == LIMITS[major]
            assert {brought[name] for name in LIMITS[major]} == {"0"}
            assert brought["default_transaction_read_only"] == is_read_only
            # Passwords would stand in a log.
            assert (brought["log_statement"], brought["session_preload_libraries"]) == ("none", "")


def test_a_database_is_named_as_it_is(upgrade):
    upgrade.program("postgres", "echo work_mem")
    for verb in ("start-old", "start-new"):
        upgrade(verb, "", "replica", "10", "32MB")
    name = "odd'name=1"
    assert [line.split()[3] for line in upgrade("database", name) if line.startswith("pg_dump ")] == [name]
    assert [line.split()[3] for line in upgrade("contents", "new", name)] == [name]
