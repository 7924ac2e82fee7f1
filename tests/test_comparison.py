"""What became of a behaviour between two releases, and what of that is a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from krepro.comparison import Change, Comparison, change_of, compare, together
from krepro.matrix import Cell, read_matrix
from krepro.render import comparison as comparisons
from krepro.report import Exit, Report
from krepro.repro import read_repro
from krepro.result import Measurement, Outcome
from krepro.verdict import Verdict
from tests.conftest import ROOT
from tests.fake.subject import header

A, U, N = Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE
E, F, T = Verdict.ERROR, Verdict.FLAKY, Verdict.TIMEOUT
OLD, NEW = Version("3.15.1"), Version("3.16.0rc0")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (U, A, Change.GAINED),
        (N, A, Change.GAINED),
        (A, U, Change.LOST),
        (A, N, Change.LOST),
        (A, A, Change.KEPT),
        (U, U, None),
        (N, N, None),
        (U, N, Change.OTHER),
        (N, U, Change.OTHER),
        (U, E, Change.BROKEN),
        (A, F, Change.BROKEN),
        (E, F, Change.BROKEN),
        (E, E, Change.KEPT),
        (F, A, Change.OTHER),
        (T, A, Change.UNKNOWN),
        (U, T, Change.UNKNOWN),
        (T, T, Change.UNKNOWN),
        (None, A, Change.UNKNOWN),
        (A, None, Change.UNKNOWN),
        (T, E, Change.UNKNOWN),
    ],
)
def test_a_pair_of_verdicts(
    before: Verdict | None, after: Verdict | None, change: Change | None
) -> None:
    assert change_of(before, after) is change


def made(
    tmp_path: Path, **pairs: tuple[Measurement | None, Measurement | None]
) -> Comparison:
    """Compare two releases on jax and torch; each pair is what a repro said on both backends."""
    matrix = read_matrix(ROOT / "matrix.toml")
    stacks = [matrix.primary(backend) for backend in ("jax", "torch")]
    repros = []
    cells = [Cell(stack.name, str(r)) for stack in stacks for r in (OLD, NEW)]
    found: dict[Cell, dict[str, Measurement]] = {cell: {} for cell in cells}
    for name, pair in pairs.items():
        path = tmp_path / f"{name}.py"
        path.write_text(header() + '"""A story."""\n\ndef test_it():\n    pass\n')
        repros.append(read_repro(path))
        for cell in cells:
            said = pair[cell.release == str(NEW)]
            if said:
                found[cell][name] = said
    report = Report(matrix, tuple(cells), tuple(repros), found)
    return compare(report, OLD, NEW, [*stacks, matrix.find_stack("keras-2")])


def said(verdict: Verdict, message: str = "", **works: Verdict) -> Measurement:
    outcomes = {name: Outcome(outcome) for name, outcome in works.items()}
    return Measurement("", verdict, message, workarounds=outcomes)


def test_new_bugs_are_findings_mended_ones_are_none_and_gaps_are_gaps(
    tmp_path: Path,
) -> None:
    mended = {"mended": (said(A), said(U)), "kept": (said(A), said(A))}
    new, gap = (said(U), said(A)), (said(U), said(T, "too long"))
    assert made(tmp_path, **mended).exit_code() is Exit.AS_EXPECTED
    assert made(tmp_path, **mended, gap=gap).exit_code() is Exit.INCOMPLETE
    assert made(tmp_path, **mended, gap=gap, new=new).exit_code() is Exit.FINDINGS
    broken = (said(U), said(E))
    assert made(tmp_path, **mended, broken=broken).exit_code() is Exit.FINDINGS


def test_a_workaround_that_no_longer_works_is_harm(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        stops=(said(A, workaround_it=U), said(A, workaround_it=A)),
        begins=(said(A, workaround_it=A), said(A, workaround_it=U)),
        goes=(said(A, workaround_it=U), said(U, workaround_it=N)),
    )
    assert [e.name for e in found.of(Change.BROKEN)] == ["stops: workaround_it"] * 2
    assert [e.name for e in found.of(Change.OTHER)] == ["begins: workaround_it"] * 2
    assert found.exit_code() is Exit.FINDINGS


def test_what_two_backends_say_alike_is_one_line(tmp_path: Path) -> None:
    found = made(tmp_path, new=(said(U), said(A, "seen\n  twice")))
    ((entry, backends),) = together(found.of(Change.GAINED))
    assert comparisons.line(entry, backends) == (
        "new [jax torch] unaffected → affected: seen twice"
    )
    assert comparisons.conclusion(found) == "2 verdicts compared: 1 gained"
    nothing = made(tmp_path, same=(said(U), said(U)))
    assert comparisons.conclusion(nothing) == (
        "2 verdicts compared: nothing changed; no new bug"
    )


def test_a_gap_says_why(tmp_path: Path) -> None:
    gap = made(tmp_path, gap=(said(T, "too long"), said(U, "well")))
    assert {entry.message for entry in gap.of(Change.UNKNOWN)} == {"too long"}
    never = made(tmp_path, gap=(None, said(U)))
    assert {e.turn for e in never.of(Change.UNKNOWN)} == {"not measured → unaffected"}
