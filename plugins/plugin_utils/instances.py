# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of the containers of a service that runs more than once."""

from __future__ import annotations


def instance_names(count, base):
    """The document's name for the first, numbered names for the others, so that no number renames what runs."""
    return [base if number == 1 else f"{base}-{number}" for number in range(1, count + 1)]
