# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.module_utils.service_state import wish_digest
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import check_host, is_checked, message
from ansible_collections.trenova.selfhost.plugins.plugin_utils.rendering import sources, without_suffix
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import host_context, templated


class ActionModule(ActionBase):
    """Renders everything a service needs on the controller and hands it over in one module execution."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "name": {"type": "str", "required": True},
                "state": {"type": "str", "choices": ["present", "absent"]},
            })
        name = arguments["name"]
        context = self._checked_context(task_vars)
        if name not in context.services:
            raise AnsibleActionFail(f"The role {name} has no meta/service.yml that describes its service.")
        if arguments["state"] == "absent" or not context.services[name].get("enabled", True):
            project_dir = templated(self, task_vars, "trenova_project_dir", "/opt/trenova")
            templates = sources(os.path.join(task_vars["role_path"], "templates"))
            host_files = [without_suffix(source)[len("host"):] for source in templates if source.startswith("host/")]
            module_arguments = {
                "name": name, "state": "absent", "project_dir": project_dir, "host_files": host_files}
        else:
            module_arguments = Bundle(self, task_vars, context, name).module_arguments()
            module_arguments["wish"] = wish_digest(module_arguments)
            if context.is_unchanged(name, module_arguments["wish"]):
                return context.keep({"changed": False, "changed_files": [], "started": [], "reloaded": []})
        return context.keep(self._execute_module(
            module_name="trenova.selfhost.service", module_args=module_arguments, task_vars=task_vars))

    def _checked_context(self, task_vars):
        """The context of the host, checked here when no preflight has done so: roles are usable alone."""
        if is_checked(task_vars):
            return host_context(self, task_vars)
        problems, context = check_host(self, task_vars)
        if problems:
            found = [problem.lines() for problem in problems]
            raise AnsibleActionFail(message({task_vars["inventory_hostname"]: found}))
        return context
