# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asking again for a bounded time: what was started a moment ago needs one until it answers."""

from __future__ import annotations

import time

PAUSE_SECONDS = 1.0


def until_ok(ask, deadline, clock=time.monotonic, pause=time.sleep):
    """What `ask` answers, a dictionary with ok and detail; asked again each second while it fails, until the deadline.

    deadline: of the clock, in seconds. The detail says how long it took when it was not at once. A failure that says
    `lasting` is not asked about again. The answer gets `seconds`, how long it took.
    """
    began, answer, again = clock(), ask(), False
    while not answer["ok"] and not answer.get("lasting") and clock() + PAUSE_SECONDS <= deadline:
        pause(PAUSE_SECONDS)
        answer, again = ask(), True
    took = clock() - began
    kept = {key: value for key, value in answer.items() if key != "lasting"}
    if again:
        words = "{} (after {:.0f} s)" if kept["ok"] else "{} (asked for {:.0f} s)"
        kept["detail"] = words.format(kept["detail"], took)
    return dict(kept, seconds=round(took, 2))
