# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Drills on a server with the whole stack: what they prove and find, that nothing live is touched, and nothing stays.

The tests go on from each other.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import threading

import pytest
import testinfra
import yaml
from backups import Backups, lines_of, told_by
from conftest import ROOT, STATE
from mails import mail, mailed

SHARED = ROOT / "molecule/shared/inventory/group_vars/trenova"
PLAYBOOK = ROOT / "playbooks/drill.yml"
SPARE, ADDRESS = "spare", "172.30.60.121"
MAIL = {"backup_mail_to": "operator@trucks.test", "backup_smtp_host": "172.30.60.3", "backup_smtp_port": 1025,
        "backup_smtp_tls": "none"}
#: Whatever a drill may leave.
LEFT = ("docker ps --all --quiet --filter label=com.docker.compose.project=trenova-drill; docker network ls --quiet "
        "--filter name=trenova-drill; docker volume ls --quiet --filter name=trenova-drill; "
        "ls -d /var/lib/trenova-drill* 2>/dev/null || :")
#: Whatever one may leave on a host that only lends itself, but what it is to know of drills.
ELSEWHERE = """
docker ps --all --quiet; docker network ls --quiet --filter type=custom; docker volume ls --quiet; docker images --quiet
find /var/lib/trenova* /etc/docker /etc/tmpfiles.d /run/systemd/system /etc/systemd/system /opt /root \
    -newer /root/before 2>/dev/null |
    grep -v -e /var/lib/trenova-drills/drill/backup -e '^/root$' -e '/root/.ansible' -e '/root/before' \
        -e '^/var/lib/trenova-drills$' -e '^/var/lib/trenova-drills/drill$' -e 'drill.lock$' -e '^/[a-z/]*/system$' \
        -e '^/etc/docker$' -e '^/etc/tmpfiles.d$' -e '^/etc/docker/certs.d$'
"""
#: Contents of all that lives, read as its clients do, and all files that nobody writes by himself.
CONTENTS = """
docker exec tren-db pg_dumpall | grep -v -e '^--' -e 'restrict ' | sha256sum
REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password)
docker exec -e REDISCLI_AUTH=$REDISCLI_AUTH tren-redis redis-cli LRANGE pending 0 -1 | sha256sum
for name in $(seq 20); do docker exec papers mc cat live/papers/$name; done | sha256sum
find /opt/trenova /var/lib/trenova/caddy/data /usr/local/lib/trenova -type f -exec sha256sum {} + | sort | sha256sum
find /var/lib/trenova -maxdepth 1 -printf '%p %i %U:%G %m\\n' | sort
docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' $(docker ps --all --quiet | sort)
docker network ls --no-trunc --format '{{.ID}} {{.Name}}' | sort
docker volume ls --quiet | sort
iptables-save -t nat | grep -c DNAT
"""
#: While a drill is there: where its containers can go, and what is published. Jobs, which read the targets, are none.
INSIDE = """
for i in $(seq 900); do
    [ "$(docker inspect --format '{{.State.Health.Status}}' drill-tren-api 2>/dev/null)" = healthy ] && break
    sleep 0.2
done
docker network inspect --format '{{.Internal}}' $(docker inspect --format \\
    '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' \\
    $(docker ps --quiet --filter name=^drill-) | sort --unique)
docker inspect --format '{{json .NetworkSettings.Ports}}' \
    $(docker ps --quiet --filter label=com.docker.compose.project=trenova-drill) | grep -c HostPort
docker exec drill-tren-api bash -c 'exec 3<>/dev/tcp/172.30.60.3/1025' 2>&1 | tail -n 1
docker exec tren-api true && echo live
"""
#: A client for objects that stays, and what it writes.
CLIENT = """
docker rm --force papers 2>/dev/null
docker run --detach --name papers --network trenova_data -e MC_HOST_live=http://trenova:{minio}@tren-minio:9000 \\
    --entrypoint sleep 172.30.60.2:5000/trenova/backup:1 infinity
"""
FILL = """
docker exec papers mc mb --quiet --ignore-existing live/papers
for i in $(seq 20); do echo paper $i | docker exec -i papers mc pipe --quiet live/papers/$i; done
docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis redis-cli RPUSH pending 1 2 3
"""


@pytest.fixture(scope="module")
def spare():
    """The second server, a target of the backups that has nothing of the installation."""
    shell = testinfra.get_host(f"ssh://{SPARE}", ssh_config=str(STATE / "ssh/config"))
    shell.check_output("[ -f /root/box ] || ssh-keygen -q -t ed25519 -N '' -f /root/box; mkdir -p /srv/box; "
                       "cat /root/box.pub >>/root/.ssh/authorized_keys")
    return shell


@pytest.fixture(scope="module")
def variables(spare):
    """What the inventory says besides: two targets, and who is told."""
    keys = spare.check_output("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_*_key.pub").splitlines()
    return dict(
        MAIL, trenova_backup_sftp_key=spare.file("/root/box").content_string, backup_targets=[
            {"name": "local", "directory": "/var/backups/trenova"},
            {"name": "box", "sftp": {"host": ADDRESS, "user": "root", "host_key": keys, "path": "/srv/box"}}])


@pytest.fixture(scope="module")
def inventory(variables, tmp_path_factory):
    """An inventory in which the second server stands beside the installation."""
    folder = tmp_path_factory.mktemp("inventory")
    ours = yaml.safe_load((SHARED / "main.yml").read_text())
    reach = {name: ours[name] for name in ("ansible_user", "ansible_ssh_common_args")}
    (folder / "hosts.yml").write_text(yaml.safe_dump({
        "trenova": {"hosts": {"drill": None}}, "spares": {"hosts": {SPARE: reach}}}))
    group = folder / "group_vars/trenova"
    group.mkdir(parents=True)
    for name in ("main.yml", "secrets.yml"):
        shutil.copy(SHARED / name, group / name)
    (group / "more.yml").write_text(yaml.safe_dump(variables))
    return folder


@pytest.fixture(scope="module")
def host(server, variables):
    """The server with the whole stack, some data, and a backup of it."""
    server.run(variables=variables)
    shell = server.shell
    minio = shell.file("/opt/trenova/minio/secrets/password").content_string.strip()
    shell.check_output(CLIENT.format(minio=minio))
    shell.check_output(FILL)
    sql(shell, "DROP TABLE IF EXISTS loads, \"An odd 'name\"; "
               "CREATE TABLE loads (id int PRIMARY KEY, hash text, at timestamptz DEFAULT now()); "
               "INSERT INTO loads SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i; "
               "CREATE TABLE \"An odd 'name\" (a int[], b bytea); "
               "INSERT INTO \"An odd 'name\" VALUES ('{1,2}', '\\x00ff'), (NULL, NULL), (NULL, NULL)")
    program(shell, "backup --full")
    return shell


def sql(host, statement):
    return host.check_output(f"docker exec tren-db psql -qAt -d trenova_go_db -c {shlex.quote(statement)}")


def program(host, words, expect=0):
    done = host.run(f"python3 -B /usr/local/lib/trenova/backup.py {words}")
    assert done.rc == expect, done.stdout + done.stderr
    return done.stdout


def record(host):
    name = host.check_output("grep -l '\"verb\": \"drill\"' /var/lib/trenova/backup/records/*.json | tail -n 1")
    return json.loads(host.file(name).content_string)


def flat(text):
    return " ".join(text.split())


def test_what_the_databases_held_is_taken_down_with_each_backup(host):
    told = json.loads(program(host, "read postgres --part facts"))["trenova_go_db"]
    assert told["is_exact"]
    assert told["tables"]["public.loads"]["rows"] == 20000
    assert told["tables"]["public.An odd 'name"]["rows"] == 3
    # Whatever the order of the rows, and by no setting of who asks.
    expected = sql(host, "SET timezone = 'UTC'; SELECT sum(hashtextextended(l::text, 0)::numeric) FROM loads AS l")
    assert told["tables"]["public.loads"]["checksum"] == expected


def test_a_drill_proves_the_newest_backup_and_touches_nothing_live(host, server):
    """The backup lacks rows that were written since; what is compared is what there was when it was made."""
    sql(host, "INSERT INTO loads SELECT i, 'since' FROM generate_series(20001, 20100) AS i")
    host.check_output("systemctl stop trenova-api-watch.timer")  # nobody writes
    before, inside = host.check_output(CONTENTS), []
    looking = threading.Thread(target=lambda: inside.append(host.run(INSIDE).stdout.split()))
    looking.start()
    run = server.run(playbook=PLAYBOOK)
    looking.join()
    assert host.check_output(CONTENTS) == before
    # Its networks are internal, nothing is published, and nobody gets out.
    assert inside[0][:4] == ["true", "true", "true", "0"]
    assert "unreachable" in inside[0]
    assert inside[0][-1] == "live"
    told = record(host)
    assert told["state"] == "ok"
    [compared] = told["drill"]["compared"].values()
    assert (compared["differences"], compared["uncertain"]) == ([], [])
    assert compared["rows"] >= 20003
    assert compared["checksums"] == compared["tables"]
    objects = told["drill"]["objects"]["MinIO"]
    # What comes from a pipe is uploaded in parts, of which a store has no MD5.
    assert objects == {"objects": 20, "bytes": 171, "expected": 20, "expected_bytes": 171, "compared": 20, "by_md5": 0}
    [login] = told["drill"]["login"]
    assert [status for _path, status, _bytes in login["read"]] == [200, 200]
    assert told["drill"]["live"]["changes"] == []
    assert host.check_output(LEFT) == ""
    text = flat(run.output)
    assert re.search(r"RTO \d+ s: from nothing to a login drill RPO \d+ s: so old was", text)
    assert "nothing was touched." in text
    assert host.check_output("grep -c drill_rto /var/lib/trenova/backup/metrics/trenova_backup.prom") != "0"
    assert run.changed == 0


def test_no_secret_is_in_sight_while_a_drill_is_at_work(host, secrets, variables):
    """It has the administrator's password, too, and logs in."""
    place = Backups(host).watched("trenova-drill", "systemctl start --no-block trenova-drill")
    told = record(host)
    assert (told["state"], len(told["drill"]["login"])) == ("ok", 1)
    host.check_output(f"grep -q restic {place}/processes-* && grep -q drill-tren-api {place}/containers-* && "
                      f"grep -q RTO {place}/journal")
    assert told_by(host, place, lines_of(dict(secrets, **variables))) == []


def test_small_backups_are_made_while_a_drill_is_there(host):
    host.check_output("systemctl start --no-block trenova-drill")
    host.check_output("for i in $(seq 300); do [ -d /var/lib/trenova-drill/project ] && break; sleep 0.1; done")
    program(host, "cut")
    assert host.check_output("systemctl is-active trenova-drill || :") == "activating"


def test_a_drill_that_is_killed_leaves_nothing_and_is_told(host):
    """Goes on from the one that is at work."""
    host.check_output(
        "for i in $(seq 600); do docker ps --format '{{.Names}}' | grep -q drill-tren && break; sleep 0.1; done")
    host.check_output("systemctl kill --signal=KILL trenova-drill")
    host.check_output("while systemctl is-active trenova-drill | grep -q activating; do sleep 0.2; done")
    assert record(host)["state"] == "interrupted"
    assert host.check_output(LEFT) == ""


def test_what_is_missing_in_a_target_fails_a_drill_which_alarms(host):
    # store/current/bucket/object, all of them encrypted
    victim = host.check_output(
        "find /var/backups/trenova/objects -mindepth 4 -maxdepth 4 -type f | sort | head -n 1")
    mail("DELETE", "messages")
    host.check_output(f"mv {shlex.quote(victim)} /root/victim")
    assert host.run("systemctl start trenova-drill").rc != 0
    told = record(host)
    assert told["state"] == "failed"
    assert "MinIO: the target lacks 1 objects that it should hold, the first one is papers/" in told["because"]
    assert host.check_output(LEFT) == ""
    assert "papers/" in mailed("The drill with the backups of Trenova failed on drill")
    host.check_output(f"mv /root/victim {shlex.quote(victim)}")


def test_a_host_that_has_nothing_of_the_installation_makes_a_drill_and_keeps_nothing_but_its_record(
        host, server, spare, inventory):
    """What failed before is good again with it, although the server itself has made none."""
    spare.check_output("touch /root/before; sleep 1")
    before = host.check_output(CONTENTS)
    run = server.run(playbook=PLAYBOOK, inventory=inventory, variables={"trenova_drill_host": SPARE})
    assert host.check_output(CONTENTS) == before
    told = record(host)
    assert (told["state"], told["drill"]["host"], told["drill"]["target"]) == ("ok", SPARE, "box")
    [compared] = told["drill"]["compared"].values()
    assert (compared["differences"], compared["uncertain"]) == ([], [])
    assert compared["checksums"] == compared["tables"]
    assert told["drill"]["objects"]["MinIO"]["objects"] == 20
    [login] = told["drill"]["login"]
    assert [status for _path, status, _bytes in login["read"]] == [200, 200]
    assert f"Drill of {told['started']} on {SPARE}: passed" in flat(run.output)
    assert spare.run(ELSEWHERE).stdout == ""
    assert spare.check_output("ls /var/lib/trenova-drills/drill/backup/records | wc -l") == "1"
    key = host.check_output("cat /opt/trenova/backup/secrets/targets/key")
    assert spare.run(f"grep -rl {shlex.quote(key)} /var/lib /etc /opt /run/systemd /root /tmp").stdout == ""
    assert key not in run.output
    # The server has learned of it from the target.
    assert re.search(rf"The last drill passed, .* ago on {SPARE}: RTO \d+ s", flat(program(host, "list")))
    assert program(host, "health") == "All backups are made as their schedules say.\n"
    assert "It is good again" in mailed("The drill with the backups of Trenova is good again on drill")


def test_what_another_host_cannot_do_is_one_sentence_and_leaves_nothing(server, spare, inventory):
    spare.check_output("touch /root/before; sleep 1")
    run = server.run(playbook=PLAYBOOK, inventory=inventory, expect=2, variables={"trenova_drill_host": "nobody"})
    assert "The inventory has no host nobody; nothing was done." in flat(run.output)
    spare.check_output("systemctl stop docker.socket docker")
    run = server.run(playbook=PLAYBOOK, inventory=inventory, expect=2, variables={"trenova_drill_host": SPARE})
    assert f"{SPARE} has no Docker Engine with Compose that runs. Nothing was done." in flat(run.output)
    spare.check_output("systemctl start docker")
    assert spare.run(ELSEWHERE).stdout == ""


def test_another_host_goes_on_making_drills(host, server, spare, inventory, variables):
    there = dict(variables, backup_drill_host=SPARE)
    server.run(variables=there)
    assert "trenova-drill.timer" not in host.check_output("systemctl list-timers --all --no-pager")
    server.run(playbook=PLAYBOOK, inventory=inventory, variables={"backup_drill_host": SPARE})
    assert "trenova-drill-drill.timer" in spare.check_output("systemctl list-timers --all --no-pager")
    last = record(host)["stamp"]
    spare.check_output("systemctl start trenova-drill-drill")
    program(host, "cut")
    told = record(host)
    assert (told["state"], told["drill"]["host"]) == ("ok", SPARE)
    assert told["stamp"] > last


def test_the_timer_is_due_and_can_be_switched_off(host, server, variables):
    server.run(variables=variables)
    assert "trenova-drill.timer" in host.check_output("systemctl list-timers --all --no-pager")
    server.run(variables=dict(variables, backup_drill_schedule=""))
    assert "trenova-drill.timer" not in host.check_output("systemctl list-timers --all --no-pager")
