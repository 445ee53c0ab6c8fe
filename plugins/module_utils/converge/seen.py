# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the Engine says of a container or a network, kept so that what somebody changes by hand is seen.

It is taken down when a service has reached its wanted state, and compared from then on. No key of the Engine means
anything here: all that it reports of how a thing was made is compared, whatever the key, so that nothing has to be
known of what can be changed. What varies by itself (state, process, addresses, paths of logs) stands elsewhere in its
answer. Digests are kept and no values: an environment may hold secrets.
"""

from __future__ import annotations

import hashlib
import json
import re

#: Labels by which a container is found. The others of Compose tell how it was called for, which says nothing of it.
KEPT_LABELS = ("com.docker.compose.project", "com.docker.compose.service", "com.docker.compose.oneoff")
COMPOSE_LABELS = "com.docker.compose."
#: The Engine gives anonymous volumes names of their own.
ANONYMOUS = re.compile(r"\b[0-9a-f]{64}\b")
#: Who called for a container, and from what terminal.
OF_THE_CALLER = (
    "HostConfig.ConsoleSize", "Config.AttachStdin", "Config.AttachStdout", "Config.AttachStderr", "Config.StdinOnce")
#: Where the order of a list means something; of all others Compose takes any.
ORDERED = ("Config.Cmd", "Config.Entrypoint", "Config.Healthcheck", "Config.Shell", "Config.OnBuild")
#: What has been asked for of a container's place on a network; the rest is what it got.
OF_ENDPOINT = ("IPAMConfig", "Links", "DriverOpts", "GwPriority")
#: How a network was made. Its addresses are given anew whenever somebody makes it anew, and are kept apart.
OF_NETWORK = ("Driver", "Internal", "Attachable", "EnableIPv6", "Options", "Labels")
ADDRESSES = "IPAM"
#: Part of what the Engine says -> what people call it.
WORDS = {
    "Image": "image", "Config.Env": "environment", "Config.Cmd": "command", "Config.Entrypoint": "command",
    "Config.User": "user", "Config.Labels": "labels", "Config.Image": "name of the image",
    "Config.ExposedPorts": "ports", "Config.Healthcheck": "health check", "Config.Hostname": "host name",
    "Config.WorkingDir": "working directory", "HostConfig.PortBindings": "ports", "HostConfig.Binds": "mounts",
    "HostConfig.Mounts": "mounts", "HostConfig.Tmpfs": "mounts", "HostConfig.NetworkMode": "networks",
    "HostConfig.CapAdd": "capabilities", "HostConfig.CapDrop": "capabilities", "HostConfig.Privileged": "privileges",
    "HostConfig.SecurityOpt": "privileges", "HostConfig.ShmSize": "shared memory",
    "HostConfig.LogConfig": "log", "HostConfig.ExtraHosts": "host names", "HostConfig.ReadonlyRootfs": "read-only root",
    **dict.fromkeys(["HostConfig." + key for key in (
        "Memory", "MemorySwap", "MemoryReservation", "NanoCpus", "CpuShares", "CpuQuota", "CpuPeriod", "CpusetCpus",
        "CpusetMems", "BlkioWeight", "PidsLimit", "Ulimits", "OomScoreAdj")], "limits"),
}


def of_container(container):
    """{part: digest} of how a container was made; what is empty is left out, so that an Engine may know more keys."""
    short_id = container.get("Id", "")[:12]
    parts = {"Image": container.get("Image")}
    for section in ("Config", "HostConfig"):
        parts.update((f"{section}.{key}", value) for key, value in (container.get(section) or {}).items())
    for key in OF_THE_CALLER:
        parts.pop(key, None)
    parts["Config.Labels"] = _labels(parts.get("Config.Labels"))
    if short_id and parts.get("Config.Hostname") == short_id:
        del parts["Config.Hostname"]
    for key in ("HostConfig.Binds", "HostConfig.Mounts"):
        parts[key] = _without_anonymous(parts.get(key))
    # Which of its networks a container has begun with says nothing of it.
    if parts.get("HostConfig.NetworkMode") in _networks(container):
        del parts["HostConfig.NetworkMode"]
    for name, endpoint in _networks(container).items():
        # Empty settings, too: being on a network is a part.
        parts[f"network {name}"] = dict({
            key: endpoint[key] for key in OF_ENDPOINT if endpoint.get(key)},
            aliases=sorted(alias for alias in endpoint.get("Aliases") or [] if alias != short_id))
    return _digests(parts)


def of_network(network):
    """The same of a network."""
    parts = {key: network.get(key) for key in (*OF_NETWORK, ADDRESSES)}
    parts["Labels"] = _labels(parts["Labels"], (*KEPT_LABELS, "com.docker.compose.network"))
    return _digests(parts)


def record(parts, thing, version):
    """What is kept: the parts, of which thing they are, and which version of the Engine said so."""
    return {"id": thing.get("Id", ""), "engine": version, "parts": parts}


def differing(known, thing, parts, version, leaving_out=()):
    """Names of the parts in which a thing is another one than a record says; none where there is no record.

    An upgraded Engine may say the same in other words. Of the thing that it was said of it is believed once: the Engine
    changes little of what is there, and that is compared with what is wanted.
    """
    if not known or known["id"] == thing.get("Id", "") and known["engine"] != version:
        return []
    return sorted(
        name for name in {*known["parts"], *parts} - {*leaving_out} if known["parts"].get(name) != parts.get(name))


def words(names):
    """Parts as people call them."""
    return ", ".join(dict.fromkeys(WORDS.get(name, name.rpartition(".")[2]) for name in names))


def _labels(labels, kept=KEPT_LABELS):
    return {name: value for name, value in (labels or {}).items()
            if not name.startswith(COMPOSE_LABELS) or name in kept}


def _networks(container):
    return (container.get("NetworkSettings") or {}).get("Networks") or {}


def _without_anonymous(value):
    return json.loads(ANONYMOUS.sub("", json.dumps(value)))


def _digests(parts):
    return {
        name: hashlib.sha256(_text(value if name in ORDERED else _in_order(value)).encode()).hexdigest()[:12]
        for name, value in sorted(parts.items()) if value not in (None, "", 0, False, [], {})}


def _in_order(value):
    if isinstance(value, dict):
        return {key: _in_order(entry) for key, entry in value.items()}
    return sorted(map(_in_order, value), key=_text) if isinstance(value, list) else value


def _text(value):
    return json.dumps(value, sort_keys=True)
