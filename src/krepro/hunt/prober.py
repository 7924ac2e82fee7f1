"""Runs one target in many cells and remembers how each run ended."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from krepro.cell.supervise import Limits
from krepro.engine import SCRIPT, Engine, NotKept, Stopped, is_known
from krepro.hunt.symptom import Sighting, sighting_from, untestable
from krepro.hunt.target import Target, prepare_extra
from krepro.installer import InstallError, cause_of
from krepro.matrix import Cell, Stack
from krepro.result import CellResult, measurement_from, now, write_atomically
from krepro.verdict import Verdict

SCHEMA = 2
SCRIPT_OUTPUT_KB = 1024


class Kept(msgspec.Struct, frozen=True):
    """The runs of one target in one place, as they are kept."""

    schema: int
    runs: tuple[Sighting, ...]
    measured: str


@dataclass(frozen=True)
class Place:
    """Where a target runs: a cell, as it is or with other sources of Keras put in.

    ``overlay`` are those sources, made when they are needed; ``key`` stands for their content.
    ``release`` is what they say they are; empty: whatever they say.
    """

    cell: Cell
    key: str = ""
    overlay: Callable[[], Path] | None = None
    release: str | None = None

    @property
    def name(self) -> str:
        """The place as a file name."""
        return self.key or self.cell.release


@dataclass
class Prober:
    """Runs one target; what it saw is kept, so that a search can be killed and go on.

    ``timeout_s`` is for one run; ``changes`` are fields of the job.
    """

    engine: Engine
    target: Target
    scratch: Path
    timeout_s: float | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    patience_s: float = 0.0
    runs: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Start with nothing counted."""
        self._guard = threading.Lock()
        self._extras: dict[str, Path | InstallError | None] = {}

    def prepare(self, cell: Cell) -> None:
        """Make ready what a cell needs before the first run: all that can fail at once.

        Raises:
            InstallError: its stack, or a package that the target needs, cannot be had.
            Stopped: the search is to end.
        """
        stack = self.engine.matrix.find_stack(cell.stack)
        try:
            self._extra(stack)
            self.engine.warm(cell, self.scratch)
        except InstallError:
            if self.engine.stop.is_set():
                raise Stopped from None
            raise

    def _extra(self, stack: Stack) -> Path | None:
        """Return the folder with the packages that the target needs and a stack lacks."""
        environment = self.engine.environment(stack)
        with self._guard:
            if stack.name not in self._extras:
                try:
                    self._extras[stack.name] = prepare_extra(
                        self.engine.home, self.target.requirements, environment
                    )
                except InstallError as error:
                    self._extras[stack.name] = error
            found = self._extras[stack.name]
        if isinstance(found, InstallError):
            raise found
        return found

    def see_all(
        self, places: Sequence[Place], *, repeat: int = 1, again: bool = False
    ) -> Iterator[tuple[Place, list[Sighting]]]:
        """Yield how the target's runs ended in places, as they end, several at a time.

        Args:
            places: where to run.
            repeat: how many runs of each.
            again: run once more than is known.

        Raises:
            Stopped: the search is to end; what was seen is kept.
            NotKept: what was seen could not be written.
        """
        jobs = max(1, self.engine.options.jobs)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            futures = {
                pool.submit(self.see, place, repeat=repeat, again=again): place
                for place in places
            }
            try:
                pending = set(futures)
                while pending:
                    done, pending = concurrent.futures.wait(
                        pending, 0.2, concurrent.futures.FIRST_COMPLETED
                    )
                    for future in done:
                        yield futures[future], future.result()
                    if self.engine.stop.is_set():
                        raise Stopped
            finally:
                for future in futures:
                    future.cancel()
                if self.engine.stop.is_set():
                    # What runs now must not be waited for.
                    self.engine.end_all()

    def known(self, place: Place) -> list[Sighting]:
        """Return what is kept of a place; of a repro, also what the matrix measured."""
        try:
            kept = msgspec.json.decode(self._path(place).read_bytes(), type=Kept)
        except (OSError, msgspec.DecodeError):
            return self._measured(place)
        return list(kept.runs) if kept.schema == SCHEMA else []

    def _measured(self, place: Place) -> list[Sighting]:
        repro = self.target.repro
        if repro is None or place.key or self.changes:
            return []
        result = self.engine.known(place.cell)
        if result is None or not is_known(result, repro):
            return []
        found = msgspec.to_builtins(result.repros[repro.id])
        return [msgspec.convert(found, Sighting)]

    def see(self, place: Place, *, repeat: int = 1, again: bool = False) -> list[Sighting]:
        """Return how runs of the target ended in a place, running what is not known yet."""
        found = self.known(place)
        wanted = max(repeat, len(found) + 1 if again else 0)
        while len(found) < wanted:
            sighting = self._run(place)
            # Sources of one's own that do not import never will.
            broken = place.overlay and sighting.message.startswith("import keras: ")
            if sighting.verdict and Verdict(sighting.verdict).passing_cause and not broken:
                # The next search may have more luck; this one goes by what it has.
                return found or [sighting]
            found.append(sighting)
            self._keep(place, found)
        return found

    def look(self, place: Place) -> Sighting:
        """Run the target in a place, whatever is known, and keep nothing."""
        return self._run(place)

    def _run(self, place: Place) -> Sighting:
        started = time.perf_counter()
        try:
            record = self._ask(place)
        except InstallError as error:
            if self.engine.stop.is_set():
                raise Stopped from None
            return untestable(error.verdict, str(error))
        except OSError as error:
            return untestable(cause_of(str(error)), str(error))
        finally:
            cost_s = time.perf_counter() - started
            with self._guard:
                self.runs += 1
                self.seconds += cost_s
        if record is None:
            return untestable(Verdict.CRASH, "the cell itself died or hung, twice")
        if self.target.repro and not place.key and not self.changes:
            self._store(place.cell, record)
        return msgspec.structs.replace(sighting_from(record), cost_s=round(cost_s, 3))

    def _ask(self, place: Place) -> dict[str, Any] | None:
        engine, target = self.engine, self.target
        changes = dict(self.changes)
        limits = engine.matrix.limits
        stack = engine.matrix.find_stack(place.cell.stack)
        changes["script"] = target.script
        extra = self._extra(stack)
        changes["extra"] = (extra,) if extra else ()
        changes.setdefault("limits", self._limits(limits.output_kb))
        if place.overlay:
            changes["overlay"] = place.overlay()
        if place.release is not None:
            changes["release"] = place.release
        repros = [target.repro] if target.repro else []
        name = target.repro.id if target.repro else SCRIPT
        # A cell that died is asked again in fresh processes: its fork may be to blame. Where
        # patience is short, cells are expected to die.
        for fresh in (False,) if self.patience_s else (False, True):
            found = engine.ask(
                place.cell,
                repros,
                self.scratch,
                fresh=fresh,
                patience=self.patience_s,
                **changes,
            )
            if name in found:
                return found[name]
        return None

    def _limits(self, output_kb: int) -> Limits:
        given = self.engine.matrix.limits
        return Limits(
            timeout_s=self.timeout_s or given.timeout_s,
            memory_mb=given.memory_mb,
            output_kb=SCRIPT_OUTPUT_KB if self.target.script else output_kb,
        )

    def _store(self, cell: Cell, record: dict[str, Any]) -> None:
        """Keep a repro's verdict where the matrix keeps its own."""
        repro = self.target.repro
        assert repro is not None
        stack = self.engine.matrix.find_stack(cell.stack)
        result = CellResult(
            cell.release, cell.stack, stack.backend, self.engine.lock_hash(stack)
        )
        measurement = measurement_from(record, repro.source_hash)
        try:
            self.engine.store.add(
                msgspec.structs.replace(result, repros={repro.id: measurement})
            )
        except OSError as error:
            raise NotKept(f"{self.engine.home.results}: {error}") from None

    def _path(self, place: Place) -> Path:
        stack = self.engine.matrix.find_stack(place.cell.stack)
        lock = self.engine.lock_hash(stack)
        folder = self.engine.home.sightings / self.target.digest / f"{stack.name}-{lock}"
        return folder / self._mode() / f"{place.name}.json"

    def _mode(self) -> str:
        """Return in which way runs are made; those made in another way are others."""
        limits = self._limits(0)
        # What hung or ran out of memory may not do so under other limits.
        return "-".join(
            [
                *map(str, self.changes.get("only", ()) or ["whole"]),
                f"{limits.timeout_s:g}s",
                f"{limits.memory_mb}mb",
            ]
        )

    def _keep(self, place: Place, found: Iterable[Sighting]) -> None:
        path = self._path(place)
        kept = Kept(SCHEMA, tuple(found), now())
        try:
            write_atomically(path, msgspec.json.encode(kept))
        except OSError as error:
            raise NotKept(f"{path}: what was seen could not be written ({error})") from None
