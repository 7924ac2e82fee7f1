"""The engine: run repros in cells, several cells at a time, and keep what they say."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace
from packaging.version import Version

from krepro import installer, overlay
from krepro import stack as stacks
from krepro.cell.cell import BATCH, FORK, PROCESS, Job
from krepro.cell.supervise import Limits as CellLimits
from krepro.cell.supervise import kill_tree
from krepro.executor.threads import Threads
from krepro.home import Home
from krepro.installer import InstallError
from krepro.matrix import Cell, Matrix, Stack, applicable
from krepro.project import Project
from krepro.repro import Repro
from krepro.result import CellResult, Measurement, Store, measurement_from, now
from krepro.stack import Environment
from krepro.verdict import Verdict
from krepro.zygote import Events, Zygote, fresh_cell

ISOLATIONS = (BATCH, FORK, PROCESS)
UNRESOLVED = "unresolved"
# The key of a script's record, which no repro's id can be.
SCRIPT = "<script>"
# Verdicts come in quick succession; they are said when a cell pauses, or after a while.
PAUSE_S, SAY_S = 0.2, 1.0


class Stopped(Exception):
    """The user asked to stop; what is measured is kept."""


class NotKept(Exception):
    """A result could not be written."""


@dataclass(frozen=True)
class Options:
    """How to run."""

    isolation: str = BATCH
    jobs: int = 2
    repeat: int = 1
    rerun: bool = False


@dataclass(frozen=True)
class Plan:
    """The cells of a run, and in each the repros that are still to be measured."""

    cells: tuple[Cell, ...]
    repros: tuple[Repro, ...]
    missing: dict[Cell, tuple[Repro, ...]]

    @property
    def total(self) -> int:
        """How many verdicts the run is about."""
        return len(self.cells) * len(self.repros)

    @property
    def to_measure(self) -> int:
        """How many verdicts are still to be measured."""
        return sum(len(repros) for repros in self.missing.values())


@dataclass
class Watcher:
    """Is told what happens; does nothing."""

    def preparing(self, what: str) -> None:
        """Something is being installed."""

    def prepared(self, what: str) -> None:
        """It is installed."""

    def started(self, cell: Cell) -> None:
        """A cell began."""

    def measured(self, cell: Cell, repro: Repro, verdict: Verdict) -> None:
        """A verdict is there."""

    def ended(self, cell: Cell, seconds: float, trouble: str) -> None:
        """A cell ended; ``trouble`` says what kept it from saying anything."""


@dataclass
class Running:
    """A cell that is being measured: what is left to measure, and what it said of itself."""

    cell: Cell
    left: dict[str, Repro]
    result: CellResult
    unsaid: dict[str, Measurement] = field(default_factory=dict)
    said: float = field(default_factory=time.monotonic)

    def say(self) -> Iterator[CellResult]:
        """Yield what was measured since this was done last, if anything was."""
        unsaid, self.unsaid = self.unsaid, {}
        self.said = time.monotonic()
        if unsaid:
            yield replace(self.result, repros=unsaid)

    def give_up(self, verdict: Verdict, message: str) -> None:
        """Give all that is left the verdict of an environment that does not work."""
        nothing = Measurement("", verdict, message=message, runs=0, measured=now())
        for name, repro in self.left.items():
            self.unsaid[name] = replace(nothing, source=repro.source_hash)
        self.left.clear()


class Executor(Protocol):
    """Has the cells of a plan measured somewhere, and has the engine keep what they say."""

    def run(self, engine: Engine, plan: Plan) -> None:
        """Measure what a plan lacks; return early where the engine is to stop.

        Raises:
            NotKept: a result could not be written.
        """


@dataclass
class Engine:
    """Runs a matrix."""

    home: Home
    folder: Path
    matrix: Matrix
    watcher: Watcher = field(default_factory=Watcher)
    options: Options = field(default_factory=Options)
    stop: threading.Event = field(default_factory=threading.Event)
    executor: Executor = field(default_factory=Threads)

    @classmethod
    def of(cls, project: Project, jobs: int) -> Engine:
        """Return an engine for a project, with the user's cache folder and so many jobs."""
        options = Options(default_isolation(), jobs)
        return cls(Home.find(), project.folder, project.matrix, options=options)

    def __post_init__(self) -> None:
        """Start with nothing prepared."""
        self.store = Store(self.home)
        self._environments: dict[str, Environment | InstallError] = {}
        self._zygotes: dict[str, Zygote] = {}
        self._guards = {stack.name: threading.Lock() for stack in self.matrix.stack}
        self._groups: set[int] = set()

    def lock_hash(self, stack: Stack) -> str:
        """Return the hash of a stack's lock, or ``UNRESOLVED`` while there is none."""
        base = self.matrix.base(stack)
        lock = stacks.current_lock(self.home, self.folder, self.matrix, base)
        return lock.hash if lock else UNRESOLVED

    def known(self, cell: Cell) -> CellResult | None:
        """Return what is stored for a cell under the current lock of its stack."""
        return self.store.load(cell, self.lock_hash(self.matrix.find_stack(cell.stack)))

    def plan(self, cells: Sequence[Cell], repros: Sequence[Repro]) -> Plan:
        """Return what a run has to do: all that is not stored, or everything on a rerun."""
        missing = {}
        for cell in cells:
            stack = self.matrix.find_stack(cell.stack)
            known = self.known(cell)
            wanted = tuple(
                repro
                for repro in repros
                if applicable(repro, stack)
                and (self.options.rerun or not is_known(known, repro))
            )
            if wanted:
                missing[cell] = wanted
        return Plan(tuple(cells), tuple(repros), missing)

    def run(self, plan: Plan) -> None:
        """Measure what a plan lacks, where the executor does so.

        Where ``stop`` is set it returns early; what was measured is kept.

        Raises:
            NotKept: a result could not be written.
        """
        if plan.missing:
            self.executor.run(self, plan)

    def begin(self, cell: Cell, repros: Iterable[Repro]) -> Running:
        """Return a cell of which nothing is measured yet."""
        stack = self.matrix.find_stack(cell.stack)
        return Running(
            cell=cell,
            left={repro.id: repro for repro in repros},
            result=CellResult(
                cell.release,
                cell.stack,
                stack.backend,
                self.lock_hash(stack),
                platform=platform.platform(),
            ),
        )

    def measure(
        self, cell: Cell, repros: Sequence[Repro], scratch: Path
    ) -> Generator[CellResult, None, None]:
        """Measure repros in a cell, and yield what they say as it comes; store nothing.

        What the environment keeps from running is yielded as untestable. Where ``stop`` is set
        it ends early.
        """
        running = self.begin(cell, repros)
        try:
            yield from self._measure(running, scratch)
        except Stopped:
            return
        except InstallError as error:
            if self.stop.is_set():
                return
            running.give_up(error.verdict, str(error))
        except OSError as error:
            # Pipes, working folders, processes: what the machine could not give.
            running.give_up(installer.cause_of(str(error)), str(error))
        yield from running.say()

    def keep(self, said: CellResult, repros: Mapping[str, Repro]) -> None:
        """Add what a cell said to the store, and tell the watcher.

        Raises:
            NotKept: it could not be written.
        """
        try:
            kept = self.store.add(said)
        except OSError as error:
            cause = installer.cause_of(str(error))
            raise NotKept(
                f"{self.home.results}: a result could not be written ({error}); what was "
                "measured before is kept"
                + (": free some space and run again" if cause is Verdict.NO_SPACE else "")
            ) from None
        cell = Cell(said.stack, said.release)
        for name in said.repros:
            self.watcher.measured(cell, repros[name], kept.repros[name].verdict)

    def environment(self, stack: Stack) -> Environment:
        """Return the environment that a stack runs in, made if it is not there.

        Raises:
            InstallError: it could not be made.
        """
        base = self.matrix.base(stack)
        with self._guards[base.name]:
            found = self._environments.get(base.name)
            if found is None:
                found = self._find_or_make(base)
                self._environments[base.name] = found
        if isinstance(found, InstallError):
            raise found
        return dataclasses.replace(found, stack=stack)

    def _find_or_make(self, stack: Stack) -> Environment | InstallError:
        there = stacks.find(self.home, self.folder, self.matrix, stack) is not None
        if not there:
            self.watcher.preparing(f"stack {stack.name}")
        try:
            return stacks.prepare(self.home, self.folder, self.matrix, stack)
        except InstallError as error:
            return error
        finally:
            self.watcher.prepared(f"stack {stack.name}")

    def _overlay(self, cell: Cell, environment: Environment) -> Path:
        subject = self.matrix.subject(cell)
        if not overlay.path_of(self.home, subject).is_dir():
            self.watcher.preparing(subject)
            try:
                return overlay.prepare(self.home, subject, environment)
            finally:
                self.watcher.prepared(subject)
        return overlay.prepare(self.home, subject, environment)

    def _job(
        self, cell: Cell, environment: Environment, repros: Sequence[Repro], scratch: Path
    ) -> Job:
        limits = self.matrix.limits
        return Job(
            overlay=self._overlay(cell, environment),
            release=cell.release,
            backend=environment.stack.backend,
            backend_version=environment.stamp.backend_version,
            repros=tuple(repro.path.absolute() for repro in repros),
            scratch=scratch,
            limits=CellLimits(limits.timeout_s, limits.memory_mb, limits.output_kb),
            import_timeout_s=limits.import_timeout_s,
            repeat=self.options.repeat,
            batch=self.options.isolation == BATCH,
        )

    @contextlib.contextmanager
    def room(self) -> Iterator[Path]:
        """Yield a working folder for cells; afterwards end all that runs in them.

        Raises:
            InUse: the cache folder is being pruned.
        """
        self.home.scratch.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="run-", dir=self.home.scratch))
        try:
            with self.home.used():
                yield scratch
        finally:
            self.end_all()
            shutil.rmtree(scratch, ignore_errors=True)

    def warm(self, cell: Cell, scratch: Path) -> None:
        """Make a stack's environment, and start its warm process where cells are forked.

        Raises:
            InstallError: it cannot be had.
        """
        environment = self.environment(self.matrix.find_stack(cell.stack))
        if self.options.isolation != PROCESS:
            self._zygote(environment, cell, scratch)

    def end_all(self) -> None:
        """End every process of a run; what they had to say is kept."""
        self.stop.set()
        installer.stop_all()
        for group in list(self._groups):
            kill_tree(group)
        for zygote in list(self._zygotes.values()):
            zygote.remember()
            zygote.end()

    def ask(
        self,
        cell: Cell,
        repros: Sequence[Repro],
        scratch: Path,
        *,
        fresh: bool = False,
        patience: float = 0.0,
        **changes: Any,
    ) -> dict[str, dict[str, Any]]:
        """Run repros, or a script, in a cell, and return what each said; store nothing.

        Args:
            cell: where to run.
            repros: what to run, in this order.
            scratch: the working folder, from ``room``.
            fresh: in fresh processes, not in forks of a warm one.
            patience: how long the cell may say nothing, in seconds; by default, longer than its
                limits take.
            changes: fields of the job that are not as a run of the matrix has them.

        Returns:
            The records by id; that of a script under ``SCRIPT``. What is missing was not said:
            the cell died or hung.

        Raises:
            InstallError: the cell has no environment.
            Stopped: the run is to end.
        """
        environment = self.environment(self.matrix.find_stack(cell.stack))
        job = dataclasses.replace(self._job(cell, environment, repros, scratch), **changes)
        found: dict[str, dict[str, Any]] = {}
        fresh = fresh or bool(job.script and job.script.variables)
        way = (
            fresh_cell(environment, scratch, job)
            if fresh or self.options.isolation == PROCESS
            else self._zygote(environment, cell, scratch).cell(job)
        )
        group = 0
        with way as events:
            try:
                while event := events.next(patience or patience_s(job, repros), self.stop):
                    if event["event"] == "started":
                        group = event["pid"]
                        self._groups.add(group)
                    if event["event"] == "repro":
                        found[event["id"]] = event["record"]
                    if event["event"] == "script":
                        found[SCRIPT] = event["record"]
                    if event["event"] == "untestable":
                        raise InstallError(Verdict(event["verdict"]), event["message"])
                    if event["event"] == "done":
                        break
            finally:
                if group:
                    kill_tree(group)
                    self._groups.discard(group)
        if self.stop.is_set():
            raise Stopped
        return found

    def _measure(self, running: Running, scratch: Path) -> Iterator[CellResult]:
        """Measure what is left of a cell, and yield what it says.

        Raises:
            InstallError: the cell has no environment.
            Stopped: the run is to end.
        """
        cell, left = running.cell, running.left
        environment = self.environment(self.matrix.find_stack(cell.stack))
        running.result = replace(running.result, lock=environment.lock.hash)
        if self.options.isolation != PROCESS:
            job = self._job(cell, environment, list(left.values()), scratch)
            zygote = self._zygote(environment, cell, scratch)
            with contextlib.suppress(BrokenPipeError), zygote.cell(job) as events:
                yield from self._follow(running, events, job, zygote)
        # Whatever a fork could not say is asked again in fresh processes.
        for _ in range(2):
            if left:
                job = self._job(cell, environment, list(left.values()), scratch)
                with fresh_cell(environment, scratch, job) as events:
                    yield from self._follow(running, events, job, None)
        if left:
            message = "the cell itself died or hung, and again in a fresh process"
            running.give_up(Verdict.CRASH, message)
            yield from running.say()

    def _zygote(self, environment: Environment, cell: Cell, scratch: Path) -> Zygote:
        name = environment.stack.name
        with self._guards[name]:
            zygote = self._zygotes.get(name)
            if zygote is None:
                zygote = self._zygotes[name] = Zygote(environment, scratch)
        teachers = (
            []
            if environment.preload_file.exists()
            else self._teachers(cell, environment, scratch)
        )
        zygote.start(teachers, self.stop)
        return zygote

    def _teachers(self, cell: Cell, environment: Environment, scratch: Path) -> list[Job]:
        """Return jobs that import the oldest and the newest release of a stack."""
        cells = self.matrix.cells(self.matrix.versions, [environment.stack])
        ends = {cells[0], cells[-1], cell}
        jobs = []
        for each in sorted(ends, key=lambda c: Version(c.release)):
            with contextlib.suppress(InstallError):
                jobs.append(self._job(each, environment, [], scratch))
        return jobs

    def _follow(
        self, running: Running, events: Events, job: Job, zygote: Zygote | None
    ) -> Iterator[CellResult]:
        """Yield what a cell says until it ends or falls silent.

        Raises:
            Stopped: the run is to end.
        """
        group = 0
        try:
            patience = patience_s(job, running.left.values())
            more = True
            while more:
                if not events.wait(PAUSE_S) or time.monotonic() - running.said > SAY_S:
                    yield from running.say()
                event = events.next(patience, self.stop)
                if not event:
                    break
                if event["event"] == "started":
                    group = event["pid"]
                    self._groups.add(group)
                else:
                    more = self._take(running, event, zygote)
        except OSError:
            yield from running.say()
            raise
        finally:
            if group:
                kill_tree(group)
                self._groups.discard(group)
        yield from running.say()
        if self.stop.is_set():
            raise Stopped

    def _take(self, running: Running, event: dict[str, Any], zygote: Zygote | None) -> bool:
        """Note what one event says; return whether more may come."""
        kind = event["event"]
        if kind == "imported":
            if zygote:
                zygote.learn(event["modules"])
            running.result = replace(
                running.result,
                identity=event["identity"],
                import_seconds=event["seconds"],
            )
        elif kind == "untestable" and zygote is None:
            # From a fork it would be believed only if it came again in a fresh process.
            running.give_up(Verdict(event["verdict"]), event["message"])
        elif kind == "repro":
            running.left.pop(event["id"])
            # Of the file as the cell read it: it may have been edited since the plan was made.
            measurement = measurement_from(event["record"], event["source"])
            running.unsaid[event["id"]] = measurement
        return kind not in ("done", "untestable")


def is_known(result: CellResult | None, repro: Repro) -> bool:
    """Whether a stored result answers for a repro as it is now."""
    found = result.repros.get(repro.id) if result else None
    return (
        found is not None
        and found.source == repro.source_hash
        and found.runs > 0
        and not found.verdict.passing_cause
    )


def patience_s(job: Job, repros: Iterable[Repro]) -> float:
    """Return how long a cell may say nothing: more than its own limits take, in seconds."""
    runs = max(job.repeat, 1 + job.retries)
    longest_s = max([job.limits.timeout_s, *(repro.timeout_s or 0 for repro in repros)])
    return 3 * runs * (longest_s + job.import_timeout_s) + 60


def default_isolation() -> str:
    """Return the isolation for this machine."""
    return BATCH if stacks.fork_is_safe() else PROCESS


def default_jobs() -> int:
    """Return how many cells to run at a time: one per core that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
