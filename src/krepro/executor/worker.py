"""What a worker of a cluster does: measure the cells that it is given, as an engine of its own.

All that decides a verdict travels with a cell (``matrix.toml``, locks, repro files); a worker
needs krepro and a cache folder, in which it makes each stack once.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import hashlib
import socket
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

import krepro
from krepro import stack as stacks
from krepro.cell.cell import PROCESS
from krepro.engine import Engine, Options, Watcher
from krepro.home import Home
from krepro.matrix import FILE_NAME, Cell, read_matrix
from krepro.project import REPROS_FOLDER
from krepro.repro import read_repro
from krepro.result import CellResult

# How long warm processes wait for another cell of their run: the client may be gone.
IDLE_S = 60.0


class Unfit(Exception):
    """A cluster that cannot measure: which worker, why, what to do about it."""


class Parcel(msgspec.Struct, frozen=True):
    """All that a worker has to be told of a run.

    ``files`` has texts by their place in the project, ``repros`` the place of each repro.
    """

    run: str
    fingerprint: str
    files: dict[str, str]
    isolation: str
    repeat: int

    def pack(self) -> bytes:
        """Return it as bytes, small."""
        return zlib.compress(msgspec.msgpack.encode(self))

    @classmethod
    def unpack(cls, data: bytes) -> Parcel:
        """Return what was packed."""
        return msgspec.msgpack.decode(zlib.decompress(data), type=cls)


@functools.cache
def fingerprint() -> str:
    """Return what stands for this krepro: its version, and a hash of what decides verdicts."""
    package = Path(krepro.__file__).parent
    files = sorted([*package.glob("*.py"), *(package / "cell").glob("*.py")])
    content = b"".join(path.name.encode() + path.read_bytes() for path in files)
    return f"{krepro.__version__}+{hashlib.sha256(content).hexdigest()[:8]}"


def describe() -> dict[str, str]:
    """Return which krepro a worker has, and what keeps it from measuring, if anything."""
    trouble = ""
    home = Home.find()
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home.path):
            pass
    except OSError as error:
        trouble = f"its cache folder {home.path} cannot be written to ({error})"
    return {"krepro": fingerprint(), "trouble": trouble}


class Workshop:
    """What a worker keeps between the cells of a run: its files, an engine, warm processes."""

    def __init__(self, parcel: Parcel) -> None:
        """Unpack the project into a folder of its own.

        Raises:
            OSError: it could not be written.
            InUse: the cache folder is being pruned.
        """
        home = Home.find()
        home.scratch.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opened:
            folder = Path(
                opened.enter_context(
                    tempfile.TemporaryDirectory(prefix="run-", dir=home.scratch)
                )
            )
            for place, text in parcel.files.items():
                path = folder / place
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            isolation = parcel.isolation if stacks.fork_is_safe() else PROCESS
            self.engine = Engine(
                home,
                folder,
                read_matrix(folder / FILE_NAME),
                options=Options(isolation, repeat=parcel.repeat, rerun=True),
            )
            self.scratch = opened.enter_context(self.engine.room())
            self.users = 0
            self._opened = opened.pop_all()

    def measure(self, cell: Cell, names: Sequence[str]) -> Iterator[CellResult]:
        """Measure repros in a cell; yield what they say as it comes."""
        folder = self.engine.folder / REPROS_FOLDER
        repros = [read_repro(folder / f"{name}.py") for name in names]
        yield from self.engine.measure(cell, repros, self.scratch)

    def close(self) -> None:
        """End all that runs, and remove the project's files."""
        self._opened.close()


class Bench:
    """The workshops of this process, by run: made when a cell comes, closed when none does."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._workshops: dict[str, Workshop] = {}
        self._stopped: set[str] = set()
        self._timer: threading.Timer | None = None

    @contextlib.contextmanager
    def workshop(self, parcel: Parcel) -> Iterator[Workshop | None]:
        """Yield the workshop of a run, or None where the run was stopped."""
        with self._lock:
            if parcel.run in self._stopped:
                found = None
            else:
                found = self._workshops.get(parcel.run)
                if found is None:
                    found = self._workshops[parcel.run] = Workshop(parcel)
                found.users += 1
        try:
            yield found
        finally:
            if found:
                with self._lock:
                    found.users -= 1
                self._close_later()

    def _close_later(self) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer = threading.Timer(IDLE_S, self.close_unused)
            self._timer.daemon = True
            self._timer.start()

    def close_unused(self) -> None:
        """Close the workshops in which no cell is measured."""
        with self._lock:
            unused = {run: w for run, w in self._workshops.items() if not w.users}
            for run, workshop in unused.items():
                del self._workshops[run]
                workshop.close()

    def stop(self, run: str) -> None:
        """Have the cells of a run end early; what they measured is still told."""
        self._stopped.add(run)
        found = self._workshops.get(run)
        if found:
            found.engine.stop.set()

    def close(self, run: str) -> None:
        """Close the workshop of a run."""
        self.stop(run)
        with self._lock:
            found = self._workshops.pop(run, None)
        if found:
            found.close()

    def close_all(self) -> None:
        """Close every workshop: the process ends."""
        for run in list(self._workshops):
            self.close(run)


BENCH = Bench()
atexit.register(BENCH.close_all)


def stop(run: str) -> None:
    """Have the cells of a run on this worker end early."""
    BENCH.stop(run)


async def close(run: str) -> None:
    """End what is left of a run on this worker."""
    await asyncio.to_thread(BENCH.close, run)


class Telling(Watcher):
    """Tells the client what is being installed."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Tell by a function."""
        self._tell = tell

    def preparing(self, what: str) -> None:
        """Something is being installed."""
        self._tell({"event": "preparing", "what": f"{what} on {socket.gethostname()}"})

    def prepared(self, what: str) -> None:
        """It is installed."""
        self._tell({"event": "prepared", "what": f"{what} on {socket.gethostname()}"})


def measure(
    packed: bytes,
    cell: tuple[str, str],
    names: Sequence[str],
    tell: Callable[[dict[str, Any]], None],
) -> list[bytes]:
    """Measure repros in a cell: the task that a client submits.

    Args:
        packed: the run's parcel.
        cell: its stack and its release.
        names: the repros' ids.
        tell: takes what is to be known before the cell's end.

    Returns:
        What the cell said, in pieces, as JSON.

    Raises:
        Unfit: this is not the client's krepro.
    """
    parcel = Parcel.unpack(packed)
    if parcel.fingerprint != fingerprint():
        raise Unfit(unlike(fingerprint(), parcel.fingerprint))
    stack, release = cell
    said = []
    with BENCH.workshop(parcel) as workshop:
        if workshop:
            tell({"event": "started", "cell": cell})
            workshop.engine.watcher = Telling(tell)
            for piece in workshop.measure(Cell(stack, release), names):
                said.append(msgspec.json.encode(piece))
                tell({"event": "said", "cell": cell, "result": said[-1]})
    return said


def unlike(theirs: str, ours: str) -> str:
    """Return why a worker with another krepro is of no use."""
    version = ours.partition("+")[0]
    return (
        f"it has krepro {theirs}, this is {ours}: verdicts would not be comparable; install "
        f"the same there (pip install 'krepro[dask]=={version}') and start it again"
    )
