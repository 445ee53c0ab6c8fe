# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page of a plan: whole, well formed, with nothing from outside, and with the numbers of the plan."""

from __future__ import annotations

import copy
import functools
import itertools
import pathlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import pictures, reading, view
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.page import index_page, plan_page
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPORT = ROOT / "plugins/plugin_utils/report"
STYLE = (REPORT / "page.css").read_text()
LOOKS = catalogue.looks({name: str(ROOT / "roles" / name) for name in catalogue.own_roles()})


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
    "runway_days": 876, "full_days": 1095, "backup_storage_gb": 150,
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
    return plan_page(name, planned, LOOKS, compare_tiers(capacity, intent), needed_host(intent), **more)


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
        # Beside its figure and in the list; what is no figure stands in the list.
        assert text.count(entry["reason"]) >= (2 if entry["setting"] in planned["explain"] else 1)
        assert entry["restore"] in text


def test_parts_of_the_memory_picture_are_those_of_the_plan():
    planned = plan(*CASES["large"])
    page = page_of("large")
    bar = re.search(r'aria-labelledby="memory-host-t.*?</figure>', page, re.DOTALL).group()
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="46" class="(?:c|of)-', bar)]
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
    page = plan_page("erp1", plan(capacity, {"tier": "small", "overrides": {"redis": {"maxmemory_mb": 1000}}}), LOOKS)
    row = re.search(r'<tr><th scope="row">maxmemory</th>.*?</tr>', page, re.DOTALL).group()
    assert "<b>1000</b> MiB" in row
    assert '<span class="badge own">yours</span> the plan\'s own: 1536 MiB' in row
    # A job of a backup has a fifteenth of these cores.
    assert re.findall("bound hit: [^<]*", page) == ["bound hit: 1 core before"]
    assert "bound hit: 41 instances before" in plan_page("erp1", plan(CASES["large"][0], {"users": 5000}), LOOKS)
    assert page.count('class="badge own"') == 1


def test_sections_come_only_with_something_in_them():
    page = plan_page("erp1", plan(*CASES["small"]), LOOKS)
    assert re.findall(r'<section id="([a-z]+)"', page) == [
        "notes", "memory", "connections", "disk", "figures", "deviations"]
    without = {key: value for key, value in plan(*CASES["small"]).items() if key != "disk"}
    without = plan_page("erp1", without, LOOKS)
    assert '<section id="disk"' not in without
    page = page_of("arm", disk=DISK, changes={"remarks": [], "services": []}, note="Nobody was contacted.")
    assert re.findall(r'<section id="([a-z]+)"', page) == [
        "warnings", "notes", "changes", "memory", "connections", "disk", "tiers", "buy", "figures", "deviations"]
    assert "Nothing would change." in page
    assert "<p>Nobody was contacted.</p>" in page


def test_disk_changes_and_sizes_are_told():
    text = words(page_of("large", disk=DISK, changes=CHANGES))
    assert "Planned: 49 GB of 90 GB available, 18 GB on day one. 80 % full in 876 days (2.4 years), full in " in text
    assert ", full in 1095 days (3.0 years)." in text
    assert "Day one 18 GB" in text
    assert "users: 40 -> 50" in text
    assert "maxmemory 1536 MiB → 3072 MiB" in text
    assert "For 350 users (tier large), a new host with nothing else on it" in text
    page = page_of("small", disk=dict(DISK, growth_gb_per_year=None, runway_days=None))
    assert "disk-growth" not in page
    assert "No growth is known: set trenova_users" in page


def test_growth_beyond_the_disk_is_drawn_in_another_colour():
    page = page_of("small", disk=DISK)
    growth = re.search(r'aria-labelledby="disk-growth-t.*?</figure>', page, re.DOTALL).group()
    beyond = [float(width) for width in re.findall(r'width="([\d.]+)%" height="14" class="c-over"', growth)]
    assert beyond[:3] == [0, 0, 0]
    assert beyond[3] == pytest.approx(100 * 18 / 108, abs=0.001)


#: Whatever somebody may write: what a browser takes for markup, a style or an address, and any other letters.
ANYTHING = st.lists(st.one_of(
    st.sampled_from(["<script>alert(1)</script>", "</style>", "</title>", "<!--", "<", ">", "&", "&lt;", '"', "'", "`",
                     "{{", "%}", "javascript:", "; }", "/", "x", " "]),
    st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=8).map("".join)


def bare(text):
    """A text without its spaces, and without the backticks around commands."""
    return re.sub(r"[\s`]", "", text)


@functools.cache
def refused():
    """(plan, comparison, what to buy, page) of a host that has something to show in each section."""
    capacity, intent = CASES["refused"]
    page = Reader(page_of("refused", disk=DISK, changes=CHANGES, note="A note."))
    return plan(capacity, intent), compare_tiers(capacity, intent), needed_host({"tier": "small"}), page


def with_texts(texts):
    """A plan, and all that is shown besides, in which a text stands wherever one can."""
    planned, comparison, needed = copy.deepcopy(refused()[:3])
    planned["host"].update(architecture=next(texts), disk_kind=next(texts))
    planned["tier"] = next(texts)
    planned["warnings"] = [{"rule": next(texts), "text": next(texts)}]
    planned["refusals"] = [
        dict(planned["refusals"][0], text=next(texts), remedy=[next(texts)], override=next(texts))]
    planned["deviations"][0].update(id=next(texts), document=next(texts), reason=next(texts), restore=next(texts))
    planned["explain"]["redis.cpus"].update(
        rule=next(texts), source=next(texts), inputs={next(texts): next(texts)}, unit=next(texts), value=next(texts),
        overridden=True, bounds={"planned": next(texts), "choices": [next(texts)], "before": next(texts)})
    for _number in range(2):
        planned["services"][next(texts)] = {"memory_limit_mb": 64, "settings": {next(texts): next(texts)}}
    planned["disk"] = dict(DISK, items=[{"name": next(texts), "gb": 1, "what": next(texts)}])
    needed["unmet"] = [next(texts)]
    needed["cores"]["needs"][0]["reason"] = next(texts)
    figures = [{"name": next(texts), "unit": next(texts), "before": next(texts), "after": next(texts)}]
    return planned, {
        "comparison": [dict(comparison[0], tier=next(texts), reasons=[next(texts)])],
        "needed": needed, "note": next(texts), "changes": {"remarks": [next(texts)], "services": [
            {"service": next(texts), "says": [next(texts)], "figures": figures}]}}


@settings(max_examples=40, deadline=None)
@given(st.lists(ANYTHING, min_size=7, max_size=7))
def test_whatever_stands_in_a_plan_is_text_on_the_page(texts):
    given_texts = itertools.cycle(texts)
    planned, shown = with_texts(given_texts)
    title, name = next(given_texts), next(given_texts)
    looks = dict(LOOKS, redis=dict(LOOKS["redis"], title=title))
    page = plan_page(name, planned, looks, **shown)
    reader = Reader(page)
    known = refused()[3]
    assert {tag for tag, _attributes in reader.elements} <= {tag for tag, _attributes in known.elements}
    names = {key for _tag, attributes in known.elements for key in attributes}
    assert {key for _tag, attributes in reader.elements for key in attributes} <= names
    used = {kind for _tag, attributes in reader.elements for kind in attributes.get("class", "").split()}
    assert all(re.fullmatch("[A-Za-z0-9_-]+", kind) for kind in used)
    text = bare("".join(reader.text))
    for value in (name, title, *planned["services"], shown["note"], planned["warnings"][0]["text"],
                  planned["deviations"][0]["reason"], planned["explain"]["redis.cpus"]["value"],
                  planned["explain"]["redis.cpus"]["rule"], planned["disk"]["items"][0]["what"],
                  shown["changes"]["remarks"][0], shown["changes"]["services"][0]["service"]):
        assert bare(title if value == "redis" else looks.get(value, {}).get("title", value)) in text
    index = Reader(index_page([
        {"name": name, "page": title, "plan": dict(planned, **shown), "problem": None},
        {"name": title, "page": name, "plan": None, "problem": shown["note"]}]))
    assert bare(name) in bare("".join(index.text))
    assert bare(shown["note"]) in bare("".join(index.text))
    assert {tag for tag, _attributes in index.elements} <= {tag for tag, _attributes in known.elements}


def test_nobody_escapes_by_hand():
    for path in REPORT.iterdir():
        if path.is_file():
            assert not re.search(r"\bescape\(|Markup|\|\s*safe\b|autoescape(?!=True)", path.read_text()), path.name


@given(st.lists(ANYTHING | st.sampled_from(["11", "free", "a", "a-t", "-", "of-a"])))
def test_every_service_has_a_kind_of_its_own_which_can_be_a_class(names):
    cast = view.Cast(names, {})
    kinds = [cast.kind(name) for name in dict.fromkeys(names)]
    assert len(set(kinds)) == len(kinds) == len(cast.shades())
    assert all(re.fullmatch("of-[A-Za-z0-9_-]+", kind) for kind in kinds)


def with_foreign():
    """A plan with a service of somebody else's, of which nothing is explained."""
    planned = copy.deepcopy(plan(*CASES["small"]))
    planned["services"]["greeter"] = {"memory_limit_mb": 640, "memory_reservation_mb": 16, "cpus": 0.25, "instances": 2,
                                      "settings": {"depth": 7}}
    return planned


@pytest.mark.parametrize(("looks", "title", "fill"), [
    (LOOKS, "greeter", "#7d7461"),
    (dict(LOOKS, greeter={"title": "Greeter of guests", "colour": {"light": "#123456", "dark": "#abcdef"},
                          "highlights": []}), "Greeter of guests", "#123456"),
])
def test_a_service_of_somebody_elses_simply_appears(looks, title, fill):
    page = plan_page("erp1", with_foreign(), looks)
    bar = re.search(r'aria-labelledby="memory-host-t.*?</figure>', page, re.DOTALL).group()
    assert re.search(rf'height="46" class="of-greeter"><title>{title}: 1280 MiB', bar)
    assert f"{title} <b>1280 MiB</b>" in bar
    assert re.search(rf'<tr><th scope="row">{title} <span class="quiet">x 2</span>', page)
    assert f'<h3 id="figures-of-greeter">{title}' in page
    row = re.search(r'<tr><th scope="row">depth</th>.*?</tr>', page, re.DOTALL).group()
    assert "<b>7</b>" in row
    assert "as its role says" in row
    assert f".of-greeter {{ --fill: {fill}; --letters: #ffffff; }}" in page


def test_services_come_in_the_order_of_the_plan():
    planned = with_foreign()
    planned["services"] = dict(reversed(planned["services"].items()))
    rows = re.findall(r'<h3 id="figures-of-(\w+)"', plan_page("erp1", planned, LOOKS))
    assert rows == list(planned["services"])
    assert rows[0] == "greeter"


def test_a_service_has_one_colour_on_the_whole_page():
    page = page_of("small", disk=DISK)
    assert re.search(r'class="of-postgres"><title>PostgreSQL: 29 GB</title>', page)
    light, dark = page.split("@media (prefers-color-scheme: dark) {\n  .of-")
    assert ".of-postgres { --fill: #2f6db5; --letters: #ffffff; }" in light
    assert dark.startswith("postgres { --fill: #4d8bd6; --letters: #ffffff; }")


def test_same_plan_gives_the_same_page():
    assert page_of("large") == page_of("large")


def test_style_knows_light_dark_paper_and_every_colour_that_is_used():
    for rule in ("prefers-color-scheme: dark", "@media print", "max-width: 44rem"):
        assert rule in STYLE
    pages = [page_of(case, disk=DISK) for case in CASES]
    used = {kind for page in pages for kinds in re.findall(r'class="([^"]+)"', page)
            for kind in kinds.split() if kind.startswith("c-")}
    assert len(used) == 6
    assert all(f".{kind} {{ --fill: var(--{kind[2:]}); " in STYLE for kind in used)
    assert all(STYLE.count(f"--{kind[2:]}: #") >= 2 for kind in used)
    for page in pages:
        own = set(re.findall(r'class="(?:name |wide )*(of-[^ "]+)', page))
        assert own == set(re.findall(r"^\.(of-\S+) {", page, re.MULTILINE))
        assert own == set(re.findall(r"^  \.(of-\S+) {", page, re.MULTILINE))


def pictures_of(page):
    """The pictures of a page by their keys, each with the classes and names of its rectangles."""
    found = {}
    for part in page.split('<svg role="img" aria-labelledby="')[1:]:
        drawn = part.partition("</figure>")[0]
        found[drawn.partition("-t ")[0]] = re.findall(r'<rect [^>]*class="([^"]+)">(?:<title>([^:<]*))?', drawn)
    return found


@pytest.mark.parametrize("case", ["minimum", "large", "huge", "few"])
def test_each_service_has_its_own_name_and_colour_in_every_picture(case):
    planned = plan(*CASES[case])
    drawn = pictures_of(page_of(case))
    titles = {f"of-{name}": LOOKS[name]["title"] for name in LOOKS}
    for key in ("memory-host", "disk-bar"):
        for kinds, name in drawn[key]:
            kind = kinds.split()[0]
            if name in titles.values() or kind in titles:
                assert titles.get(kind) == name, key
    on_disk = {item["name"] for item in planned["disk"]["items"]} & set(LOOKS)
    assert {LOOKS[name]["title"] for name in on_disk} <= {name for _kinds, name in drawn["disk-bar"]}
    funnel = [kinds.split()[0] for kinds, _name in drawn["funnel"]]
    assert funnel == ["of-api", "of-pgbouncer", "of-pgbouncer", "of-pgbouncer", "of-postgres", "c-direct",
                      "of-postgres", "c-kept", "c-free"]
    assert {kinds for kinds, _name in drawn.get("disk-growth", [])} <= {"c-free", "c-level", "c-over"}


def colours_of(scheme):
    """{name: #rrggbb} of the page's own colours of a scheme."""
    light, _start, dark = STYLE.partition("@media (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark.partition("}\n}")[0]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_no_service_has_no_service_s_colour(scheme):
    def channels(colour):
        return [int(colour[place:place + 2], 16) for place in (1, 3, 5)]

    kinds = set(re.findall(r"\.c-([a-z]+) \{", STYLE))
    assert kinds == {"system", "free", "direct", "kept", "level", "over"}
    planned = [name for name in LOOKS if name != "docker"]
    for kind in kinds:
        for service in planned:
            one, other = channels(colours_of(scheme)[kind]), channels(LOOKS[service]["colour"][scheme])
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 40, (kind, service)


def test_what_helps_stands_under_a_warning():
    planned = plan(*CASES["small"])
    planned["warnings"] = [
        {"rule": "R2", "text": "R2: too few. What helps, cheapest first: (1) a.", "remedy": ["a `command`", "b"]},
        {"rule": "R7", "text": "R7: full.", "remedy": ["one way"]}, {"rule": "R9", "text": "R9: nothing helps."}]
    planned["notes"] = [{"text": "mostly idle.", "remedy": ["trenova_mode: balanced"]}]
    page = plan_page("erp1", planned, LOOKS)
    Reader(page)
    warnings = re.search(r'<section id="warnings".*?</section>', page, re.DOTALL).group()
    told = " ".join(re.sub(r"<[^>]+>", " ", warnings).split())
    assert told == ("Warnings R2: too few. What helps, cheapest first: a command b R7: full. What helps: one way "
                    "R9: nothing helps.")
    assert "<code>command</code>" in warnings
    notes = re.search(r'<section id="notes".*?</section>', page, re.DOTALL).group()
    assert "mostly idle." in notes
    assert "trenova_mode: balanced" in notes


def test_names_are_not_broken_in_the_middle_of_a_word_on_a_wide_screen():
    wide, _start, narrow = STYLE.partition("@media (max-width: 44rem)")
    rules = {selector.strip(): body for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", wide)}
    breaking = [selector for selector, body in rules.items() if re.search("anywhere|break-all|break-word", body)]
    # The name of the host alone may be as long as it likes.
    assert breaking == ["h1"]
    assert "table-layout: fixed" not in wide
    assert "overflow-wrap: anywhere" in narrow


def test_style_names_no_service():
    assert not [service for service in LOOKS if re.search(rf"\b{service}\b", STYLE)]


def test_names_stand_in_a_bar_where_there_is_room():
    parts = [pictures.Part(name, value, "c-x", "") for name, value in (("wide", 60), ("some", 10), ("none", 5))]
    shapes = pictures.stacked(parts, 100, 0, 40)
    assert [(shape.text, shape.is_wide) for shape in shapes if shape.form == "name"] == [
        ("wide", False), ("some", True)]
    long = pictures.stacked([pictures.Part("images and logs", 11, "c-x", "")], 100, 0, 40)
    assert not [shape for shape in long if shape.form == "name"]
    assert [(shape.left, shape.width) for shape in shapes if shape.form == "rectangle"] == [(0, 60), (60, 10), (70, 5)]


@pytest.mark.parametrize(("value", "said"), [(0, "0%"), (100 / 3, "33.333%"), (1e-9, "0%"), (100, "100%")])
def test_coordinates_have_as_many_places_as_can_be_seen(value, said):
    assert pictures.percent(value) == said
