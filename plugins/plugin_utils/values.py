# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a value of the inventory means, by the argument specification of its variable.

A value arrives as YAML types it, as an INI file reads it, or as text: by -e name=value, from a vault, from the
environment. Each becomes what the specification names, or a misfit. Where Ansible's own rules would lose what was
written, the value is a misfit: 2.20 where a text is wanted was read as the number 2.2, and yes as true.

Null means "not set" wherever it stands: for a variable, an entry of a list, a key of a dictionary. In a dictionary
whose keys no specification describes that holds for the first level only, unless its format says that it is ours; what
lies below is another program's.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ansible.module_utils.common.parameters import DEFAULT_TYPE_VALIDATORS
from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_float, check_type_int
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formats import (
    MADE,
    NESTED,
    ON_HOST,
    THERE,
    is_path,
    normalised,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.inputs import did_you_mean

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Option:
    """A variable of the inventory: what its specification and the description of its service say of it."""

    name: str
    #: Type, elements, choices, options and no_log, in the words of Ansible.
    spec: Mapping[str, Any]
    #: Page of the documentation that tells of it.
    page: str
    #: Directory of the role that owns it; None where roles share it.
    role: str | None = None
    #: Format beyond the type, one of plugin_utils/formats.py.
    format: str | None = None
    #: Of a dictionary whose values are written as text: how its software writes true and false.
    texts: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Misfit:
    """What does not fit: its name with the place in it, what would, and what is there, unless it is a secret."""

    name: str
    expected: str
    got: str = ""

    def sentence(self):
        """The misfit as one sentence."""
        return f"{self.name}: expected {self.expected}; got {self.got}" if self.got else f"{self.name} {self.expected}."


class Reader:
    """Reads values; what does not fit is collected in `misfits`, and None stands in its place.

    `begin` are directories in which relative paths on the controller begin; the first is that of the command.
    """

    def __init__(self, begin=()):
        self.begin = tuple(begin) or (os.getcwd(),)
        self.misfits = []
        self._show = shown

    def read(self, option, value):
        """What a value of an option means; None where it is null, or does not fit."""
        self._show = kind_of if holds_secret(option.spec) else shown
        found = self._value(option.name, option.spec, plain(value))
        if option.format == NESTED:
            found = without_nulls(found)
        if option.texts is not None and isinstance(found, dict):
            found = self._texts(option, found)
        return self._path(option.format, found) if isinstance(found, str) else found

    def _value(self, name, spec, value):
        if value is None:
            return None
        kind = spec.get("type", "str")
        convert = {
            "str": self._text, "path": self._text, "bool": self._bool, "int": self._whole, "float": self._number,
            "list": self._list, "dict": self._dict}.get(kind)
        if convert:
            found = convert(name, spec, value)
        else:
            found = self._by(DEFAULT_TYPE_VALIDATORS[kind], name, f"what Ansible calls {kind}", value)
        if kind != "list":
            self._check_choice(name, spec, found)
        return found

    def _by(self, convert, name, expected, value):
        try:
            return convert(value)
        except (TypeError, ValueError, OverflowError):
            return self._misfit(name, expected, value)

    def _misfit(self, name, expected, value, hint=""):
        self.misfits.append(Misfit(name, expected, self._show(value) + (hint or ".")))

    def _check_choice(self, name, spec, value):
        choices = spec.get("choices")
        if choices and value is not None and value not in choices:
            hint = did_you_mean(value, choices)
            self._misfit(name, "one of " + ", ".join(map(str, choices)), value, hint)

    def _text(self, name, spec, value):
        if isinstance(value, str):
            return value
        if spec.get("no_log"):
            self.misfits.append(Misfit(name, "is not text; put it in quotes"))
            return None
        if isinstance(value, bool):
            # off was read as false. Where one choice alone means that, it is meant.
            meant = (BOOLEANS_TRUE if value else BOOLEANS_FALSE).intersection(spec.get("choices") or ())
            if len(meant) == 1:
                return next(iter(meant))
        elif isinstance(value, int):
            return str(value)
        elif isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value.isoformat()
        return self._misfit(name, "text in quotes", value)

    def _bool(self, name, _spec, value):
        return self._by(check_type_bool, name, "true or false", value)

    def _whole(self, name, _spec, value):
        if isinstance(value, bool):
            return self._misfit(name, "a whole number", value)
        return self._by(check_type_int, name, "a whole number", value)

    def _number(self, name, _spec, value):
        if isinstance(value, bool):
            return self._misfit(name, "a number", value)
        return self._by(check_type_float, name, "a number", value)

    def _list(self, name, spec, value):
        entries = listed(value)
        if entries is None:
            return self._misfit(name, "a list", value)
        inner = {**spec, "type": spec.get("elements", "raw"), "elements": None}
        found, before = [], len(self.misfits)
        for number, entry in enumerate(entries):
            found.append(self._value(f"{name}[{number}]", inner, entry))
            if len(self.misfits) > before:
                break  # the others are likely of the same making
        return [entry for entry in found if entry is not None]

    def _dict(self, name, spec, value):
        found = self._by(check_type_dict, name, "a dictionary", value)
        if found is None:
            return None
        found = {key: entry for key, entry in found.items() if entry is not None}
        return found if spec.get("options") is None else self._parts(name, spec["options"], found)

    def _parts(self, name, options, found):
        for key in found:
            if key not in options:
                self.misfits.append(Misfit(
                    f"{name}.{key}", f"means nothing; known are {', '.join(options)}{did_you_mean(key, options)}"))
        for key, part in options.items():
            if part.get("required") and key not in found:
                self.misfits.append(Misfit(f"{name}.{key}", "is missing"))
        return {
            key: self._value(f"{name}.{key}", options[key], entry) for key, entry in found.items() if key in options}

    def _texts(self, option, found):
        """A dictionary with its values as text."""
        return {key: self._written(f"{option.name}.{key}", option.texts, entry) for key, entry in found.items()}

    def _written(self, name, words, value):
        if isinstance(value, bool):
            word = words.get("true" if value else "false")
            return self._misfit(name, "text in quotes", value) if word is None else word
        if isinstance(value, (int, float)):
            return str(value)
        return self._text(name, {}, value)

    def _path(self, form, value):
        if not value:
            return value
        if form == ON_HOST:
            return normalised(value)
        if form in (*THERE, *MADE) and (form != "name_or_file" or is_path(value)):
            return self._on_controller(value, form in MADE)
        return value

    def _on_controller(self, value, is_made):
        path = os.path.expanduser(os.path.expandvars(value))
        places = [os.path.join(begin, path) for begin in self.begin]
        if is_made:
            return places[0]
        # One that is nowhere stays as it was written, for the message.
        return next(filter(os.path.exists, places), value)


def listed(value):
    """The entries of a list, or of a text that stands for one; None for anything else.

    A text is a list in the notation of YAML or JSON, or entries with commas between them.
    """
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = str(value).strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            found = yaml.load(text, _LOADER)  # noqa: S506  # a safe loader
        except yaml.YAMLError:
            found = None
        if isinstance(found, list):
            return found
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def plain(value):
    """A value without what Ansible knows of it: what came from a vault would go back into it where YAML is written."""
    if isinstance(value, Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (bool, type(None))):
        return value
    return next((kind(value) for kind in (str, int, float) if isinstance(value, kind)), value)


def without_nulls(value):
    """A dictionary without keys whose value is null, at every depth."""
    if not isinstance(value, Mapping):
        return value
    return {key: without_nulls(entry) for key, entry in value.items() if entry is not None}


def is_set(value):
    """Whether a variable has a value, as it is written: what is encrypted is not opened."""
    return value is not None and not (isinstance(value, str) and value == "")


def holds_secret(spec):
    """Whether what an option gets, or a part of it, must not be seen."""
    return bool(spec.get("no_log")) or any(holds_secret(part) for part in (spec.get("options") or {}).values())


def shown(value):
    """A value in a message, in a readable length."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple, Mapping)):
        return kind_of(value)
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def kind_of(value):
    """What a value is, for a message that must not tell more."""
    kinds = (
        (bool, "true or false"), (str, "a text"), ((list, tuple), "a list"), (Mapping, "a dictionary"))
    return next((word for kind, word in kinds if isinstance(value, kind)), "a number")
