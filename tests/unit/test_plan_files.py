# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans as files, and the page that lists the hosts of a run."""

from __future__ import annotations

import html
import pathlib
import re

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.files import write_index, write_reports
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import imagined
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import read_plan

GOOD = plan(imagined(12, 24, 100), {"tier": "small", "users": 40})
REFUSED = plan(imagined(2, 4, 20), {"tier": "small"})
CHANGES = {"remarks": ["tier: minimum -> small"], "services": [
    {"service": name, "says": ["replaces it"], "figures": []} for name in ("redis", "api")]}


def rows_of(path):
    """{host: (address, cells as text)} of the page that lists the hosts."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", html.unescape(path.read_text()), re.DOTALL)
    return {
        re.sub("<br>.*|<[^>]+>", "", head): (
            "".join(re.findall('href="([^"]*)"', head)),
            [" ".join(re.sub("<[^>]+>", " ", cell).split()) for cell in re.findall("<td.*?</td>", cells, re.DOTALL)])
        for head, cells in rows}


def index_of(folder, *arguments, **more):
    """The path of the page that lists hosts."""
    return pathlib.Path(write_index(str(folder), *arguments, **more))


@pytest.fixture
def written(tmp_path):
    def write(**plans):
        """The directory with such plans of hosts."""
        for host, (planned, shown) in plans.items():
            write_reports(str(tmp_path), host, planned, {}, shown)
        return tmp_path
    return write


def test_a_plan_is_written_as_json_and_as_a_page(tmp_path):
    folder = tmp_path / "new/folder"
    paths = write_reports(str(folder), "erp 1/x", GOOD, {}, {"note": "Nobody was contacted."})
    assert paths == [str(folder / "erp_1_x.json"), str(folder / "erp_1_x.html")]
    assert read_plan((folder / "erp_1_x.json").read_text())["note"] == "Nobody was contacted."
    assert "<h1>erp 1/x</h1>" in (folder / "erp_1_x.html").read_text()


def test_each_host_has_a_row_with_a_link_in_the_order_of_the_play(written):
    folder = written(b=(GOOD, {"changes": CHANGES}), a=(REFUSED, {}), c=(GOOD, {"changes": dict(CHANGES, services=[])}))
    path = index_of(folder, ["b", "a", "c"])
    assert path == folder / "index.html"
    assert list(rows_of(path)) == ["b", "a", "c"]
    assert rows_of(path)["b"] == ("b.html", [
        "fits", "small", "40", "5760 MiB of 24 GiB", "tier: minimum -> small redis, api"])
    assert rows_of(path)["a"][1][0] == "refused"
    assert rows_of(path)["a"][1][-1] == "–"
    assert rows_of(path)["c"][1][-1] == "tier: minimum -> small nothing"
    assert "<p>3 hosts: 2 fit, 1 refused.</p>" in (folder / "index.html").read_text()


def test_what_was_said_of_a_host_is_said_here_too(written):
    folder = written(a=(GOOD, {"note": "Nobody was contacted."}))
    assert "Nobody was contacted." in index_of(folder, ["a"]).read_text()


@pytest.mark.parametrize(("content", "says"), [
    (None, "No such file"), ("{", "This is no JSON"), ("{}", "This is no plan of this version")])
def test_a_host_without_a_plan_is_listed_as_not_planned(written, content, says):
    folder = written(a=(GOOD, {}))
    if content is not None:
        (folder / "b.json").write_text(content)
    path = index_of(folder, ["a", "b"])
    assert rows_of(path)["b"] == ("", ["not planned", "–", "–", "–", "–"])
    assert says in path.read_text()
    assert "<p>2 hosts: 1 fit, 1 not planned.</p>" in path.read_text()


def test_a_plan_of_an_earlier_run_is_not_taken_for_one_of_a_host_that_failed(written):
    path = index_of(written(a=(GOOD, {}), b=(GOOD, {})), ["a", "b"], failed=["b"])
    assert (rows_of(path)["a"][1][0], rows_of(path)["b"][1][0]) == ("fits", "not planned")
    assert "The run failed for it" in path.read_text()


def test_a_host_called_like_the_list_keeps_its_page(written):
    folder = written(index=(GOOD, {}))
    path = index_of(folder, ["index"])
    assert rows_of(path)["index"][0] == "index_.html"
    assert "<h1>index</h1>" in (folder / "index_.html").read_text()
