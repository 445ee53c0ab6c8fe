# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted, selected
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import checked_run
from ansible_collections.trenova.selfhost.plugins.plugin_utils.version import collection_version


class ActionModule(ActionBase):
    """Brings all services of a host to their wanted state in one execution."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        run, _is_new = checked_run(self, task_vars)
        return Wanted(self, task_vars, run, selected(run.places, task_vars)).execute(collection_version())
