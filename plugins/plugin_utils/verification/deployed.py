# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether what was deployed is still as it was left: what somebody has changed, removed or stopped by hand is named."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import counted

REMEDY = "site.yml puts it right"


def results(services, deployed, settled=()):
    """One result for each service that differs, or one for all together where none does.

    services: descriptions of what runs on the host. deployed: what the measurement found. settled: names of the
    services that this run has put right since then.
    """
    differing = {
        name: words for name, words in sorted((deployed.get("differing") or {}).items()) if name not in settled}
    if not differing:
        count = len({*(deployed.get("unchanged") or {}), *settled})
        same = f"{counted(count, 'service')}, nothing was changed by hand"
        return [_result("As deployed", True, same)] if count else []
    return [
        _result("{} as deployed".format(services.get(name, {}).get("title", name)), False, _sentence(words))
        for name, words in differing.items()]


def _sentence(words):
    return "{}: {}".format("; ".join(words), REMEDY)


def _result(name, is_ok, detail):
    return {"name": name, "ok": is_ok, "detail": detail, "seconds": 0}
