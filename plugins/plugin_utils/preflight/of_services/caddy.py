# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the certificates that Caddy is to have, or to get."""

from __future__ import annotations

import datetime
import os
import ssl

try:
    from cryptography import x509
except ImportError:  # never with ansible-core, which requires it; ansible-test imports this without
    x509 = None

from ansible_collections.trenova.selfhost.plugins.plugin_utils import daemon_json
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import (
    HOST_NAMES,
    check_domain,
    mail_fault,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

#: Option by which an Engine binds published ports to one address.
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"


def check_tls(facts):
    """Certificates can be had the way that was chosen."""
    tls = facts.services["caddy"]["exports"].get("tls")
    fault = mail_fault(facts.variables.get("caddy_acme_email")) if tls == "acme" else None
    if fault:
        yield Problem(
            f"caddy_acme_email is {fault}.", INVENTORY, "caddy_acme_email: a mail address that you read")
    fault = certificate_fault(facts.variables) if tls == "files" else None
    if fault:
        yield Problem(
            fault, "caddy_certificate_file and caddy_certificate_key_file",
            "a certificate that is valid for all host names, with its key; or caddy_tls: acme")


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
    paths = [variables.get("caddy_certificate_file"), variables.get("caddy_certificate_key_file")]
    if not all(path and os.path.isfile(path) for path in paths):
        return None  # told by the checks of formats and of what is required
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*paths)
        with open(paths[0], "rb") as stream:
            certificate = x509.load_pem_x509_certificate(stream.read())
    except (ssl.SSLError, ValueError) as error:
        return f"The certificate and its key are not a pair in PEM: {error}."
    ends = certificate.not_valid_after_utc
    if ends < datetime.datetime.now(datetime.UTC):
        return f"The certificate has expired on {ends:%Y-%m-%d}."
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        covered = []
    wanted = [variables.get(name) for name in HOST_NAMES]
    missing = [name for name in wanted if name and not is_covered(name, covered)]
    return "The certificate is not valid for {}.".format(", ".join(missing)) if missing else None


def is_covered(name, covered):
    """Whether a host name is among those of a certificate; a wildcard stands for one label."""
    return name in covered or "*." + name.partition(".")[2] in covered


VARIABLES = (
    "caddy_acme_email", "caddy_bind_address", "caddy_certificate_file", "caddy_certificate_key_file",
    "docker_daemon_extra")
CHECKS = (check_domain, check_tls, check_binding)
