# Managed by trenova.selfhost.
"""What can be wrong, as one sentence for people."""

from __future__ import annotations


class BackupError(Exception):
    """Something that makes a part of a backup impossible; its text is one sentence, with what to do."""


class SourceError(BackupError):
    """A store cannot be read; no other target would help."""


class TargetError(BackupError):
    """A target does not take or give what is asked of it; another one may."""


class NothingYet(BackupError):
    """There is no backup yet that what has changed could be added to."""

    #: What the run that found this has warned of.
    warnings = ()


class Interrupted(Exception):
    """A run was ended from outside; its text is one sentence.

    No BackupError: where one of those is borne, so that the rest is saved all the same, this ends the run.
    """
