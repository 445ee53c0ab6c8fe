# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json

from ansible_collections.trenova.selfhost.plugins.plugin_utils.daemon_json import merged

WANTED = {"live-restore": True, "log-driver": "local", "registry-mirrors": []}


def result(*arguments):
    return json.loads(merged(*arguments))


def test_bare_server_gets_our_settings_and_no_empty_ones():
    assert result(None, WANTED, {}, None) == {"live-restore": True, "log-driver": "local"}


def test_what_the_administrator_set_is_kept():
    found = {"log-driver": "journald", "dns": ["10.0.0.1"]}
    assert result(found, WANTED, {}, None) == {"log-driver": "journald", "dns": ["10.0.0.1"], "live-restore": True}


def test_our_own_keys_follow_our_values_and_go_with_them():
    applied = {"log-driver": "local", "bip": "10.1.0.1/16"}
    found = {"log-driver": "local", "bip": "10.1.0.1/16", "dns": ["10.0.0.1"]}
    assert result(found, {"log-driver": "json-file"}, {}, applied) == {"log-driver": "json-file", "dns": ["10.0.0.1"]}


def test_key_that_the_administrator_changed_after_us_is_his():
    assert result({"log-driver": "journald"}, WANTED, {}, {"log-driver": "local"})["log-driver"] == "journald"


def test_extra_of_the_inventory_wins():
    assert result({"live-restore": True}, WANTED, {"live-restore": False}, None)["live-restore"] is False


def test_second_merge_changes_nothing():
    first = merged({"dns": ["10.0.0.1"]}, WANTED, {}, None)
    assert merged(json.loads(first), WANTED, {}, WANTED) == first
