# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The plan in the making: one sheet of explained figures per kind of container, and what was noticed on the way.

The sheet of a service's main containers has what its other containers follow from, the service's settings among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import limits
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import values as reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.balance import Growth
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.deviations import CATALOGUE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.information import INFORMATION
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import (
    VARIABLES,
    Bounds,
    Capacity,
    Figure,
    Intent,
    clamp,
    rounded,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import SERVICES

MAIN = "main"
UNBOUND = Bounds()


def sheet_key(service: str, kind: str = MAIN) -> str:
    """What the sheet of a kind of containers is called: `api`, `api.worker`."""
    return service if kind == MAIN else f"{service}.{kind}"


@dataclass(frozen=True)
class OddOverride:
    """An override that lies where it should not: below the document, or beyond what can work. `bounds` are those
    within which it would do, and `source` who says so."""

    key: str
    value: Any
    limit: Any
    kind: str
    unit: str
    bounds: Bounds
    source: str


class Draft:
    """Capacity and intent, the sheets filled so far, and the findings about them."""

    def __init__(self, capacity: Capacity, intent: Intent, elsewhere: Mapping[str, Capacity] | None = None,
                 growth: Growth | None = None):
        self.capacity = capacity
        self.intent = intent
        self._elsewhere = elsewhere or {}
        #: What the services of this host may grow by.
        self.growth = growth or Growth()
        self.sheets: dict[str, Sheet] = {}
        #: The sheets of the services that run on this host, once all are filled.
        self.here: dict[str, Sheet] = {}
        self.deviations: list[dict[str, Any]] = []
        self.restored: list[tuple[str, str, Any]] = []
        self.odd_overrides: list[OddOverride] = []
        self.problems: list[str] = []

    def capacity_of(self, service: str) -> Capacity:
        """What the host has that runs a service: this one, or another of the installation."""
        return self._elsewhere.get(service, self.capacity)

    def growth_of(self, service: str) -> Growth:
        """What a service's limit may grow by; what runs on another host takes nothing from this one."""
        return self.growth if service in self.intent.services else Growth()

    def is_given(self, sheet: str, name: str) -> bool:
        """Whether the operator has set a figure himself."""
        return name in self.intent.overrides.get(sheet, {})

    def sheet(self, service: str, kind: str = MAIN) -> Sheet:
        """The sheet of a kind of containers, empty when it is asked for the first time."""
        key = sheet_key(service, kind)
        if key not in self.sheets:
            self.sheets[key] = Sheet(service, kind, self)
        return self.sheets[key]

    def sheets_of(self, service: str) -> list[Sheet]:
        """The sheets of a service: that of its main containers first, if there is anything planned for it."""
        return [sheet for sheet in self.sheets.values() if sheet.service == service]

    def finish(self) -> None:
        """Bring the sheets into the order of a plan, when all of them are filled."""
        order = [*SERVICES, *self.intent.foreign]
        self.sheets = dict(sorted(self.sheets.items(), key=lambda item: order.index(item[1].service)))
        self.here = {key: sheet for key, sheet in self.sheets.items() if sheet.service in self.intent.services}

    def depart(self, deviation_id: str, setting: str, planned: Any, here: str) -> None:
        """Record that the plan departs from the document, with the figures behind it."""
        self.deviations.append(CATALOGUE[deviation_id].entry(setting, planned, here))

    def unused_overrides(self) -> list[str]:
        """A sentence for every override that met no figure: none may be lost silently."""
        problems = []
        for key, settings in self.intent.overrides.items():
            place = f"{VARIABLES['overrides']}.{key}"
            if key not in self.sheets:
                problems.append(f"{place}: nothing is planned for it on this host")
                continue
            sheet = self.sheets[key]
            names = [*sheet.names, *(other.kind for other in self.sheets_of(key)[1:])]
            problems.extend(
                f"{place}: no setting is called {reading.shown(name)}{reading.did_you_mean(name, names)}"
                for name in settings if name not in sheet.names)
        return problems


class Sheet:
    """The figures of one kind of containers. What is decided first is there for those that follow from it."""

    def __init__(self, service: str, kind: str, draft: Draft):
        self.service = service
        self.kind = kind
        self.names: dict[str, Any] = {}
        self.draft = draft
        self.key = sheet_key(service, kind)
        #: Where its figures stand below the services of a plan.
        self.path = service if kind == MAIN else f"{service}.containers.{kind}"
        self._overrides = draft.intent.overrides.get(self.key, {})
        self._limits: dict[str, Figure] = {}
        self._settings: dict[str, Figure] = {}
        #: Figures that nobody is told, with what they are good for.
        self._informing = INFORMATION.get(sheet_key(service, kind), {})

    def __getitem__(self, name: str):
        return self.names[name]

    @property
    def count(self) -> int:
        """How many of these containers there are on each host."""
        return self.names.get("instances" if self.kind == MAIN else "count", 1)

    def limit(self, name, planned, **how):
        """Decide a figure that Docker is told; see `setting`."""
        return self._decide(self._limits, name, name, planned, **how)

    def setting(self, name, planned, **how):
        """Decide a figure that the service is told, and return what holds.

        That is the override if there is one, else the document's value where a deviation was undone, else the planned
        value within its bounds. `rule` says in words how it came about, `source` who says so, `inputs` from what;
        `deviation` and `document` name the departure from the document and the value it replaces, `here` says in this
        plan's figures why; `derived` figures cannot be overridden.
        """
        return self._decide(self._settings, name, "settings." + name, planned, **how)

    def asked(self, name: str, planned):
        """What a figure will be that is not decided yet and that others follow from: the operator's own, or the planned
        one. One that cannot be used is told when it is decided."""
        given = self._overrides.get(name)
        if given is None or given.value is None:
            return planned
        try:
            value = reading.number(given.value)
        except ValueError:
            return planned
        known = limits.limit_of(self.key, name)
        return clamp(value, known.least, known.most) if known else value

    def overridden(self, name: str) -> bool:
        """Whether a decided figure is the operator's own."""
        figure = self._limits.get(name) or self._settings.get(name)
        return figure is not None and figure.overridden

    def export(self) -> dict[str, Any]:
        """The plain values, as roles read them."""
        values = {name: figure.value for name, figure in self._limits.items()}
        values["settings"] = {name: figure.value for name, figure in self._settings.items()}
        return values

    def explain(self) -> dict[str, dict[str, Any]]:
        """One explanation for every value, under its path within the services of the plan."""
        explained = {self.path + "." + name: self._explained(name, figure) for name, figure in self._limits.items()}
        for name, figure in self._settings.items():
            explained[self.path + ".settings." + name] = self._explained(name, figure)
        return explained

    def _explained(self, name, figure):
        explained = figure.explain()
        if name in self._informing:
            explained["information"] = self._informing[name]
        return explained

    def _decide(self, place, name, path, planned, rule, source, unit="", inputs=None, bounds=UNBOUND,
                deviation=None, document=None, here="", derived=False):
        moved = {}
        value = bounds.settle(planned) if _is_number(planned) else planned
        if value != planned:
            moved = {"before": rounded(planned), "hit": "max" if value < planned else "min"}
        key = self.path + "." + path
        override = self._override(name, value, bounds, unit, derived) if name in self._overrides else None
        if override is not None:
            moved["planned"] = rounded(value)
            value, deviation = self._taken(key, name, override, bounds, unit), None
        elif value == document:
            deviation = None
        elif deviation in self.draft.intent.restore_document:
            value = document
            self.draft.restored.append((deviation, key, rounded(value)))
            deviation = None
        value = rounded(value)
        if deviation:
            self.draft.depart(deviation, key, value, here)
        place[name] = Figure(value, unit, rule, inputs or {}, bounds, moved, source, deviation, override is not None,
                             derived)
        self.names[name] = value
        return value

    def _override(self, name, like, bounds, unit, derived):
        """The override of a figure in the figure's own type, or None. Unusable ones are noted as problems."""
        given, spelling = self._overrides[name]
        if given is None:
            return None
        try:
            if derived:
                raise ValueError("cannot be set, it follows from other figures")
            return _converted(reading.without_unit(given, unit) if unit in reading.UNITS else given, like, bounds,
                              limits.within(bounds, limits.limit_of(self.key, name)).least)
        except ValueError as error:
            self.draft.problems.append(f"{VARIABLES['overrides']}.{spelling}: {error}")
            return None

    def _taken(self, key, name, value, bounds, unit):
        """The override itself. One that lies oddly is noted, and one beyond what can work is moved to where it can, so
        that what follows from it can be told as well."""
        if not _is_number(value):
            return value
        technical = limits.limit_of(self.key, name)
        bounds = limits.within(bounds, technical)

        def note(kind, limit):
            source = ""
            if technical:
                source = technical.source if limit in (technical.least, technical.most) else technical.within
            self.draft.odd_overrides.append(OddOverride(key, value, limit, kind, unit, bounds, source))
            return value if kind == "floor" else type(value)(limit)

        if bounds.cap is not None and value > bounds.cap:
            return note("cap", bounds.cap)
        if value < bounds.least:
            return note("least", bounds.least)
        if bounds.most is not None and value > bounds.most:
            return note("most", max(bounds.most, bounds.least))
        if bounds.floor is not None and value < bounds.floor:
            return note("floor", bounds.floor)
        return value


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _converted(given, like, bounds, least):
    if bounds.choices:
        return reading.choice(_word(given, bounds.choices), bounds.choices)
    if isinstance(like, str):
        return str(given)
    value = reading.whole(given) if isinstance(like, int) else float(reading.number(given))
    if value < min(0, least):
        raise ValueError(f"expected a number of at least {min(0, least)}, got {value}")
    return value


def _word(given, choices):
    """The choice behind a boolean: YAML reads a bare `off` or `no` as false."""
    if not isinstance(given, bool):
        return given
    return next((word for word in choices if reading.TRUTH.get(word) is given), given)
