# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The mail of a failed backup, by a mail server that asks for a login."""

from __future__ import annotations

import base64
import json
import shlex

import pytest

PASSWORD = 'pa"ss\\wo\'rd $HOME #1;%'
#: Takes mails from who logs in, and notes what came.
MAIL_SERVER = """
import base64, json, socketserver
class Handler(socketserver.StreamRequestHandler):
    def say(self, line): self.wfile.write(line.encode() + b'\\r\\n')
    def handle(self):
        self.say('220 mail'); known = False
        for line in self.rfile:
            words = line.decode().strip().split()
            verb = words[0].upper() if words else ''
            if verb == 'EHLO': self.say('250-mail'); self.say('250 AUTH PLAIN')
            elif verb == 'AUTH':
                text = words[2] if len(words) > 2 else (self.say('334 '), self.rfile.readline().decode().strip())[1]
                _who, login, password = base64.b64decode(text).decode().split('\\0')
                known = [login, password] == json.load(open('/run/login'))
                self.say('235 welcome' if known else '535 authentication failed')
            elif verb == 'DATA' and known:
                self.say('354 go on'); mail = []
                for part in self.rfile:
                    if part == b'.\\r\\n': break
                    mail.append(part.decode())
                open('/run/mails', 'a').write(''.join(mail)); self.say('250 taken')
            elif verb == 'QUIT': self.say('221 bye'); return
            elif verb in ('MAIL', 'RCPT') and not known: self.say('530 log in first')
            else: self.say('250 ok')
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(('', 2525), Handler).serve_forever()
"""


@pytest.fixture
def mail_server(host):
    """A mail server on the host, with one login."""
    login = base64.b64encode(json.dumps(["erp", PASSWORD]).encode()).decode()
    host.check_output(f"rm -f /run/mails; echo {login} | base64 -d >/run/login")
    host.check_output(f"systemd-run --unit=mail-server --collect python3 -c {shlex.quote(MAIL_SERVER)}")
    yield
    host.check_output("systemctl stop mail-server")


def test_report_43_the_mail_arrives_with_any_password_and_a_wrong_one_is_told(server, host, mail_server):
    """The job of the verification and that of the mail are one program with one file."""
    settings = {
        "backup_mail_to": "ops@trucks.test", "backup_smtp_host": server.address, "backup_smtp_port": 2525,
        "backup_smtp_user": "erp", "trenova_smtp_password": PASSWORD, "backup_smtp_tls": "none"}
    check = "python3 /usr/local/lib/trenova/backup-unit.py check"
    run = server.run(variables=settings)
    assert PASSWORD not in run.output
    assert host.run(check).rc == 0
    assert not host.file("/run/mails").exists
    # What the end of a backup that failed leaves behind.
    host.check_output("echo '{}' >/var/lib/trenova/backup/unmailed && systemctl start trenova-backup-failed.service")
    assert not host.file("/var/lib/trenova/backup/unmailed").exists
    assert "Subject: The backup of Trenova failed on backup" in host.file("/run/mails").content_string
    host.check_output("echo '[\"erp\", \"another\"]' >/run/login")
    refused = host.run(check)
    assert refused.rc == 1
    assert f"{server.address}:2525 takes no mail from here: " in refused.stderr
    assert "535" in refused.stderr or "denied" in refused.stderr.lower()
    server.run()
