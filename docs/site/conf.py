# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Settings of Sphinx for the documentation site, which build.sh makes."""

project = "trenova.selfhost"
copyright = "Trenova self-host contributors"  # noqa: A001 - the name that Sphinx reads
title = html_title = html_short_title = "trenova.selfhost"
extensions = ["sphinx_antsibull_ext", "myst_parser"]
# Headings of the guides can be linked to, as they are where the guides are read as Markdown.
myst_heading_anchors = 4
html_theme = "sphinx_ansible_theme"
html_theme_options = {"topbar_links": {}, "vcs_pageview_mode": "", "logo_only": False}
html_show_sphinx = False
html_copy_source = False
html_use_index = False
html_use_modindex = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
# The reference names sections of Ansible's own documentation, which is not asked here. Names of ours are checked by
# antsibull-docs in `make lint`.
suppress_warnings = ["ref.ref"]
