"""What the catalogue knows of a divergence."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from krepro import published
from krepro.cell.judge import matches
from krepro.fuzz import source
from krepro.fuzz.compare import Divergence
from krepro.fuzz.program import (
    Clone,
    Compile,
    Program,
    SaveLoad,
    Step,
    mapped,
    with_data,
)
from krepro.fuzz.reduce import plain_name
from krepro.matrix import Cell
from krepro.project import Project
from krepro.recorded.difference import Kind
from krepro.report import Report
from krepro.repro import Repro
from krepro.scan.scan import Scan, scan_with
from krepro.scan.trigger import all_triggers
from krepro.verdict import Verdict


def plain_twin(program: Program) -> Program:
    """Return a program that does the same in a way that its text shows.

    Data are given as arrays, metrics by name, and models are neither cloned nor saved and loaded:
    triggers do not look into generators, nor through files.
    """
    steps: list[Step] = []
    for step in program.steps:
        if isinstance(step, SaveLoad | Clone):
            continue
        found: Step = step
        if isinstance(step, Compile):
            named = {
                word: mapped(plain_name, getattr(step, word))
                for word in ("metrics", "weighted_metrics")
            }
            found = replace(step, **named)
        else:
            found = with_data(step, lambda data: replace(data, feed="arrays"))
        steps.append(found)
    return replace(program, steps=tuple(steps))


@dataclass
class Catalogue:
    """Matches divergences with the entries that explain them, by trigger and by symptom."""

    repros: list[Repro]
    report: Report
    _scans: dict[str, Scan] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project) -> Catalogue:
        """Return what a project knows, with what was measured of it."""
        repros = project.repros()
        return cls(repros, published.for_people(project, repros))

    def __post_init__(self) -> None:
        """Read the triggers once."""
        self._triggers = all_triggers(self.repros)
        self._by_id = {repro.id: repro for repro in self.repros}

    def explain(
        self, program: Program, divergence: Divergence, cell: Cell
    ) -> tuple[str, ...]:
        """Return the entries that a divergence may be a sight of.

        Args:
            program: what was played; what its plain twin touches, it touches too.
            divergence: what it did otherwise.
            cell: where; only entries that affect it count.
        """
        found = []
        scripts = dict.fromkeys(
            "\n".join(source.chunks(each)) for each in (program, plain_twin(program))
        )
        for hit in itertools.chain(*(self._scan(script).active for script in scripts)):
            repro = self._by_id[hit.repro]
            if self.report.verdict(cell, repro) is not Verdict.AFFECTED:
                continue
            if divergence.kind is Kind.RAISES and repro.symptoms:
                kind = divergence.seen.partition(":")[0]
                shows = any(matches(s, kind, divergence.seen) for s in repro.symptoms)
            else:
                # What else differs in this step comes with it: a loss with the weights.
                kinds = {divergence.kind, *divergence.kinds}
                shows = any(kind.value in hit.shows for kind in kinds)
            if shows and repro.id not in found:
                found.append(repro.id)
        return tuple(found)

    def _scan(self, script: str) -> Scan:
        if script not in self._scans:
            if len(self._scans) > 64:
                self._scans.clear()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "program.py"
                path.write_text(script, encoding="utf-8")
                self._scans[script] = scan_with([path], self.repros, self._triggers)
        return self._scans[script]
