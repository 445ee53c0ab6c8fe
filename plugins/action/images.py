# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.module_utils.images import familiar, proof
from ansible_collections.trenova.selfhost.plugins.plugin_utils.logins import login_arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import host_context, templated


class ActionModule(ActionBase):
    """Hands the images of the play's services to the module, unless they are all proven and no login has to be kept."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        context = host_context(self, task_vars)
        wanted = [
            {
                "reference": service["image"], "role": name, "contract": service.get("image_contract", []),
                "user": "{}:{}".format(service.get("user", 0), service.get("group", service.get("user", 0))),
            }
            for name, service in sorted(context.services.items())
            if service.get("enabled", True) and service.get("image") and name in context.facts["described"]]
        present = context.capacity.get("images", {})
        due = [image for image in wanted if not is_proven(image, present, context.capacity["deployed"]["images"])]
        logins = login_arguments(self, task_vars)
        # What Docker knows of logins stays on the host, so only the host can say whether it is current.
        if not due and not logins["logins"] and not context.capacity["deployed"]["registry_logins"]:
            return {"changed": False, "pulled": [], "checked": []}
        project_dir = templated(self, task_vars, "trenova_project_dir", "/opt/trenova")
        return context.keep(self._execute_module(
            module_name="trenova.selfhost.images",
            module_args=dict(logins, images=due, record=f"{project_dir}/images.json"), task_vars=task_vars))


def is_proven(image, present, proven):
    """Whether an image is on the host and was proven, by what the measurement of the host says."""
    found = present.get(familiar(image["reference"]))
    return bool(found) and proven.get(image["role"]) == proof(found, image["contract"], image["user"])
