# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of what there is more than one of: members of a service, containers of one kind on a host."""

from __future__ import annotations


def ordinal_name(base, ordinal):
    """The name that the requirements give for the first (1), with its number for every other.

    The first keeps its name when more of them come.
    """
    return base if ordinal == 1 else f"{base}-{ordinal}"


def instance_names(count, base):
    """Names of so many containers of one kind, none for 0."""
    return [ordinal_name(base, ordinal) for ordinal in range(1, count + 1)]
