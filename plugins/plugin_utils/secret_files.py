# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Secrets of each installation: the file that is its own, what it lacks, and what it has in common with others."""

from __future__ import annotations

import functools
import os
import tempfile

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory, vault_files
from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.specified import as_specified
from ansible_collections.trenova.selfhost.plugins.plugin_utils.values import is_set
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

HEADER = "# Secrets of this installation. playbooks/secrets.yml adds missing ones and changes none.\n"


class InstallationSecrets:
    """What the inventory gives to an installation, seen by its first host of the play."""

    def __init__(self, action, installation, task_vars, described, file=None):
        self._action, self._installation, self._task_vars = action, installation, task_vars
        in_play = [host for host in installation.host_names if host in task_vars["ansible_play_hosts_all"]]
        self.id = installation.id
        self.is_in_play = bool(in_play)
        self._host = (in_play or installation.host_names)[0]
        self._is_at_work = self._host == task_vars["inventory_hostname"]
        wanted = described(
            (*(self._given("trenova_roles") or catalogue.own_roles()), *(self._given("trenova_roles_extra") or [])))
        #: Secrets that the roles need: {name: kind}.
        self.kinds = {name: secret["kind"] for name, secret in wanted.items()}
        #: Those that have to be kept elsewhere, too: {name: what each opens}.
        self.kept = {name: secret["keep"] for name, secret in wanted.items() if secret.get("keep")}
        #: Path of the file; None where the inventory is none that could have files beside it.
        self.path = (os.path.abspath(file) if file else self._usual_file()) if self.is_in_play else None

    def missing(self, provisional=()):
        """Names of the secrets that are neither set nor in the file, sorted.

        provisional: names of those that are set for this run alone, by an earlier task of it.
        """
        # The file may be one that the inventory does not load; what is in it must not be written a second time.
        there = self._action._loader.load_from_file(self.path) if os.path.exists(self.path) else None
        # As they are written: what cannot be resolved now is there all the same.
        variables = self._task_vars if self._is_at_work else self._task_vars["hostvars"].raw_get(self._host)
        return sorted(
            str(name) for name in self.kinds if not is_set((there or {}).get(name))
            and (name in provisional or not is_set(variables.get(name))))

    def values(self):
        """Secrets that are set and can be resolved: {name: value}."""
        return inventory.resolved(self._task_vars["hostvars"], self._host, self.kinds)

    def _usual_file(self):
        """What the inventory names, or else the file that Ansible reads for this installation alone."""
        if given := self._given("trenova_secrets_file"):
            return as_specified(given, "trenova_secrets_file")
        folder = "host_vars" if self._installation.group is None else "group_vars"
        beside = self._given("inventory_dir")
        return os.path.join(beside, folder, self.id, "secrets.yml") if beside else None

    def _given(self, name):
        """A variable of the host. The one that the task runs for also has what the task sets."""
        if self._is_at_work:
            return templated(self._action, self._task_vars, name, None)
        return inventory.resolved(self._task_vars["hostvars"], self._host, [name]).get(name)


def write(path, added, vault_secrets):
    """Add secrets to a file; the whole is encrypted when a vault password is configured."""
    # A link stays one.
    path = os.path.realpath(path)
    text = vault_files.with_added(path, HEADER, added, vault_secrets)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))  # 0600 from the start
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.rename(temporary, path)


def secrets_of(action, there, task_vars, file=None):
    """The secrets of each of some installations, in `file` or else in the file that is its own."""
    @functools.cache
    def described(roles):
        return catalogue.secrets(action, roles, task_vars.get("playbook_dir"))

    return [InstallationSecrets(action, installation, task_vars, described, file) for installation in there]


def file_problems(several):
    """{id: [Problem]} of installations that have no file for their secrets, or share one."""
    owners, found = {}, {}
    for secrets in several:
        if secrets.path is None:
            found[secrets.id] = [Problem(
                f"The inventory of {secrets.id} is no file, so there is no place beside it for secrets.",
                "trenova_secrets_file", "the path of a file; and give it to each run, as -e @<file>")]
        else:
            owners.setdefault(os.path.abspath(secrets.path), []).append(secrets.id)
    for path, ids in owners.items():
        if len(ids) > 1:
            found.update(dict.fromkeys(ids, [Problem(
                f"{', '.join(ids)} would get the same secrets, those of {path}.", "trenova_secrets_file",
                "a file for each installation; or nothing, then it is one below group_vars or host_vars")]))
    return found


def identity_problems(several, vault_secrets):
    """{id: [Problem]} of installations whose secrets several identities of the vault could encrypt."""
    try:
        vault_files.new_lock(vault_secrets)
    except vault_files.IdentityUnknown as error:
        problem = Problem(
            f"Several identities of the vault could encrypt new secrets: {error}.", "--vault-id of this command",
            f"ANSIBLE_VAULT_ENCRYPT_IDENTITY={error.names[0]} before the command, or only one --vault-id")
        return {
            secrets.id: [problem] for secrets in several
            if secrets.path and vault_files.needs_new_lock(secrets.path) and secrets.missing()}
    return {}


def shared(several, told):
    """[(ids, names)] of secrets that installations share, where one of them is among the ids that are told of."""
    owners = {}
    for secrets in several:
        for name, value in secrets.values().items():
            if value:
                owners.setdefault((name, str(value)), []).append(secrets.id)
    found = {}
    for (name, _value), ids in owners.items():
        if len(ids) > 1 and told.intersection(ids):
            found.setdefault(tuple(ids), []).append(name)
    return [(ids, sorted(names)) for ids, names in found.items()]
