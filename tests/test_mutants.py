"""Mutants: each fits its release and shows.

By default a sample is run; ``KREPRO_MUTANTS=all`` runs every one on the first of its backends
(minutes), ``KREPRO_MUTANTS=everywhere`` on all of them.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from krepro import overlay
from krepro.engine import Engine
from krepro.fuzz import mutants
from krepro.fuzz.mutants import Fault, Mutant, MutantError
from krepro.hunt import hybrid
from krepro.hunt import target as targets
from krepro.hunt.prober import Place, Prober
from krepro.hunt.symptom import Sighting
from krepro.matrix import Cell
from krepro.project import Project
from krepro.recorded.difference import Kind
from krepro.repro import BACKENDS
from tests.conftest import ROOT, users_home

FOLDER = ROOT / "tests" / "mutants"
ALL = mutants.read(FOLDER)
RELEASE = mutants.release_of(FOLDER)
IDS = {mutant.id: mutant for mutant in ALL}
# A log, a crash-free save, a loop of one backend.
SAMPLE = (
    ("output_losses_logged_with_their_weights", "jax"),
    ("loss_weights_are_not_saved", "torch"),
    ("evaluate_in_training_mode_on_tensorflow", "tensorflow"),
)
ASKED = os.environ.get("KREPRO_MUTANTS", "")
TEXT = """
release = "9.0.0"

[[mutant]]
id = "adds_wrongly"
area = "sums"
fault = "wrong order"
file = "keras/sums.py"
old = "a + b"
new = "b + a"
sees = "Sums are backwards."
shows = ["loss"]
backends = ["torch"]
script = "import keras"
"""


def runs() -> list[tuple[str, str]]:
    if not ASKED:
        return list(SAMPLE)
    assert ASKED in ("all", "everywhere"), f"KREPRO_MUTANTS={ASKED}: all or everywhere"
    last = 1 if ASKED == "all" else None
    return sorted(
        ((mutant.id, backend) for mutant in ALL for backend in mutant.backends[:last]),
        key=lambda run: run[1],
    )


def test_mutants_are_many_and_of_every_sort() -> None:
    assert len(ALL) >= 36
    assert {mutant.fault for mutant in ALL} == set(Fault)
    seen = {kind for mutant in ALL for kind in mutant.shows}
    wanted = {Kind.LOSS, Kind.OUTPUT_LOSSES, Kind.METRICS, Kind.OUTPUTS, Kind.WEIGHTS}
    assert wanted | {Kind.NAMES, Kind.STRUCTURE, Kind.TRAINS, Kind.RAISES} <= seen
    reached = Counter(backend for mutant in ALL for backend in mutant.backends)
    assert set(reached) == set(BACKENDS)
    assert reached["torch"] >= 36


def test_no_fault_is_planted_twice() -> None:
    assert len(IDS) == len(ALL)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in ALL}) == len(ALL)


@pytest.mark.parametrize("mutant", ALL, ids=list(IDS))
def test_a_mutant_says_what_it_is(mutant: Mutant) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", mutant.id)
    assert mutant.sees.endswith(".")
    assert mutant.area
    assert mutant.shows
    assert len(set(mutant.shows)) == len(mutant.shows)
    assert mutant.backends
    assert set(mutant.backends) <= set(BACKENDS)
    assert mutant.old.strip()
    assert "print(" in mutant.script
    ast.parse(mutant.script)


def test_what_is_no_mutant_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(TEXT)
    (mutant,) = mutants.read(path)
    assert (mutant.fault, mutant.shows) == (Fault.ORDER, (Kind.LOSS,))
    assert mutants.release_of(path) == "9.0.0"
    for old, new in [
        ('"wrong order"', '"bad luck"'),
        ('["loss"]', '["lost"]'),
        ("area", "aera"),
        ("script", 'note = ""\nscript'),
        ("[[mutant]]", "[[mutant"),
    ]:
        path.write_text(TEXT.replace(old, new))
        with pytest.raises(MutantError, match=r"one\.toml"):
            mutants.read(path)
    path.write_text(TEXT)
    (tmp_path / "two.toml").write_text(TEXT)
    with pytest.raises(MutantError, match="more than one mutant of the id adds_wrongly"):
        mutants.read(tmp_path)
    other = TEXT.replace("adds", "sums").replace("9.0.0", "9.1.0")
    (tmp_path / "two.toml").write_text(other)
    with pytest.raises(MutantError, match="2 releases"):
        mutants.read(tmp_path)
    with pytest.raises(MutantError, match=r"three\.toml"):
        mutants.read(tmp_path / "three.toml")


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """An overlay of a release with one function."""
    folder = tmp_path / "original"
    (folder / "keras").mkdir(parents=True)
    (folder / "keras/__init__.py").write_text("from keras import other, sums\n")
    (folder / "keras/other.py").write_text("x = 1\n")
    (folder / "keras/sums.py").write_text("def add(a, b): return a + b\n")
    assert added(folder) == "ab"
    return folder


def added(folder: Path) -> str:
    """Return what a fresh interpreter gets from an overlay; it may write compiled files."""
    code = "import keras.sums; print(keras.sums.add('a', 'b'))"
    command = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def mutant(tmp_path: Path) -> Mutant:
    path = tmp_path / "one.toml"
    path.write_text(TEXT)
    return mutants.read(path)[0]


def test_a_planted_fault_is_in_the_copy_only(
    original: Path, mutant: Mutant, tmp_path: Path
) -> None:
    before = hybrid.state_of(original)
    moment = (original / "keras/sums.py").stat().st_mtime
    folder = mutants.plant(mutant, original, tmp_path / "planted")
    # Same size and second: what is compiled of the one must not be taken for the other.
    os.utime(folder / "keras/sums.py", (moment, moment))
    assert [added(folder), added(original), added(folder)] == ["ba", "ab", "ba"]
    assert (folder / "keras/other.py").is_symlink()
    assert mutants.plant(mutant, original, folder) == folder
    assert hybrid.state_of(original) == before
    assert not list(tmp_path.glob(".*")), "something was left behind"
    hybrid.remove(folder)
    assert added(original) == "ab"


def test_what_does_not_fit_is_not_planted(
    original: Path, mutant: Mutant, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(mutant, new="b - a")
    mutants.plant(other, original, tmp_path / "other")
    with pytest.raises(MutantError, match="holds something else"):
        mutants.plant(mutant, original, tmp_path / "other")
    for old, times in [("a - b", 0), ("a", 3)]:
        stranger = msgspec.structs.replace(mutant, old=old)
        with pytest.raises(MutantError, match=f"is {times} times in keras/sums.py"):
            mutants.plant(stranger, original, tmp_path / "planted")
    stranger = msgspec.structs.replace(mutant, file="keras/none.py")
    with pytest.raises(MutantError, match=r"none\.py"):
        mutants.plant(stranger, original, tmp_path / "planted")
    assert not (tmp_path / "planted").exists()


def test_a_place_stands_for_the_fault_and_the_release(
    original: Path, mutant: Mutant, tmp_path: Path
) -> None:
    place = mutants.place_of(mutant, Cell("torch", "9.0.0"), original, tmp_path)
    assert not list(tmp_path.glob("mutant-*")), "made before it is needed"
    assert place.overlay
    assert place.overlay().name == place.key
    assert added(place.overlay()) == "ba"
    assert place.release == "", "the release is what it was not"
    other = msgspec.structs.replace(mutant, new="b - a")
    keys = {
        mutants.place_of(each, Cell("torch", release), original, tmp_path).key
        for each in (mutant, other)
        for release in ("9.0.0", "9.1.0")
    }
    assert len(keys) == 4


@dataclass
class Show:
    """Runs scripts of mutants on a release, as it is and with a fault."""

    engine: Engine
    scratch: Path
    looks: int = 0

    def original(self, backend: str) -> Path:
        stack = self.stack(backend)
        found = self.engine.environment(self.engine.matrix.find_stack(stack))
        return overlay.prepare(self.engine.home, f"keras=={RELEASE}", found)

    def stack(self, backend: str) -> str:
        stacks = self.engine.matrix.stack
        return next(s.name for s in stacks if s.backend == backend and s.primary)

    def look(self, mutant: Mutant, backend: str, *, planted: bool) -> Sighting:
        self.looks += 1
        room = self.scratch / f"look-{self.looks}"
        (room / "own").mkdir(parents=True)
        script = room / "own" / "script.py"
        script.write_text(mutant.script)
        cell = Cell(self.stack(backend), RELEASE)
        place = Place(cell)
        if planted:
            place = mutants.place_of(mutant, cell, self.original(backend), room)
        found = targets.find(Project(ROOT), str(script), room)
        return Prober(self.engine, found, room).look(place)


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """The user's environments and overlays, and nothing of what was seen before."""
    own = users_home(tmp_path_factory.mktemp("home"))
    engine = Engine(own, ROOT, Project(ROOT).matrix)
    with engine.room() as scratch:
        yield Show(engine, scratch)


@pytest.mark.keras
def test_every_mutant_changes_what_its_file_says(show: Show) -> None:
    original = show.original("torch")
    for mutant in ALL:
        before = (original / mutant.file).read_bytes().decode()
        after = mutant.applied(before)
        assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(before)), mutant.id
        assert compile(after, mutant.file, "exec")


@pytest.mark.keras
@pytest.mark.parametrize(("name", "backend"), runs())
def test_a_mutant_shows(show: Show, name: str, backend: str) -> None:
    mutant = IDS[name]
    without = show.look(mutant, backend, planted=False)
    assert without.ended_well, without
    assert without.output.strip(), "prints nothing"
    assert show.look(mutant, backend, planted=False).output == without.output, "by chance"
    found = show.look(mutant, backend, planted=True)
    assert found.verdict == "", found
    assert found.ended_well == (Kind.RAISES not in mutant.shows), found
    assert found.output != without.output
