# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory, secret_kinds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.secret_files import file_problems, secrets_of, write
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import installations
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

#: Without it no backup can be read, so nobody else's will do.
KEY = "trenova_backup_key"
ARGUMENTS = {
    "values": {"type": "dict", "no_log": True},
    "provisional": {"type": "list", "elements": "str", "default": []},
    "file": {"type": "path"},
}


class ActionModule(ActionBase):
    """Tells the secrets that an inventory lacks: new ones for this run, and then those of a backup for good."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        structure = inventory.structure(task_vars["groups"], task_vars["hostvars"])
        services = catalogue.services(templated(self, task_vars, "trenova_roles_extra", []))
        host = task_vars["inventory_hostname"]
        mine = [part for part in installations(structure, services) if host in part.host_names]
        [secrets] = secrets_of(self, mine, task_vars, arguments["file"])
        if problems := file_problems([secrets]).get(secrets.id):
            return {"failed": True, "msg": "\n".join(line for problem in problems for line in problem.lines())}
        lacking = secrets.missing(arguments["provisional"])
        if KEY in lacking:
            return {"failed": True, "msg": (
                f"{KEY} of {secrets.id} is not set, and no backup can be read without it. Write it into "
                f"{secrets.path}, as it was when the backup was made.")}
        known = arguments["values"]
        made = {name: (known or {}).get(name) or secret_kinds.generate(secrets.kinds[name]) for name in lacking}
        if known is not None and made and not self._task.check_mode:
            write(secrets.path, made, self._loader._vault.secrets)
            self._display.display(
                f"  {host}  {len(made)} secrets of the backup written to {secrets.path}")
        return {"changed": known is not None and bool(made), "secrets": made}
