# Managed by trenova.selfhost.
"""The verb `upgrade`: a rehearsal first, and the upgrade itself only for who names the installation and the major."""

from __future__ import annotations

import json
import subprocess
import time

from trenova_backup import by_hand, notify, records, runs, watch
from trenova_backup.drill import verbs as drilling
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError
from trenova_backup.restore.journal import UpgradeJournal, need_none
from trenova_backup.restore.verbs import recorded
from trenova_backup.upgrade import report, run, target
from trenova_backup.upgrade.rehearsal import Rehearsal

UNIT = "trenova-upgrade.service"
VERB, REHEARSAL = "upgrade", "rehearsal"
OPTIONS = ("store", "image", "digest", "folder", "volume", "confirm")
PATIENCE_SECONDS = 1800


def add_parser(verbs):
    """The words of the verb, for the playbook: what the server is to become stands in the inventory."""
    parser = verbs.add_parser(VERB, help="for playbooks: PostgreSQL's next major, tried beside what lives, or for good")
    parser.add_argument("--store", default="postgres", help="name of the store, as the list has it")
    parser.add_argument("--image", default="", help="image of the new server")
    parser.add_argument("--digest", default="", help="by what that is pulled; its tag by default")
    parser.add_argument("--major", type=int, default=0, help="version in the image's reference")
    parser.add_argument("--folder", default="", help="where an image of that major has its data, below the directory")
    parser.add_argument("--volume", default="/var/lib/postgresql/data", help="where it wants that directory mounted")
    parser.add_argument("--confirm", default="", help="installation:major, for doing it")
    parser.add_argument("--back", action="store_true", help="back to what was there before the last upgrade")
    parser.add_argument("--plan", action="store_true", help="tell what would be done, and do nothing; JSON")
    parser.add_argument("--start", action="store_true", help="let systemd do it, without waiting for it")
    parser.add_argument("--end", action="store_true", help="the server of the other major answers: backups begin anew")


def upgrade(settings, arguments):
    """Do what the words say; the exit code. Raises BackupError, in one sentence, where it cannot be."""
    store = run.store_of(settings, arguments.store)
    if arguments.end:
        return _end(settings, store)
    if by_hand.is_at_work(UNIT) and (arguments.start or arguments.plan):
        print(json.dumps({"is_running": True, "unit": UNIT, "invocation": by_hand.invocation_of(UNIT)}))
        return 0
    wished = target.Next(arguments.image, arguments.major, arguments.folder, arguments.volume, arguments.digest)
    journal = UpgradeJournal(settings)
    there = _there(journal, store, arguments.back)
    _need_sense(settings, arguments, journal, wished, there)
    if arguments.plan:
        return _plan(settings, arguments, store, wished, there)
    if arguments.start:
        return _start(settings, arguments)
    if not arguments.confirm:
        return _rehearse(settings, store, wished, there)
    return _change(settings, arguments, store, wished, there)


def _there(journal, store, is_back):
    """The major that the server is of, or was when a change began that has not ended."""
    if journal.is_touched:
        wish = journal.content["wish"]
        return wish["to" if is_back and wish["way"] == run.UP else "from"]
    return run.major_of(run.root_of(store))


def _need_sense(settings, arguments, journal, wished, there):
    """Raises BackupError where what is wished makes no sense, before anything is asked."""
    if not there:
        raise BackupError(f"There is no data of PostgreSQL in {settings['data_dir']}. Run site.yml, which makes a "
                          "server of the version that postgres_image names. Nothing was done.")
    is_back = arguments.back or journal.is_touched and journal.content["wish"]["way"] == run.BACK
    target.need_newer(there, wished, is_back)
    if arguments.confirm:
        target.need_confirmed(arguments.confirm, settings["installation"], wished.major)


def _work(settings, arguments, store, wished, there):
    kind = run.WayBack if arguments.back else run.Upgrade
    engine = Engine(settings)
    engine.take_all()
    return kind(settings, engine, store, wished, there)


def _plan(settings, arguments, store, wished, there):
    """What would be done, as JSON."""
    work = _work(settings, arguments, store, wished, there)
    told = {"installation": settings["installation"], "from": there, "to": wished.major, "is_back": arguments.back,
            "is_rehearsal": not arguments.confirm and not arguments.back, "stops": work.stopped_services(),
            "confirm": f"{settings['installation']}:{wished.major}"}
    if arguments.back:
        told["copy"] = work.need_copy()
        told["begun"] = work.last.get("begun", "")
    elif arguments.confirm:
        work.need_same()
        told["is_laid"] = work.is_laid
        told["is_rehearsed"] = _is_rehearsed(settings, there, wished)
        told["is_begun"] = work.journal.is_touched
        if not told["is_begun"]:
            need_none(settings)
    elif not settings.get("drill"):
        raise BackupError("A rehearsal is a drill, and none can be made here: what belongs to somebody else is not "
                          "there a second time. Nothing was done. To upgrade without one, confirm it.")
    print(json.dumps(told))
    return 0


def _is_rehearsed(settings, there, wished):
    last = records.newest(records.read(settings, time.time()), REHEARSAL, records.OK)
    told = ((last or {}).get("drill") or {}).get("upgrade") or {}
    return (told.get("from"), told.get("to")) == (there, wished.major)


def _rehearse(settings, store, wished, there):
    if not settings.get("drill"):
        raise BackupError("No drill can be made here, and so no rehearsal. Nothing was done.")
    with runs.held(settings, drilling.LOCK) as is_ours:
        if not is_ours:
            raise BackupError("A drill is at work. Try again when it has ended.")
        work = Rehearsal(settings, store, wished, there)
        return drilling.recorded(settings, work, REHEARSAL, work.look, report.lines)


def _change(settings, arguments, store, wished, there):
    work = _work(settings, arguments, store, wished, there)

    def told():
        work.engine.close()
        return {"upgrade": dict(work.shown, is_begun=work.journal.is_touched),
                # Of a change that has ended before, others have told.
                "copies": work.journal.content.get("copies", {}) if work.journal.is_touched else {}}

    def after(record):
        _tell(settings, record)
        print("", *report.lines(record), sep="\n", flush=True)
    with recorded(settings, VERB, work, told, after, upgrade=work.shown) as record:
        if not arguments.back:
            _prepare(settings, work)
        with runs.alone(settings, VERB, PATIENCE_SECONDS):
            # A server that one which was killed has left on the data would be a second one there.
            runs.Run(settings, VERB).prepare()
            (work.need_copy if arguments.back else work.need_same)()
            work.execute(record["stamp"])
    return 0


def _tell(settings, record):
    if watch.after_run(settings, record, time.time()):
        notify.wake()


def _prepare(settings, work):
    """See to it that an upgrade is possible, and that there is a backup. Raises BackupError where not."""
    work.need_same()
    if work.is_laid or work.is_changing():
        return
    is_new = not work.journal.is_touched
    if is_new:
        need_none(settings)
    with runs.alone(settings, VERB, PATIENCE_SECONDS):
        runs.Run(settings, VERB).prepare()
        work.need_possible(work.look())
        work.need_space()
    if is_new:
        work.say("a backup first")
        work.step("made a backup", lambda: _need_backup(settings))


def _need_backup(settings):
    """A backup now. Raises BackupError where it is no good one."""
    done = subprocess.run(["systemctl", "start", records.unit_of(settings, "backup")], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    last = records.newest(records.read(settings, time.time()), "backup")
    if done.returncode or not last or last["state"] != records.OK:
        because = (last or {}).get("because") or done.stdout.strip() or "systemd says nothing."
        raise BackupError(f"The backup that comes before an upgrade failed: {because} Nothing was changed.")


def _start(settings, arguments):
    """Let systemd do it, which goes on without whoever asked for it; the answer for a playbook."""
    words = [VERB, "--major", str(arguments.major)]
    words += [word for name in OPTIONS if getattr(arguments, name) for word in ("--" + name, getattr(arguments, name))]
    words += ["--back"] if arguments.back else []
    verb = VERB if arguments.confirm else REHEARSAL
    return by_hand.run_unit(settings, UNIT, verb, "Upgrade of Trenova's PostgreSQL", words)


def _end(settings, store):
    """Take down that the deployment has started the server of the other major, and have a full backup of it made."""
    journal = run.answered(settings, store)
    if journal:
        by_hand.want_full(settings)
        _remember_copies(settings, journal)
        journal.update(done=True, asked={})
    print(json.dumps({"is_new": bool(journal)}))
    return 0


def _remember_copies(settings, journal):
    """Have a record name what was there before, which nobody would remove otherwise, and tell that all is well.

    That of an upgrade that was killed when its directory had just changed its place names none.
    """
    kept, wish = journal.content.get("copies") or {}, journal.content["wish"]
    named = {path for record in records.read(settings, time.time()) for path in (record.get("copies") or {}).values()}
    if not set(kept.values()) <= named:
        record = records.begin(
            settings, VERB, time.time(), upgrade={name: wish[name] for name in ("way", "from", "to")}, copies=kept)
        _tell(settings, records.finish(settings, record, time.time(), records.OK))


def waits(settings):
    """Why a small backup is not made now; "" where it can be."""
    stores = [store for store in settings.stores if store["kind"] == "postgres" and store["physical"]]
    return next(filter(None, (run.waits(settings, store) for store in stores)), "")
