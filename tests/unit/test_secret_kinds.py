# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils import secret_kinds

CASES = [
    ("password", None, "is missing"),
    ("password", "", "is missing"),
    ("password", "   ", "is missing"),
    ("password", 12345678901234567890, "is not text; put it in quotes"),
    ("password", "minioadmin", "is a well-known default"),
    ("password", "PostGres", "is a well-known default"),
    ("aes_key", "secretKey", "is a well-known default"),
    ("password", "yourSecurePassword", "is a well-known default"),
    ("password", "changeme-0123456789-abcdef", "is a well-known default"),
    ("password", "abc$xyz-0123456789-ABCDEF",
     "may hold only A-Z a-z 0-9 _ and - (the application puts it into addresses without escaping it)"),
    ("password", "p@ss/word:0123456789-ABC",
     "may hold only A-Z a-z 0-9 _ and - (the application puts it into addresses without escaping it)"),
    ("password", "Ab3-Ef6_Ij9", "is too short: 11 characters, at least 20 are needed"),
    ("password", "aaaaaaaaaaaaaaaaaaaaaaaa", "is too simple: it has only 1 different characters"),
    ("login", "Ab3-Ef6_Ij", "is too short: 10 characters, at least 12 are needed"),
    ("login", "two words are here", "may hold no white space or control characters"),
    ("aes_key", "not base64 at all!", "is not standard base64 (the application would end at the first login)"),
    ("aes_key", "q83vEjRWeJCrze8SNFZ4kA-_q83vEjRWeJCrze8SNFZ4kA==",
     "is not standard base64 (the application would end at the first login)"),
    ("aes_key", "q83vEjRWeJCrzQ==", "is base64 of 10 bytes; an AES key has 16, 24 or 32"),
]


@pytest.mark.parametrize(("kind", "value", "message"), CASES)
def test_fault_is_named_without_the_value(kind, value, message):
    assert secret_kinds.fault(kind, value) == message
    assert not value or str(value).strip() == "" or str(value) not in message


@pytest.mark.parametrize("kind", ["password", "login", "aes_key"])
def test_generated_secrets_are_good_and_differ(kind):
    values = {secret_kinds.generate(kind) for _number in range(200)}
    assert len(values) == 200
    assert [secret_kinds.fault(kind, value) for value in values] == [None] * 200
