# Managed by trenova.selfhost.
"""What the unit of the backup does besides the backup itself, on the host: it needs no image and no running Engine.

begin: refuses where the disk of the backups is not mounted. end: whatever happened, the status file tells of this
backup, nothing of it runs on, and the unit fails where the backup did. mail: tells of a backup that failed, and tries
again until somebody takes the mail. check: logs in to the mail server, and mails nothing. What it works with stands in
backup-unit.json beside this file.
"""

import base64
import email.message
import email.utils
import json
import os
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time

#: What is known from the begin of a backup to its end.
NOTE = "/run/trenova-backup.json"
MOUNTS, FSTAB = "/proc/self/mounts", "/etc/fstab"
#: An Engine that is being upgraded is away for a while.
ENGINE_SECONDS = 120
STOP_SECONDS = 20
SMTP_SECONDS = 60
LAST_LINES = 20


def read_json(path):
    """Content of a JSON file, {} where there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def write_json(path, content, mode=0o644):
    """Write a JSON file so that a reader sees either the old one or the new one."""
    with open(path + ".new", "w", encoding="utf-8") as stream:
        json.dump(content, stream)
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)


def now():
    """The time as status files tell it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# -- The Engine -------------------------------------------------------------------------------------------------------


def engine_runs():
    """Whether the Engine runs. While an administrator keeps it stopped, any command of its would start it again."""
    return subprocess.run(["systemctl", "is-active", "--quiet", "docker.service"], check=False).returncode == 0


def wait_for_engine():
    """Wait for an Engine that comes back; whether it did."""
    deadline = time.monotonic() + ENGINE_SECONDS
    while not engine_runs():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def jobs_there(settings):
    """{id: whether it runs} of the containers of backups."""
    labels = ["com.docker.compose.project=" + settings["project"], "com.docker.compose.oneoff=True"]
    done = subprocess.run(
        ["docker", "ps", "--all", "--no-trunc", *(f"--filter=label={label}" for label in labels),
         "--format", '{{.ID}} {{.Label "com.docker.compose.service"}} {{.State}}'],
        stdout=subprocess.PIPE, text=True, check=False)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {words[0]: words[2] == "running" for words in lines if len(words) == 3 and words[1] in settings["jobs"]}


def remove(containers):
    """Remove containers, whether they run or not; one that runs gets a moment to tell how far it came."""
    for command in (["stop", "--time", str(STOP_SECONDS)], ["rm", "--force"]) if containers else ():
        subprocess.run(
            ["docker", *command, *containers], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


# -- The disk ---------------------------------------------------------------------------------------------------------


def mount_points(path):
    """Mount points in a table of mounts."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            lines = [line.split() for line in stream if not line.lstrip().startswith("#")]
    except OSError:
        return []
    return [re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), words[1]) for words in lines if len(words) > 2]


def missing_mount(settings):
    """Where the disk of the backups ought to be mounted and is not; None where all is well.

    The deployment has taken down where it was; /etc/fstab may know of a disk that was not there then.
    """
    directory = os.path.realpath(settings["backups"])
    recorded = (read_json(settings["record"]).get("places") or {}).get(settings["backups"], "/")
    above = [point for point in mount_points(FSTAB)
             if point.startswith("/") and (directory + "/").startswith(point.rstrip("/") + "/")]
    mounted = mount_points(MOUNTS)
    return next((point for point in [recorded, *above] if point != "/" and point not in mounted), None)


# -- Begin and end ----------------------------------------------------------------------------------------------------


def begin(settings):
    """Refuse a backup that could not be one."""
    note = {"began": now(), "status": read_json(settings["status"]).get("started"), "running": []}
    write_json(NOTE, note, 0o600)
    missing = missing_mount(settings)
    if missing:
        return refused(note, f"The disk of the backups is not mounted on {missing}. Nothing was saved. Mount it.")
    if not wait_for_engine():
        return refused(note, "The Docker Engine does not run. Nothing was saved.")
    there = jobs_there(settings)
    # What runs was started by hand, and this backup gives way to it.
    remove([container for container, runs in there.items() if not runs])
    note["running"] = [container for container, runs in there.items() if runs]
    write_json(NOTE, note, 0o600)
    return 0


def refused(note, because):
    """Say why, here and for the end."""
    print(because, file=sys.stderr)
    write_json(NOTE, dict(note, because=because), 0o600)
    return 1


def end(settings):
    """See to it that the status file tells of this backup, and that nothing of it runs on."""
    note, status = read_json(NOTE), read_json(settings["status"])
    if note:
        os.unlink(NOTE)
    if is_told(note, status) and status["exit_status"] == 0:
        return 0
    if wait_for_engine():
        # An Engine that was restarted has kept the container, which nobody waits for any more.
        remove([container for container in jobs_there(settings) if container not in note.get("running", [])])
        status = read_json(settings["status"])
    if not is_told(note, status):
        write_json(settings["status"], {
            "started": note.get("began", now()), "finished": now(), "exit_status": 1, "place": "", "bytes": 0,
            "objects_bytes": 0, "steps": [], "because": note.get("because") or why(os.environ)})
    if settings["mail"]:
        write_json(settings["unmailed"], {"invocation": os.environ.get("INVOCATION_ID", "")}, 0o600)
    return 1


def is_told(note, status):
    """Whether a status is that of this backup."""
    return bool(note and status) and status.get("started") != note.get("status")


def why(environment):
    """Why a backup ended before it could tell how it went, by what systemd says of the unit."""
    result = environment.get("SERVICE_RESULT", "")
    if result == "timeout":
        return "It took longer than backup_timeout_seconds allows, and was ended."
    if environment.get("EXIT_CODE") == "killed" or result in ("success", "signal", ""):
        return "It was interrupted: the unit was stopped, or the server was."
    return "It could not run, or was cut off: its image is missing, or the Docker Engine was restarted."


# -- The mail ---------------------------------------------------------------------------------------------------------


def mail(settings):
    """Tell of the backup that failed; once somebody has taken the mail, no more."""
    if not os.path.exists(settings["unmailed"]):
        return 0
    invocation = read_json(settings["unmailed"]).get("invocation")
    send(settings["mail"], message(settings, read_json(settings["status"]), last_lines(invocation)))
    os.unlink(settings["unmailed"])
    return 0


def message(settings, status, lines):
    """The mail."""
    told = email.message.EmailMessage()
    told["From"] = email.utils.formataddr(("Trenova backup", settings["mail"]["from"]))
    told["To"] = settings["mail"]["to"]
    told["Subject"] = "The backup of Trenova failed on {}".format(settings["host"])
    told["Date"] = email.utils.formatdate(localtime=True)
    told["Message-ID"] = email.utils.make_msgid(domain=settings["mail"]["from"].rpartition("@")[2])
    steps = ["  {state}  {name}".format(**step) for step in status.get("steps", [])]
    told.set_content("\n".join([
        *([status["because"], ""] if status.get("because") else []),
        "What ran, as far as it came:", "", "  began {}".format(status.get("started")),
        "  ended {}".format(status.get("finished")), *steps, "", "What it said last:", "",
        *("  " + line for line in lines), "", "All of it: journalctl -u trenova-backup on the server.", ""]))
    return told


def last_lines(invocation):
    """What a run of the unit said last."""
    unit = ["--unit", "trenova-backup.service"]
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={LAST_LINES}"]
    match = [f"_SYSTEMD_INVOCATION_ID={invocation}"] if invocation else unit
    try:
        done = subprocess.run([*command, *match], stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    except OSError:
        return []
    return done.stdout.splitlines()


def connected(server):
    """A connection to the mail server, with the login made where there is one."""
    context = ssl.create_default_context()
    options = {"timeout": SMTP_SECONDS, "local_hostname": socket.gethostname()}
    if server["tls"] == "tls":
        connection = smtplib.SMTP_SSL(server["host"], server["port"], context=context, **options)
    else:
        connection = smtplib.SMTP(server["host"], server["port"], **options)
    if server["tls"] == "starttls":
        connection.starttls(context=context)
    if server["user"]:
        with open(server["password_file"], encoding="utf-8") as stream:
            log_in(connection, server["user"], stream.read().rstrip("\n"))
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


def send(server, told):
    """Hand a mail to the mail server."""
    with connected(server) as connection:
        connection.send_message(told, server["from"], [server["to"]])


def check(settings):
    """Whether the mail server would take a mail from here, as far as the login."""
    server = settings["mail"]
    try:
        with connected(server) as connection:
            connection.noop()
    except (OSError, smtplib.SMTPException) as error:
        print("{host}:{port} takes no mail from here: ".format(**server) + str(error), file=sys.stderr)
        return 1
    return 0


def main():
    """What the argument says; 1 where it fails, with one sentence."""
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), "backup-unit.json")
    try:
        return {"begin": begin, "end": end, "mail": mail, "check": check}[sys.argv[1]](read_json(place))
    except (OSError, smtplib.SMTPException, subprocess.SubprocessError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
