#!/usr/bin/env python3
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs Molecule scenarios in the lab: servers and images first, then the scenarios, and a table of times.

    molecule.py [--keep] [--workers N] [--roles] [scenario ...]

Without a name those run that CI runs: not the roles alone on a server (--roles), and not the long proofs, which are
named. The servers of all of them are created at once, stopped as soon as their scenario has passed, and destroyed at
the end, unless --keep is given or a scenario failed: then they stay for a look. Logs are in
.cache/molecule/<scenario>.log, and the inventory of a scenario, to go on by hand with `ansible-playbook -i`, in
.cache/molecule/<scenario>/inventory.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / ".cache/molecule"
REGISTRY = "172.30.60.2:5000"
SECRETS = ROOT / "molecule/shared/inventory/group_vars/trenova/secrets.yml"
START = time.monotonic()
#: Longest first, so that the last ones to end are short.
FIRST = ("restore", "default", "backup", "external", "docker", "acme", "api", "caddy", "postgres")
#: Each role alone on a server. CI meets all of them in the whole stack.
ROLES = ("api", "asynq_dashboard", "caddy", "client", "minio", "pgbouncer", "postgres", "rabbitmq", "redis")
#: Long ones, which run only when they are named.
PROOFS = ("rollout", "drill", "faults", "upgrade_postgres", "upgrade_postgres_18")
#: {scenario: commit of the history that it deploys first}.
HISTORY = {"upgrade": "09d8a07"}
#: {scenario: images of the lab that it alone needs}.
IMAGES = {"upgrade_postgres": ("postgres-15",), "upgrade_postgres_18": ("postgres-17-trixie", "postgres-18")}


def say(text: str) -> None:
    """A line with the time since the start."""
    print(f"{time.monotonic() - START:7.1f} s  {text}", flush=True)


def scenarios() -> list[str]:
    """Names of all scenarios, in the order in which they are started."""
    names = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    return sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))


def lacks_history(name: str) -> bool:
    """Whether this checkout lacks the commit that a scenario deploys first: a shallow clone, or none."""
    commit = HISTORY.get(name)
    return commit is not None and subprocess.run(
        ["git", "cat-file", "-e", commit + "^{commit}"], cwd=ROOT, capture_output=True, check=False).returncode != 0


def servers_of(name: str) -> list[dict]:
    """Servers that a scenario needs."""
    return yaml.safe_load((ROOT / "molecule" / name / "molecule.yml").read_text())["platforms"]


def logged(name: str, command: list[str]) -> int:
    """Run a command with its output in a log; its last lines are shown when it fails. Returns the exit code."""
    log = LOGS / f"{name}.log"
    # A directory of its own per scenario and run: Molecule remembers what it prepared, and the server is another one.
    environment = dict(
        os.environ, ANSIBLE_FORCE_COLOR="0", ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        MOLECULE_EPHEMERAL_DIRECTORY=str(LOGS / name), FIRST_EDITION=HISTORY.get(name, ""))
    with log.open("a") as stream:
        code = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        print("\n".join(log.read_text().splitlines()[-60:]), flush=True)
    return code


def reasons(name: str) -> list[str]:
    """What failed in a scenario, a line each: its tests, or the tasks that Ansible could not do."""
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    return [line[:400] for line in lines if line.startswith(("FAILED ", "ERROR ", "fatal: ", "[ERROR]"))] or lines[-5:]


def lab(verb: str, servers: list[dict]) -> None:
    """Create or destroy servers."""
    variables = json.dumps({"lab_servers": servers})
    command = ["ansible-playbook", "-i", "localhost,", f"molecule/lab/{verb}.yml", "-e", variables]
    if logged("lab", command):
        sys.exit(f"The lab could not {verb} its servers.")


def write_secrets() -> None:
    """Passwords that all scenarios share."""
    command = ["ansible-playbook", "playbooks/secrets.yml", "-i", "molecule/shared/inventory/hosts.yml"]
    if logged("lab", [*command, "-e", f"trenova_secrets_file={SECRETS}"]):
        sys.exit("The secrets could not be written.")


def stop(servers: list[dict]) -> None:
    """Stop servers that nobody asks any more: the health checks of a whole stack would slow down what follows."""
    subprocess.run(["docker", "kill", *(f"trenova-lab-{server['name']}" for server in servers)],
                   capture_output=True, check=False)


def run(name: str, keep: bool) -> tuple[str, bool, float]:
    """One scenario: its name, whether it passed, and how long it took."""
    started = time.monotonic()
    say(f"{name}: started")
    passed = logged(name, ["molecule", "test", "--destroy", "never", "--scenario-name", name]) == 0
    if passed and not keep:
        stop(servers_of(name))
    seconds = time.monotonic() - started
    say(f"{name}: {'passed' if passed else 'FAILED'} in {seconds:.0f} s")
    return name, passed, seconds


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="names below molecule/; those of CI when none is given")
    parser.add_argument("--roles", action="store_true", help="those of each role alone")
    parser.add_argument("--keep", action="store_true", help="leave the servers for a look")
    parser.add_argument("--workers", type=int, default=2, help="how many scenarios run at a time")
    arguments = parser.parse_args()
    known = scenarios()
    if unknown := set(arguments.scenario) - set(known):
        parser.error("no such scenario: " + ", ".join(sorted(unknown)))
    wanted = {*arguments.scenario, *(ROLES if arguments.roles else ())} or {*known} - {*ROLES, *PROOFS}
    chosen = [name for name in known if name in wanted]
    for name in filter(lacks_history, list(chosen)):
        if name in arguments.scenario:
            parser.error(f"{name} deploys the commit {HISTORY[name]} first, which this checkout lacks")
        say(f"{name}: LEFT OUT, this checkout lacks the commit {HISTORY[name]} (git fetch --unshallow)")
        chosen.remove(name)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    servers = [server for name in chosen for server in servers_of(name)]
    say(f"the lab: registry, mail sink, {len(servers)} servers")
    lab("destroy", servers)
    lab("create", servers)
    say("the images")
    subprocess.run(
        [sys.executable, "tests/lab/images/build.py", "--registry", REGISTRY, "--push"], cwd=ROOT, check=True)
    if more := [image for name in chosen for image in IMAGES.get(name, ())]:
        subprocess.run(
            [sys.executable, "tests/lab/images/build.py", "--registry", REGISTRY, "--push", "--only", *more],
            cwd=ROOT, check=True)
    write_secrets()
    with ThreadPoolExecutor(max_workers=arguments.workers) as pool:
        results = list(pool.map(lambda name: run(name, arguments.keep), chosen))
    failed = [name for name, passed, _seconds in results if not passed]
    if not arguments.keep and not failed:
        lab("destroy", servers)
    for name, passed, seconds in results:
        print(f"  {name:<18} {seconds:5.0f} s  {'passed' if passed else 'FAILED'}")
    # Last, so that whoever sees only the end of a long log sees the cause.
    for name in failed:
        print("\n".join(f"  {name}: {line}" for line in reasons(name)))
    say(f"{len(results) - len(failed)} of {len(results)} scenarios passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
