# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans as files in a directory of the controller: of each host JSON and a page, and one page that lists the hosts."""

from __future__ import annotations

import os
import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.page import index_page, plan_page
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import (
    PlanFileError,
    read_plan,
    write_plan,
)

_INDEX = "index"


def write_reports(directory, name, plan, looks, shown) -> list[str]:
    """Write the plan of a host with what is shown besides, as JSON and as a page, and return the paths."""
    os.makedirs(directory, exist_ok=True)
    base = os.path.join(directory, _file_name(name))
    texts = {
        base + ".json": write_plan(dict(plan, **shown)), base + ".html": plan_page(name, plan, looks, **shown)}
    for path, text in texts.items():
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    return list(texts)


def write_index(directory, hosts, failed=()) -> str:
    """Write the page that lists hosts, from their JSON in the directory, and return its path.

    Of the hosts in `failed` no file is read: what lies there is of an earlier run.
    """
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, _INDEX + ".html")
    text = index_page([_entry(directory, host, host in failed) for host in hosts])
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def _file_name(host):
    """The name of a host's files without their ending; never that of the page that lists the hosts."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", host)
    return f"{name}_" if name == _INDEX else name


def _entry(directory, host, has_failed):
    entry = {"name": host, "page": _file_name(host) + ".html", "plan": None, "problem": None}
    if has_failed:
        return dict(entry, problem="The run failed for it; its output says why.")
    try:
        with open(os.path.join(directory, _file_name(host) + ".json"), encoding="utf-8") as stream:
            return dict(entry, plan=read_plan(stream.read()))
    except (OSError, PlanFileError) as error:
        return dict(entry, problem=str(error))
