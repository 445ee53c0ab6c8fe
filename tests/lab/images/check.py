#!/usr/bin/env python3
"""Runs the lab's images the way the roles do (read-only root, no capabilities, numeric user, secrets as files) and looks at what they do.

    check.py [NAME ...]     names as in lab-images.yml; images are taken as build.py leaves them (trenova-lab/<path>:<tag>)

Containers are called imgtest-<name> and are removed again. Closing line: `N passed, N failed`. Python 3.11, standard library only.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build import HERE, read_list

IMAGES = {i["name"]: f"trenova-lab/{i['path']}:{i['tag']}" for i in read_list(HERE / "lab-images.yml")}
HARD = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]
PLACEHOLDER = "https://api.placeholder.invalid/api/v1"


def docker(*args, ok=True, timeout=90):
    done = subprocess.run(["docker", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    if ok and done.returncode:
        raise AssertionError(f"docker {' '.join(map(str, args))[:200]}: {done.stdout.strip()[-600:]}")
    return done.stdout.strip() if ok else (done.returncode, done.stdout.strip())


class Box:
    """One container; everything of it is gone at the end."""

    def __init__(self, name, *options, image=None, command=(), user=None, hard=True, env=None):
        self.name = f"imgtest-{name}"
        docker("rm", "-fv", self.name, ok=False)
        args = [*(HARD if hard else []), *(["--user", user] if user else [])]
        for key, value in (env or {}).items():
            args += ["-e", f"{key}={value}"]
        docker("run", "-d", "--name", self.name, "--network", "imgtest", *args, *options, IMAGES[image or name], *command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        docker("rm", "-fv", self.name, ok=False)

    def run(self, *words, **kw):
        return docker("exec", self.name, *words, **kw)

    def sh(self, script, **kw):
        return self.run("sh", "-c", script, **kw)

    def until(self, *words, seconds=40):
        end = time.monotonic() + seconds
        while self.run(*words, ok=False)[0]:
            if time.monotonic() > end:
                raise AssertionError(f"{words} does not succeed: {docker('logs', '--tail', 15, self.name)}")
            time.sleep(0.3)

    def stop(self, code=0):
        """Ends on the image's own stop signal, not by SIGKILL."""
        docker("stop", "-t", 30, self.name)
        found = int(docker("inspect", "-f", "{{.State.ExitCode}}", self.name))
        assert found == code, f"exit code {found} after stop, expected {code}"

    def hides(self, secret):
        assert secret not in docker("inspect", self.name), "docker inspect shows the password"


def files(folder, uid, content, mode=0o400):
    folder.mkdir()
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)
    return f"{folder}"


def refuses(image, word, *args):
    code, out = docker("run", "--rm", *args, ok=False)
    assert code and word in out, f"{image} should refuse ({word}), got {code}: {out[-300:]}"


def postgres(tmp):
    conf = files(tmp / "conf", 999, {"postgresql.conf": "listen_addresses='*'\nshared_preload_libraries='pg_stat_statements'\n"})
    secret = files(tmp / "secret", 999, {"password": "Pg-Secret-1\n"})
    data = files(tmp / "data", 999, {})
    start = dict(
        user="999:999",
        env={"POSTGRES_PASSWORD_FILE": "/run/secrets/password", "POSTGRES_USER": "trenova", "POSTGRES_DB": "tms", "POSTGRES_INITDB_ARGS": "--data-checksums"},
        command=("postgres", "-c", "config_file=/etc/postgresql/postgresql.conf", "-c", "work_mem=7MB"),
    )
    mounts = ["-v", f"{conf}:/etc/postgresql:ro", "-v", f"{secret}:/run/secrets:ro", "-v", f"{data}:/var/lib/postgresql/data"]
    mounts += ["--tmpfs", "/var/run/postgresql:uid=999,gid=999,mode=0775"]
    with Box("postgres", *mounts, **start) as box:
        box.until("pg_isready", "-q", "-h", "127.0.0.1", "-U", "trenova", "-d", "tms")
        sql = "create extension pg_stat_statements; create extension pg_trgm; create table t(); show work_mem; show data_checksums"
        assert box.run("psql", "-qAtU", "trenova", "tms", "-c", sql).split() == ["7MB", "on"]
        box.sh("PGPASSWORD=Pg-Secret-1 psql -h \"$(hostname -i)\" -U trenova tms -c 'select 1'")
        assert box.sh("PGPASSWORD=no psql -h \"$(hostname -i)\" -U trenova tms", ok=False)[0]
        box.hides("Pg-Secret-1")
        box.stop()
        assert "received fast shutdown request" in docker("logs", box.name), "not stopped by SIGINT"
    with Box("postgres", *mounts, **start) as box:
        box.until("pg_isready", "-q", "-h", "127.0.0.1")
        box.run("psql", "-U", "trenova", "tms", "-c", "table t")
    refuses("postgres", "POSTGRES_PASSWORD", IMAGES["postgres"])


def redis(tmp):
    conf = files(tmp / "conf", 999, {"redis.conf": "dir /data\nappendonly yes\nsave 900 1\nrequirepass Rd-Secret-1\naof-use-rdb-preamble no\n"})
    data = files(tmp / "data", 999, {})
    start = dict(user="999:999", command=("redis-server", "/etc/redis/redis.conf"), env={"REDISCLI_AUTH": "Rd-Secret-1"})
    mounts = ["-v", f"{conf}:/etc/redis:ro", "-v", f"{data}:/data"]
    text = '{"b":1,"a":{"x":[1,2]}}'
    with Box("redis", *mounts, **start) as box:
        box.until("redis-cli", "-e", "ping")
        assert box.run("redis-cli", "JSON.SET", "s", ".", text) == "OK"
        assert box.run("redis-cli", "JSON.GET", "s", ".") == text
        assert box.run("redis-cli", "JSON.GET", "s", "$.a.x") == "[[1,2]]"
        assert "ERR" in box.run("redis-cli", "JSON.SET", "s", ".", "{bad")
        box.run("redis-cli", "SET", "plain", "1")
        assert "wrong Redis type" in box.run("redis-cli", "JSON.GET", "plain")
        assert "unknown command" not in box.run("redis-cli", "COMMAND", "INFO", "JSON.SET")
        box.run("redis-cli", "BGREWRITEAOF")
        time.sleep(1.5)
        docker("kill", box.name)
        docker("start", box.name)
        box.until("redis-cli", "-e", "ping")
        assert box.run("redis-cli", "JSON.GET", "s") == text, "lost by the AOF"
        with Box("replica", "--tmpfs", "/data:uid=999,gid=999", image="redis", user="999:999", command=("redis-server", "--replicaof", box.name, "6379", "--masterauth", "Rd-Secret-1")) as replica:
            replica.until("sh", "-c", "redis-cli info replication | grep -q master_link_status:up")
            assert replica.run("redis-cli", "JSON.GET", "s") == text, "not replicated (full sync)"
            box.run("redis-cli", "JSON.SET", "s", ".", "[1]")
            time.sleep(0.5)
            assert replica.run("redis-cli", "JSON.GET", "s") == "[1]", "not replicated (stream)"
        box.sh("redis-cli CONFIG SET appendonly no && redis-cli SAVE && rm -r /data/appendonlydir")
        box.stop()
    (tmp / "conf/redis.conf").write_text("dir /data\nsave 900 1\nrequirepass Rd-Secret-1\n")
    with Box("redis", *mounts, **start) as box:
        box.until("redis-cli", "-e", "ping")
        assert box.run("redis-cli", "JSON.GET", "s") == "[1]", "lost by the RDB file"
    with Box("redis", command=("sh", "-c", "exec redis-server"), hard=False) as box:
        box.until("redis-cli", "-e", "ping")
        assert "unknown command" in box.run("redis-cli", "JSON.SET", "s", ".", "1"), "a wrapped command loads no module in the published image"


def redis_nojson(tmp):
    with Box("redis-nojson", user="999:999", command=("redis-server",)) as box:
        box.until("redis-cli", "-e", "ping")
        assert "unknown command" in box.run("redis-cli", "JSON.SET", "s", ".", "1")


def registry(tmp):
    with Box("registry", user="1000:1000") as box:
        box.until("curl", "-fsS", "http://127.0.0.1:5000/v2/")
        box.stop(2)


def rabbitmq(tmp):
    conf = files(
        tmp / "conf",
        999,
        {
            "rabbitmq.conf": "vm_memory_high_watermark.absolute = 300MB\ndefinitions.import_backend = local_filesystem\n"
            "definitions.local.path = /etc/rabbitmq/definitions.json\ndefinitions.skip_if_unchanged = true\n",
            "enabled_plugins": "[rabbitmq_management,rabbitmq_prometheus].\n",
            # The hash is of the password "pw" with the salt "abcd".
            "definitions.json": json.dumps(
                {
                    "users": [{"name": "tms", "password_hash": "YWJjZCUocPu+lAjLXU4Se7RFyins8lJaz+A5gv/b19IpfqUF", "tags": ["administrator"]}],
                    "vhosts": [{"name": "/"}],
                    "permissions": [{"user": "tms", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
                }
            ),
        },
    )
    data = files(tmp / "data", 999, {".erlang.cookie": "LABCOOKIE"})
    mounts = ["--hostname", "tren-rabbitmq", "--tmpfs", "/var/log/rabbitmq:uid=999", "-v", f"{conf}:/etc/rabbitmq:ro", "-v", f"{data}:/var/lib/rabbitmq"]
    with Box("rabbitmq", *mounts, user="999:999") as box:
        box.until("rabbitmq-diagnostics", "-q", "check_running")
        box.run("rabbitmq-diagnostics", "-q", "check_port_connectivity")
        assert "tms" in box.run("rabbitmqctl", "-q", "list_users")
        assert "guest" not in box.run("rabbitmqctl", "-q", "list_users")
        assert "rabbitmq_management" in box.run("rabbitmq-plugins", "list", "-q", "-E", "-m")
        box.stop()
    with Box("rabbitmq", hard=False, user="999:999") as box:
        box.until("rabbitmq-diagnostics", "-q", "check_running")
        assert "{loopback_users,[]}" in box.run("rabbitmqctl", "-q", "environment"), "guest comes from anywhere in the published image"
    refuses("rabbitmq", "deprecated", "-e", "RABBITMQ_DEFAULT_PASS_FILE=/x", IMAGES["rabbitmq"])


def pgbouncer(tmp):
    conf = files(
        tmp / "conf",
        70,
        {
            "pgbouncer.ini": "[databases]\n* = host=imgtest-postgres\n[pgbouncer]\nlisten_addr = 0.0.0.0\nlisten_port = 6432\nunix_socket_dir =\n"
            "auth_type = scram-sha-256\nauth_file = /etc/pgbouncer/userlist.txt\npool_mode = transaction\n",
            "userlist.txt": '"postgres" "Pg-Secret-1"\n',
        },
    )
    with Box("postgres", hard=False, env={"POSTGRES_PASSWORD": "Pg-Secret-1"}) as server:
        server.until("pg_isready", "-q", "-h", "127.0.0.1")
        with Box("pgbouncer", "-v", f"{conf}:/etc/pgbouncer:ro", "--stop-signal", "SIGINT", user="70:70") as box:
            box.until("pg_isready", "-q", "-h", "127.0.0.1", "-p", "6432")
            assert box.sh("PGPASSWORD=Pg-Secret-1 psql -h 127.0.0.1 -p 6432 -U postgres -Atc 'select 42'") == "42"
            box.stop()


def minio(tmp):
    secret = files(tmp / "secret", 1000, {"user": "trenova", "password": "Mi-Secret-1"})
    data = files(tmp / "data", 1000, {})
    env = {"MINIO_ROOT_USER_FILE": "/run/secrets/user", "MINIO_ROOT_PASSWORD_FILE": "/run/secrets/password"}
    serve = ("server", "/data", "--console-address", ":9001")
    with Box("minio", "-v", f"{secret}:/run/secrets:ro", "-v", f"{data}:/data", user="1000:1000", env=env, command=serve) as box:
        box.until("curl", "-fsS", "http://127.0.0.1:9000/minio/health/live")
        box.run("curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:9001/")
        box.sh("mc -q alias set s http://127.0.0.1:9000 trenova Mi-Secret-1 && mc mb s/one && echo hi | mc pipe s/one/a && mc admin info s")
        assert box.run("mc", "cat", "s/one/a") == "hi"
        assert "RELEASE.2026" in box.run("minio", "--version")
        box.hides("Mi-Secret-1")
        box.stop()
    refuses("minio", "is set", IMAGES["minio"], *serve)
    refuses("minio", "does not exist", "-e", "MINIO_ROOT_USER_FILE=/none", "-e", "MINIO_ROOT_PASSWORD_FILE=/none", IMAGES["minio"], *serve)
    refuses("minio", "default", "-e", "MINIO_ROOT_USER=tms", "-e", "MINIO_ROOT_PASSWORD=minioadmin", IMAGES["minio"], *serve)


def asynqmon(tmp):
    secret = files(tmp / "secret", 65534, {"password": "Rd-Secret-1"})
    env = {"REDIS_ADDR": "imgtest-redis:6379", "REDIS_PASSWORD_FILE": "/run/secrets/password"}
    with Box("redis", user="999:999", command=("redis-server", "--requirepass", "Rd-Secret-1")) as store:
        with Box("asynqmon", "-v", f"{secret}:/run/secrets:ro", user="65534:65534", env=env) as box:
            box.until("asynqmon-health", seconds=10)
            docker("kill", store.name)
            assert box.run("asynqmon-health", ok=False)[0], "healthy without Redis"
            box.hides("Rd-Secret-1")
            box.stop(2)
    refuses("asynqmon", "missing", "-e", "REDIS_PASSWORD_FILE=/none", IMAGES["asynqmon"])


def backup(tmp):
    script = (
        "set -e; id -un; for t in pg_dump pg_restore pg_basebackup pg_amcheck redis-cli mc rclone restic age zstd jq curl ssh flock; do command -v $t; done;"
        "export RESTIC_PASSWORD=x; restic init -q -r /tmp/r; restic backup -q -r /tmp/r --stdin-from-command -- echo hi; restic check -q -r /tmp/r"
    )
    out = docker("run", "--rm", *HARD, "--user", "10002:10002", IMAGES["backup"], "sh", "-c", script)
    assert out.startswith("backup\n"), out


def caddy(tmp):
    conf = files(tmp / "conf", 0, {"Caddyfile": ":80 {\n\trespond hello\n}\n"}, 0o444)
    mounts = ["-v", f"{conf}:/etc/caddy:ro", "--tmpfs", "/data", "--tmpfs", "/config"]
    with Box("caddy", "--cap-add", "NET_BIND_SERVICE", *mounts) as box:
        box.until("wget", "-qO-", "http://127.0.0.1:2019/config/")
        assert box.run("curl", "-s", "http://127.0.0.1/") == "hello"
        box.run("caddy", "reload", "--config", "/etc/caddy/Caddyfile")
        box.stop()
    refuses("caddy", "operation not permitted", "--cap-drop", "ALL", IMAGES["caddy"], "caddy", "version")


def mail(tmp):
    script = (
        "import smtplib, urllib.request as u\n"
        "s = smtplib.SMTP('127.0.0.1', 1025); s.login('a', 'b'); s.sendmail('x@lab', ['y@lab'], 'Subject: hello\\n\\nbody'); s.quit()\n"
        "print(u.urlopen('http://127.0.0.1:8025/api/v1/messages').read().decode())"
    )
    with Box("mail", user="65534:65534") as box:
        box.until("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8025/livez')", seconds=10)
        found = box.run("python3", "-W", "ignore", "-c", script)
        assert json.loads(found)["messages"][0]["Subject"] == "hello"
        box.stop()


def api(tmp):
    script = "id -u; pg_dump --version; ls /app/go.mod /app/web/report-templates -d /usr/local/bin/trenova-db; touch /app/backups/x; [ ! -w /app/go.mod ]"
    out = docker(
        "run", "--rm", *HARD, "--tmpfs", "/app/backups:uid=10001,mode=0750", "--user", "10001:10001", "--entrypoint", "sh", IMAGES["api"], "-ec", script
    )
    assert out.startswith("10001\npg_dump (PostgreSQL) 17"), out
    config = json.loads(docker("image", "inspect", IMAGES["api"]))[0]["Config"]
    assert (config["Entrypoint"], config["Cmd"], config["WorkingDir"]) == (["trenova-api"], ["serve"], "/app"), config


def client(tmp):
    """With dist/ of its own, mounted over the image's: the placeholder, a compressed sibling and a source map must not get out."""
    dist = tmp / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<p>start page</p>")
    for name, text in {"a.js": f'u="{PLACEHOLDER}"', "a.js.gz": "stale", "a.js.map": "map", "b.js": "other", "b.js.gz": "kept"}.items():
        (dist / "assets" / name).write_text(text)
    for path in (tmp, dist, *dist.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    url, base = "https://tms.example/api/v1?a=1&b=[2]|", "http://127.0.0.1:5173"
    env = {"CLIENT_API_PLACEHOLDER": PLACEHOLDER, "CLIENT_API_URL": url}
    with Box("client", "-v", f"{dist}:/srv/client:ro", "--tmpfs", "/srv/www:uid=10003,gid=10003", user="10003:10003", env=env) as box:
        box.until("curl", "-fsS", f"{base}/", seconds=10)
        for _ in range(2):
            assert box.run("curl", "-s", "--compressed", f"{base}/assets/a.js") == f'u="{url}"'
            assert box.run("curl", "-s", f"{base}/some/route") == "<p>start page</p>"
            assert box.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{base}/assets/a.js.map") == "404"
            assert box.sh("cd /srv/www/assets && echo *") == "a.js b.js b.js.gz"
            docker("restart", box.name)
            box.until("curl", "-fsS", f"{base}/", seconds=10)
        box.stop()
    refuses("client", "not writable", *HARD, *(f"-e{k}={v}" for k, v in env.items()), "-v", f"{dist}:/srv/client:ro", IMAGES["client"])


CHECKS = {f.__name__.replace("_", "-"): f for f in (
    postgres, redis, redis_nojson, registry, rabbitmq, pgbouncer, minio, asynqmon, backup, caddy, mail, api, client,
)}  # fmt: skip


def main():
    passed = failed = 0
    docker("network", "create", "imgtest", ok=False)
    try:
        for name in sys.argv[1:] or CHECKS:
            folder = Path(tempfile.mkdtemp(prefix="imgtest-"))
            folder.chmod(0o755)
            since = time.monotonic()
            try:
                CHECKS[name](folder)
                passed += 1
                print(f"ok      {name:<13} {time.monotonic() - since:5.1f} s", flush=True)
            except (AssertionError, subprocess.TimeoutExpired) as failure:
                failed += 1
                print(f"FAILED  {name:<13} {time.monotonic() - since:5.1f} s  {failure}", flush=True)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        docker("network", "rm", "imgtest", ok=False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
