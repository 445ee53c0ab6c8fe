# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What no file can hold as the inventory says it: line breaks, and characters that a path or a reference cannot have.

Everything else is written so that its reader takes it back letter by letter (`quoting`).
"""

from __future__ import annotations

import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import targets
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.quoting import has_control

#: Format of variables whose texts may have several lines.
SEVERAL_LINES = "text"
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
#: Paths that stand in units of systemd and in mounts.
PATHS = ("trenova_project_dir", "trenova_data_dir")
PATH = re.compile(r"[A-Za-z0-9._/+@~-]*")


def check_one_line(facts):
    """No text has a line break or another control character, but where several lines are what is wanted."""
    told = {}
    for service in facts.all_services.values():
        told.update(service.get("formats") or {})
    # Whatever their names are.
    told.update(dict.fromkeys(targets.private_keys(facts.variables.get("backup_targets")), SEVERAL_LINES))
    for name, value in sorted(facts.variables.items()):
        if told.get(name) != SEVERAL_LINES and any(map(has_control, texts_of(value))):
            yield Problem(
                f"{name} holds a line break, or another character that no line of a file can hold.", INVENTORY,
                f"{name}: one line, without control characters; a block of YAML needs >- in place of | or >")


def texts_of(value):
    """All texts in a value, the keys of its dictionaries among them."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield str(key)
            yield from texts_of(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from texts_of(entry)
    elif isinstance(value, str):
        yield value


def check_references(facts):
    """References of images have their form."""
    for name, service in sorted(facts.services.items()):
        image = service.get("image")
        if image and not REFERENCE.fullmatch(str(image)):
            yield Problem(
                f"{name}_image is no reference of an image: {image}", INVENTORY,
                f"{name}_image: registry/path:version")


def check_paths(facts):
    """Directories of the project have plain names, which every file can hold."""
    for name in PATHS:
        value = facts.variables.get(name)
        if value and not PATH.fullmatch(str(value)):
            yield Problem(
                f"{name} has characters that a mount or a unit of systemd cannot hold: {value}", INVENTORY,
                f"{name}: a path of letters, digits and . _ - + @")
