"""From two releases to the few changes that tell them apart, on releases with planted culprits."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner
from packaging.version import Version

from krepro.cli import main
from krepro.engine import Engine
from krepro.home import Home
from krepro.hunt import commands as searches
from krepro.hunt import culprit as culprits
from krepro.hunt import hybrid, symptom
from krepro.hunt import target as targets
from krepro.hunt.changes import Change, cut
from krepro.hunt.culprit import (
    FIXED,
    INTRODUCED,
    Culprit,
    Investigator,
    NotTwoSided,
    Side,
    Unexplained,
    likely,
)
from krepro.hunt.search import Answer
from krepro.hunt.symptom import Failure, Sighting
from krepro.installer import InstallError
from krepro.matrix import Stack
from krepro.project import Project
from krepro.render import culprit as rendering
from krepro.report import Exit
from krepro.verdict import Verdict
from tests.conftest import Fake
from tests.fake import planted


@dataclass
class Notes(culprits.Watcher):
    """Remembers what was said."""

    said: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.said.append(text)


@dataclass
class Lab:
    """An engine with a warm zygote, for as many investigations as there are tests."""

    fake: Fake
    engine: Engine
    scratch: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def investigator(self, text: str, name: str, **options: object) -> Investigator:
        """Return who investigates a script, in a working folder of its own."""
        folder = self.scratch / f"user-{next(self.numbers)}"
        room = folder / "room"
        room.mkdir(parents=True)
        script = folder / "user" / f"{name}.py"
        script.parent.mkdir()
        script.write_text(text, encoding="utf-8")
        target = targets.find(self.fake.project, str(script), room)
        (stack,) = self.engine.matrix.stack
        options = {"watcher": Notes(), **options}
        return Investigator(self.engine, target, room, stack, **options)

    def sides(self, investigator: Investigator, good: str, bad: str) -> tuple[Side, Side]:
        found = [investigator.release(Version(each)) for each in (good, bad)]
        return found[0], found[1]

    def find(
        self,
        name: str,
        good: str = "9.0.0",
        bad: str = "9.1.0",
        direction: str = INTRODUCED,
        **options: object,
    ) -> tuple[Culprit, str, list[str]]:
        """Return a culprit, what the patched base says, and what was noted."""
        investigator = self.investigator(planted.script(name), name, **options)
        sides = self.sides(investigator, good, bad)
        found = investigator.investigate(*sides, direction)
        assert isinstance(investigator.watcher, Notes)
        return found, investigator.verify(found, *sides), investigator.watcher.said

    def refusal(self, text: str, name: str = "user", **options: object) -> Exception:
        """Return what an investigation of a script raises."""
        investigator = self.investigator(text, name, **options)
        with pytest.raises((NotTwoSided, Unexplained, InstallError)) as caught:
            investigator.investigate(
                *self.sides(investigator, "9.0.0", "9.1.0"), INTRODUCED
            )
        return caught.value


@pytest.fixture(scope="module")
def planted_fake(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "wheels").mkdir()
    wheels = planted.make_wheels(folder / "wheels")
    project = Project(planted.make_project(folder / "project"))
    return Fake(project, Home(folder / "home"), wheels)


@pytest.fixture(scope="module")
def lab(planted_fake: Fake) -> Iterator[Lab]:
    before = dict(os.environ)
    os.environ.update(planted_fake.variables())
    engine = planted_fake.engine()
    try:
        with engine.room() as scratch:
            yield Lab(planted_fake, engine, scratch)
    finally:
        os.environ.clear()
        os.environ.update(before)


def touched(diff: str) -> list[str]:
    """Return the lines that a patch adds and removes."""
    return [
        line
        for line in diff.splitlines()
        if line[:1] in ("+", "-") and line[:3] not in ("+++", "---") and line.strip("+-")
    ]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# What is found

S = "keras/src"
EXPECTED = {
    "one_hunk": ([f"{S}/one_hunk.py: area"], None),
    "three": (
        [f"{S}/three.py: Tracker.{n}" for n in ("compile", "_clear", "update")],
        [
            "+        self._clear()",
            "+    def _clear(self):",
            "+        self.inner = None",
            "-        if self.inner:",
            "-            self.inner.append(1)",
            "+        self.inner.append(1)",
        ],
    ),
    "uses_name": (
        # In a file that is renamed, which does not matter here.
        [f"{S}/new_name.py: <module> (was {S}/old_name.py)"],
        ["-answer = 1", "+answer = 2"],
    ),
    "old_name": ([f"{S}/old_name.py: renamed to {S}/new_name.py"], None),
    "plugins": ([f"{S}/extra.py: file added"], ["+LOADED = True"]),
    "combination": (
        [
            f"{S}/combination.py: first",
            f"{S}/combination.py: second",
            f"{S}/combination_too.py: third",
        ],
        ["-    return False", "+    return True"] * 3,
    ),
    "misleading": (
        [f"{S}/misleading.py: factor", f"{S}/misleading.py: shift"],
        ["-    return 2", "+    return 3", "-    return 0", "+    return 1"],
    ),
    "easier": (
        [f"{S}/easier.py: strict", f"{S}/easier.py: checker"],
        [
            "-    return False",
            "+    return True",
            "-    return None",
            "+    return x > 100",
        ],
    ),
    "header": (
        [f"{S}/header.py: Child"],
        ["-class Child(Plain):", "+class Child(Odd):"],
    ),
    "constant": ([f"{S}/constant.py: LIMIT"], ["-LIMIT = 10", "+LIMIT = 9"]),
    "binds": (
        [f"{S}/binds.py: import run"],
        ["-from keras.src.impl_a import run", "+from keras.src.impl_b import run"],
    ),
    "default": (
        [f"{S}/default.py: f"],
        ["-def f(x, axis=-1):", "-    y = x", "+def f(x, axis=0):", "+    y = int(x)"],
    ),
    "removed": (
        [f"{S}/removed.py: Sub.scale"],
        ["-    def scale(self):", "-        return 2"],
    ),
    "deletes": ([f"{S}/deletes.py: keep"], ["+    copy = None"]),
    "noisy": (
        [f"{S}/noisy.py: result", f"{S}/noisy.py: part"],
        ["-    return 1", "+    return 2", "-    return 0", "+    return 5"],
    ),
    "table": ([f"{S}/table.py: _make"], ["-    return [1, 2]", "+    return [1, 3]"]),
    "nested": (
        [f"{S}/nested.py: outer", f"{S}/nested.py: in_thread"],
        [
            "-        return 1",
            "+        return 2",
            "-    found.append(1)",
            "+    found.append(2)",
        ],
    ),
    "fatal": (
        [f"{S}/fatal.py: strike"],
        ["-    return 1", "+    import os", "+    os.kill(os.getpid(), 11)"],
    ),
}
# Runs that are enough; more would be a search that lost its way.
ENOUGH = 20


@pytest.mark.parametrize("name", EXPECTED)
def test_a_planted_culprit_is_found(lab: Lab, name: str) -> None:
    names, lines = EXPECTED[name]
    found, said, _ = lab.find(name)
    assert list(found.names) == names
    if lines is not None:
        assert touched(found.diff) == lines
    assert said == "affected", "the patch does not do what the other release does"
    assert (found.base, found.other, found.direction) == ("9.0.0", "9.1.0", INTRODUCED)
    assert found.tried <= ENOUGH
    assert found.needs
    assert all(need.without != found.symptom for need in found.needs)


def test_a_rename_is_one_patch_of_whole_files(lab: Lab) -> None:
    found, _, _ = lab.find("old_name")
    assert f"deleted file mode 100644\n--- a/{S}/old_name.py" in found.diff
    assert f"new file mode 100644\n--- /dev/null\n+++ b/{S}/new_name.py" in found.diff
    assert "/own-" not in found.symptom, "a folder of the run"
    assert culprits.without_folders(f"(/a/hybrid-{'0' * 20}/keras/x.py)") == "(keras/x.py)"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("deletes", ["-    copy = None"]),
        ("one_hunk", None),
        # Either of two changes mends it; one is enough.
        ("three", None),
    ],
)
def test_a_fix_is_a_backport_that_is_verified(
    lab: Lab, name: str, lines: list[str] | None
) -> None:
    found, said, _ = lab.find(name, "9.2.0", "9.1.0", FIXED)
    assert said == "unaffected"
    assert (found.base, found.other, found.direction) == ("9.1.0", "9.2.0", FIXED)
    assert len(found.names) == 1
    if lines:
        assert touched(found.diff) == lines


def test_what_each_part_is_needed_for(lab: Lab) -> None:
    found, _, _ = lab.find("three")
    path = f"{S}/three.py: Tracker"
    by_name = {need.change.split()[1].rpartition(".")[2]: need for need in found.needs}
    assert list(by_name) == ["compile", "_clear", "update"]
    missing = "AttributeError: 'Tracker' object has no attribute '_clear'"
    assert by_name["_clear"].without == missing
    assert by_name["_clear"].change == f"{path}._clear (lines 8-10)", (
        "head and body are one"
    )
    assert by_name["compile"].without == by_name["update"].without == "ends well"


def test_the_values_must_be_the_same(lab: Lab) -> None:
    """Either change alone fails the same assertion, with other values."""
    found, _, _ = lab.find("misleading")
    assert [need.without for need in found.needs] == [
        "AssertionError: 7",
        "AssertionError: 9",
    ]


# What the run can reach


def test_a_trace_narrows_the_search_to_what_ran(lab: Lab) -> None:
    found, _, notes = lab.find("nested")
    assert "in functions that ran" in notes[0]
    assert found.reached < 20 < found.changes
    assert not any("together do not show it" in note for note in notes), (
        "a nested function, or one in a thread, was not seen to run"
    )


def test_what_runs_at_import_only_is_within_reach(lab: Lab) -> None:
    found, _, notes = lab.find("table")
    assert found.reached < 20
    # One in each module of noise; what every run calls, on import, is no hint.
    assert "4 in functions that ran" in notes[0]
    wide = [note for note in notes if "together do not show it" in note]
    assert len(wide) <= 1, "not all changes should be needed"


def test_a_run_that_is_killed_leaves_the_trace_of_the_other(lab: Lab) -> None:
    found, _, notes = lab.find("fatal")
    assert "9.1.0@fake: what it runs could not be traced" in notes
    assert found.reached < 20


@pytest.mark.parametrize("how", ["nothing", "little"])
def test_without_a_trace_every_change_is_a_candidate(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    table = {"functions": {}, "importing": {}, "imported": []}
    said = None if how == "nothing" else table
    monkeypatch.setattr(Investigator, "_trace", lambda *_: said)
    found, verdict, notes = lab.find("combination")
    assert list(found.names) == EXPECTED["combination"][0]
    assert verdict == "affected"
    if how == "nothing":
        assert sum("could not be traced" in note for note in notes) == 2
        assert found.reached > 20


def change_of(path: str, name: str) -> Change:
    old = f"class A:\n    def {name}(self):\n        return 1\n"
    (change,) = cut({path: old}, {path: old.replace("1", "2")})
    return change


def test_the_way_to_the_failure_is_tried_first() -> None:
    far, near, beside = (
        change_of(f"{S}/far.py", "f"),
        change_of(f"{S}/near.py", "g"),
        dataclasses.replace(change_of(f"{S}/near.py", "h"), position=1),
    )
    failure = Failure("ValueError", keras=("src/near.py: A.g.<locals>.inner",))
    everything = [far, near, beside]
    assert likely(everything, [far, near], failure) == [
        [near],
        [near, beside],
        [far],
        [near, beside],
    ]
    many = [change_of(f"{S}/m{n}.py", "f") for n in range(30)]
    assert len(likely(many, many, None)) == culprits.MOST_HINTS


# What costs


def test_hybrids_that_do_not_import_hang_or_crash(lab: Lab) -> None:
    started = time.monotonic()
    found, said, _ = lab.find("traps", "9.3.0", "9.4.0")
    assert list(found.names) == [f"{S}/traps.py: _result"]
    assert touched(found.diff) == ["-    return 1", "+    return 2"]
    assert said == "affected"
    assert time.monotonic() - started < 60
    kept = list(lab.engine.home.sightings.rglob("hybrid-*.json"))
    messages = {json.loads(path.read_bytes())["runs"][0]["message"] for path in kept}
    assert any("KeyError" in message for message in messages), "none failed to import"
    assert any("died or hung" in message for message in messages), "none hung or crashed"


def test_a_hang_is_found_and_costs_little(lab: Lab) -> None:
    started = time.monotonic()
    found, said, _ = lab.find("endless")
    assert touched(found.diff) == ["-    return 1", "+    while True:", "+        pass"]
    assert said == "affected"
    assert found.symptom == "hang"
    assert time.monotonic() - started < 60


def test_hybrids_get_little_patience(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = msgspec.structs.replace
    long = limits(lab.engine.matrix.limits, timeout_s=600.0, import_timeout_s=600.0)
    matrix = limits(lab.engine.matrix, limits=long)
    monkeypatch.setattr(lab.engine, "matrix", matrix)
    mine = lab.investigator("x = 1\n", "quick")
    quick = mine._prober((), 0.3)
    assert quick.timeout_s == culprits.LEAST_TIMEOUT_S
    assert quick.patience_s <= 5 * culprits.LEAST_TIMEOUT_S
    assert quick.changes["confirm"] is False
    assert mine._prober((), 30.01).timeout_s == 151
    assert mine._prober((), None).timeout_s is None
    mine.timeout_s = 3.0
    assert mine._prober((), 30.0).timeout_s == mine._prober((), None).timeout_s == 3.0


def test_nothing_is_run_twice(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [lab.find("easier"), lab.find("traps", "9.3.0", "9.4.0")]

    def ask(*_: object, **__: object) -> None:
        raise AssertionError("this was run before")

    monkeypatch.setattr(lab.engine, "ask", ask)
    again = [lab.find("easier"), lab.find("traps", "9.3.0", "9.4.0")]
    for (one, *said), (other, *repeated) in zip(first, again, strict=True):
        assert msgspec.structs.replace(one, seconds=0) == msgspec.structs.replace(
            other, seconds=0
        )
        assert said[0] == repeated[0]


# Nobody's files are changed


def test_overlays_stay_as_they_are_whatever_writes_beside_its_modules(lab: Lab) -> None:
    overlays = lab.engine.home.overlays
    lab.find("constant")
    before = contents(overlays), contents(lab.engine.home.downloads)
    assert any(path.endswith("deep/__init__.py") for path in before[0])
    found, said, notes = lab.find("writes")
    assert touched(found.diff) == ["-    return 1", "+    return 2"]
    assert said == "affected"
    assert any("writes into Keras' own folder" in note for note in notes)
    assert (contents(overlays), contents(lab.engine.home.downloads)) == before
    quiet = lab.find("default")[2]
    assert not any("own folder" in note for note in quiet)


# Targets that cannot be searched


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("import keras\n", NotTwoSided, "9.1.0@fake is not bad: ends well"),
        ("raise KeyError('x')\n", NotTwoSided, "9.0.0@fake is not good: affected KeyError"),
        (
            "import keras\nraise KeyError('x') if keras.__version__ == '9.1.0' else OSError()",
            NotTwoSided,
            "9.0.0@fake is not good: error",
        ),
    ],
)
def test_two_sides_that_do_not_differ(
    lab: Lab, text: str, kind: type[Exception], message: str
) -> None:
    error = lab.refusal(text)
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize("release", ["9.0.0", "9.1.0"])
@pytest.mark.parametrize("phase", [0, 1])
def test_a_flaky_side_is_no_ground_to_search_on(
    lab: Lab, tmp_path: Path, release: str, phase: int
) -> None:
    count = tmp_path / "count"
    text = (
        "import keras\nfrom pathlib import Path\n"
        f"count = Path({str(count)!r})\n"
        "bad = keras.__version__ == '9.1.0'\n"
        f"if keras.__version__ == {release!r}:\n"
        "    count.touch()\n    size = count.stat().st_size\n    count.write_text('x' * (size + 1))\n"
        f"    bad = size % 2 == {phase}\n"
        "assert not bad\n"
    )
    error = lab.refusal(text)
    assert type(error) is Unexplained
    assert f"{release}@fake is flaky" in str(error)


def test_what_is_not_in_the_sources_is_not_explained(lab: Lab) -> None:
    error = lab.refusal("import keras\nassert keras.__version__ != '9.1.0'\n")
    assert type(error) is Unexplained
    assert "all changes to 9.0.0 together do not show it" in str(error)


def test_a_release_that_cannot_be_had_is_not_good_or_bad(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object, **__: object) -> None:
        raise InstallError(Verdict.NETWORK, "no route to host")

    monkeypatch.setattr(lab.engine, "ask", ask)
    error = lab.refusal("import keras # never run before\n")
    assert type(error) is Unexplained
    assert "cannot be run: untestable:network no route to host" in str(error)


def test_a_full_disk_is_no_answer(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hybrid, "build", build)
    error = lab.refusal(planted.script("header") + "# not run before\n", "header")
    assert isinstance(error, InstallError)
    assert error.verdict is Verdict.NO_SPACE


def test_no_room_for_a_copy_of_the_sources(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copytree(*_: object, **__: object) -> None:
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")])

    investigator = lab.investigator(planted.script("header"), "header")
    monkeypatch.setattr(culprits.shutil, "copytree", copytree)
    with pytest.raises(InstallError) as caught:
        investigator.investigate(*lab.sides(investigator, "9.0.0", "9.1.0"), INTRODUCED)
    assert caught.value.verdict is Verdict.NO_SPACE


# A patch that does something else


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("    return 1", "unaffected"),
        ("    raise OSError", "error"),
        ("    return 7", "error"),
        ("    return int(2)", "affected"),
    ],
)
def test_a_patch_is_held_to_the_symptom(lab: Lab, line: str, verdict: str) -> None:
    investigator = lab.investigator(planted.script("binds"), "binds")
    sides = lab.sides(investigator, "9.0.0", "9.1.0")
    old = investigator.release(Version("9.0.0")).sources() / f"{S}/impl_a.py"
    assert old.read_text() == "def run():\n    return 1\n"
    diff = (
        f"diff --git a/{S}/impl_a.py b/{S}/impl_a.py\n--- a/{S}/impl_a.py\n"
        f"+++ b/{S}/impl_a.py\n@@ -1,2 +1,2 @@\n def run():\n-    return 1\n+{line}\n"
    )
    if line == "    return 1":
        diff = diff.replace("+    return 1", "+    return 1  # the same")
    found = made(diff=diff)
    assert investigator.verify(found, *sides) == verdict


def made(**fields: object) -> Culprit:
    table: dict[str, object] = {
        "target": "t",
        "digest": "d",
        "direction": INTRODUCED,
        "base": "9.0.0",
        "other": "9.1.0",
        "stack": "fake",
        "symptom": "ValueError: x",
        "names": ("keras/a.py: f",),
        "diff": "@@ -1 +1 @@\n-a\n+b\n",
        "changes": 9,
        "reached": 3,
        "tried": 4,
        "seconds": 1.0,
        "verified": {"fake": "affected"},
    }
    return Culprit(**{**table, **fields})


def test_a_crash_while_importing_is_not_the_crash(lab: Lab) -> None:
    investigator = lab.investigator("x = 1\n", "crash")
    bad = Sighting(verdict="untestable:crash", message="killed by signal 11")
    shown = symptom.of(bad)
    assert shown is not None
    answer = investigator._same_as(shown, [bad, bad])
    assert answer(bad) is Answer.BAD
    for message in ("the cell itself died or hung, twice", "killed by signal 6"):
        assert answer(msgspec.structs.replace(bad, message=message)) is Answer.UNRESOLVED


# For people


def test_the_text_tells_a_newcomer_what_to_do() -> None:
    text = rendering.render([made(needs=(culprits.Need("p", "q"),))], explain=True)
    assert "from 9.0.0 to 9.1.0 that bring the symptom in" in text
    assert "1 place;" in text
    assert "The patch below is for Keras 9.0.0" in text
    assert "git apply introduced.patch" in text
    assert "9.0.0 with the patch: affected on fake\n" in text
    assert "    p\n      q\n" in text
    fixed = made(direction=FIXED, base="9.1.0", verified={"fake": "affected"})
    text = rendering.render([fixed], explain=False)
    assert "take the symptom away" in text
    assert "backport" in text
    assert "affected on fake; it does not turn fake" in text
    assert "without one part" not in text
    assert "not verified" in rendering.render([made(verified={})], explain=False)


@pytest.mark.parametrize(
    ("verified", "code"),
    [
        ({"a": "affected", "b": "affected"}, Exit.AS_EXPECTED),
        ({"a": "affected", "b": "error"}, Exit.FINDINGS),
        ({}, Exit.INCOMPLETE),
    ],
)
def test_the_exit_code_is_that_of_the_patch(verified: dict[str, str], code: Exit) -> None:
    assert searches.culprit_code([made(), made(verified=verified)]) is code


def test_of_several_culprits_one_must_turn_each_stack() -> None:
    first = made(verified={"a": "affected", "b": "unaffected"})
    second = made(verified={"b": "affected"})
    assert searches.culprit_code([first]) is Exit.FINDINGS
    assert searches.culprit_code([first, second]) is Exit.AS_EXPECTED
    other_turn = made(verified={"b": "affected"}, base="9.7.0")
    assert searches.culprit_code([first, other_turn]) is Exit.FINDINGS


@dataclass
class Turns:
    """Finds, on a stack, a culprit that turns the stacks named for it."""

    by_stack: dict[str, list[str]]
    asked: list[str] = field(default_factory=list)

    def find(self, _: searches.Hunt, pair: searches.Pair) -> Culprit:
        self.asked.append(pair.stack.name)
        turned = self.by_stack[pair.stack.name]
        said = {s.name: "affected" if s.name in turned else "error" for s in pair.alike}
        return made(stack=pair.stack.name, verified=said)


@pytest.mark.parametrize(
    ("by_stack", "asked"),
    [
        ({"a": ["a", "b", "c"]}, ["a"]),
        ({"a": ["a"], "b": ["b", "c"]}, ["a", "b"]),
        ({"a": ["a", "c"], "b": ["b"]}, ["a", "b"]),
        ({"a": ["a"], "b": ["b"], "c": ["c"]}, ["a", "b", "c"]),
        # One that does not turn where it was found is not looked for again and again.
        ({"a": ["b"]}, ["a"]),
    ],
)
def test_backends_that_a_patch_does_not_turn_are_searched_too(
    by_stack: dict[str, list[str]], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(by_stack)
    monkeypatch.setattr(searches, "find_one", turns.find)
    stacks = tuple(Stack(name=name, backend="jax") for name in "abc")
    pair = searches.Pair(INTRODUCED, "9.0.0", "9.1.0", stacks[0], stacks)
    hunt = SimpleNamespace(lines=SimpleNamespace(note=lambda _: None))
    found: list[Culprit] = []
    searches.find_all(hunt, [pair], found, [], claimed=True)  # type: ignore[arg-type]
    assert turns.asked == asked
    assert [culprit.stack for culprit in found] == asked


def test_stored_culprits_of_one_turn_are_replaced_together(tmp_path: Path) -> None:
    first = [made(stack="a"), made(stack="b"), made(base="9.5.0", stack="c")]
    culprits.store(tmp_path, "entry", first)
    culprits.store(tmp_path, "entry", [made(stack="d")])
    stacks = [culprit.stack for culprit in culprits.read_stored(tmp_path, "entry")]
    assert sorted(stacks) == ["c", "d"]


@dataclass
class Told:
    """An experiment whose answers are made up."""

    bad: Callable[[frozenset[Change]], Answer]
    tried: int = 0
    seconds: float = 0.0

    def ask(self, configurations: Sequence[Collection[Change]]) -> list[Answer]:
        self.tried += len(configurations)
        return [self.bad(frozenset(each)) for each in configurations]


def test_a_property_and_its_setter_do_not_stay_for_each_other(lab: Lab) -> None:
    """Without one of them nothing imports; without both it is the same symptom."""
    getter = change_of(f"{S}/layer.py", "prop")
    setter = dataclasses.replace(getter, position=1)
    cause, helper = change_of(f"{S}/trainer.py", "metrics"), change_of(f"{S}/a.py", "own")

    def bad(those: frozenset[Change]) -> Answer:
        if (getter in those) != (setter in those) or helper not in those:
            return Answer.UNRESOLVED
        return Answer.BAD if cause in those else Answer.GOOD

    found = sorted([getter, setter, cause, helper])
    finder = lab.investigator("", "nothing")
    assert finder._one_by_one(Told(bad), found) == sorted([cause, helper])


def test_names_of_parts() -> None:
    change = change_of(f"{S}/m.py", "f")

    def lines(*spans: tuple[int, int]) -> Change:
        return dataclasses.replace(change, new_lines=spans)

    assert culprits.named([lines((142, 142))]) == f"{S}/m.py: A.f (line 142)"
    assert culprits.named([lines((1, 2)), lines((3, 3))]).endswith("(lines 1-3)")
    assert culprits.named([lines((1, 2)), lines((5, 5))]).endswith("(lines 1-2, 5)")
    assert culprits.named([lines()]).endswith("A.f (removed)")


def test_one_pair_that_fails_does_not_lose_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors = iter([Unexplained("a"), InstallError(Verdict.NO_SPACE, "b"), None])

    def find_one(*_: object) -> Culprit:
        error = next(errors)
        if error:
            raise error
        return made()

    @dataclass
    class Stub:
        engine: object

    class Running:
        class stop:  # noqa: N801
            @staticmethod
            def is_set() -> bool:
                return False

    monkeypatch.setattr(searches, "find_one", find_one)
    pair = searches.Pair(INTRODUCED, "1", "2", None, ())  # type: ignore[arg-type]
    found: list[Culprit] = []
    missing: list[str] = []
    searches.find_all(Stub(Running), [pair] * 3, found, missing, claimed=True)  # type: ignore[arg-type]
    assert len(found) == 1
    assert missing == ["introduced: a", "introduced: b"]


# What is stored


def test_stored_culprits_are_kept_beside_each_other(tmp_path: Path) -> None:
    one, two = made(), made(direction=FIXED)
    path = culprits.store(tmp_path, "entry", [one, two])
    newer = made(names=("another",))
    assert culprits.store(tmp_path, "entry", [newer]) == path
    assert culprits.read_stored(tmp_path, "entry") == [newer, two]
    path.write_text("{}")
    assert culprits.read_stored(tmp_path, "entry") == []
    assert culprits.read_stored(tmp_path, "no_entry") == []


# The command


@pytest.fixture
def command(lab: Lab, tmp_path: Path) -> Fake:
    """The planted project in an empty cache folder, with a script."""
    made_ = lab.fake.with_home(tmp_path / "home")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "easier.py").write_text(planted.script("easier"))
    (tmp_path / "user" / "well.py").write_text("import keras\n")
    return made_


def one_line(text: str) -> str:
    said = [line for line in text.splitlines() if line.startswith("krepro:")]
    assert len(said) == 1, text
    assert "Traceback" not in text
    return said[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--good", "9.0.0"], "--good and --bad go together"),
        (["--bad", "9.0.0"], "--good and --bad go together"),
        (["--good", "9.0.0", "--bad", "9.77"], "'9.77' is no known Keras release"),
        (["--good", "9.0.0", "--bad", ">9.0"], "'>9.0' means 4 releases: name one"),
        (["--good", "9.1.0", "--bad", "9.1.0"], "are both 9.1.0"),
        (["--good", "9.0.0", "--bad", "9.1.0", "--store"], "--store keeps the culprits of"),
        (["--good", "9.0.0", "--bad", "9.1.0", "-o", "no/such/f"], "cannot be written to"),
        (["--git", "x"], "--git needs --good and --bad"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    command: Fake, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = command.run("culprit", str(tmp_path / "user" / "easier.py"), *arguments)
    assert done.returncode == Exit.BAD_INPUT, done.stderr
    assert message in one_line(done.stderr)
    assert done.stdout == ""


def test_ends_that_do_not_differ_are_one_line_and_exit_2(
    command: Fake, tmp_path: Path
) -> None:
    script = str(tmp_path / "user" / "well.py")
    done = command.run("culprit", script, "--good", "9.0.0", "--bad", "9.1.0")
    assert done.returncode == Exit.BAD_INPUT, done.stderr
    assert "9.1.0@fake is not bad: ends well" in one_line(done.stderr)


def test_an_unwritable_scratch_is_one_line_and_exit_3(
    command: Fake, tmp_path: Path
) -> None:
    command.home.scratch.write_text("not a folder")
    script = str(tmp_path / "user" / "easier.py")
    done = command.run("culprit", script, "--good", "9.0.0", "--bad", "9.1.0")
    assert done.returncode == Exit.INCOMPLETE, done.stderr
    assert "scratch" in one_line(done.stderr)


def test_a_repro_from_end_to_end(command: Fake, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(command.project.folder, project)
    mine = Fake(Project(project), command.home, command.wheels)
    before = contents(project)
    done = mine.run("culprit", "area_is_wrong", "--store", "--explain", "-f", "json")
    assert done.returncode == 0, done.stderr
    introduced, fixed = json.loads(done.stdout)["culprits"]
    assert (introduced["direction"], fixed["direction"]) == (INTRODUCED, FIXED)
    assert introduced["verified"] == {"fake": "affected"}
    assert fixed["verified"] == {"fake": "unaffected"}
    after = contents(project)
    (new,) = after.keys() - before.keys()
    assert new == "repros/culprits/area_is_wrong.json"
    assert {name: after[name] for name in before} == before
    stored = culprits.read_stored(project / "repros" / "culprits", "area_is_wrong")
    assert {c.direction: c.diff for c in stored} == {
        INTRODUCED: introduced["diff"],
        FIXED: fixed["diff"],
    }
    patch = tmp_path / "fixed.patch"
    options = ["--direction", "fixed", "--format", "diff", "-o", str(patch)]
    assert mine.run("culprit", "area_is_wrong", *options).returncode == 0
    assert patch.read_text() == fixed["diff"]
    mended = tmp_path / "site-packages"
    shutil.copytree(command.home.overlays / "keras-9.1.0", mended)
    subprocess.run(["git", "apply", str(patch)], cwd=mended, check=True)
    check = "from keras.src.one_hunk import area; assert area(2, 3) == 6"
    (torch,) = command.home.stacks.glob("fake-*/bin/python")
    variables = {**os.environ, "PYTHONPATH": str(mended), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([torch, "-c", check], env=variables, check=True)


def test_killed_and_resumed(command: Fake, lab: Lab, tmp_path: Path) -> None:
    arguments = [
        "culprit",
        str(tmp_path / "user" / "easier.py"),
        *("--good", "9.0.0", "--bad", "9.1.0", "--direction", "introduced", "-f", "json"),
    ]
    kept: dict[Path, int] = {}
    for wanted in (1, 3, 6):
        process = command.start(*arguments)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            if len(list(command.home.sightings.rglob("*.json"))) >= wanted:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = {p: p.stat().st_mtime_ns for p in command.home.sightings.rglob("*.json")}
        for path, moment in kept.items():
            if not path.name.startswith("9."):
                assert now[path] == moment, f"{path.name} was run again"
        kept = now
    done = command.run(*arguments)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["culprits"]
    whole, _, _ = lab.find("easier")
    assert found["diff"] == whole.diff
    assert found["tried"] == whole.tried
    for path, moment in kept.items():
        if not path.name.startswith("9."):
            assert path.stat().st_mtime_ns == moment


def test_interrupted_it_says_how_to_go_on(command: Fake, tmp_path: Path) -> None:
    script = str(tmp_path / "user" / "easier.py")
    process = command.start("culprit", script, "--good", "9.0.0", "--bad", "9.1.0")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not list(
        command.home.sightings.rglob("hybrid-*.json")
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == Exit.INCOMPLETE
    assert "run the same command to go on" in one_line(err)
    assert out == ""
    assert list(command.home.scratch.iterdir()) == []


def test_where_no_neighbours_are_good_and_bad_nothing_was_found(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair was left out: that is no success."""
    monkeypatch.chdir(fake.project.folder)
    monkeypatch.setattr(searches, "pairs_of", lambda *_: [])
    done = CliRunner().invoke(main, ["culprit", "adds_wrongly", "-s", "fake"])
    assert done.exit_code == Exit.INCOMPLETE
    assert "nothing to explain" in done.stderr


def test_a_repro_declares_what_counts_itself(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fake.project.folder)
    arguments = ["culprit", "adds_wrongly", "-s", "fake", "--expect", "crash"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == Exit.BAD_INPUT
    assert "is a repro, which declares what counts itself" in done.stderr
