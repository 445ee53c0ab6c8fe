# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Single values of variables that roles share, for whoever has no variables of a host: filters and groups."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats
from ansible_collections.trenova.selfhost.plugins.plugin_utils.role_files import shared_options
from ansible_collections.trenova.selfhost.plugins.plugin_utils.values import Reader


def as_specified(value, variable):
    """What a value of a shared variable means; its default where it is null, unless an expression says that.

    Raises ValueError, with the name of the variable, for what does not fit, and for a file that is not there.
    """
    option, reader = shared_options()[variable], Reader()
    found = reader.read(option, value)
    if reader.misfits:
        raise ValueError(" ".join(misfit.sentence() for misfit in reader.misfits))
    if option.format in formats.THERE and (fault := formats.fault(option.format, found)):
        raise ValueError(f"{variable} {fault[0]}; write {fault[1]}.")
    default = option.spec.get("default")
    return default if found is None and not (isinstance(default, str) and "{{" in default) else found
