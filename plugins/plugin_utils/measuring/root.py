# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Root on the host. The host is asked who comes there: what the inventory says of users may stand in ~/.ssh/config.

Playbooks become root by what is known beforehand (the filter `becomes`). Where that was wrong, the task that measures
becomes root by itself, and those after it, which read so in the measurement.
"""

from __future__ import annotations

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.loader import become_loader

from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

#: What tells in a measurement that the connection was not root's.
BECAME = "became"


class NotRoot(AnsibleActionFail):
    """Whoever comes to the host is not root there, and cannot become so; `problem` says why."""

    def __init__(self, host, reason, user=None):
        who = f"is that of {user['name']} (uid {user['uid']}), who is not root and" if user else "is not root's and"
        self.problem = Problem(
            f"The connection to {host} {who} cannot become root: {' '.join(str(reason).split()).rstrip('.')}.",
            "ansible_user and ansible_become of the host, ~/.ssh/config, or -u and -b of the command",
            "-K, for a password that sudo asks for; a user who may become root with sudo; or ansible_user: root")
        super().__init__(self.problem.sentence())


def as_root(action, task_vars, ask):
    """What a module returns when it runs as root. `ask` executes it; what it returns says `user`. Raises NotRoot."""
    host, becomes = task_vars["inventory_hostname"], getattr(action, "_connection", None) and action._connection.become
    try:
        capacity = ask()
    except AnsibleError as error:
        if becomes and not isinstance(error, (AnsibleConnectionFailure, AnsibleActionFail)):
            raise NotRoot(host, error) from error
        raise
    user = capacity.get("user")
    if not user or user["uid"] == 0:
        return capacity
    if reason := f"this run becomes {user['name']}" if becomes else become(action, task_vars):
        raise NotRoot(host, reason, user)
    try:
        capacity = ask()
    except AnsibleError as error:
        raise NotRoot(host, error, user) from error
    if capacity["user"]["uid"] != 0:
        raise NotRoot(host, f"it becomes {capacity['user']['name']} in place of root", user)
    return dict(capacity, **{BECAME: True})


def keep(action, task_vars, capacity):
    """Become root where an earlier task had to, in a play that knows nothing of it."""
    if capacity.get(BECAME) and action._connection.become is None:
        become(action, task_vars)


def become(action, task_vars):
    """Have all that the action executes from here on run as root; None, or why that is not done.

    As Ansible does for a task with `become`, by the same variables and options of the command.
    """
    refusals = [name for name in ("trenova_become", "ansible_become")
                if templated(action, task_vars, name, None) in (False, "false", "False", "no")]
    if refusals:
        return f"{refusals[0]} is false"
    method = templated(action, task_vars, "ansible_become_method", action._task.become_method)
    plugin = become_loader.get(method)
    if plugin is None:
        return f"there is no way to become root that is called {method}"
    names = constants.config.get_plugin_vars("become", plugin._load_name)
    keys = action._task.dump_attrs()
    if action._play_context.become_pass:
        keys["become_pass"] = action._play_context.become_pass
    plugin.set_options(task_keys=keys, var_options={
        name: templated(action, task_vars, name, None) for name in names if name in task_vars})
    action._connection.set_become_plugin(plugin)
    return None
