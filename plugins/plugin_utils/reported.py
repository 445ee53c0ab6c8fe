# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How the services themselves report what the plan gave them.

A role says it in meta/reported.yml; settings of the plan become {name as the service says it: value as it says it}.
"""

from __future__ import annotations

import functools
import os

import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils import description

REPORTED = os.path.join("meta", "reported.yml")
#: Bytes of the unit that the name of a figure ends with.
UNITS = {"kb": 1024, "mb": 1048576}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def reported_settings(settings, role_directory, own=()):
    """What the service of the role in this directory reports when it runs with these settings of the plan.

    `own` are the operator's own lines of its configuration file: they win over the plan, which cannot expect anything
    there. Nothing for a service without a plan. Raises ValueError, with what to write, where the role does not say how
    its service reports, or not by the schema.
    """
    told = described(os.path.realpath(role_directory))
    return {
        name: _value(settings[entry["figure"]], entry, told["values"])
        for name, entry in told["settings"].items()
        if entry["figure"] in settings and not any(line in own for line in entry.get("decided_by", (name,)))}


@functools.cache
def described(role_directory):
    """Content of a role's meta/reported.yml."""
    path = os.path.join(role_directory, REPORTED)
    try:
        with open(path, encoding="utf-8") as stream:
            told = yaml.load(stream, _LOADER)  # noqa: S506  # a safe loader
    except OSError as error:
        raise ValueError(
            f"reported_settings: there is no file {path}; write how the server reports the figures of the plan"
        ) from error
    except yaml.YAMLError as error:
        raise ValueError(f"reported_settings: {path} is no YAML: {error}") from error
    if not description.is_ours(role_directory) and (faults := description.faults(told, "reported")):
        lines = ["  {}: {}; {}".format(*fault) for fault in faults]
        raise ValueError("\n".join([f"reported_settings: {path} cannot be read:", *lines]))
    return told


def _value(value, entry, form):
    """A figure of the plan as the service says it, rounded to the nearest whole unit."""
    if not isinstance(value, (int, float)):
        return value
    # Without a unit it is a number of something.
    scale = 1.0
    if "unit_bytes" in entry:
        scale = UNITS[entry["figure"].rpartition("_")[2]] / entry["unit_bytes"]
    elif "unit_milliseconds" in entry:
        scale = 1000 / entry["unit_milliseconds"]
    number = int(value * scale + 0.5)
    return number if form == "number" else str(number)
