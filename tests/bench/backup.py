#!/usr/bin/env python3
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Measures what backups, restores and drills take, and what a running backup costs the application.

    backup.py [--size GB] [--rounds N] [--seconds S] [--only PART] [--keep] [--strict] [--write FILE]

What is compared is measured in turns within one run: a restore by the program as playbooks/restore.yml calls it, and
one by pg_basebackup, pg_combinebackup and rclone alone, from the same state to the same end; the application's
throughput while a backup goes on, and while it is held. Half of the data is rows, half objects. Before each restore
both are removed, and afterwards they are what they were, by their hashes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from statistics import mean

import figures
import yaml
from bench import REGISTRY, ROOT, STATE, Controller, Samples, lab, say, ssh
from figures import GB, Part

sys.path.insert(0, str(ROOT / "tests/lab"))
from load import Entrance, Load  # noqa: E402 - it is found by the path

SERVER = {"name": "backups1", "address": "172.30.60.165", "image": "docker"}
FILES = pathlib.Path(__file__).parent / "files/backup"
PROGRAM = "python3 -B /usr/local/lib/trenova/backup.py"
TARGET = "/var/backups/trenova"
#: Users of the load: the application limits each of them. No divisor of the number of paths, so that all ask for all.
USERS = 24
#: Requests a second that are begun at most: more than the machine answers, so that what it answers is its throughput.
#: Of those at once there are few: overwhelmed, the application answers nobody.
MOST_PER_SECOND, AT_ONCE = 1500, 6
#: Of so many answers one may be a bad one.
ANSWERS_OF_WHICH_ONE_FAILS = 1000
#: Sessions of each user: each remembers its requests, and reads all of them with the next.
SESSIONS_EACH = 8
#: A load meets a backup that is at work; what was held goes on, or stands still.
BEGIN_SECONDS, SETTLE_SECONDS = 3, 0.7
#: Whether the backup goes on.
TURNS = (True, False, False, True)
PREFERRED = -10
#: Of a unit of systemd that was started: it is activating, and then deactivating.
UNTIL_END = "while systemctl show -P ActiveState {}.service | grep -q activating; do sleep 0.1; done"
PARTS = ("restores", "drills", "throughput")
#: Copies of the administrator with other names, whom the password of his lets in.
COLLEAGUES = """
INSERT INTO users (id, business_unit_id, current_organization_id, status, name, username, password, email_address,
    timezone)
SELECT 'bench' || n, business_unit_id, current_organization_id, status, 'Bench ' || n, 'bench' || n, password,
    'bench' || n || '@trenova.test', timezone
FROM users, generate_series(1, {users}) AS n WHERE email_address = 'admin@trenova.test' ON CONFLICT DO NOTHING
"""
ROWS_DIGEST = """
SELECT count(*), sum(hashtextextended(id || hash, 0)::numeric), sum((hash = md5(told))::int) FROM bench_freight
"""


def put(content: bytes, command: str) -> None:
    """Hand something to a command on the server."""
    subprocess.run(["ssh", "-F", str(STATE / "ssh/config"), SERVER["name"], command], input=content, check=True)


def run(command: str) -> str:
    """Output of a command on the server."""
    return ssh(SERVER["name"], command)


@contextlib.contextmanager
def preferred():
    """Have the threads that begin here preferred: they stand for other machines, which nothing on the server delays."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PREFERRED)
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, own)


class Installation:
    """The server with everything on it, and what is done to it."""

    def __init__(self, controller: Controller, size: float):
        self.controller, self.amount = controller, figures.amount(size)
        self.inventory = controller.inventory("backups", {SERVER["name"]: {"ansible_host": SERVER["address"]}})
        self.entrance = Entrance(SERVER["address"], f"{SERVER['name']}.test")
        self.password = ""

    def deploy(self) -> None:
        """Deploy, or start again what a restore has stopped."""
        self.controller.run(self.inventory, changed=None)

    def prepare(self) -> None:
        """Lay out the programs, and let more users in than the seed has."""
        secrets = yaml.safe_load((self.controller.work / "group_vars/trenova/secrets.yml").read_text())
        self.password = secrets["trenova_admin_password"]
        archive = subprocess.run(["tar", "-C", str(FILES), "-c", "."], check=True, capture_output=True).stdout
        put(archive, "rm -rf /root/bench && mkdir -m 0700 /root/bench && tar -C /root/bench -x")
        run("systemctl stop trenova-backup.timer trenova-drill.timer")
        self.sql(COLLEAGUES.format(users=USERS))

    @staticmethod
    def sql(statement: str) -> str:
        """The answer of the database."""
        return run(f"docker exec tren-db psql -qAt -d trenova_go_db -v ON_ERROR_STOP=1 -c {shlex.quote(statement)}")

    def fill(self, generation: int, part: int = 1) -> None:
        """Write new rows and objects in the place of all, or of one in so many."""
        run(f"/root/bench/fill.sh {generation} {self.amount.rows} {self.amount.objects} {part}")

    def empty(self) -> None:
        """Remove what was written, so that only a restore brings it back."""
        self.sql("TRUNCATE bench_freight")
        run("/root/bench/raw.sh rclone /root purge store-objects:bench-papers")

    def content(self) -> tuple[str, str]:
        """Digests of rows and objects; ends where a row is not as its hash says."""
        rows = self.sql(ROWS_DIGEST).strip()
        number, _sum, good = rows.split("|")
        objects = run("/root/bench/raw.sh rclone /root lsf --recursive --hash MD5 --format psh "
                      "store-objects:bench-papers | sort | sha256sum")
        if number != good:
            sys.exit(f"{number} rows, of which {good} are as their hashes say")
        return rows, objects.split()[0]

    def bytes(self) -> tuple[int, int]:
        """Bytes of rows with their indexes, and of objects."""
        told = json.loads(run("/root/bench/raw.sh rclone /root size --json store-objects:bench-papers"))
        return int(self.sql("SELECT pg_total_relation_size('bench_freight')")), told["bytes"]

    @staticmethod
    def program(words: str) -> str:
        """What the program of the backups says."""
        return run(f"{PROGRAM} {words}")

    @staticmethod
    def record(verb: str) -> dict:
        """The newest record of a verb; ends where its run did not go well."""
        folder = "/var/lib/trenova/backup/records"
        found = json.loads(run(f"cat $(grep -l '\"verb\": \"{verb}\"' {folder}/*.json | sort | tail -n 1)"))
        if found["state"] != "ok":
            sys.exit(f"{verb}: {found['state']}: {found.get('because')}")
        return found

    def raw(self, *words: str) -> list[Part]:
        """Parts of what PostgreSQL's programs and rclone do alone."""
        return figures.parts(run(f"/root/bench/raw.sh {' '.join(words)}").splitlines())

    def backup(self, is_full: bool) -> tuple[float, int, dict]:
        """(seconds, bytes by which the target grew, record) of a backup as the playbook starts it."""
        before = self.target_bytes()
        seconds = self.unit(f"start{' --full' if is_full else ''}", "trenova-backup")
        return seconds, self.target_bytes() - before, self.record("backup")

    @staticmethod
    def target_bytes() -> int:
        """Bytes of the target."""
        return int(run(f"du -s --block-size=1 {TARGET}").split()[0])

    @staticmethod
    def unit(words: str, unit: str) -> float:
        """Seconds from the start of a unit by the program, as a playbook asks for it, to its end."""
        told = run(
            f"begin=$(date +%s%N); {PROGRAM} {words} >/dev/null || exit 1; {UNTIL_END.format(unit)}; "
            "echo $((($(date +%s%N) - begin) / 1000000))")
        return int(told.split()[-1]) / 1000

    def stopped(self) -> list[str]:
        """Containers that a restore stops before it lays anything, in its order."""
        services = [name for name in json.loads(self.program("restore --plan --json"))["stops"] if name != "rabbitmq"]
        return [name for service in services for name in run(
            f"docker ps --format '{{{{.Names}}}}' --filter label=trenova.role={service} "
            "--filter label=com.docker.compose.oneoff=False").split()]

    def log_in(self) -> list[str]:
        """Cookies of a new session of each user."""
        return [self.entrance.log_in(f"bench{number}@trenova.test", self.password) for number in range(1, USERS + 1)]


class Report:
    """Lines that are printed and kept, and the goals."""

    def __init__(self):
        self.lines: list[str] = []
        self.goals: list[figures.Goal] = []

    def tell(self, *lines: str) -> None:
        """Print and keep."""
        for line in lines:
            print(line, flush=True)
        self.lines += lines

    def explain(self, text: str) -> None:
        """A paragraph."""
        self.tell(*textwrap.wrap(text, 120), "")

    def goal(self, goal: figures.Goal) -> None:
        """Whether something was reached."""
        self.goals.append(goal)
        self.tell(*textwrap.wrap(str(goal), 120), "")

    def parts(self, *columns: list[Part]) -> None:
        """Rows of a table: what took how long."""
        for part in (part for column in columns for part in column):
            self.tell(f"| {part.name} | {part.seconds:.1f} |")
        self.tell("")


def megabytes(number: int | None) -> str:
    """Bytes for people."""
    return "" if number is None else f"{number / 10**6:.0f} MB"


def steps(record: dict, named: bool = True) -> list[Part]:
    """What a record says of its steps."""
    return [Part(f"{step['service']}: {step['name']}" if named else step["name"], step["seconds"])
            for step in record["steps"]]


class Bench:
    """All measurements."""

    def __init__(self, there: Installation, report: Report, rounds: int, seconds: int):
        self.there, self.report, self.rounds, self.seconds = there, report, rounds, seconds
        self.restored: list[float] = []

    def saves(self) -> None:
        """A full backup and an increment, and the same with the programs alone."""
        there, report = self.there, self.report
        say("a full backup")
        full, full_bytes, record = there.backup(True)
        say("the programs alone")
        raw_full, raw_dump = there.raw("full"), there.raw("dump")
        say("a tenth is changed, an increment")
        there.fill(2, part=10)
        small, small_bytes, small_record = there.backup(False)
        if small_record["steps"] and not any("incremental" in step["name"] for step in small_record["steps"]):
            sys.exit("It was no increment.")
        say("the programs alone")
        raw_small = there.raw("incremental")
        dumps = sum(step["seconds"] for step in record["steps"] if "dump" in step["name"])
        bytes_of = {part.name: part.bytes or 0 for part in [*raw_full, *raw_dump, *raw_small]}
        report.tell(
            "## Saving", "", "| | s | the target grew by |", "|---|---|---|",
            f"| full, encrypted, checked, the weekly dump of {dumps:.1f} s included | {full:.1f} | "
            f"{megabytes(full_bytes)} |",
            f"| `pg_basebackup`, `pg_dump`, `rclone copy` alone | {figures.total([*raw_full, *raw_dump]):.1f} | "
            f"{megabytes(bytes_of['base'] + bytes_of['objects'] + bytes_of['dump'])} |",
            f"| increment, a tenth of rows and objects changed | {small:.1f} | {megabytes(small_bytes)} |",
            f"| `pg_basebackup --incremental`, `rclone copy` alone | {figures.total(raw_small):.1f} | "
            f"{megabytes(bytes_of['increment'])} and the objects |", "",
            "Where the time of the full one goes:", "", "| what | s |", "|---|---|")
        report.parts(steps(record))

    def restores(self) -> None:
        """The whole installation, in turns by the program and by the programs alone."""
        there, report = self.there, self.report
        wanted, ours, raw, found = there.content(), [], [], []
        for number in range(self.rounds):
            say(f"restore {number + 1} of {self.rounds}")
            there.empty()
            self.restored.append(there.unit(
                f"restore --confirm {SERVER['name']} --leave-stopped --start", "trenova-restore"))
            found.append(there.record("restore"))
            say(f"{self.restored[-1]:.1f} s")
            ours.append(steps(found[-1]))
            self._again(wanted)
            say("the programs alone")
            there.empty()
            raw.append(there.raw("restore", *there.stopped()))
            say(f"{figures.total(raw[-1]):.1f} s")
            self._again(wanted)
        undump = there.raw("undump")
        raw_seconds = [figures.total(one) for one in raw]
        middle, middle_raw = figures.medians(ours), figures.medians(raw)
        inside = figures.total(middle)
        whole = Samples(self.restored)
        report.tell(
            "## Restoring all of it", "", "| | median (range) |", "|---|---|",
            f"| the program, as `playbooks/restore.yml` calls it | {whole} |",
            f"| `tar`, `pg_combinebackup`, recovery, `rclone copy` alone, with the same containers stopped | "
            f"{Samples(raw_seconds)} |",
            "| `pg_restore` alone, of the database without its objects, into a running server | "
            f"{undump[0].seconds:.2f} s |", "", "| the program | s |", "|---|---|")
        report.parts(middle, [Part("start, choice, tidying up", whole.median - inside)])
        report.tell("| the programs alone | s |", "|---|---|")
        report.parts(middle_raw)
        report.goal(figures.restore_goal(self.restored, raw_seconds))

    def _again(self, wanted: tuple[str, str]) -> None:
        """Start everything, and see that all is there."""
        self.there.deploy()
        if self.there.content() != wanted:
            sys.exit("What came back is not what was saved.")
        run("rm -rf /var/lib/trenova/.*.before-*; sync")

    def drills(self) -> None:
        """Drills, which end with a login and with nothing left."""
        there, report = self.there, self.report
        took, found = [], []
        for number in range(self.rounds):
            say(f"drill {number + 1} of {self.rounds}")
            took.append(there.unit("drill --start", "trenova-drill"))
            found.append(there.record("drill"))
            say(f"{took[-1]:.1f} s")
        middle = figures.medians([steps(record, named=False) for record in found])
        report.tell(
            "## Drills", "", "| | median (range) |", "|---|---|", f"| all of it | {Samples(took)} |",
            f"| until somebody is logged in (RTO) | {Samples([record['drill']['rto_seconds'] for record in found])} |",
            "", "| what | s |", "|---|---|")
        report.parts(middle)
        if self.restored:
            report.goal(figures.drill_goal(took, self.restored))

    def throughput(self) -> None:
        """The application's answers a second while a backup saves what it has never seen, and while that is held."""
        say("throughput")
        self.there.fill(10)
        # What was just filled is written down: no backup has to wait for that, and no load.
        self.there.sql("CHECKPOINT")
        run("sync")
        slow = {}
        rates = self._load(slow)
        during, without = zip(*figures.turns(rates), strict=True)
        self.report.tell("## The application meanwhile", "")
        self.report.explain(
            f"{AT_ONCE} clients ask as fast as they are answered, during a whole full backup of new data. Every "
            f"{self.seconds} s all processes of the backup are held, or go on, in turns: on, held, held, on, "
            f"{len(during)} times. What gets slower with time, as the application does with what it remembers of a "
            "session, weighs on both alike.")
        self.report.tell(
            "| | answers a second of each four turns, median (range) | 99 % within, ms |", "|---|---|---|",
            f"| while the backup is held | {Samples(without, '/s')} | {slow[False]:.0f} ms |",
            f"| while it goes on | {Samples(during, '/s')} | {slow[True]:.0f} ms |", "")
        self.report.explain(
            f"The goal goes by the means, as parts of a backup cost more than others: {mean(without):.2f} /s while "
            f"it is held, {mean(during):.2f} /s while it goes on.")
        self.report.goal(figures.throughput_goal(without, during))

    def _load(self, slow: dict[bool, float]) -> list[tuple[bool, float]]:
        """[(whether the backup went on, good answers a second)] of turns of so many seconds, until it has ended.

        slow: takes the milliseconds within which 99 % of the answers of either kind came.
        """
        cookies = [cookie for _number in range(SESSIONS_EACH) for cookie in self.there.log_in()]
        load = Load(self.there.entrance, cookies, MOST_PER_SECOND, AT_ONCE)
        windows = []
        self.there.program("start --full")
        time.sleep(BEGIN_SECONDS)
        with preferred(), load:
            try:
                for is_on in itertools.cycle(TURNS):
                    if windows and is_on is not windows[-1][0]:
                        run(f"/root/bench/hold.sh {'CONT' if is_on else 'STOP'}")
                    begin = load.now() + SETTLE_SECONDS
                    time.sleep(self.seconds)
                    windows.append((is_on, begin, load.now()))
                    state = run("systemctl show -P ActiveState trenova-backup.service").strip()
                    if is_on and state != "activating":
                        break
            finally:
                run("/root/bench/hold.sh CONT")
        self.there.record("backup")
        say(load.summary())
        if len(load.failed) * ANSWERS_OF_WHICH_ONE_FAILS > len(load.answers):
            sys.exit(f"The application does not stand the load: {load.summary()}")
        # In the last one it ended.
        windows.pop()
        for wanted in (True, False):
            slow[wanted] = 1000 * figures.percentile(
                [answer.seconds for is_on, begin, end in windows if is_on is wanted for answer in load.answers
                 if begin <= answer.began < end and not answer.fault], 0.99)
        return [(is_on, figures.rate(load.answers, begin, end)) for is_on, begin, end in windows]


def need_space(size: float) -> None:
    """End where the server's disk is too small."""
    free, needed = int(run("df --output=avail --block-size=1 /var/lib | tail -n 1")), figures.space_needed(size)
    if free < needed:
        sys.exit(f"SIZE={size:g} takes {needed / GB:.0f} GB on the disk of the lab, and {free / GB:.0f} GB are free. "
                 "Make room, or write a smaller SIZE.")


def parsed() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=1, help="GB of rows and objects, half of each")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each thing")
    parser.add_argument("--seconds", type=int, default=4, help="length of each turn under load")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part only; it may be repeated")
    parser.add_argument("--keep", action="store_true", help="leave the server")
    parser.add_argument("--strict", action="store_true", help="fail where a goal is not reached")
    parser.add_argument("--write", type=pathlib.Path, help="write the report to this file")
    arguments = parser.parse_args()
    try:
        figures.amount(arguments.size)
    except ValueError as error:
        parser.error(str(error))
    for name in ("rounds", "seconds"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} is {getattr(arguments, name)}: write at least 1.")
    return arguments


def measure(there: Installation, report: Report, arguments: argparse.Namespace) -> None:
    """Fill the server, measure, and tell."""
    need_space(arguments.size)
    say(f"{there.amount.rows} rows and {there.amount.objects} objects")
    there.fill(1)
    rows, objects = there.bytes()
    report.tell(
        "# Backups: what they take", "",
        *textwrap.wrap(
            f"`make bench-backup` on a machine with {os.cpu_count()} cores that plays server and clients alike, with "
            f"tier minimum and {arguments.size:g} GB: {there.amount.rows} rows ({megabytes(rows)} with their indexes) "
            f"and {there.amount.objects} objects ({megabytes(objects)}) that cannot be compressed. Live data, backups "
            f"and copies lie on one disk. Medians of {arguments.rounds} measurements in turns; in brackets the fastest "
            "and the slowest. After each restore all rows and objects were what they had been, by their hashes.", 120),
        "")
    bench = Bench(there, report, arguments.rounds, arguments.seconds)
    bench.saves()
    for part in arguments.only or PARTS:
        getattr(bench, part)()


def main() -> int:
    """Entry point."""
    arguments, report = parsed(), Report()
    with tempfile.TemporaryDirectory(prefix="trenova-backup-") as folder:
        work = pathlib.Path(folder)
        controller = Controller(work)
        shutil.copytree(pathlib.Path(__file__).parent / "inventory/group_vars", work / "group_vars")
        say("the lab: one server")
        lab("create", [SERVER], work / "lab.log")
        say("the images")
        subprocess.run(
            [sys.executable, "tests/lab/images/build.py", "--registry", REGISTRY, "--push"], cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL)
        there = Installation(controller, arguments.size)
        subprocess.run(
            ["ansible-playbook", "playbooks/secrets.yml", "-i", str(there.inventory)], cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL)
        say("Trenova")
        there.deploy()
        there.prepare()
        measure(there, report, arguments)
        if arguments.write:
            arguments.write.write_text("\n".join(report.lines).rstrip() + "\n")
        if not arguments.keep:
            lab("destroy", [SERVER], work / "lab.log")
    say("done")
    return int(arguments.strict and not all(goal.is_reached for goal in report.goals))


if __name__ == "__main__":
    sys.exit(main())
