# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a visitor does with an installation, by the kind of a visit in a description."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from ansible_collections.trenova.selfhost.plugins.module_utils.account import (
    Account,
    filled,
    login_headers,
    not_answered,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.patience import NotYet
from ansible_collections.trenova.selfhost.plugins.module_utils.s3 import presigned_path
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import https_port, netloc, origin
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import (
    EXPIRED,
    CheckFailed,
    NotAsked,
    Visitor,
    expect,
)

#: Files of a page that hold its programs, and addresses of an API in them.
SCRIPTS = re.compile(r"""<(?:script|link)\b[^>]*?\b(?:src|href)=["']?([^"'\s>]+\.m?js)\b""", re.IGNORECASE)
API_ADDRESSES = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?=/api\b)")
#: Of a page that loads more, the first ones have the address.
MOST_SCRIPTS = 8
#: Part of the life of a certificate that is left when Caddy renews it.
RENEWED_BEFORE = 1 / 3


class Detail(str):
    """What a check has found, and in `more` what others are to know of it."""

    def __new__(cls, text, **more):
        """The text, with the entries that its result gets, those aside that say nothing."""
        found = super().__new__(cls, text)
        found.more = {name: value for name, value in more.items() if value}
        return found


@dataclass(frozen=True)
class Scene:
    """Who visits, and what holds for all visits of an installation."""

    visitor: Visitor
    #: Host names of all routes, and of those for which the entrance asks for a login.
    hosts: list[str] = field(default_factory=list)
    guarded: list[str] = field(default_factory=list)
    #: What the description says of the entrance.
    entrance: dict[str, Any] = field(default_factory=dict)
    #: Ports that may answer, and those that are asked.
    allowed_ports: set[int] = field(default_factory=set)
    asked_ports: set[int] = field(default_factory=set)
    #: {port: program} of what listens on the server, as far as that is known.
    holders: dict[int, str] = field(default_factory=dict)
    #: Why the ports, and where it does not answer, the entrance, cannot be asked from here; empty where they can.
    ports_unseen: str = ""
    unseen: str = ""
    #: {variable: value}
    passwords: dict[str, Any] = field(default_factory=dict, repr=False)
    #: {name of a visit: the account that logs in}, which keeps its session while it is asked again.
    accounts: dict[str, Account] = field(default_factory=dict, repr=False)
    #: How often the login of an account was neither let in nor refused.
    unanswered: Counter[str] = field(default_factory=Counter, repr=False)


def login_body(visit, mail, password):
    """Body of a login as the web client sends it."""
    return json.dumps(filled(visit["login"]["body"], {"mail": mail, "password": password}))


def logged_in(scene, visit, mail, password):
    """Answer of a login."""
    return scene.visitor.request(
        "POST", visit["host"], visit["login"]["uri"], login_body(visit, mail, password),
        login_headers(origin(visit["host"], scene.entrance)))


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
    wanted = https_port(scene.entrance)
    # What a proxy in front says of HTTP/3 is the proxy's own.
    told = [] if scene.entrance.get("behind_proxy") else re.findall(
        r'h3="[^":]*:(\d+)"', answer.headers.get("Alt-Svc", ""))
    if set(map(int, told)) - {wanted}:
        raise CheckFailed(f"HTTP/3 is announced on port {told[0]}, and not on {wanted}")
    _expect_api_of_page(scene, visit, answer.text())
    return "page, headers and certificate as expected"


def _expect_api_of_page(scene, visit, page):
    """The programs of the page ask the API where the page itself comes from, as far as they tell.

    A client that was built for another port or scheme, or whose placeholder nobody replaced, shows a page that nobody
    can log in to. What else it talks to is its own affair.
    """
    wanted, found = origin(visit["host"], scene.entrance), set()
    for source in list(dict.fromkeys(SCRIPTS.findall(page)))[:MOST_SCRIPTS]:
        place = urlsplit(urljoin(wanted + "/", source))
        if place.netloc == urlsplit(wanted).netloc:
            found.update(API_ADDRESSES.findall(scene.visitor.request("GET", visit["host"], place.path).text()))
    strange = sorted(
        address for address in found - {wanted}
        if urlsplit(address).hostname == visit["host"] or urlsplit(address).hostname.endswith(".invalid"))
    if strange and wanted not in found:
        raise CheckFailed(f"the page asks an API at {strange[0]}, and not at {wanted}")


def check_redirect(scene, visit):
    """Plain HTTP leads to HTTPS, at the very address under which browsers find the page."""
    try:
        answer = scene.visitor.plain_request("GET", visit["host"], "/")
    except OSError as error:
        if scene.entrance.get("behind_proxy"):
            return "the proxy in front takes no plain HTTP"
        raise CheckFailed(f"plain HTTP: {error}") from error
    target = answer.headers.get("Location", "")
    if answer.status not in (301, 302, 307, 308):
        raise CheckFailed(f"answered {answer.status}")
    if _origin_of(target) != origin(visit["host"], scene.entrance):
        raise CheckFailed("leads to {}, and not to {}".format(
            target or "no address", origin(visit["host"], scene.entrance)))
    return "leads to HTTPS"


def _origin_of(address):
    """Origin of an address, without a port that its scheme says already; None of what is no address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    named = "" if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{port}"
    return f"{parts.scheme}://{parts.hostname}{named}"


def check_certificates(scene, _visit):
    """The certificates last for some time yet."""
    if not scene.hosts:
        return "no host names to serve"
    days, failures = {}, []
    for name in scene.hosts:
        try:
            days[name] = scene.visitor.certificate_days(name)
        except CheckFailed as failure:
            failures.append(failure)
    if failures:
        # What fails for another reason must not get lost behind what an authority says.
        lacks = [failure.certificates for failure in failures]
        raise CheckFailed("; ".join(map(str, failures)), certificates={
            name: lack for told in lacks for name, lack in told.items()} if all(lacks) else None)
    shortest = min(days, key=days.get)
    left = days[shortest][0]
    if left <= 0:
        raise CheckFailed(f"the certificate of {shortest} has expired", certificates={shortest: EXPIRED})
    late = {name: days for name, (days, whole) in days.items() if days < whole * RENEWED_BEFORE}
    words = f"{left:.0f} more days or longer" if left >= 1 else f"{left * 24:.0f} more hours (renewed automatically)"
    return Detail(f"valid for {words}", late=late)


def check_ports(scene, _visit):
    """Nothing but the published ports answers on the network."""
    if scene.ports_unseen:
        raise NotAsked(scene.ports_unseen)
    ports = sorted(scene.asked_ports | scene.allowed_ports)
    with ThreadPoolExecutor(max_workers=16) as pool:
        answers = list(pool.map(scene.visitor.answers, ports))
    open_ports = {port for port, answered in zip(ports, answers, strict=True) if answered}
    unexpected = sorted(open_ports - scene.allowed_ports)
    if unexpected:
        named = [f"{port} ({scene.holders[port]})" if port in scene.holders else str(port) for port in unexpected]
        raise CheckFailed(
            "ports answer that should not: {}. Stop what listens there, close them in the firewall, or, where they are "
            "yours, write trenova_verify_other_ports: [{}]".format(
                ", ".join(named), ", ".join(map(str, unexpected))), lasting=True)
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
        if status >= 500:
            # Maybe the password is right and the session cannot be kept: that is no refusal.
            before, scene.unanswered[mail] = scene.unanswered[mail], scene.unanswered[mail] + 1
            raise not_answered(f"the login of {mail} answered {status}, neither let in nor refused", status, before)
        if status == 429:
            untested.append(f"{mail}: {status}")
    if untested:
        return "not asked, the application answers no login from here at the moment: " + ", ".join(untested)
    return "{} published logins refused".format(len(visit["accounts"]))


def _look_at_login(answer, ours):
    """Raise CheckFailed where a browser could not work with the answer of a login."""
    allowed = answer.headers.get("Access-Control-Allow-Origin", "*")
    if allowed not in ("*", ours):
        raise CheckFailed(f"the API allows the origin {allowed}, and not {ours}", lasting=True)
    cookies = answer.headers.get_all("Set-Cookie", [])
    if cookies and not any(re.search(r";\s*secure\s*(;|$)", value, re.IGNORECASE) for value in cookies):
        raise CheckFailed("the session cookie may travel without TLS: it is not marked as secure", lasting=True)


def check_login(scene, visit):
    """The account logs in, and gets data.

    After the logins that must be refused: attempts count against the same limit, a good one clears it.
    """
    if visit["name"] not in scene.accounts:
        def send(method, path, body, headers):
            return scene.visitor.request(method, visit["host"], path, body, headers)

        ours = origin(visit["host"], scene.entrance)
        body = login_body(visit, visit["user"], scene.passwords.get(visit["password_variable"]))
        scene.accounts[visit["name"]] = Account(
            send, visit["login"], ours, body, lambda answer: _look_at_login(answer, ours))
    scene.accounts[visit["name"]].proves()
    return f"{visit['user']} logged in and read data"


def check_objects(scene, visit):
    """An object goes in and out by presigned links; an unsigned request does not."""
    bucket, secret_key = "/trenova-verify", scene.passwords.get(visit["password_variable"])
    path = f"{bucket}/{uuid.uuid4().hex}"
    content = uuid.uuid4().hex.encode()

    def signed(method, target, body=None, query=None):
        link = presigned_path(
            method, netloc(visit["host"], scene.entrance), target, visit["access_key"], secret_key, visit["region"],
            query=query)
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
    """One result: name, kind, ok, detail, and whether a failure is lasting or may be asked about only after a while.

    What cannot be asked is a `note`.
    """
    answer = {"name": visit["name"], "kind": visit["kind"], "ok": True, "lasting": False}
    if visit.get("skip"):
        return dict(answer, detail="skipped: " + visit["skip"])
    try:
        detail = KINDS[visit["kind"]](scene, visit)
        return dict(answer, detail=str(detail), **getattr(detail, "more", {}))
    except NotAsked as reason:
        return dict(answer, detail=str(reason), note=True)
    except NotYet as failure:
        return dict(answer, **failure.answer())
