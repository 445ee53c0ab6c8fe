# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Our settings in an administrator's daemon.json: what is put there, and what would keep the Engine from starting.

`docker` is what was measured of Docker (module_utils/engine_facts.py), of which this looks at the flags that dockerd is
started with and at swarm mode. Nothing of it need be there.
"""

from __future__ import annotations

import json

#: Keys of the file whose flag is called otherwise. dockerd does not start when one setting stands in both places.
FLAGS = {
    "authorization-plugins": "authorization-plugin", "cdi-spec-dirs": "cdi-spec-dir",
    "default-address-pools": "default-address-pool", "default-network-opts": "default-network-opt",
    "default-ulimits": "default-ulimit", "dns-opts": "dns-opt", "exec-opts": "exec-opt", "features": "feature",
    "hosts": "host", "host-gateway-ips": "host-gateway-ip", "insecure-registries": "insecure-registry",
    "labels": "label", "log-opts": "log-opt", "node-generic-resources": "node-generic-resource",
    "registry-mirrors": "registry-mirror", "storage-opts": "storage-opt"}
#: Keys of the file that hold others, each with a flag of its own.
NESTED = {"proxies": ("http-proxy", "https-proxy", "no-proxy")}
#: The one key that dockerd takes from both places.
IN_BOTH = "runtimes"
#: Keys that mean something together only: whose the one is, his are the others.
TOGETHER = (("log-driver", "log-opts"),)
#: Keys that a running Engine takes over; for all others it has to be started anew.
RELOADED = frozenset((
    "debug", "default-runtime", "features", "insecure-registries", "labels", "live-restore", "max-concurrent-downloads",
    "max-concurrent-uploads", "max-download-attempts", "registry-mirrors", "runtimes", "shutdown-timeout"))
DEFAULT_LOG_DRIVER = "json-file"
#: Options that any driver takes.
COMMON_LOG_OPTIONS = frozenset((
    "mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"))
FILE_LOG_OPTIONS = frozenset(("max-size", "max-file", "compress"))
ABOUT_CONTAINERS = frozenset(("labels", "labels-regex", "env", "env-regex", "tag"))
#: {driver: its own options}, as moby's drivers check them; of other drivers nothing is known here.
LOG_OPTIONS = {
    "json-file": FILE_LOG_OPTIONS | ABOUT_CONTAINERS,
    "local": FILE_LOG_OPTIONS,
    "journald": ABOUT_CONTAINERS,
}


def readable(found):
    """Settings that were found; none where the file is no JSON, which the preflight tells before anybody writes it."""
    return found if isinstance(found, dict) and "unreadable" not in found else None


def merged(found, wanted, extra, applied, docker=None):
    """The new daemon.json.

    found: what is on the host (None when absent). wanted: what the services need. extra: keys that the
    inventory sets. applied: what of it is ours since the last time (None at first), as `ours` told.

    A key that the administrator set himself stays as he set it, in the file or as a flag. A key of ours follows our
    value, and goes when we no longer want it. Keys that mean something together only have one owner. Empty values are
    left out.
    """
    result = dict(_kept(found, extra, applied), **ours(found, wanted, extra, applied, docker))
    return json.dumps(result, indent=2, sort_keys=True) + "\n"


def ours(found, wanted, extra, applied, docker=None):
    """What of the new daemon.json is ours: settings that the services need, and those of the inventory."""
    his, extra, put = _kept(found, extra, applied), extra or {}, {}
    taken = {key for key in wanted or {} if key in his or is_flag(key, docker)}
    if in_swarm(docker):
        taken.add("live-restore")
    taken.update(*(keys for keys in TOGETHER if taken & {*keys}))
    for key, value in (wanted or {}).items():
        if key in taken or value in ({}, [], None):
            continue
        if key in RELOADED or may_restart(found, applied, docker):
            put[key] = value
        elif key in (found or {}):
            put[key] = found[key]
    if "log-driver" in extra and not takes(extra["log-driver"], put.get("log-opts") or {}):
        put.pop("log-opts", None)
    if "log-opts" in extra and not takes(put.get("log-driver"), extra["log-opts"] or {}):
        put.pop("log-driver", None)
    return dict(put, **extra)


def _his(found, applied):
    """The administrator's part of a file. What he changed in one of several keys that go together makes all his."""
    found, applied = found or {}, applied or {}
    changed = {key for key in found if key not in applied or found[key] != applied[key]}
    changed.update(*({*keys} & {*found} for keys in TOGETHER if changed & {*keys}))
    return {key: found[key] for key in found if key in changed}


def _kept(found, extra, applied):
    """What of it stays: options of his log driver go with it where the inventory names another one."""
    his = _his(found, applied)
    if {"log-driver", "log-opts"} & {*his} and his.get("log-driver", DEFAULT_LOG_DRIVER) != (extra or {}).get(
            "log-driver", his.get("log-driver", DEFAULT_LOG_DRIVER)):
        return {key: value for key, value in his.items() if key not in ("log-driver", "log-opts")}
    return his


def takes(driver, options):
    """Whether a log driver takes these options; False where it is not known here."""
    return driver in LOG_OPTIONS and not {*options} - LOG_OPTIONS[driver] - COMMON_LOG_OPTIONS


def is_flag(key, docker):
    """Whether a setting stands in the flags of dockerd, where a key of the file must not be added to it."""
    flags = flags_of(docker)
    return key != IN_BOTH and any(name in flags for name in (FLAGS.get(key, key), *NESTED.get(key, ())))


def flags_of(docker):
    """Flags that dockerd is started with: {name: value}."""
    return ((docker or {}).get("unit") or {}).get("flags") or {}


def in_swarm(docker):
    """Whether the Engine is a node of a swarm, which does not go with live-restore."""
    return (((docker or {}).get("engine") or {}).get("swarm") or "inactive") != "inactive"


def may_restart(found, applied, docker):
    """Whether the Engine may be started anew without ending all containers: live-restore is on, or may be turned on.

    Where it may not, settings of ours that would call for a restart are left as they are.
    """
    his = _his(found, applied)
    flag = flags_of(docker).get("live-restore")
    return not in_swarm(docker) and his.get("live-restore", True) is not False and flag != "false"


def needs_restart(found, extra, applied, docker):
    """Whether a new file calls for a start of the Engine, beyond what a running one takes over."""
    return may_restart(found, applied, docker) or bool({*(extra or {})} - RELOADED)


def faults(settings, docker=None):
    """Why an Engine would not start with these settings, as far as that is known: [(what is wrong, remedy)]."""
    found = []
    for key in sorted(key for key in settings if is_flag(key, docker)):
        found.append((
            f"{key} stands in the file and in the flags that dockerd is started with", f"take {key} out of the file"))
    if in_swarm(docker) and settings.get("live-restore"):
        found.append((
            "live-restore does not go with swarm mode, in which the Engine is", "take live-restore out of the file"))
    driver, options = settings.get("log-driver", flags_of(docker).get("log-driver", DEFAULT_LOG_DRIVER)), settings.get(
        "log-opts") or {}
    if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
        found.append(("log-opts holds a value that is no text", 'quote it, as in "max-file": "3"'))
    elif driver in LOG_OPTIONS and not takes(driver, options):
        unknown = sorted({*options} - LOG_OPTIONS[driver] - COMMON_LOG_OPTIONS)
        found.append((
            "the log driver {} knows no option {}".format(driver, ", ".join(unknown)),
            "take it out, or name the driver that it is for"))
    return found
