# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One thing that is wrong with what somebody has written, as every check tells it."""

from __future__ import annotations

from dataclasses import dataclass

INVENTORY = "group_vars of the inventory"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, where it is set, what to write instead."""

    what: str
    where: str
    write: str

    def lines(self):
        """The problem in three lines."""
        return [self.what, "  where: " + self.where, "  write: " + self.write]

    def sentence(self):
        """The problem on one line, for errors that are one text."""
        return f"{self.what} Where: {self.where}. Write: {self.write}."
