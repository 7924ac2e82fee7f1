"""The upgrade check held to the truth on scripts as users write them: see tests/scripts/README.md.

By default a sample is run; ``nox -s truth`` runs every script on every pair of releases and backend
(KREPRO_TRUTH=all), or those of one backend (KREPRO_TRUTH=jax).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from krepro import published
from krepro.engine import Engine, Options, default_isolation
from krepro.home import Home
from krepro.hunt import target
from krepro.project import Project
from krepro.recorded.check import Checker
from krepro.recorded.difference import Kind
from krepro.report import Exit
from krepro.repro import BACKENDS
from krepro.scan.scan import scan
from krepro.upgrade import known
from krepro.upgrade.command import end_of
from krepro.upgrade.outcome import Upgrade
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "scripts"
pytestmark = pytest.mark.keras
TRUTH: dict[str, Any] = tomllib.loads((FOLDER / "truth.toml").read_text(encoding="utf-8"))
SCRIPTS: dict[str, dict[str, Any]] = TRUTH["script"]
# Crash, wrong loss, other names, another log, nothing, chance, a callback, a downgrade, the same.
SAMPLE = (
    ("gan_classic", "3.3.3", "3.6.0", "jax"),
    ("pose_two_heads", "3.4.1", "3.5.0", "torch"),
    ("house_scores", "3.5.0", "3.7.0", "torch"),
    ("mlp_plain", "3.8.0", "3.15.1", "jax"),
    ("recommender", "3.6.0", "3.8.0", "torch"),
    ("callbacks_two_stages", "3.8.0", "3.12.1", "torch"),
    ("batch_by_batch", "3.7.0", "3.3.3", "tensorflow"),
    ("vae_add_loss", "3.15.1", "3.15.1", "torch"),
)


@dataclass(frozen=True)
class Case:
    """A script, two releases, a backend, and what truly differs."""

    script: str
    old: str
    new: str
    backend: str
    differences: tuple[dict[str, Any], ...]

    @property
    def weighty(self) -> list[dict[str, Any]]:
        """What a user may have to act on, as far as a run can tell it from rounding."""
        return [
            d for d in self.differences if d.get("consequence", True) and "unseen" not in d
        ]

    @property
    def causes(self) -> set[str]:
        """The entries that explain it, but for values that one side does not tell at all."""
        told = [d for d in self.weighty if "not logged" not in (d["was"], d["is"])]
        return {cause for d in told for cause in d["cause"]}

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.script, self.old, self.new, self.backend


def cases() -> Iterator[Case]:
    for name, script in SCRIPTS.items():
        for pair in script.get("pair", []):
            for backend in pair["backends"]:
                yield Case(
                    name, pair["from"], pair["to"], backend, tuple(pair["difference"])
                )
        for same in script.get("same", []):
            old, _, new = same.partition(" -> ")
            for backend in script["backends"]:
                yield Case(name, old, new, backend, ())


ALL = {case.key: case for case in cases()}


def chosen() -> list[Case]:
    wanted = os.environ.get("KREPRO_TRUTH", "")
    if not wanted:
        return [ALL[key] for key in SAMPLE]
    return [case for case in ALL.values() if wanted in ("all", case.backend, case.script)]


def test_the_truth_is_well_formed() -> None:
    project = Project.find(ROOT)
    repros = {repro.id for repro in project.repros()}
    releases = {str(version) for version in project.matrix.versions}
    modules = {"recommender_data"}
    assert set(SCRIPTS) == {path.stem for path in FOLDER.glob("*.py")} - modules
    for case in ALL.values():
        assert {case.old, case.new} <= releases
        assert case.backend in BACKENDS
        assert set(case.causes) <= repros, case
        for difference in case.differences:
            assert difference["kind"] in set(Kind), difference
            assert difference["was"] != difference["is"], difference


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[Engine, Path]]:
    project = Project.find(ROOT)
    options = Options(default_isolation(), 2)
    made = Engine(Home.find(), project.folder, project.matrix, options=options)
    with made.room() as room:
        yield made, room


@pytest.fixture(scope="module")
def catalogue() -> Any:
    project = Project.find(ROOT)
    repros = project.repros()
    return project, repros, published.for_people(project, repros)


@pytest.mark.parametrize("case", chosen(), ids=lambda case: "-".join(case.key))
def test_the_check_names_what_changes_and_nothing_else(
    case: Case, engine: tuple[Engine, Path], catalogue: Any
) -> None:
    made, room = engine
    project, repros, report = catalogue
    old, new = (end_of(project, v, case.backend) for v in (case.old, case.new))
    scratch = room / "-".join(case.key)
    scratch.mkdir()
    script = SCRIPTS[case.script]
    path = FOLDER / f"{case.script}.py"
    meant = target.find(
        project,
        str(path),
        scratch,
        arguments=script.get("arguments", ()),
        requirements=script.get("with", ()),
    )
    checked = Checker(made, meant, scratch, tell=lambda _: None).check(old, new)
    consequences = tuple(known.consequences(report, old, new, repros))
    found = Upgrade(
        report, old, new, consequences, str(path), scan([path], repros), checked
    )
    said = [(f.first.kind.value, f.first.subject, f.first.place) for f in found.weighty]
    assert bool(said) == bool(case.weighty), said
    # A finding may name several entries of which any explains it; a true one is among them.
    every = {cause for d in case.weighty for cause in d["cause"]}
    causes = [{c.repro.id for c in f.causes} for f in found.weighty if f.causes]
    assert all(named & every for named in causes), causes
    assert case.causes <= set().union(*causes)
    assert any(f.new for f in found.weighty) == any(not d["cause"] for d in case.weighty)
    assert (found.exit is Exit.FINDINGS) == bool(case.weighty)
