# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of the containers of a service that runs more than once."""

from __future__ import annotations

#: Instances that one host may run of a service; more names need not be looked for.
MOST = 16


def instance_names(count, base):
    """The document's name for one instance, numbered names for several."""
    return [base] if count == 1 else numbered_names(count, base)


def numbered_names(count, base):
    """Numbered names, for one as for several; none for 0."""
    return [f"{base}-{number}" for number in range(1, count + 1)]


def retired_names(count, base):
    """Names that another number of instances would have."""
    wanted = instance_names(count, base)
    return [name for name in [base, *numbered_names(MOST, base)] if name not in wanted]


def retired_numbers(count, base):
    """Numbered names beyond the wanted ones."""
    return numbered_names(MOST, base)[count:]
