# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the client's own part of the inventory."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import check_domain

VARIABLES = ()
CHECKS = (check_domain,)
