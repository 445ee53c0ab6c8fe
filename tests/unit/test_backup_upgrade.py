# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL's next major: what stands in its way, what is compared, and that an interruption anywhere loses nothing.

Real servers are there in test_backup_upgrade_servers, and with the whole stack in molecule/upgrade_postgres.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import errno
import itertools
import json
import os
import pathlib
import subprocess
import sys
import types

import pytest
import test_bundle

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import records  # noqa: E402  # found by the line above
from trenova_backup.errors import BackupError, Interrupted  # noqa: E402
from trenova_backup.files import stamp_of, write_json  # noqa: E402
from trenova_backup.restore import copies, journal, laying  # noqa: E402
from trenova_backup.restore.verbs import recorded  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402
from trenova_backup.upgrade import comparison, findings, moving, report, run, target, verbs  # noqa: E402
from trenova_backup.upgrade.rehearsal import Rehearsal  # noqa: E402

from ansible_collections.trenova.selfhost.plugins.action import upgrade_postgres  # noqa: E402

BEGIN = 1_790_000_000
NEXT = target.Next("postgres:17.11", 17)
#: What a server of 15 has told, as config/asked.sql does.
TOLD = {
    "database": "postgres", "extensions": ["plpgsql"], "version": 15, "version_text": "15.20", "preloaded": "",
    "wal_level": "replica", "max_replication_slots": 10, "wal_segment_bytes": 16777216, "is_first_role_ours": True,
    "notes": [], "md5_roles": [], "prepared": 0, "tablespaces": [], "slots": ["trenova_archive"], "subscriptions": [],
    "settings": [{"name": "work_mem", "setting": "4MB", "file": "/etc/postgresql/reload.conf"}], "role_settings": [],
    "databases": [
        {"name": name, "bytes": number, "is_open": name != "template0", "is_whole": True, "encoding": "UTF8",
         "provider": "c", "collate": "C.UTF-8", "ctype": "C.UTF-8", "locale": None, "collation_version": None}
        for name, number in (("postgres", 7_000_000), ("template0", 0), ("template1", 7_000_000), ("shop", 50_000))]}
IMAGE = target.Image(
    17, frozenset(["plpgsql"]), frozenset(["pg_stat_statements"]), frozenset(["C.utf8", "en_US.utf8"]))


def asked(**changes):
    """What both databases of a server tell."""
    told = dict(copy.deepcopy(TOLD), **changes)
    return {"postgres": told, "shop": dict(told, database="shop")}


# -- What is wished ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("image", "major", "sentence"), [
    ("postgres:latest", 0, "The tag of postgres:latest does not begin with a version of PostgreSQL."),
    ("postgres:15.3", 15, "The data is of PostgreSQL 15 already, which is what postgres_image names (postgres:15.3)."),
    ("postgres:14.9", 14, "no server reads what a newer one has written. Set postgres_image to an image of 15 or "
                          "newer.")])
def test_a_version_that_cannot_follow_is_one_sentence(image, major, sentence):
    with pytest.raises(BackupError) as raised:
        target.need_newer(15, target.Next(image, major))
    assert sentence in str(raised.value)
    assert str(raised.value).endswith("Nothing was changed.")


@pytest.mark.parametrize("major", [16, 17, 18])
def test_any_newer_version_can_follow(major):
    target.need_newer(15, target.Next(f"postgres:{major}.1", major))


def test_an_older_one_is_the_way_back():
    target.need_newer(17, target.Next("postgres:15.3", 15), is_back=True)


@pytest.mark.parametrize(("lines", "sentence"), [
    (["version postgres (PostgreSQL) 16.3 (Debian "
      "16.3-1)"], "postgres:17.11 holds PostgreSQL 16, not 17 as its tag says."),
    (["version "], "postgres:17.11 is no image of PostgreSQL")])
def test_a_tag_that_lies_is_one_sentence(lines, sentence):
    with pytest.raises(BackupError, match=sentence.replace("(", r"\(")):
        target.need_image(target.Image.told(lines), NEXT)


def test_an_image_tells_what_it_has():
    told = target.Image.told([
        "version postgres (PostgreSQL) 17.12 (Debian 17.12-0+deb13u1)", "extension plpgsql", "library pgcrypto",
        "locale C", "locale C.utf8", "locale en_US.utf8"])
    assert told == target.Image(
        17, frozenset(["plpgsql"]), frozenset(["pgcrypto"]), frozenset(["C", "C.utf8", "en_US.utf8"]))
    assert target.plain_locale("en_US.UTF-8") == "en_US.utf8"


@pytest.mark.parametrize("confirm", ["erp1", "erp1:16", "other:17", "erp1:17 "])
def test_what_is_confirmed_names_the_installation_and_the_major(confirm):
    with pytest.raises(BackupError, match="If that is meant, confirm erp1:17"):
        target.need_confirmed(confirm, "erp1", 17)
    target.need_confirmed("erp1:17", "erp1", 17)


# -- What is found ----------------------------------------------------------------------------------------------------


def entry(name, **changes):
    """The databases of a server, one of them another one."""
    return [dict(told, **changes) if told["name"] == name else told for told in copy.deepcopy(TOLD["databases"])]


BLOCKING = [
    ({"extensions": ["adminpack"]}, {}, "has the extension adminpack, which postgres:17.11 lacks. Drop it there"),
    ({"preloaded": "pg_stat_statements, timescaledb"}, {}, "shared_preload_libraries names timescaledb, which"),
    ({"settings": [{"name": "old_snapshot_threshold", "setting": "1h", "file": "/x/postgresql.auto.conf"}]},
     {"old_snapshot_threshold": "removed"}, "Write: ALTER SYSTEM RESET old_snapshot_threshold."),
    ({"settings": [{"name": "promote_trigger_file", "setting": "x", "file": "/etc/postgresql/reload.conf"}]},
     {"promote_trigger_file": "removed"}, "reload.conf sets promote_trigger_file, which PostgreSQL 17 does not know. "
                                          "Take it out of"),
    ({}, {"work_mem": "refused"}, "which PostgreSQL 17 refuses as it is."),
    ({"role_settings": [{"name": "vacuum_defer_cleanup_age", "of": "clerk in shop"}]},
     {"vacuum_defer_cleanup_age": "removed"}, "vacuum_defer_cleanup_age is set for clerk in shop, which"),
    ({"databases": entry("shop", collate="de_DE.UTF-8")}, {}, "The database shop has the locale de_DE.UTF-8, which"),
    ({"databases": entry("shop", is_open=False)}, {}, "Nobody may connect to the database shop"),
    ({"databases": entry("shop", is_whole=False)}, {}, "The database shop was never dropped to the end."),
    ({"prepared": 2}, {}, "2 transactions are prepared"),
    ({"tablespaces": ["fast"]}, {}, "tablespaces of their own (fast)"),
    ({"is_first_role_ours": False}, {}, "is not called postgres any more")]


@pytest.mark.parametrize(("changes", "settings", "words"), BLOCKING)
def test_what_stands_in_the_way_is_told_with_what_to_write(changes, settings, words):
    found = findings.of(asked(**changes), IMAGE, settings, NEXT, ["trenova_archive"])
    texts = [finding.text for finding in found if finding.is_blocking]
    assert texts and all(words in text for text in texts), texts
    with pytest.raises(BackupError, match="Nothing was changed"):
        run.Upgrade.need_possible(found)


@pytest.mark.parametrize(("changes", "words"), [
    ({"md5_roles": ["a", "b"]}, "Passwords are stored as md5 of: a, b. PostgreSQL 17 takes that, and 18 warns."),
    ({"slots": ["trenova_archive", "theirs"]}, "Replication slots are not taken over: theirs."),
    ({"subscriptions": ["feed"]}, "Subscriptions come back switched off: feed.")])
def test_what_should_be_known_does_not_stand_in_the_way(changes, words):
    [finding] = findings.of(asked(**changes), IMAGE, {}, NEXT, ["trenova_archive"])
    assert words in finding.text
    run.Upgrade.need_possible([finding])


def test_of_an_ordinary_server_nothing_is_found():
    assert findings.of(asked(), IMAGE, {}, NEXT, ["trenova_archive"]) == []


def test_a_locale_that_is_another_version_is_told_once():
    before = asked(databases=entry("shop", collate="en_US.utf8", collation_version="2.36"))
    after = asked(databases=entry("shop", collate="en_US.utf8", collation_version="2.41"))
    [finding] = findings.of_collations(before, after)
    assert "Of the locale en_US.utf8 there is version 2.41, and it was 2.36." in finding.text
    assert not finding.is_blocking
    assert findings.of_collations(before, before) == []


def test_an_image_that_was_made_before_the_server_is_refused():
    [finding] = findings.of_notes(asked(), ["pg_attver"], NEXT)
    assert "was made before the server that is here (15.20)" in finding.text
    assert finding.is_blocking
    assert findings.of_notes(asked(), [], NEXT) == []


@pytest.mark.parametrize(("provider", "locale", "options"), [
    ("c", None, ["--locale-provider=libc"]),
    ("i", "de-AT", ["--locale-provider=icu", "--icu-locale=de-AT"]),
    ("b", "C.UTF-8", ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"])])
def test_a_new_cluster_sorts_as_the_old_one(provider, locale, options):
    told = findings.initdb(asked(databases=entry("template0", provider=provider, locale=locale)))
    assert told[-len(options):] == options
    assert {"--encoding=UTF8", "--lc-collate=C.UTF-8", "--lc-ctype=C.UTF-8", "--wal-segsize=16"} <= set(told)


def test_databases_that_each_server_has_come_first_and_the_template_that_nobody_changes_not_at_all():
    assert findings.databases(asked()) == ["template1", "postgres", "shop"]


def test_a_name_of_a_database_is_no_connection():
    assert findings.connection("odd 'name=1\\") == "dbname='odd \\'name=1\\\\'"


# -- What is compared -------------------------------------------------------------------------------------------------


def server(tables=None, contents=()):
    """What a server holds."""
    tables = {"public.loads": {"rows": 3, "checksum": "7"}} if tables is None else tables
    return {"shop": {
        "facts": {"lsn": str(len(contents)), "at": "x", "is_exact": False, "timeline": 1, "tables": tables},
        "contents": comparison.contents(map(json.dumps, contents))}}


LOADS = ["relation", "public.loads", {"owner": "app", "plain": "public.loads"}]


def test_equal_servers_have_no_difference():
    told = comparison.compared(server(contents=[LOADS]), server(contents=[LOADS]))
    assert told == {"tables": 1, "rows": 3, "checksums": 1, "contents": 1, "anew": [], "differences": []}


@pytest.mark.parametrize(("tables", "contents", "sentence"), [
    ({"public.loads": {"rows": 2, "checksum": "7"}}, [LOADS], "shop, public.loads: 2 rows, and then there were 3."),
    ({"public.loads": {"rows": 3, "checksum": "8"}}, [LOADS], "as many rows as then (3), but other ones."),
    ({}, [LOADS], "shop, public.loads: it is missing."),
    (None, [], "shop, relation public.loads: it is missing."),
    (None, [LOADS, ["role", "eve", {}]], "shop, role eve: it was not there before."),
    (None, [[*LOADS[:2], {"owner": "eve", "plain": "public.loads"}]], "it is not what it was (owner).")])
def test_whatever_differs_is_told(tables, contents, sentence):
    told = comparison.compared(server(contents=[LOADS]), server(tables, contents))
    assert any(sentence in text for text in told["differences"]), told


def test_a_verifier_is_never_told():
    role = ["role", "app", {"rolpassword": "5d41402abc4b2a76b9719d911017c592"}]
    other = ["role", "app", {"rolpassword": "7d793037a0760186574b0282f2f435e7"}]
    told = comparison.compared(server(contents=[role]), server(contents=[other]))
    assert told["differences"] == ["shop, role app: it is not what it was (rolpassword)."]


def test_what_is_worked_out_anew_may_be_newer():
    view = ["materialized view", "public.sums", {"plain": "public.sums"}]
    told = comparison.compared(
        server({"public.sums": {"rows": 1, "checksum": "1"}}, [view]),
        server({"public.sums": {"rows": 1, "checksum": "2"}}, [view]))
    assert (told["differences"], told["anew"]) == ([], ["public.sums"])


# -- Cut off anywhere -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The power goes."""


class Host:
    """Containers of a host, and how many events are left until the power goes."""

    def __init__(self):
        self.running = dict.fromkeys(["tren-db", "tren-api", "tren-other"], True)
        self.left, self.log = None, []

    def spend(self, event):
        self.log.append(event)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def model(self):
        return {"services": {}}

    def services(self):
        return {service: [(f"tren-{name}", self.running[f"tren-{name}"])]
                for service, name in (("postgres", "db"), ("api", "api"), ("other", "other"))}

    def stop(self, containers):
        for name in containers:
            self.spend(f"stop {name}")
            self.running[name] = False

    def start_again(self, containers):
        for name in containers:
            self.spend(f"start {name}")
            self.running[name] = True

    def take_all(self):
        pass

    def close(self):
        pass

    def config(self):
        return {}


class Move:
    """Makes what a server of 17 would, as that does, beside."""

    fault = None

    def __init__(self, engine, store, wished, step, say):
        self.engine, self.store, self.root, self.wished = engine, store, moving.root_of(store), wished
        self.work, self.asked = laying.beside(self.root, "upgraded"), asked()

    def open(self, config):
        laying.remove(self.work)
        os.mkdir(self.work)

    def run(self):
        assert not self.engine.running["tren-db"] and not self.engine.running["tren-api"]
        data = pathlib.Path(self.work, "data")
        data.mkdir()
        self.engine.spend("half of it")
        if self.fault:
            raise self.fault
        (data / "PG_VERSION").write_text(f"{self.wished.major}\n")
        (data / "row").write_text(pathlib.Path(self.store["path"], "row").read_text())
        self.engine.spend("all of it")
        return str(data), {"findings": [], "bytes": 1, "compared": {}}

    def close(self):
        laying.remove(self.work)


@pytest.fixture
def host(monkeypatch):
    """A host whose power may go with each of its events, each change of a name among them."""
    made = Host()
    monkeypatch.setattr(run, "Move", Move)
    monkeypatch.setattr(run.Upgrade, "_save", lambda self: made.spend("saved"))
    rename, renew = os.rename, run.WayBack._renew

    def renewing(work):
        made.spend("renew")
        renew(work)
    monkeypatch.setattr(run.WayBack, "_renew", renewing)

    def renamed(*words):
        made.spend("rename")
        rename(*words)
    monkeypatch.setattr(os, "rename", renamed)
    return made


@pytest.fixture(params=[False, True], ids=["directory", "disk"])
def is_disk(request, monkeypatch):
    """Whether the directory of the server is a disk of its own, which cannot get another name."""
    monkeypatch.setattr(os.path, "ismount", lambda path: request.param and os.path.basename(str(path)) == "postgres")
    return request.param


def beside(told, is_disk):
    """Names of what lies beside the data."""
    folder = os.path.join(told["data_dir"], "postgres") if is_disk else told["data_dir"]
    return folder, sorted(name for name in os.listdir(folder) if name.startswith("."))


def place(folder):
    """Settings of a host with data of 15."""
    for part in ("wal", "manifests"):
        (folder / "backup" / part).mkdir(parents=True)
    (folder / "postgres").mkdir()
    (folder / "postgres/PG_VERSION").write_text("15\n")
    (folder / "postgres/row").write_text("precious")
    owner = [os.getuid(), os.getgid()]
    store = {"store": "postgres", "kind": "postgres", "service": "postgres", "title": "PostgreSQL", "physical": True,
             "path": str(folder / "postgres"), "owner": owner, "restore_job": "r"}
    return Settings({
        "data_dir": str(folder), "project_dir": f"{folder}-project", "stores": [store], "targets": [], "schedules": [],
        "needs": {"api": ["postgres"]}, "installation": "erp1", "owner": owner}), store


def attempt(told, store, engine, major, is_back=False):
    """A try of an upgrade or of the way back, as the verb does it."""
    wished = target.Next(f"postgres:{major}.1", major)
    there = verbs._there(journal.UpgradeJournal(told), store, is_back)
    work = (run.WayBack if is_back else run.Upgrade)(told, engine, store, wished, there)
    work.say = lambda text: None
    work.execute(stamp_of(BEGIN + len(engine.log)))
    return work


def held(path):
    """(major, row) of a directory."""
    return run.major_of(str(path)), pathlib.Path(path, "row").read_text()


@pytest.mark.parametrize("second", [0, 3, None])
def test_an_upgrade_that_is_killed_anywhere_is_ended_by_the_next_try(tmp_path, host, second, is_disk):
    for first in itertools.count():
        told, store = place(tmp_path / str(first))
        is_killed = False
        for allowed in (first, second, None):
            host.left = allowed
            try:
                attempt(told, store, host, 17)
            except Killed:
                is_killed = True
            else:
                break
        host.left = None
        [kept] = journal.UpgradeJournal(told).content["copies"].values()
        assert held(store["path"]) == (17, "precious"), first
        assert held(kept) == (15, "precious"), first
        assert beside(told, is_disk)[1] == [os.path.basename(kept)]
        assert host.running == {"tren-db": False, "tren-api": False, "tren-other": True}
        with pytest.raises(BackupError, match="has not ended"):
            journal.need_none(told)
        host.running = dict.fromkeys(host.running, True)
        if not is_killed:
            break
    assert first > 6


def renewed(told):
    """Whether the next deployment does again what it once did to the data."""
    return os.path.exists(os.path.join(told["project_dir"], ".state/renewed/postgres"))


def test_from_wherever_it_was_killed_the_way_back_leads_to_what_was_there(tmp_path, host, is_disk):
    """Killed, too, and repeated. Migrations since are run again wherever the older data is in its place."""
    for first, second in itertools.product(range(16), range(0, 12, 2)):
        told, store = place(tmp_path / f"{first}-{second}")
        host.left = first
        with contextlib.suppress(Killed):
            attempt(told, store, host, 17)
        assert journal.UpgradeJournal(told).content["touched"]
        assert not renewed(told)
        is_changed = journal.UpgradeJournal(told).phase("postgres") == journal.LAID
        host.left = second
        try:
            attempt(told, store, host, 15, is_back=True)
        except Killed:
            host.left = None
            now = journal.UpgradeJournal(told)
            assert renewed(told) or now.content["wish"]["way"] == run.UP or now.phase("postgres") != journal.LAID
            attempt(told, store, host, 15, is_back=True)
        host.left = None
        assert renewed(told) or not is_changed
        assert held(store["path"]) == (15, "precious"), (first, second)
        assert host.running["tren-other"]
        folder, others = beside(told, is_disk)
        assert [name for name in others if not name.startswith(".postgres.before-")] == []
        assert all(held(os.path.join(folder, name)) == (17, "precious") for name in others)
        host.running = dict.fromkeys(host.running, True)


def test_one_that_fails_starts_again_what_it_has_stopped(tmp_path, host, monkeypatch):
    monkeypatch.setattr(Move, "fault", BackupError("The new server does not hold what the old one does."))
    told, store = place(tmp_path / "x")
    with pytest.raises(BackupError, match="does not hold"):
        attempt(told, store, host, 17)
    assert held(store["path"]) == (15, "precious")
    assert set(host.running.values()) == {True}
    assert sorted(os.listdir(told["data_dir"])) == ["backup", "postgres"]
    journal.need_none(told)


FAULTS = [
    OSError(errno.ENOSPC, "No space left on device"), subprocess.TimeoutExpired("docker", 120), ValueError("no JSON"),
    IndexError("list index out of range"), BackupError("No.")]


@pytest.mark.parametrize("where", ["Upgrade._save", "Host.model", "Move.open", "Move.run"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_whatever_fails_before_the_change_of_places_starts_again_what_was_stopped(
        tmp_path, host, monkeypatch, fault, where):
    def fail(*_words):
        assert not host.running["tren-api"]
        raise fault
    name, method = where.split(".")
    monkeypatch.setattr({"Upgrade": run.Upgrade, "Host": Host, "Move": Move}[name], method, fail)
    told, store = place(tmp_path / "x")
    with pytest.raises(type(fault)):
        attempt(told, store, host, 17)
    assert set(host.running.values()) == {True}
    assert held(store["path"]) == (15, "precious")
    journal.need_none(told)


def test_who_is_told_to_end_leaves_it_to_be_repeated(tmp_path, host, monkeypatch):
    """Not started again by somebody who has no time for it: the unit was stopped, or the server is."""
    monkeypatch.setattr(Move, "fault", Interrupted("The unit was stopped."))
    told, store = place(tmp_path / "x")
    with pytest.raises(Interrupted):
        attempt(told, store, host, 17)
    assert not host.running["tren-api"]
    assert journal.UpgradeJournal(told).is_touched


def test_what_cannot_be_started_again_does_not_hide_why_it_was_to_be(tmp_path, host, monkeypatch):
    monkeypatch.setattr(Move, "fault", OSError(errno.ENOSPC, "No space left on device"))
    told, store = place(tmp_path / "x")

    def start(containers):
        if list(containers) == ["tren-api"]:
            raise BackupError("tren-api is not healthy within 300 s: it said nothing.")
    monkeypatch.setattr(host, "start_again", start)
    with pytest.raises(BackupError) as raised:
        attempt(told, store, host, 17)
    assert str(raised.value) == (
        "[Errno 28] No space left on device. Then what was stopped could not be started again: tren-api is not healthy "
        "within 300 s: it said nothing.")
    assert journal.UpgradeJournal(told).is_touched


def test_who_works_with_the_server_is_stopped_before_it_is_saved_and_that_one_after(tmp_path, host):
    told, store = place(tmp_path / "x")
    attempt(told, store, host, 17)
    assert host.log.index("stop tren-api") < host.log.index("saved") < host.log.index("stop tren-db")
    assert "stop tren-other" not in host.log


def test_another_change_is_refused_while_one_is_open(tmp_path, host):
    told, store = place(tmp_path / "x")
    host.left = 2
    with pytest.raises(Killed):
        attempt(told, store, host, 17)
    host.left = None
    with pytest.raises(BackupError, match="A change of postgres from PostgreSQL 15 to 17 that was begun at"):
        attempt(told, store, host, 18)


@pytest.mark.parametrize(("state", "sentence"), [
    (None, "There was no upgrade on this server to go back from."),
    ({"done": True, "phases": {}, "touched": True}, "The last upgrade has changed nothing"),
    ({"done": True, "phases": {"postgres": "laid"}, "touched": True, "begun": "then",
      "copies": {"postgres": "/nowhere/.postgres.before-1"}}, "/nowhere/.postgres.before-1 is not there any more.")])
def test_where_nothing_can_be_gone_back_to_it_is_one_sentence(tmp_path, host, state, sentence):
    told, store = place(tmp_path / "x")
    if state:
        wish = {"way": "up", "from": 15, "to": 17, "stores": ["postgres"]}
        write_json(told.path("upgrade.json"), dict(state, wish=wish))
    with pytest.raises(BackupError, match=sentence):
        attempt(told, store, host, 15, is_back=True)
    with pytest.raises(BackupError):
        attempt(told, store, host, 16, is_back=True)
    assert held(store["path"]) == (15, "precious")


def test_small_backups_wait_for_the_deployment_and_no_longer(tmp_path, host, monkeypatch):
    told, store = place(tmp_path / "x")
    assert run.waits(told, store) == ""
    attempt(told, store, host, 17)
    assert "the next backup is a full one of that." in run.waits(told, store)
    os.utime(told.path("upgrade.json"), (BEGIN, BEGIN))
    assert run.waits(told, store) == ""


def test_data_lies_in_a_folder_of_its_major_since_18(tmp_path):
    (tmp_path / "postgres/18/docker").mkdir(parents=True)
    (tmp_path / "postgres/18/docker/PG_VERSION").write_text("18\n")
    root = str(tmp_path / "postgres")
    assert moving.root_of({"path": root + "/18/docker", "folder": "18/docker"}) == root
    assert moving.root_of({"path": root}) == root
    assert run.major_of(root) == 18
    assert run.major_of(str(tmp_path / "nowhere")) == 0


@pytest.mark.parametrize(("folder", "expected"), [("", "data"), ("18/docker", "tree")])
def test_the_result_lies_where_its_image_looks_for_it(tmp_path, folder, expected):
    told, store = place(tmp_path / "x")
    pathlib.Path(store["path"], "postgresql.auto.conf").write_text("work_mem = '9MB'\n")
    move = moving.Move(Host(), store, target.Next("postgres:18.1", 18, folder), lambda name, work: work(), print)
    os.makedirs(os.path.join(move.work, "data"))
    pathlib.Path(move.work, "data/PG_VERSION").write_text("18\n")
    ready = move._laid_out()
    assert ready == os.path.join(move.work, expected)
    assert pathlib.Path(ready, folder, "postgresql.auto.conf").read_text() == "work_mem = '9MB'\n"
    assert run.major_of(ready) == 18


# -- Servers that run beside ------------------------------------------------------------------------------------------


class Told:
    """A command that has ended, and what it said."""

    code, said = 0, ""

    def __init__(self, lines):
        self.lines = lines

    def wait(self):
        return self.code

    def end(self):
        pass


class Servers(Host):
    """Both servers, which say what is wished: {verb of the script: lines}."""

    def __init__(self, **says):
        super().__init__()
        self.says, self.words = says, []

    def start(self, _job, command):
        self.words.append(command[2:])
        return Told(self.says.get(command[2], []))

    run = start


#: What facts.sh tells of an empty database.
EMPTY = ['{"lsn": "0/1", "at": "x", "is_exact": true, "timeline": 1}']


def moved(folder, **says):
    """An upgrade of data whose server told of other databases while it lived: the work, and the words of its steps."""
    _told, store = place(folder)
    engine = Servers(**says)
    move = moving.Move(engine, store, NEXT, lambda _name, work: work(), print)
    move.asked = asked()
    os.makedirs(os.path.join(move.work, "data"))
    return move, engine.words


def test_what_is_upgraded_is_what_the_data_holds_and_not_what_the_live_server_told(tmp_path):
    """A backup, which a rehearsal has, knows no database that was made since, and those that were dropped since."""
    there = json.dumps(dict(copy.deepcopy(TOLD), databases=[
        *TOLD["databases"][:3], dict(TOLD["databases"][3], name="dropped since")]))
    move, said = moved(tmp_path / "x", asked=[there], facts=EMPTY)
    _ready, told = move.run()
    assert told["compared"]["differences"] == []
    assert [words[1] for words in said if words[0] == "database"] == ["template1", "postgres", "dropped since"]
    assert {words[2] for words in said if words[0] == "facts"} == {
        "dbname='template1'", "dbname='postgres'", "dbname='dropped since'"}
    assert said.index(["asked", "old"]) == 1


@pytest.mark.parametrize(("says", "sentence"), [
    ({"facts": []}, "PostgreSQL: template1 of the old server cannot be counted: it does not say of which moment it is"),
    ({"facts": ["NOTICE: x"]}, "PostgreSQL: template1 of the old server cannot be counted: "),
    ({"facts": EMPTY, "contents": ["NOTICE: x"]}, "PostgreSQL: template1 of the old server cannot be counted: "),
    ({"asked": []}, "PostgreSQL: the old server does not tell what there is in it: "),
    ({"asked": ["{"]}, "PostgreSQL: the old server does not tell what there is in it: ")])
def test_a_server_that_does_not_answer_as_it_should_is_one_sentence(tmp_path, says, sentence):
    move, _said = moved(tmp_path / "x", **{"asked": [json.dumps(TOLD)], **says})
    with pytest.raises(BackupError, match=sentence):
        move.run()


# -- Verbs ------------------------------------------------------------------------------------------------------------


def words(*more):
    """The words of the verb, read."""
    parser = argparse.ArgumentParser()
    verbs.add_parser(parser.add_subparsers())
    return parser.parse_args(["upgrade", *more])


@pytest.mark.parametrize(("more", "sentence"), [
    (["--store", "ledger"], "There is no PostgreSQL called ledger. Write one of: postgres."),
    (["--image", "postgres:15.1", "--major", "15"], "The data is of PostgreSQL 15 already"),
    (["--image", "postgres:17.1", "--major", "17", "--confirm", "erp1:18"], "If that is meant, confirm erp1:17."),
    (["--image", "postgres:17.1", "--major", "17", "--plan"], "A rehearsal is a drill, and none can be made here"),
    (["--image", "postgres:17.1", "--major", "17"], "No drill can be made here")])
def test_words_that_make_no_sense_are_one_sentence(tmp_path, monkeypatch, more, sentence):
    told, _store = place(tmp_path / "x")
    told.content.update(drill={}, project="trenova", jobs=[])
    monkeypatch.setattr(verbs.by_hand, "is_at_work", lambda unit: False)
    with pytest.raises(BackupError, match=sentence):
        verbs.upgrade(told, words(*more))


def test_a_server_of_somebody_elses_is_his_to_upgrade(tmp_path):
    told, store = place(tmp_path / "x")
    store["physical"] = False
    with pytest.raises(BackupError, match="PostgreSQL is somebody else's server, whose administrator upgrades it."):
        run.store_of(told, "postgres")


def test_where_nothing_lies_nothing_is_upgraded(tmp_path, monkeypatch):
    told, store = place(tmp_path / "x")
    laying.remove(store["path"])
    monkeypatch.setattr(verbs.by_hand, "is_at_work", lambda unit: False)
    with pytest.raises(BackupError, match="There is no data of PostgreSQL in"):
        verbs.upgrade(told, words("--image", "postgres:17.1", "--major", "17"))


# -- The record -------------------------------------------------------------------------------------------------------


@pytest.fixture
def verb(host, monkeypatch, capsys):
    """The verb upgrade, on that host; a call is (error or None, its record, what it said)."""
    monkeypatch.setattr(verbs, "Engine", lambda settings: host)
    monkeypatch.setattr(verbs.runs, "Run", lambda *_words: types.SimpleNamespace(prepare=lambda: None))
    monkeypatch.setattr(verbs, "_prepare", lambda settings, work: None)
    monkeypatch.setattr(verbs, "_tell", lambda settings, record: None)

    def change(told, store, *more):
        arguments = words("--image", "postgres:17.1", "--major", "17", *more)
        wished = target.Next(arguments.image, arguments.major)
        raised = None
        capsys.readouterr()
        try:
            verbs._change(told, arguments, store, wished, verbs._there(
                journal.UpgradeJournal(told), store, arguments.back))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is asked for
            raised = error
        return raised, records.read(told, BEGIN * 2)[-1], capsys.readouterr().out
    return change


def test_a_record_tells_from_its_begin_on_what_is_upgraded(tmp_path, verb, monkeypatch):
    """Who is killed cannot tell it any more."""
    told, store = place(tmp_path / "x")
    running = []
    monkeypatch.setattr(verbs, "_prepare", lambda settings, work: running.extend(records.read(told, BEGIN * 2)))
    verb(told, store)
    assert running[0]["state"] == records.RUNNING
    assert report.lines(dict(running[0], state=records.INTERRUPTED))[0].startswith(
        "Upgrade of PostgreSQL 15 to 17, 20")
    # Earlier ones do not.
    del running[0]["upgrade"]
    assert report.lines(dict(running[0], state=records.INTERRUPTED))[0].startswith("Upgrade of PostgreSQL ? to ?, 20")


def test_a_good_one_names_what_was_there_before(tmp_path, verb):
    told, store = place(tmp_path / "x")
    raised, record, said = verb(told, store)
    assert raised is None
    assert (record["state"], record["upgrade"]["is_begun"]) == (records.OK, True)
    assert held(record["copies"]["postgres"]) == (15, "precious")
    assert record["copies"]["postgres"] in " ".join(said.split())


def test_a_refusal_says_that_nothing_was_begun(tmp_path, verb, monkeypatch):
    told, store = place(tmp_path / "x")
    verb(told, store)
    journal.UpgradeJournal(told).update(done=True)

    def refuse(_settings, _work):
        raise BackupError("There is no room. Nothing was changed.")
    monkeypatch.setattr(verbs, "_prepare", refuse)
    _raised, record, _said = verb(told, store)
    assert (record["state"], record["because"]) == (records.FAILED, "There is no room. Nothing was changed.")
    # Nor does it tell of what an earlier one has left.
    assert (record["upgrade"]["is_begun"], record["copies"]) == (False, {})


def test_one_that_was_killed_and_is_refused_is_still_begun(tmp_path, host, verb, monkeypatch):
    told, store = place(tmp_path / "x")
    host.left = 2
    with pytest.raises(Killed):
        verb(told, store)
    host.left = None

    def refuse(_settings, _work):
        raise BackupError("There is no room.")
    monkeypatch.setattr(verbs, "_prepare", refuse)
    _raised, record, _said = verb(told, store)
    assert record["upgrade"]["is_begun"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_whatever_ends_it_is_taken_down_with_its_reason(tmp_path, verb, monkeypatch, fault):
    monkeypatch.setattr(Move, "fault", fault)
    told, store = place(tmp_path / "x")
    raised, record, said = verb(told, store)
    assert raised is fault
    assert (record["state"], record["upgrade"]["is_undone"]) == (records.FAILED, True)
    assert str(fault) in record["because"]
    assert record["because"].startswith("It ended by a fault of its own: ") is not isinstance(
        fault, (BackupError, OSError))
    assert record["because"].split()[-1] in said


@pytest.mark.parametrize(("error", "state", "because"), [
    (None, records.OK, ""), (BackupError("No."), records.FAILED, "No."), (OSError("full"), records.FAILED, "full"),
    (Interrupted("The unit was stopped."), records.INTERRUPTED, "The unit was stopped."),
    (KeyError("from"), records.FAILED, "It ended by a fault of its own: KeyError: 'from'.")])
def test_work_has_a_record_however_it_ends(tmp_path, error, state, because):
    told, _store = place(tmp_path / "x")
    work, seen = types.SimpleNamespace(steps=[{"name": "one"}], warnings=["two"]), []
    with contextlib.suppress(type(error) if error else ()), recorded(
            told, "restore", work, lambda: {"copies": {"rows": "/x"}}, seen.append, level="known") as record:
        assert records.read(told, BEGIN * 2)[0]["state"] == records.RUNNING
        if error:
            raise error
    [kept] = records.read(told, BEGIN * 2)
    assert seen == [kept]
    assert (kept["stamp"], kept["state"], kept["because"]) == (record["stamp"], state, because)
    assert (kept["steps"], kept["warnings"], kept["copies"], kept["level"]) == (
        [{"name": "one"}], ["two"], {"rows": "/x"}, "known")


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_was_there_before_is_removed_some_day_although_its_upgrade_was_killed(
        tmp_path, host, verb, monkeypatch, capsys, is_killed):
    """Killed when the directory had just changed its place: what is left is the deployment, and no record names it."""
    told, store = place(tmp_path / "x")
    if is_killed:
        attempt(told, store, host, 17)
    else:
        verb(told, store)
    monkeypatch.setattr(run, "Engine", lambda settings: None)
    monkeypatch.setattr(run, "_container", lambda engine, store: "tren-db")
    monkeypatch.setattr(run, "_ask", lambda *_words: {"version": 17})
    capsys.readouterr()
    for is_new in (True, False):
        verbs._end(told, store)
        assert json.loads(capsys.readouterr().out) == {"is_new": is_new}
    [record] = records.read(told, BEGIN * 2)
    assert report.lines(record)[0].startswith("Upgrade of PostgreSQL 15 to 17, ")
    [kept] = journal.UpgradeJournal(told).content["copies"].values()
    assert held(kept) == (15, "precious")
    assert copies.let_go(told, records.finished(record) + 8 * 86400) == [kept]


def test_a_server_that_is_not_of_the_major_yet_is_waited_for(tmp_path, host, monkeypatch):
    told, store = place(tmp_path / "x")
    attempt(told, store, host, 17)
    monkeypatch.setattr(run, "Engine", lambda settings: None)
    monkeypatch.setattr(run, "_container", lambda engine, store: "tren-db")
    monkeypatch.setattr(run, "_ask", lambda *_words: {"version": 15})
    with pytest.raises(BackupError, match="answers as PostgreSQL 15, and 17 was to be there"):
        verbs._end(told, store)
    assert journal.UpgradeJournal(told).is_touched


@pytest.mark.parametrize(("content", "is_open", "is_touched"), [
    ({}, False, False), ({"touched": False}, True, False), ({"touched": True}, True, True),
    ({"touched": True, "done": True}, False, False)])
def test_a_journal_is_open_until_it_is_done_and_touched_where_anything_live_was(
        tmp_path, content, is_open, is_touched):
    told, _store = place(tmp_path / "x")
    work = journal.Journal(told)
    work.content = content
    assert (work.is_open, work.is_touched) == (is_open, is_touched)


# -- The rehearsal ----------------------------------------------------------------------------------------------------

VOLUME = "/var/lib/postgresql"


@pytest.mark.parametrize(("wished", "volume", "data"), [
    (target.Next("postgres:17.11", 17, "", VOLUME + "/data"), VOLUME + "/data", VOLUME + "/data"),
    (target.Next("postgres:18.1", 18, "18/docker", VOLUME), VOLUME, VOLUME + "/18/docker")])
def test_the_container_of_a_rehearsal_finds_its_data(tmp_path, wished, volume, data):
    told, store = place(tmp_path / "x")
    told.content.update(drill={"containers": []}, project="trenova", jobs=[], host="erp1")
    work = Rehearsal(told, store, wished, 15)
    os.makedirs(os.path.join(work.place.root, "project"))
    made = []
    work._create = lambda *options, only: made.append((*options, *only))
    work._file = {"services": {
        "db": {"container_name": "drill-tren-db", "image": "postgres:15.20", "labels": {"trenova.role": "postgres"},
               "environment": {"PGDATA": VOLUME + "/data"}, "volumes": [
                   {"source": "/d/postgres", "target": VOLUME + "/data"},
                   {"source": "/c", "target": "/etc/postgresql"}]},
        "job": {"image": "postgres:15.20", "labels": {"trenova.role": "postgres"}},
        "api": {"container_name": "drill-tren-api", "image": "api:1", "labels": {"trenova.role": "api"}}}}
    work._change_container("/d/postgres")
    written = json.loads(pathlib.Path(work.place.root, "project/compose.yaml").read_text())["services"]
    assert made == [("--force-recreate", "db")]
    assert (written["db"]["image"], written["db"]["environment"]["PGDATA"]) == (wished.image, data)
    assert [entry["target"] for entry in written["db"]["volumes"]] == [volume, "/etc/postgresql"]
    assert (written["job"]["image"], written["api"]["image"]) == ("postgres:15.20", "api:1")


# -- The report -------------------------------------------------------------------------------------------------------


COMPARED = {"tables": 8, "rows": 200023, "checksums": 8, "contents": 67, "anew": ["public.sums"], "differences": []}


def test_a_rehearsal_says_first_how_long_the_real_one_takes():
    text = "\n".join(report.lines({
        "verb": "rehearsal", "state": records.OK, "started": "2026-11-30T17:00:00Z", "seconds": 100, "steps": [],
        "drill": {"host": "erp1", "upgrade": {
            "from": 15, "to": 17, "seconds": 90, "bytes": 188_784_640, "compared": COMPARED,
            "findings": ["Passwords are stored as md5 of: old."]}}}))
    assert text.startswith("Rehearsal of PostgreSQL 15 to 17, 2026-11-30T17:00:00Z on erp1: passed in 100 s")
    assert "stops what works with the database for about 90 s, and takes 188.8 MB" in " ".join(text.split())
    assert "- Passwords are stored as md5 of: old." in text
    assert "8 tables with 200023 rows, 8 of them by checksum, and 67 other things" in " ".join(text.split())
    assert "Worked out anew: public.sums." in text


def test_an_upgrade_that_failed_says_why():
    text = "\n".join(report.lines({
        "verb": "upgrade", "state": records.FAILED, "started": "then", "seconds": 7, "because": "It does not fit.",
        "upgrade": {"way": "up", "from": 15, "to": 17}, "copies": {},
        "steps": [{"name": "took over the roles", "seconds": 3, "state": "failed"}]}))
    assert text.splitlines()[:2] == ["Upgrade of PostgreSQL 15 to 17, then: FAILED in 7 s", "  It does not fit."]
    assert "took over the roles  3 s  failed" in text


# -- The task ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("image", "expected"), [
    ("docker.io/library/postgres:17.11", ["--major=17", "--volume=/var/lib/postgresql/data"]),
    ("docker.io/library/postgres:18.1", ["--major=18", "--folder=18/docker", "--volume=/var/lib/postgresql"]),
    ("docker.io/library/postgres:latest", ["--volume=/var/lib/postgresql/data"])])
def test_the_server_that_is_wished_for_is_that_of_the_inventory(image, expected):
    variables, _known = test_bundle.in_play(json.dumps({"postgres_image": image, "trenova_images_by_digest": False}))
    action = test_bundle.action_for(variables)
    action._low_level_execute_command = lambda command: {"stdout": "x86_64\n"}
    assert upgrade_postgres.ActionModule._wished(action, variables, "postgres") == [f"--image={image}", *expected]


RECORD = {"verb": "upgrade", "state": "ok", "seconds": 70, "upgrade": {"findings": ["x"]},
          "copies": {"postgres": "/d/.before"}}
REHEARSED = {"verb": "rehearsal", "state": "ok", "seconds": 70,
             "drill": {"upgrade": {"findings": ["x"], "seconds": 61}}}
BEGUN = {"unit": "u", "invocation": "1"}
PLAN = {"from": 15, "to": 17, "is_rehearsal": False, "is_rehearsed": True, "is_begun": False, "stops": ["api"],
        "confirm": "erp1:17"}


def task(monkeypatch, answers, check_mode=False, **arguments):
    """The result of the task, what was asked, and what was shown."""
    seen, shown = [], []
    action = upgrade_postgres.ActionModule(
        task=types.SimpleNamespace(
            args={"service": "postgres", **arguments}, async_val=0, check_mode=check_mode, action="x", diff=False),
        connection=types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None), reset=lambda: None),
        play_context=None, loader=None, templar=None, shared_loader_obj=None)
    action._display = types.SimpleNamespace(display=shown.append, warning=shown.append)
    monkeypatch.setattr(
        upgrade_postgres.ActionModule, "_wished", lambda self, task_vars, service: ["--image=postgres:17.11"])
    left = list(answers)

    def execute(command):
        seen.append(command.partition("backup.py ")[2])
        return {"rc": 0, "stdout": json.dumps(left.pop(0)), "stderr": ""}
    action._low_level_execute_command = execute
    return action.run(task_vars={"inventory_hostname": "erp1"}), seen, shown


def ended(record):
    """What a host says of work that has ended."""
    return {"lines": [], "cursor": "", "is_running": False, "record": record, "text": "a\nb"}


def test_without_a_confirmation_it_is_rehearsed_and_says_how_to_do_it(monkeypatch):
    result, seen, shown = task(monkeypatch, [dict(PLAN, is_rehearsal=True), BEGUN, ended(REHEARSED)])
    assert seen[:2] == ["upgrade --image=postgres:17.11 --plan", "upgrade --image=postgres:17.11 --start"]
    assert (result["changed"], result["is_done"], result["offline_seconds"]) == (False, False, 61)
    assert "  erp1  To do it: -e trenova_upgrade_confirm=erp1:17" in shown


def test_with_it_it_is_done_and_a_deployment_follows(monkeypatch):
    result, seen, _shown = task(
        monkeypatch, [PLAN, BEGUN, ended(RECORD)], confirm="erp1:17")
    assert seen[1] == "upgrade --image=postgres:17.11 --confirm=erp1:17 --start"
    assert (result["changed"], result["is_done"], result["copies"]) == (True, True, {"postgres": "/d/.before"})


def test_one_that_was_not_rehearsed_is_warned_of(monkeypatch):
    _result, _seen, shown = task(
        monkeypatch, [dict(PLAN, is_rehearsed=False), BEGUN, ended(RECORD)], confirm="erp1:17")
    assert shown[0] == "erp1: the upgrade from PostgreSQL 15 to 17 was not rehearsed."


@pytest.mark.parametrize(("record", "sentence"), [
    (dict(RECORD, state="failed", because="No.", upgrade={"is_undone": True}), "What was stopped was started again"),
    (dict(RECORD, state="interrupted", because="No."), "Repeat this with the same words"),
    (dict(RECORD, state="failed", because="No.", upgrade={"is_begun": False}), "Nothing was begun."),
    (dict(RECORD, state="failed", because="No.", upgrade={"is_begun": True}), "Repeat this with the same words"),
    (dict(REHEARSED, state="failed", because="No."), "Nothing live was touched."),
    (None, "It ended before it began.")])
def test_how_things_are_after_a_failure_is_told(monkeypatch, record, sentence):
    result, _seen, _shown = task(monkeypatch, [PLAN, BEGUN, ended(record)], confirm="erp1:17")
    assert result["failed"] and sentence in result["msg"]


def test_what_was_laid_before_an_interruption_is_only_deployed(monkeypatch):
    result, seen, _shown = task(monkeypatch, [dict(PLAN, is_laid=True)], confirm="erp1:17")
    assert len(seen) == 1
    assert result["is_done"]


def test_the_way_back_without_a_confirmation_says_what_it_would_do(monkeypatch):
    plan = {"from": 17, "to": 15, "copy": "/d/.before", "begun": "then", "confirm": "erp1:15", "is_rehearsal": False}
    result, seen, _shown = task(monkeypatch, [plan], back=True)
    assert seen == ["upgrade --image=postgres:17.11 --back --plan"]
    assert result["failed"]
    assert "What was written since is not in it." in result["msg"]
    assert result["msg"].endswith("repeat this with -e trenova_upgrade_confirm=erp1:15.")


def test_a_check_does_nothing(monkeypatch):
    result, seen, _shown = task(monkeypatch, [PLAN], check_mode=True, confirm="erp1:17")
    assert (len(seen), result["changed"], result["is_done"]) == (1, True, False)
    result, seen, _shown = task(monkeypatch, [], check_mode=True, end=True)
    assert (seen, result["changed"]) == ([], False)
