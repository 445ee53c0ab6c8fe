# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An API that does not ask Redis for a while: what users see, what a run makes of it, and when the watch helps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from test_api import ADDRESS, IMAGE, login, request

MAIL = "admin@trenova.test"
#: What this scenario does not deploy.
WITHOUT = {f"{name}_enabled": False for name in ("client", "asynq_dashboard", "backup")}
#: What is answered to nobody, and to somebody who is logged in; then requests, twelve at once, each of which waits for
#: Redis in vain, for as long as it takes until a verification asks.
STORM = """
ask() {{ curl --silent --output /dev/null --write-out '%{{http_code}} ' --header "Cookie: $1" {address}/api/v1$2; }}
storm() {{ for number in 1 2 3 4 5 6 7 8 9 10 11 12; do ask '{cookies}' /users/me/ >/dev/null & done; wait; }}
storm
ask '' /
ask '{cookies}' /users/me/
ask '{cookies}' '/shipments/?limit=1'
for round in $(seq {seconds}); do storm; sleep 1; done
"""


def test_a_run_right_after_a_slow_redis_succeeds_and_says_how_long_it_took(server, host, secrets, capsys):
    server.run(playbook="molecule/api/entrance.yml")
    _status, cookies = login(server, MAIL, secrets["trenova_admin_password"])
    stop = "kill -{} $(docker inspect --format {{{{.State.Pid}}}} tren-redis)"

    def slow():
        host.check_output(stop.format("STOP"))
        try:
            return server.client(IMAGE, STORM.format(address=ADDRESS, cookies=cookies, seconds=12), "trenova_app")
        finally:
            host.check_output(stop.format("CONT"))

    # As while a deployment is at work: the watch lets it be.
    host.check_output("systemd-run --unit=deployment flock /run/trenova.lock sleep infinity")
    try:
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(slow)
            run = server.run(playbook="playbooks/verify.yml", variables=WITHOUT)
    finally:
        host.check_output("systemctl stop deployment")
    assert seen.result().split() == ["401", "500", "403"], "the probe tells nothing, the user is a stranger"
    [found] = [entry for entry in run.gathered("results") if entry["name"] == "Login of the administrator"]
    with capsys.disabled():
        print(f"\n  after a Redis that was slow: {found['detail']}")
    assert found["detail"].startswith(f"{MAIL} logged in and read data (after ")
    assert request(server, "/api/v1/users/me/", cookies=cookies)[0] == 200


def test_watch_restarts_an_instance_with_which_nobody_can_work(server, host, secrets):
    """Its way to Redis is cut; the way of a new start is another one."""
    memory = "/run/trenova-api-sessions.json"
    host.check_output("systemctl stop trenova-api-watch.timer")
    host.check_output("systemctl start trenova-api-watch.service")
    assert host.file(memory).mode == 0o600
    assert secrets["trenova_admin_password"] not in host.file(memory).content_string
    before = server.started()
    host.check_output(
        "nsenter --net --target $(docker inspect --format '{{.State.Pid}}' tren-api) "
        "iptables -A OUTPUT -p tcp --dport 6379 -j REJECT --reject-with tcp-reset")
    # As if the last question were older than a minute.
    change(host, memory, "known.update(asked=0)")
    host.check_output("systemctl start trenova-api-watch.service")
    assert server.restarted(before) == set(), "breakers close by themselves"
    assert request(server, "/api/v1/")[0] == 401
    change(host, memory, "known.update(failing=known['failing'] - 60)")
    host.check_output("systemctl start trenova-api-watch.service")
    host.check_output("systemctl start trenova-api-watch.timer")
    assert server.restarted(before) == {"tren-api"}
    assert login(server, MAIL, secrets["trenova_admin_password"])[0] == 200
    said = host.check_output("journalctl --unit trenova-api-watch --quiet --output cat --since=-120s")
    assert "tren-api: nobody can work with it, " in said
    assert "tren-api: restarting it, nobody could work with it for " in said
    assert "tren-api: one can work with it again" in said


def change(host, path, statement):
    """Change what the watch knows of tren-api."""
    host.check_output(
        f"python3 -c \"import json; content = json.load(open('{path}')); known = content['instances']['tren-api']; "
        f"{statement}; json.dump(content, open('{path}', 'w'))\"")
