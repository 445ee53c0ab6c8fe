# Managed by trenova.selfhost.
"""Messages about backups to people: by mail and by a webhook, without an image and without the Engine.

A message that is owed is a file, which stays until it has been taken. trenova-backup-failed.service delivers what is
owed, and is started again by systemd while something is.
"""

from __future__ import annotations

import base64
import contextlib
import email.message
import email.utils
import hashlib
import http.client
import json
import os
import re
import smtplib
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from trenova_backup.errors import BackupError
from trenova_backup.files import moment, read_json, seconds_of_moment, stamp_of, write_json
from trenova_backup.records import UNIT

SMTP_SECONDS = 60
WEBHOOK_SECONDS = 30
LAST_LINES, LINE_LENGTH = 20, 500
#: Teams takes 28 kB with all that is around it.
TEXT_LENGTH = 8000
#: What more is owed than this was not read when it was new.
OWED = 200
#: After so many messages that a way has not taken, it is left alone until the next delivery.
REFUSALS = 2
#: For how long a way is tried when another one has taken the message.
PATIENCE_SECONDS = 86400
DELIVERY = "trenova-backup-failed.service"
WAYS = ("mail", "webhook")
#: After a login was refused, a way is left alone for this long, and for twice as long each time, up to the last.
FIRST_PAUSE, LONGEST_PAUSE = 300, 6 * 3600
#: Answers of a webhook that another attempt may be spared.
HTTP_LATER = (408, 425, 429)
#: What a verb does, in a subject.
TITLES = {
    "backup": "backup of Trenova", "cut": "backup of Trenova between the nights",
    "check": "check of the backups of Trenova", "drill": "drill with the backups of Trenova",
    "rehearsal": "rehearsal of an upgrade of PostgreSQL", "upgrade": "upgrade of PostgreSQL"}
SUBJECTS = {
    "failed": "The {title} failed on {host}",
    "overdue": "The {title} is overdue on {host}",
    "skipped": "The {title} was skipped on {host}",
    "disk": "The disk of the backups of Trenova needs attention on {host}",
    "left": "What a drill with the backups of Trenova has left needs attention on {host}",
    "warned": "The {title} was made and has a warning on {host}",
    "good": "The {title} is good again on {host}",
    "test": "A test message of the backups of Trenova on {host}",
}
#: What is told of a run as fields of its own, too.
FIELDS = ("verb", "state", "because", "started", "finished", "level", "stamp", "restorable", "unit")


class Refused(BackupError):
    """What a server refuses, and will refuse again as long as the settings are as they are."""


class LoginRefused(Refused):
    """A login that a server refuses; attempts count against the account."""


# -- What is owed -----------------------------------------------------------------------------------------------------


def ways(settings):
    """Ways by which somebody wants to be told."""
    return [way for way in WAYS if settings.get(way)]


def owe(settings, kind, about, now, **more):
    """Take down a message of a kind (see SUBJECTS) about a run's record, or what looks like one; whether one is owed.

    more: title, for a subject that is not that of the verb.
    """
    if not ways(settings):
        return False
    folder = settings.path("unsent")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    message = dict({
        "kind": kind, "since": moment(now), "ways": ways(settings), "invocation": about.get("invocation", ""),
        "elsewhere": (about.get("drill") or {}).get("host", "another host") if about.get("origin") else "",
        "steps": about.get("steps") or [], "warnings": about.get("warnings") or []},
        **{key: about[key] for key in FIELDS if key in about}, **more)
    name = "-".join([stamp_of(now), kind, *re.findall("[a-z]+", about.get("verb") or "")])
    path, number = os.path.join(folder, name + ".json"), 1
    while os.path.exists(path):
        path, number = os.path.join(folder, f"{name}-{number}.json"), number + 1
    _write(settings, path, message)
    for old in owed(settings)[:-OWED]:
        _remove(os.path.join(folder, old))
    return True


def tell_now(settings, kind, about, now):
    """Send a message of a kind at once, once by each way: for who cannot take down that it is owed."""
    message = {"kind": kind, "since": moment(now), **about}
    for way in ways(settings):
        with contextlib.suppress(BackupError, OSError):
            {"mail": send_mail, "webhook": send_webhook}[way](settings, message, now)


def owed(settings):
    """Names of the files of messages that are owed, oldest first."""
    try:
        return sorted(os.listdir(settings.path("unsent")))
    except FileNotFoundError:
        return []


def wake():
    """Start the delivery, which goes on by itself; does not wait for it."""
    subprocess.run(["systemctl", "start", "--no-block", DELIVERY], check=False)


def deliver(settings, now):
    """Deliver what is owed; one sentence for each way that did not take all of it.

    Every way gets each message. When another way has taken one, it is owed for a day and no longer.
    """
    told, refusals = [], dict.fromkeys(WAYS, 0)
    alone = {way: f"The login by {way} was refused: it is tried again within 6 hours, or when its settings change."
             for way in WAYS if _is_left_alone(settings, way, now)}
    messages = [(settings.path("unsent", name), _owed_message(settings, name)) for name in owed(settings)]
    # One that nobody takes must not keep the others.
    for path, message in sorted(messages, key=lambda entry: (entry[1].get("tries", 0), entry[0])):
        left = [way for way in message["ways"] if settings.get(way)]
        for way in list(left):
            if way in alone:
                told += [alone[way]] if alone[way] not in told else []
                continue
            if refusals[way] == REFUSALS:
                continue
            try:
                {"mail": send_mail, "webhook": send_webhook}[way](settings, message, now)
            except BackupError as error:
                if isinstance(error, LoginRefused):
                    _leave_alone(settings, way, now)
                refusals[way] = REFUSALS if isinstance(error, LoginRefused) else refusals[way] + 1
                message["tries"] = message.get("tries", 0) + 1
                told += [str(error)] if str(error) not in told else []
            else:
                left.remove(way)
                message["taken"] = True
                _note(settings, "refused", way, None)
        if not left or message.get("taken") and _age(message, now) > PATIENCE_SECONDS:
            _remove(path)
        else:
            _write(settings, path, dict(message, ways=left))
    return told


def _owed_message(settings, name):
    message = read_json(settings.path("unsent", name))
    if isinstance(message, dict) and message.get("kind") and isinstance(message.get("ways"), list):
        return dict(message, ways=[way for way in WAYS if way in message["ways"]])
    # Of hand, or what a disk has left of it: that it is there tells enough.
    status = read_json(settings.path("status.json"))
    known = {key: status[key] for key in (*FIELDS, "steps") if key in status} if isinstance(status, dict) else {}
    return dict(known, kind="failed", ways=ways(settings))


def _write(settings, path, message):
    """Write a message. Half a file among them would keep the delivery at work."""
    draft = settings.path(f"unsent-{os.getpid()}")
    write_json(draft, message, 0o600)
    os.replace(draft, path)


def test(settings, now):
    """Send a test message now; one sentence for each way that did not take it, or that there is none."""
    if not ways(settings):
        return ["Nobody is told of backups: set backup_mail_to or the webhook, and run the playbook."]
    return [str(error) for error in _tested(settings, now, ways(settings))]


def prove(settings, now, is_patient=False):
    """Send a test message by each way that has not taken one with these settings; a sentence for each that fails.

    Whoever has taken one is only asked, without a message. is_patient: what may be well in an hour is no failure, and
    who has proved to take messages is not asked either.
    """
    new = [way for way in ways(settings) if _noted(settings, "proved", way) != _digest(settings, way)]
    errors = _tested(settings, now, new)
    if is_patient:
        return [str(error) for error in errors if isinstance(error, Refused)]
    return [str(error) for error in errors] + check(settings, [way for way in ways(settings) if way not in new])


def _tested(settings, now, those):
    """Send a test message by some ways; what they say against it."""
    errors = []
    for way in those:
        try:
            {"mail": send_mail, "webhook": send_webhook}[way](settings, {
                "kind": "test", "because": "Messages about backups arrive here.", "since": moment(now)}, now)
        except BackupError as error:
            errors.append(error)
        else:
            _note(settings, "proved", way, _digest(settings, way))
            _note(settings, "refused", way, None)
    return errors


def check(settings, those=None):
    """Whether messages would be taken, without one: one sentence for each way by which they would not."""
    told = []
    for way in ways(settings) if those is None else those:
        try:
            {"mail": _check_mail, "webhook": _check_webhook}[way](settings)
        except BackupError as error:
            told.append(str(error))
    return told


# -- What is known of ways --------------------------------------------------------------------------------------------


def _digest(settings, way):
    """What tells settings of a way from others, its secret included. It is kept where that lies open for root, too."""
    content = [settings.get(way)]
    for path in [settings[way].get("password_file"), settings[way].get("url_file")]:
        with contextlib.suppress(OSError, TypeError), open(path, "rb") as stream:
            content.append(stream.read().hex())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _noted(settings, what, way):
    found = read_json(settings.path("ways.json"))
    entry = found.get(what) if isinstance(found, dict) else None
    return entry.get(way) if isinstance(entry, dict) else None


def _note(settings, what, way, value):
    """Take down what is known of a way; nothing where it is None."""
    if _noted(settings, what, way) == value:
        return
    found = read_json(settings.path("ways.json"))
    found = {key: entry for key, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}
    found.setdefault(what, {})[way] = value
    if value is None:
        del found[what][way]
    write_json(settings.path("ways.json"), found, 0o600)


def _is_left_alone(settings, way, now):
    """Whether a way has refused a login so lately that it is left alone, unless its settings have changed since."""
    known = _noted(settings, "refused", way)
    if not settings.get(way) or not isinstance(known, dict) or known.get("digest") != _digest(settings, way):
        return False
    try:
        # A clock that jumped is no reason to wait for years.
        return 0 < seconds_of_moment(known["until"]) - now <= LONGEST_PAUSE
    except (KeyError, TypeError, ValueError):
        return False


def _leave_alone(settings, way, now):
    known, digest = _noted(settings, "refused", way), _digest(settings, way)
    pause = FIRST_PAUSE
    if isinstance(known, dict) and known.get("digest") == digest and isinstance(known.get("pause"), int):
        pause = min(max(2 * known["pause"], FIRST_PAUSE), LONGEST_PAUSE)
    _note(settings, "refused", way, {"digest": digest, "pause": pause, "until": moment(now + pause)})


def _age(message, now):
    try:
        age = now - seconds_of_moment(message["since"])
    except (KeyError, TypeError, ValueError):
        return float("inf")
    # A clock that jumped is no reason to wait for years.
    return age if age >= 0 else float("inf")


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


# -- Words ------------------------------------------------------------------------------------------------------------


def subject(settings, message):
    """What a message is about, in one line."""
    title = message.get("title") or TITLES.get(message.get("verb") or "backup", TITLES["backup"])
    return SUBJECTS.get(message["kind"], SUBJECTS["failed"]).format(title=title, host=settings["host"])


def body(settings, message):
    """Lines of a message, without any secret."""
    unit, elsewhere = message.get("unit") or UNIT, message.get("elsewhere")
    lines = [message["because"]] if message.get("because") else []
    if message["kind"] in ("failed", "skipped"):
        # The journal of another host is there.
        said = [] if elsewhere else last_lines(unit, message.get("invocation"), message.get("started"))
        lines += [
            *([""] if lines else []), "What ran, as far as it came:", "", f"  began {message.get('started') or '-'}",
            f"  ended {message.get('finished') or '-'}",
            *("  {} {}".format(step.get("state"), step.get("name")) for step in message.get("steps") or []),
            *(f"  WARNING: {sentence}" for sentence in message.get("warnings") or []),
            "", *([] if elsewhere else ["What it said last:", "", *("  " + line[:LINE_LENGTH] for line in said), ""]),
            f"All of it: journalctl -u {unit.rpartition('.')[0] or unit} on {elsewhere or 'the server'}."]
    return [without_secrets(settings, line) for line in lines]


def last_lines(unit, invocation, started):
    """What a run of a unit said last; none where the journal cannot be asked."""
    if invocation:
        wanted = [f"_SYSTEMD_INVOCATION_ID={invocation}"]
    else:
        wanted = ["--unit", unit]
        with contextlib.suppress(TypeError, ValueError):
            wanted.append(f"--since=@{seconds_of_moment(started)}")
    try:
        done = subprocess.run(
            ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={LAST_LINES}", *wanted],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", check=False)
    except OSError:
        return []
    return done.stdout.splitlines()[-LAST_LINES:]


def without_secrets(settings, text):
    """A text without the secrets of mail and webhook, and without those in secret_files, of which each line is one."""
    mail, found = settings.get("mail") or {}, set()
    for path in [mail.get("password_file"), (settings.get("webhook") or {}).get("url_file"),
                 *(settings.get("secret_files") or [])]:
        with contextlib.suppress(OSError, TypeError), open(path, encoding="utf-8", errors="replace") as stream:
            found.update(line.strip() for line in stream)
    for secret in list(found):
        found.add(urllib.parse.quote(secret, safe="", errors="replace"))
        # As a login is sent, and as some servers repeat it.
        found.update(base64.b64encode(words.encode("utf-8", "replace")).decode("ascii")
                     for words in (secret, "\0" + mail.get("user", "") + "\0" + secret) if secret)
        if secret.startswith("https://"):
            # What is said of an address names its parts at times.
            found.update(word for word in re.split("[/?&=#]", secret.partition("//")[2].partition("/")[2])
                         if len(word) >= 8)
    for secret in sorted(found, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    return text


# -- Mail -------------------------------------------------------------------------------------------------------------


def mail_of(settings, message):
    """The mail of a message."""
    server, told = settings["mail"], email.message.EmailMessage()
    told["From"] = email.utils.formataddr(("Trenova backup", server["from"]))
    told["To"] = server["to"]
    told["Subject"] = subject(settings, message)
    told["Date"] = email.utils.formatdate(localtime=True)
    told["Message-ID"] = email.utils.make_msgid(domain=server["from"].rpartition("@")[2])
    told.set_content("\n".join([*body(settings, message), ""]))
    return told


def send_mail(settings, message, _now=None):
    """Hand a message to the mail server. Raises BackupError."""
    server = settings["mail"]
    with _told_of_mail(settings), connected(server) as connection:
        connection.send_message(mail_of(settings, message), server["from"], [server["to"]])


def _check_mail(settings):
    with _told_of_mail(settings), connected(settings["mail"]) as connection:
        connection.noop()


@contextlib.contextmanager
def _told_of_mail(settings):
    """What can be wrong with a mail server, as a sentence with its name."""
    try:
        yield
    except (OSError, smtplib.SMTPException, ValueError) as error:
        said = without_secrets(settings, str(error) or type(error).__name__)
        if isinstance(error, smtplib.SMTPResponseException) and isinstance(error.smtp_error, bytes):
            # Before it is written as bytes are, in which no secret would be found.
            answer = without_secrets(settings, error.smtp_error.decode("utf-8", "replace"))
            said = str((error.smtp_code, answer.encode()))
        raise _kind_of(error)("{host}:{port} takes no mail from here: ".format(**settings["mail"]) + said) from None


def _kind_of(error):
    """What an error of a mail server is worth: whether another attempt can go another way."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # 454 is a server that cannot say just now.
        return LoginRefused if error.smtp_code >= 500 else BackupError
    codes = [getattr(error, "smtp_code", 0), *(code for code, _text in getattr(error, "recipients", {}).values())]
    is_lasting = isinstance(error, (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError, ValueError))
    return Refused if is_lasting or max(codes) >= 500 else BackupError


def connected(server):
    """A connection to a mail server, with the login made where there is one."""
    context = ssl.create_default_context()
    options = {"timeout": SMTP_SECONDS, "local_hostname": socket.gethostname()}
    if server["tls"] == "tls":
        connection = smtplib.SMTP_SSL(server["host"], server["port"], context=context, **options)
    else:
        connection = smtplib.SMTP(server["host"], server["port"], **options)
    try:
        if server["tls"] == "starttls":
            connection.starttls(context=context)
        if server["user"]:
            with open(server["password_file"], encoding="utf-8") as stream:
                log_in(connection, server["user"], stream.read().rstrip("\n"))
    except BaseException:
        connection.close()
        raise
    return connection


def log_in(connection, user, password):
    """smtplib itself knows only ASCII; RFC 4616 has UTF-8."""
    if user.isascii() and password.isascii():
        connection.login(user, password)
        return
    connection.ehlo_or_helo_if_needed()
    words = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    code, answer = connection.docmd("AUTH", "PLAIN " + words)
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, answer)


# -- Webhook ----------------------------------------------------------------------------------------------------------


class _Stay(urllib.request.HTTPRedirectHandler):
    """A message that is led elsewhere would arrive as a question without it, if at all."""

    def redirect_request(self, *_details):
        return None


def send_webhook(settings, message, now):
    """POST a message to the webhook. Raises BackupError."""
    url = _address(settings)
    fields = {key: message[key] for key in FIELDS if message.get(key) not in (None, "", {})}
    if "because" in fields:
        fields["because"] = without_secrets(settings, fields["because"])
    lines = [subject(settings, message), "", *body(settings, message)]
    content = dict(fields, text=_harmless("\n".join(lines))[:TEXT_LENGTH], kind=message["kind"], host=settings["host"],
                   installation=settings["installation"], time=message.get("since") or moment(now))
    request = urllib.request.Request(  # noqa: S310 - https, as _address sees to
        url, json.dumps(content).encode(), {"Content-Type": "application/json", "User-Agent": "trenova-backup"})
    context = ssl.create_default_context()
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
    with _told_of_webhook(settings), opener.open(request, timeout=_patience(settings)) as answer:
        answer.read(1)


def _check_webhook(settings):
    """Whether somebody is there whose certificate is good."""
    parts = urllib.parse.urlsplit(_address(settings))
    with _told_of_webhook(settings):
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=_patience(settings), context=ssl.create_default_context())
        try:
            connection.connect()
        finally:
            connection.close()


def _patience(settings):
    return settings["webhook"].get("timeout_seconds") or WEBHOOK_SECONDS


def _address(settings):
    """The webhook's address, which may itself be the right to write there: no sentence names more than its host."""
    try:
        with open(settings["webhook"]["url_file"], encoding="utf-8") as stream:
            url = stream.read().strip()
    except (OSError, ValueError) as error:
        because = getattr(error, "strerror", "") or "it is no text"
        raise BackupError(f"The address of the webhook cannot be read: {because}.") from None
    try:
        parts = urllib.parse.urlsplit(url)
        is_good = parts.scheme == "https" and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or re.search("[^!-~]", url):
        raise Refused("The address of the webhook must begin with https:// and a host, without a login or a blank.")
    return url


@contextlib.contextmanager
def _told_of_webhook(settings):
    """What can be wrong with a webhook, as a sentence with its host and no more of it."""
    host = urllib.parse.urlsplit(_address(settings)).netloc
    try:
        yield
    except urllib.error.HTTPError as error:
        what = "leads elsewhere" if 300 <= error.code < 400 else "does not take the message"
        error.close()
        kind = Refused if error.code < 500 and error.code not in HTTP_LATER else BackupError
        raise kind(f"The webhook at {host} {what}: it answers with status {error.code}.") from None
    except (OSError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        text = without_secrets(settings, str(why).strip() or type(why).__name__)
        kind = Refused if isinstance(why, ssl.SSLCertVerificationError) else BackupError
        raise kind(f"The webhook at {host} cannot be reached: {text.rstrip('.')}.") from None


def _harmless(text):
    """A text that calls nobody by name: what a program said last is no order to a chat."""
    return re.sub(r"@(all|channel|everyone|here)\b", r"@ \1", re.sub("<([!@#])", r"< \1", text))
