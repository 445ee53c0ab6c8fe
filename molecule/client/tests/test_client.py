# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The client as Caddy sees it."""

from __future__ import annotations

IMAGE = "trenova/backup:1"
ADDRESS = "http://tren-client:5173"


def curl(server, path):
    """Headers and body of an answer."""
    return server.client(IMAGE, f"curl -s -i {ADDRESS}{path}", network="trenova_app").replace("\r", "")


def script(server):
    """Path of the page's script."""
    return curl(server, "/").split('src="')[1].split('"')[0]


def test_page_is_not_cached_and_names_this_installation(server, host):
    page = curl(server, "/")
    assert page.startswith("HTTP/1.1 200")
    assert "Cache-Control: no-cache" in page
    asset = curl(server, script(server))
    assert "https://trenova.test/api/v1" in asset
    assert "trenova.invalid" not in asset


def test_hashed_files_are_cached_for_long(server, host):
    assert "immutable" in curl(server, script(server))


def test_paths_of_the_application_lead_to_the_page(server, host):
    assert "<html" in curl(server, "/shipments/42/edit").lower()


def test_missing_assets_and_source_maps_are_not_found(server, host):
    assert curl(server, script(server) + ".map").startswith("HTTP/1.1 404")
    assert curl(server, "/assets/absent-12345678.js").startswith("HTTP/1.1 404")


def test_files_of_a_directory_are_served_instead(server, host):
    host.check_output("mkdir -p /srv/own && echo '<html>own build</html>' > /srv/own/index.html")
    shown = ["+    - /srv/own:/srv/client:ro"]
    with server.change({"client_directory": "/srv/own"}, restarts=["tren-client"], shows=shown):
        assert "own build" in curl(server, "/")
    assert "own build" not in curl(server, "/")
