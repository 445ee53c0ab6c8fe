# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import hashlib

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import message
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import (
    KEY_OF_BACKUPS,
    NAME_OF_BACKUPS,
    installations,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import merged, not_yet, problems_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated, what_follows

#: What our playbooks register of each host's checks.
RESULT = "trenova_preflight"


class ActionModule(ActionBase):
    """Adds what hosts and installations have with each other to what the checks of each host have found."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        there = inventory.with_variables(
            task_vars["groups"], task_vars["hostvars"], self._completed, (KEY_OF_BACKUPS, NAME_OF_BACKUPS))
        services = catalogue.services(templated(self, task_vars, "trenova_roles_extra", []))
        # As it is: with expressions resolved, each would be looked through whole, the facts in it included.
        results = {
            host: task_vars["hostvars"].raw_get(host).get(RESULT) or {} for host in task_vars["ansible_play_hosts"]}
        records = {host: result["members"] for host, result in results.items() if result.get("members")}
        found = merged(problems_of(there, services, records), not_yet(there, services))
        between = {
            host: [problem.lines() for problem in [*found.get(None, []), *found.get(installation.id, [])]]
            for installation in installations(there, services) for host in installation.host_names}
        problems = {}
        for host, result in results.items():
            if told := [*(result.get("problems") or []), *between.get(host, [])]:
                problems[host] = message({host: told})
        return {"changed": False, "problems": problems}

    def _completed(self, found):
        if found.get(KEY_OF_BACKUPS):
            # Only whether two are the same is asked.
            found[KEY_OF_BACKUPS] = hashlib.sha256(str(found[KEY_OF_BACKUPS]).encode()).hexdigest()
        templar = self._templar.copy_with_new_env(available_variables=found)
        return {**found, **{name: templar.template(value) for name, value in what_follows(found).items()}}
