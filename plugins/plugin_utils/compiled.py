# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Templates that are compiled once, not once for each host and task.

Ansible forks a process for each task of each host, and each compiles what it renders: more than half of the work of a
run that changes nothing. What is compiled before the fork, every process has. The code is kept beside Python's own, in
__pycache__, for the runs that follow.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import marshal
import os
import sys
import tempfile

import jinja2
from ansible.parsing.dataloader import DataLoader
from ansible.release import __version__ as ansible_version
from ansible.template import Templar

#: {(settings, text): code} of every template that was compiled in this process or in the one it was forked from.
_CODE = {}
#: Where code is kept, and under which name: that of another interpreter is another file, as with Python's own.
KEPT_IN = os.path.dirname(importlib.util.cache_from_source(__file__))
KEPT_AS = f"templates.{sys.implementation.cache_tag}.ansible-{ansible_version}.code"


def shared(templar):
    """The templar, which takes code that is there already.

    It stands on parts of Ansible that are nobody's to use. Where another version has them no more, nothing is shared
    and everything works as before.
    """
    environment = getattr(getattr(templar, "_engine", None), "environment", None)
    sharing = _sharing(type(environment))
    if sharing is not None:
        environment.__class__ = sharing
    return templar


def prepare(files, expressions, directory=KEPT_IN):
    """Have code now, before processes are forked: that of files as they are, that of expressions with backslashes that
    escape. It is read from `directory` where a run before has kept it there for the same texts."""
    files, expressions = list(files), list(expressions)
    digest = _digest([files, expressions])
    path = os.path.join(directory, KEPT_AS)
    if not _read(path, digest):
        _compile(files, escape_backslashes=False)
        _compile(expressions, escape_backslashes=True)
        _keep(path, digest)


def _digest(texts):
    """Digest of all that the code hangs on."""
    told = repr([importlib.util.MAGIC_NUMBER, ansible_version, jinja2.__version__, texts])
    return hashlib.sha256(told.encode()).hexdigest()


def _read(path, digest):
    """Take code that was kept; False where there is none for this digest."""
    try:
        with open(path, "rb") as stream:
            kept, code = marshal.load(stream)  # noqa: S302  # as trustworthy as the byte code beside it
    except (OSError, EOFError, ValueError, TypeError):
        return False
    if kept == digest:
        _CODE.update(code)
    return kept == digest


def _keep(path, digest):
    """Keep all code for later runs, where Python may keep its own."""
    if sys.dont_write_bytecode:
        return
    # A folder of somebody else's, a full disk, code that cannot be kept: the next run compiles again.
    with contextlib.suppress(OSError, ValueError):
        code = marshal.dumps((digest, _CODE))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(code)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)


def _compile(texts, escape_backslashes):
    """Compile texts. What cannot be compiled is left to its use, which says why."""
    environment = getattr(getattr(shared(Templar(DataLoader(), {})), "_engine", None), "environment", None)
    context = _context(type(environment))
    if context is None:
        return
    for text in texts:
        with contextlib.suppress(Exception), context(escape_backslashes=escape_backslashes):
            environment.compile(text)


def _context(environment_class):
    """What tells in which of two ways backslashes are read; None where this Ansible has no such thing."""
    return getattr(sys.modules.get(environment_class.__module__), "_TemplateCompileContext", None)


@functools.cache
def _sharing(environment_class):
    """The class of an environment with a `compile` that looks for the code first; None where it would not be safe."""
    context = _context(environment_class)
    if context is None or not hasattr(environment_class, "compile"):
        return None

    class Sharing(environment_class):
        """An environment that compiles each text once."""

        def compile(self, source, name=None, filename=None, raw=False, defer_init=False):
            """Code of a template."""
            if not isinstance(source, str) or raw or defer_init:
                return super().compile(source, name, filename, raw, defer_init)
            current = context.current(optional=True)
            key = (
                str(source), name, filename, current and current.escape_backslashes, self.block_start_string,
                self.variable_start_string, self.comment_start_string, self.line_statement_prefix,
                self.line_comment_prefix, self.trim_blocks, self.lstrip_blocks, self.newline_sequence,
                self.keep_trailing_newline)
            if key not in _CODE:
                _CODE[key] = super().compile(source, name, filename, raw, defer_init)
            return _CODE[key]

    # compile() finds out what is being compiled by the class's module.
    Sharing.__module__ = environment_class.__module__
    return Sharing


def count():
    """Number of different templates that were compiled so far."""
    return len(_CODE)
