# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import datetime
import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import image_lock
from ansible_collections.trenova.selfhost.plugins.plugin_utils.logins import login_arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated


class ActionModule(ActionBase):
    """Asks the registries for the manifests of images, and writes or checks the lock on the controller."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, wanted = self.validate_argument_spec(argument_spec={
            "path": {"type": "path"},
            "references": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path"},
            "renew": {"type": "bool", "default": False},
        })
        path = wanted["path"] or image_lock.path_of(self, task_vars)
        if not path:
            raise AnsibleActionFail("There is no inventory beside which the lock could lie; write path: <file>")
        references = image_lock.lockable([*wanted["references"], *image_lock.bases(wanted["folder"])])
        asked = self._execute_module(
            module_name="trenova.selfhost.image_digests", task_vars=task_vars, module_args=dict(
                login_arguments(self, task_vars), images=references,
                certificates=templated(self, task_vars, "docker_registry_ca", {}),
                insecure=templated(self, task_vars, "docker_daemon_extra", {}).get("insecure-registries", [])))
        if asked.get("failed"):
            raise AnsibleActionFail("The registries could not be asked: {}".format(asked.get("msg")), result=asked)
        today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        shipped, own = image_lock.read(image_lock.SHIPPED), image_lock.read(path)
        known = {**shipped, **own}
        entries, differing = image_lock.updated(known, asked["digests"], f"the registry, {today}", wanted["renew"])
        unresolved = [reference for reference in references if reference not in asked["digests"]]
        entries = {**dict.fromkeys(unresolved, {}), **entries}
        # What the lock of the collection says already need not stand in that of the inventory.
        kept = {name: entry for name, entry in entries.items() if name in own or entry != shipped.get(name)}
        before, after = (image_lock.to_text(each) if each else "" for each in (own, kept))
        if before != after and not self._task.check_mode:
            self._write(path, after)
        result.update(
            changed=before != after, path=path, differing=differing, unresolved=unresolved,
            resolved=sorted(reference for reference in asked["digests"] if not known.get(reference)),
            diff=[{"before": before, "after": after, "before_header": path, "after_header": path}])
        faults = image_lock.faults({} if wanted["renew"] else differing, unresolved, asked["findings"], path)
        result["newer"] = asked["newer"]
        result["warnings"] = [
            f"{reference}: there is a newer patch, {tag}" for reference, tag in sorted(asked["newer"].items())]
        if faults:
            result.update(failed=True, msg="\n".join(faults))
        return result

    @staticmethod
    def _write(path, text):
        """Write it whole or not at all: a deployment may read it at the same time."""
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, path)
