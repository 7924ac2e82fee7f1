"""How many planted faults the hunt finds: ``nox -s teeth``.

Each fault is planted in a copy of the newest release, one at a time, and hunted for with no hint,
as ``krepro fuzz`` hunts. It counts as found where a program does on the copy what documentation
does not promise, nothing in the catalogue explains, and the release itself does not do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from krepro import overlay
from krepro.engine import Engine, default_jobs
from krepro.fuzz import mutants, source
from krepro.fuzz.compare import Divergence
from krepro.fuzz.hunt import Budget, Hunt, TimeIsUp
from krepro.fuzz.known import Catalogue
from krepro.fuzz.mutants import Mutant
from krepro.fuzz.oracle import expect
from krepro.fuzz.pool import Pool
from krepro.fuzz.program import Program
from krepro.matrix import Cell
from krepro.project import Project


@dataclass(frozen=True)
class Bite:
    """Whether a planted fault was found, in what time and by how many programs."""

    mutant: Mutant
    backend: str
    seconds: float
    programs: int
    divergence: Divergence | None

    @property
    def line(self) -> str:
        """What is told of it."""
        effort = f"{self.seconds:5.1f} s {self.programs:5d} programs"
        if self.divergence is None:
            return f"missed {effort}  {self.mutant.id} ({self.mutant.area})"
        told = f"{self.divergence.call}: {self.divergence.kind}"
        return f"found  {effort}  {self.mutant.id}: {told}"


@dataclass
class Bites(Hunt):
    """A hunt that ends with the first divergence that the release itself does not show."""

    plain: Pool | None = None
    caught: list[Divergence] = field(default_factory=list)

    def sights(self, program: Program) -> dict[Cell, Divergence]:
        """Play a program; end where the planted fault shows."""
        assert self.plain is not None
        for cell, divergence in super().sights(program).items():
            chunks, models = source.chunks(program), source.model_names(program)
            play = self.plain.play(chunks, models)[cell]
            own = self.judge(program, expect(program), play, cell)
            if own is None or own.signature != divergence.signature:
                self.caught.append(divergence)
                raise TimeIsUp
        return {}


def bites(  # noqa: PLR0917  What a hunt takes.
    engine: Engine,
    scratch: Path,
    chosen: Sequence[Mutant],
    cell: Cell,
    catalogue: Catalogue,
    seconds: float,
    seed: int = 0,
    at_once: int = 1,
) -> Iterator[Bite]:
    """Yield for each fault whether it was found in a cell.

    Args:
        engine: makes the cell.
        scratch: the working folder, from ``Engine.room``.
        chosen: the faults.
        cell: the release that they are planted in, on a stack.
        catalogue: what is known of it.
        seconds: how long each is hunted for.
        seed: of the hunts.
        at_once: how many programs to play at a time.
    """
    stack = engine.matrix.find_stack(cell.stack)
    subject = engine.matrix.subject(cell)
    release = overlay.prepare(engine.home, subject, engine.environment(stack))
    with Pool(engine, scratch, [cell]) as plain:
        for number, mutant in enumerate(chosen):
            folder = mutants.plant(mutant, release, scratch / f"planted-{number}")
            changes = {"overlay": folder}
            with Pool(engine, scratch, [cell], seats=at_once, changes=changes) as pool:
                started = time.monotonic()
                hunt = Bites(
                    pool, catalogue, Budget(seconds), seed, plain=plain, at_once=at_once
                )
                hunt.run()
                took = time.monotonic() - started
            caught = hunt.caught[0] if hunt.caught else None
            yield Bite(mutant, stack.backend, took, hunt.tally.programs, caught)


def main() -> int:
    """Hunt for planted faults, and print how many were found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", help="mutants; by default, all")
    parser.add_argument("--folder", type=Path, default=Path("tests/mutants"))
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="programs at once")
    parser.add_argument("--output", type=Path, help="a file for the figures, as JSON")
    asked = parser.parse_args()
    project = Project.find(Path.cwd())
    chosen = [
        mutant
        for mutant in mutants.read(asked.folder)
        if asked.backend in mutant.backends and (not asked.ids or mutant.id in asked.ids)
    ]
    cell = Cell(
        project.matrix.primary(asked.backend).name, mutants.release_of(asked.folder)
    )
    catalogue = Catalogue.of(project)
    engine = Engine.of(project, asked.jobs)
    found: list[Bite] = []
    with engine.room() as scratch:
        for bite in bites(
            engine,
            scratch,
            chosen,
            cell,
            catalogue,
            asked.seconds,
            asked.seed,
            asked.jobs,
        ):
            found.append(bite)
            print(bite.line, flush=True)  # noqa: T201  It is a program of its own.
    caught = [bite for bite in found if bite.divergence]
    print(f"{len(caught)} of {len(found)} planted faults found on {asked.backend}")  # noqa: T201
    if asked.output:
        table = [
            {
                "id": bite.mutant.id,
                "found": bite.divergence is not None,
                "seconds": round(bite.seconds, 1),
                "programs": bite.programs,
            }
            for bite in found
        ]
        asked.output.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
