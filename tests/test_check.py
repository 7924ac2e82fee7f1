"""A script on both ends of an upgrade: what is the script's own is no difference, and all goes on."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from packaging.version import Version

from krepro.cell.recorder import Tape
from krepro.cell.script import Script as RunScript
from krepro.cell.sowing import VALUES
from krepro.cell.tape import Writer
from krepro.cli import main
from krepro.engine import Engine, Options
from krepro.home import VARIABLE, Home
from krepro.hunt import target as targets
from krepro.hunt.prober import Place
from krepro.hunt.symptom import Sighting, untestable
from krepro.hunt.target import Target
from krepro.project import Project
from krepro.recorded import check
from krepro.recorded.check import ENDING, Checked, Checker
from krepro.recorded.compare import compare
from krepro.recorded.difference import Kind
from krepro.upgrade.known import End
from krepro.verdict import Verdict
from tests.conftest import ROOT, users_home

PROJECT = Project(ROOT)
OLD, NEW = "3.9.0", "3.9.1"


def head(more: str = "") -> str:
    return textwrap.dedent("""
        import os, time
        import keras, numpy as np
        NEW = keras.__version__ == "3.9.1"
        x = np.random.default_rng().normal(size=(32, 3))
        y = x.sum(axis=1, keepdims=True)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(optimizer="sgd", loss="mse")
    """) + textwrap.dedent(more)


FIT = "model.fit(x, y, batch_size=8, verbose=0)\n"


@dataclass
class Desk:
    """A folder of a user's and a home of krepro's with the environments that are there."""

    home: Home
    folder: Path

    def script(self, text: str, name: str = "train.py") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def arguments(
        self, path: Path, *options: str, old: str = OLD, new: str = NEW
    ) -> list[str]:
        ends = ["--from", f"{old}@jax", "--to", f"{new}@jax"]
        return ["upgrade", *ends, *options, str(path)]

    def upgrade(self, text: str, *options: str, **ends: str) -> Result:
        path = self.script(text)
        return CliRunner().invoke(main, self.arguments(path, *options, **ends))

    def check(
        self, text: str, old: str = OLD, new: str = NEW, backend: str = "jax"
    ) -> Checked:
        engine = Engine(self.home, ROOT, PROJECT.matrix, options=Options(jobs=2))
        stack = PROJECT.matrix.primary(backend)
        path = self.script(text)
        told: list[str] = []
        with engine.room() as scratch:
            target = targets.find(PROJECT, str(path), scratch)
            checker = Checker(engine, target, scratch, timeout_s=60, tell=told.append)
            ends = [End(Version(release), stack) for release in (old, new)]
            found = checker.check(*ends)
        assert len(told) == 2 * found.runs
        return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    own = users_home(tmp_path / "home")
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(own.path))
    monkeypatch.chdir(folder)
    return Desk(own, folder)


# --- on real Keras ----------------------------------------------------------------------------


@pytest.mark.keras
def test_where_nothing_changes_and_again(desk: Desk) -> None:
    path = desk.script(head(FIT))
    first, second = (CliRunner().invoke(main, desk.arguments(path)) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "nothing changes" in " ".join(first.stdout.split()), first.stdout
    assert first.stdout == second.stdout
    # What is recorded is kept: the second check runs nothing.
    assert first.stderr.count(" after ") == 3
    assert second.stderr == ""
    # An end compared with itself.
    same = CliRunner().invoke(main, desk.arguments(path, new=OLD))
    assert same.exit_code == 0
    assert same.stderr.count(" after ") == 1


EXITS = {
    "an import that the stack lacks": (
        head("import no_such_package\n" + FIT),
        3,
        "add --with no_such_package",
    ),
    "nothing is trained": (
        head("model.predict(x, verbose=0)\n"),
        3,
        "trains nothing, so nothing was compared",
    ),
    "the script itself is wrong": (
        head(FIT + "raise ValueError('on any release')\n"),
        0,
        "already ends with ValueError: on any release",
    ),
    "the process dies": (
        head(FIT + "if NEW: os.abort()\nmodel.evaluate(x, y, verbose=0)\n"),
        1,
        "killed by signal 6",
    ),
    "it trains on other numbers": (head("if NEW: y = y + 1\n" + FIT), 1, "loss is"),
    "samples are shuffled in another order": (
        head("if NEW: keras.utils.set_random_seed(99)\n" + FIT),
        0,
        "shuffled in another order",
    ),
}


@pytest.mark.keras
@pytest.mark.parametrize("name", EXITS)
def test_how_a_check_ends(desk: Desk, name: str) -> None:
    text, code, said = EXITS[name]
    found = desk.upgrade(text)
    assert found.exit_code == code, found.output
    assert said in " ".join(found.stdout.split())


@pytest.mark.keras
def test_a_script_that_is_chance_raises_no_alarm(desk: Desk) -> None:
    clock = "keras.utils.set_random_seed(time.monotonic_ns() % 2**31)\n"
    found = desk.check(head(clock + "x = np.random.normal(size=(32, 3))\n" + FIT))
    assert found.differences == ()
    assert found.own > 0
    assert found.noise.largest >= found.own


@pytest.mark.keras
def test_torch_shuffles_in_another_order_since_3_15(desk: Desk) -> None:
    # From the second epoch on.
    text = head("model.fit(x, y, batch_size=8, epochs=2, verbose=0)\n")
    found = desk.check(text, "3.6.0", "3.15.1", "torch")
    assert found.differences == ()
    assert found.shuffled
    assert found.own == 0
    # They do differ, as they are.
    assert compare(found.old.recording, found.new.recording) != []


@pytest.mark.keras
def test_a_check_that_is_killed_goes_on(desk: Desk) -> None:
    # The new end waits until it is let: so it is killed while that runs.
    gate = desk.folder.parent / "gate"
    path = desk.script(
        head(f"while NEW and not os.path.exists({str(gate)!r}): time.sleep(0.05)\n" + FIT)
    )
    command = [sys.executable, "-m", "krepro", *desk.arguments(path)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list(desk.home.recordings.glob(f"*/*/{ENDING}"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    gate.write_text("")
    found = CliRunner().invoke(main, desk.arguments(path))
    assert found.exit_code == 0
    # The first run and the control are known; only the new end runs.
    assert [line for line in found.stderr.splitlines() if " after " in line] == [
        line for line in found.stderr.splitlines() if f"on {NEW}@jax: ends well" in line
    ]


@pytest.mark.keras
def test_no_room_is_one_line(desk: Desk) -> None:
    desk.home.recordings.write_text("a file where a folder should be")
    found = desk.upgrade(head(FIT))
    assert found.exit_code == 3
    (line,) = [line for line in found.stderr.splitlines() if line.startswith("krepro: ")]
    assert str(desk.home.recordings) in line


# --- without Keras: runs that are made up -----------------------------------------------------

Script = Callable[[str, Tape], Sighting]
WELL = Sighting(ending="returned", seconds=1.0)


@dataclass
class Actor:
    """Stands for a prober: what a script does is told by a function."""

    script: Script
    runs: list[tuple[str, Tape]] = field(default_factory=list)
    guard: Any = field(default_factory=threading.Lock)

    def __call__(self, _: Any, target: Target, *__: Any, **___: Any) -> Any:
        def look(place: Place) -> Sighting:
            assert target.script is not None
            tape = target.script.tape
            assert tape is not None
            with self.guard:
                self.runs.append((place.cell.release, tape))
            return self.script(place.cell.release, tape)

        return types.SimpleNamespace(prepare=lambda _: None, look=look)


def trains(*losses: float, ending: Sighting = WELL, method: str = "fit") -> Script:
    """A script that takes a step for each loss."""

    def run(_: str, tape: Tape) -> Sighting:
        writer = Writer(tape.folder)
        writer.tell("model", name="m", cls="Sequential")
        facts: dict[str, Any] = {
            "method": method,
            "at": "a.py:1",
            "inside": None,
            "arguments": {},
        }
        writer.tell("call", number=0, model=0, trainable=["w"], **facts)
        for count, loss in enumerate(losses, 1):
            writer.tell("step", call=0, phase="train", count=count, logs=[["loss", loss]])
        writer.tell("end", call=0, seconds=0.1, steps={"train": len(losses)}, result=None)
        if ending.ending:
            writer.tell("finish", seconds=0.2, cost_s=0, peak_mb=1, put=0, missed=0)
        writer.close()
        if tape.initial is None and ending.ending:
            (tape.folder / VALUES).write_bytes(b"")
        return ending

    return run


@dataclass
class Stage:
    """A checker with nothing behind it."""

    folder: Path
    patch: pytest.MonkeyPatch
    jobs: int = 1

    def check(self, script: Script, **options: Any) -> tuple[Checked, Actor]:
        actor = Actor(script)
        self.patch.setattr(check, "Prober", actor)
        engine: Any = types.SimpleNamespace(
            home=Home(self.folder / "home"),
            options=types.SimpleNamespace(jobs=self.jobs),
            lock_hash=lambda _: "lock",
            matrix=PROJECT.matrix,
        )
        script_ = RunScript(self.folder, "a.py")
        target = Target("a.py", "digest", script=script_)
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        stack = PROJECT.matrix.primary("jax")
        checker = Checker(engine, target, scratch, tell=lambda _: None, **options)
        ends = [End(Version(release), stack) for release in (OLD, NEW)]
        return checker.check(*ends), actor


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    (tmp_path / "home").mkdir()
    return Stage(tmp_path, monkeypatch)


def by_release(old: Script, new: Script) -> Script:
    return lambda release, tape: (old if release == OLD else new)(release, tape)


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_that_are_the_same_are_three(stage: Stage, jobs: int) -> None:
    stage.jobs = jobs
    found, actor = stage.check(trains(1.0, 0.5))
    assert (found.differences, found.runs, found.shuffled) == ((), 3, False)
    assert found.compared
    # The first draws its weights; the others are given those, and are steady only if need be.
    kept = found.old.folder / VALUES
    assert [(tape.initial, tape.steady, tape.nudge) for _, tape in actor.runs] == [
        (None, False, 0.0),
        (kept, False, 0.0),
        (kept, False, 0.0),
    ]
    assert sorted(release for release, _ in actor.runs[1:]) == [OLD, NEW]
    again, actor = stage.check(trains(9.0))
    assert (again.differences, again.runs, actor.runs) == ((), 0, [])
    assert again.old.recording == found.old.recording


def test_another_number_of_steps_is_another_check(stage: Stage) -> None:
    stage.check(trains(1.0))
    _, actor = stage.check(trains(1.0), steps=5)
    assert [tape.steps for _, tape in actor.runs] == [5, 5, 5]


def test_values_that_differ_are_looked_at_with_care(stage: Stage) -> None:
    found, actor = stage.check(by_release(trains(1.0, 0.5), trains(1.0, 0.75)))
    assert [(d.kind, d.before, d.after) for d in found.differences] == [
        (Kind.LOSS, "0.5", "0.75")
    ]
    rest = sorted(
        (release, tape.steady, bool(tape.nudge)) for release, tape in actor.runs[3:]
    )
    assert rest == [
        (OLD, True, False),
        (OLD, True, True),
        (NEW, True, False),
        (NEW, True, False),
    ]
    assert found.runs == len(actor.runs) == 7


def test_what_only_shuffling_makes_is_no_difference(stage: Stage) -> None:
    def script(release: str, tape: Tape) -> Sighting:
        other = release == NEW and not tape.steady
        return trains(1.0, 0.75 if other else 0.5)(release, tape)

    found, _ = stage.check(script)
    assert found.differences == ()
    assert found.shuffled
    assert found.compared


def test_structure_is_that_of_the_runs_as_they_are(stage: Stage) -> None:
    def script(release: str, tape: Tape) -> Sighting:
        other = release == NEW and not tape.steady
        return trains(*([1.0, 0.75, 0.5] if other else [1.0, 0.5]))(release, tape)

    found, _ = stage.check(script)
    assert [difference.kind for difference in found.differences] == [Kind.STEPS]


@pytest.mark.parametrize(("rounds", "differs"), [(True, False), (False, True)])
def test_what_rounding_makes_is_no_difference(
    stage: Stage, *, rounds: bool, differs: bool
) -> None:
    def script(release: str, tape: Tape) -> Sighting:
        away = 1.01 if release == NEW else 1.002 if tape.nudge and rounds else 1.0
        return trains(1.0, 0.5 * away)(release, tape)

    found, _ = stage.check(script)
    assert bool(found.differences) is differs


def test_what_differs_by_itself_on_the_new_end_is_noise(stage: Stage) -> None:
    losses = itertools.count(1)

    def script(release: str, tape: Tape) -> Sighting:
        return trains(1.0 if release == OLD else 1 + 0.001 * next(losses))(release, tape)

    found, _ = stage.check(script)
    assert found.differences == ()


def test_what_differs_by_itself_on_the_old_end_is_noise(stage: Stage) -> None:
    losses = itertools.count(1)

    def script(release: str, tape: Tape) -> Sighting:
        return trains(1 + 0.001 * next(losses))(release, tape)

    found, _ = stage.check(script)
    assert found.differences == ()
    assert 0 < found.own < 0.01
    assert found.compared


@pytest.mark.parametrize(
    ("old", "new", "compared"),
    [
        (trains(1.0), trains(1.0), True),
        (trains(1.0, method="predict"), trains(1.0, method="predict"), False),
        (trains(1.0), trains(1.0, ending=untestable(Verdict.TIMEOUT, "")), False),
        (trains(1.0, ending=untestable(Verdict.NO_SPACE, "")), trains(1.0), False),
        (trains(1.0), trains(1.0, ending=untestable(Verdict.CRASH, "")), True),
    ],
)
def test_what_can_be_compared(
    stage: Stage, old: Script, new: Script, *, compared: bool
) -> None:
    found, _ = stage.check(by_release(old, new))
    assert found.compared is compared


@pytest.mark.parametrize(
    "verdict", [Verdict.TIMEOUT, Verdict.OOM, Verdict.NO_SPACE, Verdict.CRASH]
)
def test_what_a_limit_ended_is_tried_again(stage: Stage, verdict: Verdict) -> None:
    ended = trains(1.0, ending=untestable(verdict, "it was so"))
    found, _ = stage.check(by_release(trains(1.0), ended))
    assert found.new.sighting.message == "it was so"
    again, actor = stage.check(trains(1.0))
    assert [release for release, _ in actor.runs] == [NEW]
    assert (again.differences, again.compared) == ((), True)


def test_a_recording_that_is_not_whole_is_none(stage: Stage) -> None:
    def script(release: str, tape: Tape) -> Sighting:
        ended = trains(1.0)(release, tape)
        if release == NEW:
            events = tape.folder / "tape.jsonl"
            events.write_bytes(events.read_bytes()[:-20])
        return ended

    found, _ = stage.check(script)
    assert not found.compared
    assert not found.new.ran


def test_a_run_without_a_recording(stage: Stage) -> None:
    def script(release: str, tape: Tape) -> Sighting:
        if release == OLD:
            return trains(1.0)(release, tape)
        return untestable(Verdict.IMPORT, "keras does not import")

    found, _ = stage.check(script)
    assert not found.compared
    assert found.new.recording.calls == []


def test_a_broken_file_is_not_known(stage: Stage) -> None:
    found, _ = stage.check(trains(1.0))
    for text in ("", "{", '{"sighting": 1}'):
        (found.control.folder / ENDING).write_text(text)
        found, actor = stage.check(trains(1.0))
        assert [release for release, _ in actor.runs] == [OLD]
        assert found.differences == ()


def test_the_same_run_of_two_checks_is_made_once(stage: Stage) -> None:
    stage.jobs = 2
    found: list[int] = []
    # Both want the runs of the other: whoever is second finds them there.
    actors: list[Actor] = []

    def slow(release: str, tape: Tape) -> Sighting:
        time.sleep(0.05)
        return trains(1.0)(release, tape)

    def work() -> None:
        checked, actor = stage.check(slow)
        found.append(checked.runs)
        actors.append(actor)

    for thread in (threads := [threading.Thread(target=work) for _ in range(2)]):
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 3
