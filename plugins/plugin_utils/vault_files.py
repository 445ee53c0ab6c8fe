# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Files of secrets as Ansible Vault keeps them: what is added is encrypted as what is there, by the same identity."""

from __future__ import annotations

import os
import re
import textwrap

import yaml
from ansible import constants
from ansible.parsing.vault import VaultLib, is_encrypted, match_encrypt_secret

#: A value that is encrypted by itself, in a file that is not.
_VALUE = re.compile(r"!vault\s*\|?[-+]?[0-9]*\n(?P<lines>(?:[ \t]+\S+[ \t]*\n?)+)")


class IdentityUnknown(ValueError):
    """Several identities could encrypt a new file, and nobody says which."""

    def __init__(self, names):
        super().__init__(", ".join(names))
        self.names = names


class Lock:
    """What encrypts: a secret, and the name of its identity as the header tells it."""

    def __init__(self, secret, identity):
        self._secret, self._identity = secret, identity

    def closed(self, text):
        """The text, encrypted."""
        return VaultLib().encrypt(text, self._secret, self._identity).decode()


def with_added(path, header, added, secrets):
    """Content of a file of secrets with some more: {name: value}. What is there stays as it is, comments included.

    `header` begins a new file; `secrets` are the vault's, (identity, secret). Raises IdentityUnknown, and AnsibleError
    where no secret opens what is there.
    """
    raw = _read(path)
    if is_encrypted(raw):
        before, lock = _opened(raw, secrets)
        return lock.closed(_joined(before.decode(), _lines(added)))
    before = raw.decode() or header
    values = _VALUE.findall(before)
    if values and secrets:
        _before, lock = _opened(textwrap.dedent(values[-1]).encode(), secrets)
        return _joined(before, "".join(_value(name, lock.closed(value)) for name, value in added.items()))
    lock, text = new_lock(secrets), _joined(before, _lines(added))
    return lock.closed(text) if lock else text


def new_lock(secrets):
    """What encrypts a new file; None without a secret. Raises IdentityUnknown."""
    if not secrets:
        return None
    chosen = constants.DEFAULT_VAULT_ENCRYPT_IDENTITY
    names = list(dict.fromkeys(identity for identity, _secret in secrets))
    if not chosen and len(names) > 1:
        raise IdentityUnknown(names)
    identity, secret = match_encrypt_secret(secrets, chosen)
    return Lock(secret, identity)


def needs_new_lock(path):
    """Whether nothing in a file tells how it is encrypted."""
    raw = _read(path)
    return not is_encrypted(raw) and not _VALUE.search(raw.decode())


def _read(path):
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as stream:
        return stream.read()


def _opened(raw, secrets):
    """(content, lock) of something encrypted."""
    content, _identity, secret = VaultLib(secrets).decrypt_and_get_vault_id(raw)
    # The identity that its header names need not be that of the secret that opens it.
    told = raw.splitlines()[0].decode().strip().split(";")[3:]
    return content, Lock(secret, told[0] if told else None)


def _lines(added):
    return yaml.safe_dump(added, default_flow_style=False)


def _joined(before, more):
    return before + ("" if before.endswith("\n") else "\n") + more


def _value(name, text):
    return f"{name}: !vault |\n" + textwrap.indent(text, "  ")
