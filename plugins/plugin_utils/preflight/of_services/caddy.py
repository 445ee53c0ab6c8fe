# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the certificates that Caddy is to have, or to get."""

from __future__ import annotations

import datetime
import os

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
except ImportError:  # never with ansible-core, which requires it; ansible-test imports this without
    x509 = None

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import (
    HOST_NAMES,
    check_domain,
    mail_fault,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem, content_of


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


VARIABLES = ("caddy_acme_email", "caddy_certificate_file", "caddy_certificate_key_file")
CHECKS = (check_domain, check_tls)
