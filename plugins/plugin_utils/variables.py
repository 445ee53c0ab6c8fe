# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Variables of the inventory, resolved."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project


def templated(action, task_vars, variable, default):
    """A variable of the inventory with its expressions resolved, or the default where it is not set."""
    if variable not in task_vars:
        return default
    value = action._templar.template(task_vars[variable])
    return default if value is None or value == "" else value


def project_of(action, task_vars):
    """The project that a host's variables speak of."""
    return Project(
        directory=templated(action, task_vars, "trenova_project_dir", Project.directory),
        data_dir=templated(action, task_vars, "trenova_data_dir", Project.data_dir))
