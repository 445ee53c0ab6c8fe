# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os
import tempfile

import yaml
from ansible.parsing.vault import VaultLib
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, secret_kinds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

HEADER = "# Secrets of this installation. playbooks/secrets.yml adds missing ones and changes none.\n"


class ActionModule(ActionBase):
    """Adds the missing secrets to a file of the inventory."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"file": {"type": "path", "required": True}})
        roles = templated(self, task_vars, "trenova_roles", []) or catalogue.own_roles()
        further = templated(self, task_vars, "trenova_roles_extra", [])
        kinds = catalogue.secret_kinds(self, [*roles, *further], task_vars.get("playbook_dir"))
        # The file may be one that the inventory does not load; what is in it must not be written a second time.
        there = self._loader.load_from_file(arguments["file"]) if os.path.exists(arguments["file"]) else None
        missing = sorted(name for name in kinds if not task_vars.get(name) and not (there or {}).get(name))
        vault_secrets = self._loader._vault.secrets
        result = {"changed": bool(missing), "written": missing, "encrypted": bool(vault_secrets)}
        if missing and not self._task.check_mode:
            added = {str(name): secret_kinds.generate(kinds[name]) for name in missing}
            self._write(arguments["file"], added, vault_secrets)
        self._tell(arguments["file"], missing, vault_secrets)
        return result

    def _write(self, path, added, vault_secrets):
        """Append to what is there, comments included; encrypt the whole when a vault password is configured."""
        before = HEADER
        if os.path.exists(path):
            before = self._loader.get_text_file_contents(path)
            if not before.endswith("\n"):
                before += "\n"
        text = (before + yaml.safe_dump(added, default_flow_style=False)).encode("utf-8")
        if vault_secrets:
            text = VaultLib(vault_secrets).encrypt(text)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))  # 0600 from the start
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
        os.rename(temporary, path)

    def _tell(self, path, missing, vault_secrets):
        if not missing:
            self._display.display("All secrets are there; none was changed.")
            return
        if self._task.check_mode:
            self._display.display("{} secrets are missing: {}".format(len(missing), ", ".join(missing)))
            return
        self._display.display(f"{len(missing)} secrets written to {path}")
        if not vault_secrets:
            self._display.warning(
                f"{path} is NOT encrypted: whoever can read it can log in everywhere. Configure a vault password "
                f"(--vault-password-file) and run `ansible-vault encrypt {path}`.")
