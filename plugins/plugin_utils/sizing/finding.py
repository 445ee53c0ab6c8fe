# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a rule finds wrong with a plan, and how the operator reads it: as a refusal or as a warning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import VARIABLES

#: The variable with the operator's own figures, which many remedies name.
OVERRIDES = VARIABLES["overrides"]
MOST_REMEDIES = 3


@dataclass(frozen=True)
class Finding:
    """Something wrong: what was found, what is needed, and what helps, cheapest first.

    `waiver` is the entry of the intent that accepts it; `override` names what to set where that is another one.
    """

    rule: str
    dimension: str
    found: Any
    required: Any
    what: str
    remedy: tuple[str, ...] = ()
    waiver: str | None = None
    override: str | None = None
    fatal: bool = True

    def refusal(self, fitting_tier: str | None) -> dict[str, Any]:
        """The finding as a refusal that says how to go on."""
        remedy = list(self.remedy[:MOST_REMEDIES])
        steps = "; ".join(f"({number}) {step}" for number, step in enumerate(remedy, 1))
        override = f"{VARIABLES[self.waiver]}: true" if self.waiver else self.override
        sentences = [
            f"{self.rule}: {self.what}",
            f"This host fits tier {fitting_tier}." if fitting_tier else "This host fits no tier.",
            f"What helps, cheapest first: {steps}.",
            f"To go on all the same: {override}." if override else "This rule has no override.",
        ]
        return {
            "rule": self.rule, "dimension": self.dimension, "found": self.found, "required": self.required,
            "fitting_tier": fitting_tier, "remedy": remedy, "override": override, "text": " ".join(sentences),
        }

    def warning(self, accepted: bool) -> dict[str, Any]:
        """The finding as a warning, with what would end it; an accepted one says by which variable."""
        by = f" Accepted by {VARIABLES[self.waiver]}: true." if accepted else ""
        return {"rule": self.rule, "text": f"{self.rule}: {self.what}{by}", "remedy": list(self.remedy[:MOST_REMEDIES])}
