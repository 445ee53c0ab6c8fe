# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Somebody on another host, who sees of an installation what a browser does, or somebody with bad intentions."""

from __future__ import annotations

import http.client
import socket
import ssl
import time

TIMEOUT_SECONDS = 20


class CheckFailed(Exception):
    """A check did not find what it expects. One that is lasting will not be otherwise a moment later."""

    def __init__(self, text, lasting=False):
        super().__init__(text)
        self.lasting = lasting


class Answer:
    """Status, headers and body of an HTTP answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def text(self):
        """Body as text."""
        return self.body.decode("utf-8", "replace")


class _PinnedConnection(http.client.HTTPSConnection):
    """HTTPS to a given address, with the host name of the request in TLS and in the Host header."""

    def __init__(self, host, address, port, context):
        super().__init__(host, port=port, timeout=TIMEOUT_SECONDS, context=context)
        self.address = address

    def connect(self):
        """Connect to the address instead of what the name resolves to."""
        plain = socket.create_connection((self.address, self.port), TIMEOUT_SECONDS)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


class Visitor:
    """Somebody on another host. Reaches the server by address, so that no DNS entry has to exist yet."""

    def __init__(self, address, ca_certificate=None, port=443, server_address=None):
        self.address = address
        self.port = port
        #: Where the services run: not the address of browsers when a proxy stands in front.
        self.server_address = server_address or address
        self.context = ssl.create_default_context()
        if ca_certificate:
            self.context.load_verify_locations(cadata=ca_certificate)

    def request(self, method, host, path, body=None, headers=None):
        """One request by HTTPS; the certificate is verified."""
        connection = _PinnedConnection(host, self.address, self.port, self.context)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return Answer(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise CheckFailed(f"https://{host}{path}: {error}") from error
        finally:
            connection.close()

    def certificate_days(self, host):
        """Days for which the certificate of a host name is still valid."""
        try:
            plain = socket.create_connection((self.address, self.port), TIMEOUT_SECONDS)
            with self.context.wrap_socket(plain, server_hostname=host) as secured:
                expires = ssl.cert_time_to_seconds(secured.getpeercert()["notAfter"])
        except OSError as error:
            raise CheckFailed(f"{host}: {error}") from error
        return (expires - time.time()) / 86400

    def answers(self, port):
        """Whether a TCP port accepts connections."""
        try:
            with socket.create_connection((self.server_address, port), 2):
                return True
        except OSError:
            return False


def expect(answer, status, what):
    """Fail unless an answer has the expected status."""
    if answer.status != status:
        raise CheckFailed(f"{what} answered {answer.status}, expected {status}")
    return answer
