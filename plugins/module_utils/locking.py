# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One at a time on a host: a deployment, and the watch that restarts the API after its Redis or RabbitMQ.

The watch (roles/api, api-watch.py) takes the same lock, and leaves its turn out while somebody else has it.
"""

from __future__ import annotations

import contextlib
import fcntl
import time

LOCK = "/run/trenova.lock"
#: A restart of the watch takes the API's stop timeout and a minute until it is healthy, for each instance.
PATIENCE_SECONDS = 300
POLL_SECONDS = 0.2


class LockError(Exception):
    """Somebody else has kept the lock for longer than any restart takes."""


@contextlib.contextmanager
def held(path=LOCK, seconds=PATIENCE_SECONDS):
    """Hold the lock; waits for whoever has it. Raises LockError after so many seconds."""
    deadline = time.monotonic() + seconds
    with open(path, "w", encoding="utf-8") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise LockError(
                        f"another deployment, or the watch of the API, has been at work for {seconds} s ({path}); "
                        "nothing was changed") from error
                time.sleep(POLL_SECONDS)
        yield
