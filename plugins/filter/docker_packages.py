# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: docker_packages
short_description: Which packages of Docker a host lacks, and from where they come
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - A part that is missing comes from where the Engine has come from. Without an Engine it is the source that is set.
positional: settings
options:
  _input: {description: What was measured of the host., type: dict, required: true}
  settings:
    description:
      - C(source), C(engine_minimum), C(compose_minimum), C(repository_url), and the names of packages as C(vendor) and
        C(distribution).
    type: dict
    required: true
"""

EXAMPLES = r"""
packages: "{{ capacity | trenova.selfhost.docker_packages(docker_package_settings) }}"
"""

RETURN = r"""
_value:
  description:
    - C(added) and C(upgraded), names of packages; C(installs), whether there are any; C(source); C(repository), the
      entry of Docker's own repository that they need; C(is_stopped), whether there is an Engine that has to be
      started; C(manager), apt or dnf.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.docker_packages import Packages


def docker_packages(capacity, settings):
    """Shim of plugin_utils.docker_packages.Packages.plan."""
    return Packages(capacity, settings).plan()


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"docker_packages": docker_packages}
