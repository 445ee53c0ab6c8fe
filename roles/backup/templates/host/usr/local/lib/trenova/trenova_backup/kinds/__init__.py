# Managed by trenova.selfhost.
"""How each kind of store is saved and checked. A description says of which kind a store is; nothing here names one.

A kind is made for one store and one run, and says in `save` what is kept of it, in `cut` what is kept of what changes.
"""

from __future__ import annotations

from trenova_backup.kinds.command import Command
from trenova_backup.kinds.directory import Directory
from trenova_backup.kinds.objects import Objects
from trenova_backup.kinds.postgres import Postgres
from trenova_backup.kinds.redis import Redis

KINDS = {"directory": Directory, "command": Command, "postgres": Postgres, "objects": Objects, "redis": Redis}


def of(store, run):
    """The kind of a store, for a run."""
    return KINDS[store["kind"]](store, run)
