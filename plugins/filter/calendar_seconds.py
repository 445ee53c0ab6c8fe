# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: calendar_seconds
short_description: Longest time between two runs of a calendar expression
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Of an expression of systemd, over twelve years and without changes of the clock.
options:
  _input: {description: A calendar expression of systemd., type: str, required: true}
"""

EXAMPLES = r"""
seconds: "{{ '*-*-* 01:30:00' | trenova.selfhost.calendar_seconds }}"
"""

RETURN = r"""
_value:
  description: Seconds. Null where they cannot be told.
  type: int
"""

import datetime

from ansible_collections.trenova.selfhost.plugins.plugin_utils.schedules import longest_interval

#: The same on every day, so that a file which holds the result does not change by itself.
BEGIN = datetime.date(2024, 1, 1)


def calendar_seconds(text):
    """Longest time between two runs in seconds; None where it cannot be told."""
    interval = longest_interval(text, BEGIN)
    return None if interval is None else int(interval.total_seconds())


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"calendar_seconds": calendar_seconds}
