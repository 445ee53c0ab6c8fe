# Managed by trenova.selfhost.
"""Named pipes between the container that reads a store and the one that keeps what it reads.

The bytes pass through the kernel alone, and not through the Engine. A pipe cannot tell whether its writer ended well,
so a word beside it does, and what is kept waits for that.
"""

from __future__ import annotations

import contextlib
import os

#: Where both containers see the directory of pipes.
INSIDE = "/pipes"
ANYBODY = 0o666


class Pipe:
    """A named pipe, on the host and as containers see it."""

    def __init__(self, directory, name):
        self.path, self.inside = os.path.join(directory, name), INSIDE + "/" + name
        self.remove()
        os.mkfifo(self.path)
        # Writers and readers are users of containers, in a directory that only root enters on the host.
        os.chmod(self.path, ANYBODY)

    def tell(self, is_good):
        """Tell the reader how its writer ended."""
        verdict = self.path + ".end"
        with open(verdict + ".new", "w", encoding="utf-8") as stream:
            stream.write("good\n" if is_good else "bad\n")
        os.chmod(verdict + ".new", 0o644)
        os.rename(verdict + ".new", verdict)

    def wake(self):
        """Let a reader go on that waits for a writer which has failed before it wrote: it sees an empty stream."""
        with contextlib.suppress(OSError):  # nobody reads any more
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))

    def remove(self):
        """Remove it and the word beside it."""
        for path in (self.path, self.path + ".end", self.path + ".end.new"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
