"""Runs a script on both ends of an upgrade, recorded, and on one end again as a control."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from krepro.cell import recorder
from krepro.cell.recorder import FIT, Tape
from krepro.cell.script import RAISED, RETURNED
from krepro.cell.sowing import VALUES
from krepro.engine import Engine
from krepro.hunt.prober import Place, Prober
from krepro.hunt.symptom import Sighting, untestable
from krepro.hunt.target import Target
from krepro.recorded import recording
from krepro.recorded.compare import MARGIN, Noise, arranged, compare
from krepro.recorded.difference import Difference
from krepro.recorded.recording import Recording
from krepro.result import write_atomically
from krepro.upgrade.known import End
from krepro.verdict import Verdict

ENDING = "ending.json"
# What records: recordings that it made otherwise are others.
RECORDING = ("jitter", "observe", "recorder", "sowing", "tape")
# A change of the initial weights that is to rounding what a step is to the next.
NUDGE = 1e-6
DEFAULT_TIMEOUT_S = 600.0
TELL_EVERY_S = 10.0


class Kept(msgspec.Struct, frozen=True):
    """How a recorded run ended, as it is kept beside its recording."""

    sighting: Sighting


@dataclass(frozen=True)
class Run:
    """One recorded run: where, how it ended, and what it did."""

    end: End
    sighting: Sighting
    recording: Recording
    folder: Path

    @property
    def ran(self) -> bool:
        """Whether the script came to an end of its own, or to a crash: that can be compared."""
        return bool(self.sighting.ending) or self.sighting.verdict == Verdict.CRASH.value


@dataclass(frozen=True)
class Checked:
    """What a script did on both ends of an upgrade.

    ``control`` is the second run on the old end; ``noise`` what differs between runs on one end;
    ``own`` is how far, relatively, the values of two runs that are meant to be the same differ;
    ``values`` are the recordings whose values were compared; ``shuffled`` says that values differ, but only because samples are shuffled in another order;
    ``runs`` counts the runs, known ones not.
    """

    old: Run
    new: Run
    control: Run
    differences: tuple[Difference, ...]
    noise: Noise
    values: tuple[Recording, Recording]
    own: float = 0.0
    shuffled: bool = False
    steps: int = 0
    runs: int = 0

    @property
    def compared(self) -> bool:
        """Whether both ends ran and trained, and did so alike from run to run."""
        return self.old.ran and self.new.ran and self.triggered and not self.too_noisy

    @property
    def triggered(self) -> bool:
        """Whether anything was trained, on either end."""
        return self.old.recording.trains or self.new.recording.trains

    @property
    def too_noisy(self) -> bool:
        """Whether values say nothing, since they are chance."""
        return MARGIN * self.own >= 1 or self.old.recording.parallel


@dataclass
class Checker:
    """Runs one script on two ends; recordings are kept, so that a check can go on.

    ``steps`` ends each training after so many steps (0: never); ``tell`` is told what goes on;
    ``still`` has values compared without random layers, as those of two backends are.
    """

    engine: Engine
    target: Target
    scratch: Path
    steps: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S
    tell: Callable[[str], None] = print
    still: bool = False
    runs: int = 0
    _guard: Any = field(default_factory=threading.Lock)

    def check(self, old: End, new: End) -> Checked:
        """Return what the script does on two ends.

        Raises:
            InstallError: an end has no environment.
            Stopped: the check is to end; what was recorded is kept.
        """
        self.still = old.stack.backend != new.stack.backend
        for end in (old, new):
            Prober(self.engine, self.target, self.scratch).prepare(end.cell)
        first = self.record(old, "first")
        with self._parallel() as start:
            controlled = start(lambda: self.record(old, "control", first))
            upgraded = start(lambda: self.record(new, "new", first))
            control, second = controlled(), upgraded()
        noise = Noise()
        noise.add(first.recording, control.recording)
        own = noise.largest
        found = compare(first.recording, second.recording, noise)
        values = [difference for difference in found if difference.of_values]
        had_values = bool(values)
        compared = first.recording, second.recording
        if not (first.ran and second.ran):
            # What did not come to an end lacks what it did not come to.
            found = []
        elif values and first.recording.parallel:
            found = [difference for difference in found if not difference.of_values]
        elif values:
            compared, values = self._values(old, new, first, noise)
            structure = [difference for difference in found if not difference.of_values]
            found = arranged([*structure, *values])
        return Checked(
            old=first,
            new=second,
            control=control,
            differences=tuple(found),
            noise=noise,
            values=compared,
            own=own,
            shuffled=bool(shuffles(first.recording) and had_values and not values),
            steps=self.steps,
            runs=self.runs,
        )

    def _values(
        self, old: End, new: End, first: Run, noise: Noise
    ) -> tuple[tuple[Recording, Recording], list[Difference]]:
        """Return the differences of values that are neither chance nor rounding, and of what.

        Releases may shuffle samples in another order, which is chance to a user. So what is
        compared are runs that take samples in their order.
        """
        with self._parallel() as start:
            runs = [
                start(lambda: self.record(old, "steady", first)),
                start(lambda: self.record(new, "steady", first)),
                start(lambda: self.record(old, "nudged", first)),
            ]
            one, other, nudged = (run() for run in runs)
        noise.add(one.recording, nudged.recording, jittered=True)
        found = compare(one.recording, other.recording, noise)
        if any(difference.of_values for difference in found):
            again = self.record(new, "again", first)
            noise.add(other.recording, again.recording)
            found = compare(one.recording, other.recording, noise)
        values = [difference for difference in found if difference.of_values]
        return (one.recording, other.recording), values

    @contextmanager
    def _parallel(self) -> Iterator[Callable[[Callable[[], Run]], Callable[[], Run]]]:
        """Yield a way to start a run beside others; what it returns waits for it."""
        with concurrent.futures.ThreadPoolExecutor(
            max(1, self.engine.options.jobs)
        ) as pool:
            yield lambda run: pool.submit(run).result

    def record(self, end: End, purpose: str, first: Run | None = None) -> Run:
        """Return a recorded run, running the script if that is not known.

        Args:
            end: where.
            purpose: what it is for; each purpose has a run of its own.
            first: the run whose initial weights are put in (None: this one draws its own).
        """
        place = self._folder(end, purpose, first)
        # Whoever else needs this run waits for it.
        with self.engine.home.lock(f"recording-{self.target.digest}-{place.name}"):
            known = kept(place)
            if known is None:
                known = self._run(end, purpose, first, place)
            try:
                found = recording.read(place)
            except OSError:
                found = Recording()
        if known.ending in (RETURNED, RAISED) and not found.finished:
            known = untestable(Verdict.ERROR, "its recording is not whole")
        return Run(end, known, found, place)

    def _run(self, end: End, purpose: str, first: Run | None, place: Path) -> Sighting:
        script = self.target.script
        assert script is not None
        with self._guard:
            self.runs += 1
            room = self.scratch / f"tape-{self.runs}"
        initial = initial_of(first)
        tape = Tape(
            room,
            initial,
            nudge=NUDGE if purpose == "nudged" else 0.0,
            steps=self.steps,
            steady=purpose in STEADY,
            still=self.still and purpose in STEADY,
        )
        target = dataclasses.replace(
            self.target, script=dataclasses.replace(script, tape=tape)
        )
        started = time.monotonic()
        self.tell(f"{self.target.name} on {end} ({PURPOSES[purpose]})")
        with self._watched(end, room):
            sighting = self._look(target, end, confirm=False)
            if sighting.verdict == Verdict.CRASH.value:
                # The fork may be to blame: a crash counts if it comes again in a fresh process.
                sighting = self._look(target, end, confirm=True)
        seconds = time.monotonic() - started
        self.tell(f"{self.target.name} on {end}: {sighting.summary} after {seconds:.1f} s")
        room.mkdir(exist_ok=True)
        sighting = msgspec.structs.replace(sighting, output="")
        if not sighting.verdict:
            # What an environment or a limit ended may end otherwise the next time.
            write_atomically(room / ENDING, msgspec.json.encode(Kept(sighting)))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        shutil.move(room, place)
        return sighting

    def _look(self, target: Target, end: End, *, confirm: bool) -> Sighting:
        """Return how a run ended; a time-out is not waited for twice."""
        changes = {"confirm": confirm}
        prober = Prober(self.engine, target, self.scratch, self.timeout_s, changes=changes)
        return prober.look(Place(end.cell))

    @contextmanager
    def _watched(self, end: End, room: Path) -> Iterator[None]:
        """Tell now and then how far a long run has come."""
        done = threading.Event()
        started = time.monotonic()

        def watch() -> None:
            while not done.wait(TELL_EVERY_S):
                steps = recording.steps_so_far(room)
                seconds = time.monotonic() - started
                said = f"{steps} training step{'s' * (steps != 1)} after {seconds:.0f} s"
                self.tell(f"{self.target.name} on {end}: {said}")

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _folder(self, end: End, purpose: str, first: Run | None) -> Path:
        lock = self.engine.lock_hash(end.stack)
        # Of a first run that did not come to its end nothing is put in.
        origin = first.folder.name if first and initial_of(first) else ""
        still = self.still and purpose in STEADY
        told = f"{origin}|{purpose}|{self.steps}|{still}|{way_of_recording()}"
        key = hashlib.sha256(told.encode()).hexdigest()[:8]
        name = f"{end.release}-{end.stack.name}-{lock}-{purpose}-{key}"
        return self.engine.home.recordings / self.target.digest / name


PURPOSES = {
    "first": "first run",
    "control": "control: the same again",
    "new": "with the same initial weights",
    "steady": "without shuffling",
    "nudged": "control: without shuffling, with rounding errors",
    "again": "control: without shuffling, the same again",
}
STEADY = ("steady", "nudged", "again")


def initial_of(first: Run | None) -> Path | None:
    """Return the initial values that a run kept, or None where there are none."""
    path = first.folder / VALUES if first else None
    return path if path and path.is_file() else None


def shuffles(run: Recording) -> bool:
    """Whether a run may have shuffled samples."""
    return any(call.method == FIT for call in run.calls)


@functools.cache
def way_of_recording() -> str:
    """Return a hash of the source of what records."""
    folder = Path(recorder.__file__).parent
    sources = [(folder / f"{name}.py").read_bytes() for name in RECORDING]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:8]


def kept(place: Path) -> Sighting | None:
    """Return how the recorded run in a folder ended, or None where there is none."""
    try:
        found = msgspec.json.decode((place / ENDING).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return found.sighting
