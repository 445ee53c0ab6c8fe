# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans as files: the whole one beside the playbook, and each service's part on the server that it was applied to."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SCHEMA_VERSION

#: What a file must hold to be a plan, or a service's part of one.
_PLAN_KEYS = ("tier", "mode", "host", "services", "explain", "totals", "deviations", "warnings", "refusals")
_PART_KEYS = ("tier", "mode", "users", "figures")

_AGAIN = "make it again with playbooks/plan.yml"


class PlanFileError(ValueError):
    """A file is no plan that this version can read; the text says what was understood and what to do."""


def write_plan(plan) -> str:
    """A plan as the text of a file, in its own order."""
    return json.dumps(plan, indent=2, ensure_ascii=False) + "\n"


def read_plan(text) -> dict[str, Any]:
    """The plan in the text of a file. Raises PlanFileError with one sentence otherwise."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise PlanFileError(f"This is no JSON ({error}); {_AGAIN}.") from None
    return _checked(found, "plan", _PLAN_KEYS, _AGAIN)


def part_of(plan, service) -> dict[str, Any]:
    """A service's part of a plan, as it is left with the service: plain values, nothing that changes by itself."""
    return {
        "schema_version": plan["schema_version"], "tier": plan["tier"], "mode": plan["mode"], "users": plan["users"],
        "figures": plan["services"][service]}


def read_parts(found):
    """(parts, remarks) of the files that a measurement has found with the services: {service: content}.

    What cannot be read counts as absent; a remark says so.
    """
    parts, remarks = {}, []
    for service, content in sorted((found or {}).items()):
        try:
            part = _checked(content, "part of a plan", _PART_KEYS, "the next deployment writes it anew")
            if not isinstance(part["figures"], dict):
                raise PlanFileError("Its figures are none; the next deployment writes it anew.")
            parts[service] = part
        except PlanFileError as error:
            remarks.append(f"The applied plan of {service} is not compared. {error}")
    return parts, remarks


def _checked(found, what, keys, remedy):
    if isinstance(found, dict) and "unreadable" in found:
        raise PlanFileError("This is no JSON ({}); {}.".format(found["unreadable"], remedy))
    if not isinstance(found, dict) or "schema_version" not in found:
        raise PlanFileError(f"This is no {what}: it has no schema_version; {remedy}.")
    version = found["schema_version"]
    if version != SCHEMA_VERSION:
        age = "a newer" if isinstance(version, int) and version > SCHEMA_VERSION else "an older or unknown"
        advice = "use the version of the collection that wrote it" if age == "a newer" else remedy
        raise PlanFileError(
            f"This is a {what} of {age} version of the collection (schema {version}, this one reads "
            f"{SCHEMA_VERSION}); {advice}.")
    missing = [key for key in keys if key not in found]
    if missing:
        raise PlanFileError(f"This is no whole {what}: {', '.join(missing)} missing; {remedy}.")
    return found
