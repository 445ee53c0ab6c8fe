# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with Redis as the application needs it."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.images import image_major
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

REDIS_WITH_JSON = 8
#: Policies that evict keys without an expiry.
EVICTS_JOBS = "allkeys-"


def check_json(facts):
    """The image is not one that is known to lack the JSON commands."""
    image = facts.services["redis"].get("image", "")
    repository = image.rsplit("/", 1)[-1]
    if "valkey" in repository or (repository.startswith("redis:") and 0 < image_major(image) < REDIS_WITH_JSON):
        yield Problem(
            f"redis_image is {image}, which has no JSON commands; every login to Trenova would fail.",
            INVENTORY, "redis_image: an image of Redis 8, for instance docker.io/library/redis:8.4.7")


def check_eviction(facts):
    """Redis never throws queued jobs away."""
    policy = (facts.variables.get("redis_settings_extra") or {}).get("maxmemory-policy", "")
    if str(policy).startswith(EVICTS_JOBS):
        yield Problem(
            f"redis_settings_extra sets maxmemory-policy {policy}, which throws queued jobs away.", INVENTORY,
            "take it out; volatile-lru is set, which evicts what has an expiry")


VARIABLES = ("redis_settings_extra",)
CHECKS = (check_json, check_eviction)
