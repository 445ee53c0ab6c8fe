# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the API's own part of the inventory."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import check_domain, mail_fault
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem


def check_administrator(facts):
    """The administrator's address is a real one."""
    if facts.services["api"]["exports"].get("bootstrap") == "off":
        return
    fault = mail_fault(facts.variables.get("trenova_admin_email"))
    if fault:
        yield Problem(
            f"trenova_admin_email is {fault}.", INVENTORY,
            "trenova_admin_email: the mail address with which the administrator logs in")


VARIABLES = ("trenova_admin_email",)
CHECKS = (check_domain, check_administrator)
