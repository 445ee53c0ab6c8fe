# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How often a calendar expression of systemd is due."""

from __future__ import annotations

import datetime
import itertools

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats

#: What systemd writes in one word.
SHORTHANDS = {
    "minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00", "quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Days that are looked at; the 29th of February is among them twice.
HORIZON_DAYS = 12 * 366
DAY_SECONDS = 86400


def longest_interval(text, today):
    """Longest time between two runs that follow each other, from a day on, without changes of the clock.

    None where it cannot be told: this is no such expression, or one that is due less than twice in twelve years.
    """
    if not text or formats.fault("calendar", text):
        return None
    try:
        weekdays, dates, times = _parts(SHORTHANDS.get(text.strip().lower(), text))
    except ValueError:
        return None
    days = [day for day in (today + datetime.timedelta(number) for number in range(HORIZON_DAYS))
            if day.weekday() in weekdays and dates(day)]
    if len(days) < 2:
        return None
    most_days = max((later - earlier).days for earlier, later in itertools.pairwise(days))
    over_night = most_days * DAY_SECONDS - (times[-1] - times[0])
    within_a_day = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)
    return datetime.timedelta(seconds=max(over_night, within_a_day))


def _parts(text):
    """(weekdays, whether a date is meant, seconds of the day) of an expression that is valid."""
    words, _zone = formats.without_zone(text.split())
    weekdays, dates, times = set(range(7)), "*-*-*", "00:00:00"
    if formats.DAYS_OF_WEEK.fullmatch(words[0]):
        weekdays, words = _weekdays(words[0]), words[1:]
    for word in words:
        if ":" in word:
            times = word
        else:
            dates = word
    return weekdays, _dates(dates), _times(times)


def _weekdays(text):
    found = set()
    for entry in text.lower().rstrip(",").split(","):
        first, _dots, last = entry.partition("..")
        begin, end = (WEEKDAYS.index(day[:3]) for day in (first, last or first))
        found.update(number % 7 for number in range(begin, end + 1 + (7 if end < begin else 0)))
    return found


def _dates(text):
    """A function that tells whether a day is one of a date's, whose days may count from the end of the month."""
    others, tilde, days = text.rpartition("~" if "~" in text else "-")
    named = others.split("-")
    ranges = formats.DATE_RANGES
    months = _values(named[-1], *ranges[1])
    years = _values(named[0], *ranges[0]) if len(named) == 2 else None
    wanted = _from_end(days) if tilde == "~" else _values(days, *ranges[2])

    def is_meant(day):
        number = _days_to_end(day) if tilde == "~" else day.day
        return (years is None or day.year in years) and day.month in months and number in wanted

    return is_meant


def _days_to_end(day):
    """1 for the last day of a month, 2 for the one before."""
    next_month = (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
    return (next_month - day).days


def _times(text):
    """Seconds of the day, sorted."""
    parts = [_values(part, *bounds) for part, bounds in zip(text.split(":"), formats.TIME_RANGES, strict=False)]
    hours, minutes, seconds = parts if len(parts) == 3 else [*parts, {0}]
    return sorted(hour * 3600 + minute * 60 + second for hour in hours for minute in minutes for second in seconds)


def _values(text, low, high):
    """Numbers of a part: *, numbers, ranges a..b and steps /n, several with commas."""
    found = set()
    for entry in text.split(","):
        base, slash, step = entry.partition("/")
        first, _dots, last = (f"{low}..{high}" if base == "*" else base).partition("..")
        end = int(last) if last else high if slash else int(first)
        found.update(range(int(first), end + 1, int(step or 1)))
    return found


def _from_end(text):
    """Numbers of days that count from the end of the month; a step leads towards it."""
    found = set()
    for entry in text.split(","):
        base, _slash, step = entry.partition("/")
        found.update(range(int(base), 0, -int(step)) if step else [int(base)])
    return found
