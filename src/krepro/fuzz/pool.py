"""Plays programs in many cells at once, each in a warm worker of its own.

Warm workers are quick: they are spared some of what their backends do besides computing
(``krepro.cell.player.quicken``). Fresh workers are not: what they do is what a user sees.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import os
import queue
import select
import socket
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from krepro.cell.player import ERRORS
from krepro.engine import Engine, Stopped
from krepro.installer import InstallError
from krepro.matrix import Cell

DONE, CRASHED, HUNG, TOO_BIG, UNTESTABLE = (
    "done",
    "crashed",
    "hung",
    "out of memory",
    "untestable",
)
# A worker is renewed after so many programs, or when it has grown by so much.
RENEW_AFTER = 500
GROWTH_MB = 600
# How long a cell may take to start or end a worker, or a worker to be ready.
ANSWER_S = 60.0
# How much longer than it may take to import Keras a cell may take to start: others start too.
STARTS = 3
POLL_S = 0.1
# A cell whose own process died so often in a row is given up.
MOST_STARTS = 3
ERROR_TAIL = 2000
# The longest path of a socket, on systems where it is shortest.
MOST_PATH = 100


@dataclass(frozen=True)
class Played:
    """What one program did in one cell.

    ``steps`` are as ``krepro.cell.player`` tells them: one for each chunk that ended; ``message``
    says what ended a run that is not "done"; ``seconds`` are those of the chunks.
    """

    ending: str
    steps: tuple[dict[str, Any], ...]
    message: str = ""
    seconds: float = 0.0


class Lost(Exception):
    """A cell's process died, or does not answer."""


class Gone(Exception):
    """A worker ended by itself."""


class Pool:
    """Workers in cells; a context manager.

    Args:
        engine: makes the cells.
        scratch: the working folder, from ``Engine.room``.
        cells: where to play.
        seats: how many programs each cell may play at a time.
        timeout_s: how long a program may take.
        memory_mb: how much memory a worker may have.
        at_once: how many programs play at a time; by default as many as the engine has jobs.
        changes: fields of the cells' jobs, such as an ``overlay`` of other sources.
    """

    def __init__(
        self,
        engine: Engine,
        scratch: Path,
        cells: Collection[Cell],
        *,
        seats: int = 1,
        timeout_s: float = 60.0,
        memory_mb: int = 4096,
        at_once: int | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """Only remember what to do; cells start when they are played in."""
        self.cells = tuple(dict.fromkeys(cells))
        self._engine = engine
        self._closing = threading.Event()
        self._numbers = itertools.count(1)
        self._folder = tempfile.TemporaryDirectory(
            prefix="pool-", dir=scratch if len(str(scratch)) < MOST_PATH - 20 else None
        )
        places = (Path(self._folder.name) / str(number) for number in itertools.count())
        self._seats = {
            cell: [
                _Seat(self, engine, scratch, next(places), cell)
                for _ in range(max(1, seats))
            ]
            for cell in self.cells
        }
        self._free = {cell: queue.SimpleQueue[_Seat]() for cell in self.cells}
        for cell, all_seats in self._seats.items():
            for seat in all_seats:
                self._free[cell].put(seat)
        self._hands = concurrent.futures.ThreadPoolExecutor(
            at_once or max(1, engine.options.jobs)
        )
        self.changes = dict(changes or {})
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all workers."""
        self._closing.set()
        self._hands.shutdown(cancel_futures=True)
        for seat in itertools.chain(*self._seats.values()):
            seat.close()
        self._folder.cleanup()

    def play(
        self,
        chunks: Sequence[str],
        models: Sequence[str],
        *,
        fresh: bool = False,
        cells: Collection[Cell] | None = None,
    ) -> dict[Cell, Played]:
        """Play a program, and return what it did in each cell; from any thread.

        Args:
            chunks: the parts of its script.
            models: the names of the variables that hold its models.
            fresh: in plain workers that have played nothing before, and play nothing else.
            cells: where; by default, in all cells of the pool.

        Raises:
            Stopped: the run is to end.
        """
        number = next(self._numbers)
        asked = {"number": number, "chunks": list(chunks), "models": list(models)}
        wanted = self.cells if cells is None else tuple(dict.fromkeys(cells))
        # Those that take longest first: the others fill what time is left.
        order = sorted(wanted, key=lambda cell: -self._seats[cell][0].usual_s)
        futures = {
            cell: self._hands.submit(self._seated, cell, asked, fresh=fresh)
            for cell in order
        }
        try:
            found = {cell: futures[cell].result() for cell in order}
        finally:
            for future in futures.values():
                future.cancel()
        return {cell: found[cell] for cell in wanted}

    def _seated(self, cell: Cell, asked: Mapping[str, Any], *, fresh: bool) -> Played:
        """Play a program in a seat of a cell that is free, or the first that becomes so."""
        seat = self._free[cell].get()
        try:
            return seat.play(asked, fresh=fresh)
        finally:
            self._free[cell].put(seat)

    @property
    def stopped(self) -> bool:
        """Whether what runs is to end."""
        return self._closing.is_set() or self._engine.stop.is_set()


class _Wire:
    """Lines of JSON over a socket, with a time limit on each."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self.descriptors: list[int] = []

    def say(self, **facts: Any) -> None:
        self._connection.sendall(json.dumps(facts).encode() + b"\n")

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """Return the next line, or None where none comes within the time.

        Raises:
            EOFError: the other end is closed.
        """
        deadline = time.monotonic() + seconds
        while (end := self._buffer.find(b"\n")) < 0:
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([self._connection], [], [], left_s)[0]:
                return None
            try:
                data, received, _, _ = socket.recv_fds(self._connection, 1 << 20, 4)
            except ConnectionResetError:
                data, received = b"", []
            self.descriptors += received
            if not data:
                raise EOFError
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        self._connection.close()


@dataclass
class _Worker:
    """A worker, as the engine knows it."""

    pid: int
    folder: Path
    wire: _Wire
    ready: bool = False
    programs: int = 0
    first_mb: float = 0.0

    def outgrown(self) -> bool:
        """Whether it has played enough."""
        now_mb = memory_mb(self.pid)
        if self.programs == 1:
            self.first_mb = now_mb
        return self.programs >= RENEW_AFTER or now_mb > self.first_mb + GROWTH_MB


@dataclass
class _Seat:
    """A place to play in a cell: a process, and its warm worker."""

    pool: Pool
    engine: Engine
    scratch: Path
    path: Path
    cell: Cell
    usual_s: float = 0.0
    _wire: _Wire | None = None
    _thread: threading.Thread | None = None
    _worker: _Worker | None = None
    _starts: int = 0
    _trouble: str = ""
    _asked: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def play(self, asked: Mapping[str, Any], *, fresh: bool) -> Played:
        """Play a program in this cell."""
        with self._guard:
            while not self._trouble:
                try:
                    worker = (
                        self._start_worker(plain=True) if fresh else self._warm_worker()
                    )
                    played = self._play(worker, asked)
                except Lost:
                    self._lose()
                    continue
                if fresh or played.ending != DONE or worker.outgrown():
                    with contextlib.suppress(Lost):
                        self._end_worker(worker)
                if played.ending == DONE and not fresh:
                    self.usual_s += (played.seconds - self.usual_s) / 8
                return played
        return Played(UNTESTABLE, (), self._trouble)

    def _warm_worker(self) -> _Worker:
        """Return a worker that is ready; a new one where the last one ended after its program."""
        while True:
            worker = self._worker
            if worker is None:
                worker = self._worker = self._start_worker()
            try:
                self._await_ready(worker)
            except Gone:
                self._end_worker(worker)
                if not worker.programs:
                    raise Lost from None
                continue
            return worker

    def _await_ready(self, worker: _Worker) -> None:
        if worker.ready:
            return
        deadline = time.monotonic() + ANSWER_S
        try:
            while not (said := worker.wire.hear(POLL_S)):
                self._look_up()
                if time.monotonic() > deadline:
                    raise Gone
        except EOFError:
            raise Gone from None
        if "ready" not in said:
            raise Gone
        worker.ready = True

    def _play(self, worker: _Worker, asked: Mapping[str, Any]) -> Played:
        """Have a worker play; where it does not come to the end, it is ended."""
        try:
            self._await_ready(worker)
        except Gone:
            raise Lost from None
        worker.ready = False
        worker.programs += 1
        steps: list[dict[str, Any]] = []
        started = time.monotonic()
        deadline = started + self.pool.timeout_s
        ending, message = CRASHED, ""
        try:
            worker.wire.say(**asked)
            while True:
                said = worker.wire.hear(POLL_S)
                if said and "step" in said:
                    steps.append(said["step"])
                elif said:
                    return _played(steps, said["seconds"])
                self._look_up()
                if time.monotonic() > deadline:
                    ending, message = HUNG, f"no end after {self.pool.timeout_s:g} s"
                    break
                if memory_mb(worker.pid) > self.pool.memory_mb:
                    ending, message = TOO_BIG, f"passed {self.pool.memory_mb} MiB of memory"
                    break
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass
        except ValueError:
            message = "the program wrote over what its worker said"
        seconds = round(time.monotonic() - started, 5)
        told = _tail(worker.folder / ERRORS)
        status = self._end_worker(worker)
        if ending == CRASHED:
            message = message or (
                f"killed by signal {-status}"
                if status < 0
                else f"the process ended early, with exit status {status}"
            )
            message += f"\n{told}" if told else ""
        return Played(ending, tuple(steps), message, seconds)

    def _start_worker(self, *, plain: bool = False) -> _Worker:
        wire = self._started()
        said = self._ask(wire, start=True, plain=plain)
        connection = socket.socket(fileno=wire.descriptors.pop(0))
        return _Worker(said["pid"], Path(said["folder"]), _Wire(connection))

    def _end_worker(self, worker: _Worker) -> int:
        """End a worker; return how it ended."""
        if worker is self._worker:
            self._worker = None
        worker.wire.close()
        if not self._wire or worker.programs < 0:
            return 0
        worker.programs = -1
        status: int = self._ask(self._wire, end=worker.pid)["status"]
        return status

    def _ask(self, wire: _Wire, **request: Any) -> dict[str, Any]:
        """Ask the cell's own process for something, and return its answer."""
        deadline = time.monotonic() + ANSWER_S
        try:
            wire.say(**request)
            while not (said := wire.hear(POLL_S)):
                self._look_up()
                if time.monotonic() > deadline:
                    raise Lost
        except (EOFError, OSError):
            self._look_up()
            raise Lost from None
        return said

    def _look_up(self) -> None:
        if self.pool.stopped:
            raise Stopped

    def _started(self) -> _Wire:
        """Return the way to the cell's own process, which is started where there is none."""
        if self._wire:
            return self._wire
        self._starts += 1
        with socket.socket(socket.AF_UNIX) as listener:
            self.path.unlink(missing_ok=True)
            listener.bind(str(self.path))
            listener.listen(1)
            self._asked = 0.0
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
            while True:
                self._look_up()
                if select.select([listener], [], [], POLL_S)[0]:
                    self._wire = _Wire(listener.accept()[0])
                    return self._wire
                if not self._thread.is_alive():
                    raise Lost
                limit_s = STARTS * self.engine.matrix.limits.import_timeout_s
                if self._asked and time.monotonic() - self._asked > limit_s:
                    self._trouble = f"import keras: no end after {limit_s:g} s"
                    raise Lost

    def _run(self) -> None:
        """Run the cell until it ends; note why it could not be had."""
        try:
            # What is downloaded takes what it takes.
            self.engine.warm(self.cell, self.scratch)
            self._asked = time.monotonic()
            self.engine.ask(
                self.cell,
                [],
                self.scratch,
                patience=float("inf"),
                player=str(self.path),
                **self.pool.changes,
            )
        except InstallError as error:
            self._trouble = str(error)
        except Stopped:
            return
        except OSError as error:
            self._trouble = str(error)

    def _lose(self) -> None:
        """Forget a cell whose process died; after some times, for good."""
        self._look_up()
        self.close()
        if not self._trouble and self._starts >= MOST_STARTS:
            self._trouble = "the cell itself died or hung, again and again"

    def close(self) -> None:
        """End the cell."""
        if self._worker:
            self._worker.wire.close()
            self._worker = None
        if self._wire:
            self._wire.close()
            self._wire = None
        if self._thread:
            self._thread.join(0 if self._trouble else 10)
            self._thread = None


def _played(steps: Sequence[dict[str, Any]], seconds: float) -> Played:
    """Return what a program did that came to its end."""
    last = steps[-1] if steps else {}
    if last.get("exception") == MemoryError.__name__:
        # How much memory there is is not Keras' doing.
        return Played(
            TOO_BIG, tuple(steps[:-1]), f"MemoryError: {last['message']}", seconds
        )
    return Played(DONE, tuple(steps), "", seconds)


def _tail(path: Path) -> str:
    """Return the end of what a worker wrote to its standard error."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - ERROR_TAIL))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process in MiB (Linux; elsewhere 0, so no limit)."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_bytes().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):
        return 0.0
