# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a role's templates/ to the files of its service on the host.

The folder is a picture of the target: `config/` and `secrets/` land in the directory of the
service, `host/` at the root of the host, `compose.yaml.j2` becomes the Compose fragment.
"""

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.template import trust_as_template

from ansible_collections.trenova.selfhost.plugins.plugin_utils.compiled import shared

SUFFIX = ".j2"


def sources(templates_dir):
    """Relative paths of all files below a role's templates/, sorted; without the byte code of programs among them."""
    found = []
    for directory, directories, names in os.walk(templates_dir):
        directories[:] = [name for name in directories if name != "__pycache__"]
        found.extend(os.path.relpath(os.path.join(directory, name), templates_dir) for name in names)
    return sorted(found)


def without_suffix(path):
    """Path of the rendered file."""
    return path[:-len(SUFFIX)] if path.endswith(SUFFIX) else path


class Renderer:
    """Renders templates of one role with one set of variables."""

    def __init__(self, action, templates_dir, variables):
        self.templates_dir = templates_dir
        self._action = action
        self.templar = shared(action._templar.copy_with_new_env(
            searchpath=[templates_dir, os.path.dirname(templates_dir)], available_variables=variables))

    def seeing(self, variables):
        """A renderer of the same templates with other variables."""
        return Renderer(self._action, self.templates_dir, variables)

    def render(self, source):
        """Text of one template. A file without the .j2 suffix is taken as it is."""
        path = os.path.join(self.templates_dir, source)
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        if not source.endswith(SUFFIX):
            return text
        try:
            # A template that renders to nothing at all yields None.
            return self.templar.template(trust_as_template(text), escape_backslashes=False) or ""
        except Exception as error:
            raise AnsibleActionFail(f"{source}: {error}") from error
