# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of the containers of a service that runs more than once."""

from __future__ import annotations


def instance_names(count, base):
    """The document's name for one instance, numbered names for several, none for 0."""
    return [base] if count == 1 else [f"{base}-{number}" for number in range(1, count + 1)]
