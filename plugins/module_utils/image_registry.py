# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Registries of images, asked by their HTTP API as the Engine will ask them, before there is an Engine."""

from __future__ import annotations

import base64
import glob
import hashlib
import http.client
import ipaddress
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trenova.selfhost.plugins.module_utils.images import split_reference

TIMEOUT_SECONDS = 10
#: So many patches further a registry is asked for a newer one: some are never published.
PATCHES_AHEAD = 3
#: More than any manifest or token has.
LONGEST_ANSWER = 4 << 20
HUB = "docker.io"
#: Registry -> host of its API, where that is another one.
API_HOSTS = {HUB: "registry-1.docker.io"}
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFEST_TYPES = INDEX_TYPES + (
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
#: What the kernel calls an architecture -> what images call it.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: Faults of a registry, not of one image: told once, with the number of images.
OF_REGISTRY = ("unreachable", "plain", "certificate", "login_missing", "login_refused", "answer")
#: OpenSSL's X509_V_FLAG_PARTIAL_CHAIN, which Python names only since 3.10.
PARTIAL_CHAIN = 0x80000


class Fault(Exception):
    """Why an image cannot be had. The kind is one of OF_REGISTRY, or denied, absent, architecture."""

    def __init__(self, kind, detail=""):
        super().__init__(detail)
        self.kind = kind


class Image:
    """A reference, taken apart as the Engine does it."""

    def __init__(self, reference):
        self.reference = reference
        repository, tag, digest = split_reference(reference)
        first, _slash, rest = repository.partition("/")
        if rest and ("." in first or ":" in first or first == "localhost"):
            self.registry, self.path = first, rest
        else:
            self.registry, self.path = HUB, repository
        if self.registry == "index.docker.io":
            self.registry = HUB
        if self.registry == HUB and "/" not in self.path:
            self.path = "library/" + self.path
        self.version = digest or tag or "latest"


class Settings:
    """What the Engine will know when it asks: certificates, logins, mirrors, proxies, registries without TLS.

    login: function of a registry's name that returns None, (user, password), or "helper" for one that only a
    program can tell. proxies: {"http", "https", "no"} -> text, as in the environment.
    """

    def __init__(self, login=None, certificates=None, mirrors=(), insecure=(), proxies=None, folder=None):
        self.login = login or (lambda _registry: None)
        self.certificates = certificates or {}
        self.mirrors = mirrors
        self.insecure = insecure
        self.proxies = proxies or {}
        self.folder = folder or "/etc/docker/certs.d"


class Answer:
    """Status, headers and body of an answer."""

    def __init__(self, response):
        self.status = response.status if hasattr(response, "status") else response.code
        self.headers = response.headers
        self.body = response.read(LONGEST_ANSWER)

    def document(self):
        """The body as a JSON object; empty when it is none."""
        try:
            found = json.loads(self.body.decode("utf-8"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Endpoint:
    """One server that speaks the API: a registry, or a mirror of one."""

    def __init__(self, name, settings, address=None):
        self.settings = settings
        self.login = settings.login(name)
        scheme, _separator, rest = (address or API_HOSTS.get(name, name)).rpartition("://")
        if scheme not in ("", "http", "https"):
            raise Fault("answer", f"{address} is no address of a registry")
        #: Host and port, by which the Engine looks for certificates too.
        self.host, _slash, path = rest.partition("/")
        self.path = "/" + path.strip("/") if path.strip("/") else ""
        self.is_insecure = scheme == "http" or is_insecure(self.host, settings.insecure)
        #: The Engine tries plain HTTP only where it may, and last.
        self.schemes = [scheme] if scheme else (["https", "http"] if self.is_insecure else ["https"])
        self.base = None
        self.challenge = None
        self.context = self._tls_context(name)

    def _tls_context(self, name):
        context = ssl.create_default_context()
        # As Go verifies: an authority need not be a root, nor name its own key; a common name is no host name.
        context.verify_flags = (context.verify_flags & ~ssl.VERIFY_X509_STRICT) | PARTIAL_CHAIN
        if hasattr(context, "hostname_checks_common_name"):
            context.hostname_checks_common_name = False
        folder = os.path.join(self.settings.folder, glob.escape(self.host))
        own = self.settings.certificates.get(self.host) or self.settings.certificates.get(name)
        try:
            if own:
                context.load_verify_locations(cadata=own)
            for path in glob.glob(os.path.join(folder, "*.crt")):
                context.load_verify_locations(cafile=path)
            for path in glob.glob(os.path.join(folder, "*.cert")):
                context.load_cert_chain(path, path[:-len("cert")] + "key")
        except (OSError, ValueError) as error:
            raise Fault("certificate", f"what is given for it is no certificate: {error}") from error
        if self.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def request(self, method, url, authorization=None, accept="*/*"):
        """One request, with redirects followed; the credentials are for the first address only."""
        request = urllib.request.Request(  # noqa: S310  # Endpoint and _authorization let only http and https through
            url, method=method, headers={"Accept": accept, "User-Agent": "trenova"})
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        parts = urllib.parse.urlsplit(url)
        proxy = proxy_for(parts, self.settings.proxies)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({parts.scheme: proxy} if proxy else {}),
            urllib.request.HTTPSHandler(context=self.context))
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return Answer(response)
        except urllib.error.HTTPError as error:
            return Answer(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._fault(getattr(error, "reason", None) or error, parts) from error

    @staticmethod
    def _fault(reason, parts):
        if isinstance(reason, ssl.SSLCertVerificationError):
            return Fault("certificate", f"{parts.netloc}: {reason.verify_message}")
        if getattr(reason, "reason", None) in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return Fault("plain", f"{parts.netloc} speaks no TLS")
        return Fault("unreachable", f"{parts.netloc}: {getattr(reason, 'strerror', None) or reason}")

    def greet(self):
        """Find out by which scheme the server is spoken to, and how it wants to be told who we are."""
        fault = None
        for scheme in self.schemes:
            base = f"{scheme}://{self.host}{self.path}/v2"
            try:
                answer = self.request("GET", base + "/")
            except Fault as error:
                fault = fault or error
                continue
            if answer.status == 401:
                self.challenge = challenge_of(answer)
            elif answer.status == 429 or answer.status >= 500:
                raise Fault("answer", f"{self.host} answers {answer.status}")
            self.base = base
            return self
        raise fault

    def digest(self, image):
        """Digest of the manifest that stands behind the tag of an image now; None where the registry does not say."""
        authorization = self._authorization(image) if self.challenge else None
        address = f"{self.base}/{image.path}/manifests/{image.version}"
        answer = self.request("HEAD", address, authorization, ", ".join(MANIFEST_TYPES))
        self._judge(answer, authorization)
        return answer.headers.get("Docker-Content-Digest")

    def check(self, image, architecture):
        """The image is there, for us, and for this architecture."""
        answer, authorization = self._manifest(image)
        offered = self._architectures(image, answer.document(), authorization)
        if offered and architecture not in offered:
            raise Fault("architecture", ", ".join(sorted(offered)))

    def digests(self, image):
        """{architecture: digest of its manifest} of an image, for the architectures that are known here.

        The digest of an index is none of it: it is another one whenever an architecture is built anew that nobody here
        has.
        """
        answer, authorization = self._manifest(image)
        document = answer.document()
        if "manifests" in document:
            platforms = [(entry.get("platform") or {}, entry.get("digest")) for entry in document["manifests"]]
            found = {
                platform["architecture"]: digest for platform, digest in platforms
                if platform.get("os") == "linux" and platform.get("architecture") and digest}
        else:
            digest = "sha256:" + hashlib.sha256(answer.body).hexdigest()
            found = dict.fromkeys(self._architectures(image, document, authorization), digest)
        known = {name: digest for name, digest in found.items() if name in ARCHITECTURES.values()}
        if not known:
            raise Fault("architecture", ", ".join(sorted(found)) or "nothing that is known here")
        return known

    def newer(self, image):
        """The newest patch of an image that is there beyond its own, of the few next ones; "" where there is none."""
        found = ""
        for version in next_patches(image.version):
            try:
                self._knock(image, version)
            except Fault as fault:
                if fault.kind != "absent":
                    break
            else:
                found = version
        return found

    def _manifest(self, image):
        """(manifest or index of an image, authorization that it was given for)."""
        # HEAD first: what is not there or not for us costs nothing of Docker Hub's allowance.
        authorization, address, accept = self._knock(image, image.version)
        answer = self.request("GET", address, authorization, accept)
        self._judge(answer, authorization)
        return answer, authorization

    def _knock(self, image, version):
        """(authorization, address, types) by which a manifest that is there can be had."""
        authorization = self._authorization(image) if self.challenge else None
        address = f"{self.base}/{image.path}/manifests/{version}"
        accept = ", ".join(MANIFEST_TYPES)
        answer = self.request("HEAD", address, authorization, accept)
        if answer.status == 401 and not authorization:
            # A registry may let everybody in and still keep some images for those whom it knows.
            self.challenge = challenge_of(answer)
            authorization = self._authorization(image)
            answer = self.request("HEAD", address, authorization, accept)
        self._judge(answer, authorization)
        return authorization, address, accept

    def _judge(self, answer, authorization):
        if answer.status == 404:
            raise Fault("absent")
        if answer.status == 401 and (authorization or "").startswith("Basic "):
            raise Fault("login_refused", f"{self.host} answers 401")
        if answer.status in (401, 403):
            raise Fault("denied")
        if answer.status != 200:
            raise Fault("answer", f"{self.host} answers {answer.status}")

    def _authorization(self, image):
        """Value of the Authorization header for pulling an image."""
        scheme, values = self.challenge
        known = self.login if isinstance(self.login, tuple) else None
        basic = "Basic " + base64.b64encode(":".join(known).encode("utf-8")).decode("ascii") if known else None
        if scheme == "basic":
            if not basic:
                raise Fault("login_missing", f"{self.host} answers 401")
            return basic
        realm = values.get("realm", "")
        if scheme != "bearer" or not realm.startswith(("https://", "http://")):
            raise Fault("answer", f"{self.host} asks for a login in a way that is not known")
        if basic and realm.startswith("http://") and not self.is_insecure:
            raise Fault("answer", f"{self.host} wants the password sent without TLS to {realm}")
        query = {"scope": f"repository:{image.path}:pull"}
        if "service" in values:
            query["service"] = values["service"]
        separator = "&" if "?" in realm else "?"
        answer = self.request("GET", realm + separator + urllib.parse.urlencode(query), basic)
        host = urllib.parse.urlsplit(realm).netloc
        if answer.status == 401 and basic:
            raise Fault("login_refused", f"{host} answers 401")
        if answer.status in (401, 403):
            raise Fault("denied")
        token = answer.document().get("token") or answer.document().get("access_token")
        if answer.status != 200 or not token:
            raise Fault("answer", f"{host}, which grants access to {self.host}, answers {answer.status}")
        return f"Bearer {token}"

    def _architectures(self, image, manifest, authorization):
        """Architectures that an image is made for; empty where that cannot be known."""
        if "manifests" in manifest:
            platforms = [entry.get("platform") or {} for entry in manifest["manifests"]]
            # Attestations lie beside the images with an unknown platform.
            return {platform["architecture"] for platform in platforms
                    if platform.get("os") == "linux" and platform.get("architecture")}
        digest = (manifest.get("config") or {}).get("digest")
        if not digest:
            return set()
        answer = self.request("GET", f"{self.base}/{image.path}/blobs/{digest}", authorization)
        found = answer.document().get("architecture") if answer.status == 200 else None
        return {found} if found else set()


class Broken:
    """Stands for an endpoint that cannot be used, and says why of every image."""

    def __init__(self, fault):
        self.fault = fault

    def check(self, _image, _architecture):
        """The fault."""
        raise self.fault

    def digests(self, _image):
        """The fault."""
        raise self.fault

    def digest(self, _image):
        """The fault."""
        raise self.fault


def next_patches(tag):
    """The next few tags of the same series: those of 8.4.7-x are 8.4.8-x and so on."""
    found = re.fullmatch(r"(v?\d+(?:\.\d+)*\.)(\d+)(\D.*)?", tag)
    if not found:
        return []
    series, patch, variant = found.groups(default="")
    return [f"{series}{int(patch) + more}{variant}" for more in range(1, PATCHES_AHEAD + 1)]


def challenge_of(answer):
    """(scheme, parameters) of the WWW-Authenticate header, a bearer token preferred."""
    found = []
    for header in answer.headers.get_all("WWW-Authenticate") or []:
        scheme, _space, rest = header.strip().partition(" ")
        found.append((scheme.lower(), dict(re.findall(r'(\w+)="([^"]*)"', rest))))
    return next((entry for entry in found if entry[0] == "bearer"), found[0] if found else ("", {}))


def is_insecure(host, insecure):
    """Whether the Engine would use a registry without a valid certificate: the host's own, or one that it is told."""
    name = urllib.parse.urlsplit("//" + host).hostname or ""
    if host in insecure or name in insecure or name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return any(address in network for network in _networks([*insecure, "127.0.0.0/8", "::1/128"]))


def proxy_for(parts, proxies):
    """Address of the proxy for a URL, or None: what Go makes of the three variables, names and ranges alike."""
    proxy = proxies.get(parts.scheme)
    name = parts.hostname or ""
    if not proxy or name == "localhost":
        return None
    words = [word.strip() for word in proxies.get("no", "").split(",") if word.strip()]
    for word in words:
        plain = word.lstrip("*").lower()
        host = plain.rsplit(":", 1)[0] if re.search(r"[^:]:\d+$", plain) else plain
        if word == "*" or name == host or (host and ("." + name).endswith("." + host.lstrip("."))):
            return None
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return proxy
    return None if address.is_loopback or any(address in network for network in _networks(words)) else proxy


def _networks(words):
    for word in words:
        try:
            yield ipaddress.ip_network(word, strict=False)
        except ValueError:
            continue


def endpoint(name, settings, address=None):
    """An endpoint that has been greeted, or what stands for one that cannot be."""
    try:
        return Endpoint(name, settings, address).greet()
    except Fault as fault:
        return Broken(fault)


def fault_of(image, endpoints, architecture):
    """Why no endpoint gives an image: what the last of them says, which is the registry itself. None if one does."""
    fault = None
    for asked in endpoints:
        try:
            asked.check(image, architecture)
        except Fault as error:
            fault = error
        else:
            return None
    return fault


def ask_registry(name, images, architecture, settings):
    """Findings of one registry."""
    # The mirrors are asked with nobody's name: a login of Docker Hub is not theirs to see.
    anonymous = Settings(None, settings.certificates, (), settings.insecure, settings.proxies, settings.folder)
    mirrors = settings.mirrors if name == HUB else ()
    endpoints = [endpoint(mirror, anonymous, mirror) for mirror in mirrors] + [endpoint(name, settings)]
    with ThreadPoolExecutor(max_workers=6) as pool:
        faults = list(pool.map(lambda image: fault_of(image, endpoints, architecture), images))
    return findings_of(name, zip(images, faults), settings)


def findings_of(name, faults, settings):
    """Findings of one registry out of (image, fault or None)."""
    findings = {}
    for image, fault in faults:
        if fault is None:
            continue
        if fault.kind in ("login_missing", "denied") and settings.login(name) == "helper":
            # Only Docker's own client can ask the program that keeps this login.
            continue
        finding = findings.setdefault((fault.kind, "" if fault.kind in OF_REGISTRY else str(fault)), {
            "registry": name, "kind": fault.kind, "detail": str(fault), "login": bool(settings.login(name)),
            "images": []})
        finding["images"].append(image.reference)
    return list(findings.values())


def ask(references, machine, settings):
    """What keeps the host from pulling images: findings with registry, kind, detail, login and images."""
    architecture = ARCHITECTURES.get(machine, machine)
    by_registry = of_registries(references)
    with ThreadPoolExecutor(max_workers=4) as pool:
        findings = pool.map(
            lambda name: ask_registry(name, by_registry[name], architecture, settings), sorted(by_registry))
        return [finding for found in findings for finding in found]


def of_registries(references):
    """{registry: images} of references."""
    found = {}
    for image in map(Image, references):
        found.setdefault(image.registry, []).append(image)
    return found


def resolve(references, settings):
    """What the registries themselves say of images.

    Returns {reference: {architecture: digest}}, findings as of `ask`, and {reference: tag} of newer patches.
    """
    digests, findings, newer = {}, [], {}
    for name, images in sorted(of_registries(references).items()):
        asked, faults = endpoint(name, settings), []
        for image in images:
            try:
                digests[image.reference] = asked.digests(image)
                newer[image.reference] = asked.newer(image)
            except Fault as error:
                faults.append((image, error))
        findings += findings_of(name, faults, settings)
    return digests, findings, {reference: tag for reference, tag in newer.items() if tag}
