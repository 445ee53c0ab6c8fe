# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Verifiers of passwords in the forms that the services store.

The salts are derived from the password and the login instead of drawn, so that the same inventory
gives the same files and a second run changes nothing. That reveals only that the same person has
the same password on two installations, and the passwords here are random ones.
"""

from __future__ import annotations

import base64
import contextlib
import contextvars
import functools
import hashlib
import hmac
import re

#: Whether hashes are put off; what their words stand for.
_DEFERRING = contextvars.ContextVar("deferring", default=False)
_DEFERRED = {}
_WORD = re.compile(r"bcrypt-of-[0-9a-f]{32}")

SCRAM_ITERATIONS = 4096
BCRYPT_COST = 10


def derived_salt(password, login, purpose, length):
    """Salt of the wanted length in bytes, the same for the same input."""
    return hmac.new(password.encode(), f"{purpose}:{login}".encode(), hashlib.sha256).digest()[:length]


def scram_verifier(password, login):
    """SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5803)."""
    salt = derived_salt(password, login, "scram", 16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    server_key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    stored_key = hashlib.sha256(client_key).digest()

    def encoded(value):
        return base64.b64encode(value).decode()

    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{encoded(salt)}${encoded(stored_key)}:{encoded(server_key)}"


def rabbitmq_password_hash(password, login):
    """Salted SHA-256 as RabbitMQ's definitions hold it."""
    salt = derived_salt(password, login, "rabbitmq", 4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


@contextlib.contextmanager
def deferring():
    """Within it, `bcrypt_hash` gives words that stand for hashes, which `settled` replaces.

    A hash takes a twentieth of a second on purpose. Whether one has changed is told by what it is made of.
    """
    token = _DEFERRING.set(True)
    try:
        yield
    finally:
        _DEFERRING.reset(token)


def settled(text):
    """A text with the hashes in place of the words that stand for them."""
    return _WORD.sub(lambda match: _bcrypt(*_DEFERRED[match.group()]), text)


def bcrypt_hash(password, login):
    """bcrypt hash of cost 10, as Caddy and the application take it. Needs the Python package bcrypt."""
    if not _DEFERRING.get():
        return _bcrypt(password, login)
    word = "bcrypt-of-" + derived_salt(password, login, "deferred", 16).hex()
    _DEFERRED[word] = (password, login)
    return word


@functools.cache
def _bcrypt(password, login):
    import bcrypt  # noqa: PLC0415  # a requirement of the controller, where filters run, not of the hosts

    salt = derived_salt(password, login, "bcrypt", 16)
    # bcrypt's own base64 has another alphabet; the package has no function for it.
    standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    own = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    text = base64.b64encode(salt).decode().rstrip("=").translate(str.maketrans(standard, own))
    return bcrypt.hashpw(password.encode(), f"$2b${BCRYPT_COST:02d}${text}".encode()).decode()
