# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import base64
import hashlib
import hmac

import bcrypt

from ansible_collections.trenova.selfhost.plugins.plugin_utils import hashes


def test_scram_verifier_admits_the_password_that_it_was_made_of():
    """The server's side of RFC 5802, worked out anew from the stored salt."""
    verifier = hashes.scram_verifier("correct-horse", "trenova")
    scheme, salted_part, keys = verifier.split("$")
    iterations, salt = salted_part.split(":")
    stored_key, server_key = (base64.b64decode(key) for key in keys.split(":"))
    salted = hashlib.pbkdf2_hmac("sha256", b"correct-horse", base64.b64decode(salt), int(iterations))
    assert scheme == "SCRAM-SHA-256"
    assert hashlib.sha256(hmac.new(salted, b"Client Key", "sha256").digest()).digest() == stored_key
    assert hmac.new(salted, b"Server Key", "sha256").digest() == server_key


def test_scram_verifier_of_rfc_7677(monkeypatch):
    """The example of RFC 7677: user, password `pencil`, given salt."""
    monkeypatch.setattr(hashes, "derived_salt", lambda *_arguments: base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert hashes.scram_verifier("pencil", "user") == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")


def test_rabbitmq_password_hash_is_salt_and_digest():
    decoded = base64.b64decode(hashes.rabbitmq_password_hash("correct-horse", "trenova"))
    assert decoded[4:] == hashlib.sha256(decoded[:4] + b"correct-horse").digest()


def test_bcrypt_hash_admits_its_password_and_no_other():
    hashed = hashes.bcrypt_hash("correct-horse", "operator").encode()
    assert hashed.startswith(b"$2b$10$")
    assert bcrypt.checkpw(b"correct-horse", hashed)
    assert not bcrypt.checkpw(b"battery-staple", hashed)


def test_hashes_are_the_same_on_every_run_and_differ_by_login():
    for function in (hashes.scram_verifier, hashes.rabbitmq_password_hash, hashes.bcrypt_hash):
        assert function("correct-horse", "a") == function("correct-horse", "a")
        assert function("correct-horse", "a") != function("correct-horse", "b")
