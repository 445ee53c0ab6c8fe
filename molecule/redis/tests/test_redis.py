# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Redis as its clients see it."""

from __future__ import annotations

IMAGE = "library/redis:8.4.7"


def redis(server, words, password):
    """Answer of Redis to a command over the network."""
    return server.client(IMAGE, f"redis-cli -h tren-redis {words}", options=f"-e REDISCLI_AUTH={password}")


def test_application_stores_a_session_and_a_key(server, host, secrets):
    password = secrets["trenova_redis_password"]
    assert redis(server, "JSON.SET session . '{}'", password) == "OK"
    assert redis(server, "JSON.GET session", password) == "{}"
    assert redis(server, "SET key value", password) == "OK"


def test_nobody_enters_without_the_password(server, host):
    assert redis(server, "PING", "guessed").startswith("NOAUTH")
    assert server.client(IMAGE, "redis-cli -h tren-redis PING").startswith("NOAUTH")


def test_jobs_are_never_evicted(server, host, secrets):
    password = secrets["trenova_redis_password"]
    assert redis(server, "CONFIG GET maxmemory-policy", password).split()[1] == "volatile-lru"
    assert redis(server, "CONFIG GET appendonly", password).split()[1] == "yes"


def test_full_memory_refuses_writes_and_keeps_jobs(server, host, secrets):
    """Sessions go, jobs stay: what carries no expiry is a job."""
    password = secrets["trenova_redis_password"]
    assert redis(server, "RPUSH jobs one two three", password) == "3"
    limit = redis(server, "CONFIG GET maxmemory", password).split()[1]
    redis(server, "CONFIG SET maxmemory 3mb", password)
    value = "head -c 100000 /dev/zero | tr '\\0' x"
    fill = f"for i in $(seq 1 60); do {value} | redis-cli -h tren-redis -x SETEX cache:$i 600; done"
    server.client(IMAGE, fill, options=f"-e REDISCLI_AUTH={password}")
    assert int(redis(server, "INFO stats", password).partition("evicted_keys:")[2].split()[0]) > 0
    assert redis(server, "LLEN jobs", password) == "3"
    redis(server, f"CONFIG SET maxmemory {limit}", password)


def test_change_restarts_redis_alone_and_keeps_the_data(server, host, secrets):
    password = secrets["trenova_redis_password"]
    redis(server, "SET kept yes", password)
    change = {"redis_settings_extra": {"slowlog-max-len": 64}}
    with server.change(change, restarts=["tren-redis"], shows=["+slowlog-max-len 64"]):
        assert redis(server, "CONFIG GET slowlog-max-len", password).split()[1] == "64"
        assert redis(server, "GET kept", password) == "yes"


def test_new_password_takes_effect(server, host, secrets):
    with server.change({"trenova_redis_password": "Another-redis_pass-4u"}, restarts=["tren-redis"]):
        assert redis(server, "PING", "Another-redis_pass-4u") == "PONG"
        assert redis(server, "PING", secrets["trenova_redis_password"]).startswith("NOAUTH")


def test_container_that_does_not_become_healthy_is_put_back(server, host, secrets):
    run = server.run(variables={"redis_settings_extra": {"no-such-setting": "1"}}, expect=2)
    assert "tren-redis did not become healthy" in run.output
    assert "The last log lines:" in run.output
    assert "no-such-setting" in run.output
    assert redis(server, "PING", secrets["trenova_redis_password"]) == "PONG"
    assert server.run().changed == 0


def test_full_disk_is_said_and_nothing_is_lost(server, host, secrets):
    """The directory of the configuration lies on a file system without room for a changed file."""
    place = "/opt/trenova/redis/config"
    host.check_output(
        f"cp -a {place} /root/kept && mount -t tmpfs -o size=4k,mode=0755 tmpfs {place} && cp -a /root/kept/. {place}/")
    before, content = server.started(), host.file(place + "/redis.conf").content_string
    run = server.run(variables={"redis_settings_extra": {"slowlog-max-len": 65}}, expect=2)
    assert "No space left on device" in run.output
    assert "Traceback" not in run.output
    assert host.file(place + "/redis.conf").content_string == content
    assert server.started() == before
    host.check_output(f"umount {place} && rm -rf /root/kept")
    assert server.run().changed == 0
