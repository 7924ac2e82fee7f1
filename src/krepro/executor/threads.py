"""Cells measured on this machine, several at a time."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from krepro.matrix import Cell

if TYPE_CHECKING:
    from krepro.engine import Engine, Plan
    from krepro.result import CellResult


class Threads:
    """A thread for each job; each takes one cell after the other."""

    def __init__(self) -> None:
        """Start with nothing that went wrong."""
        self._failure: Exception | None = None

    def run(self, engine: Engine, plan: Plan) -> None:
        """Measure what a plan lacks.

        Raises:
            NotKept: a result could not be written.
        """
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        for cell in in_turn(list(plan.missing)):
            waiting.put(cell)
        with engine.room() as scratch:
            threads = [
                threading.Thread(
                    target=self._work, args=(engine, plan, waiting, scratch), daemon=True
                )
                for _ in range(max(1, min(engine.options.jobs, len(plan.missing))))
            ]
            try:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    while thread.is_alive():
                        thread.join(0.1)
            finally:
                engine.end_all()
                for thread in threads:
                    thread.join(1)
        if self._failure:
            raise self._failure

    def _work(
        self,
        engine: Engine,
        plan: Plan,
        waiting: queue.SimpleQueue[Cell],
        scratch: Path,
    ) -> None:
        repros = {repro.id: repro for repro in plan.repros}
        while not engine.stop.is_set():
            try:
                cell = waiting.get_nowait()
            except queue.Empty:
                return
            started = time.monotonic()
            engine.watcher.started(cell)
            trouble = ""
            try:
                # Closed, so that a cell whose results cannot be kept ends at once.
                with contextlib.closing(
                    engine.measure(cell, plan.missing[cell], scratch)
                ) as pieces:
                    for said in pieces:
                        engine.keep(said, repros)
                        trouble = trouble or trouble_of(said)
            except Exception as error:  # noqa: BLE001  Raised again in the main thread.
                self._failure = self._failure or error
                engine.stop.set()
                return
            if not engine.stop.is_set():
                engine.watcher.ended(cell, time.monotonic() - started, trouble)


def trouble_of(said: CellResult) -> str:
    """Return what kept repros of a cell from running, or an empty string."""
    return next((found.message for found in said.repros.values() if not found.runs), "")


def in_turn(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Yield cells of different stacks in turn, so that their zygotes start side by side."""
    by_stack: dict[str, list[Cell]] = {}
    for cell in cells:
        by_stack.setdefault(cell.stack, []).append(cell)
    while by_stack:
        for name in list(by_stack):
            yield by_stack[name].pop(0)
            if not by_stack[name]:
                del by_stack[name]
