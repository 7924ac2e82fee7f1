"""What the pages show, worked out from a report. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup, escape
from packaging.version import Version

from krepro import release as releases
from krepro.matrix import Cell, Stack
from krepro.published import Published
from krepro.render.story import UPSTREAM
from krepro.report import Report
from krepro.repro import Repro
from krepro.result import Measurement, Outcome
from krepro.verdict import Verdict

UNKNOWN = "?"
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
# What verdicts are painted as; in page.css, each paint is a shape and a colour.
PAINTS = {
    Verdict.AFFECTED: "affected",
    Verdict.UNAFFECTED: "unaffected",
    Verdict.NOT_APPLICABLE: "lacking",
    Verdict.FLAKY: "flaky",
    Verdict.ERROR: "error",
}
INFRASTRUCTURE = "untestable"
OF_MARKS = {verdict.mark: verdict for verdict in Verdict}


def paint(verdict: Verdict) -> str:
    """Return what a verdict is painted as."""
    return PAINTS.get(verdict, INFRASTRUCTURE)


@dataclass(frozen=True)
class Column:
    """A column of the matrix: a release on some stacks, or a reference stack's one subject.

    ``cells`` has a cell per stripe, or None where the stack does not serve the release.
    """

    release: str
    line: str
    cells: tuple[Cell | None, ...]
    reference: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows, columns and stripes of a report's matrix: a stripe of a column is a stack."""

    report: Report

    @cached_property
    def stripes(self) -> tuple[Stack, ...]:
        """The stacks that run Keras 3, from above."""
        return tuple(stack for stack in self.report.stacks if not stack.subject)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns: releases in order of version, then the reference stacks."""
        there = set(self.report.cells)
        found = []
        for line, versions in releases.lines(self.report.releases).items():
            for version in versions:
                cells = (Cell(stack.name, str(version)) for stack in self.stripes)
                own = tuple(cell if cell in there else None for cell in cells)
                found.append(Column(str(version), line, own))
        found += [Column(c.release, c.stack, (c,), True) for c in self.references]
        return tuple(found)

    @cached_property
    def references(self) -> tuple[Cell, ...]:
        """The cells of the reference stacks."""
        reference = {stack.name for stack in self.report.stacks if stack.subject}
        return tuple(cell for cell in self.report.cells if cell.stack in reference)

    @cached_property
    def lines(self) -> dict[str, int]:
        """How many columns each release line, or reference stack, has."""
        counts: dict[str, int] = {}
        for column in self.columns:
            counts[column.line] = counts.get(column.line, 0) + 1
        return counts

    def label(self, stack: Stack) -> str:
        """Return how people call a stack: by its backend, unless there are two of that."""
        if stack.subject:
            return "Keras 2"
        name = NAMES.get(stack.backend, stack.backend)
        alone = sum(other.backend == stack.backend for other in self.stripes) == 1
        return name if alone else f"{name} ({stack.name})"

    def marks(self, repro: Repro, column: Column) -> str:
        """Return a mark per stripe of a column."""
        verdicts = [self.report.verdict(c, repro) if c else None for c in column.cells]
        return "".join(verdict.mark if verdict else UNKNOWN for verdict in verdicts)

    def row(self, repro: Repro) -> list[str]:
        """Return the marks of a repro, a string per column."""
        return [self.marks(repro, column) for column in self.columns]


def to_paints(rows: Iterable[Iterable[str]]) -> dict[str, tuple[str, str]]:
    """Return the class of each set of marks that rows have, and how its stripes are painted.

    A set of marks without a verdict has no class: it is empty.

    Returns:
        The name of the class and its declarations, by marks.
    """
    distinct = sorted({marks for row in rows for marks in row if marks.strip(UNKNOWN)})
    found = {}
    for number, marks in enumerate(distinct):
        stripes = (
            f"--{stripe}:var(--{paint(OF_MARKS[mark])})"
            for stripe, mark in enumerate(marks)
            if mark != UNKNOWN
        )
        found[marks] = (f"p{number}", ";".join(stripes))
    return found


def to_client(grid: Grid, references: Iterable[Stack]) -> dict[str, Any]:
    """Return what the script needs to know of a matrix besides its marks."""
    return {
        "columns": [
            {"release": c.release, "line": c.line, "reference": c.reference}
            for c in grid.columns
        ],
        "stacks": [stack_data(grid, stack) for stack in grid.stripes],
        "references": {stack.name: stack_data(grid, stack) for stack in references},
        "verdicts": {
            verdict.mark: [verdict.value, paint(verdict), verdict.meaning]
            for verdict in Verdict
        },
    }


def stack_data(grid: Grid, stack: Stack) -> dict[str, str]:
    """Return how a stack is called: by the matrix, by people, and on the command line."""
    return {"name": stack.name, "label": grid.label(stack), "flag": flag(stack)}


def flag(stack: Stack) -> str:
    """Return the option of ``krepro run`` and ``krepro matrix`` that names a stack."""
    return f"-b {stack.backend}" if stack.primary else f"-s {stack.name}"


def merged(stored: Report, kept: Mapping[Cell, Mapping[str, Measurement]]) -> Report:
    """Return a report on what is stored, and what is published where nothing is stored.

    An environment that fails takes no published fact back. What was published of another
    version of a repro says nothing.
    """
    found: dict[Cell, dict[str, Measurement]] = {}
    for cell in stored.cells:
        found[cell] = {}
        for repro in stored.repros:
            own = stored.measurement(cell, repro)
            other = kept.get(cell, {}).get(repro.id)
            if other and other.source != repro.source_hash:
                other = None
            if own is None or (own.verdict.untestable and other and other.verdict.known):
                own = other
            if own:
                found[cell][repro.id] = own
    return Report(stored.matrix, stored.cells, stored.repros, found, stored.identities)


def is_published(found: Measurement) -> bool:
    """Whether a measurement comes from published results, which keep no time."""
    return not found.measured


def to_environments(report: Report, kept: Mapping[str, Published]) -> dict[str, Any]:
    """Return what is known of the environments: of each measured cell, of each published stack.

    Where Keras lay on the disk is left out: it says who measured, not what.
    """
    cells: dict[str, dict[str, dict[str, str]]] = {}
    for cell, known in report.identities.items():
        identity = {k: v for k, v in known.identity.items() if k != "keras_file"}
        own = {**identity, "lock": known.lock, "platform": known.platform}
        cells.setdefault(cell.stack, {})[cell.release] = own
    stacks = {
        name: {
            "backend_version": results.backend_version,
            "python": results.python,
            "lock": results.lock,
            "platform": results.platform,
        }
        for name, results in kept.items()
    }
    return {"measured": cells, "published": stacks}


class Interned:
    """Values kept once each, and known by their number."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """Return the number of a hashable value."""
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[Any]:
        """The values, in the order of their numbers."""
        return list(self._numbers)


def to_evidence(report: Report, repro: Repro, hidden: Mapping[str, str]) -> dict[str, Any]:
    """Return the evidence for every verdict of a repro.

    Args:
        report: the verdicts.
        repro: what they are of.
        hidden: paths of this machine, and what is to stand for them.

    Returns:
        ``texts``, ``entries`` and, by stack and release, the number of an entry. An entry is
        the mark, the text of the message, seconds, runs, time, krepro's version, isolation, the
        tests, the workarounds (name, mark, text), the text of the output, and the declared
        verdict where it differs. A published verdict has no time.
    """
    texts, entries = Interned(), Interned()

    def text(value: str) -> int:
        for path, name in hidden.items():
            value = value.replace(path, name)
        return texts.number(value)

    def functions(outcomes: Mapping[str, Outcome]) -> tuple[tuple[str, str, int], ...]:
        return tuple((n, o.verdict.mark, text(o.message)) for n, o in outcomes.items())

    at: dict[str, dict[str, int]] = {}
    for cell in report.cells:
        found = report.measurement(cell, repro)
        if found is None:
            continue
        backend = report.matrix.find_stack(cell.stack).backend
        declared = repro.expected(Version(cell.release), backend)
        entry = (
            found.verdict.mark,
            text(found.message),
            round(found.seconds, 3),
            found.runs,
            found.measured,
            found.krepro,
            found.isolation,
            functions(found.tests),
            functions(found.workarounds),
            text(found.output),
            "" if declared is found.verdict else declared.value,
        )
        at.setdefault(cell.stack, {})[cell.release] = entries.number(entry)
    return {"texts": texts.values, "entries": entries.values, "at": at}


def to_html(text: str, ids: Iterable[str] = ()) -> Markup:
    """Return a line of prose as HTML: `code`, *stress*, upstream's #numbers, and repros linked."""
    known = frozenset(ids)
    parts = []
    for part in re.split(r"(`[^`]+`)", text):
        if part.startswith("`") and part.endswith("`") and len(part) > 2:
            code = Markup("<code>{}</code>").format(part[1:-1])
            own = part[1:-1] in known
            parts.append(
                Markup('<a href="{}.html">{}</a>').format(part[1:-1], code) if own else code
            )
            continue
        prose = str(escape(part))
        prose = re.sub(r"(?<![\w*])\*(\w[^*]*)\*(?![\w*])", r"<em>\1</em>", prose)
        prose = re.sub(
            r"(?<![\w&])#(\d{3,6})\b", rf'<a href="{UPSTREAM}/issues/\1">#\1</a>', prose
        )
        parts.append(Markup(prose))  # noqa: S704  Escaped above.
    return Markup("").join(parts)


def paragraphs(text: str, ids: Iterable[str] = ()) -> list[Markup]:
    """Return the paragraphs of a docstring as HTML."""
    return [to_html(" ".join(part.split()), ids) for part in text.split("\n\n")]
