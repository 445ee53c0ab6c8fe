# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The administrator's login on its way to the host: to whom it must be open, and where his password is not."""

from __future__ import annotations

import base64
import json

import pytest
import test_bundle

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases

PASSWORD = "pa\"ss\\wör{mail}d$1"
SEED = {"api_bootstrap": "seed", "trenova_tier": "medium", "trenova_accept_undersized_host": True}


def api(**more):
    """Arguments of the API for the host, with a password that is hard to write down."""
    variables, known = test_bundle.in_play(json.dumps({**SEED, **more}))
    return test_bundle.by_plan("api", dict(variables, trenova_admin_password=PASSWORD), known)


def content(arguments, path):
    """Content of a secret file, None where there is none."""
    found = [entry["content"] for entry in arguments["secret_files"] if entry["path"].endswith(path)]
    return base64.b64decode(found[0]).decode() if found else None


def watched(arguments):
    """What the watch of sessions is told."""
    return json.loads(next(
        entry["content"] for entry in arguments["files"] if entry["path"].endswith("/api-sessions.json")))


def test_each_instance_that_is_led_to_must_let_the_administrator_in():
    arguments = api()
    assert [entry["container"] for entry in arguments["ready"]] == ["tren-api", "tren-api-2"]
    for entry in arguments["ready"]:
        body = json.loads(base64.b64decode(entry["body"]))
        assert (body["emailAddress"], body["password"]) == ("admin@trucks.co", PASSWORD)
        assert entry["login"]["uri"] == "/api/v1/auth/login/"
        assert entry["origin"] == "https://erp.trucks.co"


def test_the_watch_has_the_same_login_in_a_file_of_its_own():
    arguments = api()
    found = json.loads(content(arguments, "/watch/login.json"))
    assert found == json.loads(base64.b64decode(arguments["ready"][0]["body"]))
    assert watched(arguments)["login"]["body_file"] == "/opt/trenova/api/secrets/watch/login.json"
    assert watched(arguments)["instances"] == ["tren-api", "tren-api-2"]
    assert {"tren-db", "tren-pgbouncer", "tren-redis"} <= set(watched(arguments)["needs"])


def test_the_password_is_nowhere_else():
    arguments = api()
    rest = {key: value for key, value in arguments.items() if key != "ready"}
    rest["secret_files"] = [entry for entry in rest["secret_files"] if not entry["path"].endswith("/watch/login.json")]
    written = json.dumps(rest, ensure_ascii=False)
    for form in (PASSWORD, json.dumps(PASSWORD)[1:-1], base64.b64encode(PASSWORD.encode()).decode()):
        assert form not in written
    # Nor in what is kept on the host of the service.
    assert "ready" not in releases.RECORDED


def test_what_must_work_is_no_reason_to_replace_a_container():
    first, second = api(), api(api_watch_login=False)
    assert [unit["digest"] for unit in first["containers"]] == [unit["digest"] for unit in second["containers"]]


@pytest.mark.parametrize(("more", "ready", "watch"), [
    ({"api_bootstrap": "off"}, 0, False), ({"api_watch_login": False}, 2, False), ({}, 2, True)])
def test_without_an_account_or_where_it_is_not_wanted_the_watch_looks_at_the_log(more, ready, watch):
    arguments = api(**more)
    assert len(arguments["ready"]) == ready
    assert bool(watched(arguments)["login"]) is watch
    assert (content(arguments, "/watch/login.json") is not None) is watch
    assert watched(arguments)["complaint"] == "blocked by circuit breaker"


def test_what_is_somebody_elses_is_not_looked_after():
    arguments = api(redis_mode="external", redis_external_host="redis.trucks.co")
    assert "tren-redis" not in watched(arguments)["needs"]
