# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.files import write_index


class ActionModule(ActionBase):
    """Lists the hosts of the play on one page, once the plan of each is written."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={"directory": {"type": "path", "required": True}})
        hosts = task_vars["ansible_play_hosts_all"]
        failed = set(hosts) - set(task_vars["ansible_play_hosts"])
        path = write_index(arguments["directory"], hosts, failed)
        self._display.display(f"  Written: {path}")
        return {"changed": False, "written": path}
