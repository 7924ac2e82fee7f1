"""Progress: a live board on a terminal, plain lines elsewhere; both on stderr."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from krepro.engine import Plan, Watcher
from krepro.matrix import Cell
from krepro.repro import Repro
from krepro.verdict import Verdict

# Where there is no terminal, a status is said so often.
SAY_S = 10.0


@dataclass
class Status:
    """Shows how far something is: live on a terminal, elsewhere a line now and then."""

    console: Console
    said: float = field(default_factory=time.monotonic, init=False)
    live: Live | None = field(default=None, init=False)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            self.live = live
            yield

    def show(self, line: str, board: str = "") -> None:
        """Say how far it is: a line, or on a terminal several if there are."""
        if self.live:
            self.live.update(Text(board or line))
        elif time.monotonic() - self.said > SAY_S:
            self.said = time.monotonic()
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)


@dataclass
class Lines(Watcher):
    """One line per cell and per installation."""

    console: Console
    plan: Plan
    done: int = 0
    measured_count: int = 0
    started_at: float = field(default_factory=time.monotonic)
    verdicts: dict[Cell, Counter[Verdict]] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def preparing(self, what: str) -> None:
        """Say what is being installed."""
        self.say(f"installing {what}")

    def measured(self, cell: Cell, repro: Repro, verdict: Verdict) -> None:
        """Count a verdict."""
        del repro
        with self.guard:
            self.measured_count += 1
            self.verdicts.setdefault(cell, Counter())[verdict] += 1

    def ended(self, cell: Cell, seconds: float, trouble: str) -> None:
        """Say what a cell came to."""
        with self.guard:
            self.done += 1
            counts = self.verdicts.get(cell, Counter())
            found = ", ".join(f"{counts[v]} {v.value}" for v in Verdict if counts[v])
            line = f"[{self.done}/{len(self.plan.missing)}] {cell}: {found}"
            line += f" in {seconds:.1f} s, {self.eta()} left"
            self.say(f"{line}: {trouble}" if trouble else line)

    def eta(self) -> str:
        """Return how long the rest may take, by what it took so far."""
        if not self.measured_count:
            return "?"
        passed = time.monotonic() - self.started_at
        left = self.plan.to_measure - self.measured_count
        seconds = round(passed / self.measured_count * left)
        return f"{seconds // 60}:{seconds % 60:02d}"


@dataclass
class Board(Lines):
    """A live board: cells done, what runs, verdicts so far, time left."""

    running: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._progress = Progress(
            TextColumn("verdicts"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[eta]} left"),
            console=self.console,
            expand=True,
        )
        self._task = self._progress.add_task("", total=self.plan.to_measure, eta="?")
        self._live = Live(
            get_renderable=self.picture,
            console=self.console,
            refresh_per_second=4,
            transient=True,
        )
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def picture(self) -> Group:
        """Return the board as it is now."""
        with self.guard:
            total: Counter[Verdict] = Counter()
            for counts in self.verdicts.values():
                total += counts
            now = time.monotonic()
            running = [
                f"{name} {now - since:.0f} s" for name, since in self.running.items()
            ]
            eta = self.eta()
        self._progress.update(self._task, completed=self.measured_count, eta=eta)
        counts_line = Text(f"cells {self.done}/{len(self.plan.missing)}   ")
        for verdict in Verdict:
            if total[verdict]:
                counts_line.append(f"{total[verdict]} {verdict.value}  ", verdict.style)
        return Group(
            self._progress, counts_line, Text("now: " + ("; ".join(running) or "…"), "dim")
        )

    def say(self, text: str) -> None:
        """Say nothing: the board shows it."""

    def preparing(self, what: str) -> None:
        """Show what is being installed."""
        with self.guard:
            self.running[f"installing {what}"] = time.monotonic()

    def prepared(self, what: str) -> None:
        """It is installed."""
        with self.guard:
            self.running.pop(f"installing {what}", None)

    def started(self, cell: Cell) -> None:
        """Show a cell that began."""
        with self.guard:
            self.running[str(cell)] = time.monotonic()

    def ended(self, cell: Cell, seconds: float, trouble: str) -> None:
        """Take a cell off the board."""
        super().ended(cell, seconds, trouble)
        with self.guard:
            self.running.pop(str(cell), None)
        if trouble:
            self._live.console.print(
                f"{cell}: {trouble}", highlight=False, soft_wrap=True, markup=False
            )


def watcher_for(console: Console, plan: Plan) -> Lines:
    """Return a board for a terminal, lines for anything else."""
    return Board(console, plan) if console.is_terminal else Lines(console, plan)
