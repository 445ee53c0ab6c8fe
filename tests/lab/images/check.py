#!/usr/bin/env python3
"""Runs the lab's images the way the roles do and looks at what they do.

    check.py [NAME ...]     names as in lab-images.yml

That is: with a read-only root, no capabilities, a numeric user, secrets as files. Images are taken as build.py leaves
them (trenova-lab/<path>:<tag>). Containers are called imgtest-<name> and are removed again. The closing line is
`N passed, N failed`. Needs PyYAML and Jinja2, which come with ansible-core.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jinja2

from build import TOP, lab_images

IMAGES = {image["name"]: f"trenova-lab/{image['path']}:{image['tag']}" for image in lab_images()}
HARD = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"]


def docker(*args, ok=True, timeout=90):
    """What a docker command prints; with `ok` off, its exit code and what it prints."""
    command = ["docker", *map(str, args)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False
    )
    if ok and done.returncode:
        raise AssertionError(f"{' '.join(command)[:200]}: {done.stdout.strip()[-600:]}")
    return done.stdout.strip() if ok else (done.returncode, done.stdout.strip())


class Box:
    """One container; everything of it is gone at the end."""

    def __init__(self, name, *options, image=None, command=(), user=None, hard=True, env=None):
        self.name = f"imgtest-{name}"
        docker("rm", "-fv", self.name, ok=False)
        args = ["--name", self.name, "--network", "imgtest"]
        if hard:
            args += HARD
        if user:
            args += ["--user", user]
        args += [f"--env={key}={value}" for key, value in (env or {}).items()]
        docker("run", "-d", *args, *options, IMAGES[image or name], *command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        docker("rm", "-fv", self.name, ok=False)

    def run(self, *words, **kw):
        """A command in the container."""
        return docker("exec", self.name, *words, **kw)

    def sh(self, script, **kw):
        """A line of shell in the container."""
        return self.run("sh", "-c", script, **kw)

    def until(self, *words, seconds=40):
        """Waits until a command succeeds in the container."""
        end = time.monotonic() + seconds
        while self.run(*words, ok=False)[0]:
            if time.monotonic() > end:
                raise AssertionError(f"{words} does not succeed: {docker('logs', '--tail', 15, self.name)}")
            time.sleep(0.3)

    def stop(self, code=0):
        """Stops the container, which has to end on the image's own stop signal, not by SIGKILL."""
        docker("stop", "-t", 30, self.name)
        found = int(docker("inspect", "-f", "{{.State.ExitCode}}", self.name))
        assert found == code, f"exit code {found} after stop, expected {code}"

    def hides(self, secret):
        """`docker inspect` does not show the secret."""
        assert secret not in docker("inspect", self.name), "docker inspect shows the password"


def files(folder, uid, content, mode=0o400):
    """A new folder with the content (name -> text), owned by the user; its path as text."""
    folder.mkdir()
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)
    return f"{folder}"


def refuses(image, word, *args):
    """A container that has to fail with the word in its output."""
    code, out = docker("run", "--rm", *args, ok=False)
    assert code and word in out, f"{image} should refuse ({word}), got {code}: {out[-300:]}"


def postgres(tmp):
    """Files, secrets, arguments, stop signal, a second start."""
    settings = "listen_addresses='*'\nshared_preload_libraries='pg_stat_statements'\n"
    conf = files(tmp / "conf", 999, {"postgresql.conf": settings})
    secret = files(tmp / "secret", 999, {"password": "Pg-Secret-1\n"})
    data = files(tmp / "data", 999, {})
    start = {
        "user": "999:999",
        "env": {
            "POSTGRES_PASSWORD_FILE": "/run/secrets/password",
            "POSTGRES_USER": "trenova",
            "POSTGRES_DB": "tms",
            "POSTGRES_INITDB_ARGS": "--data-checksums",
        },
        "command": ("postgres", "-c", "config_file=/etc/postgresql/postgresql.conf", "-c", "work_mem=7MB"),
    }
    mounts = [
        f"--volume={conf}:/etc/postgresql:ro",
        f"--volume={secret}:/run/secrets:ro",
        f"--volume={data}:/var/lib/postgresql/data",
        "--tmpfs=/var/run/postgresql:uid=999,gid=999,mode=0775",
    ]
    with Box("postgres", *mounts, **start) as box:
        box.until("pg_isready", "-q", "-h", "127.0.0.1", "-U", "trenova", "-d", "tms")
        sql = (
            "create extension pg_stat_statements; create extension pg_trgm; create table t();"
            "show work_mem; show data_checksums"
        )
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
    """The JSON commands; their data through the append-only file, replication and the RDB file."""
    settings = "dir /data\nsave 900 1\nrequirepass Rd-Secret-1\n"
    conf = files(tmp / "conf", 999, {"redis.conf": f"{settings}appendonly yes\naof-use-rdb-preamble no\n"})
    data = files(tmp / "data", 999, {})
    start = {
        "user": "999:999",
        "command": ("redis-server", "/etc/redis/redis.conf"),
        "env": {"REDISCLI_AUTH": "Rd-Secret-1"},
    }
    mounts = [f"--volume={conf}:/etc/redis:ro", f"--volume={data}:/data"]
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
        follow = ("redis-server", "--replicaof", box.name, "6379", "--masterauth", "Rd-Secret-1")
        volatile = "--tmpfs=/data:uid=999,gid=999"
        with Box("replica", volatile, image="redis", user="999:999", command=follow) as replica:
            replica.until("sh", "-c", "redis-cli info replication | grep -q master_link_status:up")
            assert replica.run("redis-cli", "JSON.GET", "s") == text, "not replicated (full sync)"
            box.run("redis-cli", "JSON.SET", "s", ".", "[1]")
            time.sleep(0.5)
            assert replica.run("redis-cli", "JSON.GET", "s") == "[1]", "not replicated (stream)"
        box.sh("redis-cli CONFIG SET appendonly no && redis-cli SAVE && rm -r /data/appendonlydir")
        box.stop()
    (tmp / "conf/redis.conf").write_text(settings)
    with Box("redis", *mounts, **start) as box:
        box.until("redis-cli", "-e", "ping")
        assert box.run("redis-cli", "JSON.GET", "s") == "[1]", "lost by the RDB file"
    with Box("redis", command=("sh", "-c", "exec redis-server"), hard=False) as box:
        box.until("redis-cli", "-e", "ping")
        found = box.run("redis-cli", "JSON.SET", "s", ".", "1")
        assert "unknown command" in found, "a wrapped command loads no module in the published image"


def redis_nojson(tmp):
    """Knows no JSON."""
    with Box("redis-nojson", user="999:999", command=("redis-server",)) as box:
        box.until("redis-cli", "-e", "ping")
        assert "unknown command" in box.run("redis-cli", "JSON.SET", "s", ".", "1")


def registry(tmp):
    """Answers and stops."""
    with Box("registry", user="1000:1000") as box:
        box.until("curl", "-fsS", "http://127.0.0.1:5000/v2/")
        box.stop(2)


def rabbitmq(tmp):
    """Definitions, plugins and cookie from files; no guest but by default."""
    settings = [
        "vm_memory_high_watermark.absolute = 300MB",
        "definitions.import_backend = local_filesystem",
        "definitions.local.path = /etc/rabbitmq/definitions.json",
        "definitions.skip_if_unchanged = true",
    ]
    # The hash is of the password "pw" with the salt "abcd".
    user = {
        "name": "tms",
        "password_hash": "YWJjZCUocPu+lAjLXU4Se7RFyins8lJaz+A5gv/b19IpfqUF",
        "tags": ["administrator"],
    }
    definitions = {
        "users": [user],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": "tms", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }
    content = {
        "rabbitmq.conf": "\n".join(settings) + "\n",
        "enabled_plugins": "[rabbitmq_management,rabbitmq_prometheus].\n",
        "definitions.json": json.dumps(definitions),
    }
    conf = files(tmp / "conf", 999, content)
    data = files(tmp / "data", 999, {".erlang.cookie": "LABCOOKIE"})
    mounts = [
        "--hostname=tren-rabbitmq",
        "--tmpfs=/var/log/rabbitmq:uid=999",
        f"--volume={conf}:/etc/rabbitmq:ro",
        f"--volume={data}:/var/lib/rabbitmq",
    ]
    with Box("rabbitmq", *mounts, user="999:999") as box:
        box.until("rabbitmq-diagnostics", "-q", "check_running")
        box.run("rabbitmq-diagnostics", "-q", "check_port_connectivity")
        assert "tms" in box.run("rabbitmqctl", "-q", "list_users")
        assert "guest" not in box.run("rabbitmqctl", "-q", "list_users")
        assert "rabbitmq_management" in box.run("rabbitmq-plugins", "list", "-q", "-E", "-m")
        box.stop()
    with Box("rabbitmq", hard=False, user="999:999") as box:
        box.until("rabbitmq-diagnostics", "-q", "check_running")
        found = box.run("rabbitmqctl", "-q", "environment")
        assert "{loopback_users,[]}" in found, "guest comes from anywhere in the published image"
    refuses("rabbitmq", "deprecated", "-e", "RABBITMQ_DEFAULT_PASS_FILE=/x", IMAGES["rabbitmq"])


def pgbouncer(tmp):
    """Configuration and users from files; a query that goes through."""
    settings = [
        "[databases]",
        "* = host=imgtest-postgres",
        "[pgbouncer]",
        "listen_addr = 0.0.0.0",
        "listen_port = 6432",
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        "auth_file = /etc/pgbouncer/userlist.txt",
        "pool_mode = transaction",
    ]
    content = {"pgbouncer.ini": "\n".join(settings) + "\n", "userlist.txt": '"postgres" "Pg-Secret-1"\n'}
    conf = files(tmp / "conf", 70, content)
    with Box("postgres", hard=False, env={"POSTGRES_PASSWORD": "Pg-Secret-1"}) as server:
        server.until("pg_isready", "-q", "-h", "127.0.0.1")
        options = [f"--volume={conf}:/etc/pgbouncer:ro", "--stop-signal=SIGINT"]
        with Box("pgbouncer", *options, user="70:70") as box:
            box.until("pg_isready", "-q", "-h", "127.0.0.1", "-p", "6432")
            assert box.sh("PGPASSWORD=Pg-Secret-1 psql -h 127.0.0.1 -p 6432 -U postgres -Atc 'select 42'") == "42"
            box.stop()
    alone = files(tmp / "alone", 70, {"pgbouncer.ini": content["pgbouncer.ini"]})
    mounted = ("--user=70:70", f"--volume={alone}:/etc/pgbouncer:ro")
    refuses("pgbouncer", "userlist.txt", *HARD, *mounted, IMAGES["pgbouncer"])


def minio(tmp):
    """Secrets from files, the client beside the server, no start with default credentials."""
    secret = files(tmp / "secret", 1000, {"user": "trenova", "password": "Mi-Secret-1"})
    data = files(tmp / "data", 1000, {})
    mounts = [f"--volume={secret}:/run/secrets:ro", f"--volume={data}:/data"]
    env = {"MINIO_ROOT_USER_FILE": "/run/secrets/user", "MINIO_ROOT_PASSWORD_FILE": "/run/secrets/password"}
    serve = ("server", "/data", "--console-address", ":9001")
    with Box("minio", *mounts, user="1000:1000", env=env, command=serve) as box:
        box.until("curl", "-fsS", "http://127.0.0.1:9000/minio/health/live")
        box.run("curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:9001/")
        box.run("mc", "-q", "alias", "set", "s", "http://127.0.0.1:9000", "trenova", "Mi-Secret-1")
        box.sh("mc mb s/one && echo hi | mc pipe s/one/a && mc admin info s")
        assert box.run("mc", "cat", "s/one/a") == "hi"
        assert "RELEASE.2026" in box.run("minio", "--version")
        box.hides("Mi-Secret-1")
        box.stop()
    missing = ("--env=MINIO_ROOT_USER_FILE=/none", "--env=MINIO_ROOT_PASSWORD_FILE=/none")
    default = ("--env=MINIO_ROOT_USER=tms", "--env=MINIO_ROOT_PASSWORD=minioadmin")
    refuses("minio", "is set", IMAGES["minio"], *serve)
    refuses("minio", "does not exist", *missing, IMAGES["minio"], *serve)
    refuses("minio", "default", *default, IMAGES["minio"], *serve)


def asynqmon(tmp):
    """The secret from a file; healthy only with Redis."""
    secret = files(tmp / "secret", 65534, {"password": "Rd-Secret-1"})
    start = {
        "user": "65534:65534",
        "env": {"REDIS_ADDR": "imgtest-redis:6379", "REDIS_PASSWORD_FILE": "/run/secrets/password"},
    }
    mount = f"--volume={secret}:/run/secrets:ro"
    guarded = ("redis-server", "--requirepass", "Rd-Secret-1")
    with Box("redis", user="999:999", command=guarded) as store, Box("asynqmon", mount, **start) as box:
        box.until("asynqmon-health", seconds=10)
        docker("kill", store.name)
        assert box.run("asynqmon-health", ok=False)[0], "healthy without Redis"
        box.hides("Rd-Secret-1")
        box.stop(2)
    refuses("asynqmon", "missing", "-e", "REDIS_PASSWORD_FILE=/none", IMAGES["asynqmon"])


def backup(tmp):
    """All tools are there; a backup by restic."""
    tools = "pg_dump pg_restore pg_basebackup pg_amcheck redis-cli mc rclone restic age zstd jq curl ssh flock"
    script = f"""
        id -un
        for tool in {tools}; do command -v $tool || exit 1; done
        export RESTIC_PASSWORD=x
        restic init -q -r /tmp/r
        restic backup -q -r /tmp/r --stdin-from-command -- echo hi
        restic check -q -r /tmp/r
    """
    out = docker("run", "--rm", *HARD, "--user=10002:10002", IMAGES["backup"], "sh", "-ec", script)
    assert out.startswith("backup\n"), out


def caddy(tmp):
    """The file capability of the published binary: on port 80 with it, refused without."""
    conf = files(tmp / "conf", 0, {"Caddyfile": ":80 {\n\trespond hello\n}\n"}, 0o444)
    mounts = [f"--volume={conf}:/etc/caddy:ro", "--tmpfs=/data", "--tmpfs=/config"]
    with Box("caddy", "--cap-add=NET_BIND_SERVICE", *mounts) as box:
        box.until("wget", "-qO-", "http://127.0.0.1:2019/config/")
        assert box.run("curl", "-s", "http://127.0.0.1/") == "hello"
        box.run("caddy", "reload", "--config", "/etc/caddy/Caddyfile")
        box.stop()
    refuses("caddy", "operation not permitted", "--cap-drop", "ALL", IMAGES["caddy"], "caddy", "version")


def mail(tmp):
    """A mail in by SMTP and out by HTTP."""
    alive = "import urllib.request as u; u.urlopen('http://127.0.0.1:8025/livez')"
    script = (
        "import smtplib, urllib.request as u\n"
        "with smtplib.SMTP('127.0.0.1', 1025) as s:\n"
        "    s.login('a', 'b')\n"
        "    s.sendmail('x@lab', ['y@lab'], 'Subject: hello\\n\\nbody')\n"
        "print(u.urlopen('http://127.0.0.1:8025/api/v1/messages').read().decode())\n"
    )
    with Box("mail", user="65534:65534") as box:
        box.until("python3", "-c", alive, seconds=10)
        found = box.run("python3", "-W", "ignore", "-c", script)
        assert json.loads(found)["messages"][0]["Subject"] == "hello"
        box.stop()


def api(tmp):
    """What the packaging adds to the binaries; who may write where; what starts."""
    script = """
        id -u
        pg_dump --version
        ls -d /app/go.mod /app/web/report-templates /usr/local/bin/trenova-db
        touch /app/backups/x
        [ ! -w /app/go.mod ]
    """
    options = [*HARD, "--tmpfs=/app/backups:uid=10001,mode=0750", "--user=10001:10001", "--entrypoint=sh"]
    out = docker("run", "--rm", *options, IMAGES["api"], "-ec", script)
    assert out.startswith("10001\npg_dump (PostgreSQL) 17"), out
    config = json.loads(docker("image", "inspect", IMAGES["api"]))[0]["Config"]
    assert (config["Entrypoint"], config["Cmd"], config["WorkingDir"]) == (["trenova-api"], ["serve"], "/app"), config


def client(tmp):
    """With the role's start and Caddyfile: neither the placeholder nor what would still hold it gets out."""
    role = TOP / "roles/client/templates/config"
    caddyfile = jinja2.Template((role / "Caddyfile.j2").read_text()).render(service={"endpoint": {"port": 5173}})
    conf = files(tmp / "conf", 0, {"serve.sh": (role / "serve.sh").read_text(), "Caddyfile": caddyfile}, 0o444)
    placeholder, origin = "https://api.placeholder.invalid/x", "https://tms.example/x?a=1&b=[2]|"
    dist = tmp / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<p>start page</p>")
    assets = {
        "a.js": f'u="{placeholder}/api/v1"',
        "a.js.gz": "stale",
        "a.js.map": "map",
        "b.js": "other",
        "b.js.gz": "kept",
    }
    for name, text in assets.items():
        (dist / "assets" / name).write_text(text)
    for path in (tmp, dist, *dist.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    base = "http://127.0.0.1:5173"
    start = ["--entrypoint=sh", f"--volume={conf}:/etc/caddy:ro"]
    own_dist = f"--volume={dist}:/srv/client:ro"
    writable = "--tmpfs=/srv/www:uid=10003,gid=10003,mode=0755"
    env = {"API_PLACEHOLDER": placeholder, "API_ORIGIN": origin}
    how = {"user": "10003:10003", "command": ["/etc/caddy/serve.sh"]}
    with Box("client", *start, own_dist, writable, env=env, **how) as box:
        box.until("curl", "-fsS", f"{base}/", seconds=10)
        for _ in range(2):
            assert box.run("curl", "-s", "--compressed", f"{base}/assets/a.js") == f'u="{origin}/api/v1"'
            assert box.run("curl", "-s", f"{base}/some/route") == "<p>start page</p>"
            assert "404" in box.run("curl", "-sI", f"{base}/assets/a.js.map").splitlines()[0]
            assert box.sh("cd /srv/www/assets && echo *") == "a.js b.js b.js.gz"
            docker("restart", box.name)
            box.until("curl", "-fsS", f"{base}/", seconds=10)
        box.stop()
    # The files of the image itself, nothing replaced.
    with Box("client", *start, env={**env, "API_PLACEHOLDER": ""}, **how) as box:
        box.until("curl", "-fsS", f"{base}/", seconds=10)
        assert box.run("curl", "-s", f"{base}/") == box.run("cat", "/srv/client/index.html")
        assert box.sh("command -v caddy") == "/usr/local/bin/caddy", "not the copy without file capabilities"
    variables = [f"--env={key}={value}" for key, value in env.items()]
    refuses("client", "/srv/www", *HARD, *variables, *start, own_dist, IMAGES["client"], *how["command"])


CHECKS = {
    check.__name__.replace("_", "-"): check
    for check in [
        postgres,
        redis,
        redis_nojson,
        registry,
        rabbitmq,
        pgbouncer,
        minio,
        asynqmon,
        backup,
        caddy,
        mail,
        api,
        client,
    ]
}


def main():
    """Runs the checks that the command line names, or all."""
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
