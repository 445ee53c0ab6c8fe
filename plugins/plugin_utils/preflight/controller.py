# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the controller: Python packages that Ansible itself does not bring."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem

#: Distribution's package manager -> how it calls a Python package.
DISTRIBUTIONS = (("/usr/bin/apt-get", "apt-get install python3-{}"), ("/usr/bin/dnf", "dnf install python3-{}"))


def check_packages(needed):
    """Python packages that services need on the controller are there. `needed` is {package: names of services}."""
    missing = {package: services for package, services in sorted(needed.items()) if not is_there(package)}
    for package, services in missing.items():
        yield Problem(
            f"The controller lacks the Python package {package}, which {', '.join(services)} cannot do without.",
            f"the Python that runs Ansible: {sys.executable}", how_to_install(package))


def is_there(package):
    """Whether Python finds a package; it is not loaded."""
    return importlib.util.find_spec(package) is not None


def how_to_install(package, executable=None, prefix=None, is_file=os.path.exists):
    """The line that installs a package for the Python that runs Ansible."""
    executable, prefix = executable or sys.executable, prefix or sys.prefix
    if is_file("/runner"):  # where ansible-runner starts, in AWX and Navigator
        return f"an execution environment with {package}: meta/execution-environment.yml of this collection"
    parts = prefix.split(os.sep)
    if "pipx" in parts and "venvs" in parts:
        return f"pipx inject {parts[parts.index('venvs') + 1]} {package}"
    # A distribution may keep its Python for itself (PEP 668), not what a virtual environment holds.
    is_kept = prefix == sys.base_prefix and is_file(
        os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
    of_distribution = next((line for program, line in DISTRIBUTIONS if is_file(program)), None)
    if is_kept and of_distribution:
        return of_distribution.format(package)
    return f"{executable} -m pip install {package}"
