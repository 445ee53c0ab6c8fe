# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Objects in a target: whatever is killed or lost on the way, each restore point has every object as it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import sys
import tempfile
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
# No byte code among the templates.
sys.dont_write_bytecode = True

from trenova_backup import allowed, files, runs  # noqa: E402
from trenova_backup.errors import BackupError, SourceError, TargetError  # noqa: E402
from trenova_backup.mirror import clock  # noqa: E402
from trenova_backup.mirror.lists import compared, is_bucket, key_of, path_of, read, sort  # noqa: E402
from trenova_backup.mirror.names import encrypted, upload_headers  # noqa: E402
from trenova_backup.mirror.target import Mirror  # noqa: E402

START = files.seconds_of("20261123T013000Z")
PATHS = st.sampled_from(["b/a", "b/a b", "b/a\tb", "b/a\x01", "b/ä", "b/a/c", "c/-x", "c/#;'\"", "c/\U0001f600"])


class Killed(BaseException):
    """The power went."""


def md5(content):
    return hashlib.md5(content.encode()).hexdigest()  # noqa: S324


def line(path, *fields):
    return "\t".join([json.dumps(path, ensure_ascii=False).replace("\x7f", "\\u007f"), *map(str, fields)])


class Done:
    """What Engine.run gives back."""

    def __init__(self, lines=(), code=0, said=""):
        self.lines, self.code, self.said = list(lines), code, said


class World:
    """A store, a target, and an Engine whose containers do to them what the scripts do; the power may go any time."""

    def __init__(self, directory):
        self.directory, self.now = directory, START
        os.mkdir(os.path.join(directory, "objects"))
        self.buckets, self.source, self.versions = {"b"}, {}, {}
        self.target, self.lists, self.renamed = {}, {}, {}
        self.stamp = self.fails_at = ""
        self.other, self.other_buckets = {}, set()
        self.steps, self.meanwhile, self.calls = None, [], []
        self.fails, self.source_fails, self.target_fails = {}, False, False

    # -- The store ----------------------------------------------------------------------------------------------------

    def put(self, path, content, in_parts=False):
        self.now += 1.25
        metadata = {"content-type": "text/" + content[:3], "btime": "x"}
        self.source[path] = (content, self.now, "" if in_parts else md5(content), metadata)
        self.versions.setdefault(path, set()).add(content)

    def delete(self, path):
        self.now += 1.25
        self.source.pop(path, None)

    # -- The Engine ---------------------------------------------------------------------------------------------------

    def tick(self):
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise Killed

    def host(self, inside):
        return self.directory + inside

    def out(self, inside, lines):
        with open(self.host(inside), "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(text + "\n" for text in lines)

    def names(self, inside):
        path = self.host(inside)
        return pathlib.Path(path).read_bytes().decode().split("\n")[:-1] if os.path.exists(path) else []

    def run(self, job, command, seconds=None, read_lines=None):
        assert job == "backup-objects"
        assert command[2:4] == ["bash", "-c"]
        name, words = command[5], command[6:]
        self.calls.append(name)
        self.tick()
        if name == self.fails_at:
            return Done(code=1, said="2026/11/30 08:00:00 ERROR : the target is full")
        if self.target_fails and name in ("stamps", "held", "put-list", "get-list", "hash"):
            return Done(code=1, said="2026/11/30 08:00:00 ERROR : the target is away")
        if self.source_fails and name in ("source", "look"):
            return Done(code=1, said="2026/11/30 08:00:00 ERROR : the store is away")
        lines = getattr(self, "do_" + name.replace("-", "_"))(*words) or []
        self.tick()
        for told in lines if read_lines else []:
            read_lines(told)
        return Done([] if read_lines else lines)

    def do_stamps(self, target):
        assert target == "objects-disk:main"
        replaced = {place.split("/")[1] for place, _ in self.target if place != "current"}
        return ["list " + stamp for stamp in self.lists] + [f"replaced {name}/" for name in replaced]

    @staticmethod
    def when(moment, is_exact=True):
        whole = files.moment(moment)[:-1]
        return whole + (f".{moment % 1:.3f}"[2:] if is_exact else "")

    def do_source(self, remote, out):
        assert remote == "store-main:"
        self.out(out, [line(bucket + "/", 0, "2026-11-01T00:00:00.000") for bucket in self.buckets] + [
            line(path, len(content), self.when(moment))
            for path, (content, moment, *_) in reversed(self.source.items())])

    def do_held(self, target, out, *places):
        self.out(out, [line(path, place.replace("replaced/", ""), len(content))
                       for (place, path), content in self.target.items() if place in places])

    def do_look(self, remote, names, out):
        self.out(out, [line(path, len(self.source[path][0]), self.when(self.source[path][1], False) + "Z",
                            self.source[path][2], json.dumps(self.source[path][3]))
                       for path in self.names(names) if path in self.source])

    def do_batch(self, source, target, replaced, move, copy, result, tidy):
        lines = []
        for path in self.names(move):
            if ("current", path) in self.target:
                # As S3 moves.
                assert ("replaced/" + replaced, path) not in self.target
                self.target["replaced/" + replaced, path] = self.target["current", path]
                self.tick()
                del self.target["current", path]
                self.tick()
        if self.names(move):
            lines.append("@move 0")
        if not self.names(copy):
            return lines
        for change in self.meanwhile:
            change()
        self.meanwhile = []
        code = 0
        for path in self.names(copy):
            if path in self.fails:
                why = "Failed to copy: " + self.fails[path]
                lines.append(json.dumps({"level": "error", "object": path, "msg": why}))
                code = 1
            elif path in self.source:
                content = self.source[path][0]
                self.target["current", path] = content[:1]
                self.tick()
                self.target["current", path] = content
                self.tick()
        lines += [json.dumps({"level": "notice", "stats": {"bytes": 1, "totalBytes": 2}}), f"@copy {code}"]
        if self.source_fails:
            return [*lines, "@look 1"]
        self.do_look(source, copy, result)
        return [*lines, "@look 0"]

    def do_put_list(self, name, target, stamp):
        self.lists[stamp] = pathlib.Path(self.host(name)).read_text()

    def do_get_list(self, target, stamp, out):
        pathlib.Path(self.host(out)).write_text(self.lists[stamp])

    def do_rename(self, target, *words):
        """As S3 does: a copy is there before the original is gone."""
        for old, new in zip(words[::2], words[1::2], strict=True):
            directory, stamp = old.split("/")
            if directory == "lists":
                assert new.split("/")[1] not in self.lists
                self.lists[new.split("/")[1]] = self.lists[stamp]
                self.renamed[stamp] = new.split("/")[1]
                self.tick()
                del self.lists[stamp]
                self.tick()
            for key in [key for key in self.target if key[0] == old]:
                assert (new, key[1]) not in self.target
                self.target[new, key[1]] = self.target[key]
                self.tick()
                del self.target[key]
                self.tick()

    def do_purge(self, target, *names):
        for name in names:
            if name.startswith("lists/"):
                del self.lists[name[6:]]
            self.target = {key: content for key, content in self.target.items() if key[0] != name}
            self.tick()

    def do_hash(self, place, names, out):
        place = place.partition("/")[2]
        self.out(out, [line(path, md5(self.target[place, path])) for path in self.names(names)
                       if (place, path) in self.target])

    def do_write(self, _remote, buckets, name=None):
        self.other_buckets |= set(self.names(buckets))
        lines = []
        if not name:
            return lines
        for block in "\n".join(self.names(name)).split("\nnext\n"):
            data = next(text for text in block.split("\n") if text.startswith("data = "))
            answer = next(text for text in block.split("\n") if text.startswith("write-out = "))
            number = answer.split()[-1].partition("\\")[0]
            asked = json.loads(data[8:-1].replace('\\"', '"').replace("\\\\", "\\"))
            place = asked["srcFs"].partition("/")[2]
            headers = {header["Key"]: header["Value"] for header in asked["_config"]["UploadHeaders"]}
            self.other[asked["dstRemote"]] = (self.target[place, asked["srcRemote"]], headers)
            lines.append("200 " + number)
        return lines

    def do_live(self, remote, out):
        there = self.other if remote == "other:" else self.source
        self.out(out, [line(path, len(content), "2026-12-01T00:00:00.000", md5(content))
                       for path, (content, *_) in there.items()])

    def do_keep_live(self, _remote, bucket, names):
        for path in self.names(names):
            self.other[f"{bucket}/{path}"] = self.other[path]

    # -- What is tested -----------------------------------------------------------------------------------------------

    def path(self, *words):
        return os.path.join(self.directory, *words)

    def mirror(self, kind="directory"):
        return Mirror({"name": "disk", "kind": kind}, self, self)

    def sync(self, *allowances, ahead=0):
        """Sync, by a clock that is ahead by so many seconds."""
        for name in allowances:
            pathlib.Path(self.path(name)).touch()
        self.now = int(self.now) + 10
        self.stamp = files.stamp_of(self.now + ahead)
        self.now += 5
        return self.stamp, self.mirror().sync("main", self.stamp)

    def newest_name(self, stamp):
        """What the list of a sync is called since."""
        while stamp in self.renamed:
            stamp = self.renamed[stamp]
        return stamp

    def forget_host(self):
        for root, _, names in os.walk(os.path.join(self.directory, "objects"), topdown=False):
            for name in names:
                os.unlink(os.path.join(root, name))

    def held_at(self, stamp, since=None):
        """{path: content} of a moment, from the target alone."""
        state = self.mirror().state_at("main", stamp, since=since)
        return {path: self.target[str(place), path] for path, _, _, _, place in state.entries() if place}

    def current(self):
        return {path: content for (place, path), content in self.target.items() if place == "current"}

    def contents(self):
        return {path: content for path, (content, *_) in self.source.items()}


@pytest.fixture
def world(tmp_path):
    return World(str(tmp_path))


# -- One after another ------------------------------------------------------------------------------------------------

def test_what_is_replaced_and_deleted_moves_aside(world):
    world.put("b/a", "one")
    world.put("b/gone", "gone")
    first, result = world.sync()
    assert (result["objects"], result["copied"], result["copied_bytes"], result["replaced"]) == (2, 2, 7, 0)
    before = world.contents()
    world.put("b/a", "two")
    world.delete("b/gone")
    second, result = world.sync()
    assert (result["objects"], result["copied"], result["replaced"]) == (1, 1, 2)
    assert world.target == {("current", "b/a"): "two", ("replaced/" + second, "b/a"): "one",
                            ("replaced/" + second, "b/gone"): "gone"}
    assert world.held_at(first) == before
    assert world.held_at(second) == world.contents()


def test_room_is_asked_for_what_is_to_be_copied_before_anything_is(world):
    world.put("b/a", "one")
    world.put("b/b", "three")
    world.sync()
    world.put("b/b", "two")
    world.put("b/c", "fifteen")
    world.delete("b/a")
    before, asked = dict(world.target), []

    def need_space(needed):
        asked.append(needed)
        raise TargetError("full")
    with pytest.raises(TargetError, match="full"):
        world.mirror().sync("main", files.stamp_of(world.now), need_space=need_space)
    assert asked == [len("two") + len("fifteen")]
    assert world.target == before
    world.sync()
    assert world.current() == world.contents()


def test_nothing_to_do_is_two_steps(world):
    world.put("b/a", "one")
    world.sync()
    world.calls.clear()
    _, result = world.sync()
    assert world.calls == ["stamps", "source"]
    assert (result["copied"], result["replaced"], result["objects"]) == (0, 0, 1)
    assert len(world.lists) == 1


def test_between_two_syncs_what_was_written_by_then_was_there(world):
    world.put("b/a", "one")
    world.put("b/old", "old")
    world.sync()
    world.put("b/a", "two")
    world.put("b/new", "new")
    moment = files.stamp_of(world.now)
    world.now += 60
    world.put("b/old", "older")
    world.put("b/later", "later")
    world.sync()
    assert world.held_at(moment) == {"b/a": "two", "b/new": "new", "b/old": "old"}


def test_a_moment_before_the_first_list_is_an_error(world):
    with pytest.raises(BackupError, match="there are none at all"):
        world.mirror().state_at("main", "20261101T000000Z")
    world.sync()
    with pytest.raises(BackupError, match="the first one is of 20261123T0130"):
        world.mirror().state_at("main", "20261101T000000Z")


def bring_back(world, stamp, *words, **more):
    mirror = world.mirror()
    return mirror.bring_back("main", mirror.state_at("main", stamp), *words, **more)


def test_what_comes_back_has_its_headers_and_buckets(world):
    world.buckets.add("empty")
    world.put("b/a \\ \"q\" ü\ttab", "one")
    stamp, _ = world.sync()
    result = bring_back(world, stamp, "other:")
    assert world.other == {"b/a \\ \"q\" ü\ttab": ("one", {"content-type": "text/one"})}
    assert world.other_buckets == {"b", "empty"}
    assert (result["objects"], result["bytes"], result["missing"]) == (1, 3, [])
    assert (result["compared"], result["by_md5"], result["unlike"]) == (1, 1, [])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(PATHS, st.text("xyz", min_size=1, max_size=2)),
       st.dictionaries(PATHS, st.text("xyz", min_size=1, max_size=2)), st.sets(PATHS))
def test_a_copy_is_made_of_all_that_is_written_over_with_something_else_and_of_nothing_else(saved, live, in_parts):
    """Of what was uploaded in parts nobody knows whether it is the same. The room is asked for before."""
    with tempfile.TemporaryDirectory() as directory:
        world, asked = World(directory), []
        for path, content in saved.items():
            world.put(path, content, path in in_parts)
        world.sync()
        world.other = {path: (content, {}) for path, content in live.items()}
        mirror = world.mirror()
        state = mirror.state_at("main")
        found = mirror.compare(state, "other:")
        replaced = {path: live[path] for path, content in saved.items()
                    if path in live and (live[path] != content or path in in_parts)}
        assert set(found.over) == set(replaced)
        assert set(found.lacking) == set(saved) - set(live)
        assert found.over_bytes == sum(map(len, replaced.values()))
        assert found.new_bytes == sum(len(content) for path, content in saved.items()
                                      if path not in live or path in replaced)
        assert mirror.keep_live(state, "other:", "copies", asked.append) is bool(replaced)
        assert asked == [found.over_bytes] * bool(replaced)
        result = mirror.bring_back("main", state, "other:")
        assert result["compared"] == len(saved)
        assert result["by_md5"] == len(set(saved) - in_parts)
        assert {path: content for path, (content, _headers) in world.other.items()} == {
            **live, **saved, **{f"copies/{path}": content for path, content in replaced.items()}}


@pytest.mark.parametrize(("content", "words"), [(None, "does not hold 1 objects"), ("long", "does not hold 1 objects"),
                                                ("two", None)])
def test_what_did_not_come_back_as_it_was_saved_is_found(world, monkeypatch, content, words):
    world.put("b/a", "one")
    world.put("b/b", "one")
    world.sync()
    write = world.do_write

    def spoil(*given):
        lines = write(*given)
        world.other.pop("b/a")
        if content:
            world.other["b/a"] = (content, {})
        return lines
    monkeypatch.setattr(world, "do_write", spoil)
    if words:
        with pytest.raises(SourceError, match=words + ".*the first one is b/a"):
            bring_back(world, None, "other:")
    else:
        assert bring_back(world, None, "other:")["unlike"] == ["b/a"]


def test_one_object_or_bucket_comes_back_beside(world):
    world.buckets.add("c")
    for path in ("b/a", "b/ab", "c/a"):
        world.put(path, path)
    stamp, _ = world.sync()
    bring_back(world, stamp, "other:", only="b/a", into="side/x")
    assert set(world.other) == {"side/x/a"}
    assert world.other_buckets == {"side"}
    bring_back(world, stamp, "other:", only="c")
    assert set(world.other) == {"side/x/a", "c/a"}
    with pytest.raises(BackupError, match="held no b/no at"):
        bring_back(world, stamp, "other:", only="b/no")


def test_a_restore_makes_nothing_be_copied_again(world):
    world.put("b/a", "one")
    world.put("b/parts", "parts", in_parts=True)
    first, _ = world.sync()
    assert world.mirror().verify("main")["damaged"] == []
    world.put("b/a", "one")
    world.put("b/parts", "parts")
    _, result = world.sync()
    # The MD5 of what had none was read by `verify`.
    assert (result["copied"], result["replaced"]) == (0, 0)
    assert world.held_at(first) == world.contents()
    assert world.sync()[1]["copied"] == 0


def test_more_than_half_gone_is_refused(world):
    for number in range(20):
        world.put(f"b/{number}", "x")
    world.sync()
    for number in range(11):
        world.delete(f"b/{number}")
    held = dict(world.target)
    with pytest.raises(BackupError, match="11 of 20 objects of main are gone"):
        world.sync()
    assert world.target == held
    assert world.sync(allowed.VANISHED)[1]["replaced"] == 11
    assert world.current() == world.contents()


@pytest.mark.parametrize(("path", "why"), [
    ("b/" + "x" * 144, "longer than 143 bytes"), ("b/" + "ü" * 72, "longer than 143 bytes"), ("b/a\nb", "line break"),
    ("b/a\r", "line break"), ("b/" + "x/" * 500 + "x", "longer than the target can hold"),
])
def test_an_object_that_cannot_be_kept_is_left_out_and_named(world, path, why):
    world.put(path, "lost")
    world.put("b/" + "x" * 143, "kept")
    for _ in range(2):
        _, result = world.sync()
        assert result["left_out"] == [path]
        assert repr(path) in result["warnings"][0]
        assert why in result["warnings"][0]
        assert world.current() == {"b/" + "x" * 143: "kept"}
    assert result["objects"] == 1


def test_a_name_that_the_target_refuses_is_left_out(world):
    world.put("b/a", "a")
    world.put("b/bad", "bad")
    world.fails = {"b/bad": "open /x: file name too long"}
    _, result = world.sync()
    assert result["left_out"] == ["b/bad"]
    assert world.current() == {"b/a": "a"}
    world.fails = {}
    assert world.sync()[1]["left_out"] == []
    assert world.current() == world.contents()


@pytest.mark.parametrize(("why", "error"), [
    ("failed to open source object: AccessDenied", SourceError), ("no space left on device", TargetError)])
def test_what_cannot_be_copied_is_an_error_once_all_else_is_kept(world, why, error):
    world.put("b/a", "a")
    world.put("b/bad", "bad")
    world.fails = {"b/bad": why}
    with pytest.raises(error, match="1 objects were not copied, the first one is b/bad"):
        world.sync()
    assert world.current() == {"b/a": "a"}
    world.fails = {}
    world.sync()
    assert world.current() == world.contents()


def test_who_fails_is_told(world):
    world.put("b/a", "a")
    world.source_fails = True
    with pytest.raises(SourceError, match=r"^The objects cannot be read: the store is away\.$"):
        world.sync()
    world.source_fails, world.target_fails = False, True
    with pytest.raises(TargetError, match=r"^Target disk: the target is away\.$"):
        world.sync()


def test_an_object_that_goes_or_changes_while_it_is_copied_is_for_the_next_sync(world):
    for path in ("b/a", "b/b", "b/c"):
        world.put(path, path)
    world.meanwhile = [lambda: world.delete("b/a"), lambda: world.put("b/b", "new")]
    world.sync()
    assert world.current() == {"b/b": "new", "b/c": "b/c"}
    verdict = world.mirror().verify("main")
    assert (verdict["damaged"], verdict["missing"], verdict["extra"]) == ([], [], [])
    world.sync()
    assert world.current() == world.contents()
    world.calls.clear()
    world.sync()
    assert world.calls == ["stamps", "source"]


def test_what_is_damaged_or_missing_is_named_and_copied_again(world):
    for path in ("b/a", "b/b", "b/c", "b/d"):
        world.put(path, path)
    first, _ = world.sync()
    world.target["current", "b/a"] = "xxx"
    world.target["current", "b/b"] = "longer than it was"
    del world.target["current", "b/c"]
    world.target["current", "b/extra"] = "x"
    verdict = world.mirror().verify("main")
    assert verdict["damaged"] == ["b/a", "b/b"]
    assert verdict["missing"] == ["b/c"]
    assert verdict["extra"] == ["b/extra"]
    _, result = world.sync()
    assert (result["copied"], result["replaced"]) == (3, 0)
    assert world.held_at(first) == world.contents()


@pytest.mark.parametrize("is_host_lost", [False, True])
def test_what_was_done_before_the_list_could_be_written_is_listed_although_nothing_is_left_to_do(world, is_host_lost):
    world.put("b/a", "old")
    world.put("b/gone", "gone")
    world.sync()
    world.put("b/a", "new")
    world.delete("b/gone")
    world.fails_at = "put-list"
    with pytest.raises(TargetError):
        world.sync()
    assert world.held_at(None) == {"b/a": "old", "b/gone": "gone"}
    if is_host_lost:
        world.forget_host()
    with pytest.raises(TargetError):
        world.sync()
    world.fails_at = ""
    world.sync()
    assert world.held_at(None) == {"b/a": "new"}
    world.calls.clear()
    world.sync()
    assert world.calls == ["stamps", "source"]


def test_a_share_reads_each_object_in_its_turn(world):
    for number in range(30):
        world.put(f"b/{number}", "x")
    world.sync()
    assert sum(world.mirror().verify("main", f"{part}/3")["read"] for part in (1, 2, 3)) == 30


def test_a_part_of_a_check_reads_that_part_of_the_objects_and_compares_all_sizes(world):
    """What changed in its content only is found by one of the parts, what is missing or too much by each."""
    for number in range(30):
        world.put(f"b/{number}", "x")
    world.sync()
    world.target["current", "b/7"] = "y"
    world.target["current", "b/8"] = "longer"
    del world.target["current", "b/9"]
    world.target["current", "b/extra"] = "x"
    read, asked, said = [], [], []
    do_hash = world.do_hash
    world.do_hash = lambda place, names, out: (read.append(world.names(names)), do_hash(place, names, out))[1]
    run = runs.Run.__new__(runs.Run)
    run.settings = types.SimpleNamespace(stores=[{"kind": "objects", "store": "main"}])
    run.targets = [types.SimpleNamespace(
        name="disk", is_good=True, because="", mirror=world.mirror(), snapshots=[],
        repository=types.SimpleNamespace(check=lambda part: asked.append(part) or []))]
    run.look_at_targets, run._missing = lambda: None, lambda _target, _snapshots: []
    for part in ("1/3", "2/3", "3/3"):
        said.append(run.check(part))
    assert asked == ["1/3", "2/3", "3/3"]
    assert sorted(name for names in read for name in names) == sorted(
        f"b/{number}" for number in range(30) if number not in (8, 9))
    everywhere = ["Target disk: the object b/8 is damaged.", "Target disk: the object b/9 is missing.",
                  "Target disk: the object b/extra is too much."]
    assert all(set(everywhere) <= set(found) for found in said)
    assert [sorted(set(found) - set(everywhere)) for found in said if len(found) > 3] == [
        ["Target disk: the object b/7 is damaged."]]


def test_only_what_no_restore_point_needs_is_let_go(world):
    stamps, states = [], []
    for content in ("one", "two", "three", "four"):
        world.put("b/a", content)
        stamps.append(world.sync()[0])
        states.append(world.contents())
    assert world.mirror().retain("main", stamps[0]) == []
    moment = files.stamp_of(files.seconds_of(stamps[2]) + 1)
    world.mirror().retain("main", moment)
    # That of the third tells what was there when its run began.
    assert world.mirror().stamps("main") == (stamps[1:], stamps[2:])
    assert [world.held_at(stamp) for stamp in (*stamps[1:], moment)] == [*states[1:], states[2]]


def test_a_target_that_was_replaced_is_filled_again(world):
    world.put("b/a", "one")
    world.sync()
    world.target, world.lists = {}, {}
    _, result = world.sync()
    assert result["copied"] == 1
    assert world.current() == world.contents()


def test_a_lost_list_copies_nothing_that_the_target_proves(world):
    world.put("b/a", "one")
    world.put("b/b", "two")
    world.sync()
    world.forget_host()
    del world.target["current", "b/b"]
    _, result = world.sync()
    assert (result["copied"], result["replaced"]) == (1, 0)
    assert world.current() == world.contents()


# -- A clock that was ahead -------------------------------------------------------------------------------------------

HOUR = 3600


@pytest.fixture
def synchronized(monkeypatch):
    """A clock that is kept by others."""
    monkeypatch.setattr(clock, "is_synchronized", lambda: True)


@pytest.mark.usefixtures("synchronized")
def test_what_a_clock_that_was_ahead_has_dated_keeps_its_order_and_its_content(world):
    contents = {}
    for content, ahead in (("one", 0), ("two", HOUR), ("three", HOUR), ("four", 0)):
        world.put("b/a", content)
        stamp, _ = world.sync(ahead=ahead)
        contents[stamp] = content
    *past, last = [world.newest_name(stamp) for stamp in contents]
    second = files.seconds_of(last)
    assert past[1:] == [files.stamp_of(second - 2), files.stamp_of(second - 1)]
    assert sorted(world.lists) == [*past, last]
    # At the moments that two of the lists have now, the store held what was written before the next one.
    assert {stamp: world.held_at(stamp)["b/a"] for stamp in (past[0], last)} == {past[0]: "one", last: "four"}
    assert [world.target["replaced/" + stamp, "b/a"] for stamp in (*past[1:], last)] == ["one", "two", "three"]
    assert world.mirror().verify("main")["extra"] == []
    world.calls.clear()
    world.sync()
    assert world.calls == ["stamps", "source"]


@pytest.mark.usefixtures("synchronized")
def test_the_host_forgets_its_list_of_later_and_copies_nothing_again(world):
    world.put("b/a", "one")
    world.sync()
    world.put("b/b", "two")
    world.sync(ahead=HOUR)
    _, result = world.sync()
    assert (result["copied"], result["replaced"]) == (0, 0)
    assert world.current() == world.contents()


@pytest.mark.usefixtures("synchronized")
def test_a_sync_that_was_ahead_and_interrupted_does_not_stand_for_the_newest(world):
    world.put("b/a", "old")
    world.sync()
    world.put("b/a", "new")
    world.steps = 8
    with pytest.raises(Killed):
        world.sync(ahead=HOUR)
    world.steps = None
    assert world.target["replaced/" + world.stamp, "b/a"] == "old", "it has moved it aside, and no more"
    assert world.stamp not in world.lists
    world.sync()
    assert world.held_at(None) == {"b/a": "new"}
    assert world.mirror().verify("main")["damaged"] == []


@pytest.mark.usefixtures("synchronized")
@pytest.mark.parametrize("steps", range(16))
def test_whatever_ends_it_each_list_still_leads_to_the_versions_that_it_names(world, steps):
    contents = {}
    for content, ahead in (("one", 0), ("two", HOUR), ("three", HOUR), ("four", HOUR)):
        world.put("b/a", content)
        contents[world.sync(ahead=ahead)[0]] = content
    world.steps = steps
    with contextlib.suppress(Killed):
        world.sync()
    world.steps = None
    world.sync()
    assert max(world.lists) <= files.stamp_of(world.now)
    for stamp, content in contents.items():
        # "current" sorts after every stamp.
        later = min(place.replace("replaced/", "") for place, _path in world.target
                    if place.replace("replaced/", "") > world.newest_name(stamp))
        assert world.target[later if later == "current" else "replaced/" + later, "b/a"] == content


def test_a_clock_that_may_be_behind_dates_nothing_anew_unless_somebody_says_that_it_is_right(world, monkeypatch):
    monkeypatch.setattr(clock, "is_synchronized", lambda: False)
    world.put("b/a", "one")
    world.sync()
    ahead, _ = world.sync(ahead=HOUR)
    world.put("b/a", "two")
    ahead, _ = world.sync(ahead=HOUR)
    before = sorted(world.lists)
    with pytest.raises(BackupError, match=f"objects of {ahead}, which is later than now: set .* --clock-is-right"):
        world.sync()
    assert sorted(world.lists) == before
    world.sync(allowed.CLOCK)
    assert max(world.lists) <= files.stamp_of(world.now)


@pytest.mark.usefixtures("synchronized")
def test_where_all_is_of_later_the_clock_is_rather_behind_whoever_keeps_it(world):
    world.sync(ahead=HOUR)
    with pytest.raises(BackupError, match="set the clock"):
        world.sync()
    world.sync(allowed.CLOCK)
    assert max(world.lists) <= files.stamp_of(world.now)


@pytest.mark.usefixtures("synchronized")
def test_what_does_not_fit_between_the_last_sync_and_now_waits(world):
    past, _ = world.sync()
    world.put("b/a", "one")
    world.sync(ahead=HOUR)
    before = sorted(world.lists)
    with pytest.raises(BackupError, match="set the clock"):
        world.mirror().sync("main", files.stamp_of(files.seconds_of(past) + 1))
    assert sorted(world.lists) == before
    world.mirror().sync("main", files.stamp_of(files.seconds_of(past) + 2))


@pytest.mark.parametrize(("said", "is_synchronized"), [
    ("echo NTPSynchronized=yes", True), ("echo NTPSynchronized=no", False), ("exit 1", False), (None, False)])
def test_who_keeps_the_clock_is_asked_of_systemd(tmp_path, monkeypatch, said, is_synchronized):
    if said:
        (tmp_path / "timedatectl").write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / "timedatectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert clock.is_synchronized() is is_synchronized


# -- Whatever happens -------------------------------------------------------------------------------------------------

CHANGES = st.lists(st.one_of(
    st.tuples(st.just("put"), PATHS, st.text("xyz", min_size=1, max_size=3), st.booleans()),
    st.tuples(st.just("delete"), PATHS)), max_size=6)
ROUNDS = st.lists(st.tuples(
    CHANGES, st.one_of(st.none(), st.integers(0, 40)), CHANGES, st.sampled_from(["", "", "", "host", "verify"]),
    st.sampled_from([0, 0, HOUR])), max_size=7)


def change(world, changes):
    for kind, path, *content in changes:
        world.put(path, *content) if kind == "put" else world.delete(path)
    return {path for _, path, *_ in changes}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROUNDS)
def test_after_any_kill_the_next_sync_makes_it_good_and_every_restore_point_stays(rounds):
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        states = {}
        for changes, steps, meanwhile, lost, ahead in [*rounds, ([], None, [], "", 0), ([], None, [], "", 0)]:
            changed = change(world, changes)
            later = [where for stamp, (_listed, where) in states.items() if stamp > files.stamp_of(world.now)]
            listed, touched = world.contents(), set()
            if meanwhile:
                world.meanwhile = [lambda what=meanwhile, where=touched: where.update(change(world, what))]
            world.steps = steps
            with contextlib.suppress(Killed):
                world.sync(allowed.VANISHED, allowed.CLOCK, ahead=ahead)
            world.steps, world.meanwhile = None, []
            for where in later:
                # Lists that were of later are given a time when this may have been there.
                where.update(changed | touched)
            if world.stamp in world.lists:
                states[world.stamp] = listed, touched
            states = {world.newest_name(stamp): state for stamp, state in states.items()}
            if lost == "host":
                world.forget_host()
            elif lost and world.lists:
                # While a sync is under way, more than its list may be there; nothing else may be amiss.
                verdict = world.mirror().verify("main")
                assert (verdict["damaged"], verdict["missing"]) == ([], [])
        assert world.current() == world.contents()
        for stamp, (listed, touched) in states.items():
            held = world.held_at(stamp)
            assert {path: content for path, content in held.items() if path not in touched} == {
                path: content for path, content in listed.items() if path not in touched}
            assert all(held[path] in world.versions[path] for path in touched & set(held))
        assert world.held_at(None) == world.contents()
        verdict = world.mirror().verify("main")
        assert (verdict["damaged"], verdict["missing"], verdict["extra"]) == ([], [], [])


def test_rows_whose_run_could_not_save_the_objects_have_those_of_the_next_one(world):
    world.put("b/a", "one")
    world.sync()
    world.put("b/b", "two")
    rows = files.stamp_of(world.now)
    world.now += 60
    world.sync()
    world.delete("b/b")
    world.sync(allowed.VANISHED)
    assert world.held_at(None) == {"b/a": "one"}
    assert world.held_at(None, rows) == {"b/a": "one", "b/b": "two"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CHANGES, CHANGES, st.sampled_from(["rows", "objects", "both"]), CHANGES), min_size=1,
                max_size=5), st.integers(0, 4))
def test_whatever_rows_point_to_comes_back_with_them(rounds, let_go):
    """Objects are changed before the rows of a run are saved, between that and the list of the objects, and after it.

    Not every run saves rows, and not every one the objects. What was made after one list and is gone before the next no
    list can have.
    """
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        pathlib.Path(world.path(allowed.VANISHED)).touch()
        saved, lists = [], [{}]
        for before, between, saves, after in rounds:
            world.now = int(world.now) + 2
            stamp = files.stamp_of(world.now)
            change(world, before)
            rows = int(world.now) + 1
            there, world.now = dict(world.source), rows + 1
            change(world, between)
            if saves != "objects":
                saved.append((stamp, files.stamp_of(rows), there, len(lists)))
            if saves != "rows":
                world.mirror().sync("main", stamp)
                lists.append(dict(world.source))
            change(world, after)
        oldest = saved[min(let_go, len(saved) - 1)][0] if saved else None
        if oldest:
            world.mirror().retain("main", oldest)
        for stamp, rows, there, number in saved:
            if stamp < oldest or not world.lists:
                continue
            listed = {path for path, version in there.items()
                      if version in [held.get(path) for held in lists[number - 1:number + 1]]}
            assert set(world.held_at(None, rows)) >= listed | set(lists[-1])
            if min(world.lists) <= rows:
                then = world.held_at(rows, rows)
                assert {path: then.get(path) for path in listed} == {path: there[path][0] for path in listed}


LINES = st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), min_size=1), st.integers(0, 3))


@given(LINES, LINES)
def test_two_sorted_lists_compare_as_two_dicts_do(known, source):
    def lines(content, *more):
        return sorted((line(path, size, "t", *more) for path, size in content.items()), key=key_of)
    found = {path_of(old or new): action for action, old, new in compared(
        lines(known, "m", "{}"), lines(source)) if not is_bucket(old or new)}
    assert found == {
        path: "new" if path not in known else "gone" if path not in source else
        "same" if known[path] == source[path] else "changed"
        for path in {*known, *source} if not path.endswith("/")}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), min_size=1), max_size=30))
def test_sort_has_the_order_that_the_comparison_has(paths):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "list")
        path.write_bytes("".join(line(name, 1, "t") + "\n" for name in paths).encode())
        sort(str(path))
        keys = [key_of(text) for text in read(str(path))]
        assert keys == sorted(keys)
        assert sorted(map(json.loads, keys)) == sorted(paths)


@pytest.mark.parametrize(("size", "length"), [(1, 26), (15, 26), (16, 52), (143, 231), (144, 256)])
def test_the_length_of_an_encrypted_name(size, length):
    assert encrypted(size) == length


@pytest.mark.parametrize(("when", "seconds"), [
    ("2026-11-30T08:22:00.65448423Z", "1796026920.65448423"), ("2026-11-30T08:22:00Z", "1796026920"), ("x", "x")])
def test_the_time_that_rclone_keeps_with_an_object_comes_back_as_it_was(when, seconds):
    assert upload_headers({"mtime": when, "tier": "STANDARD"}) == [{"Key": "X-Amz-Meta-mtime", "Value": seconds}]
