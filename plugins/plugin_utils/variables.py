# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Variables of the inventory, resolved and understood.

This is where values enter: whoever looks at variables of a host (plan, descriptions, templates, checks) sees them as
the argument specifications mean them, whatever brought them. Each is resolved and read once for a task.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

from ansible.errors import AnsibleError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats, ipv6, role_files
from ansible_collections.trenova.selfhost.plugins.plugin_utils.compiled import shared
from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import INVENTORY, Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project
from ansible_collections.trenova.selfhost.plugins.plugin_utils.values import Reader, is_set

#: Among the variables of a host, what marks them as read; its value is what was found wrong with them.
READ = "_variables_read"
_NAME = re.compile(r"\b[a-z][a-z0-9]*_[a-z0-9_]+\b")
_OURS = re.compile(r"\btrenova_[a-z0-9_]+\b")


def understood(action, task_vars):
    """The variables of a host with those that are ours as their specifications mean them, and null as "not set".

    What does not fit, or cannot be resolved, stays as it is; `unfit` and `unresolved` tell of it.
    """
    if READ in task_vars:
        return task_vars
    known, variables = getattr(action, "variables_read", (None, None))
    if known is not task_vars:
        variables = _Reading(action, task_vars).variables
        # One task looks at its variables many times.
        action.variables_read = (task_vars, variables)
    return variables


def unfit(action, task_vars):
    """[(variable, Problem)] of values that their specifications do not allow."""
    return understood(action, task_vars)[READ]["unfit"]


def unresolved(action, task_vars):
    """Problems of values whose expressions cannot be resolved."""
    return understood(action, task_vars)[READ]["unresolved"]


def templated(action, task_vars, variable, default):
    """A variable of the inventory with its expressions resolved, or the default where it is not set."""
    variables = understood(action, task_vars)
    if variable not in variables:
        return default
    value = action._templar.template(variables[variable])
    return default if value is None or value == "" else value


def address_of(action, task_vars):
    """Name or address by which the controller reaches a host."""
    return str(templated(action, task_vars, "ansible_host", task_vars["inventory_hostname"]))


def project_of(action, task_vars, capacity=None):
    """The project that a host's variables speak of; with the measurement of the host, also how its networks are."""
    project = Project(
        directory=templated(action, task_vars, "trenova_project_dir", Project.directory),
        data_dir=templated(action, task_vars, "trenova_data_dir", Project.data_dir))
    if capacity is None:
        return project
    wished = templated(action, task_vars, "trenova_ipv6", None)
    wished = None if wished is None else formats.is_true(wished)
    return replace(project, ipv6=frozenset(
        key for key in project.outside if ipv6.is_on(project.network(key), wished, capacity)))


def what_follows(variables):
    """{variable: expression} of what roles share and nobody sets, where it follows from what is set, as s3.<domain>.

    These are no variables of a file beside the playbooks: that would win over group_vars/all of the inventory.
    """
    found = {}
    for name, option in role_files.shared_options().items():
        default = option.spec.get("default")
        sources = _OURS.findall(default) if isinstance(default, str) else ()
        if sources and variables.get(name) is None and all(is_set(variables.get(source)) for source in sources):
            found[name] = default
    return found


class _Reading:
    """One reading of the variables of a host."""

    def __init__(self, action, task_vars):
        self._action = action
        self._unfit, self._unresolved = [], []
        self.variables = {**task_vars, READ: {"unfit": self._unfit, "unresolved": self._unresolved}}
        self._begin = [os.getcwd(), *filter(None, [task_vars.get("inventory_dir")])]
        self.variables.update(what_follows(self.variables))
        options = dict(role_files.shared_options())
        #: Options whose problems are told: not those of roles that have no part in this run.
        self._told = set(options)
        for found in role_files.own_options().values():
            options.update(found)
        self._options, self._defaults = options, dict(role_files.own_variables())
        #: What expressions see: everything, with what was read in place of what was written.
        self._seen = {**self._defaults, **self.variables}
        self._templar = shared(action._templar.copy_with_new_env(available_variables=self._seen))
        for name in ("trenova_roles", "trenova_roles_extra"):
            self._read(name)
        self._add_roles()
        for name in list(self._options):
            self._read(name)

    def _add_roles(self):
        """Add the roles that take part, some of which may be none of this collection."""
        named = (self.variables.get(name) for name in ("trenova_roles", "trenova_roles_extra"))
        names = role_files.taking_part(
            self.variables, *(names if isinstance(names, list) else [] for names in named))
        for path in role_files.places_of(self.variables, names).values():
            options = role_files.role_options(self._action, path)
            self._told.update(options)
            if not role_files.is_ours(path):
                self._options.update(options)
                further = {
                    **role_files.role_defaults(self._action, path), **role_files.main_file(self._action, path, "vars")}
                self._defaults.update(further)
                self._seen.update((name, value) for name, value in further.items() if name not in self.variables)

    def _read(self, name):
        """Read a variable, after those that its expressions name."""
        option = self._options.pop(name, None)
        if option is None or name not in self.variables or self._is_default(name):
            return
        written = self.variables[name]
        for text in role_files.expressions(written):
            for other in _NAME.findall(text):
                self._read(other)
        reader = Reader(self._begin)
        try:
            value = reader.read(option, self._resolved(option, written))
        except AnsibleError as error:
            if name in self._told:
                wanted = f"{name}: a value that can be resolved ({_help(option)})"
                self._unresolved.append(Problem(f"{name} cannot be resolved: {error}", where(written), wanted))
            return
        if reader.misfits and name in self._told:
            self._unfit.extend((name, _problem(option, misfit, written)) for misfit in reader.misfits)
        elif reader.misfits or value is None:
            self._forget(name)
        else:
            self.variables[name] = self._seen[name] = value

    def _is_default(self, name):
        """Whether Ansible has only put the role's own default among the variables."""
        written, default = self.variables[name], self._defaults.get(name)
        # 1 equals true. What is encrypted opens when it is compared.
        return isinstance(written, (str, int, float, list, dict)) and written == default and (
            isinstance(written, bool) == isinstance(default, bool))

    def _resolved(self, option, written):
        if option.role:
            self._seen["role_path"] = option.role
        return self._templar.template(written)

    def _forget(self, name):
        """Have a variable not set: the role's default holds, or nothing."""
        del self.variables[name], self._seen[name]
        if name in self._defaults:
            self.variables[name] = self._seen[name] = self._defaults[name]


def _problem(option, misfit, written):
    if option.spec.get("no_log"):
        wanted = "the value in quotes; playbooks/secrets.yml writes what is missing"
    else:
        wanted = misfit.expected if misfit.got else "its parts"
    return Problem(misfit.sentence(), where(written), f"{option.name}: {wanted} ({_help(option)})")


def _help(option):
    kind, elements = option.spec.get("type", "str"), option.spec.get("elements")
    return f"{kind} of {elements}, see {option.page}" if elements else f"{kind}, see {option.page}"


def where(written):
    """File and line of a value where Ansible knows them, as it does of all but true, false and null."""
    try:
        from ansible._internal._datatag._tags import Origin  # noqa: PLC0415  # nobody's to use, and nice to have
    except ImportError:
        return INVENTORY
    return str(Origin.get_tag(written) or INVENTORY)
