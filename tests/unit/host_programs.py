# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Programs of roles that run on hosts, to be called in tests."""

from __future__ import annotations

import pathlib
import types

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"


def load(path):
    """A program, by its path below roles/; not imported, which would leave byte code among the templates."""
    source = ROLES / path
    module = types.ModuleType(source.stem.replace("-", "_"))
    module.__file__ = str(source)
    exec(compile(source.read_text(), source, "exec"), module.__dict__)  # noqa: S102
    return module
