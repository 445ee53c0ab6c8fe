# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the certificates that Caddy is to have, or to get, and with its ports and proxies."""

from __future__ import annotations

import datetime
import os

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
except ImportError:  # never with ansible-core, which requires it; ansible-test imports this without
    x509 = None

from ansible_collections.trenova.selfhost.plugins.plugin_utils import daemon_json, ipv6
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import (
    HTTP_PORT,
    HTTPS_PORT,
    http_port,
    https_port,
    is_ipv6,
    is_loopback,
    loopback,
    published_ports,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import (
    HOST_NAMES,
    check_domain,
    mail_fault,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem, content_of

#: Option by which an Engine binds published ports to one address.
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"


def check_tls(facts):
    """Certificates can be had the way that was chosen."""
    tls = facts.services["caddy"]["exports"].get("tls")
    fault = mail_fault(facts.variables.get("caddy_acme_email")) if tls == "acme" else None
    if fault:
        yield Problem(
            f"caddy_acme_email is {fault}.", INVENTORY, "caddy_acme_email: a mail address that you read")
    fault = _fault(facts.variables, facts.read) if tls == "files" else None
    if fault:
        yield Problem(fault[0], "caddy_certificate_file and caddy_certificate_key_file", fault[1])


def check_authorities(facts):
    """What is said of an ACME authority goes together, and files of root certificates hold some."""
    given = facts.variables.get
    is_acme = facts.services["caddy"]["exports"].get("tls") == "acme"
    if is_acme and given("caddy_acme_ca_file") and not given("caddy_acme_directory"):
        yield Problem(
            "caddy_acme_ca_file is set, and caddy_acme_directory is not: the public authorities would not be known.",
            INVENTORY, "caddy_acme_directory: the address of your authority's directory; or no caddy_acme_ca_file")
    for name in ("caddy_acme_ca_file", "caddy_ca_file"):
        path = given(name)
        if path and os.path.isfile(path) and not _holds_certificates(path, facts.read):
            yield Problem(
                f"{name} holds no certificate in PEM: {path}.", INVENTORY,
                f"{name}: a file with the root certificate, -----BEGIN CERTIFICATE-----")


def _holds_certificates(path, read):
    try:
        return bool(x509.load_pem_x509_certificates(read(path).encode("utf-8")))
    except Exception:  # of whatever reads: a file may be no text, be closed to us, or lie in a vault
        return False


def check_binding(facts):
    """The ports are published for others, whatever the Engine does by default."""
    docker, extra = facts.capacity["docker"], facts.variables.get("docker_daemon_extra") or {}
    settings = {**(daemon_json.readable(docker.get("daemon_json")) or {}), **extra}
    address = ((settings.get("default-network-opts") or {}).get("bridge") or {}).get(HOST_BINDING, "0.0.0.0")  # noqa: S104
    if address != "0.0.0.0" and not facts.variables.get("caddy_bind_address"):  # noqa: S104  # nothing is bound here
        yield Problem(
            f"The Engine publishes ports on {address} only, where nobody says otherwise.",
            "default-network-opts of the Engine", "caddy_bind_address: 0.0.0.0, or the address that visitors come to")


def certificate_fault(variables):
    """What is wrong with the certificate files on the controller, in words; None when nothing is."""
    return (_fault(variables, content_of) or (None,))[0]


def _fault(variables, read):
    """(what is wrong with the certificate files, what would be right); None when nothing is."""
    paths = [variables.get("caddy_certificate_file"), variables.get("caddy_certificate_key_file")]
    if not all(path and os.path.isfile(path) for path in paths):
        return None  # told by the checks of formats and of what is required
    wanted = "a certificate that is valid for all host names, with its key; or caddy_tls: acme"
    try:
        texts = [read(path).encode("utf-8") for path in paths]
    except Exception as error:  # of whatever reads: a file may be closed to us, be no text, or lie in a vault
        return f"The certificate and its key cannot be read: {error}.", wanted
    try:
        key = load_pem_private_key(texts[1], None)
    except TypeError:
        return f"The key {paths[1]} is encrypted, and Caddy cannot ask for its password.", (
            f"a key without one, in Ansible Vault if you like: openssl pkey -in {paths[1]} -out <another file>")
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"The certificate and its key are not a pair in PEM: {error}.", wanted
    try:
        certificate = x509.load_pem_x509_certificate(texts[0])
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"The certificate and its key are not a pair in PEM: {error}.", wanted
    if _bytes_of(certificate.public_key()) != _bytes_of(key.public_key()):
        return "The certificate and its key are not a pair in PEM: the key is that of another certificate.", wanted
    what = _fault_of(certificate, [variables.get(name) for name in HOST_NAMES])
    return (what, wanted) if what else None


def _bytes_of(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _fault_of(certificate, wanted):
    """Why a certificate does not do for some host names, in words; None where it does."""
    ends = certificate.not_valid_after_utc
    if ends < datetime.datetime.now(datetime.UTC):
        return f"The certificate has expired on {ends:%Y-%m-%d}."
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        covered = []
    missing = [name for name in wanted if name and not is_covered(name, covered)]
    return "The certificate is not valid for {}.".format(", ".join(missing)) if missing else None


def is_covered(name, covered):
    """Whether a host name is among those of a certificate; a wildcard stands for one label."""
    return name in covered or "*." + name.partition(".")[2] in covered


#: Ports that Caddy has in its container for plain HTTP and for its administration.
IN_CONTAINER = {HTTP_PORT: "plain HTTP", 2019: "Caddy's administration"}


def check_public_ports(facts):
    """The ports of the entrance differ, and a public authority can ask one of those that it asks."""
    service = facts.services["caddy"]
    entrance, tls = service.get("entrance") or {}, service["exports"].get("tls")
    published, public = published_ports(entrance), (http_port(entrance), https_port(entrance))
    if published.get("https") == published["http"]:
        yield Problem(
            "caddy_http_port and caddy_https_port are the same: {}.".format(published["http"]), INVENTORY,
            "caddy_https_port: a port of its own")
    if public[1] in IN_CONTAINER:
        yield Problem(
            f"The public port of HTTPS is {public[1]}, which is that of {IN_CONTAINER[public[1]]}.", INVENTORY,
            "caddy_public_https_port: another port; it is caddy_https_port where nothing else is said")
    # Another authority than the public ones may be told to ask elsewhere.
    is_public = tls == "acme" and not facts.variables.get("caddy_acme_directory")
    if is_public and public[0] != HTTP_PORT and public[1] != HTTPS_PORT:
        yield Problem(
            "caddy_tls is acme, and the authority asks the ports {} and {} only; visitors come to {} and {}.".format(
                HTTP_PORT, HTTPS_PORT, *public), INVENTORY,
            f"caddy_tls: files, or internal; or, where a router leads port {HTTP_PORT} of the name here, "
            f"caddy_public_http_port: {HTTP_PORT}")


def check_proxies(facts):
    """What is said of proxies holds for what Caddy sees of them."""
    entrance = facts.services["caddy"].get("entrance") or {}
    proxies, bound = entrance.get("proxies") or [], entrance.get("address")
    here, is_closed = loopback(proxies), bool(bound) and is_loopback(bound)
    if here and not is_closed:
        yield Problem(
            "caddy_trusted_proxies names this host itself ({}), and the ports of Caddy are open to others. What comes "
            "from the host cannot be told from all that Docker hands on.".format(", ".join(map(str, here))), INVENTORY,
            "caddy_bind_address: 127.0.0.1, so that nobody but the proxy reaches them")
    elif is_closed and entrance.get("behind_proxy") and proxies and not here:
        yield Problem(
            f"caddy_bind_address is {bound}, where nobody but this host itself comes, and caddy_trusted_proxies does "
            "not name it: everybody would be refused.", INVENTORY, "caddy_trusted_proxies: [127.0.0.1]")
    elsewhere = [str(entry) for entry in proxies if entry not in here]
    if not elsewhere or not all(is_ipv6(entry.partition("/")[0]) for entry in elsewhere):
        return
    if set(facts.project.outside) - facts.project.ipv6:
        yield Problem(
            "caddy_trusted_proxies has IPv6 addresses only, and they do not arrive at Caddy: {}.".format(
                ipv6.lack(facts.capacity) or "the network of the containers has no IPv6"), INVENTORY,
            "caddy_trusted_proxies: the IPv4 address of the proxy; or trenova_ipv6: true")


VARIABLES = (
    "caddy_acme_ca_file", "caddy_acme_directory", "caddy_acme_email", "caddy_bind_address", "caddy_ca_file",
    "caddy_certificate_file", "caddy_certificate_key_file", "docker_daemon_extra")
CHECKS = (check_domain, check_tls, check_authorities, check_binding, check_public_ports, check_proxies)
