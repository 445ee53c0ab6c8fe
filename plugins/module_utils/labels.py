# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Labels that every container of a project carries."""

from __future__ import annotations

#: Digest of all that a container must be replaced for.
DIGEST = "trenova.digest"
#: Role that describes the container.
ROLE = "trenova.role"
