#!/usr/bin/env python3
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Loads a deployed Trenova until its services are at their planned limits, and compares their memory with the plan.

    memory.py [--rounds N] [--seconds S] [--keep] [--write FILE]

Then the database takes the same load with the plan's settings and with those of upstream's Compose file, in turns and
under the same limits of memory and CPU, and a Redis as that file starts it is filled as ours was.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import secrets
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pika
import yaml
from bench import REGISTRY, ROOT, STATE, Controller, lab, say, ssh

sys.path.insert(0, str(ROOT / "collections"))

from application import READERS, UPLOADERS, Account, Crowd  # noqa: E402 - it and the following are found by the path

from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import Visitor  # noqa: E402

SERVER = {"name": "memory1", "address": "172.30.60.120", "image": "docker"}
FILES = pathlib.Path(__file__).parent / "files/memory"
CONTAINERS = ("tren-db", "tren-pgbouncer", "tren-redis", "tren-rabbitmq", "tren-minio", "tren-api", "tren-caddy")
#: Services whose memory the plan predicts, and their containers.
PREDICTED = {"postgres": "tren-db", "redis": "tren-redis", "rabbitmq": "tren-rabbitmq"}
CLIENTS = 200
GOAL_PERCENT, GOAL_THROUGHPUT = 20, 1.5
#: The load comes beside the application, so more clients than the plan counts with; the pools are as planned.
OURS = {"trenova_plan_overrides": {"pgbouncer": {"max_client_conn": 400}}}
#: What upstream's Compose files set: the database in the one of the requirements, the pool in a later one (the first
#: names a file that it lacks). What they do not set is PostgreSQL's default.
UPSTREAM = {
    **OURS,
    "trenova_restore_document": ["postgres-shm"],
    "postgres_settings_extra": {
        "work_mem": "4MB", "maintenance_work_mem": "64MB", "hash_mem_multiplier": "2.0", "min_wal_size": "1GB",
        "max_wal_size": "4GB", "wal_level": "logical", "wal_compression": "off", "jit": "on",
        "max_parallel_workers": "8", "max_parallel_workers_per_gather": "2", "max_parallel_maintenance_workers": "2"},
    "pgbouncer_settings_extra": {"default_pool_size": 80, "reserve_pool_size": 20, "max_db_connections": 97},
}
#: More writes of sessions than the users of any tier cause.
SESSIONS_PER_SECOND = 1000
OVERFULL_PERCENT = 110
REWRITE_SECONDS = 20
#: What a load has set off may come a little later.
SETTLE_SECONDS = 5


def put(content: bytes, command: str) -> None:
    """Hand something to a command on the server."""
    subprocess.run(["ssh", "-F", str(STATE / "ssh/config"), SERVER["name"], command], input=content, check=True)


class Load:
    """Everything that is done to the server, and what was seen meanwhile."""

    def __init__(self, controller: Controller, seconds: int):
        self.controller = controller
        self.seconds = seconds
        self.inventory = controller.inventory("memory", {SERVER["name"]: {"ansible_host": SERVER["address"]}})
        self.secrets: dict = {}

    def deploy(self, variables: dict, *arguments: str) -> dict:
        """Deploy, and return the plan that holds."""
        wish = ("-e", json.dumps(variables))
        self.controller.run(self.inventory, *wish, *arguments, changed=None)
        subprocess.run(
            ["ansible-playbook", "playbooks/plan.yml", "-i", str(self.inventory), *wish, "-e",
             f"trenova_plan_dir={self.controller.work}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return json.loads((self.controller.work / f"{SERVER['name']}.json").read_text())

    def prepare(self) -> None:
        """Lay out the programs and the data. The passwords lie in a file of the server that only root reads."""
        self.secrets = yaml.safe_load((self.controller.work / "group_vars/trenova/secrets.yml").read_text())
        put(b"", "rm -rf /root/memory; mkdir -m 0755 /root/memory")
        for source in (FILES, pathlib.Path(pika.__file__).parent):
            archive = subprocess.run(
                ["tar", "-C", str(source.parent), "-c", source.name], check=True, capture_output=True).stdout
            put(archive, "tar -C /root -x" if source == FILES else "tar -C /root/memory -x")
        put("PGPASSWORD={}\nREDISCLI_AUTH={}\n".format(
            self.secrets["trenova_postgres_password"], self.secrets["trenova_redis_password"]).encode(),
            "umask 077; cat > /root/memory.passwords")
        put(secrets.token_urlsafe(1536).encode(), "cat > /root/memory/session.txt")
        self.client("tren-db", "psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --host tren-db --username trenova "
                               "--dbname trenova_go_db --file /memory/orders.sql")

    @staticmethod
    def client(image_of: str, command: str, login: bool = True) -> str:
        """Output of a client's program in a container of its own, so that its memory is not the server's."""
        passwords = "--env-file /root/memory.passwords" if login else ""
        return ssh(
            SERVER["name"],
            f"docker run --rm --network trenova_data {passwords} --volume /root/memory:/memory:ro "
            f"--entrypoint sh $(docker inspect --format '{{{{.Config.Image}}}}' {image_of}) -c {shlex.quote(command)}")

    def database(self, host: str, port: int, clients: int, *scripts: str) -> dict:
        """Transactions per second, and the 99th percentile of their milliseconds, with so many clients."""
        output = self.client(
            "tren-db", f"sh /memory/database.sh {host} {port} {clients} {self.seconds} {' '.join(scripts)}")
        tps, slow = re.search(r"tps = ([\d.]+)", output), re.search(r"p99 = (\d+)", output)
        faults = re.findall(r"aborted|FATAL|PANIC|server closed the connection", output)
        return {"tps": float(tps[1]) if tps else 0.0, "p99_ms": int(slow[1]) / 1000 if slow else None,
                "faults": len(faults)}

    def busy_database(self, plan: dict) -> None:
        """All backends sort and join at once, those that PgBouncer lets through and the direct ones, and indexes are
        built with the memory of as many workers as autovacuum has."""
        connections = plan["totals"]["connections"]
        workers = plan["services"]["postgres"]["settings"]["autovacuum_max_workers"]
        with ThreadPoolExecutor() as pool:
            running = [
                pool.submit(self.database, "tren-pgbouncer", 6432, connections["max_db_connections"], "report.sql"),
                pool.submit(self.database, "tren-db", 5432, connections["direct"] - workers, "report.sql"),
                *(pool.submit(self.client, "tren-db", f"sh /memory/index.sh {number} {self.seconds}")
                  for number in range(workers))]
            for future in running:
                future.result()

    def full_redis(self, plan: dict) -> str:
        """Sessions up to maxmemory and beyond it, so that keys are evicted, then a rewrite of the append-only file
        while sessions are written."""
        size = plan["services"]["redis"]["settings"]["maxmemory_mb"] * OVERFULL_PERCENT // 100
        return "".join(self.client("tren-redis", f"sh /memory/sessions.sh tren-redis {what}") for what in (
            f"fill {size}", f"rewrite {SESSIONS_PER_SECOND} {REWRITE_SECONDS}"))

    def flooded_redis(self, _plan: dict) -> str:
        """Rewrites of the append-only file while clients write as fast as they can; whether Redis stayed up."""
        began = self._started("tren-redis")
        said = self.client("tren-redis", f"sh /memory/sessions.sh tren-redis rewrite 0 {REWRITE_SECONDS}")
        stayed = began == self._started("tren-redis")
        return ("" if stayed else "Redis FELL, ") + said

    @staticmethod
    def _started(container: str) -> str:
        return ssh(SERVER["name"], f"docker inspect --format '{{{{.State.Pid}}}} {{{{.State.StartedAt}}}}' {container}")

    def upstreams_redis(self, plan: dict) -> tuple[int, bool]:
        """(MiB of sessions that were written, whether Redis was killed) with the options that upstream's Compose file
        gives it: none, since its command loses them all."""
        size = plan["services"]["redis"]["memory_limit_mb"] * OVERFULL_PERCENT // 100
        image = "$(docker inspect --format '{{.Config.Image}}' tren-redis)"
        ssh(SERVER["name"], "docker run --detach --name bench-redis --network trenova_data --cpus 1 --memory {0}m "
                            "--memory-swap {0}m {1} redis-server".format(
                                plan["services"]["redis"]["memory_limit_mb"], image))
        try:
            self.client("tren-redis", f"sh /memory/sessions.sh bench-redis fill {size}", login=False)
            state = ssh(SERVER["name"], "docker inspect --format '{{.State.OOMKilled}}' bench-redis")
        finally:
            ssh(SERVER["name"], "docker rm --force --volumes bench-redis")
        return size, state.strip() == "true"

    def users(self, _plan: dict) -> str:
        """Readers and uploads of the application, through Caddy."""
        domain = f"{SERVER['name']}.test"
        authority = ssh(SERVER["name"], "cat $(find /var/lib/trenova/caddy -name root.crt)")
        account = Account(domain, "admin@trenova.test", self.secrets["trenova_admin_password"])
        return Crowd(Visitor(SERVER["address"], authority), account).work(self.seconds)

    def backlogs(self, _plan: dict) -> str:
        """Messages that nobody acknowledges in a queue of either type, until RabbitMQ holds publishers back."""
        return "; ".join(self._backlog(kind) for kind in ("quorum", "classic"))

    def _backlog(self, kind: str) -> str:
        broker = "docker exec tren-rabbitmq rabbitmqctl --quiet"
        ssh(SERVER["name"], f"{broker} add_vhost bench && "
                            f"{broker} set_permissions --vhost bench trenova '.*' '.*' '.*'")
        inspect = "docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' tren-rabbitmq"
        address = ssh(SERVER["name"], inspect).split()[0]
        done = subprocess.run(
            ["ssh", "-F", str(STATE / "ssh/config"), SERVER["name"],
             f"cd /root/memory && python3 backlog.py {address} bench trenova {3 * self.seconds} {kind}"],
            input=self.secrets["trenova_rabbitmq_password"] + "\n", text=True, capture_output=True, check=False)
        time.sleep(SETTLE_SECONDS)
        # A queue that is taken away while messages are on the way to it makes RabbitMQ write them all to its log.
        ssh(SERVER["name"], f"{broker} close_all_connections --vhost bench done; {broker} delete_vhost bench")
        return (done.stdout or done.stderr).strip().splitlines()[-1]

    def watched(self, function, *arguments) -> tuple:
        """(result, what the containers had at most) of something that is done."""
        names = " ".join(CONTAINERS)
        ssh(SERVER["name"], f"cd /root/memory && rm -f stop peaks.json && "
                            f"(setsid python3 sampler.py {names} > sampler.log 2>&1 < /dev/null &)")
        result = function(*arguments)
        time.sleep(SETTLE_SECONDS)
        peaks = ssh(SERVER["name"], "cd /root/memory; touch stop; "
                                    "for _ in 1 2 3 4 5 6 7 8 9; do [ -s peaks.json ] && break; sleep 1; done; "
                                    "cat peaks.json")
        return result, json.loads(peaks)


INTRODUCTION = (
    "# Memory: planned and measured",
    "",
    "`make bench-memory` with tier minimum, on a machine with {cores} cores that plays server and clients alike. Each",
    "service is loaded until it is at its limits; the most that its container has meanwhile, without the page cache,",
    "stands beside `peak_memory_mb` of the plan.",
    "",
    "- PostgreSQL: all connections that PgBouncer lets through, and the direct ones, sort and join at once, and as",
    "  many indexes are built as there are workers of autovacuum.",
    f"- Redis: filled to {OVERFULL_PERCENT} % of maxmemory with sessions, then it rewrites its append-only file while",
    f"  {SESSIONS_PER_SECOND} sessions a second are written.",
    "- RabbitMQ: messages are published that nobody acknowledges, to a queue of either type, until it holds publishers",
    "  back.",
    f"- Users: {READERS} read and {UPLOADERS} upload documents at a time, through Caddy and the API.",
    "",
)


class Report:
    """Lines that are printed and kept."""

    def __init__(self):
        self.lines: list[str] = []

    def tell(self, *lines: str) -> None:
        """Print and keep."""
        for line in lines:
            print(line, flush=True)
        self.lines += lines

    def memory(self, plan: dict, seen: dict[str, dict]) -> None:
        """Peaks against the plan: of each service under its own load."""
        self.tell("## Services at their limits", "",
                  "| service | planned, MiB | measured, MiB | difference | limit, MiB | OOM kills | restarts |",
                  "|---|---|---|---|---|---|---|")
        reached = True
        for service, container in PREDICTED.items():
            peak = seen[service][container]
            planned = plan["services"][service]["settings"]["peak_memory_mb"]
            difference = 100 * (peak["peak_mb"] - planned) / planned
            fell = peak["oom_kills"] or peak["restarts"]
            reached = reached and abs(difference) <= GOAL_PERCENT and not fell
            self.tell(f"| {service} | {planned} | {peak['peak_mb']} | {difference:+.0f} % | {peak['limit_mb']} | "
                      f"{peak['oom_kills']} | {peak['restarts']} |")
        self.tell("", f"Goal: within {GOAL_PERCENT} %, nothing killed: {'reached' if reached else 'NOT reached'}.", "")

    def others(self, seen: dict[str, dict]) -> None:
        """Peaks of what the plan gives a limit only, over all loads."""
        self.tell("| service | measured, MiB | limit, MiB | OOM kills | restarts |", "|---|---|---|---|---|")
        for container in sorted(set(CONTAINERS) - set(PREDICTED.values())):
            peaks = [entry[container] for entry in seen.values()]
            self.tell("| {} | {} | {} | {} | {} |".format(
                container.removeprefix("tren-"), max(peak["peak_mb"] for peak in peaks), peaks[0]["limit_mb"],
                *(sum(peak[key] for peak in peaks) for key in ("oom_kills", "restarts"))))
        self.tell("")

    def throughput(self, ours: list[dict], theirs: list[dict], kills: dict[str, int]) -> None:
        """The plan's settings against upstream's."""
        def middle(found, key):
            return statistics.median(entry[key] or 0 for entry in found)

        ratio = middle(ours, "tps") / max(0.1, middle(theirs, "tps"))
        verdict = "reached" if ratio >= GOAL_THROUGHPUT else "NOT reached"
        self.tell(
            f"## The database with {CLIENTS} clients", "",
            f"Medians of {len(ours)} loads with each of the settings, in turns, under the same limits of memory and",
            "CPU. Upstream's are those of its Compose files, PostgreSQL's defaults where they set none. Of a hundred",
            "transactions 70 change an order, 25 list those of some customers, 5 rank those of ten days by region.", "",
            "| settings | transactions/s | 99 % within, ms | clients lost | OOM kills |", "|---|---|---|---|---|",
            *(f"| {name} | {middle(found, 'tps'):.0f} | {middle(found, 'p99_ms'):.0f} | "
              f"{sum(entry['faults'] for entry in found)} | {kills[name]} |"
              for name, found in (("planned", ours), ("upstream's", theirs))), "",
            f"Ratio {ratio:.2f}. Goal: {GOAL_THROUGHPUT}: {verdict}.", "")


def measure(load: Load, plan: dict, report: Report) -> None:
    """What each service takes at its limits."""
    seen, notes = {}, {}
    for name, function in (
        ("postgres", load.busy_database), ("redis", load.full_redis), ("rabbitmq", load.backlogs),
        ("users", load.users), ("flood", load.flooded_redis),
    ):
        say(f"load: {name}")
        result, seen[name] = load.watched(function, plan)
        notes[name] = ", ".join(str(result or "").split("\n")).rstrip(", ")
        say(notes[name])
    copies = seen.pop("flood")["tren-redis"]["oom_kills"]
    report.memory(plan, seen)
    report.others(seen)
    written, killed = load.upstreams_redis(plan)
    end = "killed, with all sessions and jobs since its last snapshot" if killed else "alive at the end"
    report.tell(
        f"- Redis: {notes['redis']}", f"- RabbitMQ: {notes['rabbitmq']}", f"- Users: {notes['users']}",
        f"- Redis, written to without a pause while it rewrites its file: {notes['flood']}; the kernel ended {copies} "
        "copies",
        f"- A Redis without options, as upstream's Compose file starts it, filled with {written} MiB: {end}", "")


def compare(load: Load, rounds: int, report: Report) -> None:
    """The database with the plan's settings and with upstream's, in turns."""
    found = {"planned": [], "upstream's": []}
    kills = dict.fromkeys(found, 0)
    for number in range(rounds):
        for name, variables in (("planned", OURS), ("upstream's", UPSTREAM)):
            say(f"{CLIENTS} clients, {name} settings, {number + 1} of {rounds}")
            # The settings that are compared are not the planned ones, which the verification would tell.
            load.deploy(variables, "--skip-tags", "verify")
            result, peaks = load.watched(
                load.database, "tren-pgbouncer", 6432, CLIENTS, "point.sql@70", "list.sql@25", "report.sql@5")
            say(json.dumps(dict(result, peak_mb=peaks["tren-db"]["peak_mb"])))
            found[name].append(result)
            kills[name] += peaks["tren-db"]["oom_kills"]
    report.throughput(found["planned"], found["upstream's"], kills)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="loads with each of the two settings")
    parser.add_argument("--seconds", type=int, default=45, help="length of each load")
    parser.add_argument("--keep", action="store_true", help="leave the server")
    parser.add_argument("--write", type=pathlib.Path, help="write the report to this file")
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="trenova-memory-") as folder:
        work = pathlib.Path(folder)
        controller = Controller(work)
        shutil.copytree(pathlib.Path(__file__).parent / "inventory/group_vars", work / "group_vars")
        say("the lab: one server")
        lab("create", [SERVER], work / "lab.log")
        say("the images")
        subprocess.run(
            [sys.executable, "tests/lab/images/build.py", "--registry", REGISTRY, "--push"], cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL)
        load = Load(controller, arguments.seconds)
        subprocess.run(
            ["ansible-playbook", "playbooks/secrets.yml", "-i", str(load.inventory)], cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL)
        say("Trenova")
        plan = load.deploy(OURS)
        load.prepare()
        report.tell(*(line.format(cores=os.cpu_count()) for line in INTRODUCTION))
        measure(load, plan, report)
        # What was killed for memory says so until it is started anew, and a deployment would complain.
        ssh(SERVER["name"], "docker restart " + " ".join(PREDICTED.values()))
        compare(load, arguments.rounds, report)
        if arguments.write:
            arguments.write.write_text("\n".join(report.lines).rstrip() + "\n")
        if not arguments.keep:
            lab("destroy", [SERVER], work / "lab.log")
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
