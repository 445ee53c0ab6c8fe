# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Backups, made by the timer's own service and read by those who would restore them."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from backups import Backups, lines_of, told_by
from conftest import LONG

#: What nobody reads in a target without its key: a bucket, an object of it and what that says, a table, the database.
HIDDEN = ("freight-invoices", "acme-contract", "what nobody else reads", "loads_of_acme", "trenova_go_db")


@pytest.fixture(scope="module")
def backups(server, host, first_run, secrets):
    """Backups of a server with tables, an object and a job."""
    sql(host, "CREATE TABLE IF NOT EXISTS loads AS SELECT 42 AS a")
    sql(host, "CREATE TABLE IF NOT EXISTS loads_of_acme AS SELECT 'what nobody else reads' AS a")
    written = server.client(
        "trenova/backup:1", "mc mb --quiet --ignore-existing live/freight-invoices && "
        "echo what nobody else reads | mc pipe --quiet live/freight-invoices/acme-contract",
        options=f"-e MC_HOST_live=http://trenova:{secrets['trenova_minio_password']}@tren-minio:9000")
    assert not written.startswith("failed: "), written
    redis(host, "SET waiting job")
    made = Backups(host)
    made.program("backup --full")
    return made


ROWS = "SELECT count(*), md5(string_agg(a::text, ',' ORDER BY a)) FROM loads"
#: A database from what a target gives, by PostgreSQL's own programs.
BRING_BACK = r"""
set -e
rm -rf /root/back
mkdir -p /root/back/wal
cd /root/back
for run in {bases}; do
    mkdir "$run"
    {read} "$run" | tar --extract --directory "$run"
done
cd /opt/trenova
docker compose run --rm -T -v /root/back/wal:/out --user 0 --cap-add DAC_OVERRIDE --cap-add CHOWN \
    --cap-add FOWNER backup-keep \
    restic --repo /targets/local/restic restore {wal} --target /out >/dev/null
cd /root/back/wal/wal/postgres
for file in *.partial; do mv "$file" "${{file%.partial}}"; done
chown -R 999:999 /root/back
cat >/root/back/start.sh <<'END'
set -e
cd /back
pg_combinebackup {bases} --output data
touch data/recovery.signal
echo "restore_command = 'cp /back/wal/wal/postgres/%f %p'" >>data/postgresql.auto.conf
exec postgres -D data -c listen_addresses= -c unix_socket_directories=/tmp
END
docker run --rm --detach --name back --user 999:999 -v /root/back:/back --entrypoint sh {image} /back/start.sh
"""


def sql(host, statement):
    """Answer of the database."""
    return host.check_output(f"docker exec tren-db psql -qAt -d trenova_go_db -c {shlex.quote(statement)}")


def redis(host, words):
    """Answer of Redis."""
    return host.check_output("docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis "
                             f"redis-cli {words}")


def test_timers_are_set(host):
    for timer in ("trenova-backup", "trenova-backup-watch"):
        assert host.service(timer + ".timer").is_enabled
    assert "01:30" in host.check_output("systemctl show trenova-backup.timer --property TimersCalendar")


@LONG
def test_small_backups_are_made_by_a_timer_whose_first_is_a_full_one(server, host, backups):
    with server.change({"backup_cut_minutes": 7}, shows=["+OnUnitInactiveSec=7min"]):
        assert host.service("trenova-backup-cut.timer").is_enabled
    assert not host.file("/etc/systemd/system/trenova-backup-cut.timer").exists
    host.check_output("rm -rf /var/lib/trenova/backup/manifests/postgres")
    before = len(backups.records())
    assert backups.program("cut").rc == 0
    made = backups.records()[before:]
    assert [(record["verb"], record["state"], record["level"]) for record in made] == [
        ("cut", "skipped", "incremental"), ("backup", "ok", "full")]


def test_backup_holds_what_the_stores_hold(host, backups):
    code, status = backups.make()
    assert (code, status["exit_status"], status["because"]) == (0, 0, "")
    assert {step["state"] for step in status["steps"]} == {"ok"}
    assert status["bytes"] > 1000
    assert {step["service"] for step in status["steps"]} >= {"installation", "postgres", "objects", "redis"}
    snapshots = backups.snapshots()
    assert {snapshot["part"] for snapshot in snapshots if snapshot["store"] == "postgres"} == {
        "base", "dump", "globals", "wal", "facts"}
    read = backups.command + " read postgres --part dump"
    listing = host.check_output(f"{read} | docker exec -i tren-db pg_restore --list")
    assert "TABLE DATA public loads" in listing
    assert host.check_output(f"{backups.command} read redis | head -c 5") == "REDIS"
    names = host.check_output(f"{backups.command} read installation | tar --list").split()
    # The plan lies with what is kept of each service.
    assert {"./compose.yaml", "./backup/secrets/installation/secrets.json", "./.state/postgres.json"} <= set(names)


def test_all_secrets_are_in_a_backup_and_none_is_readable_in_a_target(host, backups, secrets):
    told = json.loads(host.check_output(
        f"{backups.command} read installation | tar --extract --to-stdout ./backup/secrets/installation/secrets.json"))
    assert told["trenova_postgres_password"] == secrets["trenova_postgres_password"]
    names = [name for name in told if len(told[name]) > 15]
    for name in names:
        found = host.run(f"grep --recursive --fixed-strings --files-with-matches -- {shlex.quote(told[name])} "
                         "/var/backups/trenova /var/lib/trenova/backup /etc/systemd /usr/local/lib/trenova")
        assert found.stdout == "", name
    # Names tell nothing, either.
    assert told_by(host, "/var/backups/trenova", [*lines_of(told), *HIDDEN]) == []
    # Here they can be read.
    assert told["trenova_postgres_password"] in told_by(host, "/opt/trenova/backup/secrets", lines_of(told))


def test_no_secret_in_processes_containers_or_the_journal(host, backups, secrets):
    place = backups.watched("trenova-backup", "systemctl start --no-block trenova-backup")
    host.check_output(f"grep -q restic {place}/processes-* && grep -q backup-keep {place}/containers-* && "
                      f"grep -q postgres {place}/journal")
    assert told_by(host, place, lines_of(secrets)) == []


def test_a_backup_after_a_full_one_is_an_increment(host, backups):
    code, status = backups.make()
    assert code == 0
    assert status["level"] == "incremental"
    bases = [snapshot for snapshot in backups.snapshots() if snapshot["part"] == "base"]
    assert (bases[-1]["level"], bases[-1]["after"]) == ("incremental", bases[-2]["run"])
    assert bases[-1]["bytes"] < bases[0]["bytes"] / 2


def test_a_base_with_its_increments_and_the_log_is_the_database_up_to_the_last_row(server, host, backups):
    """By PostgreSQL's own programs, from what the target gives."""
    sql(host, "INSERT INTO loads VALUES (43)")
    backups.make()
    sql(host, "INSERT INTO loads SELECT generate_series(100, 1099)")
    assert backups.program("cut").rc == 0
    expected = sql(host, ROWS)
    bases = [snapshot for snapshot in backups.snapshots() if snapshot["part"] == "base"]
    full = max(number for number, base in enumerate(bases) if base["level"] == "full")
    chain = bases[full:]
    assert len(chain) >= 3
    wal = [snapshot for snapshot in backups.snapshots() if snapshot["part"] == "wal"][-1]
    assert wal["base"] == chain[-1]["run"]
    names = [base["run"] for base in chain]
    host.check_output(BRING_BACK.format(
        read=backups.command + " read postgres --part base --run", bases=" ".join(names), wal=wal["id"],
        image=server.containers()["tren-db"]["Config"]["Image"]))
    ask = "docker exec back psql -h /tmp -U postgres -qAt -d trenova_go_db -c "
    host.run(f"for i in $(seq 60); do {ask} 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.5; done")
    told = host.run(ask + shlex.quote(ROWS))
    logs = host.run("docker logs back 2>&1 | tail -20; docker stop -t 2 back").stdout
    assert told.stdout.strip() == expected.strip(), logs


def test_what_has_not_changed_costs_a_cut_nothing(host, backups):
    backups.program("cut")
    backups.program("cut")
    before = len([snapshot for snapshot in backups.snapshots() if snapshot["part"] == "wal"])
    told = backups.program("cut")
    assert told.rc == 0
    after = len([snapshot for snapshot in backups.snapshots() if snapshot["part"] == "wal"])
    assert after - before <= 1


def test_backup_cannot_be_read_by_others(host, backups):
    assert host.check_output("stat --format %a /var/backups/trenova") == "700"
    open_to_others = "find /var/lib/trenova/backup/wal /var/lib/trenova/backup/manifests -type d -perm /077"
    assert host.check_output(open_to_others) == ""


@pytest.mark.parametrize(("container", "store"), [
    ("tren-redis", "redis"), ("tren-minio", "objects"), ("tren-db", "postgres")])
def test_store_that_is_down_fails_the_backup_and_says_so_and_the_others_are_saved(host, backups, container, store):
    before = {(snapshot["store"], snapshot["run"]) for snapshot in backups.snapshots()}
    host.check_output(f"docker stop {container}")
    code, status = backups.make()
    host.check_output(f"docker start {container}")
    assert code != 0
    assert status["exit_status"] == 1
    assert {step["service"] for step in status["steps"] if step["state"] == "failed"} == {store}
    after = {(snapshot["store"], snapshot["run"]) for snapshot in backups.snapshots()}
    saved = {name for name, _run in after - before}
    assert "installation" in saved
    assert store not in saved


#: Kills the reader of the database as soon as it reads, while a full backup is made.
KILL_READER = """
{command} backup --full >/root/killed.log 2>&1 &
for i in $(seq 400); do
    name=$(docker ps --format '{{{{.Names}}}}' | grep backup-postgres || true)
    if [ -n "$name" ] && docker top "$name" 2>/dev/null | grep -q pg_basebackup; then docker kill "$name"; break; fi
    sleep 0.05
done
wait
true
"""


def test_half_a_stream_is_no_backup(host, backups):
    """The reader of the database is killed while it writes."""
    sql(host, "CREATE TABLE IF NOT EXISTS much AS SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 200000) g")
    runs = {snapshot["run"] for snapshot in backups.snapshots() if snapshot["part"] == "base"}
    killed = host.check_output(KILL_READER.format(command=backups.command))
    assert "backup-postgres" in killed
    assert backups.status()["exit_status"] == 1
    assert {snapshot["run"] for snapshot in backups.snapshots() if snapshot["part"] == "base"} == runs
    sql(host, "DROP TABLE much")
    assert backups.make()[0] == 0


def test_two_at_once_are_one(host, backups):
    done = host.run(
        f"{backups.command} backup >/root/one.log 2>&1 & sleep 1; {backups.command} backup; code=$?; wait; exit $code")
    assert done.rc == 1
    assert "Another backup is at work" in done.stderr
    assert backups.status()["exit_status"] == 0


def test_a_run_that_was_killed_is_told_of_and_leaves_nothing(host, backups):
    host.check_output("systemctl start --no-block trenova-backup; sleep 4; "
                      "systemctl kill --signal SIGKILL trenova-backup; sleep 2; "
                      "while systemctl show trenova-backup -p ActiveState | grep -q activating; do sleep 0.2; done")
    newest = backups.records()[-1]
    assert newest["state"] == "interrupted"
    assert "interrupted" in newest["because"] or "cut off" in newest["because"]
    assert host.check_output("docker ps --all --format '{{.Names}}' | grep -c backup- || true") == "0"
    assert host.check_output("ls /var/lib/trenova/backup/pipes") == ""
    assert backups.make()[0] == 0


def test_schedule_is_changed_without_a_restart_of_anything(server, host):
    with server.change({"backup_schedule": "*-*-* 02:15:00"}, shows=["+OnCalendar=*-*-* 02:15:00"]):
        assert "02:15" in host.check_output("systemctl show trenova-backup.timer --property TimersCalendar")


@LONG
def test_another_key_and_another_installation_are_refused(server, host, backups):
    refused = server.run(variables={"trenova_backup_key": "another-key_of-somebody-else"}, expect=2)
    assert "there is a repository that trenova_backup_key does not open" in refused.output
    refused = server.run(variables={"backup_installation": "erp2"}, expect=2)
    assert re.search("Target local holds the backups of backup, and this is erp2", " ".join(refused.output.split()))
    assert server.run().failed == 0


ELSEWHERE = """
set -e
docker run --detach --name offsite --publish {address}:9100:9000 --user 1000:1000 \\
    --tmpfs /data:uid=1000,gid=1000,mode=0700 \\
    -e MINIO_ROOT_USER=away -e MINIO_ROOT_PASSWORD=away-secret-key {minio} server /data
ssh-keygen -q -t ed25519 -N '' -f /root/sftp-key
cat /root/sftp-key.pub >>/root/.ssh/authorized_keys
mkdir -p /srv/sftp
"""
#: What the operator of the store does.
MAKE_BUCKET = """
for i in $(seq 50); do
    docker run --rm -e MC_HOST_x=http://away:away-secret-key@{address}:9100 172.30.60.2:5000/trenova/backup:1 \\
        mc mb --ignore-existing x/trucks && exit 0
    sleep 0.5
done
exit 1
"""


#: All that lies in the bucket, under the names that it has there.
STEAL = """
rm -rf /root/stolen
mkdir -m 0777 /root/stolen
docker run --rm -v /root/stolen:/stolen -e MC_HOST_x=http://away:away-secret-key@{address}:9100 \\
    172.30.60.2:5000/trenova/backup:1 mc mirror --quiet x/trucks /stolen >/dev/null
"""


@pytest.fixture(scope="module")
def elsewhere(server, host, backups, secrets):
    """A second MinIO and an SFTP server that are not the installation's."""
    image = server.containers()["tren-minio"]["Config"]["Image"]
    host.check_output(ELSEWHERE.format(minio=image, address=server.address))
    host.check_output(MAKE_BUCKET.format(address=server.address))
    host_keys = host.check_output("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_*_key.pub").splitlines()
    box = {"host": server.address, "user": "root", "host_key": host_keys, "path": "/srv/sftp"}
    yield {
        "backup_targets": [
            {"name": "local", "directory": "/var/backups/trenova"},
            {"name": "offsite", "s3": {
                "endpoint": f"http://{server.address}:9100", "bucket": "trucks", "access_key": "away"}},
            {"name": "box", "sftp": box}],
        "trenova_backup_s3_secret_key": "away-secret-key",
        "trenova_backup_sftp_key": host.file("/root/sftp-key").content_string}
    host.check_output("docker rm --force offsite")


@LONG
def test_three_targets_at_once_hold_the_same(server, host, backups, elsewhere, secrets):
    run = server.run(variables=elsewhere)
    assert "away-secret-key" not in run.output
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    told = {
        target["name"]: {
            tuple(sorted((key, value) for key, value in snapshot.items() if key not in ("id", "bytes")))
            for snapshot in target["snapshots"]} for target in backups.targets()}
    assert set(told) == {"local", "offsite", "box"}
    assert told["local"] == told["offsite"] == told["box"]
    for name in ("offsite", "box"):
        assert host.check_output(f"{backups.command} read redis --target {name} | head -c 5") == "REDIS"
    # Who steals one of them learns nothing but sizes.
    host.check_output(STEAL.format(address=server.address))
    hidden = [*lines_of(dict(secrets, **elsewhere)), *HIDDEN]
    for place in ("/root/stolen", "/srv/sftp"):
        assert int(host.check_output(f"find {place} -type f | wc -l")) > 20
        assert told_by(host, place, hidden) == []


@LONG
def test_a_target_that_is_away_is_told_of_and_catches_up(server, host, backups, elsewhere):
    server.run(variables=elsewhere)
    host.check_output("docker stop offsite")
    code, status = backups.make()
    host.check_output("docker start offsite")
    assert code != 0
    [away] = [target for target in status["targets"] if target["state"] == "failed"]
    assert away["name"] == "offsite"
    # Once, and as people read it.
    assert status["because"].count("Target offsite") == 1
    assert not re.search(r"message_type|[{}]", status["because"])
    assert {step["state"] for step in status["steps"]} == {"ok"}
    host.check_output(MAKE_BUCKET.format(address=server.address))
    # A target on tmpfs has lost what it held with its stop. The night does not take that for a new target; the playbook
    # does, and the target gets all of it again.
    code, status = backups.make()
    assert (code != 0, "offsite: there is no repository" in status["because"]) == (True, True)
    assert server.run(variables=elsewhere).gathered("prepared") == ["The check of what is to be saved"]
    assert backups.make()[0] == 0
    runs = [{snapshot["run"] for snapshot in target["snapshots"] if snapshot["part"] == "base"}
            for target in backups.targets()]
    assert runs[0] == runs[1] == runs[2]


@LONG
def test_an_sftp_server_whose_key_changed_is_refused(server, elsewhere):
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJsVGk7zLCsAQ7nQTvnJ5V6b0mCkmG0G0m3wP3Z5w3aK"
    targets = [dict(target, sftp=dict(target["sftp"], host_key=other)) if "sftp" in target else target
               for target in elsewhere["backup_targets"]]
    refused = server.run(variables=dict(elsewhere, backup_targets=targets), expect=2)
    assert "Target box cannot be used" in refused.output
    assert "key" in refused.output
    server.run()


def test_damage_is_found_by_name(server, host, backups):
    server.run()
    assert backups.make()[0] == 0
    assert backups.program("check").rc == 0
    pack = host.check_output("find /var/backups/trenova/restic/data -type f -size +20k | head -n 1")
    host.check_output(f"cp {pack} /root/pack && printf x | dd of={pack} bs=1 seek=2000 conv=notrunc 2>/dev/null")
    damaged = backups.program("check")
    host.check_output(f"cat /root/pack >{pack}")
    name = pack.rpartition("/")[2]
    assert (damaged.rc, f"Target local: {name} is damaged." in damaged.stderr) == (1, True)
    host.check_output(f"mv {pack} /root/pack")
    missing = backups.program("check")
    host.check_output(f"mv /root/pack {pack}")
    assert (missing.rc, f"{name} is missing." in missing.stderr) == (1, True)
    more = "0" * 64
    host.check_output(f"echo more >/var/backups/trenova/restic/data/00/{more}")
    extra = backups.program("check")
    host.check_output(f"rm /var/backups/trenova/restic/data/00/{more}")
    assert (extra.rc, f"{more} is too much." in extra.stderr) == (1, True)
    assert backups.program("check").rc == 0


def test_disabled_backups_go_and_what_was_saved_stays(server, host, backups):
    server.run(variables={"backup_enabled": False})
    assert not host.file("/etc/systemd/system/trenova-backup.timer").exists
    assert not host.file("/usr/local/lib/trenova/trenova_backup/main.py").exists
    assert host.file("/var/backups/trenova/restic/config").exists
    server.run()
    assert host.service("trenova-backup.timer").is_enabled
