# Managed by trenova.selfhost.
"""What a run keeps: one stream of one store, with all that is known of it in its tags."""

from __future__ import annotations

import re


class Stream:
    """One file that a store's reader writes, and what it is.

    part: which of the store's files it is (base, wal, dump, archive, ...). tags: further facts, as texts.
    extract: (member of the tar that passes by, file where it is left besides), or nothing.
    """

    def __init__(self, run, store, part, file, extract=(), **facts):
        self.store, self.part, self.file, self.extract = store, part, file, list(extract)
        pairs = dict(run=run, store=store, part=part, **facts)
        self.tags = [f"{key}={value}" for key, value in pairs.items() if value]
        #: Name among the pipes of the host.
        self.name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{store}-{part}-{file}")
