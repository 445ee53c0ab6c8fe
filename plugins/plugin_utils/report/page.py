# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans as HTML pages with pictures, each of which needs nothing but itself.

What is in a page stands in view.py, how it looks in the templates and page.css beside this file. Whatever comes into a
template is text: it is escaped there.
"""

from __future__ import annotations

import os

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.pictures import percent
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.view import index_view, plan_view

_TEMPLATES = Environment(
    loader=FileSystemLoader(os.path.dirname(os.path.abspath(__file__))), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
_TEMPLATES.filters["percent"] = percent


def plan_page(name, plan, looks, comparison=None, needed=None, changes=None, note=None):
    """The page of one host, with the comparison of tiers, the host to buy, the changes and a note where given.

    `looks` is {service: {"title", "colour", "highlights"}}, as the catalogue reads it from the roles.
    """
    view = plan_view(name, plan, looks, comparison, needed, changes, note)
    return _TEMPLATES.get_template("page.html.j2").render(view)


def index_page(entries):
    """The page that lists hosts, each with a link to its own page.

    An entry is {"name", "page", "plan", "problem"}: the host, the address of its page, its plan as it is written with
    all that is shown besides, and why there is none where `plan` is None.
    """
    return _TEMPLATES.get_template("index.html.j2").render(index_view(entries))
