# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Brings all services of one host to their wanted state: what differs, and what to do about it, in which order.

Every room is plain Python with the Engine, the clock and the host's commands handed in (`tools.Tools`), so that all of
it runs in a test without Docker.
"""
