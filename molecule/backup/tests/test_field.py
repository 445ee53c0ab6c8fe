# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Messages about backups, by a mail server that asks for a login."""

from __future__ import annotations

import base64
import json
import shlex

import pytest
from backups import Backups

PASSWORD = 'pa"ss\\wo\'rd $HOME #1;%'
UNSENT = "/var/lib/trenova/backup/unsent"
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
                open('/run/logins', 'a').write('x')
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
    set_login(host, PASSWORD)
    host.check_output("rm -f /run/mails /run/logins")
    host.check_output(f"systemd-run --unit=mail-server --collect python3 -c {shlex.quote(MAIL_SERVER)}")
    yield
    host.check_output("systemctl stop mail-server")


@pytest.fixture
def mailing(server, mail_server):
    """A run with a login at that mail server; what is set back afterwards."""
    yield server.run(variables={
        "backup_mail_to": "ops@trucks.test", "backup_smtp_host": server.address, "backup_smtp_port": 2525,
        "backup_smtp_user": "erp", "trenova_smtp_password": PASSWORD, "backup_smtp_tls": "none"})
    server.shell.check_output(f"rm -rf {UNSENT}; systemctl stop trenova-backup-failed.service")
    server.run()


def set_login(host, password):
    """Have the mail server know one login."""
    login = base64.b64encode(json.dumps(["erp", password]).encode()).decode()
    host.check_output(f"echo {login} | base64 -d >/run/login")


def owe(host, *names):
    """Leave behind what the end of a backup that failed leaves, as far as anybody needs to know."""
    words = " ".join(f"{UNSENT}/{name}.json" for name in names)
    host.check_output(f"mkdir -p {UNSENT} && for file in {words}; do echo '{{}}' >$file; done")


def owed(host):
    """Names of the messages that are owed."""
    return host.check_output(f"ls {UNSENT}").split()


def test_report_43_the_mail_arrives_with_any_password_and_a_wrong_one_is_told(server, host, mailing):
    """The job of the verification and that of the mail are one program with one file."""
    backups = Backups(host)
    assert PASSWORD not in mailing.output
    assert host.file("/run/mails").content_string.count("Subject: A test message of the backups of Trenova") == 1
    host.check_output("rm /run/mails")
    assert (backups.program("check-mail").rc, backups.program("prove").rc) == (0, 0)
    assert not host.file("/run/mails").exists
    owe(host, "one")
    host.check_output("systemctl start trenova-backup-failed.service")
    assert owed(host) == []
    assert "Subject: The backup of Trenova failed on backup" in host.file("/run/mails").content_string
    assert backups.program("test").rc == 0
    assert "Subject: A test message of the backups of Trenova on backup" in host.file("/run/mails").content_string
    set_login(host, "another")
    refused = backups.program("check-mail")
    assert refused.rc == 1
    assert f"{server.address}:2525 takes no mail from here: " in refused.stderr
    assert "535" in refused.stderr or "denied" in refused.stderr.lower()
    assert PASSWORD not in refused.stderr


def test_report_43_a_refused_login_is_not_tried_again_for_each_message(host, mailing):
    """They wait for a login that is taken."""
    backups = Backups(host)
    set_login(host, "another")
    owe(host, "one", "two", "three")
    host.check_output("rm -f /run/logins")
    refused = backups.program("deliver")
    assert (refused.rc, host.file("/run/logins").content_string) == (1, "x"), refused.stderr
    assert owed(host) == ["one.json", "three.json", "two.json"]
    # For some minutes nobody tries, unless somebody does by hand.
    assert (backups.program("deliver").rc, host.file("/run/logins").content_string) == (1, "x")
    set_login(host, PASSWORD)
    assert backups.program("test").rc == 0
    delivered = backups.program("deliver")
    assert (delivered.rc, owed(host)) == (0, []), delivered.stderr
    assert host.file("/run/mails").content_string.count("Subject: The backup of Trenova failed on backup") == 3
