# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A function of the sizing engine as a filter: what it cannot use is the filter's error, in the engine's own words."""

from __future__ import annotations

import functools
import inspect

from ansible.errors import AnsibleFilterError


def formula(name, function):
    """{name: function} as Ansible wants its filters; the value before the pipe is the function's first argument."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def answer(*arguments, **options):
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            raise AnsibleFilterError(f"{name}: {error}") from error
        try:
            return function(*arguments, **options)
        except ValueError as error:
            raise AnsibleFilterError(f"{name}: {error}") from error

    return {name: answer}
