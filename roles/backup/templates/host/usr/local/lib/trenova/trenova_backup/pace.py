# Managed by trenova.selfhost.
"""What jobs of a backup take of the processors: little while the application works, more while most of them are idle.

A low weight does not do that: it gives a backup all that is idle at this very moment, and the servers that it reads
from, the Engine and the kernel work for it at weights of their own.
"""

from __future__ import annotations

import contextlib
import threading
import time

STAT = "/proc/stat"
SECONDS_BETWEEN_LOOKS = 2
#: Parts of the host. From the first on that is idle more is taken, and below the second no more. What two jobs take
#: themselves, a quarter each, and the servers for them, lies between the two.
IDLE, BUSY = 0.5, 0.15
#: The fourth number of a line of the processors is what nobody used; who waits for a disk is counted in the fifth.
USED_AND_IDLE, OF_IDLE = 8, 3


def times(path=STAT):
    """(ticks that all processors were idle, all their ticks) since the host has started."""
    with open(path, encoding="ascii") as stream:
        ticks = [int(word) for word in stream.readline().split()[1:1 + USED_AND_IDLE]]
    return ticks[OF_IDLE], sum(ticks)


class Pace(threading.Thread):
    """Lets jobs take more and less, until its end.

    let: is given the cores whenever that changes. patience: seconds after which they take more however busy the host
    is, None for never: a backup that takes too long is none.
    """

    def __init__(self, let, usual, most, patience=None):
        super().__init__(daemon=True)
        self.let, self.usual, self.most = let, usual, most
        self._deadline = time.monotonic() + patience if patience is not None else None
        self.cpus, self._over = usual, threading.Event()

    def run(self):
        """Look, and look again."""
        with contextlib.suppress(OSError, ValueError, IndexError):  # who does not tell is taken for busy
            before = times()
            while not self._over.wait(SECONDS_BETWEEN_LOOKS):
                now = times()
                self.look(now[0] - before[0], now[1] - before[1])
                before = now

    def look(self, idle, total):
        """Decide by the ticks that were idle, of all, since the last look."""
        if total > 0:
            part = idle / total
            is_late = self._deadline is not None and time.monotonic() >= self._deadline
            wanted = self.most if part >= IDLE or is_late else self.usual if part < BUSY else self.cpus
            if wanted != self.cpus:
                self.cpus = wanted
                self.let(wanted)

    def end(self):
        """Change nothing any more."""
        self._over.set()
        if self.is_alive():
            self.join()
