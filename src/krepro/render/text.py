"""A report for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from krepro.report import Report, grouped, troubles
from krepro.repro import Repro
from krepro.verdict import Verdict

# More releases than this do not fit 80 columns; then ranges stand for them.
MOST_COLUMNS = 8
UNKNOWN = ("?", "yellow")


def render(report: Report, width: int = 80) -> RenderableType:
    """Return a report for rich to print on a console of a width in characters."""
    wide = len(report.releases) > MOST_COLUMNS
    table = ranges_table(report) if wide else marks_table(report, width)
    return Group(table, "", *summary(report))


def folded(name: str, width: int) -> str:
    """Return an id on as many lines as it needs, cut at its underscores."""
    lines = [" "]
    for part in re.findall(r"[^_]+_?|_", name):
        if len(lines[-1]) + len(part) > width and lines[-1].strip():
            lines.append("   ")
        lines[-1] += part
    return "\n".join(lines)


def marks_table(report: Report, width: int) -> Table:
    """Return a table with a column per release, in it a mark per stack."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    table.add_column("repro", no_wrap=True)
    heads = [str(r) for r in report.releases] + [s.name for s in report.stacks if s.subject]
    room = max(24, width - sum(max(3, len(head)) + 1 for head in heads) - 1)
    for release in report.releases:
        table.add_column(str(release), no_wrap=True)
    reference = [stack for stack in report.stacks if stack.subject]
    for stack in reference:
        table.add_column(stack.name, no_wrap=True)
    stacks = [stack for stack in report.stacks if not stack.subject]
    cells = {(cell.stack, cell.release): cell for cell in report.cells}
    for area, repros in by_area(report):
        table.add_row(Text(area, style="bold dim"))
        for repro in repros:
            row = [Text(folded(repro.id, room))]
            for release in report.releases:
                marks = Text()
                for stack in stacks:
                    cell = cells.get((stack.name, str(release)))
                    if cell is None:
                        marks.append(" ")
                    else:
                        marks.append(*mark(report.verdict(cell, repro)))
                row.append(marks)
            for stack in reference:
                found = report.row(repro, stack)
                row.append(Text("").join(Text(*mark(v)) for v in found.values() if v))
            table.add_row(*row)
    return table


def ranges_table(report: Report) -> Table:
    """Return a table with a column per stack, in it the affected range."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    table.add_column("repro", no_wrap=True)
    table.add_column("affected", overflow="fold")
    for area, repros in by_area(report):
        table.add_row(Text(area, style="bold dim"))
        for repro in repros:
            table.add_row(folded(repro.id, 38), range_text(report, repro))
    return table


def range_text(report: Report, repro: Repro) -> str:
    """Return the affected ranges of a repro, stacks with the same range together."""
    by_range: dict[str, list[str]] = {}
    stacks = [stack for stack in report.stacks if not stack.subject]
    for stack in stacks:
        by_range.setdefault(report.range(repro, stack), []).append(stack.name)
    if len(by_range) == 1:
        return next(iter(by_range))
    return "; ".join(f"{' '.join(names)} {text}" for text, names in by_range.items())


def by_area(report: Report) -> Iterator[tuple[str, list[Repro]]]:
    """Yield the repros of a report by area, both in order of name."""
    areas: dict[str, list[Repro]] = {}
    for repro in sorted(report.repros, key=lambda r: (r.area, r.id)):
        areas.setdefault(repro.area, []).append(repro)
    yield from areas.items()


def mark(verdict: Verdict | None) -> tuple[str, str]:
    """Return the mark of a verdict and its style."""
    return (verdict.mark, verdict.style) if verdict else UNKNOWN


def legend(report: Report) -> Text:
    """Return what the marks mean, those that occur."""
    text = Text()
    for verdict in Verdict:
        if report.counts()[verdict]:
            text.append(verdict.mark, verdict.style)
            text.append(f" {verdict.value}   ", "dim")
    if report.unmeasured():
        text.append(*UNKNOWN)
        text.append(" not measured", "dim")
    return text


def summary(report: Report) -> Iterator[RenderableType]:
    """Yield the lines below the table."""
    if len(report.releases) <= MOST_COLUMNS:
        names = ", ".join(stack.name for stack in report.stacks if not stack.subject)
        yield Text(f"marks in each column: {names}", "dim")
    yield legend(report)
    counts = report.counts()
    total = sum(counts.values())
    yield Text(
        f"{total} verdicts: "
        + ", ".join(
            f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]
        )
    )
    for line in troubles(report.untestable()):
        yield Text(f"untestable: {line}", "yellow")
    if missing := len(report.unmeasured()):
        yield Text(f"not measured: {missing} verdicts; run again to go on", "yellow")
    differences = list(report.differences())
    for line in grouped(differences):
        yield Text(f"differs: {line}", "red")
    if not differences and any(verdict.known for verdict in counts):
        yield Text("every known verdict is the declared one", "green")
