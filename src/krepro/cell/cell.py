"""One cell: one release on one stack, the repros run in it one after the other.

A cell tells what happens as events, one JSON object a line:

* ``{"event": "imported", "identity": {...}, "seconds": s, "modules": [...]}``
* ``{"event": "untestable", "verdict": "untestable:import", "message": "..."}``
* ``{"event": "repro", "id": "...", "record": {...}}`` for each repro
* ``{"event": "done"}``
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.version import Version

from krepro.cell.script import EXITED, Script
from krepro.cell.supervise import (
    Ending,
    Limits,
    Turns,
    adopt_orphans,
    die_with_parent,
    supervise,
)
from krepro.repro import Repro, ReproError, read_repro
from krepro.verdict import Verdict

LONE = "krepro.cell.lone"
# How far from its neighbours a repro runs: after them in one fork, in a fork of its own, in
# a fresh process.
BATCH, FORK, PROCESS = "batch", "fork", "process"
# Several times in one fork: what the audit asks for.
ROUNDS = "rounds"
KERAS_NAMES = ("keras", "tf_keras")
# Believed only if they come again in a fresh process.
TO_CONFIRM = tuple(v.value for v in (Verdict.CRASH, Verdict.TIMEOUT, Verdict.OOM))


@dataclass(frozen=True)
class Job:
    """What a cell is asked to do: run repros, or a user's script.

    ``only`` names the functions of the repros that run (all, where there is none); ``confirm``
    has a crash or a time-out come again in a fresh process before it is believed; ``trace`` is
    the file for what the run called; ``extra`` are folders with packages that the stack lacks;
    ``player`` is the path of a socket over which programs to play come (``krepro.cell.player``).
    """

    overlay: Path
    release: str
    backend: str
    backend_version: str
    repros: tuple[Path, ...]
    scratch: Path
    limits: Limits = field(default_factory=Limits)
    import_timeout_s: float = 120.0
    repeat: int = 1
    retries: int = 2
    batch: bool = False
    rounds: int = 1
    script: Script | None = None
    only: tuple[str, ...] = ()
    confirm: bool = True
    trace: Path | None = None
    extra: tuple[Path, ...] = ()
    player: str = ""

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read a job that ``to_json`` wrote."""
        table = json.loads(text)
        return cls(
            **{
                **table,
                "overlay": Path(table["overlay"]),
                "scratch": Path(table["scratch"]),
                "repros": tuple(Path(path) for path in table["repros"]),
                "limits": Limits(**table["limits"]),
                "only": tuple(table["only"]),
                "extra": tuple(Path(path) for path in table["extra"]),
                "trace": table["trace"] and Path(table["trace"]),
                "script": table["script"] and Script.from_table(table["script"]),
            }
        )

    def to_json(self) -> str:
        """Return the job as one line of JSON."""
        return json.dumps(asdict(self), default=str)


class Events:
    """The way out of a cell: one JSON object a line into a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        """Write to an open file descriptor."""
        self._descriptor = descriptor

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event."""
        data = memoryview(json.dumps({"event": event, **facts}).encode() + b"\n")
        while data:
            data = data[os.write(self._descriptor, data) :]


Start = Callable[[int, int, Path], int]
# Starts a fork that runs repros in turn, all of them so many times; or (None) just one.
StartOf = Callable[[Sequence[Path], int | None], Start]


class Cell:
    """One release on one stack, in this process."""

    def __init__(self, job: Job, events: Events) -> None:
        """Become the parent of one repro at a time."""
        self.job = job
        self.events = events
        self._parent = os.getppid()
        adopt_orphans()

    def run_forked(self) -> None:
        """Import the release in this process, then fork a child per repro.

        This process must be a fork of a zygote: it does not come back to what it was.
        """
        from krepro.cell import identity, script, session, trace

        job = self.job
        before = set(sys.modules)
        started = time.monotonic()
        if job.trace:
            trace.start(job.overlay, job.trace)
        sys.path.extend(map(str, job.extra))
        try:
            found = identity.import_keras(
                job.overlay, job.release, job.backend, job.backend_version
            )
        except BaseException as error:
            self._import_failed(f"{type(error).__name__}: {error}")
            return
        seconds = round(time.monotonic() - started, 4)
        loaded = [name for name in sys.modules if name not in before]
        # A zygote learns from this; packages that only this job has are not for it.
        told = () if job.extra else loaded
        modules = [m for m in told if m.partition(".")[0] not in KERAS_NAMES]
        self.events.tell("imported", identity=found, seconds=seconds, modules=modules)
        trace.imported()
        # What is here now is never garbage; a collection in a child need not look at it.
        gc.collect()
        gc.freeze()

        def run_each(start_of: StartOf) -> None:
            left = list(job.repros)
            if job.rounds > 1:
                left = []
                for path in job.repros:
                    self._run_rounds(path, start_of)
            elif job.batch and job.repeat == 1 and len(left) > 1:
                left = self._run_batches(left, start_of)
            for path in left:
                self.run_repro(path, start_of([path], None))

        self._play(fork=True)
        if given := job.script:
            self.run_script(forked(lambda fd: script.run(given, fd)))
        if job.repros:
            session.run_in_forks(job.repros[0].parent, run_each, job.only)
        self.events.tell("done")

    def run_fresh(self) -> None:
        """Run every repro in a fresh interpreter, once one has shown that Keras imports."""
        nothing = fresh_process(replace(self.job, repros=(), script=None))
        limits = replace(self._limits(None), timeout_s=self.job.import_timeout_s)
        probe = self._supervise(nothing, limits)
        record = to_record(probe, limits)
        if probe.status < 0 or probe.limit:
            probe = self._supervise(nothing, limits)
            record = to_record(probe, limits)
        if "identity" not in record:
            self._import_failed(str(record["message"]))
            return
        self.events.tell(
            "imported", identity=record["identity"], seconds=probe.seconds, modules=[]
        )
        self._play(fork=False)
        if self.job.script:
            self.run_script(None)
        for path in self.job.repros:
            self.run_repro(path, None)
        self.events.tell("done")

    def _play(self, *, fork: bool) -> None:
        """Play programs, if that is the job."""
        if self.job.player:
            from krepro.cell import player

            player.serve(self.job, fork=fork)

    def run_script(self, start: Start | None) -> None:
        """Run the user's script as often as asked, and tell how each run ended."""
        for _ in range(max(1, self.job.repeat)):
            record = self._run_confirmed(None, start)
            self.events.tell("script", record=record)

    def _import_failed(self, message: str) -> None:
        self.events.tell(
            "untestable", verdict=Verdict.IMPORT.value, message=f"import keras: {message}"
        )

    def _run_batches(self, paths: list[Path], start_of: StartOf) -> list[Path]:
        """Run repros one after the other in one fork, and tell of those that say what they should.

        Returns:
            The repros that are to run in a fork of their own: all that said anything but
            what their metadata declares, and those that ended their batch.
        """
        repros: dict[str, Repro] = {}
        alone = []
        for path in paths:
            try:
                repros[path.stem] = read_repro(path)
            except ReproError:
                alone.append(path)
        waiting = list(repros.values())
        while waiting:
            heard: set[str] = set()

            def ended(name: str, record: dict[str, Any], ending: Ending) -> None:
                heard.add(name)  # noqa: B023  Called in this round only.
                repro = repros[name]
                fact = Verdict(record["verdict"]).known
                if fact and not is_surprising(self.job, repro, record):
                    facts = {"seconds": ending.seconds, "output": ending.output}
                    self._tell(repro, {**record, **facts, "isolation": BATCH})
                else:
                    alone.append(repro.path)

            turns = Turns(lambda name: self._limits(repros[name], fresh=False), ended)
            batch = [repro.path for repro in waiting]
            self._supervise(start_of(batch, 1), self._limits(None), turns)
            if turns.running and turns.running not in heard:
                heard.add(turns.running)
                alone.append(repros[turns.running].path)
            if not heard:
                break
            waiting = [repro for repro in waiting if repro.id not in heard]
        return [*alone, *(repro.path for repro in waiting)]

    def _run_rounds(self, path: Path, start_of: StartOf) -> None:
        """Run a repro several times in one fork, and tell whether it always said the same."""
        repro = read_repro(path)
        records: list[dict[str, Any]] = []
        turns = Turns(
            lambda _: self._limits(repro, fresh=False),
            lambda _, record, ending: records.append({**record, "seconds": ending.seconds}),
        )
        start = start_of([path], self.job.rounds)
        ending = self._supervise(start, self._limits(None), turns)
        if len(records) < self.job.rounds:
            records.append(to_record(ending, self._limits(repro, fresh=False)))
        self._tell(repro, {**agreed(records), "runs": len(records), "isolation": ROUNDS})

    def run_repro(self, path: Path, start: Start | None) -> None:
        """Run one repro as often as it takes to believe what it says.

        A crash or a time-out must come again in a fresh process. A verdict that is not the
        declared one must come again too; where runs disagree the repro is flaky.
        """
        job = self.job
        try:
            repro = read_repro(path)
        except ReproError as error:  # It was edited, or went, since the run began.
            record = {"verdict": Verdict.ERROR.value, "message": str(error), "runs": 0}
            self.events.tell("repro", id=path.stem, source="", record=record)
            return
        records: list[dict[str, Any]] = []
        while len(records) < max(1, job.repeat):
            records.append(self._run_confirmed(repro, start))
        if is_surprising(job, repro, records[0]):
            while len(records) < max(1 + job.retries, job.repeat):
                records.append(self._run_confirmed(repro, start))
        self._tell(repro, {**agreed(records), "runs": len(records)})

    def _tell(self, repro: Repro, record: dict[str, Any]) -> None:
        self.events.tell("repro", id=repro.id, source=repro.source_hash, record=record)

    def _run_confirmed(self, repro: Repro | None, start: Start | None) -> dict[str, Any]:
        """Run a repro or the script; believe a crash or a time-out only if it comes again."""
        record = self._run_once(repro, start)
        if record.get("verdict") not in TO_CONFIRM or not self.job.confirm:
            return record
        again = self._run_once(repro, None)
        if again.get("verdict") == record["verdict"]:
            return again
        # The fork may be to blame; one more fresh run tells that from a flaky crash.
        last = self._run_once(repro, None)
        return agreed([again, last])

    def _run_once(self, repro: Repro | None, start: Start | None) -> dict[str, Any]:
        """Run a repro or the script in a fork where ``start`` makes one, else in a fresh process."""
        limits = self._limits(repro, fresh=start is None)
        fresh = fresh_process(replace(self.job, repros=(repro.path,) if repro else ()))
        ending = self._supervise(start or fresh, limits)
        # A fresh process had the time to import Keras besides.
        own = self._limits(repro, fresh=False)
        record = to_record(ending, own)
        if repro is None and not (ending.limit or ending.record) and ending.status >= 0:
            # It left without a word, by os._exit: that is an end of its own.
            record = {
                "ending": EXITED,
                "status": ending.status,
                "seconds": ending.seconds,
                "output": ending.output,
            }
        record.pop("identity", None)
        if record.pop("ran_s", 0.0) > own.timeout_s:
            record = to_record(Ending(limit="timeout"), own)
            record |= {"seconds": ending.seconds, "output": ending.output}
        record["isolation"] = FORK if start else PROCESS
        return record

    def _limits(self, repro: Repro | None, *, fresh: bool = True) -> Limits:
        given = self.job.limits
        timeout_s = given.timeout_s if repro or self.job.script else 0.0
        if repro and repro.timeout_s:
            timeout_s = repro.timeout_s
        return Limits(
            timeout_s=timeout_s + (self.job.import_timeout_s if fresh else 0.0),
            memory_mb=(repro and repro.memory_mb) or given.memory_mb,
            output_kb=given.output_kb,
        )

    def _supervise(
        self, start: Start, limits: Limits, turns: Turns | None = None
    ) -> Ending:
        ending = supervise(
            start,
            limits,
            self.job.scratch,
            stop=lambda: os.getppid() != self._parent,
            sole_child=True,
            turns=turns,
        )
        if ending.limit == "stopped":
            raise SystemExit(1)
        return ending


def agreed(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what runs of a repro in a cell say together.

    Where they disagree on the repro or on a workaround, that one is flaky.
    """
    record = dict(records[0])
    verdict = flaky_or_none([r.get("verdict", "none") for r in records])
    if verdict:
        record.update(verdict)
    works = [r.get("workarounds", {}) for r in records]
    for name in record.get("workarounds", {}):
        said = flaky_or_none(
            [w[name]["verdict"] if name in w else "nothing" for w in works]
        )
        if said:
            record["workarounds"] = {
                **record["workarounds"],
                name: {**record["workarounds"][name], **said},
            }
    return record


def flaky_or_none(verdicts: list[str]) -> dict[str, str] | None:
    """Return the verdict and message of runs that disagree, or None where they agree."""
    counted = Counter(verdicts)
    if len(counted) == 1:
        return None
    counts = ", ".join(f"{count} times {verdict}" for verdict, count in counted.items())
    return {"verdict": Verdict.FLAKY.value, "message": counts}


def is_surprising(job: Job, repro: Repro, record: Mapping[str, Any]) -> bool:
    """Whether a verdict should be doubted: it is known, and not the declared one."""
    verdict = Verdict(record["verdict"])
    if verdict.untestable or not job.release:
        return False
    release = Version(job.release)
    return verdict is not repro.expected(release, job.backend) or any(
        not repro.workaround_as_declared(
            name, release, job.backend, Verdict(found["verdict"])
        )
        for name, found in record.get("workarounds", {}).items()
    )


def to_record(ending: Ending, limits: Limits) -> dict[str, Any]:
    """Return the record of a run from how its process ended."""
    record: dict[str, Any] = {}
    if ending.limit == "timeout":
        message = f"no end after {limits.timeout_s:g} s"
        record = {"verdict": Verdict.TIMEOUT.value, "message": message}
    elif ending.limit == "oom":
        message = f"passed {limits.memory_mb} MiB of memory"
        record = {"verdict": Verdict.OOM.value, "message": message}
    elif ending.status < 0:
        message = f"killed by signal {-ending.status}"
        record = {"verdict": Verdict.CRASH.value, "message": message}
    else:
        try:
            record = json.loads(ending.record)
        except ValueError:
            message = f"the process ended early, with exit status {ending.status}"
            record = {"verdict": Verdict.ERROR.value, "message": message}
    return {**record, "seconds": ending.seconds, "output": ending.output}


def fresh_process(job: Job) -> Start:
    """Return a way to do a job of one repro, of a script, or of neither, in a fresh interpreter.

    Of neither: it only imports Keras.
    """
    data = job.to_json()

    def start(record_fd: int, output_fd: int, folder: Path) -> int:
        process = subprocess.Popen(
            [*own_command(LONE), str(record_fd), data],
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd,
            pass_fds=[record_fd],
            cwd=folder,
            start_new_session=True,
        )
        # Reaped by its process id; without this, subprocess would wait for it too.
        process.returncode = 0
        return process.pid

    return start


def forked(run: Callable[[int], None]) -> Start:
    """Return a way to start a function in a fork of this process; it does not return there."""

    def start(record_fd: int, output_fd: int, folder: Path) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            into_child(output_fd, folder)
            run(record_fd)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(70)

    return start


def own_command(module: str) -> list[str]:
    """Return the command that runs a module of krepro's with this interpreter."""
    return [sys.executable, "-s", str(Path(__file__).with_name("boot.py")), module]


def into_child(output_fd: int, folder: Path) -> None:
    """Make a fresh fork ready to run a repro: a group, an output and a folder of its own."""
    os.setsid()
    die_with_parent()
    # Ignored in the zygote; a repro may want it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.chdir(folder)
