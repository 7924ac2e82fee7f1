"""Declared ranges rewritten from measured verdicts; nothing else in the file changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version

from krepro import expectation
from krepro.matrix import read_matrix
from krepro.report import Report
from krepro.repro import Repro, read_repro
from krepro.result import Measurement, Outcome
from krepro.verdict import Verdict
from tests.conftest import ROOT
from tests.fake.subject import header

MATRIX = read_matrix(ROOT / "matrix.toml")
STACKS = [s for s in MATRIX.stack if s.primary or s.subject]
CELLS = tuple(MATRIX.cells(MATRIX.versions, STACKS))
BODY = '"""A story, with a # comment."""\n\n\ndef test_it():\n    pass\n\n\ndef workaround_it():\n    pass\n'
V = Version


def report(
    repro: Repro,
    verdict: Callable[[Version, str], Verdict],
    works: Callable[[Version, str], bool] = lambda *_: True,
) -> Report:
    """Return a report in which each cell says what a rule says."""
    found = {}
    cells = [c for c in CELLS if repro.keras2 or not MATRIX.find_stack(c.stack).subject]
    for cell in cells:
        backend = MATRIX.find_stack(cell.stack).backend
        release = Version(cell.release)
        said = verdict(release, backend)
        outcome = Verdict.UNAFFECTED if works(release, backend) else Verdict.AFFECTED
        found[cell] = {
            repro.id: Measurement(
                repro.source_hash, said, workarounds={"workaround_it": Outcome(outcome)}
            )
        }
    return Report(MATRIX, tuple(cells), (repro,), found)


def made(tmp_path: Path, **fields: str) -> Repro:
    path = tmp_path / "subject.py"
    path.write_text(header(**fields) + BODY)
    return read_repro(path)


def bad(first: str, last: str, *backends: str) -> Callable[[Version, str], Verdict]:
    def rule(release: Version, backend: str) -> Verdict:
        hit = V(first) <= release <= V(last) and (not backends or backend in backends)
        return Verdict.AFFECTED if hit else Verdict.UNAFFECTED

    return rule


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (bad("3.6.0", "3.7.0"), '# affected = ">=3.6.0,<3.8.0"'),
        (bad("3.0.0", "3.15.1"), '# affected = ">=3.0.0"'),
        (bad("3.14.0", "3.15.1", "jax"), '# affected = {jax = ">=3.14.0"}'),
        (
            lambda r, b: (
                bad("3.0.0", "3.0.5")(r, b)
                if r < V("3.5")
                else bad("3.12.0", "3.12.3")(r, b)
            ),
            '# affected = [">=3.0.0,<3.1.0", ">=3.12.0,<3.12.4"]',
        ),
    ],
)
def test_affected(
    tmp_path: Path, rule: Callable[[Version, str], Verdict], line: str
) -> None:
    repro = made(tmp_path, affected="'>=3.9'")
    first = report(repro, rule)
    assert list(first.differences())
    changes = expectation.update(first, repro, write=True)
    assert changes is not None
    assert len(changes) == 1
    text = repro.path.read_text()
    assert line in text.splitlines()
    assert text.endswith(BODY)
    assert text.count("# title = 'a title'") == 1
    again = read_repro(repro.path)
    second = report(again, rule)
    assert not list(second.differences())
    assert expectation.update(second, again, write=True) == []


def test_where_it_applies_and_where_workarounds_work(tmp_path: Path) -> None:
    repro = made(tmp_path, keras2="'unaffected'")

    def rule(release: Version, backend: str) -> Verdict:
        if release < V("3.2.0"):
            return Verdict.NOT_APPLICABLE if release.major == 3 else Verdict.AFFECTED
        return bad("3.6.0", "3.7.0")(release, backend)

    def works(release: Version, backend: str) -> bool:
        return backend != "torch" or release >= V("3.4.0")

    found = report(repro, rule, works)
    # Where the repro does not apply, its workaround says so too.
    for cell in CELLS:
        if V("3") <= V(cell.release) < V("3.2.0"):
            (measured,) = found.found[cell].values()
            measured.workarounds["workaround_it"] = Outcome(Verdict.NOT_APPLICABLE)
        if V(cell.release) < V("3"):
            (measured,) = found.found[cell].values()
            measured.workarounds["workaround_it"] = Outcome(Verdict.AFFECTED)
    expectation.update(found, repro, write=True)
    again = read_repro(repro.path)
    assert not list(Report(MATRIX, CELLS, (again,), found.found).differences())
    lines = repro.path.read_text().splitlines()
    assert '# applies = ">=3.2.0"' in lines
    assert '# keras2 = "affected"' in lines
    assert 'torch = ">=3.4.0"' in next(line for line in lines if "works" in line)


def test_incomplete_knowledge_changes_nothing(tmp_path: Path) -> None:
    repro = made(tmp_path)

    def rule(release: Version, backend: str) -> Verdict:
        return (
            Verdict.IMPORT
            if release == V("3.5.0")
            else bad("3.6.0", "3.7.0")(release, backend)
        )

    before = repro.path.read_text()
    assert expectation.update(report(repro, rule), repro, write=True) is None
    assert repro.path.read_text() == before
