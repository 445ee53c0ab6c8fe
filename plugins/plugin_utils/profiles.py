# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Profiles of the application: what one version of Trenova expects of its surroundings."""

from __future__ import annotations

import functools
import os

import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import merge

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def profile_path(name, role_directory):
    """File of a profile: a name is one of the role's own, anything with a slash a path."""
    return name if "/" in name else os.path.join(role_directory, "profiles", f"{name}.yml")


def application_profile(name, role_directory, extra=None):
    """The content of a profile, with the operator's own entries over it.

    Raises ValueError, with what to write, where there is no such file or it is no YAML.
    """
    path = profile_path(name, role_directory)
    try:
        stamp = os.stat(path).st_mtime_ns
    except OSError as error:
        known = sorted(file[:-len(".yml")] for file in os.listdir(os.path.join(role_directory, "profiles"))
                       if file.endswith(".yml"))
        raise ValueError(
            f"api_profile: there is no file {path}; write one of {', '.join(known)}, or a path to a file of yours"
        ) from error
    content = _content(path, stamp)
    return merge(content, dict(extra)) if extra else content


def is_shipped(profile, role_directory):
    """Whether a profile is one of the role's own, as it is."""
    directory = os.path.join(role_directory, "profiles")
    return any(
        profile == application_profile(os.path.join(directory, file), role_directory)
        for file in sorted(os.listdir(directory)) if file.endswith(".yml"))


@functools.lru_cache(maxsize=16)
def _content(path, _stamp):
    with open(path, encoding="utf-8") as stream:
        try:
            return yaml.load(stream, _LOADER)  # noqa: S506  # a safe loader
        except yaml.YAMLError as error:
            raise ValueError(f"api_profile: {path} is no YAML: {error}") from error
