# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host has: measured on it, or imagined."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import merge
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring.root import as_root
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated


def measure(action, task_vars, catalogue, project):
    """Run the capacity module and lay the operator's own values over what it found.

    A complete `trenova_capacity` is for planning of hosts that do not exist yet: it says `measured: false`, and
    nobody is contacted.
    """
    own = templated(action, task_vars, "trenova_capacity", {})
    if own.get("measured") is False:
        return merge(empty(), own)
    arguments = {
        "data_dir": project.data_dir, "project_dir": project.directory, "paths": catalogue.apart_from_data(),
        "users": catalogue.users()}

    def ask():
        result = action._execute_module(  # the documented way for an action to run a module
            module_name="trenova.selfhost.capacity", module_args=arguments, task_vars=task_vars)
        if result.get("failed") or result.get("unreachable"):
            # What the shell or sudo had to say, where no module answers.
            said = str(result.get("module_stderr") or "").strip().splitlines()[-1:]
            raise AnsibleActionFail(
                "The host could not be measured: " + "; ".join(map(str, [result.get("msg"), *said])), result=result)
        return result["capacity"]

    capacity = as_root(action, task_vars, ask)
    disks = capacity["disks"]
    # The module resolves `~`, which a check of formats refuses later.
    apart = [disks[path]["device"] for path in arguments["paths"] if path in disks]
    if apart and arguments["data_dir"] in disks:
        capacity["backup_on_data_disk"] = disks[arguments["data_dir"]]["device"] in apart
    return merge(capacity, own)


def empty():
    """The shape of a measurement for hosts that are only imagined."""
    return {
        "swap_mb": 0, "disk_used_by_trenova_gb": 0.0, "disk_kind": "unknown", "architecture": "x86_64",
        "listeners": [], "ipv6_addresses": [], "ssh_address": None, "ssh_port": None,
        "people": {}, "docker_group": 0, "containers": [], "disks": {}, "kernel": {},
        "distribution": {"id": "unknown", "like": []},
        "docker": {"installed": False, "version": None, "compose_version": None, "daemon_json": None},
        "packages": {"manager": None, "installed": [], "lock": None, "repositories": [], "release": None},
        "deployed": {"services": {}, "images": {}, "plan": {}, "files": {}, "daemon_json": None, "postgres_major": None,
                     "postgres_change": None, "registry_logins": [], "disk_free_gb_before": None, "unchanged": {},
                     "differing": {}, "places": {}, "members": {}, "newer": [], "ca_certificate": None,
                     "certificates": []},
    }
