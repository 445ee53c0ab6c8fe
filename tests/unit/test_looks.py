# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How services are shown comes from their roles, and from their names where a role says nothing."""

from __future__ import annotations

import pathlib

import pytest
from ansible.errors import AnsibleActionFail
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import looks
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SERVICES, plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import imagined

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
OWN = catalogue.looks({name: str(ROLES / name) for name in catalogue.own_roles()})


@pytest.fixture
def look_read(tmp_path):
    def read(text, name="greeter"):
        """The look of a role of somebody else's with such a description."""
        (tmp_path / "meta").mkdir(exist_ok=True)
        (tmp_path / "meta/service.yml").write_text(text)
        return catalogue.looks({name: str(tmp_path)})[name]
    return read


def test_every_service_of_the_collection_has_a_title_and_a_colour_of_its_own():
    assert set(SERVICES) < set(OWN)
    assert all(OWN[service]["title"] != service for service in SERVICES)
    for scheme in ("light", "dark"):
        assert len({look["colour"][scheme] for look in OWN.values()}) == len(OWN)


@pytest.mark.parametrize("service", SERVICES)
def test_highlights_are_settings_of_the_plan(service):
    settings = plan(imagined(32, 96, 500), {"tier": "large"})["services"][service].get("settings", {})
    assert set(OWN[service]["highlights"]) <= set(settings)


def test_a_role_that_says_nothing_gets_its_name_and_a_neutral_colour(look_read):
    for text in ("enabled: true\n", "---\n"):
        look = look_read(text)
        assert (look["title"], look["highlights"]) == ("greeter", [])
        assert look["colour"] in looks.NEUTRAL


def test_a_neutral_colour_is_the_same_each_time_and_not_everywhere():
    chosen = [looks.look_of(f"service{number}")["colour"] for number in range(60)]
    assert chosen == [looks.look_of(f"service{number}")["colour"] for number in range(60)]
    lights = [looks.look_of(name)["colour"]["light"] for name in ("greeter", "mail", "search", "wiki")]
    assert lights == ["#7d7461", "#6b7280", "#85685c", "#6b7280"]
    assert all(colour in chosen for colour in looks.NEUTRAL)


def test_a_look_is_read_as_it_is_written(look_read):
    look = look_read('title: Greeter\ncolour: {light: "#123456", dark: "#ABCDEF"}\nhighlights: [depth]\n'
                     'enabled: "{{ greeter_enabled | bool }}"\n')
    assert look == {
        "title": "Greeter", "colour": {"light": "#123456", "dark": "#ABCDEF"}, "highlights": ["depth"]}


@pytest.mark.parametrize(("text", "fault"), [
    ("title: 5", "title: expected plain text, no expression, got 5"),
    ("title:", "title: expected plain text, no expression, got None"),
    ("title: ' '", "title: expected plain text, no expression, got ' '"),
    ("title: '{{ x }}'", "title: expected plain text, no expression, got '{{ x }}'"),
    ("colour: red", """colour: expected {light: "#rrggbb", dark: "#rrggbb"}, got 'red'"""),
    ("colour: {light: '#112233'}", "colour: expected"),
    ("colour: {light: '#112233', dark: '#12345'}", "colour: expected"),
    ("colour: {light: '#112233', dark: 1}", "colour: expected"),
    ("colour: {light: '#112233', dark: '#112233; } body { display: none'}", "colour: expected"),
    ("highlights: depth", "highlights: expected a list of settings, got 'depth'"),
    ("highlights: [1]", "highlights: expected a list of settings, got [1]"),
])
def test_a_look_that_cannot_be_shown_is_told_with_its_place(look_read, text, fault):
    with pytest.raises(AnsibleActionFail) as error:
        look_read(text)
    assert str(error.value).startswith("roles/greeter/meta/service.yml: " + fault)


def test_all_faults_are_told_at_once(look_read):
    with pytest.raises(AnsibleActionFail) as error:
        look_read("title: 5\ncolour: red\nhighlights: x")
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == ["title", "colour", "highlights"]


def contrast(one, other):
    """Contrast of two colours as WCAG defines it, 1 to 21."""
    darker, lighter = sorted(looks._luminance(colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0)])
def test_contrast_is_that_of_wcag(one, other, expected):
    assert contrast(one, other) == pytest.approx(expected, abs=0.005)


@given(st.integers(0, 0xffffff))
def test_letters_can_be_read_on_any_colour(number):
    colour = f"#{number:06x}"
    assert contrast(colour, looks.letters_on(colour)) >= 3


@pytest.mark.parametrize(("colour", "letters"), [("#2f6db5", "#ffffff"), ("#6fa8dc", "#14202c")])
def test_letters_are_white_where_that_can_be_read(colour, letters):
    assert looks.letters_on(colour) == letters
