"""``krepro fuzz``, from its options to its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from krepro.board import Status
from krepro.engine import Engine
from krepro.fuzz.hunt import Budget, Finding, Hunt, Tally
from krepro.fuzz.known import Catalogue
from krepro.fuzz.pool import Pool
from krepro.fuzz.store import Store
from krepro.hunt.commands import stoppable
from krepro.matrix import Cell
from krepro.project import Project, SelectionError, check_writable
from krepro.render import fuzz as rendering
from krepro.report import Exit

# How long a hunt lasts where nothing else is said: minutes, programs (0: no limit).
PROFILES = {"smoke": (0.0, 60), "ci": (5.0, 0), "deep": (30.0, 0)}


@dataclass(frozen=True)
class Asked:
    """What the options of ``krepro fuzz`` ask for."""

    releases: tuple[str, ...]
    backends: tuple[str, ...]
    minutes: float | None
    examples: int | None
    seed: int
    profile: str
    timeout: float
    jobs: int
    anew: bool
    form: str
    output: Path | None

    def budget(self) -> Budget:
        """Return how long to hunt."""
        minutes, examples = PROFILES[self.profile]
        if self.minutes is not None or self.examples is not None:
            minutes, examples = self.minutes or 0.0, self.examples or 0
        return Budget(minutes * 60, examples)


@dataclass
class Screen(Status):
    """Shows how a hunt goes."""

    budget: Budget
    earlier: int
    found: int = 0

    def tell(self, tally: Tally) -> None:
        """Say how far it is."""
        self.show(self.line(tally))

    def line(self, tally: Tally) -> str:
        """Return how far it is, in one line."""
        passed = self.budget.elapsed_s
        done = tally.programs - self.earlier
        parts = [f"{tally.programs} programs, {done / max(passed, 0.1):.1f} a second"]
        if tally.known:
            parts.append(f"{tally.known.total()} known, of {len(tally.known)} entries")
        parts.append(f"{self.found} new")
        if self.budget.seconds:
            left = max(0, round(self.budget.seconds - passed))
            parts.append(f"{left // 60}:{left % 60:02d} left")
        elif self.budget.programs:
            parts.append(f"{max(0, self.budget.programs - tally.programs)} to go")
        return "; ".join(parts)

    def finding(self, finding: Finding, path: Path) -> None:
        """Tell a finding."""
        self.found += 1
        for line in rendering.finding_lines(finding, path):
            self.console.print(line, highlight=False, markup=False)


def fuzz(asked: Asked) -> Exit:
    """Run ``krepro fuzz``; return its exit code.

    Raises:
        SelectionError: the options name what is not there.
        UnknownRelease: a release is unknown.
        InstallError: nothing could be prepared.
    """
    check_writable(asked.output)
    project = Project.find(Path.cwd())
    versions = project.versions("quick", asked.releases or ("newest",))
    stacks = [
        project.matrix.primary(backend)
        for backend in asked.backends or ("tensorflow", "jax", "torch")
    ]
    cells = project.cells(versions, stacks)
    if not cells:
        raise SelectionError("no cell is meant: 'krepro releases' lists the releases")
    catalogue = Catalogue.of(project)
    engine = Engine.of(project, asked.jobs)
    store = Store.of(engine.home, cells, asked.seed)
    number, tally, earlier_s = (0, Tally(), 0.0) if asked.anew else store.progress()
    budget = asked.budget()
    if budget.programs:
        budget.programs += tally.programs
    at_once = max(1, asked.jobs // len(cells))
    screen = Screen(Console(stderr=True), budget, tally.programs)
    with (
        stoppable(engine),
        engine.room() as scratch,
        Pool(engine, scratch, cells, seats=at_once, timeout_s=asked.timeout) as pool,
        screen.shown(),
    ):
        hunt = Hunt(
            pool,
            catalogue,
            budget,
            asked.seed,
            store.database,
            number,
            [] if asked.anew else store.findings(),
            tally,
            at_once=at_once,
        )
        hunt.tell = lambda finding: screen.finding(
            finding, store.keep(finding, project.matrix)
        )
        hunt.progress = screen.tell
        hunt.round_ended = lambda done: store.note(
            done, tally, earlier_s + budget.elapsed_s
        )
        hunt.run()
        stopped = engine.stop.is_set()
    outcome = rendering.Outcome(
        cells=tuple(cells),
        seed=asked.seed,
        tally=tally,
        findings=tuple(hunt.found),
        paths=tuple(store.path_of(finding) for finding in hunt.found),
        seconds=earlier_s + budget.elapsed_s,
        stopped=stopped,
    )
    text = rendering.FORMATS[asked.form](outcome)
    if asked.output:
        asked.output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    return exit_of(outcome)


def exit_of(outcome: rendering.Outcome) -> Exit:
    """Return the exit code of a hunt."""
    if outcome.findings:
        return Exit.FINDINGS
    lost: list[Cell] = list(outcome.tally.untestable)
    return Exit.INCOMPLETE if outcome.stopped or lost else Exit.AS_EXPECTED
