# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which programs a shell script calls, as far as that can be read: those whose names stand there."""

from __future__ import annotations

import re

BUILTINS = frozenset((
    ":", ".", "[", "alias", "bg", "break", "cd", "command", "continue", "declare", "echo", "eval", "exec", "exit",
    "export", "false", "fg", "getopts", "hash", "jobs", "kill", "local", "mapfile", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "test", "times", "trap", "true", "type", "ulimit", "umask", "unset", "wait",
    # Words that end or open something, where a command could stand.
    "fi", "done", "esac", "}", "]", "]]", "[[", "in"))
#: After these a command begins.
KEYWORDS = frozenset(("if", "then", "else", "elif", "while", "until", "do", "!", "{", "exec", "time"))
#: Programs that run another one: what stands between its name and that of the other.
RUNNERS = {
    "timeout": re.compile(r"-\S+|\d[\d.]*[smhd]?"), "xargs": re.compile(r"-\S+"), "nice": re.compile(r"-\S+|\d+"),
    "env": re.compile(r"-\S+|\w+=.*")}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]")
REDIRECTION = re.compile(r"\d*(<>|>>|>&|<&|<<<|>|<)\s*")
#: A text that a program reads. Quotes around the word that ends it say that nothing is replaced in it.
DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1([^\n]*)\n(.*?)^\s*\2$", re.DOTALL | re.MULTILINE)
#: What is part of a word as it stands, with the part of it that counts.
PARTS = [re.compile(expression, re.DOTALL) for expression in (
    r"\\(.?)", r"'([^']*)'", r"(\$\(\(.*?\)\))", r"(\$\{[^}]*\})", r"([^\s;&|()<>])")]


def tokens(text):
    """(kind, text) of the words, operators and redirections of a script, and of what stands in $(...)."""
    found, word, nested, place = [], None, [], 0
    text = DOCUMENT.sub(_without_document, text)
    # A line break at the end ends the last word.
    text += "\n"
    while place < len(text):
        if word is None and text[place] == "#":
            place = text.index("\n", place)
        if word is None or word.isdigit():
            match = REDIRECTION.match(text, place - len(word or ""))
            if match:
                found.append(("redirection", match.group()))
                word, place = None, match.end()
                continue
        if text[place] == '"' or text.startswith("$(", place) and not text.startswith("$((", place):
            inner, end = quoted(text, place) if text[place] == '"' else ([], closing(text, place + 2))
            nested += inner if text[place] == '"' else [text[place + 2:end - 1]]
            word, place = (word or "") + (text[place + 1:end - 1] if text[place] == '"' else "$()"), end
            continue
        match = next((match for part in PARTS if (match := part.match(text, place))), None)
        if match:
            word, place = (word or "") + match.group(1).replace("\n", ""), match.end()
            continue
        found += [("word", word)] * (word is not None) + [("nested", part) for part in nested]
        word, nested = None, []
        for kind, expression in (("redirection", REDIRECTION), ("operator", OPERATOR)):
            match = match or expression.match(text, place)
            if match:
                found.append((kind, match.group()))
                break
        place = match.end() if match else place + 1
    return found


def _without_document(match):
    quote, _end, more, content = match.groups()
    return more if quote else more + '\n: "' + content.replace('"', '\\"') + '"'


def quoted(text, place):
    """(scripts in $(...), end) of a text in double quotes that begins at a place."""
    inner, place = [], place + 1
    while text[place] != '"':
        if text[place] == "\\":
            place += 2
        elif text.startswith("$((", place):
            place = text.index("))", place) + 2
        elif text.startswith("$(", place):
            end = closing(text, place + 2)
            inner.append(text[place + 2:end - 1])
            place = end
        else:
            place += 1
    return inner, place + 1


def closing(text, place):
    """Behind which place the bracket that is open before a place is closed, quotes and further brackets between."""
    depth = 1
    while depth:
        if text[place] == "\\":
            place += 1
        elif text[place] == "'":
            place = text.index("'", place + 1)
        elif text[place] == '"':
            place = quoted(text, place)[1] - 1
        else:
            depth += {"(": 1, ")": -1}.get(text[place], 0)
        place += 1
    return place


def programs(text):
    """Names of the programs that a script calls, without its own functions and what it may do without."""
    reader = Reader(text)
    return reader.found - reader.functions - BUILTINS


def of_command(words):
    """Names of the programs that a command given as a list calls: its own, and those of a script that it is handed."""
    if not words:
        return set()
    found = {words[0]}
    if words[0].rpartition("/")[2] in ("sh", "bash", "ash", "dash") and "-c" in words[1:-1]:
        found |= programs(words[words.index("-c") + 1])
    elif words[0] in RUNNERS:
        found |= programs(" ".join(words))
    return found


class Reader:
    """What a script calls and which functions it defines."""

    def __init__(self, text):
        self.found, self.functions = set(), set()
        #: Whether a command may begin here, what the program runs that stands before, and where in `case` this is.
        self.begins, self.runner, self.cases = True, None, []
        #: The last program, whether it may complain, and whether the next word is a file's name.
        self.last, self.silent, self.target = None, False, False
        read = tokens(text)
        following = [*read[1:], ("operator", "\n"), ("operator", "\n")]
        for number, (kind, value) in enumerate(read):
            getattr(self, kind)(value, following[number:number + 2])

    def nested(self, value, _following):
        self.found |= Reader(value).found

    def redirection(self, value, _following):
        self.target = True
        self.silent = self.silent or value.strip() in ("2>", ">&")

    def operator(self, value, _following):
        if self.cases and value == ")" and self.cases[-1] == "pattern":
            self.cases[-1] = "commands"
        elif self.cases and value == ";;":
            self.cases[-1] = "pattern"
        if value == "||" and self.silent and self.last:
            # It may fail, and says nothing when it does: what stands in its place comes next.
            self.found.discard(self.last)
        self.begins, self.runner, self.target, self.last, self.silent = True, None, False, None, False

    def word(self, value, following):
        if self.target:
            self.target = False
        elif self.cases and value == "esac":
            self.cases.pop()
        elif self.cases and self.cases[-1] != "commands":
            if value == "in":
                self.cases[-1] = "pattern"
        elif value in ("-exec", "-execdir"):
            self.begins = True
        elif self.begins:
            self.command(value, following)

    def command(self, value, following):
        """A word where a command may begin."""
        if value in KEYWORDS or ASSIGNMENT.match(value) or self.runner and self.runner.fullmatch(value):
            return
        self.runner = RUNNERS.get(value)
        self.begins = self.runner is not None
        if following == [("operator", "("), ("operator", ")")]:
            self.functions.add(value)
        elif value == "case":
            self.cases.append("head")
        elif value not in ("for", "select") and re.fullmatch(r"[\w./+-]+|\[", value):
            self.last = value
            self.found.add(value)
