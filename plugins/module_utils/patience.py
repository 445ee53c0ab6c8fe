# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asking again for a bounded time: what was started a moment ago needs one until it answers."""

from __future__ import annotations

import time

PAUSE_SECONDS = 1.0


class NotYet(Exception):
    """What was looked for is not there, and may be a moment later.

    lasting: It will not be otherwise. again_after: Seconds after which it may be asked again, where that is not for
    free; a second by default.
    """

    def __init__(self, text, lasting=False, again_after=None):
        super().__init__(text)
        self.lasting = lasting
        self.again_after = again_after

    def answer(self):
        """The failure as `until_ok` takes it."""
        return {"ok": False, "detail": str(self), "lasting": self.lasting, "again_after": self.again_after}


def until_ok(ask, deadline, clock=time.monotonic, pause=time.sleep):
    """What `ask` answers, a dictionary with ok and detail; asked again while it fails, until the deadline.

    deadline: of the clock, in seconds. It is asked each second, or after the seconds that a failure names as
    `again_after`, the last time at the deadline at the latest. The detail says how long it took when it was not at
    once. A failure that says `lasting` is not asked about again. The answer gets `seconds`, how long it took.
    """
    began, answer, again = clock(), ask(), False
    while not answer["ok"] and not answer.get("lasting") and clock() + PAUSE_SECONDS <= deadline:
        pause(min(answer.get("again_after") or PAUSE_SECONDS, deadline - clock()))
        answer, again = ask(), True
    took = clock() - began
    kept = {key: value for key, value in answer.items() if key not in ("lasting", "again_after")}
    if again:
        words = "{} (after {:.0f} s)" if kept["ok"] else "{} (asked for {:.0f} s)"
        kept["detail"] = words.format(kept["detail"], took)
    return dict(kept, seconds=round(took, 2))
