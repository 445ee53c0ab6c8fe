#!/usr/bin/env python3
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Measures a run against Docker Compose alone, fleets against one server, and the controller's memory.

    bench.py [--rounds N] [--fleet N] [--keep] [--write FILE]

What is compared is measured in turns within one run, so that a slow minute of the machine meets both. Figures are
medians with their range. Servers are the lab's: one with the whole stack, and light ones that give the answers which
that one gave, so that a fleet measures the controller and not the machine that plays all of its servers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = pathlib.Path(__file__).resolve().parent / "files"
STATE = pathlib.Path.home() / ".local/state/trenova-lab"
REGISTRY = "172.30.60.2:5000"
REAL = {"name": "bench1", "address": "172.30.60.50", "image": "docker"}
START = time.monotonic()
RUN_SECONDS = 900
#: Goals of the project: seconds, module executions and results of a run without changes, the ratio of a first converge
#: to Compose, and the seconds of a fleet.
GOAL_SECONDS, GOAL_EXECUTIONS, GOAL_RESULTS, GOAL_FIRST, GOAL_FLEET_SECONDS = 3, 2, 4, 1.5, 14
#: What a first converge begins with: an Engine with its images, and nothing of ours.
WIPE = (
    "cd /opt/trenova 2>/dev/null && docker compose down --remove-orphans; systemctl stop 'trenova-*.timer'; "
    "rm -rf /opt/trenova /var/lib/trenova /var/backups/trenova /etc/systemd/system/trenova-*")
#: The same for Compose alone, which needs the files and the empty directories with their owners. Caddy's authority
#: stays: the API trusts its certificate, which the role of Caddy hands over after the start.
EMPTY = (
    "cd /opt/trenova && docker compose down && "
    "find /var/lib/trenova -mindepth 2 -maxdepth 2 -not -path '*/caddy/*' -print0 | xargs -0 --no-run-if-empty rm -rf")
UP = "cd /opt/trenova && docker compose up --detach --wait"
#: What an administrator types with the same files: the stores, the database's roles, the migrations, the rest.
FIRST_UP = (
    f"{UP} $(docker compose config --services | grep -vx api) && "
    "docker exec tren-db psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --file /run/trenova/roles.sql && "
    f"docker compose run --rm api-prepare && {UP}")


def say(text: str) -> None:
    """A line with the time since the start."""
    print(f"{time.monotonic() - START:7.1f} s  {text}", flush=True)


def ssh(server: str, command: str) -> str:
    """Output of a command on a server of the lab."""
    done = subprocess.run(
        ["ssh", "-F", str(STATE / "ssh/config"), "-o", "ControlMaster=auto", "-o", "ControlPersist=10m", "-o",
         f"ControlPath={STATE}/ssh/bench-%C", server, command],
        capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode:
        sys.exit(f"{server}: {command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def timed(function, *arguments) -> float:
    """Seconds that a call takes."""
    began = time.monotonic()
    function(*arguments)
    return time.monotonic() - began


def reached(is_reached: bool) -> str:
    """Whether a goal was reached, in words."""
    return "reached" if is_reached else "NOT reached"


class Samples:
    """Measurements of one thing, in its unit."""

    def __init__(self, values: list[float], unit: str = "s"):
        self.values = values
        self.unit = unit

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{self.median:.2f} {self.unit} ({min(self.values):.2f}–{max(self.values):.2f})"


class Memory(threading.Thread):
    """The most memory that a process and its children had at a time, in MiB, shared pages counted once (PSS)."""

    def __init__(self, process: subprocess.Popen):
        super().__init__(daemon=True)
        self.process = process
        self.peak_mb = 0.0
        self.processes = 0

    def run(self):
        """Look until the process ends."""
        while self.process.poll() is None:
            family = list(self._family(self.process.pid))
            total = sum(map(self._proportional_kb, family)) / 1024
            if total > self.peak_mb:
                self.peak_mb, self.processes = total, len(family)
            time.sleep(0.2)

    def _family(self, pid):
        yield pid
        with contextlib.suppress(OSError):
            for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                yield from self._family(int(child))

    @staticmethod
    def _proportional_kb(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1])
        return 0


class Controller:
    """Runs site.yml with an inventory of its own."""

    def __init__(self, work: pathlib.Path):
        self.work = work
        self.log = work / "ansible.log"

    def inventory(self, name: str, hosts: dict) -> pathlib.Path:
        """Write an inventory and return its folder."""
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        (folder / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": hosts}}))
        with contextlib.suppress(FileExistsError):
            (folder / "group_vars").symlink_to(self.work / "group_vars")
        return folder

    def start(self, inventory: pathlib.Path, *arguments: str, record: pathlib.Path | None = None) -> subprocess.Popen:
        """Start site.yml."""
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_FORCE_COLOR="0")
        # As users run it: Python keeps its byte code.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if record:
            environment.update(
                TRENOVA_RECORD=str(record), ANSIBLE_CALLBACKS_ENABLED="recorder",
                ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/lab/callback_plugins"))
        with self.log.open("w") as stream:
            return subprocess.Popen(
                ["ansible-playbook", "site.yml", "-i", str(inventory), *arguments], cwd=ROOT, env=environment,
                stdout=stream, stderr=subprocess.STDOUT)

    def finish(self, process: subprocess.Popen, changed: bool | None = False) -> None:
        """Wait for a run, and end if it failed, or changed what it should not."""
        code = process.wait(RUN_SECONDS)
        output = self.log.read_text()
        recap = output[output.rfind("PLAY RECAP"):]
        if code or (changed is False and recap.count("changed=") != recap.count("changed=0 ")):
            sys.exit(f"site.yml: exit code {code}\n" + "\n".join(output.splitlines()[-40:]))

    def run(self, inventory: pathlib.Path, *arguments: str, changed: bool | None = False) -> None:
        """Run site.yml; `changed` tells whether it may change something."""
        self.finish(self.start(inventory, *arguments), changed)

    def watched(
        self, inventory: pathlib.Path, *arguments: str, changed: bool | None = False,
    ) -> tuple[list[dict], Memory]:
        """A run whose tasks and memory are recorded."""
        record = self.work / "record.jsonl"
        record.unlink(missing_ok=True)
        process = self.start(inventory, *arguments, record=record)
        memory = Memory(process)
        memory.start()
        self.finish(process, changed)
        memory.join()
        return [json.loads(line) for line in record.read_text().splitlines()], memory


def lab(verb: str, servers: list[dict], log: pathlib.Path) -> None:
    """Create or destroy servers."""
    with log.open("a") as stream:
        subprocess.run(
            ["ansible-playbook", "-i", "localhost,", f"molecule/lab/{verb}.yml", "-e",
             json.dumps({"lab_servers": servers})],
            cwd=ROOT, env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")), stdout=stream,
            stderr=subprocess.STDOUT, check=True)


def send(server: str, program: str) -> None:
    """Put one of our programs on a server."""
    content = shlex.quote((FILES / program).read_text())
    ssh(server, f"printf %s {content} > /usr/local/bin/{program}; chmod 755 /usr/local/bin/{program}; "
                "rm -rf /root/answers; mkdir /root/answers")


def record_answers(controller: Controller, *arguments: str, host: str = REAL["name"]) -> int:
    """Keep what the real server, as this host of the inventory, answers in one run without changes.

    Returns the number of module executions.
    """
    send(REAL["name"], "recording-python")
    python = {"ansible_host": REAL["address"], "ansible_python_interpreter": "/usr/local/bin/recording-python"}
    controller.run(controller.inventory("recorded", {host: python}), *arguments)
    return int(ssh(REAL["name"], "cat /root/answers/count"))


def hand_over_answers(server: str) -> None:
    """Give a light server what was recorded on the real one."""
    send(server, "replaying-python")
    reach = ["ssh", "-F", str(STATE / "ssh/config")]
    packed = subprocess.run([*reach, REAL["name"], "tar -C /root -c answers"], capture_output=True, check=True).stdout
    subprocess.run([*reach, server, "tar -C /root -x"], input=packed, check=True)


class Bench:
    """All measurements."""

    def __init__(self, controller: Controller, rounds: int, fleet: list[dict]):
        self.controller = controller
        self.rounds = rounds
        self.fleet = fleet
        self.one = controller.inventory("one", {REAL["name"]: {"ansible_host": REAL["address"]}})
        self.lines: list[str] = []
        #: Seconds of each service in the run that was watched last.
        self.service_seconds: dict[str, float] = {}

    def turns(self, *functions) -> list[Samples]:
        """Times of each function, all of them once per round."""
        rounds = [[timed(function) for function in functions] for _round in range(self.rounds)]
        return [Samples(list(values)) for values in zip(*rounds, strict=True)]

    def tell(self, *lines: str) -> None:
        """Lines of the report, printed as well."""
        for line in lines:
            print(line, flush=True)
        self.lines += lines

    def no_op(self) -> None:
        """(a) A run that changes nothing, against Compose that changes nothing."""
        say("a run without changes, against Compose")
        executions = record_answers(self.controller)
        self.controller.run(self.one)
        ours, compose = self.turns(lambda: self.controller.run(self.one), lambda: ssh(REAL["name"], UP))
        results = len(self.controller.watched(self.one)[0])
        self.tell(
            "## A run that changes nothing", "", "| | median (range) |", "|---|---|",
            f"| `ansible-playbook site.yml`, verification included | {ours} |",
            f"| `docker compose up --detach --wait` by SSH | {compose} |",
            f"| ratio | {ours.median / compose.median:.1f} |",
            f"| module executions by SSH | {executions} |",
            f"| results of tasks | {results} |", "",
            f"Goals: {GOAL_SECONDS} s: {reached(ours.median <= GOAL_SECONDS)}. {GOAL_EXECUTIONS} executions and "
            f"{GOAL_RESULTS} results: {reached(executions <= GOAL_EXECUTIONS and results <= GOAL_RESULTS)}.", "")
        self.where_the_time_goes()

    def where_the_time_goes(self, *arguments: str, changed: bool | None = False) -> None:
        """Seconds of each task in one run."""
        began = time.monotonic()
        tasks, _memory = self.controller.watched(self.one, *arguments, changed=changed)
        total = time.monotonic() - began
        inside = sum(entry["seconds"] for entry in tasks)
        longest = sorted(tasks, key=lambda entry: -entry["seconds"])[:8]
        self.service_seconds = {
            name: entry["seconds"] for task in tasks for name, entry in (task["result"].get("services") or {}).items()}
        self.tell(
            "Where the time of one such run goes:", "", "| what | s |", "|---|---|",
            f"| start of Ansible, parsing, between the tasks | {total - inside:.2f} |",
            *(f"| {entry['task']} | {entry['seconds']:.2f} |" for entry in longest),
            f"| {len(tasks) - len(longest)} more tasks | {inside - sum(entry['seconds'] for entry in longest):.2f} |",
            "")

    def first(self) -> None:
        """(b) The first converge with all images on the server, against Compose with the same files and no data."""
        say("a first converge, against Compose")
        site, compose = [], []
        for _round in range(self.rounds):
            ssh(REAL["name"], WIPE)
            site.append(timed(lambda: self.controller.run(self.one, "--skip-tags", "verify", changed=None)))
            ssh(REAL["name"], EMPTY)
            compose.append(timed(ssh, REAL["name"], FIRST_UP))
        ours, theirs = Samples(site), Samples(compose)
        ratio = ours.median / theirs.median
        self.tell(
            "## A first converge, images on the server", "", "| | median (range) |", "|---|---|",
            f"| `site.yml` without verification, from nothing of ours on the server | {ours} |",
            f"| Compose: same files, no data but Caddy's authority; stores, roles, migrations, the rest | {theirs} |",
            f"| ratio | {ratio:.2f} |", "",
            f"Goal: {GOAL_FIRST}: {reached(ratio <= GOAL_FIRST)}.", "")
        ssh(REAL["name"], WIPE)
        self.where_the_time_goes("--skip-tags", "verify", changed=None)
        self.explain("What each service took of the converge, side by side where nothing ran before:")
        self.tell("| service | s |", "|---|---|", *(
            f"| {name} | {seconds:.1f} |" for name, seconds in self.service_seconds.items()), "")

    def explain(self, text: str) -> None:
        """A paragraph of the report."""
        self.tell(*textwrap.wrap(text, 120), "")

    def fleets(self) -> None:
        """(c) and (d): light servers, one, half of them and all of them, and the controller's memory."""
        say("fleets of light servers")
        skipped = ("--skip-tags", "verify")
        for server in self.fleet:
            # Each is an installation with a domain of its own, so the real one has to have been it.
            self.controller.run(
                self.controller.inventory("played", {server["name"]: {"ansible_host": REAL["address"]}}), *skipped,
                changed=None)
            executions = record_answers(self.controller, *skipped, host=server["name"])
            hand_over_answers(server["name"])
        sizes = sorted({1, len(self.fleet) // 2, len(self.fleet)})
        inventories = [self.controller.inventory(f"fleet-{size}", {
            server["name"]: {
                "ansible_host": server["address"], "ansible_python_interpreter": "/usr/local/bin/replaying-python"}
            for server in self.fleet[:size]}) for size in sizes]
        for inventory in inventories:
            self.controller.run(inventory, *skipped)
        times = self.turns(*(lambda one=one: self.controller.run(one, *skipped) for one in inventories))
        watched = [self.controller.watched(inventory, *skipped) for inventory in inventories]
        memory, tasks = [peak for _tasks, peak in watched], len(watched[0][0])
        further = (times[-1].median - times[0].median) / (len(self.fleet) - 1)
        self.tell(
            "## Fleets, a run that changes nothing", "",
            "| servers | median (range) | against one | most memory of the controller (PSS) | in processes |",
            "|---|---|---|---|---|",
            *(f"| {size} | {time_} | {time_.median / times[0].median:.2f} | {peak.peak_mb:.0f} MiB | {peak.processes} |"
              for size, time_, peak in zip(sizes, times, memory, strict=True)), "",
            f"Each server answers what the real one, deployed as that installation, answered to {executions} module "
            "execution.", "Without the verification, whose requests from outside would meet servers without a Trenova. "
            f"Goal: {len(self.fleet)} servers in {GOAL_FLEET_SECONDS} s: "
            f"{reached(times[-1].median <= GOAL_FLEET_SECONDS)}.", "")
        self.explain(
            f"A further server costs {further:.2f} s of all cores together, both ends of the connection included: one "
            f"module execution by SSH and {tasks} results of tasks, each from a process of its own.")


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each thing")
    parser.add_argument("--fleet", type=int, default=20, help="light servers")
    parser.add_argument("--keep", action="store_true", help="leave the servers")
    parser.add_argument("--only", choices=["no_op", "first", "fleets"], help="one part only")
    parser.add_argument("--write", type=pathlib.Path, help="write the report to this file")
    arguments = parser.parse_args()
    fleet = [{"name": f"fleet{number:02}", "address": f"172.30.60.{150 + number}", "image": "bare"}
             for number in range(1, arguments.fleet + 1)]
    parts = [arguments.only] if arguments.only else ["no_op", "first", "fleets"]
    servers = [REAL, *(fleet if "fleets" in parts else [])]
    with tempfile.TemporaryDirectory(prefix="trenova-bench-") as folder:
        work = pathlib.Path(folder)
        controller = Controller(work)
        shutil.copytree(pathlib.Path(__file__).parent / "inventory/group_vars", work / "group_vars")
        say(f"the lab: {len(servers)} servers")
        lab("create", servers, work / "lab.log")
        say("the images")
        subprocess.run(
            [sys.executable, "tests/lab/images/build.py", "--registry", REGISTRY, "--push"], cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL)
        bench = Bench(controller, arguments.rounds, fleet)
        subprocess.run(
            ["ansible-playbook", "playbooks/secrets.yml", "-i", str(bench.one)], cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL)
        say("Trenova on the real one")
        ssh(REAL["name"], WIPE)
        controller.run(bench.one, changed=None)
        cpus = os.cpu_count()
        bench.tell(
            "# Benchmarks", "", f"`make bench` on a machine with {cpus} cores that plays controller and servers alike "
            f"(Python {platform.python_version()}). Medians of {arguments.rounds}", "measurements in turns; "
            "in brackets the fastest and the slowest.", "")
        for part in parts:
            getattr(bench, part)()
        if arguments.write:
            arguments.write.write_text("\n".join(bench.lines).rstrip() + "\n")
        if not arguments.keep:
            lab("destroy", servers, work / "lab.log")
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
