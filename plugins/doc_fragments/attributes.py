# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """What modules say of check and diff mode. `support` and `details` come from them or from a second fragment."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Whether it runs in check mode, and tells what it would change.
  diff_mode:
    description: Whether it shows the difference in diff mode.
"""

    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: It changes nothing in either mode.
  diff_mode:
    support: none
    details: There is nothing to compare.
"""

    TEST_DATA = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: What it writes in either mode is test data of its own.
  diff_mode:
    support: none
    details: There is nothing to compare.
"""
