# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What an ACME authority said last of each host name, by the log of Caddy.

Caddy tells each refusal twice, as a challenge that failed and as a certificate that it did not get, and then when it
tries again. The messages and fields are those of certmagic 0.21 to 0.25 (Caddy 2.9 to 2.11).
"""

from __future__ import annotations

import ipaddress
import json
import re
import time

#: A problem document (RFC 8555, 6.7) in the words of acmez.
PROBLEM = re.compile(r"HTTP (?P<status>\d{3}) (?P<type>\S+) - (?P<detail>.*)", re.DOTALL)
NAMESPACE = "urn:ietf:params:acme:error:"
NOT_GOT = "could not get certificate from issuer"
CHALLENGE = "challenge failed"
AGAIN = ("will retry", "final attempt; giving up")
#: Of which name a line with AGAIN speaks.
WHOSE = re.compile(r"\[([^\]]+)\] (Obtain|Renew)")
ADDRESS = re.compile(r"(?<![\w.:])[0-9a-fA-F:.]{3,}(?!\w)")
#: A detail may hold a whole page of somebody else's, and a line a stack of calls.
LONGEST_DETAIL = 2000
LONGEST_LINE = 400
MOST_LINES = 3
#: Seconds since 1970 that no clock of ours will show.
LATEST = 1e11


def attempts(lines, names):
    """{name: its last attempt} of those of the names that the authority gave no certificate.

    An attempt: `failures`, one {"issuer", "status", "type", "detail"} for each refusal, `registers`, whether it came no
    farther than to the account, and `lines` of the log.
    """
    found, ended = {}, set()
    for entry in filter(None, map(_entry, lines)):
        name = _name(entry)
        if name not in names:
            continue
        if name not in found or name in ended:
            found[name] = {"failures": [], "registers": False, "lines": []}
            ended.discard(name)
        attempt = found[name]
        if entry["msg"] in AGAIN:
            attempt["registers"] = "registering account" in str(entry.get("error"))
            ended.add(name)
        else:
            attempt["failures"].append(_failure(entry))
        attempt["lines"] = [*attempt["lines"], line_of(entry)][-MOST_LINES:]
    return {name: attempt for name, attempt in found.items() if attempt["failures"]}


def ended(lines):
    """Names of which the log says how an attempt ended, which it does where there was no certificate."""
    return {_name(entry) for entry in filter(None, map(_entry, lines)) if entry["msg"] in AGAIN}


def addresses(text):
    """IP addresses in a text, each once, in their order."""
    found = []
    for word in ADDRESS.findall(text):
        # A port or the colon of a sentence may follow.
        for form in (word, word.rstrip(":."), word.partition(":")[0]):
            try:
                found.append(str(ipaddress.ip_address(form)))
                break
            except ValueError:
                continue
    return [address for address in dict.fromkeys(found) if address != "::"]


def line_of(entry):
    """A line of the log as a person reads it: time, message, and what went wrong."""
    moment = entry.get("ts")
    began = time.strftime("%H:%M:%S ", time.gmtime(moment)) if _is_moment(moment) else ""
    problem = entry.get("problem")
    told = problem.get("detail") if isinstance(problem, dict) else entry.get("error")
    return one_line("{}{}: {}".format(began, entry["msg"], told or ""), LONGEST_LINE)


def one_line(text, longest):
    """A text of somebody else's on one line, not for ever, and of characters that can be written anywhere."""
    plain = " ".join("".join(character if character.isprintable() else " " for character in str(text)).split())
    return plain if len(plain) <= longest else plain[:longest - 1] + "…"


def _entry(line):
    """A line of the log that speaks of a certificate that was not got; None for any other."""
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("msg") not in (NOT_GOT, CHALLENGE, *AGAIN):
        return None
    return entry


def _name(entry):
    name = entry.get("identifier")
    if isinstance(name, str):
        return name
    told = WHOSE.match(str(entry.get("error")))
    return told[1] if told else None


def _failure(entry):
    """One refusal: of a problem document its parts, of anything else its words."""
    problem, text = entry.get("problem"), str(entry.get("error") or "")
    status, kind, detail = None, "", text
    if isinstance(problem, dict):
        kind, detail = problem.get("type") or "", problem.get("detail") or problem.get("title") or ""
    elif told := PROBLEM.search(text):
        status, kind, detail = int(told["status"]), told["type"], told["detail"]
    kind = one_line(kind, LONGEST_LINE)
    return {
        "issuer": one_line(entry.get("issuer") or "", LONGEST_LINE), "status": status,
        "type": kind[len(NAMESPACE):] if kind.startswith(NAMESPACE) else kind,
        "detail": one_line(detail, LONGEST_DETAIL)}


def _is_moment(value):
    """Whether a value is a time in seconds since 1970: what Python takes for JSON has infinity and NaN, too."""
    return isinstance(value, (int, float)) and 0 <= value < LATEST
