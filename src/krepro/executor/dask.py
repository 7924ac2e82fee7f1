"""Cells measured by the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
import urllib.parse
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import distributed
import msgspec
from distributed.scheduler import KilledWorker
from msgspec.structs import replace

from krepro import stack as stacks
from krepro.executor import worker
from krepro.executor.threads import in_turn, trouble_of
from krepro.executor.worker import Parcel, Unfit
from krepro.installer import InstallError
from krepro.matrix import FILE_NAME, Cell
from krepro.project import REPROS_FOLDER, SelectionError
from krepro.result import CellResult
from krepro.verdict import Verdict

if TYPE_CHECKING:
    from krepro.engine import Engine, Plan

SCHEME = "dask"
CONNECT_S = 20.0
# A worker that died is started again by its nanny; only then is the cluster given up.
LONELY_S = 60.0
# How often it is looked whether there is still a cluster.
LOOK_S = 5.0
# How long cells may take to end when the run is to stop.
STOP_S = 15.0


def parse(address: str) -> str:
    """Return where Dask finds a scheduler.

    Args:
        address: ``dask://HOST:PORT``.

    Raises:
        SelectionError: it is no such address.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        port = parts.port
    except ValueError:
        port = None
    else:
        if parts.scheme == SCHEME and parts.hostname and port and not parts.path:
            return f"tcp://{parts.netloc}"
    raise SelectionError(
        f"{address!r} is no executor: say dask://HOST:PORT, as 'dask scheduler' prints it"
    )


@dataclass
class Following:
    """A cell on the cluster: when it began, what is kept of it, what kept it from saying more."""

    cell: Cell
    started: float = 0.0
    kept: set[str] = field(default_factory=set)
    trouble: str = ""


class Cluster:
    """The workers of a Dask cluster; each of their threads takes one cell after the other."""

    def __init__(self, address: str) -> None:
        """Only remember where it is.

        Raises:
            SelectionError: the address is none.
        """
        self.address = parse(address)

    def run(self, engine: Engine, plan: Plan) -> None:
        """Measure what a plan lacks; what is measured is kept as it comes.

        Raises:
            SelectionError: there is no scheduler.
            Unfit: the cluster cannot measure, or is gone.
            NotKept: a result could not be written.
        """
        for name in ("distributed", "distributed.client", "distributed.core"):
            # What concerns the user is said in one line, with what to do.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with self._connected() as client:
            self._check(client)
            Run(engine, plan, client, self.address).run()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[distributed.Client]:
        try:
            client = distributed.Client(
                self.address, timeout=CONNECT_S, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError):
            raise SelectionError(
                f"no Dask scheduler answers at {self.address}: start one with 'dask scheduler' "
                "and give its address"
            ) from None
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=2)

    def _check(self, client: distributed.Client) -> None:
        """Refuse a cluster on which verdicts would be none.

        Raises:
            Unfit: it has no workers, or one that cannot measure.
        """
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            address = self.address.partition("://")[2]
            raise Unfit(
                f"the scheduler at {self.address} has no workers: start some with "
                f"'dask worker {address}'"
            ) from None
        try:
            answers = client.run(worker.describe, on_error="return")
        except Exception as error:  # noqa: BLE001  Whatever Dask met, they are of no use.
            raise Unfit(f"the workers of {self.address} do not answer: {error}") from None
        for name, answer in sorted(answers.items()):
            trouble = _trouble(answer)
            if trouble:
                raise Unfit(f"worker {name} is of no use: {trouble}")


def _trouble(answer: Mapping[str, str] | BaseException) -> str:
    """Return what keeps a worker from measuring, by what it says of itself."""
    if isinstance(answer, BaseException):
        version = worker.fingerprint().partition("+")[0]
        return (
            f"it does not know this krepro ({type(answer).__name__}: {answer}): "
            f"pip install 'krepro[dask]=={version}' there"
        )
    if answer["krepro"] != worker.fingerprint():
        return worker.unlike(answer["krepro"], worker.fingerprint())
    return answer["trouble"]


class Run:
    """One run on a cluster."""

    def __init__(
        self, engine: Engine, plan: Plan, client: distributed.Client, address: str
    ) -> None:
        """Start with nothing asked."""
        self.engine = engine
        self.plan = plan
        self.client = client
        self.address = address
        self.name = f"krepro-{uuid.uuid4().hex[:12]}"
        self._repros = {repro.id: repro for repro in plan.repros}
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: deque[Cell] = deque()
        self._threads = 0
        self._packed = b""
        self._futures: dict[distributed.Future, Following] = {}
        self._by_cell: dict[Cell, Following] = {}

    def run(self) -> None:
        """Submit the cells, and keep what comes until all have ended.

        Raises:
            Unfit: the cluster is gone, or a worker is of no use.
            NotKept: a result could not be written.
        """
        self.client.subscribe_topic(self.name, self._hear)
        try:
            locks = self._locks()
            self._waiting.extend(
                cell
                for cell in in_turn(list(self.plan.missing))
                if self._base(cell) in locks
            )
            self._packed = self._parcel(locks).pack()
            self._follow()
            if self._futures:
                self._stop()
        finally:
            with contextlib.suppress(Exception):
                self.client.cancel(list(self._futures), force=True)
                self.client.run(worker.close, self.name, on_error="ignore")
                self.client.unsubscribe_topic(self.name)

    def _hear(self, event: tuple[float, Any]) -> None:
        self._inbox.put(event[1])

    def _base(self, cell: Cell) -> str:
        """Return the name of the stack in whose environment a cell runs."""
        matrix = self.engine.matrix
        return matrix.base(matrix.find_stack(cell.stack)).name

    def _submit(self) -> None:
        """Submit as many cells as there are threads.

        More would wait on workers, and where one dies Dask blames all that wait there as well.
        """
        while self._waiting and len(self._futures) < self._threads:
            cell = self._waiting.popleft()
            future = self.client.submit(
                _measure,
                self.name,
                self._packed,
                (cell.stack, cell.release),
                [repro.id for repro in self.plan.missing[cell]],
                key=f"{self.name}-{cell}",
                pure=False,
            )
            self._futures[future] = self._by_cell[cell] = Following(cell)
            future.add_done_callback(self._inbox.put)

    def _locks(self) -> dict[str, str]:
        """Return the texts of the locks; the cells of a stack that has none are untestable."""
        engine, matrix = self.engine, self.engine.matrix
        locks: dict[str, str] = {}
        failed: dict[str, InstallError] = {}
        for name in dict.fromkeys(map(self._base, self.plan.missing)):
            base = matrix.find_stack(name)
            try:
                lock = stacks.ensure_lock(engine.home, engine.folder, matrix, base)
                locks[name] = stacks.lock_text(matrix, base, lock)
            except InstallError as error:
                failed[name] = error
        for cell, repros in self.plan.missing.items():
            if lost := failed.get(self._base(cell)):
                running = engine.begin(cell, repros)
                running.give_up(lost.verdict, str(lost))
                for said in running.say():
                    engine.keep(said, self._repros)
                engine.watcher.ended(cell, 0.0, str(lost))
        return locks

    def _parcel(self, locks: Mapping[str, str]) -> Parcel:
        engine = self.engine
        files = {FILE_NAME: (engine.folder / FILE_NAME).read_text(encoding="utf-8")}
        for name, text in locks.items():
            files[f"{stacks.LOCKS_FOLDER}/{name}.txt"] = text
        for repro in self.plan.repros:
            place = f"{REPROS_FOLDER}/{repro.id}.py"
            files[place] = repro.path.read_text(encoding="utf-8")
        return Parcel(
            run=self.name,
            fingerprint=worker.fingerprint(),
            files=files,
            isolation=engine.options.isolation,
            repeat=engine.options.repeat,
        )

    def _follow(self) -> None:
        """Keep what comes until every cell has ended, or the run is to stop."""
        seen = time.monotonic()
        looked = seen - LOOK_S
        while (self._futures or self._waiting) and not self.engine.stop.is_set():
            now = time.monotonic()
            if now - looked >= LOOK_S:
                looked = now
                self._threads = self._count_threads()
                seen = now if self._threads else seen
                if now - seen > LONELY_S:
                    raise Unfit(
                        f"the scheduler at {self.address} has had no workers for "
                        f"{LONELY_S:.0f} s; what was measured is kept: start workers, and run "
                        "the same command to go on"
                    )
            self._submit()
            with contextlib.suppress(queue.Empty):
                self._take(self._inbox.get(timeout=0.2))

    def _count_threads(self) -> int:
        """Return how many threads the workers have: how many cells run at a time.

        Raises:
            Unfit: the scheduler does not say.
        """
        try:
            return sum(self.client.nthreads().values())
        except Exception:  # noqa: BLE001  Its type depends on how the scheduler went.
            raise self._gone() from None

    def _gone(self) -> Unfit:
        return Unfit(
            f"the scheduler at {self.address} is gone; what was measured is kept: start it "
            "again, and run the same command to go on"
        )

    def _take(self, item: Any) -> None:
        """Note one thing that the cluster says: an event, or the end of a cell."""
        watcher = self.engine.watcher
        if isinstance(item, distributed.Future):
            self._end(item)
            return
        if item["event"] in ("preparing", "prepared"):
            getattr(watcher, item["event"])(item["what"])
            return
        following = self._by_cell[Cell(*item["cell"])]
        if item["event"] == "started":
            following.started = time.monotonic()
            watcher.started(following.cell)
        else:
            self._keep(following, item["result"])

    def _keep(self, following: Following, result: bytes) -> None:
        """Keep what is new in a piece: it comes as it is said, and once more at the end."""
        said = msgspec.json.decode(result, type=CellResult)
        new = {n: m for n, m in said.repros.items() if n not in following.kept}
        if new:
            following.kept |= set(new)
            said = replace(said, repros=new)
            following.trouble = following.trouble or trouble_of(said)
            self.engine.keep(said, self._repros)

    def _end(self, future: distributed.Future) -> None:
        """Keep what a cell said, now that it ended.

        Raises:
            Unfit: the cluster is gone, or a worker is of no use.
        """
        following = self._futures.pop(future, None)
        if following is None:
            return
        if future.status in ("cancelled", "lost"):
            raise self._gone()
        cell = following.cell
        if future.status == "error":
            error = future.exception()
            if not isinstance(error, KilledWorker):
                raise Unfit(f"{cell} on a worker of {self.address}: {error}")
            repros = [r for r in self.plan.missing[cell] if r.id not in following.kept]
            running = self.engine.begin(cell, repros)
            running.give_up(
                Verdict.CRASH,
                f"each of the {error.allowed_failures + 1} workers that measured this cell died",
            )
            pieces = [msgspec.json.encode(said) for said in running.say()]
        else:
            pieces = future.result()
        for piece in pieces:
            self._keep(following, piece)
        if not self.engine.stop.is_set():
            passed_s = time.monotonic() - following.started if following.started else 0.0
            self.engine.watcher.ended(cell, passed_s, following.trouble)

    def _stop(self) -> None:
        """Have all cells end early, and keep what they measured until then."""
        with contextlib.suppress(Exception):
            self.client.run(worker.stop, self.name, on_error="ignore")
        deadline = time.monotonic() + STOP_S
        while self._futures and time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                self._take(self._inbox.get(timeout=0.2))


def _measure(
    name: str, packed: bytes, cell: tuple[str, str], names: list[str]
) -> list[bytes]:
    """Measure a cell on a worker of Dask's, telling what comes under the run's name."""
    here = distributed.get_worker()
    return worker.measure(packed, cell, names, lambda event: here.log_event(name, event))
