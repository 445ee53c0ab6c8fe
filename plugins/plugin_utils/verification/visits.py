# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a visitor does with an installation, by the kind of a visit in a description."""

from __future__ import annotations

import base64
import http.client
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.trenova.selfhost.plugins.module_utils.s3 import presigned_path
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import (
    TIMEOUT_SECONDS,
    CheckFailed,
    Visitor,
    expect,
)

#: Answers to a login that say no, whenever it is asked again; more attempts would only count against the limit.
REFUSED = (400, 401, 403, 422, 429)


@dataclass(frozen=True)
class Scene:
    """Who visits, and what holds for all visits of an installation."""

    visitor: Visitor
    #: Host names of all routes, and of those for which the entrance asks for a login.
    hosts: list[str] = field(default_factory=list)
    guarded: list[str] = field(default_factory=list)
    #: Port of the entrance for plain HTTP.
    http_port: int = 80
    #: Ports that may answer, and those that are asked.
    allowed_ports: set[int] = field(default_factory=set)
    asked_ports: set[int] = field(default_factory=set)
    #: {variable: value}
    passwords: dict[str, Any] = field(default_factory=dict, repr=False)


def filled(template, values):
    """A template with values for {name} in its texts; what is no text stays as it is."""
    if isinstance(template, dict):
        return {key: filled(entry, values) for key, entry in template.items()}
    if isinstance(template, list):
        return [filled(entry, values) for entry in template]
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), template)
    return template


def logged_in(scene, visit, mail, password):
    """Answer of a login as the web client sends it."""
    body = json.dumps(filled(visit["login"]["body"], {"mail": mail, "password": password}))
    headers = {"Content-Type": "application/json", "Origin": f"https://{visit['host']}"}
    return scene.visitor.request("POST", visit["host"], visit["login"]["uri"], body, headers)


def check_page(scene, visit):
    """The client's page comes by HTTPS with a valid certificate and the security headers."""
    answer = expect(scene.visitor.request("GET", visit["host"], "/"), 200, "/")
    if "<html" not in answer.text().lower():
        raise CheckFailed("the page is no HTML")
    wanted = ("Strict-Transport-Security", "X-Content-Type-Options")
    missing = [name for name in wanted if name not in answer.headers]
    if missing:
        raise CheckFailed("headers are missing: " + ", ".join(missing))
    if "no-cache" not in answer.headers.get("Cache-Control", ""):
        raise CheckFailed("index.html may be cached, so browsers would miss updates")
    return "page, headers and certificate as expected"


def check_redirect(scene, visit):
    """Plain HTTP leads to HTTPS."""
    connection = http.client.HTTPConnection(scene.visitor.address, scene.http_port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": visit["host"]})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise CheckFailed(str(error)) from error
    finally:
        connection.close()
    if answer.status not in (301, 302, 307, 308) or not answer.headers.get("Location", "").startswith("https://"):
        raise CheckFailed(f"answered {answer.status}")
    return "leads to HTTPS"


def check_certificates(scene, _visit):
    """The certificates last for some time yet."""
    if not scene.hosts:
        return "no host names to serve"
    days = {name: scene.visitor.certificate_days(name) for name in scene.hosts}
    shortest = min(days, key=days.get)
    if days[shortest] <= 0:
        raise CheckFailed(f"the certificate of {shortest} has expired")
    if days[shortest] >= 1:
        return f"valid for {days[shortest]:.0f} more days or longer"
    return f"valid for {days[shortest] * 24:.0f} more hours (renewed automatically)"


def check_ports(scene, _visit):
    """Nothing but the published ports answers on the network."""
    ports = sorted(scene.asked_ports | scene.allowed_ports)
    with ThreadPoolExecutor(max_workers=16) as pool:
        answers = list(pool.map(scene.visitor.answers, ports))
    open_ports = {port for port, answered in zip(ports, answers, strict=True) if answered}
    unexpected = sorted(open_ports - scene.allowed_ports)
    if unexpected:
        raise CheckFailed("ports answer that should not: " + ", ".join(map(str, unexpected)), lasting=True)
    return "{} ports asked; open: {}".format(len(ports), ", ".join(map(str, sorted(open_ports))))


def check_probe(scene, visit):
    """A request is answered as described, through the entrance."""
    path, status = visit["path"], int(visit["expect_status"])
    expect(scene.visitor.request("GET", visit["host"], path), status, path)
    return f"{path} answers {status}"


def check_closed_paths(scene, visit):
    """What must not be reached from outside is not."""
    for pattern in visit["paths"]:
        path = pattern.replace("*", "")
        status = scene.visitor.request("GET", visit["host"], path).status
        if status != 404:
            raise CheckFailed(f"{path} answered {status}")
    return "{} paths closed".format(len(visit["paths"]))


def check_refused_logins(scene, visit):
    """No account answers to a password that is published."""
    untested = []
    for mail, password in visit["accounts"]:
        status = logged_in(scene, visit, mail, password).status
        if status == 200:
            raise CheckFailed(f"{mail} logs in with its published password", lasting=True)
        if status == 429 or status >= 500:
            untested.append(f"{mail}: {status}")
    if untested:
        return "not asked, the application answers no login from here at the moment: " + ", ".join(untested)
    return "{} published logins refused".format(len(visit["accounts"]))


def check_login(scene, visit):
    """The account logs in, and gets data.

    After the logins that must be refused: attempts count against the same limit, a good one clears it.
    """
    answer = logged_in(scene, visit, visit["user"], scene.passwords.get(visit["password_variable"]))
    if answer.status in REFUSED:
        raise CheckFailed(f"the login answered {answer.status}, expected 200", lasting=True)
    expect(answer, 200, "the login")
    cookies = "; ".join(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []))
    if not cookies:
        raise CheckFailed("the login set no session cookie")
    for path in (visit["login"]["me"], visit["login"]["data"]):
        expect(scene.visitor.request("GET", visit["host"], path, headers={"Cookie": cookies}), 200, path)
    return f"{visit['user']} logged in and read data"


def check_objects(scene, visit):
    """An object goes in and out by presigned links; an unsigned request does not."""
    bucket, secret_key = "/trenova-verify", scene.passwords.get(visit["password_variable"])
    path = f"{bucket}/{uuid.uuid4().hex}"
    content = uuid.uuid4().hex.encode()

    def signed(method, target, body=None, query=None):
        link = presigned_path(
            method, visit["host"], target, visit["access_key"], secret_key, visit["region"], query=query)
        return scene.visitor.request(method, visit["host"], link, body)

    status = signed("PUT", bucket).status
    if status not in (200, 409):
        raise CheckFailed(f"making a bucket answered {status}")
    # As the application does it: only the entrance keeps strangers out then.
    public = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket[1:]}/*"]}]}
    expect(signed("PUT", bucket, json.dumps(public).encode(), {"policy": ""}), 204, "making the bucket public")
    expect(signed("PUT", path, content), 200, "putting an object")
    try:
        if expect(signed("GET", path), 200, "getting it").body != content:
            raise CheckFailed("the object came back with another content")
        # A signature that is only pretended, and one that is taken off behind the check at the entrance.
        for link, headers in (
            (path, {}),
            (path + "?X-Amz-Signature=pretended", {}),
            (path, {"Authorization": "AWS4-HMAC-SHA256 pretended", "Connection": "Authorization"}),
        ):
            status = scene.visitor.request("GET", visit["host"], link, headers=headers).status
            if status not in (400, 403):
                raise CheckFailed(f"getting it without a signature answered {status}")
    finally:
        signed("DELETE", path)
        signed("DELETE", bucket)
    return "put and got by presigned links; others refused"


def check_dashboards(scene, visit):
    """Dashboards open with the password only."""
    pair = "{}:{}".format(visit["user"], scene.passwords.get(visit["password_variable"]))
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    for host in scene.guarded:
        expect(scene.visitor.request("GET", host, "/"), 401, f"{host} without a password")
        expect(scene.visitor.request("GET", host, "/", headers=headers), 200, f"{host} with the password")
    return f"{len(scene.guarded)} closed without, open with the password"


#: Kind of a visit -> what is done. Results are told in this order.
KINDS = {
    "page": check_page,
    "redirect": check_redirect,
    "certificates": check_certificates,
    "ports": check_ports,
    "probe": check_probe,
    "closed_paths": check_closed_paths,
    "refused_logins": check_refused_logins,
    "login": check_login,
    "objects": check_objects,
    "dashboards": check_dashboards,
}


def ask(scene, visit):
    """One result: name, ok, detail, and whether a failure is lasting."""
    answer = {"name": visit["name"], "ok": True, "lasting": False}
    if visit.get("skip"):
        return dict(answer, detail="skipped: " + visit["skip"])
    try:
        return dict(answer, detail=KINDS[visit["kind"]](scene, visit))
    except CheckFailed as error:
        return dict(answer, ok=False, detail=str(error), lasting=error.lasting)
