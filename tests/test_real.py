"""On real Keras: three ways of running agree, and one-sided repros have teeth under a patch."""

from __future__ import annotations

import pytest

from krepro import audit, published
from krepro.engine import ISOLATIONS, Engine, Options
from krepro.home import Home
from krepro.matrix import Cell
from krepro.project import Project
from tests.conftest import ROOT
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


@pytest.mark.parametrize("name", sorted(PATCHED))
def test_a_patch_of_keras_supplies_the_other_side(home: Home, name: str) -> None:
    project = Project(ROOT)
    engine = Engine(home, ROOT, project.matrix)
    auditor = audit.Auditor(engine, published.for_people(project), PATCHES)
    (repro,) = project.repros([name])
    with engine.room() as scratch:
        assert list(auditor.patched(repro, scratch)) == []
