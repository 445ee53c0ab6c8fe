# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can go wrong on the way to the wanted state."""

from __future__ import annotations


class ConvergeError(Exception):
    """A service could not be brought to its wanted state; `log_lines` is what it printed last."""

    def __init__(self, message, log_lines=()):
        super().__init__(message)
        self.log_lines = list(log_lines)


class ReleaseError(ConvergeError):
    """A state file on the host was written by a newer version of the collection."""
