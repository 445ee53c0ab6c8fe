# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Order: which service may begin, given what it needs and what runs."""

from __future__ import annotations

import functools
import threading

from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError


def ordered(services):
    """Names of services, each after all that it needs, as near to the given order as that allows.

    Names in `needs` that are not among the services do not count. Raises ConvergeError, with the names, for a circle.
    """
    left = {service["name"]: set(service["needs"]) for service in services}
    found = []
    while left:
        ready = [name for name, needs in left.items() if not needs & set(left)]
        if not ready:
            raise ConvergeError("services need each other in a circle: {}. Take one of these needs out.".format(
                " → ".join(_circle(left))))
        found.append(ready[0])
        del left[ready[0]]
    return found


def _circle(needs):
    """One circle among services of which each needs another one of them; its first name comes again at its end."""
    path = [min(needs)]
    while path[-1] not in path[:-1]:
        path.append(min(needs[path[-1]] & set(needs)))
    return path[path.index(path[-1]):]


class Graph:
    """Gives each of some turns to work when all that it needs have ended, in threads.

    turns: in an order in which each comes after all that it needs. Each has `name`, `wanted["needs"]`,
    `is_exclusive()`, `failed()`, `wait_for(name)` and `waits_for`. One that can do a part of its work sooner names in
    `needs_to_begin()` what it needs for that, and calls `await_needs()`, which it is given, before the rest.

    idle: names of those that have nothing to do and wait for nobody. work(turn): may take long, and takes down failures
    in the turn itself. What it raises is a fault of the program, and ends the run when those that are at work have come
    to their end.
    """

    def __init__(self, turns, idle, work):
        self.waiting = list(turns)
        self.idle = idle
        self.work = work
        self.running = []
        self.ended = {}
        self.crash = None
        self.changed = threading.Condition()

    def run(self):
        """Work until every turn has ended."""
        with self.changed:
            self._advance()
            while self.running:
                self.changed.wait()
                self._advance()
        if self.crash is not None:
            raise self.crash

    def _advance(self):
        """Begin with all that may begin now. One pass is enough: a turn comes after all that it needs."""
        names = {turn.name for turn in self.waiting + self.running} | set(self.ended)
        for turn in list(self.waiting):
            if self.crash is not None:
                return
            needs = [need for need in turn.wanted["needs"] if need in names]
            failed = [self.ended[need] for need in needs if need in self.ended and self.ended[need].failed()]
            if turn.failed():
                self._end(turn)
            elif turn.name in self.idle:
                self._begin(turn)
            elif failed:
                turn.wait_for(failed[0].waits_for or failed[0].name)
                self._end(turn)
            elif all(need in self.ended for need in turn.needs_to_begin() if need in names) and (
                    not self._is_kept_waiting(turn)):
                turn.await_needs = functools.partial(self._await, needs)
                self._begin(turn)

    def _is_kept_waiting(self, turn):
        return turn.is_exclusive() and any(
            other.is_exclusive() and other.name not in self.idle for other in self.running)

    def _await(self, needs):
        """Wait for the rest of what a turn that has begun needs. Returns the name of what it waits for in vain."""
        with self.changed:
            while True:
                for need in needs:
                    if need in self.ended and self.ended[need].failed():
                        return self.ended[need].waits_for or need
                left = [need for need in needs if need not in self.ended]
                if not left or self.crash is not None:
                    return left[0] if left else None
                self.changed.wait()

    def _begin(self, turn):
        self.waiting.remove(turn)
        self.running.append(turn)
        threading.Thread(target=self._work, args=[turn], name=turn.name).start()

    def _end(self, turn):
        self.waiting.remove(turn)
        self.ended[turn.name] = turn
        # One that has begun may wait for this one.
        self.changed.notify_all()

    def _work(self, turn):
        try:
            self.work(turn)
        except BaseException as error:
            self.crash = error
        finally:
            with self.changed:
                self.running.remove(turn)
                self.ended[turn.name] = turn
                self.changed.notify_all()
