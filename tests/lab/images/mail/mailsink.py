"""Test tool: an SMTP sink. Mails are kept in memory (the last 1000) and read over HTTP.

GET    /                           a page with the list
GET    /livez                      200
GET    /api/v1/messages            {"total": n, "messages": [mail, …]}, newest first, each with "ID", "From", "To",
                                   "Subject", "Created", "Size" and "Snippet"; ?query=word keeps those that hold the
                                   word anywhere
GET    /api/v1/message/<ID|latest> one mail with "Text", "HTML" and "Headers"
GET    /api/v1/message/<ID>/raw    as received
DELETE /api/v1/messages            forget all

The paths and names are those of a subset of Mailpit, so that it can take this one's place. Any user and password are
accepted.
"""

import email
import email.policy
import html
import json
import os
import threading
import time
import urllib.parse
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

KEEP = int(os.environ.get("MAIL_KEEP", "1000"))
MAILS: OrderedDict[str, dict] = OrderedDict()
LOCK = threading.Lock()


def parse(number: int, envelope) -> dict:
    """A received mail in the shape in which it is kept."""
    raw = envelope.original_content or b""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    text, page = (body.get_content() if body else "" for body in bodies.values())
    return {
        "ID": str(number),
        "From": envelope.mail_from,
        "To": list(envelope.rcpt_tos),
        "Subject": str(message.get("subject", "")),
        "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Size": len(raw),
        "Snippet": " ".join(text.split())[:200],
        "Text": text,
        "HTML": page,
        "Headers": {name: [str(v) for v in message.get_all(name)] for name in message},
        "raw": raw,
    }


class Sink:
    """The SMTP side: keeps what it is given."""

    number = 0

    async def handle_DATA(self, server, session, envelope):
        """Called by aiosmtpd with each mail."""
        with LOCK:
            Sink.number += 1
            mail = MAILS[str(Sink.number)] = parse(Sink.number, envelope)
            while len(MAILS) > KEEP:
                MAILS.popitem(last=False)
        print(f"mail {mail['ID']} from {mail['From']} to {', '.join(mail['To'])}: {mail['Subject']}", flush=True)
        return f"250 2.0.0 Ok: queued as {mail['ID']}"


class Http(BaseHTTPRequestHandler):
    """The HTTP side: shows and forgets what is kept."""

    def answer(self, body, status=200, kind="application/json"):
        """Sends an answer; a body of the kind JSON is encoded here."""
        if kind == "application/json":
            body = json.dumps(body, indent=1)
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind + ("" if kind == "application/octet-stream" else "; charset=utf-8"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        """All that can be read."""
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        with LOCK:
            mails = list(reversed(MAILS.values()))
        if url.path in ("/livez", "/readyz"):
            self.answer("ok\n", kind="text/plain")
        elif url.path == "/":
            rows = "".join(
                f"<tr><td>{m['Created']}<td>{html.escape(str(m['From']))}<td>{html.escape(', '.join(m['To']))}"
                f"<td><a href='/api/v1/message/{m['ID']}'>{html.escape(m['Subject'] or '(no subject)')}</a>"
                for m in mails
            )
            page = f"<!DOCTYPE html><title>Mail sink</title><h1>{len(mails)} mails</h1><table>{rows}</table>"
            self.answer(page, kind="text/html")
        elif parts[:3] == ["api", "v1", "messages"]:
            word = urllib.parse.parse_qs(url.query).get("query", [""])[0].encode()
            found = [m for m in mails if word in m["raw"]]
            short = [{k: v for k, v in m.items() if k not in ("raw", "Text", "HTML", "Headers")} for m in found]
            self.answer({"total": len(short), "messages": short})
        elif parts[:3] == ["api", "v1", "message"] and len(parts) in (4, 5):
            mail = next((m for m in mails if parts[3] in ("latest", m["ID"])), None)
            if mail is None:
                self.answer({"Error": "message not found"}, 404)
            elif parts[4:] == ["raw"]:
                self.answer(mail["raw"], kind="application/octet-stream")
            else:
                self.answer({k: v for k, v in mail.items() if k != "raw"})
        else:
            self.answer({"Error": "no such page"}, 404)

    def do_DELETE(self):
        """Forgets all mails."""
        if urllib.parse.urlsplit(self.path).path != "/api/v1/messages":
            self.answer({"Error": "no such page"}, 404)
            return
        with LOCK:
            MAILS.clear()
        self.answer("ok\n", kind="text/plain")

    def log_message(self, *args):
        """No line for each request."""


def main():
    """Serves both sides until the container is stopped."""
    smtp = Controller(
        Sink(),
        hostname="0.0.0.0",
        port=int(os.environ.get("SMTP_PORT", "1025")),
        server_hostname=os.environ.get("MAIL_HOSTNAME", "mail.lab"),
        authenticator=lambda *_: AuthResult(success=True),
        auth_require_tls=False,
        data_size_limit=64 * 1024 * 1024,
    )
    smtp.start()
    print("mail sink listens: SMTP 1025, HTTP 8025", flush=True)
    ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("HTTP_PORT", "8025"))), Http).serve_forever()


if __name__ == "__main__":
    import signal
    import sys

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
