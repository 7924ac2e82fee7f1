"""Timings: what repros and cells took, kept in the repository so that every machine cuts alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from krepro.matrix import Cell, Stack, applicable
from krepro.project import Project, SelectionError
from krepro.report import Report
from krepro.repro import Repro
from krepro.result import write_atomically

FILE = "results/timings.json"
SCHEMA = 1
# For what was never measured. A stack takes seconds to make from a warm download cache and
# minutes from an empty one; a release is unpacked and compiled.
MAKE_S, OVERLAY_S = 60.0, 6.0
IMPORT_S, REPRO_S = 3.0, 0.3


class StackTimes(msgspec.Struct, frozen=True):
    """What cells of a stack took, in seconds, as medians over releases.

    ``import_s`` is ``import keras``; ``repros`` has each repro's run from its start to its end.
    """

    import_s: float
    repros: dict[str, float]


class Timings(msgspec.Struct, frozen=True):
    """What was measured, by stack."""

    stacks: dict[str, StackTimes] = {}
    schema: int = SCHEMA

    def cell_s(self, stack: Stack, repros: Sequence[Repro]) -> float:
        """Return what a cell of a stack takes with its release made anew, in seconds."""
        times = self.stacks.get(stack.name)
        measured = times.repros if times else {}
        # A repro without a time takes what the others take.
        usual_s = median(measured.values()) if measured else REPRO_S
        asked = [repro.id for repro in repros if applicable(repro, stack)]
        import_s = times.import_s if times else IMPORT_S
        return OVERLAY_S + import_s + sum(measured.get(name, usual_s) for name in asked)


def read(project: Project) -> Timings:
    """Return the timings that a project keeps; none where it has no such file.

    Raises:
        SelectionError: the file is there and is none.
    """
    path = project.folder / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Timings)
    except FileNotFoundError:
        return Timings()
    except msgspec.DecodeError as error:
        raise SelectionError(
            f"{path}: is no file of timings ({error}): remove it, and krepro publish makes it anew"
        ) from None
    if found.schema != SCHEMA:
        raise SelectionError(
            f"{path}: schema {found.schema} is not known, this krepro reads {SCHEMA}: remove it, "
            "and krepro publish makes it anew"
        )
    return found


def measured(report: Report, before: Timings) -> Timings:
    """Return what a report knows of times; a stack that is not measured whole here stays as it was."""
    stacks = dict(before.stacks)
    for stack in report.stacks:
        cells = [cell for cell in report.cells if cell.stack == stack.name]
        times = _of_stack(report, cells, stacks.get(stack.name))
        if times:
            stacks[stack.name] = times
    return Timings(dict(sorted(stacks.items())))


def _of_stack(
    report: Report, cells: Iterable[Cell], before: StackTimes | None
) -> StackTimes | None:
    seconds: dict[str, list[float]] = {}
    imports = []
    for cell in cells:
        identity = report.identities.get(cell)
        if identity is None or not identity.import_seconds:
            # Verdicts that were published have no times.
            return None
        imports.append(identity.import_seconds)
        for name, found in report.found.get(cell, {}).items():
            if found.runs and not found.verdict.untestable:
                seconds.setdefault(name, []).append(found.seconds)
    if not seconds:
        return None
    current = {repro.id for repro in report.repros}
    old = before.repros if before else {}
    kept = {name: value for name, value in old.items() if name in current}
    new = {name: _rounded(median(values)) for name, values in seconds.items()}
    return StackTimes(_rounded(median(imports)), dict(sorted({**kept, **new}.items())))


def _rounded(seconds: float) -> float:
    """Return a time to two digits: more would say something new at each measurement."""
    return float(f"{seconds:.2g}")


def write(project: Project, report: Report) -> Path:
    """Write what a report knows of times into the repository.

    Raises:
        SelectionError: what is there is no file of timings.
        OSError: it could not be written.
    """
    path = project.folder / FILE
    content = measured(report, read(project))
    write_atomically(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    return path
