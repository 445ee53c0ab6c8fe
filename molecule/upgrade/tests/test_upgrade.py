# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An installation of the first edition becomes one of the second without a word, and nothing is lost or restarted."""

from __future__ import annotations

import json
import re

#: Kinds of state files of the first edition.
STATE_FILES = (
    "cd /opt/trenova && find . -name service.json -o -name plan.json -o -name .converged.json -o -name images.json"
    " -o -name host.json -o -name .reload-pending -o -name registry-logins.json | sort")


def test_no_container_is_restarted_that_need_not(server, host, first_run):
    lines = host.check_output("cat /root/started-before").splitlines()
    before = dict(line.lstrip("/").split() for line in lines)
    assert {"tren-db", "tren-api", "tren-caddy"} <= before.keys()
    assert server.restarted(before) == set()
    assert first_run.real.gathered("started") == []


def test_rows_jobs_objects_and_backups_are_there(host):
    assert host.check_output(
        "docker exec tren-db psql --no-psqlrc -qAt -d trenova_go_db -c 'SELECT what FROM public.kept'") == "a row"
    assert host.check_output(
        "docker exec tren-redis sh -c 'REDISCLI_AUTH=$(cat /run/trenova/password) redis-cli LLEN kept:jobs'") == "3"
    assert host.check_output("docker exec tren-minio cat /data/kept/object") == "an object"
    assert host.check_output("ls -d /var/backups/trenova/*Z | wc -l") == "1"


def test_what_backups_of_before_left_on_the_host_is_gone(host):
    assert host.check_output(
        "ls -d /usr/local/lib/trenova/backup-unit.* /var/lib/trenova/backup-directories "
        "/var/lib/trenova/backup/unmailed 2>/dev/null || true") == ""


def test_migrations_are_not_run_again(first_run):
    assert first_run.real.gathered("prepared") in ([], ["The check of what is to be saved"])


def test_state_files_become_one_per_service_and_one_per_host(host):
    assert len(host.check_output("cat /root/state-files-before").splitlines()) > 20
    assert host.check_output(STATE_FILES) == "./.state/host.json"
    names = host.check_output("ls /opt/trenova/.state").split()
    assert {"host.json", "postgres.json", "api.json", "docker.json"} <= set(names)
    kept = json.loads(host.check_output("cat /opt/trenova/.state/host.json"))
    assert kept["disk_free_gb_before"] > 0


def test_everything_answers(server, host):
    run = server.run(playbook=str(server.playbook.parents[2] / "playbooks/verify.yml"))
    [(passed, made)] = re.findall(r"(\d+) of (\d+) checks passed", run.output)
    assert passed == made and int(made) > 30
