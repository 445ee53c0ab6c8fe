# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans as files: the whole one beside the playbook, and each service's part on the server that it was applied to."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SCHEMA_VERSION
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import known

#: What a file must hold to be a plan, or a service's part of one.
_PLAN_KEYS = ("tier", "mode", "host", "services", "explain", "totals", "deviations", "warnings", "refusals")
_PART_KEYS = ("tier", "mode", "users", "figures")
#: The first edition had one set of limits for a service; its other containers had a few of their own as settings.
_FIRST_EDITION = 1
_OF_DOCKER = ("count", "memory_limit_mb", "memory_reservation_mb", "cpus")
#: What those containers shared with the main one.
_SHARED_LIMITS = ("cpu_shares", "pids_limit", "nofile", "oom_score_adj")

_REMEDY = "the next deployment writes it anew"


class PlanFileError(ValueError):
    """A file is no plan that this version can read; the text says what was understood and what to do."""


class _UnreadablePart(ValueError):
    """A file is no part of a plan that this version can read; the text says what was understood and what to do."""


def write_plan(plan) -> str:
    """A plan as the text of a file, in its own order."""
    return json.dumps(plan, indent=2, ensure_ascii=False) + "\n"


def read_plan(text) -> dict[str, Any]:
    """The plan in the text of a file. Raises PlanFileError with one sentence otherwise."""
    again = "make it again with playbooks/plan.yml"
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise PlanFileError(f"This is no JSON ({error}); {again}.") from None
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        version = found.get("schema_version") if isinstance(found, dict) else None
        raise PlanFileError(
            f"This is no plan of this version of the collection (schema {version}, this one reads {SCHEMA_VERSION}); "
            f"{again}.")
    if missing := [key for key in _PLAN_KEYS if key not in found]:
        raise PlanFileError(f"This is no whole plan: {', '.join(missing)} missing; {again}.")
    return found


def part_of(plan, service) -> dict[str, Any]:
    """A service's part of a plan, as it is left with the service: plain values, nothing that changes by itself."""
    return {
        "schema_version": plan["schema_version"], "tier": plan["tier"], "mode": plan["mode"], "users": plan["users"],
        "figures": plan["services"][service]}


def read_parts(found):
    """(parts, remarks) of the files that a measurement has found with the services: {service: content}.

    Parts that the first edition wrote are read as this one would have written them. What cannot be read counts as
    absent; a remark says so.
    """
    parts, remarks = {}, []
    for service, content in sorted((found or {}).items()):
        try:
            parts[service] = _read_part(service, content)
        except _UnreadablePart as error:
            remarks.append(f"The applied plan of {service} is not compared. {error}")
    return parts, remarks


def _read_part(service, found):
    if isinstance(found, dict) and "unreadable" in found:
        raise _UnreadablePart("This is no JSON ({}); {}.".format(found["unreadable"], _REMEDY))
    if not isinstance(found, dict) or "schema_version" not in found:
        raise _UnreadablePart(f"This is no part of a plan: it has no schema_version; {_REMEDY}.")
    version = found["schema_version"]
    if version not in (_FIRST_EDITION, SCHEMA_VERSION):
        age = "a newer" if isinstance(version, int) and version > SCHEMA_VERSION else "an older or unknown"
        advice = "use the version of the collection that wrote it" if age == "a newer" else _REMEDY
        raise _UnreadablePart(
            f"This is a part of a plan of {age} version of the collection (schema {version}, this one reads "
            f"{_FIRST_EDITION} and {SCHEMA_VERSION}); {advice}.")
    missing = [key for key in _PART_KEYS if key not in found]
    if missing:
        raise _UnreadablePart(f"This is no whole part of a plan: {', '.join(missing)} missing; {_REMEDY}.")
    if not isinstance(found["figures"], dict):
        raise _UnreadablePart(f"Its figures are none; {_REMEDY}.")
    return _since_first_edition(service, found) if version == _FIRST_EDITION else found


def _since_first_edition(service, part):
    """A part of the first edition as this one writes it: what a container had of its own, and what it shared."""
    settings, containers = dict(part["figures"].get("settings") or {}), {}
    for kind, names in known(service).kinds.items():
        moved = {new: settings.pop(old) for old, new in names.items() if old in settings}
        figures = {name: moved.pop(name) for name in _OF_DOCKER if name in moved}
        if "memory_limit_mb" in figures:
            figures["memory_swap_limit_mb"] = figures["memory_limit_mb"]
        figures.update((name, part["figures"][name]) for name in _SHARED_LIMITS if name in part["figures"])
        containers[kind] = dict(figures, settings=moved)
    return dict(part, schema_version=SCHEMA_VERSION, figures=dict(
        part["figures"], settings=settings, containers=containers))
