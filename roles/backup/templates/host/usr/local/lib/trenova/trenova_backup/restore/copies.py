# Managed by trenova.selfhost.
"""What was there before a restore: it stays for a while, in case that somebody wants it back."""

from __future__ import annotations

import os

from trenova_backup import records
from trenova_backup.restore import laying

#: Days for which what a restore has replaced stays on the host.
KEPT_DAYS = 7


def there(settings, now):
    """[(path, seconds since the restore)] of all copies that are on the host."""
    found = []
    for record in records.read(settings, now):
        for path in (record.get("copies") or {}).values():
            if os.path.isdir(path):
                found.append((path, now - (records.finished(record) or now)))
    return found


def let_go(settings, now):
    """Remove the copies that are old enough; their paths. For whoever knows that a good backup was made since."""
    gone = [path for path, age in there(settings, now) if age > KEPT_DAYS * 86400]
    for path in gone:
        laying.remove(path)
    return gone
