# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page of a plan: whole, well formed, with nothing from outside, and with the numbers of the plan."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import pictures, reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.page import plan_page
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.style import STYLE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host


def host(cores, gib, disk_gb, **more):
    return dict({"cores": cores, "memory_mb": gib * 1024, "disk_free_gb": disk_gb, "disk_total_gb": disk_gb,
                 "disk_kind": "ssd", "architecture": "x86_64"}, **more)


CASES = {
    "minimum": (host(6, 12, 30), {"tier": "minimum"}), "small": (host(12, 24, 100), {"tier": "small", "users": 40}),
    "medium": (host(20, 48, 200), {"tier": "medium"}), "large": (host(32, 96, 500), {"users": 350}),
    "huge": (host(64, 512, 4000), {"tier": "small"}),
    "arm": (host(8, 16, 100, architecture="aarch64"), {"tier": "small"}),
    "refused": (host(4, 6, 20), {"tier": "large", "restore_document": ["rabbitmq-limit"]}),
    "few": (host(4, 8, 50), {"tier": "small", "services": ["redis"]}),
    "none": (host(4, 8, 50), {"tier": "small", "services": []}),
}
DISK = {
    "total_gb": 100, "available_gb": 90, "day_one_gb": 18, "planned_gb": 49, "growth_gb_per_year": 30,
    "runway_days": 876, "backup_storage_gb": 150,
    "items": [{"name": "postgres", "gb": 29, "what": "volume"}, {"name": "images", "gb": 20, "what": "two of each"}]}
CHANGES = {"remarks": ["users: 40 -> 50"], "services": [{
    "service": "redis", "says": ["replaces tren-redis"],
    "figures": [{"name": "maxmemory_mb", "unit": "MiB", "before": 1536, "after": 3072}]}]}


class Reader(HTMLParser):
    """Reads a page, and fails where elements are not nested."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(case, name="erp1", disk=None, **more):
    capacity, intent = CASES[case]
    planned = plan(capacity, intent)
    if disk:
        planned["disk"] = disk
    return plan_page(name, planned, compare_tiers(capacity, intent), needed_host(intent), **more)


def words(page):
    return " ".join(" ".join(Reader(page).text).split())


@pytest.mark.parametrize("case", CASES)
def test_page_is_well_formed_and_needs_nothing_from_outside(case):
    page = page_of(case, disk=DISK, changes=CHANGES)
    reader = Reader(page)
    assert not {"script", "link", "img", "iframe"}.intersection(tag for tag, _attributes in reader.elements)
    assert not re.search(r"https?://|@import|url\(|javascript:", page)
    assert all(attributes["href"].startswith("#") for attributes in reader.attributes("a"))


@pytest.mark.parametrize("case", CASES)
def test_names_are_unique_and_links_lead_somewhere(case):
    reader = Reader(page_of(case, disk=DISK, changes=CHANGES))
    identities = [attributes["id"] for _tag, attributes in reader.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    assert {attributes["href"][1:] for attributes in reader.attributes("a")} <= set(identities)
    for _tag, attributes in reader.elements:
        assert set(attributes.get("aria-labelledby", "").split()) <= set(identities)


@pytest.mark.parametrize("case", CASES)
def test_every_picture_has_a_title_and_a_description_and_stays_inside(case):
    page = page_of(case, disk=DISK)
    drawn = re.findall(r'<svg role="img" aria-labelledby="(\S+) (\S+)"', page)
    assert len(drawn) == 4 + len(plan(*CASES[case])["services"])
    assert all(re.search(rf'<title id="{title}">[^<]+</title><desc id="{about}">[^<]+</desc>', page)
               for title, about in drawn)
    for x, width in re.findall(r'x="(-?[\d.e+-]+)%" y="\d+" width="(-?[\d.e+-]+)%"', page):
        assert float(x) >= 0
        assert float(width) >= 0
        assert float(x) + float(width) <= 100.01


@pytest.mark.parametrize("case", ["minimum", "large", "refused"])
def test_every_figure_stands_in_a_table_with_its_rule_and_source(case):
    planned, text = plan(*CASES[case]), words(page_of(case))
    for path, figure in planned["explain"].items():
        if path.split(".")[0] in planned["services"]:
            assert " ".join(figure["rule"].split()) in text
            assert " ".join(figure["source"].replace("**", "").split()) in text
    for entry in planned["deviations"]:
        assert text.count(entry["reason"]) >= 2
        assert entry["restore"] in text


def test_parts_of_the_memory_picture_are_those_of_the_plan():
    planned = plan(*CASES["large"])
    page = page_of("large")
    bar = re.search(r'aria-labelledby="memory-host-t.*?</figure>', page).group()
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="46" class="c-', bar)]
    assert sum(widths) == pytest.approx(100, abs=0.01)
    assert widths[0] == pytest.approx(100 * planned["host"]["reserve_mb"] / planned["host"]["memory_mb"], abs=0.001)
    assert "Free <b>71.1 GiB</b>" in bar
    limits = sum(reading.totals_of(entry)[0] for entry in planned["services"].values())
    assert limits == planned["totals"]["memory_limit_mb"] + planned["totals"]["memory_limit_jobs_mb"]
    cpus = sum(reading.totals_of(entry)[2] for name, entry in planned["services"].items() if name != "backup")
    assert cpus == planned["totals"]["cpus"]


def test_too_much_memory_shows_where_the_host_ends():
    memory = re.search(r'<section id="memory".*?</section>', page_of("minimum"), re.DOTALL).group()
    assert 'class="edge"' not in memory
    page = page_of("refused")
    assert 'class="edge"' in page
    assert "10.9 GiB more than there is" in page
    assert "Without a limit: RabbitMQ." in page


def test_refusals_have_remedies_and_the_override():
    text = words(page_of("refused"))
    assert "Refused for 4 reasons; nothing is deployed before they are settled." in text
    assert "R1: 4 CPU cores found, 6 needed. What helps, cheapest first: raise the CPU limit of this virtual" in text
    assert "To go on all the same, at your own risk: trenova_accept_undersized_host: true" in text
    assert "<code>docker image prune</code> removes unused images" in page_of("refused")


def test_overrides_and_bounds_are_marked():
    capacity = CASES["small"][0]
    page = plan_page("erp1", plan(capacity, {"tier": "small", "overrides": {"redis": {"maxmemory_mb": 1000}}}))
    row = re.search(r'<tr><th scope="row">maxmemory</th>.*?</tr>', page).group()
    assert "<b>1000</b> MiB" in row
    assert '<span class="badge own">yours</span> the plan\'s own: 1536 MiB' in row
    assert "bound hit" not in page
    assert "bound hit: 41 instances before" in plan_page("erp1", plan(CASES["large"][0], {"users": 5000}))
    assert page.count('class="badge own"') == 1


def test_sections_come_only_with_something_in_them():
    page = plan_page("erp1", plan(*CASES["small"]))
    assert re.findall(r'<section id="([a-z]+)"', page) == [
        "memory", "connections", "disk", "figures", "deviations"]
    without = plan_page("erp1", {key: value for key, value in plan(*CASES["small"]).items() if key != "disk"})
    assert '<section id="disk"' not in without
    page = page_of("arm", disk=DISK, changes={"remarks": [], "services": []}, note="Nobody was contacted.")
    assert re.findall(r'<section id="([a-z]+)"', page) == [
        "warnings", "changes", "memory", "connections", "disk", "tiers", "buy", "figures", "deviations"]
    assert "Nothing would change." in page
    assert "<p>Nobody was contacted.</p>" in page


def test_disk_changes_and_sizes_are_told():
    text = words(page_of("large", disk=DISK, changes=CHANGES))
    assert "Planned: 49 GB of 90 GB available, 18 GB on day one. Full in 876 days (2.4 years)." in text
    assert "Day one 18 GB" in text
    assert "users: 40 -> 50" in text
    assert "maxmemory 1536 MiB → 3072 MiB" in text
    assert "For 350 users (tier large), a new host with nothing else on it" in text
    page = page_of("small", disk=dict(DISK, growth_gb_per_year=None, runway_days=None))
    assert "disk-growth" not in page
    assert "No growth is known: set trenova_users" in page


def test_growth_beyond_the_disk_is_drawn_in_another_colour():
    page = page_of("small", disk=DISK)
    growth = re.search(r'aria-labelledby="disk-growth-t.*?</figure>', page).group()
    beyond = [float(width) for width in re.findall(r'width="([\d.]+)%" height="14" class="c-over"', growth)]
    assert beyond[:3] == [0, 0, 0]
    assert beyond[3] == pytest.approx(100 * 18 / 108, abs=0.001)


def test_whatever_stands_in_a_plan_is_escaped():
    evil = "<script>alert('x')</script>&\""
    capacity, intent = CASES["refused"]
    planned = plan(dict(capacity, architecture=evil), intent)
    planned["warnings"] = [{"rule": evil, "text": evil}]
    planned["refusals"] = [dict(planned["refusals"][0], text=evil, remedy=[evil], override=evil)]
    planned["deviations"][0].update(document=evil, reason=evil, restore=evil)
    planned["explain"]["redis.cpus"].update(rule=evil, source=evil, inputs={evil: evil}, unit=evil)
    figures = [{"name": evil, "unit": evil, "before": evil, "after": evil}]
    needed = needed_host({"tier": "small"})
    needed["unmet"] = [evil]
    needed["cores"]["needs"][0]["reason"] = evil
    page = plan_page(
        evil, dict(planned, disk=dict(DISK, items=[{"name": evil, "gb": 1, "what": evil}])),
        [dict(compare_tiers(capacity, intent)[0], reasons=[evil])], needed,
        {"remarks": [evil], "services": [{"service": evil, "says": [evil], "figures": figures}]}, note=evil)
    reader = Reader(page)
    assert "script" not in {tag for tag, _attributes in reader.elements}
    assert page.count("&lt;script&gt;") > 20


def test_same_plan_gives_the_same_page():
    assert page_of("large") == page_of("large")


def test_style_knows_light_dark_paper_and_every_colour_that_is_used():
    for rule in ("prefers-color-scheme: dark", "@media print", "max-width: 44rem"):
        assert rule in STYLE
    used = {kind for case in CASES for kinds in re.findall(r'class="([^"]+)"', page_of(case, disk=DISK))
            for kind in kinds.split() if kind.startswith("c-")}
    assert len(used) > 10
    assert all(f".{kind} {{ --fill: var(--{kind[2:]}); }}" in STYLE and f"--{kind[2:]}: #" in STYLE for kind in used)


def test_names_stand_in_a_bar_where_there_is_room():
    parts = [pictures.Part(name, value, "c-x", "") for name, value in (("wide", 60), ("some", 10), ("none", 5))]
    drawn = pictures.stacked(parts, 100, 0, 40)
    assert ('class="name">' in drawn, 'class="name wide">' in drawn, ">none</text>" in drawn) == (True, True, False)
