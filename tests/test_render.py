"""What people and tools are shown: marks, ranges, gaps."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version
from rich.console import Console

from krepro.matrix import read_matrix
from krepro.render import github, junit, markdown, text
from krepro.report import Exit, Report
from krepro.repro import read_repro
from krepro.result import Measurement
from krepro.verdict import Verdict
from tests.conftest import ROOT
from tests.fake.subject import header

MATRIX = read_matrix(ROOT / "matrix.toml")
STACKS = [stack for stack in MATRIX.stack if stack.primary]
Rule = Callable[[Version, str], Verdict | None]


def report(
    tmp_path: Path, rule: Rule, tier: str = "quick", affected: str = "'>=3.6,<3.8'"
) -> Report:
    path = tmp_path / "a_repro_with_a_name_of_some_length.py"
    path.write_text(header(affected=affected) + "def test_it():\n    pass\n")
    repro = read_repro(path)
    cells = tuple(MATRIX.cells(MATRIX.tier(tier), STACKS))
    found = {}
    for cell in cells:
        verdict = rule(Version(cell.release), MATRIX.find_stack(cell.stack).backend)
        if verdict:
            message = "reason" if verdict.untestable else ""
            found[cell] = {repro.id: Measurement(repro.source_hash, verdict, message)}
    return Report(MATRIX, cells, (repro,), found)


def as_expected(release: Version, backend: str) -> Verdict:
    del backend
    bad = Version("3.6") <= release < Version("3.8")
    return Verdict.AFFECTED if bad else Verdict.UNAFFECTED


def printed(shown: Report, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(text.render(shown, width))
    return capture.get()


def test_quick_fits_80_columns(tmp_path: Path) -> None:
    shown = printed(report(tmp_path, as_expected))
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." in shown
    assert "XXX" in shown
    assert "every known verdict is the declared one" in shown
    name = shown.replace("\n", "").replace(" ", "")
    assert "a_repro_with_a_" in name, (
        "the whole name is shown, on as many lines as it needs"
    )


def test_all_shows_ranges_per_stack(tmp_path: Path) -> None:
    def only_jax(release: Version, backend: str) -> Verdict:
        return as_expected(release, backend) if backend == "jax" else Verdict.UNAFFECTED

    assert "3.6.0–3.7.0" in printed(report(tmp_path, as_expected, "all"))
    split = report(tmp_path, only_jax, "all", "{ jax = '>=3.6,<3.8' }")
    assert text.range_text(split, split.repros[0]) == (
        "tensorflow-2.16 torch-2.13 none; jax-0.4 3.6.0–3.7.0"
    )


@pytest.mark.parametrize("verdict", [v for v in Verdict if not v.known] + [None])
def test_unknown_is_never_fine(tmp_path: Path, verdict: Verdict | None) -> None:
    def rule(release: Version, backend: str) -> Verdict | None:
        hit = release == Version("3.5.0") and backend == "torch"
        return verdict if hit else as_expected(release, backend)

    shown = report(tmp_path, rule)
    assert shown.exit_code() is not Exit.AS_EXPECTED
    findings = verdict in (Verdict.ERROR, Verdict.FLAKY)
    assert shown.exit_code() is (Exit.FINDINGS if findings else Exit.INCOMPLETE)
    xml = junit.render(shown)
    assert xml.count("<failure") + xml.count("<error") == 1
    assert github.render(shown).startswith("::error" if findings else "::warning")
    assert "?" in markdown.ranges_table(shown)
    assert (verdict.mark if verdict else "?") in printed(shown)


def test_markdown_tables_do_not_break(tmp_path: Path) -> None:
    def rule(release: Version, backend: str) -> Verdict:
        return Verdict.IMPORT if backend == "jax" else as_expected(release, backend)

    shown = report(tmp_path, rule)
    for cell_found in shown.found.values():
        for name, found in cell_found.items():
            cell_found[name] = found.with_verdict(found.verdict, "a | b\nc")
    lines = markdown.render(shown).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {table[0].count("|")}
    assert any("a \\| b c" in line for line in lines)
