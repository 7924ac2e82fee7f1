"""On real Keras: ways of running agree, patches have teeth, searches find what is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from krepro import audit, checkout, overlay, published
from krepro.engine import ISOLATIONS, Engine, Options
from krepro.home import Home
from krepro.hunt import target as targets
from krepro.hunt.bisect import Asked, Bisector
from krepro.hunt.culprit import FIXED, INTRODUCED, Culprit, Investigator
from krepro.hunt.prober import Prober
from krepro.hunt.target import Target
from krepro.matrix import Cell
from krepro.project import Project
from krepro.render.culprit import turned
from tests.conftest import ROOT, users_home
from tests.test_catalogue import PATCHED

pytestmark = pytest.mark.keras
STACK = "jax-0.4"
PATCHES = ROOT / "repros" / "patches"
REPROS = [
    "outer_compile_drops_inner_loss_tracker",
    "dict_losses_alphabetical_shape_crash",
    "freeze_after_step_raises_on_jax",
    "flip_warning_is_never_shown",
]
CELLS = [Cell(STACK, release) for release in ("3.0.0", "3.6.0", "3.15.1")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The user's environments and overlays, with an empty result store."""
    return users_home(tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_each_isolation_say_what_is_published(home: Home, isolation: str) -> None:
    project = Project(ROOT)
    options = Options(isolation=isolation, rerun=True)
    engine = Engine(home, ROOT, project.matrix, options=options)
    repros = project.repros(REPROS)
    engine.run(engine.plan(CELLS, repros))
    expected = published.to_report(project)
    for cell in CELLS:
        known = engine.known(cell)
        assert known is not None
        assert known.identity["keras"] == cell.release
        assert known.identity["backend"] == "jax"
        for repro in repros:
            found = known.repros[repro.id]
            assert found.verdict is expected.verdict(cell, repro), (
                str(cell),
                repro.id,
                found,
            )


def test_a_checkout_of_a_release_says_what_the_release_says(home: Home) -> None:
    project = Project(ROOT)
    engine = Engine(home, ROOT, project.matrix)
    subject = project.matrix.subject(CELLS[-1])
    environment = engine.environment(project.matrix.find_stack(STACK))
    tree = checkout.read(overlay.prepare(home, subject, environment))
    place = tree.keep(home)
    assert str(tree.release).startswith("3.15.1+local.")
    cell = Cell(STACK, str(tree.release))
    repros = project.repros(REPROS)
    engine.run(engine.plan([cell], repros))
    known = engine.known(cell)
    assert known is not None
    assert Path(known.identity["keras_file"]).resolve().is_relative_to(place.resolve())
    expected = published.to_report(project)
    said = {repro.id: known.repros[repro.id].verdict for repro in repros}
    assert said == {repro.id: expected.verdict(CELLS[-1], repro) for repro in repros}


@pytest.mark.parametrize("name", sorted(PATCHED))
def test_a_patch_of_keras_supplies_the_other_side(home: Home, name: str) -> None:
    project = Project(ROOT)
    engine = Engine(home, ROOT, project.matrix)
    auditor = audit.Auditor(engine, published.for_people(project), PATCHES)
    (repro,) = project.repros([name])
    with engine.room() as scratch:
        assert list(auditor.patched(repro, scratch)) == []


# Says nothing of what it is about.
SCRIPT = """
import keras
import numpy as np

inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
inner.compile(loss="mse", optimizer="sgd")
outer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), inner])
outer.compile(loss="mse", optimizer="sgd")
inner.train_on_batch(np.zeros((4, 2)), np.zeros((4, 1)))
"""


@pytest.fixture
def hunter(home: Home, tmp_path: Path) -> Iterator[tuple[Engine, Target, Path]]:
    """An engine, the script, and a working folder."""
    project = Project(ROOT)
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    engine = Engine(home, ROOT, project.matrix)
    with engine.room() as scratch:
        yield engine, targets.find(project, str(path), scratch), scratch


def test_a_script_is_bisected(hunter: tuple[Engine, Target, Path]) -> None:
    engine, target, scratch = hunter
    versions = [v for v in engine.matrix.versions if "3.5" <= str(v) < "3.9"]
    bisector = Bisector(engine, Prober(engine, target, scratch), Asked(tuple(versions)))
    track = bisector.run(engine.matrix.find_stack(STACK))
    (interval,) = track.intervals
    assert (str(interval.first_bad), str(interval.first_fixed)) == ("3.6.0", "3.8.0")
    assert "has no attribute 'update_state'" in str(track.symptom)


def test_what_mended_it_is_one_line(hunter: tuple[Engine, Target, Path]) -> None:
    engine, target, scratch = hunter
    finder = Investigator(engine, target, scratch, engine.matrix.find_stack(STACK))
    sides = [finder.release(Version(name)) for name in ("3.8.0", "3.7.0")]
    found = finder.investigate(*sides, FIXED)
    assert found.names == ("keras/src/trainers/trainer.py: Trainer.compile",)
    changed = [line for line in found.diff.splitlines() if line[:1] in "+-"][2:]
    assert [line.split() for line in changed] == [
        ["-", "self._clear_previous_trainer_metrics()"]
    ]
    assert finder.verify(found, *sides) == "unaffected"


STORED = [
    (name, culprit)
    for name, found in published.stored_culprits(Project(ROOT)).items()
    for culprit in found
    if culprit.stack == STACK and {culprit.base, culprit.other} <= {"3.5.0", "3.6.0"}
]


@pytest.mark.parametrize(
    ("name", "culprit"), STORED, ids=[f"{n}-{c.direction}" for n, c in STORED]
)
def test_a_stored_culprit_still_turns_its_base(
    home: Home, name: str, culprit: Culprit
) -> None:
    project = Project(ROOT)
    engine = Engine(home, ROOT, project.matrix)
    ends = (culprit.base, culprit.other)
    with engine.room() as scratch:
        target = targets.find(project, name, scratch)
        stack = engine.matrix.find_stack(STACK)
        finder = Investigator(engine, target, scratch, stack)
        good, bad = ends if culprit.direction == INTRODUCED else ends[::-1]
        sides = [finder.release(Version(release)) for release in (good, bad)]
        assert finder.verify(culprit, *sides) == culprit.verified[STACK]
    assert turned(culprit, STACK)


def test_there_are_stored_culprits_to_hold_to() -> None:
    assert len(STORED) >= 3
