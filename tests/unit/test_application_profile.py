# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the application's version needs of the plan stands in its profile, and reaches the plan."""

from __future__ import annotations

import re

import pytest
import yaml
from test_bundle import ROOT
from test_foreign_roles import in_play, wish

from ansible_collections.trenova.selfhost.plugins.plugin_utils import run

PROFILES = sorted((ROOT / "roles/api/profiles").glob("*.yml"))
#: How roles and plugins read an entry of a profile.
READ = r"profile(?:_data)?(?:\.{0}\b|\[\"{0}\"\]|\.get\(\"{0}\")"


def test_every_entry_of_a_profile_is_read_by_somebody():
    texts = "\n".join(
        path.read_text() for folder in ("roles", "plugins") for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".j2", ".yml") and path.parent.name != "profiles" or path.name.endswith("yaml.j2"))
    entries = {name for path in PROFILES for name in yaml.safe_load(path.read_text())}
    assert PROFILES
    assert {name for name in entries if not re.search(READ.format(name), texts)} == set()


def planned(tmp_path, **profile):
    """The API of a plan, with another profile than the shipped one."""
    _action, _variables, context = in_play(tmp_path, "api", api_profile_extra=profile, trenova_tier="large")
    return context.plan["services"]["api"]


@pytest.mark.parametrize(("profile", "pool", "workers_pool"), [
    ({}, 20, 10), ({"job_concurrency": 10}, 20, 10), ({"job_concurrency": 30}, 30, 30), ({"worker_only": True}, 10, 10),
])
def test_pools_follow_the_jobs_of_the_profile(tmp_path, profile, pool, workers_pool):
    api = planned(tmp_path, **profile)
    assert api["settings"]["asynq_concurrency"] == profile.get("job_concurrency", 10)
    assert api["settings"]["database_pool"] == pool
    assert api["containers"]["worker"]["settings"]["database_pool"] == workers_pool


def test_a_profile_that_the_plan_cannot_use_is_told(tmp_path):
    with pytest.raises(run.PlanImpossible) as refused:
        planned(tmp_path, job_concurrency=0)
    assert refused.value.problems == ["application profile: job_concurrency: expected at least 1, got 0"]


def test_the_profile_of_an_api_that_is_deployed_and_not_in_the_play_counts(tmp_path):
    action, variables, _context = in_play(tmp_path, "redis")
    known = {"api": {"enabled": True, "exports": {"profile": {"job_concurrency": 25}}}}
    assert wish(action, variables, known)["profile"] == {"job_concurrency": 25}
