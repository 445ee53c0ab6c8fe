# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""People of a host that have the numbers of users in containers."""

from __future__ import annotations

import grp
import os
import pwd

#: Groups whose members are root already.
OF_ROOT = ("root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "libvirt")
NO_LOGIN = ("nologin", "false", "sync", "shutdown", "halt")


def people(numbers):
    """{number as text: name} of the accounts with these numbers, by which somebody logs in who is not root already.

    The system is asked as `getent` does it, so that accounts of a directory (SSSD, LDAP) count.
    """
    found = {}
    for number in sorted({*numbers} - {0}):
        try:
            account = pwd.getpwuid(number)
        except KeyError:
            continue
        may_log_in = os.path.basename(account.pw_shell or "sh") not in NO_LOGIN
        if may_log_in and not is_root(account):
            found[str(number)] = account.pw_name
    return found


def is_root(account):
    """Whether an account may do whatever root may: it is in such a group, or is the one that manages this host."""
    if account.pw_name == os.environ.get("SUDO_USER"):
        return True
    for name in OF_ROOT:
        try:
            group = grp.getgrnam(name)
        except KeyError:
            continue
        if account.pw_gid == group.gr_gid or account.pw_name in group.gr_mem:
            return True
    return False


def number_of_group(name):
    """Number of a group, 0 where there is none."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return 0
