# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Order, for any graph: nothing before what it needs, and one at a time where there is something to lose."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
import threading
import time

import pytest
from converge_builders import Host
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import graph


@st.composite
def graphs(draw):
    """{name: names that it needs} without circles, in any order."""
    names = draw(st.permutations([f"s{number}" for number in range(draw(st.integers(1, 8)))]))
    needs = {
        name: draw(st.sets(st.sampled_from(names[:number]))) if number else set() for number, name in enumerate(names)}
    return {name: needs[name] for name in draw(st.permutations(names))}


class Turn:
    """A turn that notes when it works."""

    def __init__(self, name, needs=(), exclusive=False, fails=False, idle=False, begins_with=None):
        self.name, self.wanted = name, {"needs": list(needs)}
        self.begins_with = self.wanted["needs"] if begins_with is None else list(begins_with)
        self.await_needs = None
        self.exclusive, self.fails, self.idle = exclusive, fails, idle
        self.has_failed, self.waits_for = False, None

    def is_exclusive(self):
        return self.exclusive

    def needs_to_begin(self):
        return self.begins_with

    def failed(self):
        return self.has_failed or self.waits_for is not None

    def wait_for(self, name):
        self.waits_for = name


class Watch:
    """What happened in which order, and how many were at work at once."""

    def __init__(self):
        self.events, self.at_work, self.most_exclusive = [], set(), 0
        self.lock = threading.Lock()

    def work(self, turn):
        with self.lock:
            self.at_work.add(turn)
            self.events.append(("begins", turn.name))
            self.most_exclusive = max(
                self.most_exclusive, sum(other.exclusive and not other.idle for other in self.at_work))
        if not turn.idle:
            missing = turn.await_needs()
            if missing:
                turn.wait_for(missing)
        if turn.waits_for is None:
            with self.lock:
                self.events.append(("goes on", turn.name))
            turn.has_failed = turn.fails
        with self.lock:
            self.events.append(("ends", turn.name))
            self.at_work.discard(turn)


def test_who_has_begun_is_woken_by_one_that_never_begins():
    """database fails, so queue never begins; api has begun and sleeps until queue has ended, however that comes."""
    queue, told = Turn("queue", ["database"]), []
    there = graph.Graph([queue], set(), None)
    api = threading.Thread(target=lambda: told.append(there._await(["queue"])), daemon=True)
    api.start()
    time.sleep(0.2)
    with there.changed:
        queue.wait_for("database")
        there._end(queue)
    api.join(10)
    assert told == ["database"]


def worked(turns):
    """Work through turns in a valid order, and return what happened."""
    watch, by_name = Watch(), {turn.name: turn for turn in turns}
    order = graph.ordered([{"name": turn.name, "needs": turn.wanted["needs"]} for turn in turns])
    graph.Graph([by_name[name] for name in order], {turn.name for turn in turns if turn.idle}, watch.work).run()
    return watch


@settings(max_examples=200, deadline=None)
@given(needs=graphs(), data=st.data())
def test_nothing_begins_before_what_it_needs_has_ended_and_failures_stop_only_those_that_need_them(needs, data):
    some = st.sets(st.sampled_from(sorted(needs)))
    exclusive, failing, idle = data.draw(some), data.draw(some), data.draw(some)
    # Where nothing ran before, a part of the work may need less.
    begins_with = {
        name: needs[name] if name in exclusive else data.draw(st.sets(st.sampled_from(sorted(needs[name]))))
        if needs[name] else set() for name in needs}
    turns = [Turn(name, needs[name], name in exclusive, name in failing - idle, name in idle, begins_with[name])
             for name in needs]
    watch = worked(turns)
    assert watch.most_exclusive <= 1
    reached = {turn.name: turn for turn in turns}
    for name in needs:
        turn = reached[name]
        failed_needs = [need for need in needs[name] if reached[need].failed()]
        if turn.idle or not failed_needs:
            assert ("ends", name) in watch.events
        else:
            assert reached[turn.waits_for].has_failed
            assert ("goes on", name) not in watch.events
        for event, needed in (("begins", begins_with[name]), ("goes on", needs[name])):
            for need in () if turn.idle or (event, name) not in watch.events else needed:
                assert watch.events.index(("ends", need)) < watch.events.index((event, name))


@settings(max_examples=200, deadline=None)
@given(needs=graphs())
def test_the_order_has_each_name_once_after_what_it_needs(needs):
    order = graph.ordered([{"name": name, "needs": needs[name] | {"of another run"}} for name in needs])
    assert sorted(order) == sorted(needs)
    assert all(order.index(need) < order.index(name) for name in needs for need in needs[name])


def test_without_needs_the_order_is_the_given_one():
    assert graph.ordered([{"name": name, "needs": []} for name in "cab"]) == list("cab")


def test_those_with_nothing_to_lose_work_side_by_side():
    barrier = threading.Barrier(3, timeout=10)
    graph.Graph([Turn(name) for name in "abc"], set(), lambda turn: barrier.wait()).run()


def test_one_with_something_to_lose_works_beside_those_that_have_not():
    barrier = threading.Barrier(2, timeout=10)
    graph.Graph([Turn("a", exclusive=True), Turn("b")], set(), lambda turn: barrier.wait()).run()


def test_of_those_with_something_to_lose_one_works_at_a_time_in_the_given_order():
    events, second_began = [], threading.Event()

    def work(turn):
        events.append(("begins", turn.name))
        if turn.name == "b":
            second_began.set()
        # Time enough for the other one to begin, if it could.
        second_began.wait(0.2)
        events.append(("ends", turn.name))

    graph.Graph([Turn("a", exclusive=True), Turn("b", exclusive=True)], set(), work).run()
    assert events == [("begins", "a"), ("ends", "a"), ("begins", "b"), ("ends", "b")]


def test_after_a_fault_of_the_program_nothing_more_begins_and_it_is_raised_at_the_end():
    began, both = [], threading.Barrier(2, timeout=10)

    def work(turn):
        began.append(turn.name)
        both.wait()
        if turn.name == "a":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        graph.Graph([Turn("a"), Turn("b"), Turn("c", ["a", "b"])], set(), work).run()
    assert sorted(began) == ["a", "b"]


def test_one_that_has_failed_before_its_turn_ends_without_it():
    first, second = Turn("a"), Turn("b", ["a"])
    first.has_failed = True
    watch = worked([first, second])
    assert (watch.events, second.waits_for) == ([], "a")


@settings(max_examples=40, deadline=None)
@given(needs=graphs(), data=st.data())
def test_on_a_host_no_service_is_started_before_what_it_needs_serves(needs, data):
    ran_before = data.draw(st.sets(st.sampled_from(sorted(needs))))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DOCKER_CONFIG", str(pathlib.Path(folder) / "docker"))
        host = Host(folder)
        host.converge(*[host.service(name) for name in ran_before])
        host.forget_calls()
        jobs = {
            name: data.draw(st.sets(st.sampled_from(sorted(needs[name])))) for name in needs if needs[name]}
        host.converge(*[
            host.service(name, needs=sorted(needs[name]), version="2", jobs=[
                {"service": f"prepare-{name}", "needs": sorted(jobs[name])}] if name in jobs else [])
            for name in needs])
        events = host.engine.events
        for name in needs:
            for need in needs[name]:
                assert events.index(("serves", f"tren-{need}")) < events.index(("started", f"tren-{name}"))
            for need in jobs.get(name, ()):
                assert events.index(("serves", f"tren-{need}")) < events.index(("job", f"prepare-{name}"))
            if name in jobs:
                assert events.index(("job", f"prepare-{name}")) < events.index(("started", f"tren-{name}"))
        # What ran before is replaced one by one: none starts before the one before it serves.
        replaced = [(event, name) for event, name in events if name[len("tren-"):] in ran_before]
        assert all(
            (first, second) == (("started", first[1]), ("serves", first[1]))
            for first, second in zip(replaced[::2], replaced[1::2], strict=True))
