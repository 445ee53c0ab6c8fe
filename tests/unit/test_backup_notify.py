# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Messages about backups: they arrive, by mail and by a webhook, once, whatever fails, and without any secret."""

from __future__ import annotations

import base64
import contextlib
import datetime
import email
import email.policy
import http.server
import ipaddress
import json
import os
import pathlib
import socketserver
import ssl
import subprocess
import sys
import threading
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import notify  # noqa: E402
from trenova_backup.errors import BackupError  # noqa: E402
from trenova_backup.files import seconds_of, stamp_of  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

NOW = seconds_of("20261123T013000Z")
DAY = 86400
PASSWORD = 'pa"ss\\wo\'rd ünï ☃'
#: Path of a webhook's address, with what gives the right to write there.
TOKEN = "/services/T0123/B0123/XXXXverysecretXXXX"
FAILED = {
    "verb": "backup", "state": "failed", "because": "The disk is full.", "started": "2026-11-23T01:30:00Z",
    "finished": "2026-11-23T01:31:00Z", "steps": [{"service": "postgres", "name": "database", "state": "failed"}],
    "invocation": "0a1b", "level": "full", "stamp": "20261123T013000Z"}


# -- Servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """(file with certificate and key, file with the certificate) of 127.0.0.1, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "known.pem").write_bytes(made)
    (folder / "own.pem").write_bytes(made + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "own.pem", folder / "known.pem"


@pytest.fixture
def trusted(certificate, monkeypatch):
    """This host knows the authority of the servers."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))


@contextlib.contextmanager
def serving(server):
    """A server that serves."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Mail(socketserver.ThreadingTCPServer):
    """A mail server. login: (user, password) that it asks for. code: what it answers to a mail."""

    allow_reuse_address = True

    def __init__(self, login=("erp", PASSWORD), tls="none", context=None, code="250"):
        self.login, self.tls, self.context, self.code = login, tls, context, code
        self.mails, self.verbs = [], []
        super().__init__(("127.0.0.1", 0), MailConversation)

    def get_request(self):
        connection, address = super().get_request()
        if self.tls == "tls":
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address


class MailConversation(socketserver.StreamRequestHandler):
    """One client of the mail server."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        with contextlib.suppress(OSError):
            self.converse()

    def converse(self):
        self.say("220 mail")
        is_known, is_private = self.server.login is None, self.server.tls != "starttls"
        while line := self.rfile.readline():
            verb, *words = line.decode().split() or [""]
            self.server.verbs.append(verb.upper())
            if verb.upper() == "EHLO":
                self.say("250-mail\r\n250 " + ("AUTH PLAIN" if is_private else "STARTTLS"))
            elif verb.upper() == "STARTTLS":
                self.say("220 go on")
                connection = self.server.context.wrap_socket(self.request, server_side=True)
                self.rfile, self.wfile = connection.makefile("rb"), socketserver._SocketWriter(connection)
                is_private = True
            elif verb.upper() == "AUTH":
                _who, user, password = base64.b64decode(words[1]).decode().split("\0")
                is_known = (user, password) == self.server.login
                self.say("235 welcome" if is_known else f"535 not with {words[1]} {password}")
            elif verb.upper() == "DATA" and is_private:
                self.say("354 go on")
                mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                if self.server.code == "250":
                    self.server.mails.append(email.message_from_bytes(mail, policy=email.policy.default))
                self.say(self.server.code + " that is it")
            elif verb.upper() == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok" if is_known or verb.upper() == "NOOP" else "530 log in first")


class Hook(http.server.ThreadingHTTPServer):
    """A webhook, by HTTPS. code: what it answers."""

    def __init__(self, context, code=200):
        self.code, self.taken, self.paths = code, [], []
        super().__init__(("127.0.0.1", 0), HookConversation)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class HookConversation(http.server.BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        if 200 <= self.server.code < 300:
            assert self.headers["Content-Type"] == "application/json"
            self.server.taken.append(json.loads(text))
        self.send_response(self.server.code)
        if self.server.code == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.paths.append("GET " + self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words):
        """Nothing."""


@pytest.fixture
def context(certificate):
    """What a server makes TLS with."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate[0])
    return made


@pytest.fixture
def mail():
    """A mail server that asks for a login."""
    with serving(Mail()) as server:
        yield server


@pytest.fixture
def hook(context, trusted):
    """A webhook."""
    with serving(Hook(context)) as server:
        yield server


@pytest.fixture
def told(monkeypatch):
    """What the journal was asked, and tells."""
    asked = types.SimpleNamespace(commands=[], lines=["pg_dump: no space", f"tried with {PASSWORD} at https://x{TOKEN}"])

    def run(words, **_more):
        asked.commands.append(words)
        return subprocess.CompletedProcess(words, 0, "".join(line + "\n" for line in asked.lines))

    monkeypatch.setattr(notify, "subprocess", types.SimpleNamespace(
        run=run, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL))
    return asked


@pytest.fixture
def settings(tmp_path, told):
    """Makes settings of the servers that are there."""
    (tmp_path / "backup").mkdir()
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")

    def make(mail=None, hook=None, tls="none", **more):
        content = {"data_dir": str(tmp_path), "host": "erp1", "installation": "trenova", "stores": [], "targets": []}
        if mail:
            content["mail"] = {
                "from": "trenova@trucks.test", "to": "ops@trucks.test", "host": "127.0.0.1",
                "port": mail if isinstance(mail, int) else mail.server_address[1], "tls": tls, "user": "erp",
                "password_file": str(tmp_path / "password")}
        if hook:
            url = hook if isinstance(hook, str) else f"https://127.0.0.1:{hook.server_address[1]}{TOKEN}"
            (tmp_path / "url").write_text(url + "\n")
            content["webhook"] = {"url_file": str(tmp_path / "url"), "timeout_seconds": 5}
        return Settings(dict(content, **more))

    return make


def unused_port():
    with socketserver.TCPServer(("127.0.0.1", 0), None) as server:
        return server.server_address[1]


# -- Mail -------------------------------------------------------------------------------------------------------------


def test_the_mail_of_a_backup_that_failed(settings, mail, told):
    found = settings(mail)
    assert notify.owe(found, "failed", FAILED, NOW)
    assert notify.deliver(found, NOW) == []
    [message] = mail.mails
    assert (message["Subject"], message["From"], message["To"]) == (
        "The backup of Trenova failed on erp1", "Trenova backup <trenova@trucks.test>", "ops@trucks.test")
    assert message.get_content().replace("\r\n", "\n") == "\n".join([
        "The disk is full.", "", "What ran, as far as it came:", "", "  began 2026-11-23T01:30:00Z",
        "  ended 2026-11-23T01:31:00Z", "  failed database", "", "What it said last:", "", "  pg_dump: no space",
        f"  tried with *** at https://x{TOKEN}", "",
        "All of it: journalctl -u trenova-backup on the server.", ""])
    assert "_SYSTEMD_INVOCATION_ID=0a1b" in told.commands[0]
    assert notify.owed(found) == []


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
@pytest.mark.parametrize("password", [PASSWORD, "plain", "  blanks ", "yes"])
def test_every_encryption_takes_every_password(settings, context, trusted, tmp_path, tls, password):
    (tmp_path / "password").write_text(password + "\n", encoding="utf-8")
    with serving(Mail(("erp", password), tls, context)) as server:
        found = settings(server, tls=tls)
        assert notify.check(found) == []
        assert server.mails == []
        assert "DATA" not in server.verbs
        assert notify.test(found, NOW) == []
        assert server.mails[0]["Subject"] == "A test message of the backups of Trenova on erp1"
        assert (tls == "starttls") == ("STARTTLS" in server.verbs)


def test_a_mail_server_without_a_login(settings):
    with serving(Mail(login=None)) as server:
        found = settings(server)
        found["mail"]["user"] = ""
        assert notify.test(found, NOW) == []
        assert "AUTH" not in server.verbs


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_of_nobody_is_refused_before_the_password_is_told(settings, context, tls):
    with serving(Mail(tls=tls, context=context)) as server:
        [sentence] = notify.test(settings(server, tls=tls), NOW)
        assert "certificate" in sentence.lower()
        assert "AUTH" not in server.verbs


def test_what_a_program_said_last_gives_no_secret_away(settings, mail, hook, told, tmp_path):
    (tmp_path / "others").write_text("s3-secret-key\n\nanother one\n")
    told.lines += ["AWS_SECRET=s3-secret-key", "with%20another%20one", "one"]
    found = settings(mail, hook, secret_files=[str(tmp_path / "others"), str(tmp_path / "absent")])
    notify.owe(found, "failed", dict(FAILED, because=f"It tried {PASSWORD}."), NOW)
    assert notify.deliver(found, NOW) == []
    said = mail.mails[0].get_content().replace("\r\n", "\n")
    assert said.startswith("It tried ***.\n")
    assert "\n  tried with *** at https://x/***/T0123/B0123/***\n  AWS_SECRET=***\n  with%20***\n  one\n" in said
    sent = json.dumps(hook.taken)
    assert [word for word in (PASSWORD, "s3-secret", "XXXX", "services") if word in sent] == []
    assert hook.taken[0]["because"] == "It tried ***."


def test_what_a_mail_server_says_is_one_sentence_with_its_name_and_no_secret(settings, mail, tmp_path):
    """A server that repeats what it was told is not repeated."""
    (tmp_path / "password").write_text("another ☃ one\n", encoding="utf-8")
    port = mail.server_address[1]
    for sentences in (notify.check(settings(mail)), notify.test(settings(mail), NOW)):
        assert sentences == [f"127.0.0.1:{port} takes no mail from here: (535, b'not with *** ***')"]
    gone = unused_port()
    [sentence] = notify.check(settings(gone))
    assert sentence.startswith(f"127.0.0.1:{gone} takes no mail from here: ")
    assert "refused" in sentence
    os.unlink(tmp_path / "password")
    [sentence] = notify.check(settings(mail))
    assert "No such file" in sentence


# -- Webhook ----------------------------------------------------------------------------------------------------------


def test_what_a_webhook_gets(settings, hook):
    found = settings(hook=hook)
    notify.owe(found, "failed", FAILED, NOW)
    assert notify.deliver(found, NOW + 60) == []
    [content] = hook.taken
    assert hook.paths == [TOKEN]
    assert content.pop("text").startswith("The backup of Trenova failed on erp1\n\nThe disk is full.\n\nWhat ran,")
    assert content == {
        "kind": "failed", "host": "erp1", "installation": "trenova", "verb": "backup", "state": "failed",
        "because": "The disk is full.", "started": "2026-11-23T01:30:00Z", "finished": "2026-11-23T01:31:00Z",
        "level": "full", "stamp": "20261123T013000Z", "time": "2026-11-23T01:30:00Z"}


@pytest.mark.parametrize(("code", "sentence"), [
    (200, ""), (204, ""), (302, "leads elsewhere: it answers with status 302."),
    (400, "does not take the message: it answers with status 400."),
    (500, "does not take the message: it answers with status 500."),
])
def test_what_a_webhook_answers(settings, hook, code, sentence):
    hook.code = code
    expected = [f"The webhook at 127.0.0.1:{hook.server_address[1]} {sentence}"] if sentence else []
    assert notify.test(settings(hook=hook), NOW) == expected
    assert hook.paths == [TOKEN], "nothing is led elsewhere"


@pytest.mark.parametrize("address", [
    "http://chat.test" + TOKEN, "ftp://chat.test" + TOKEN, "https://" + TOKEN, "https://erp:secretword@chat.test/",
    "https://chat.test/ä" + TOKEN, "https://chat.test/ " + TOKEN, "https://chat.test:port" + TOKEN,
    "https://[chat.test" + TOKEN, "",
])
def test_an_address_that_is_none_is_told_without_it(settings, address):
    found = settings(hook=address or " ")
    assert notify.test(found, NOW) == notify.check(found) == [
        "The address of the webhook must begin with https:// and a host, without a login or a blank."]


def test_a_webhook_that_is_not_there_is_told_without_its_address(settings, context, monkeypatch, tmp_path):
    gone = unused_port()
    found = settings(hook=f"https://127.0.0.1:{gone}{TOKEN}?sig=hidden-signature")
    for sentences in (notify.test(found, NOW), notify.check(found)):
        [sentence] = sentences
        assert sentence.startswith(f"The webhook at 127.0.0.1:{gone} cannot be reached: ")
        assert "secret" not in sentence
        assert "hidden" not in sentence
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(Hook(context)) as server:
        for sentences in (notify.test(settings(hook=server), NOW), notify.check(settings(hook=server))):
            assert "certificate verify failed" in sentences[0]
        assert server.taken == []
    os.unlink(tmp_path / "url")
    assert notify.test(found, NOW) == ["The address of the webhook cannot be read: No such file or directory."]


def test_a_good_webhook_is_asked_without_a_message(settings, hook):
    assert notify.check(settings(hook=hook)) == []
    assert hook.paths == []


def test_a_webhook_that_never_answers_is_given_up(settings, context, trusted):
    release = threading.Event()
    with serving(Hook(context)) as server:
        server.RequestHandlerClass = type("Silent", (HookConversation,), {"do_POST": lambda self: release.wait(20)})
        found = settings(hook=server)
        found["webhook"]["timeout_seconds"] = 0.2
        [sentence] = notify.test(found, NOW)
        release.set()
    assert "cannot be reached: " in sentence
    assert "timed out" in sentence


def test_what_a_program_said_calls_nobody_in_a_chat(settings, hook, told):
    told.lines = ["<!channel> <@U123> @here @channel @all me@allmail.test", "x" * 100_000]
    found = settings(hook=hook)
    notify.owe(found, "failed", FAILED, NOW)
    notify.deliver(found, NOW)
    text = hook.taken[0]["text"]
    assert [word for word in ("<!", "<@", "@here", "@channel", "@all ") if word in text] == []
    assert "me@allmail.test" in text
    assert len(text) < notify.TEXT_LENGTH


# -- Owed -------------------------------------------------------------------------------------------------------------


def test_a_message_is_owed_until_it_was_taken(settings, mail):
    found = settings(mail)
    mail.code = "451"
    notify.owe(found, "failed", FAILED, NOW)
    assert len(notify.deliver(found, NOW)) == 1
    assert len(notify.deliver(found, NOW + 40 * DAY)) == 1
    assert len(notify.owed(found)) == 1
    mail.code = "250"
    assert notify.deliver(found, NOW + 41 * DAY) == []
    assert (len(mail.mails), notify.owed(found)) == (1, [])
    assert notify.deliver(found, NOW + 42 * DAY) == []
    assert len(mail.mails) == 1


def test_each_way_gets_a_message_once(settings, mail, hook):
    found = settings(mail, hook)
    mail.code = "451"
    notify.owe(found, "failed", FAILED, NOW)
    [sentence] = notify.deliver(found, NOW)
    assert "451" in sentence
    assert (len(mail.mails), len(hook.taken)) == (0, 1)
    mail.code = "250"
    assert notify.deliver(found, NOW + 300) == []
    assert (len(mail.mails), len(hook.taken), notify.owed(found)) == (1, 1, [])


def test_when_somebody_knows_another_way_is_tried_for_a_day(settings, hook):
    found = settings(unused_port(), hook)
    notify.owe(found, "failed", FAILED, NOW)
    for later, owed in ((0, 1), (DAY, 1), (DAY + 60, 0)):
        assert len(notify.deliver(found, NOW + later)) == 1
        assert len(notify.owed(found)) == owed
    assert notify.deliver(found, NOW + 2 * DAY) == []
    assert len(hook.taken) == 1


def test_a_message_that_nobody_takes_keeps_no_other_one(settings, hook, monkeypatch):
    """A filter does not like what three of them say."""
    found = settings(hook=hook)
    real = notify.send_webhook

    def send(settings, message, now):
        if message["because"] == "poison":
            raise BackupError("Refused.")
        real(settings, message, now)

    monkeypatch.setattr(notify, "send_webhook", send)
    for number in range(3):
        notify.owe(found, "failed", dict(FAILED, because="poison"), NOW + number)
    notify.owe(found, "failed", dict(FAILED, because="fine"), NOW + 10)
    for _attempt in range(3):
        assert notify.deliver(found, NOW + 60) == ["Refused."]
    assert [content["because"] for content in hook.taken] == ["fine"]
    assert len(notify.owed(found)) == 3


def test_a_way_that_is_not_there_is_not_waited_for_by_each_message(settings, monkeypatch):
    found = settings(unused_port())
    tried = []

    def send(_settings, message, _now):
        tried.append(message)
        raise BackupError("Not there.")

    monkeypatch.setattr(notify, "send_mail", send)
    for number in range(50):
        notify.owe(found, "failed", FAILED, NOW + number)
    assert notify.deliver(found, NOW + 60) == ["Not there."]
    assert len(tried) == notify.REFUSALS


def test_messages_of_one_second_do_not_replace_each_other(settings, mail):
    found = settings(mail)
    for _number in range(3):
        notify.owe(found, "disk", {"verb": "backup", "because": "Gone."}, NOW)
    assert len(notify.owed(found)) == 3


def test_nothing_is_owed_where_nobody_is_to_be_told(settings, mail):
    assert not notify.owe(settings(), "failed", FAILED, NOW)
    assert notify.owed(settings()) == []
    notify.owe(settings(mail), "failed", FAILED, NOW)
    assert notify.deliver(settings(), NOW) == []
    assert notify.owed(settings()) == []
    assert notify.test(settings(), NOW) == [
        "Nobody is told of backups: set backup_mail_to or the webhook, and run the playbook."]


@pytest.mark.parametrize("text", ["{}", "", "[]", '{"kind": "failed"}', '{"kind": 1, "ways": 3}', '"x"'])
def test_what_is_left_of_a_message_is_told_with_what_the_status_knows(settings, mail, text):
    """Written by hand, or by a disk that lost its power."""
    found = settings(mail)
    os.makedirs(found.path("unsent"))
    pathlib.Path(found.path("unsent/by-hand")).write_text(text)
    pathlib.Path(found.path("status.json")).write_text(json.dumps(FAILED))
    assert notify.deliver(found, NOW) == []
    assert "The disk is full." in mail.mails[0].get_content()
    assert mail.mails[0]["Subject"] == "The backup of Trenova failed on erp1"
    assert notify.owed(found) == []


def test_what_is_owed_is_not_for_everybody_and_no_half_file_is_among_it(settings, mail):
    found = settings(mail)
    notify.owe(found, "failed", FAILED, NOW)
    [name] = notify.owed(found)
    assert os.stat(found.path("unsent")).st_mode & 0o777 == 0o700
    assert os.stat(found.path("unsent", name)).st_mode & 0o777 == 0o600
    assert os.listdir(found.state_dir) == ["unsent"]
    assert name.startswith(stamp_of(NOW))


def test_years_of_messages_do_not_fill_the_disk(settings, mail):
    found = settings(mail)
    for number in range(notify.OWED + 5):
        notify.owe(found, "failed", FAILED, NOW + number)
    assert len(notify.owed(found)) == notify.OWED
    assert notify.owed(found)[-1].startswith(stamp_of(NOW + notify.OWED + 4))


# -- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "verb", "subject"), [
    ("failed", "backup", "The backup of Trenova failed on erp1"),
    ("failed", "cut", "The backup of Trenova between the nights failed on erp1"),
    ("overdue", "check", "The check of the backups of Trenova is overdue on erp1"),
    ("skipped", "backup", "The backup of Trenova was skipped on erp1"),
    ("good", "drill", "The drill with the backups of Trenova is good again on erp1"),
    ("disk", "backup", "The disk of the backups of Trenova needs attention on erp1"),
])
def test_each_kind_has_its_subject(settings, kind, verb, subject):
    assert notify.subject(settings(), {"kind": kind, "verb": verb}) == subject


def test_the_journal_is_asked_about_the_run_and_no_other_one(settings, told):
    notify.last_lines("trenova-backup.service", "0a1b", "2026-11-23T01:30:00Z")
    notify.last_lines("trenova-drill.service", "", "2026-11-23T01:30:00Z")
    notify.last_lines("trenova-backup.service", "", None)
    assert [command[5:] for command in told.commands] == [
        ["_SYSTEMD_INVOCATION_ID=0a1b"], ["--unit", "trenova-drill.service", f"--since=@{NOW}"],
        ["--unit", "trenova-backup.service"]]


def test_no_journal_is_no_reason_to_keep_silent(settings, mail, monkeypatch):
    def run(*_words, **_more):
        raise FileNotFoundError("journalctl")

    monkeypatch.setattr(notify, "subprocess", types.SimpleNamespace(run=run, PIPE=-1, DEVNULL=-3))
    found = settings(mail)
    notify.owe(found, "failed", FAILED, NOW)
    assert notify.deliver(found, NOW) == []
    assert len(mail.mails) == 1


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Zs", "Zl", "Zp"]),
                  min_size=4, max_size=30).filter(lambda text: set(text) - set("*"))


@given(SECRETS, st.lists(SECRETS, max_size=3), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_stands_in_any_message(tmp_path_factory, password, others, before, after):
    folder = tmp_path_factory.mktemp("host")
    (folder / "password").write_text(password + "\n", encoding="utf-8")
    (folder / "others").write_text("\n".join(others), encoding="utf-8")
    found = Settings({"data_dir": str(folder), "host": "erp1", "installation": "x", "stores": [], "targets": [],
                      "mail": {"password_file": str(folder / "password")}, "secret_files": [str(folder / "others")]})
    message = {"kind": "overdue", "because": before + password + "".join(others) + after}
    text = "\n".join(notify.body(found, message))
    longest = max([password, *others], key=len)
    assert longest not in text or longest in before + after


def test_the_delivery_is_started_and_not_waited_for(told):
    notify.wake()
    assert told.commands == [["systemctl", "start", "--no-block", "trenova-backup-failed.service"]]


# -- Proved -----------------------------------------------------------------------------------------------------------


def test_settings_that_are_new_get_one_test_message_and_no_second_one(settings, mail, hook):
    found = settings(mail, hook)
    for is_patient in (True, False, True):
        assert notify.prove(found, NOW, is_patient) == []
    assert [message["Subject"] for message in mail.mails] == ["A test message of the backups of Trenova on erp1"]
    assert [message["kind"] for message in hook.taken] == ["test"]
    assert os.stat(found.path("ways.json")).st_mode & 0o777 == 0o600
    assert PASSWORD not in pathlib.Path(found.path("ways.json")).read_text()


@pytest.mark.parametrize("change", ["to", "password", "url"])
def test_each_change_is_proved_by_the_way_that_has_changed(settings, mail, hook, tmp_path, change):
    found = settings(mail, hook)
    notify.prove(found, NOW)
    if change == "to":
        found["mail"]["to"] = "others@trucks.test"
    elif change == "password":
        mail.login = ("erp", "another")
        (tmp_path / "password").write_text("another\n")
    else:
        (tmp_path / "url").write_text(f"https://127.0.0.1:{hook.server_address[1]}/elsewhere\n")
    notify.prove(found, NOW, True)
    assert (len(mail.mails), len(hook.taken)) == ((1, 2) if change == "url" else (2, 1))


def test_what_has_proved_to_be_good_is_asked_without_a_message(settings, mail):
    found = settings(mail)
    notify.prove(found, NOW)
    mail.login = ("erp", "changed at the server")
    assert notify.prove(found, NOW, True) == [], "no deployment fails for it"
    [sentence] = notify.prove(found, NOW)
    assert "535" in sentence
    assert len(mail.mails) == 1


def test_a_refusal_fails_a_deployment_and_a_server_that_is_away_the_verification(settings, mail, hook):
    found = settings(unused_port(), hook)
    assert notify.prove(found, NOW, True) == []
    [sentence] = notify.prove(found, NOW)
    assert "takes no mail from here" in sentence
    assert len(hook.taken) == 1
    mail.login = ("erp", "another")
    for is_patient in (True, False):
        [sentence] = notify.prove(settings(mail, hook), NOW, is_patient)
        assert sentence.startswith(f"127.0.0.1:{mail.server_address[1]} takes no mail from here: (535, ")
    mail.login = ("erp", PASSWORD)
    assert notify.prove(settings(mail, hook), NOW) == []
    assert (len(mail.mails), len(hook.taken)) == (1, 1)


@pytest.mark.parametrize(("code", "is_refused"), [
    ("550", True), ("554", True), ("451", False), ("421", False)])
def test_which_answers_of_a_mail_server_are_final(settings, mail, code, is_refused):
    mail.code = code
    assert bool(notify.prove(settings(mail), NOW, True)) == is_refused
    assert notify.prove(settings(mail), NOW)


@pytest.mark.parametrize(("code", "is_refused"), [
    (302, True), (401, True), (404, True), (410, True), (408, False), (429, False), (500, False), (503, False)])
def test_which_answers_of_a_webhook_are_final(settings, hook, code, is_refused):
    hook.code = code
    assert bool(notify.prove(settings(hook=hook), NOW, True)) == is_refused
    assert notify.prove(settings(hook=hook), NOW)


def test_a_certificate_of_nobody_is_final(settings, context, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(Hook(context)) as server:
        assert notify.prove(settings(hook=server), NOW, True)
    with serving(Mail(tls="starttls", context=context)) as server:
        assert notify.prove(settings(server, tls="starttls"), NOW, True)


def test_nobody_to_be_told_needs_no_proof(settings):
    assert notify.prove(settings(), NOW) == []


@pytest.mark.parametrize("text", ["", "[]", '{"proved": 3, "refused": []}', '{"refused": {"mail": {"until": 7}}}'])
def test_what_is_known_of_ways_may_be_lost(settings, mail, text):
    found = settings(mail)
    pathlib.Path(found.path("ways.json")).write_text(text)
    notify.owe(found, "failed", FAILED, NOW)
    assert notify.deliver(found, NOW) == notify.prove(found, NOW) == []
    assert len(mail.mails) == 2


# -- Refused logins ---------------------------------------------------------------------------------------------------


MINUTE = 60


def test_a_login_that_is_refused_is_tried_less_and_less_often(settings, mail):
    """A delivery comes every five minutes; attempts count against the account."""
    found = settings(mail)
    mail.login = ("erp", "another")
    notify.owe(found, "failed", FAILED, NOW)
    tried = []
    for minutes in range(0, 3 * 24 * 60, 5):
        before = mail.verbs.count("AUTH")
        [sentence] = notify.deliver(found, NOW + minutes * MINUTE)
        assert "refused" in sentence or "535" in sentence
        if mail.verbs.count("AUTH") > before:
            tried.append(minutes)
    assert tried[:8] == [0, 5, 15, 35, 75, 155, 315, 635]
    assert {one - other for one, other in zip(tried[8:], tried[7:], strict=False)} == {360}
    mail.login = ("erp", PASSWORD)
    assert notify.deliver(found, NOW + 4 * DAY) == []
    assert len(mail.mails) == 1


def test_other_settings_are_tried_at_once_and_begin_anew(settings, mail, tmp_path):
    found = settings(mail)
    mail.login = ("erp", "another")
    notify.owe(found, "failed", FAILED, NOW)
    for minutes in (0, 5, 15):
        notify.deliver(found, NOW + minutes * MINUTE)
    (tmp_path / "password").write_text("wrong, too\n")
    attempts = mail.verbs.count("AUTH")
    for minutes in (16, 17, 21):
        notify.deliver(found, NOW + minutes * MINUTE)
    assert mail.verbs.count("AUTH") == attempts + 2
    (tmp_path / "password").write_text("another\n")
    assert notify.deliver(found, NOW + 22 * MINUTE) == []
    assert len(mail.mails) == 1


def test_a_refused_login_keeps_no_other_way(settings, mail, hook):
    found = settings(mail, hook)
    mail.login = ("erp", "another")
    for number in range(3):
        notify.owe(found, "failed", FAILED, NOW + number)
        notify.deliver(found, NOW + number)
    assert len(hook.taken) == 3
    assert mail.verbs.count("AUTH") == 1


def test_a_test_that_is_good_ends_the_wait(settings, mail):
    found = settings(mail)
    mail.login = ("erp", "another")
    notify.owe(found, "failed", FAILED, NOW)
    notify.deliver(found, NOW)
    mail.login = ("erp", PASSWORD)
    assert notify.test(found, NOW + MINUTE) == []
    assert notify.deliver(found, NOW + 2 * MINUTE) == []


def test_a_clock_that_jumped_is_no_reason_to_wait_for_years(settings, mail):
    found = settings(mail)
    mail.login = ("erp", "another")
    notify.owe(found, "failed", FAILED, NOW)
    notify.deliver(found, NOW + 400 * DAY)
    mail.login = ("erp", PASSWORD)
    assert notify.deliver(found, NOW) == []
