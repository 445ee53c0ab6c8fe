# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Certificates that an operator brings: what is wrong with them is said before Caddy gets them."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.of_services.caddy import certificate_fault

NAMES = {
    "trenova_domain": "erp.trucks.co", "trenova_s3_domain": "s3.erp.trucks.co",
    "trenova_jobs_domain": "jobs.erp.trucks.co"}


def pem(key):
    """A private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture
def files(tmp_path):
    """Function that writes a certificate and its key, and returns the variables that name them."""

    def write(names, days=30, key_of_another=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trucks")])
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        certificate = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(1).not_valid_before(ends - datetime.timedelta(days=60)).not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .sign(key, hashes.SHA256()))
        (tmp_path / "one.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "one.key").write_bytes(pem(ec.generate_private_key(ec.SECP256R1()) if key_of_another else key))
        return dict(
            NAMES, caddy_certificate_file=str(tmp_path / "one.pem"),
            caddy_certificate_key_file=str(tmp_path / "one.key"))

    return write


@pytest.mark.parametrize("names", [list(NAMES.values()), ["erp.trucks.co", "*.erp.trucks.co"]])
def test_valid_certificate_has_no_fault(files, names):
    assert certificate_fault(files(names)) is None


def test_expired_certificate(files):
    assert certificate_fault(files(NAMES.values(), days=-1)).startswith("The certificate has expired on ")


def test_name_that_is_not_covered(files):
    assert certificate_fault(files(["*.trucks.co"])) == (
        "The certificate is not valid for s3.erp.trucks.co, jobs.erp.trucks.co.")


def test_key_of_another_certificate(files):
    assert "are not a pair in PEM" in certificate_fault(files(NAMES.values(), key_of_another=True))


def test_no_certificate_at_all(files, tmp_path):
    variables = files(NAMES.values())
    (tmp_path / "one.pem").write_text("not a certificate")
    assert "are not a pair in PEM" in certificate_fault(variables)
