# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When calendar expressions of systemd are due: how often one is, and whether works that they start meet."""

from __future__ import annotations

import bisect
import datetime
import itertools
import zoneinfo

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
        days, times = _due(text, today)
    except ValueError:
        return None
    if len(days) < 2:
        return None
    most_days = max((later - earlier).days for earlier, later in itertools.pairwise(days))
    over_night = most_days * DAY_SECONDS - (times[-1] - times[0])
    within_a_day = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)
    return datetime.timedelta(seconds=max(over_night, within_a_day))


def meeting(first, second, today):
    """(when the first is due, when the second is) of the earliest time, from a day on, at which two works meet; None
    where they never do, or where it cannot be told.

    first, second: (expression, seconds from when it is due within which its work may be going on). Both times are those
    of a clock in the first one's zone. Clocks that are changed are not looked at, but zones that change theirs apart
    are: whatever lies between two named zones within a year counts. Between a named zone and the host's it cannot be
    told.
    """
    (one, one_seconds), (other, other_seconds) = first, second
    shifts = _shifts(_zone(one), _zone(other), today)
    if any(formats.fault("calendar", text) or not text for text in (one, other)):
        return None
    try:
        (days, times), (other_days, other_times) = _due(one, today), _due(other, today)
    except ValueError:
        return None
    others = {day.toordinal() for day in other_days}
    found = []
    for shift in shifts:
        # Of the second, in the zone of the first.
        late = [time + shift for time in other_times]
        far = (max(one_seconds, other_seconds) + abs(shift)) // DAY_SECONDS + 1
        for apart in range(-far, far + 1):
            common = next((day for day in days if day.toordinal() + apart in others), None)
            times_apart = common and _first_within(times, late, apart * DAY_SECONDS, one_seconds, other_seconds)
            if times_apart:
                midnight = datetime.datetime.combine(common, datetime.time())
                found.append((midnight + datetime.timedelta(seconds=times_apart[0]),
                              midnight + datetime.timedelta(seconds=times_apart[1])))
    return min(found, default=None)


def _first_within(times, others, apart, seconds, other_seconds):
    """The first (time, other time + apart), of sorted times, whose works meet; None where none do."""
    for time in times:
        # The other may begin while this one goes on, or have begun so lately that it still does.
        place = bisect.bisect_right(others, time - apart - other_seconds)
        if place < len(others) and others[place] + apart - time < seconds:
            return time, others[place] + apart
    return None


def shortest_interval(text, today):
    """Shortest time between two runs that follow each other, otherwise as `longest_interval`."""
    if not text or formats.fault("calendar", text):
        return None
    try:
        days, times = _due(text, today)
    except ValueError:
        return None
    if len(days) < 2:
        return None
    least_days = min((later - earlier).days for earlier, later in itertools.pairwise(days))
    over_night = least_days * DAY_SECONDS - (times[-1] - times[0])
    within_a_day = min((later - earlier for earlier, later in itertools.pairwise(times)), default=over_night)
    return datetime.timedelta(seconds=min(over_night, within_a_day))


def first_time(text):
    """Seconds of the day at which an expression that is valid is due first."""
    return _parts(SHORTHANDS.get(text.strip().lower(), text))[2][0]


def at_time(text, hour, minute):
    """The same days as those of an expression, at one time of the day."""
    words, zone = formats.without_zone(SHORTHANDS.get(text.strip().lower(), text).split())
    days = [word for word in words if ":" not in word]
    return " ".join([*days, f"{hour:02}:{minute:02}:00", *([zone] if zone else [])])


def _zone(text):
    """Name of the zone of an expression, None for the host's."""
    return formats.without_zone(text.split())[1] if text.split() else None


def _shifts(zone, other, today):
    """Seconds by which a clock in the first zone is ahead of one in the other, in the course of a year."""
    if zone == other:
        return {0}
    try:
        clocks = [zoneinfo.ZoneInfo(name) for name in (zone, other)]
    except (TypeError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return set()
    moments = [datetime.datetime.combine(today + datetime.timedelta(number), datetime.time(), datetime.UTC)
               for number in range(366)]
    return {round((moment.astimezone(clocks[0]).utcoffset() - moment.astimezone(clocks[1]).utcoffset()).total_seconds())
            for moment in moments}


def _due(text, today):
    """([days], [seconds of the day]) at which an expression is due. Raises ValueError where that cannot be told."""
    weekdays, dates, times = _parts(SHORTHANDS.get(text.strip().lower(), text))
    days = [day for day in (today + datetime.timedelta(number) for number in range(HORIZON_DAYS))
            if day.weekday() in weekdays and dates(day)]
    return days, times


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
