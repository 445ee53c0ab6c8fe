# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Formats of variables beyond their type. A role names them in `formats` of its meta/service.yml: {variable: format}.

A format is a range of numbers (`1..65535`) or one of the names in FORMATS. What is empty is not looked at.
"""

from __future__ import annotations

import ipaddress
import os
import re
from zoneinfo import available_timezones

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import targets

#: Domains of examples, which are nobody's.
PLACEHOLDER_DOMAIN = re.compile(
    r"(^|\.)(example\.(com|org|net)|example|invalid|localhost)$|yourdomain|your-domain|changeme")
HOST_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
MAIL_ADDRESS = re.compile(r"[^@\s]+@([a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
PATH_PATTERN = re.compile(r"/[^\s{}\"`]*")
UPSTREAM = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}")
SIZE = re.compile(r"[1-9][0-9]*[kmg]", re.IGNORECASE)

#: Words that Ansible takes for booleans.
TRUE, FALSE = frozenset(("true", "yes", "on", "y", "t", "1")), frozenset(("false", "no", "off", "n", "f", "0"))

WEEKDAYS = "(mon|tue|wed|thu|fri|sat|sun)[a-z]*"
DAYS_OF_WEEK = re.compile(rf"{WEEKDAYS}((,|\.\.){WEEKDAYS})*,?", re.IGNORECASE)
CALENDAR_WORDS = frozenset((
    "minutely", "hourly", "daily", "monthly", "weekly", "yearly", "quarterly", "semiannually", "annually"))
CRON = re.compile(r"(\S+\s+){4}\S+|@(hourly|daily|weekly|monthly|yearly|reboot)")
#: Lowest and highest value of year, month and day, and of hour, minute and second.
DATE_RANGES = ((1970, 2199), (1, 12), (1, 31))
TIME_RANGES = ((0, 23), (0, 59), (0, 59))

#: Formats of paths on the controller. What must be there is looked for where the command was given, and then beside
#: the inventory; what may be made begins where the command was given.
THERE, MADE = ("file", "name_or_file"), ("place",)
#: Format of paths on the host.
ON_HOST = "directory"
#: Format of dictionaries that are ours at every depth, so that null is "not set" at every depth.
NESTED = "nested"
#: Where a relative path on the controller begins.
_BEGINNING = "; a relative one begins where the command is given, or beside the inventory"


def fault(name, value):
    """(what is wrong, what would be right) of a value by the name of its format; None when nothing is."""
    if value in (None, "", [], {}):
        return None
    if ".." in name:
        low, high = map(float, name.split(".."))
        return _range(value, low, high)
    return FORMATS[name](value)


def _range(value, low, high):
    expected = f"a number from {low:.10g} to {high:.10g}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"is no number: {value}", expected
    return None if low <= number <= high else (f"is {value}", expected)


def _boolean(value):
    if str(value).lower() in (*TRUE, *FALSE):
        return None
    return f"is neither true nor false: {value}", "true or false"


def is_true(value):
    """Whether a value in one of the forms of Ansible's booleans is true."""
    return str(value).lower() in TRUE


def _mail(value):
    if MAIL_ADDRESS.fullmatch(str(value)):
        return None
    return f"is no mail address: {value}", "one address, as name@company.com"


def _host(value):
    """A name or an address, without a scheme or port."""
    if is_address(value) or re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", str(value)):
        return None
    return f"is neither a host name nor an address: {value}", "a name or address, without https:// or port"


def _endpoint(value):
    host, separator, port = str(value).rpartition(":")
    found = _host(host if separator else value)
    if found or (separator and not port.isdigit()):
        return f"is no host name with an optional port: {value}", "as s3.company.com or 10.0.0.5:9000, without https://"
    return None


def is_address(value):
    """Whether a text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def _address(value):
    return None if is_address(value) else (f"is no address: {value}", "an IPv4 or IPv6 address of the host")


def _networks(value):
    for entry in value if isinstance(value, list) else [value]:
        try:
            ipaddress.ip_network(str(entry.get("base") if isinstance(entry, dict) else entry))
        except ValueError as error:
            return f"holds what is no network: {error}", "addresses or networks, as 10.0.0.5 or 10.0.0.0/16"
    return None


def _ports(value):
    try:
        ports_of(value)
    except ValueError:
        return f"holds what is no port: {value}", "ports and ranges of them, 1 to 65535, as [9100, \"9200-9300\"]"
    return None


def ports_of(value):
    """All ports of a list of ports and ranges, as 9100 and "9200-9300". Raises ValueError for anything else."""
    found = set()
    for entry in value if isinstance(value, list) else [value] if value not in (None, "") else []:
        first, _separator, last = str(entry).partition("-")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= 65535:
            raise ValueError(str(entry))
        found.update(range(low, high + 1))
    return found


def _url(value):
    if re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?(/\S*)?", str(value)):
        return None
    return f"is no address of the web: {value}", "as https://s3.company.com"


def is_path(value):
    """Whether a text names a file, and not one of several things by their names."""
    return "/" in str(value) or str(value).startswith("~")


def normalised(path):
    """A path on a host as it is compared: without slashes and dots that mean nothing.

    What is not absolute, or leads upwards, stays as it is, for the check that refuses it.
    """
    if _directory(path):
        return path
    return re.sub("^//", "/", os.path.normpath(path))


def _file(value):
    if os.path.isfile(str(value)):
        return None
    return f"names a file that is not there: {value}", f"the path of a file on the controller{_BEGINNING}"


def _name_or_file(value):
    return _file(value) if is_path(value) else None


def _directory(value):
    if not str(value).startswith("/") or ".." in str(value).split("/"):
        return f"is no absolute path: {value}", "a path that begins with /"
    # What is before a colon is the path, for Compose.
    return (f"has a colon: {value}", "a path without one") if ":" in str(value) else None


def _name(value):
    """A name that the application puts into addresses, and that stands unquoted in files."""
    if NAME.fullmatch(str(value)):
        return None
    return f"is no plain name: {value}", "letters, digits, and . _ - after the first"


def _named(value):
    """Entries with names: a list of dictionaries, or a dictionary by name."""
    names = value if isinstance(value, dict) else [
        entry[key] for entry in value for key in ("name", "owner") if entry.get(key) is not None]
    return next((fault for fault in map(_name, names) if fault), None)


def _virtual_host(value):
    return None if str(value) == "/" else _name(value)


def _login(value):
    """A user name that stands before a colon and a password."""
    return (f"has a colon: {value}", "a user name without one") if ":" in str(value) else None


def _routes(value):
    for route in value:
        if fault := _host(route.get("host", "")):
            return fault
        paths = [path for path in route.get("paths") or [] if not PATH_PATTERN.fullmatch(str(path))]
        places = [place for place in route.get("upstreams") or [] if not UPSTREAM.fullmatch(str(place))]
        if paths or places:
            return f"holds what is no {'path' if paths else 'address'}: {(paths or places)[0]}", (
                "paths as /reports/*, and addresses as name:port")
    return None


def _backup_targets(value):
    try:
        targets.targets(value, "installation")
    except ValueError as error:
        found = [line.partition(" Write: ")[::2] for line in str(error).splitlines()]
        return "does not say where to: {}".format(" ".join(what for what, _write in found).rstrip(".")), "; ".join(
            write.rstrip(".") for _what, write in found)
    return None


def _retention(value):
    """Numbers of backups that are kept, by day, week and month."""
    unknown = sorted(set(value) - {"daily", "weekly", "monthly"})
    numbers = [value.get(key, 1) for key in ("daily", "weekly", "monthly")]
    right = "whole numbers of daily, weekly and monthly, not all 0, as {daily: 7, weekly: 4, monthly: 6}"
    if unknown:
        return f"has {', '.join(map(str, unknown))}", right
    if any(isinstance(number, bool) or not str(number).isdigit() or int(number) > 1000 for number in numbers):
        return f"is {value}", right
    return None if any(map(int, numbers)) else (f"keeps nothing: {value}", right)


def _text(_value):
    """A text of several lines, or values of whatever form: nothing is wrong with any."""


def _size(value):
    if SIZE.fullmatch(str(value)):
        return None
    return f"is no size: {value}", "a whole number with k, m or g, as 10m"


def _calendar(value):
    text = str(value).strip()
    reason = _calendar_fault(text)
    if reason is None:
        return None
    if CRON.fullmatch(text):
        reason = "this is a line of cron"
    what = f"is no calendar expression of systemd ({reason}): {value}"
    return what, 'as "*-*-* 01:30:00" or "Sun 03:00 Europe/Berlin"'


def _calendar_fault(text):
    """Why a text is no calendar expression; None when it is one. Grammar: [weekdays] [date] [time] [time zone]."""
    words = text.split()
    if not words:
        return "it is empty"
    words, zone = without_zone(words)
    if zone:
        known = available_timezones()
        if known and zone not in known:
            return f"there is no time zone {zone}"
    if len(words) == 1 and words[0].lower() in CALENDAR_WORDS:
        return None
    if words and DAYS_OF_WEEK.fullmatch(words[0]):
        words = words[1:]
    if len(words) > 2:
        return "it has too many parts"
    # A tilde before the day counts it from the end of the month.
    for word in (word.replace("~", "-") for word in words):
        separator, ranges = (":", TIME_RANGES) if ":" in word else ("-", DATE_RANGES)
        parts = word.split(separator)
        if len(parts) not in (2, 3):
            return f"{word} is neither a date nor a time"
        # A date may leave out the year, a time the seconds.
        wanted = ranges[-len(parts):] if separator == "-" else ranges[:len(parts)]
        for part, (low, high) in zip(parts, wanted, strict=False):
            if not _component(part, low, high):
                return f"{part} of {word} is not from {low} to {high}"
    return None


def without_zone(words):
    """(the other words, time zone or None) of a calendar expression."""
    has_zone = words[-1] == "UTC" or "/" in words[-1] and words[-1][0].isalpha()
    return (words[:-1], words[-1]) if has_zone else (words, None)


def _component(text, low, high):
    """Whether a part of a date or time is valid: *, numbers, ranges a..b and steps /n, several with commas."""
    for entry in text.split(","):
        base, slash, step = entry.partition("/")
        if slash and not step.isdigit():
            return False
        if base == "*":
            continue
        numbers = base.split("..")
        if len(numbers) > 2 or not all(number.isdigit() and low <= int(number) <= high for number in numbers):
            return False
    return True


FORMATS = {
    "boolean": _boolean, "mail": _mail, "host": _host, "endpoint": _endpoint, "address": _address,
    "networks": _networks, "ports": _ports, "url": _url, "file": _file, "directory": _directory, "size": _size,
    "calendar": _calendar, "name": _name, "named": _named, "virtual_host": _virtual_host, "login": _login,
    "routes": _routes, "text": _text, "backup_targets": _backup_targets, "retention": _retention,
    "name_or_file": _name_or_file,
    # Where something is made; whether it can be shows when it is.
    "place": lambda _value: None, NESTED: lambda _value: None,
}
