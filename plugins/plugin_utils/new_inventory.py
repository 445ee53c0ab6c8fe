# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A first inventory, made of the example `inventories/prod` and a few answers.

The example's own lines are changed, so that every comment that explains a variable is there for the next change.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile

import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats
from ansible_collections.trenova.selfhost.plugins.plugin_utils.formats import HOST_NAME, PLACEHOLDER_DOMAIN
from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem

#: Files of an inventory, relative to it.
HOSTS, VARIABLES = "hosts.yml", "group_vars/trenova/main.yml"
#: More is taken for a slip of the keyboard.
MOST_USERS = 100_000


def problems(answers):
    """What is wrong with answers, each with what to answer instead."""
    for name, fault in (
        ("address", _address_fault), ("domain", _domain_fault), ("users", _users_fault), ("mail", _mail_fault),
        ("registry", _registry_fault),
    ):
        found = fault(answers[name])
        if found:
            yield Problem(f"The answer to `{name}` {found[0]}.", f"trenova_init_{name}", found[1])


def _address_fault(value):
    if not value:
        return "is empty", "the host name or address by which you reach the server with SSH"
    return _example(value) or formats.fault("host", value)


def _domain_fault(value):
    wanted = "the host name under which people will open Trenova, as erp.your-company.com"
    if not value:
        return "is empty", wanted
    if formats.is_address(value) or not HOST_NAME.fullmatch(value):
        return f"is no host name: {value}", wanted
    return _example(value)


def _users_fault(value):
    wanted = "how many people work at the same time, as a whole number"
    if not re.fullmatch(r"[0-9]{1,9}", value):
        return f"is no number: {value}" if value else "is empty", wanted
    return None if 1 <= int(value) <= MOST_USERS else (f"is {value}", f"{wanted} from 1 to {MOST_USERS}")


def _mail_fault(value):
    if not value:
        return "is empty", "your mail address; the administrator of Trenova logs in with it"
    return formats.fault("mail", value) or _example(value.rpartition("@")[2])


def _registry_fault(value):
    return formats.fault("endpoint", value) or _example(value.partition(":")[0])


def _example(host):
    return (f"is still an example: {host}", "one of yours") if PLACEHOLDER_DOMAIN.search(host) else None


def files(example, answers):
    """{path in the inventory: content} by the example's files in the same form, and answers without problems."""
    hosts = _with(example[HOSTS], "ansible_host", answers["address"])
    hosts = re.sub(r"(?m)^#.*\n", "", hosts)
    variables = example[VARIABLES]
    # The number of users chooses the tier.
    variables = re.sub(r"(?m)^(trenova_tier:.*)$", r"# \1", variables)
    for name, value in (
        ("trenova_domain", answers["domain"]), ("trenova_users", int(answers["users"])),
        ("caddy_acme_email", answers["mail"]), ("trenova_admin_email", answers["mail"]),
        *([("trenova_own_registry", answers["registry"])] if answers["registry"] else []),
    ):
        variables = _with(variables, name, value)
    return {HOSTS: hosts, VARIABLES: variables}


def write(directory, contents):
    """Write the files of an inventory, all of them or none; `directory` is absent or empty."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    made = pathlib.Path(tempfile.mkdtemp(dir=directory.parent, prefix=".new-inventory-"))
    try:
        for name, text in contents.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text, encoding="utf-8")
        made.chmod(0o755)
        made.replace(directory)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _with(text, name, value):
    """The text with another value of a variable, whose line may have been a comment."""
    written = yaml.safe_dump({name: value}, width=1000).strip()
    changed, count = re.subn(rf"(?m)^( *)(# )?{name}:.*$", lambda found: found[1] + written, text, count=1)
    if not count:
        raise ValueError(f"the example inventory has no line for {name}")
    return changed
