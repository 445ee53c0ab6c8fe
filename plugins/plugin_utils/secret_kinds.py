# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Kinds of secrets: how each is generated, and what is wrong with a given one."""

from __future__ import annotations

import base64
import binascii
import re
import secrets

#: Values that stand in upstream's compose files, in the requirements, or in every list of tried passwords.
KNOWN_DEFAULTS = frozenset((
    "minioadmin", "secretkey", "postgres", "password", "password123", "admin", "user", "guest", "trenova", "changeme",
    "change-me", "secret", "root", "test", "yoursecurepassword", "yourverysecuresecretkey", "yourstrongredispassword",
    "secureminiopassword", "your-smtp-password", "example",
))
URL_SAFE = re.compile(r"[A-Za-z0-9_-]+")
PASSWORD_MINIMUM = 20
LOGIN_MINIMUM = 12
DISTINCT_MINIMUM = 6
AES_BYTES = (16, 24, 32)


def generate(kind):
    """A new secret of a kind. Raises KeyError for a kind that does not exist."""
    return {
        "password": lambda: secrets.token_urlsafe(24),
        "login": lambda: secrets.token_urlsafe(15),
        "aes_key": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    }[kind]()


def fault(kind, value):
    """What is wrong with a secret, in a few words that do not contain it; None when nothing is."""
    if value is None or str(value).strip() == "":
        return "is missing"
    if not isinstance(value, str):
        return "is not text; put it in quotes"
    if value.lower() in KNOWN_DEFAULTS or value.lower().startswith(("changeme", "change-me", "your")):
        return "is a well-known default"
    if kind == "aes_key":
        return _aes_key_fault(value)
    minimum = LOGIN_MINIMUM if kind == "login" else PASSWORD_MINIMUM
    if kind == "password" and not URL_SAFE.fullmatch(value):
        return "may hold only A-Z a-z 0-9 _ and - (the application puts it into addresses without escaping it)"
    if kind == "login" and (not value.isprintable() or " " in value):
        return "may hold no white space or control characters"
    if len(value) < minimum:
        return f"is too short: {len(value)} characters, at least {minimum} are needed"
    if len(set(value)) < DISTINCT_MINIMUM:
        return f"is too simple: it has only {len(set(value))} different characters"
    return None


def _aes_key_fault(value):
    try:
        length = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return "is not standard base64 (the application would end at the first login)"
    if length not in AES_BYTES:
        return f"is base64 of {length} bytes; an AES key has 16, 24 or 32"
    return None
