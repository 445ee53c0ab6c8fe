# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field: what looks after the API while somebody works on Docker."""

from __future__ import annotations


def test_report_14_the_watch_leaves_a_stopped_engine_alone(server, host):
    """Its timer has its turn while the Engine is stopped; containers live on, and nothing is restarted afterwards."""
    before = server.started()
    host.check_output("systemctl stop docker.service docker.socket")
    try:
        assert host.run("systemctl start trenova-api-watch.service").rc == 0
        assert host.check_output("systemctl is-active docker.service docker.socket || true").split() == ["inactive"] * 2
    finally:
        host.check_output("systemctl start docker.socket docker.service")
    host.check_output("systemctl start trenova-api-watch.service")
    assert server.restarted(before) == set()
