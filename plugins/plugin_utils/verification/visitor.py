# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Somebody on another host, who sees of an installation what a browser does, or somebody with bad intentions."""

from __future__ import annotations

import http.client
import socket
import ssl
import time

from ansible_collections.trenova.selfhost.plugins.module_utils.account import Answer
from ansible_collections.trenova.selfhost.plugins.module_utils.patience import NotYet
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import HTTP_PORT, HTTPS_PORT, with_port

TIMEOUT_SECONDS = 20
#: How long it may take until it is known that nobody answers.
REACH_SECONDS = 5


class CheckFailed(NotYet):
    """A check did not find what it expects.

    certificates: {host name: what its certificate lacks, one of LACKS}, where it failed for want of one.
    """

    def __init__(self, text, lasting=False, again_after=None, certificates=None):
        super().__init__(text, lasting, again_after)
        self.certificates = dict(certificates or {})

    def answer(self):
        """The failure as `until_ok` takes it."""
        return dict(super().answer(), **({"certificates": self.certificates} if self.certificates else {}))


#: What a certificate lacks: there is none, its time is over, nobody here knows its authority, it is of another name.
LACKS = (MISSING, EXPIRED, UNKNOWN, OF_ANOTHER) = "missing", "expired", "unknown authority", "of another name"
#: Numbers of OpenSSL (X509_V_ERR_*).
LACKS_BY_NUMBER = {10: EXPIRED, 18: UNKNOWN, 19: UNKNOWN, 20: UNKNOWN, 21: UNKNOWN, 62: OF_ANOTHER}


class NotAsked(Exception):
    """A check cannot be made from here, which says nothing of the installation."""


class _PinnedConnection(http.client.HTTPConnection):
    """HTTP to wherever `connect` leads, with the host name of the request in TLS and in the Host header."""

    def __init__(self, host, connect, context=None):
        super().__init__(host, timeout=TIMEOUT_SECONDS)
        self._connect, self._context = connect, context

    def connect(self):
        """Connect to the address instead of what the name resolves to."""
        plain = self._connect()
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host) if self._context else plain


class Visitor:
    """Somebody on another host. Reaches the server by address, so that no DNS entry has to exist yet."""

    def __init__(
            self, address, ca_certificate=None, port=HTTPS_PORT, server_address=None, http_port=HTTP_PORT,
            public_ports=None):
        """address: one or several, of both families. port, http_port: where connections go. server_address: one or
        several, where the services run: not those of browsers when a proxy stands in front. public_ports:
        {"http", "https"} that are named in requests, where a router or a proxy takes visitors on others.
        """
        self.addresses = _several(address)
        self.server_addresses = _several(server_address) or self.addresses
        self.port = port
        self.http_port = http_port
        self.public_ports = {"http": http_port, "https": port, **(public_ports or {})}
        self.context = ssl.create_default_context()
        if ca_certificate:
            self.context.load_verify_locations(cadata=ca_certificate)

    @property
    def address(self):
        """The address that is asked first."""
        return self.addresses[0]

    @property
    def server_address(self):
        """The address at which ports are asked first."""
        return self.server_addresses[0]

    def connect(self, port, seconds=TIMEOUT_SECONDS):
        """A connection to the first address that answers; that one is asked first from then on."""
        fault = None
        for address in list(self.addresses):
            try:
                made = socket.create_connection((address, port), seconds)
            except OSError as error:
                fault = fault or error
                continue
            self.addresses = [address, *(other for other in self.addresses if other != address)]
            return made
        raise fault

    def reaches_entrance(self):
        """Whether connections to the entrance come about from here."""
        try:
            self.connect(self.port, REACH_SECONDS).close()
        except OSError:
            return False
        return True

    def request(self, method, host, path, body=None, headers=None):
        """One request by HTTPS; the certificate is verified."""
        return self._request("https", method, host, path, body, headers)

    def plain_request(self, method, host, path):
        """One request by HTTP. Raises OSError where nobody answers at all."""
        self.connect(self.http_port).close()
        return self._request("http", method, host, path)

    def _request(self, scheme, method, host, path, body=None, headers=None):
        is_https = scheme == "https"
        named = with_port(host, self.public_ports[scheme], HTTPS_PORT if is_https else HTTP_PORT)
        connection = _PinnedConnection(
            host, lambda: self.connect(self.port if is_https else self.http_port), self.context if is_https else None)
        try:
            connection.request(method, path, body=body, headers={"Host": named, **(headers or {})})
            return Answer(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise CheckFailed(f"{scheme}://{named}{path}: {error}", certificates=lacking(host, error)) from error
        finally:
            connection.close()

    def certificate_days(self, host):
        """Days for which the certificate of a host name is still valid, and for which it was made."""
        try:
            with self.context.wrap_socket(self.connect(self.port), server_hostname=host) as secured:
                told = secured.getpeercert()
        except OSError as error:
            raise CheckFailed(f"{host}: {error}", certificates=lacking(host, error)) from error
        begins, expires = (ssl.cert_time_to_seconds(told[name]) for name in ("notBefore", "notAfter"))
        return (expires - time.time()) / 86400, (expires - begins) / 86400

    def answers(self, port):
        """Whether a TCP port accepts connections, at any address of the server."""
        for address in self.server_addresses:
            try:
                with socket.create_connection((address, port), 2):
                    return True
            except OSError:
                continue
        return False


def lacking(host, error):
    """{host: what its certificate lacks}, by the error that came of it; nothing where it is another kind of error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        lack = LACKS_BY_NUMBER.get(error.verify_code)
    else:
        # A server that has no certificate for a name ends the handshake with an alert.
        lack = MISSING if isinstance(error, ssl.SSLError) and "ALERT" in str(error.reason) else None
    return {host: lack} if lack else {}


def _several(address):
    return list(address) if isinstance(address, (list, tuple)) else [address] if address else []


def expect(answer, status, what):
    """Fail unless an answer has the expected status."""
    if answer.status != status:
        raise CheckFailed(f"{what} answered {answer.status}, expected {status}")
    return answer
