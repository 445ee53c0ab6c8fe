# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether what services hold in memory fits a smaller plan: they would not start with it, or refuse every write."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import read_parts
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.inside import resolved

MIB = 1048576


def shrinking(facts):
    """What has to be asked: the declared contents whose figure of the plan gets smaller, with both figures."""
    applied, _remarks = read_parts(facts.capacity["deployed"].get("plan"))
    found = []
    for name, service in sorted(facts.services.items()):
        for entry in service.get("contents") or []:
            before = _figure((applied.get(name) or {}).get("figures"), entry["figure"])
            after = _figure(facts.plan["services"].get(name), entry["figure"])
            if before and after and after < before:
                found.append(dict(entry, service=name, title=service.get("title", name), before=before, after=after))
    return found


def questions(found, facts):
    """The same as checks of the module that asks inside of a host."""
    return [
        dict(resolved(entry, facts.services[entry["service"]], facts.all_services), name=entry["name"])
        for entry in found]


def check_contents(found, results):
    """What is held fits. Of what does not answer nothing is known, and it may be what the run shall mend."""
    for entry, result in zip(found, results, strict=True):
        held = math.ceil(int(result["detail"]) / MIB) if result["ok"] else 0
        if held > entry["after"]:
            yield Problem(
                f"{entry['name']} takes {held} MiB, and gets {entry['after']} MiB with this plan in place of "
                f"{entry['before']}.", "trenova_tier, trenova_users or trenova_plan_overrides in the inventory",
                f"a tier, or a number of users, that gives {entry['service']}.{entry['figure']} {held} or more; or "
                "have it hold less")


def _figure(figures, name):
    return ((figures or {}).get("settings") or {}).get(name)
