"""What a run amounts to: verdicts by repro and cell, held to what was declared. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from packaging.version import Version

from krepro import ranges
from krepro.matrix import Cell, Matrix, Stack, applicable
from krepro.release import is_checkout
from krepro.repro import Repro
from krepro.result import CellResult, Measurement
from krepro.verdict import Verdict


class Exit(enum.IntEnum):
    """Exit codes, the same for every command and output format."""

    AS_EXPECTED = 0
    FINDINGS = 1
    BAD_INPUT = 2
    INCOMPLETE = 3


@dataclass(frozen=True)
class Difference:
    """A verdict that is not the declared one.

    ``function`` is a workaround's name, or empty for the repro itself; ``declared`` says what
    was declared, in words.
    """

    repro: Repro
    cell: Cell
    declared: str
    found: Verdict
    message: str
    function: str = ""

    def __str__(self) -> str:
        name = f"{self.repro.id}: {self.function}" if self.function else self.repro.id
        text = f"{name} on {self.cell}: {self.found.value}, declared {self.declared}"
        return f"{text} ({self.message})" if self.message else text


@dataclass(frozen=True)
class Report:
    """The verdicts of a run: ``found[cell][repro id]``, where there is one.

    ``identities`` has what is known of a cell besides its verdicts.
    """

    matrix: Matrix
    cells: tuple[Cell, ...]
    repros: tuple[Repro, ...]
    found: Mapping[Cell, Mapping[str, Measurement]]
    identities: Mapping[Cell, CellResult] = field(default_factory=dict)

    def measurement(self, cell: Cell, repro: Repro) -> Measurement | None:
        """Return what a repro said in a cell, or None where it was not asked."""
        return self.found.get(cell, {}).get(repro.id)

    def verdict(self, cell: Cell, repro: Repro) -> Verdict | None:
        """Return the verdict of a repro in a cell, or None where it is unknown."""
        found = self.measurement(cell, repro)
        return found.verdict if found else None

    @cached_property
    def stacks(self) -> list[Stack]:
        """The stacks of the cells, in the order of the matrix."""
        names = {cell.stack for cell in self.cells}
        return [stack for stack in self.matrix.stack if stack.name in names]

    @cached_property
    def releases(self) -> list[Version]:
        """The Keras 3 releases of the cells, in order of version."""
        reference = {stack.name for stack in self.matrix.reference_stacks()}
        names = {c.release for c in self.cells if c.stack not in reference}
        return sorted(map(Version, names))

    @cached_property
    def _by_stack(self) -> dict[str, list[tuple[Version, Cell]]]:
        found: dict[str, list[tuple[Version, Cell]]] = {}
        for cell in self.cells:
            found.setdefault(cell.stack, []).append((Version(cell.release), cell))
        return found

    def row(self, repro: Repro, stack: Stack) -> dict[Version, Verdict | None]:
        """Return the verdicts of a repro on a stack, by release."""
        cells = self._by_stack.get(stack.name, ())
        return {version: self.verdict(cell, repro) for version, cell in cells}

    def range(self, repro: Repro, stack: Stack) -> str:
        """Return the affected range of a repro on a stack in a few words."""
        served = [version for version in self.matrix.versions if stack.serves(version)]
        # The newest is among them, asked for or not: only what reaches it is not fixed yet.
        asked = {r for r in {*self.releases, served[-1]} if stack.serves(r)}
        return ranges.describe(self.row(repro, stack), sorted(asked))

    def counts(self) -> Counter[Verdict]:
        """Return how many verdicts of each kind there are."""
        return Counter(
            measurement.verdict
            for by_repro in self.found.values()
            for measurement in by_repro.values()
        )

    def differences(self) -> Iterator[Difference]:
        """Yield every verdict that says something and is not the declared one.

        Nothing is declared of a checkout: it is compared with a release instead.
        """
        for cell, repro, found in self.measured():
            backend = self.matrix.find_stack(cell.stack).backend
            release = Version(cell.release)
            if is_checkout(release):
                continue
            expected = repro.expected(release, backend)
            if found.verdict is not expected and not found.verdict.untestable:
                declared = expected.value
                yield Difference(repro, cell, declared, found.verdict, found.message)
            for name, outcome in found.workarounds.items():
                said = outcome.verdict
                if not said.untestable and not repro.workaround_as_declared(
                    name, release, backend, said
                ):
                    fails = repro.workaround_as_declared(
                        name, release, backend, Verdict.AFFECTED
                    )
                    declared = "not to work" if fails else "to work"
                    yield Difference(repro, cell, declared, said, outcome.message, name)

    def measured(self) -> Iterator[tuple[Cell, Repro, Measurement]]:
        """Yield every cell and repro that has a measurement."""
        for cell in self.cells:
            for repro in self.repros:
                found = self.measurement(cell, repro)
                if found:
                    yield cell, repro, found

    def untestable(self) -> list[tuple[Cell, Repro, Measurement]]:
        """Return what an environment kept from being measured."""
        return [entry for entry in self.measured() if entry[2].verdict.untestable]

    def unmeasured(self) -> list[tuple[Cell, Repro]]:
        """Return the cells and repros that a run did not come to."""
        return [
            (cell, repro)
            for cell in self.cells
            for repro in self.repros
            if self.verdict(cell, repro) is None
            and applicable(repro, self.matrix.find_stack(cell.stack))
        ]

    def exit_code(self) -> Exit:
        """Return the exit code: findings outweigh gaps."""
        if any(True for _ in self.differences()):
            return Exit.FINDINGS
        if self.untestable() or self.unmeasured():
            return Exit.INCOMPLETE
        return Exit.AS_EXPECTED


def shortened(releases: Iterable[str]) -> str:
    """Return a few releases by name, and how many more there are."""
    distinct = list(dict.fromkeys(releases))
    more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    return ", ".join(distinct[:3]) + more


def grouped(differences: Iterable[Difference]) -> list[str]:
    """Return differences as lines, those that say the same of several releases as one."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for found in differences:
        stack = found.cell.stack
        key = (found.repro.id, found.function, found.found.value, found.declared, stack)
        groups.setdefault(key, []).append(found)
    lines = []
    for (repro, function, found_value, declared, stack), members in groups.items():
        name = f"{repro}: {function}" if function else repro
        releases = shortened(member.cell.release for member in members)
        line = f"{name}: {found_value}, declared {declared}, on {releases} of {stack}"
        message = members[0].message
        lines.append(f"{line} ({message})" if message else line)
    return lines


def troubles(entries: Sequence[tuple[Cell, Repro, Measurement]]) -> list[str]:
    """Return why things were untestable, a line for each reason on each stack."""
    reasons: dict[tuple[str, str], list[Cell]] = {}
    for cell, _, found in entries:
        why = f"{found.verdict.value}: {found.message}"
        reasons.setdefault((cell.stack, why), []).append(cell)
    lines = []
    for (stack, why), cells in reasons.items():
        releases = shortened(cell.release for cell in cells)
        lines.append(f"{releases} on {stack}: {why} ({len(cells)} verdicts)")
    return lines
