"""On real Keras: three ways of running agree, and one-sided repros have teeth under a patch."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from krepro import overlay, published
from krepro import stack as stacks
from krepro.cell.cell import Job
from krepro.engine import ISOLATIONS, Engine, Options
from krepro.home import Home
from krepro.matrix import Cell
from krepro.project import Project
from krepro.verdict import Verdict
from krepro.zygote import fresh_cell
from tests.conftest import ROOT
from tests.test_catalogue import ONE_SIDED

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
    users, own = Home.find(), Home(tmp_path_factory.mktemp("home"))
    for name in ("stacks", "overlays", "uv"):
        (users.path / name).mkdir(parents=True, exist_ok=True)
        (own.path / name).symlink_to(users.path / name)
    return own


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


def test_every_one_sided_repro_has_a_patch() -> None:
    assert {path.stem for path in PATCHES.glob("*.patch")} == set(ONE_SIDED)


@pytest.mark.parametrize("name", sorted(ONE_SIDED))
def test_a_patch_of_keras_supplies_the_other_side(
    home: Home, name: str, tmp_path: Path
) -> None:
    project = Project(ROOT)
    release = project.matrix.versions[-1]
    environment = stacks.prepare(
        home, ROOT, project.matrix, project.matrix.find_stack(STACK)
    )
    original = overlay.prepare(home, f"keras=={release}", environment)
    patched = tmp_path / "patched"
    shutil.copytree(original, patched)
    verdicts = {}
    for folder in (original, patched):
        if folder is patched:
            patch = ["git", "apply", "--recount", str(PATCHES / f"{name}.patch")]
            subprocess.run(patch, cwd=patched, check=True, capture_output=True)
            shutil.rmtree(patched / "keras/src/trainers/__pycache__", ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            job = Job(
                overlay=folder,
                release=str(release),
                backend="jax",
                backend_version=environment.stamp.backend_version,
                repros=(ROOT / "repros" / f"{name}.py",),
                scratch=Path(scratch),
                retries=0,
            )
            with fresh_cell(environment, Path(scratch), job) as events:
                verdicts[folder] = next_record(events)["verdict"]
    assert set(verdicts.values()) == {Verdict.AFFECTED.value, Verdict.UNAFFECTED.value}
    declared = project.repros([name])[0].expected(release, "jax")
    assert verdicts[original] == declared.value


def next_record(events: object) -> dict[str, object]:
    """Return the record of the one repro that a cell runs."""
    import threading

    stop = threading.Event()
    while event := events.next(120, stop):  # type: ignore[attr-defined]
        if event["event"] == "repro":
            record: dict[str, object] = event["record"]
            return record
    raise AssertionError("the cell said nothing")
