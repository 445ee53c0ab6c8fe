# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One-off jobs: they run when what they work with is another one, and a failed one replaces nothing."""

from __future__ import annotations

import time

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import mounts
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

PREPARE = {"service": "api-prepare", "seconds": 60}
RUN = "compose run --rm --no-deps -T api-prepare"


def api(host, version="1", image="api:1", files=None, **more):
    """The API with a job that prepares its database for an image and the files of its bootstrap."""
    files = files or {"secrets.sql": "CREATE ROLE", "probe.sh": "exit 0"}
    job = dict(PREPARE, files=[host.path("api", "secrets.sql")])
    return host.service("api", version=version, image=image, files=files, jobs=[job], **more)


def measure(host):
    return releases.measure(str(host.directory), host.engine)


def jobs_run(host):
    """How many jobs ran since the calls were forgotten."""
    return sum(call == RUN for call in host.engine.calls)


@pytest.mark.parametrize(("change", "runs"), [
    ({}, 0), ({"version": "2"}, 0), ({"limits": {"memory": 1 << 30}}, 0), ({"image": "api:2"}, 1),
    ({"files": {"secrets.sql": "CREATE ROLE other", "probe.sh": "exit 0"}}, 1),
    ({"files": {"secrets.sql": "CREATE ROLE", "probe.sh": "exit 1"}}, 0)])
def test_a_job_belongs_to_an_image_and_to_the_files_it_names(host, change, runs):
    host.converge(api(host))
    host.forget_calls()
    changed = api(host, **change)
    assert host.converge(changed, check=True)["prepared"] == ["The job api-prepare"] * runs
    assert host.converge(changed)["prepared"] == ["The job api-prepare"] * runs
    assert jobs_run(host) == runs
    assert host.converge(changed)["changed"] is False


def test_a_job_runs_before_anything_is_started(host):
    host.converge(api(host))
    assert host.engine.events[:2] == [("job", "api-prepare"), ("started", "tren-api")]


def test_a_failed_job_replaces_nothing_and_shows_its_last_lines(host):
    host.converge(api(host))
    before = host.files(), host.engine.state()["containers"]
    host.engine.job_results["api-prepare"] = (1, "".join(f"line {number}\n" for number in range(60)))
    run = host.run(api(host, image="api:2"))
    result = run.result()["services"]["api"]
    assert run.failure().startswith("api: The job api-prepare failed; nothing was replaced\n  The last log lines:\n")
    assert result["log_lines"] == [f"line {number}" for number in range(20, 60)]
    assert (result["state"], result["changed_files"], result["put_back"]) == ("failed", [], [])
    assert host.engine.state()["containers"] == before[1]
    left = {path: content for path, content in host.files().items() if not path.startswith("opt/.state/")}
    assert left == {path: content for path, content in before[0].items() if not path.startswith("opt/.state/")}
    assert "record" not in host.state("api")

    host.engine.job_results.clear()
    assert host.converge(api(host, image="api:2"))["services"]["api"]["state"] == "replaced"


def test_a_job_that_fails_where_nothing_ran_before_leaves_its_files_to_look_at(host):
    host.engine.job_results["api-prepare"] = (1, "no")
    assert host.run(api(host)).failure()
    assert (host.directory / "api/probe.sh").exists()
    assert host.engine.found == {}
    host.engine.job_results.clear()
    assert host.converge(api(host))["prepared"] == ["The job api-prepare"]


def test_what_a_job_succeeded_for_is_kept_although_the_service_fails_later(host):
    host.converge(api(host))
    host.engine.ends_up["sha256:api:2"] = "unhealthy"
    assert host.run(api(host, image="api:2")).failure()
    host.engine.ends_up.clear()
    host.forget_calls()
    host.converge(api(host, image="api:2"))
    assert jobs_run(host) == 0


def test_a_job_that_does_not_end_is_stopped_and_replaces_nothing(host):
    host.converge(api(host))
    host.engine.job_results["api-prepare"] = "hangs"
    run = host.run(api(host, image="api:2"))
    assert run.failure().startswith(
        "api: The job api-prepare took longer than its 60 s and was ended; nothing was replaced")
    assert set(host.engine.found) == {"tren-api"}
    assert host.engine.calls[-2:] == ["stop tren-api-prepare", "rm tren-api-prepare"]


@pytest.mark.parametrize(("said", "more"), [
    ("Error response from daemon: removal of container 5f is already in progress", ""),
    ("Error response from daemon: No such container: tren-api-prepare", ""),
    ("Error response from daemon: device or resource busy",
     "; its container is still there: Error response from daemon: device or resource busy")])
def test_a_job_over_its_time_tells_that_and_not_what_came_after(host, monkeypatch, said, more):
    """Who has started it with --rm removes its container, too, as soon as it has stopped."""
    host.converge(api(host))
    host.engine.job_results["api-prepare"] = "hangs"

    def remove(*_containers, **_more):
        raise EngineError(said)

    monkeypatch.setattr(host.engine, "remove", remove)
    failure = host.run(api(host, image="api:2")).failure()
    assert failure.splitlines()[0] == (
        "api: The job api-prepare took longer than its 60 s and was ended; nothing was replaced" + more)


def test_what_an_interrupted_run_has_left_of_a_job_goes_before_it_runs_again(host):
    host.converge(api(host))
    labels = dict(host.container("tren-api")["Config"]["Labels"], **{
        "com.docker.compose.oneoff": "True", "com.docker.compose.service": "api-prepare"})
    host.engine.found["tren-api-prepare"] = dict(host.container("tren-api"), Config={"Labels": labels})
    other = dict(labels, **{"com.docker.compose.service": "backup"})
    host.engine.found["tren-backup"] = dict(host.container("tren-api"), Config={"Labels": other})
    host.forget_calls()
    host.converge(api(host, image="api:2"))
    job = host.engine.calls.index(RUN)
    assert host.engine.calls[job - 2:job] == ["stop tren-api-prepare", "rm tren-api-prepare"]
    assert "tren-backup" in host.engine.found


def backup(host, files, **more):
    """A service of files and a check of what they name."""
    job = {"service": "backup-check", "once_per": "files"}
    return host.without_containers("backup", jobs=[job], files=files, secrets={"secrets/password": "s3"}, **more)


def test_a_check_of_files_runs_whenever_one_of_them_changes(host):
    assert host.converge(backup(host, {"config/backup.sh": "1"}))["prepared"] == ["The job backup-check"]
    assert host.converge(backup(host, {"config/backup.sh": "1"}))["changed"] is False
    (host.directory / "backup/secrets/password").write_text("other")
    assert host.converge(backup(host, {"config/backup.sh": "1"}))["prepared"] == ["The job backup-check"]
    assert host.converge(backup(host, {"config/backup.sh": "2"}))["prepared"] == ["The job backup-check"]


def test_a_check_that_is_asked_for_on_the_host_runs_until_it_succeeds(host):
    """As the program of the backups does where a target has lost its repository."""
    wish = host.root / "check-wanted"
    [job] = backup(host, {})["jobs"]
    asked = dict(backup(host, {"config/backup.sh": "1"}), jobs=[dict(job, asked_by=str(wish))])
    host.converge(asked)
    assert measure(host)["differing"] == {}
    wish.touch()
    assert measure(host)["differing"] == {"backup": ["The job backup-check is due"]}
    assert host.converge(asked, check=True)["prepared"] == ["The job backup-check"]
    host.engine.job_results["backup-check"] = (1, "cannot reach the target")
    host.run(asked).failure()
    assert wish.exists()
    host.engine.job_results.clear()
    assert host.converge(asked)["prepared"] == ["The job backup-check"]
    assert not wish.exists()
    assert host.converge(asked)["changed"] is False


def test_a_check_that_was_interrupted_runs_again_although_the_files_are_written(host):
    host.engine.job_results["backup-check"] = (1, "cannot reach the store")
    host.run(backup(host, {"config/backup.sh": "1"}))
    (host.directory / "backup/config").mkdir(parents=True, exist_ok=True)
    for entry in backup(host, {"config/backup.sh": "1"})["files"]:
        with open(entry["path"], "w", encoding="utf-8") as stream:
            stream.write(entry["content"])
    host.engine.job_results.clear()
    assert host.converge(backup(host, {"config/backup.sh": "1"}))["prepared"] == ["The job backup-check"]


def test_files_that_a_check_refuses_do_not_hold(host):
    reload = [{"files": [host.path("backup", "config/backup.sh")], "command": ["systemctl", "restart", "timer"]}]
    host.converge(backup(host, {"config/backup.sh": "1"}, reload=reload))
    host.forget_calls()
    host.engine.job_results["backup-check"] = (1, "cannot reach the store")
    run = host.run(backup(host, {"config/backup.sh": "2"}, reload=reload))
    assert run.result()["services"]["backup"]["log_lines"] == ["cannot reach the store"]
    assert (host.directory / "backup/config/backup.sh").read_text() == "1"
    assert host.commands == []


def test_what_is_put_back_needs_no_job_again(host):
    old, new = ({"secrets.sql": text, "probe.sh": "exit 0"} for text in ("CREATE ROLE", "CREATE ROLE other"))
    host.converge(api(host, files=old))
    host.engine.ends_up["sha256:api:1"] = "unhealthy"
    assert host.run(api(host, files=new, version="2")).failure()
    host.engine.ends_up.clear()
    assert host.converge(api(host, files=old))["prepared"] == []
    host.converge(api(host, files=new, image="api:2"))
    assert host.converge(api(host, files=old))["prepared"] == ["The job api-prepare"]


# -- Data that is made anew -------------------------------------------------------------------------------------------


def database(host, folder="data", **more):
    """A database with a directory of its data, and another one that is none."""
    return host.service("postgres", directories=[
        {"path": str(host.root / folder), "mode": "0700", "data": True}, {"path": str(host.root / "conf")}], **more)


def in_order(host, **more):
    """The database, the API that needs it, and a cache without data of which neither knows."""
    return [database(host, **more), api(host, needs=["postgres"]), host.service("redis")]


@pytest.mark.parametrize(("gone", "runs"), [("data", 1), ("conf", 0)])
def test_a_job_runs_again_where_the_data_it_works_with_is_made_anew(host, gone, runs):
    host.converge(*in_order(host))
    host.forget_calls()
    (host.root / gone).rmdir()
    assert host.converge(*in_order(host), check=True)["prepared"] == ["The job api-prepare"] * runs
    assert host.converge(*in_order(host))["prepared"] == ["The job api-prepare"] * runs
    assert jobs_run(host) == runs
    assert host.converge(*in_order(host))["changed"] is False


@pytest.mark.parametrize(("there", "runs"), [([], 1), (["lost+found"], 1), (["lost+found", "base"], 0)])
def test_a_job_runs_again_where_another_disk_without_data_is_mounted(host, monkeypatch, there, runs):
    """It cannot know of what was never done there."""
    where = {"mount": "/"}
    monkeypatch.setattr(mounts, "filesystem", lambda *_path: (where["mount"], "ext4", "/dev/sdb1"))
    host.converge(*in_order(host))
    where["mount"] = "/mnt/new"
    for name in there:
        (host.root / "data" / name).mkdir()
    assert host.converge(*in_order(host), check=True)["prepared"] == ["The job api-prepare"] * runs
    assert host.converge(*in_order(host))["prepared"] == ["The job api-prepare"] * runs
    assert host.converge(*in_order(host))["changed"] is False


def test_data_of_another_service_is_no_reason_for_a_job(host):
    host.converge(*in_order(host))
    ledger = host.service("ledger", directories=[{"path": str(host.root / "ledger"), "data": True}])
    result = host.converge(*in_order(host), ledger)
    assert (result["prepared"], result["started"]) == ([], ["tren-ledger"])


def test_the_job_is_owed_also_where_a_run_of_the_database_alone_made_its_data_anew(host):
    described = api(host, needs=["postgres"])
    described["release"]["description"] = {"needs": ["postgres"]}
    host.converge(database(host), described)
    (host.root / "data").rmdir()
    assert host.converge(database(host))["prepared"] == []
    assert "api" not in measure(host)["unchanged"]
    assert host.converge(database(host), described)["prepared"] == ["The job api-prepare"]
    assert measure(host)["unchanged"] == {"postgres": database(host)["wish"], "api": described["wish"]}


def test_the_job_is_owed_also_where_it_failed_after_the_data_was_made(host):
    host.converge(*in_order(host))
    (host.root / "data").rmdir()
    host.engine.job_results["api-prepare"] = (1, "no")
    assert host.run(*in_order(host)).failure()
    host.engine.job_results.clear()
    assert (host.root / "data").is_dir()
    assert host.converge(*in_order(host))["prepared"] == ["The job api-prepare"]


@pytest.mark.parametrize(("service", "runs"), [("postgres", 1), ("redis", 0)])
def test_a_job_runs_again_where_a_restore_has_replaced_the_data_it_works_with(host, service, runs):
    """The restore says so with a file, also where it has started all that it stopped."""
    wanted = in_order(host)
    wanted[1]["release"]["description"] = {"needs": ["postgres"]}
    host.converge(*wanted)
    folder = host.directory / releases.FOLDER / releases.RENEWED
    folder.mkdir()
    (folder / service).touch()
    assert ("api" in measure(host)["unchanged"]) is not bool(runs)
    assert host.converge(*wanted, check=True)["prepared"] == ["The job api-prepare"] * runs
    assert host.converge(*wanted)["prepared"] == ["The job api-prepare"] * runs
    assert list(folder.iterdir()) == []
    assert host.converge(*wanted)["changed"] is False


# -- Before all is there ----------------------------------------------------------------------------------------------


def early(host, **more):
    """A database, a queue that takes its time, and the API whose job needs the database alone."""
    job = dict(PREPARE, needs=["postgres"])
    return [host.service("postgres"), host.service("rabbitmq"),
            host.service("api", needs=["postgres", "rabbitmq"], jobs=[job], **more)]


def test_at_a_first_start_a_job_does_not_wait_for_what_it_does_not_need(host):
    host.engine.serves_after = {"tren-rabbitmq": "api-prepare"}
    # Nobody waits on the clock of tests, but another thread has to come to its job.
    host.clock.on_sleep = lambda: time.sleep(0.02)
    host.converge(*early(host))
    events = host.engine.events
    assert events.index(("job", "api-prepare")) < events.index(("serves", "tren-rabbitmq"))
    assert events.index(("serves", "tren-rabbitmq")) < events.index(("started", "tren-api"))


def test_where_what_is_missing_fails_the_service_waits_and_its_job_is_not_forgotten(host):
    host.engine.ends_up["sha256:rabbitmq:1"] = "unhealthy"
    run = host.run(*early(host))
    assert run.result()["services"]["api"]["state"] == "waited"
    assert "tren-api" not in host.engine.found
    host.engine.ends_up.clear()
    host.converge(*early(host))
    assert host.engine.events.count(("job", "api-prepare")) == 1
    assert host.converge(*early(host))["changed"] is False


def test_what_ran_before_waits_for_all_that_it_needs(host):
    host.converge(*early(host))
    host.forget_calls()
    host.converge(
        host.service("postgres"), host.service("rabbitmq", version="2"),
        host.service("api", needs=["postgres", "rabbitmq"], image="api:2", jobs=[dict(PREPARE, needs=["postgres"])]))
    events = host.engine.events
    assert events.index(("serves", "tren-rabbitmq")) < events.index(("job", "api-prepare"))
