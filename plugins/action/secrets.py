# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory, secret_kinds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.secret_files import (
    file_problems,
    identity_problems,
    secrets_of,
    shared,
    write,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import installations
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import merged, structure_problems
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

#: The one place where a secret is shown: to whom it was made for, once, and in no log.
ORDER = """
  {id}: {name} opens {opens}, and nobody can make it again:

      {value}

  Put it now where neither this machine nor the server is - a password manager, a sheet of paper in a safe - and then
  set backup_key_kept: true. It is not shown again.
"""


class ActionModule(ActionBase):
    """Adds the missing secrets of each installation of the play to a file of its own in the inventory."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"file": {"type": "path"}})
        structure = inventory.structure(task_vars["groups"], task_vars["hostvars"])
        services = catalogue.services(templated(self, task_vars, "trenova_roles_extra", []))
        there = secrets_of(self, installations(structure, services), task_vars, arguments["file"])
        wanted = [secrets for secrets in there if secrets.is_in_play]
        problems = merged(structure_problems(structure, services), file_problems(wanted))
        problems = merged(problems, identity_problems(
            [secrets for secrets in wanted if secrets.id not in problems], self._loader._vault.secrets))
        able = [secrets for secrets in wanted if None not in problems and secrets.id not in problems]
        written = self._add(able)
        self._tell(able, written)
        for ids, names in shared(there, {secrets.id for secrets in able}):
            self._display.warning(
                f"{', '.join(ids)} share {', '.join(names)}: who knows those of one can log in at the others. Give "
                "each installation its own, in its secrets.yml.")
        result = {"changed": bool(written), "written": written, "files": {secrets.id: secrets.path for secrets in able},
                  "encrypted": bool(self._loader._vault.secrets)}
        told = [problem for name in [None, *(secrets.id for secrets in wanted)] for problem in problems.get(name, [])]
        if told:
            lines = [line for problem in dict.fromkeys(told) for line in problem.lines()]
            result.update(failed=True, msg="\n".join(["Not every installation got its secrets.", *lines]))
        return result

    def _add(self, able):
        """Write what installations lack: {id: names of the secrets}."""
        written = {secrets.id: missing for secrets in able if (missing := secrets.missing())}
        if not self._task.check_mode:
            for secrets in able:
                added = {name: secret_kinds.generate(secrets.kinds[name]) for name in written.get(secrets.id, [])}
                if added:
                    write(secrets.path, added, self._loader._vault.secrets)
                    self._order(secrets, added)
        return written

    def _order(self, secrets, added):
        """Show what has to be kept elsewhere, with the order to do so."""
        for name in sorted(secrets.kept.keys() & added.keys()):
            self._display.display(
                ORDER.format(id=secrets.id, name=name, opens=secrets.kept[name], value=added[name]), screen_only=True)

    def _tell(self, able, written):
        if able and not written:
            self._display.display("All secrets are there; none was changed.")
        lacking = [secrets for secrets in able if secrets.id in written]
        for secrets in lacking:
            names, whose = written[secrets.id], f"{secrets.id}: " if len(able) > 1 else ""
            if self._task.check_mode:
                self._display.display(f"{whose}{len(names)} secrets are missing: {', '.join(names)}")
            else:
                self._display.display(f"{whose}{len(names)} secrets written to {secrets.path}")
        if lacking and not self._task.check_mode and not self._loader._vault.secrets:
            one = lacking[0].path if len(lacking) == 1 else None
            self._display.warning(
                f"{one or 'What was written'} is NOT encrypted: whoever can read it can log in everywhere. Configure a "
                f"vault password (--vault-password-file) and run `ansible-vault encrypt {one or '<each file>'}`.")
