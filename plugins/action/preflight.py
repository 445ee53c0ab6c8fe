# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import time

from ansible.errors import AnsibleTemplateError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.module_utils import preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils import registry
from ansible_collections.trenova.selfhost.plugins.plugin_utils.context import (
    PlanImpossible,
    host_context,
    templated,
)

#: Variables of the inventory that the checks look at, besides the secrets.
VARIABLES = (
    "trenova_domain", "trenova_s3_domain", "trenova_jobs_domain", "trenova_admin_email", "caddy_acme_email",
    "caddy_certificate_file", "caddy_certificate_key_file",
)


class ActionModule(ActionBase):
    """Collects what the checks need, runs all of them, and reports all problems at once."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={"roles": {"type": "list", "elements": "str", "default": []}})
        if not task_vars.get("ansible_play_role_names"):
            task_vars = dict(task_vars, ansible_play_role_names=arguments["roles"] or registry.own_roles())
        problems = list(preflight.check_address(task_vars)) + self._argument_problems(task_vars)
        warnings, facts = [], None
        if not problems:
            try:
                context = host_context(self, task_vars)
            except PlanImpossible as error:
                problems = [
                    preflight.Problem(text, preflight.INVENTORY, "a value that it names") for text in error.problems]
            else:
                facts = context.facts
                problems = preflight.check_all(self._facts(context, task_vars))
                warnings = [warning["text"] for warning in context.plan["warnings"]]
        for text in warnings:
            self._display.warning("{}: {}".format(task_vars["inventory_hostname"], text))
        if problems:
            return {"failed": True, "msg": self._message(problems)}
        return {"changed": False, "warnings_of_plan": warnings, "ansible_facts": {"trenova": facts}}

    def _facts(self, context, task_vars):
        names = set(VARIABLES)
        for service in context.services.values():
            names.update(service.get("secrets") or {})
        variables = {name: templated(self, task_vars, name, None) for name in names}
        return preflight.Facts(
            variables, context.capacity, context.plan, context.services, now=time.time(),
            project_dir=templated(self, task_vars, "trenova_project_dir", "/opt/trenova"))

    def _argument_problems(self, task_vars):
        """Problems of type and value, by the argument specifications of the roles."""
        problems = []
        for name, path in sorted(registry.roles_in_play(task_vars).items()):
            spec = registry.argument_spec(self, path)
            variables = registry.role_variables(self, path, task_vars)
            defaults = registry.role_defaults(self, path)
            templar = self._templar.copy_with_new_env(available_variables=variables)
            given, help_page = {}, f"a value as roles/{name}/README.md describes it"
            # The roles' own defaults refer to secrets that may be missing; a check of their own looks for these.
            for option in (key for key in spec if key in variables and variables[key] != defaults.get(key)):
                try:
                    given[option] = templar.template(variables[option])
                except AnsibleTemplateError as error:
                    problems.append(preflight.Problem(
                        f"{option} cannot be resolved: {error}", preflight.INVENTORY, help_page))
            given = {option: value for option, value in given.items() if value is not None}
            for message in ArgumentSpecValidator(spec).validate(given).error_messages:
                problems.append(preflight.Problem(message, preflight.INVENTORY, help_page))
        return problems

    @staticmethod
    def _message(problems):
        head = "1 problem was found; nothing was changed." if len(problems) == 1 else (
            f"{len(problems)} problems were found; nothing was changed.")
        lines = [head]
        for number, problem in enumerate(problems, start=1):
            first, *others = problem.lines()
            lines.append(f"{number:2}. {first}")
            lines.extend("    " + line for line in others)
        return "\n".join(lines)
