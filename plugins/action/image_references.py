# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import templated


class ActionModule(ActionBase):
    """Reads from the inventory alone which images a host will run."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        roles = [*catalogue.own_roles(), *templated(self, task_vars, "trenova_roles_extra", [])]
        paths = {role: catalogue.role_path(role, task_vars.get("playbook_dir")) for role in roles}
        found = {
            catalogue.image(self, task_vars, path) for path in paths.values()
            if path and catalogue.is_enabled(self, task_vars, path)}
        return {"changed": False, "references": sorted(reference for reference in found if reference)}
