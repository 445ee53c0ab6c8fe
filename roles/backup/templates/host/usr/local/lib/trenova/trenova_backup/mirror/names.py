# Managed by trenova.selfhost.
"""Names and headers of objects as a target takes them."""

from __future__ import annotations

import contextlib

from trenova_backup import files

#: Bytes of a part of an encrypted name and of all of it, by the kind of target. S3 knows no parts.
NAME_BYTES = {"s3": (None, 850)}
FILE_NAME_BYTES = (255, 3800)
#: rclone reads these as headers; all others are the user's.
HEADERS = {"cache-control", "content-disposition", "content-encoding", "content-language", "content-type"}
#: What rclone tells beside headers: of the source, not of the object.
NOT_HEADERS = {"btime", "tier"}


def encrypted(size):
    """Bytes of an encrypted name of so many bytes: padded to blocks of 16, five bits a character."""
    return ((size // 16 + 1) * 16 * 8 + 4) // 5


def upload_headers(metadata):
    """What rclone is to send with an object, so that it has the headers that it had."""
    return [{"Key": name if name in HEADERS else "X-Amz-Meta-" + name,
             "Value": number(value) if name == "mtime" else value}
            for name, value in sorted(metadata.items()) if name not in NOT_HEADERS]


def number(when):
    """A time as rclone keeps it in a header, in seconds, of how it tells it."""
    whole, _n, fraction = when.rstrip("Z").partition(".")
    with contextlib.suppress(ValueError):
        return str(files.seconds_of_moment(whole + "Z")) + ("." + fraction if fraction else "")
    return when
