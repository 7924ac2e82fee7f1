"""Run repros with pytest: in forks of one configured pytest, or one alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from krepro.cell import plugin, trace
from krepro.cell.cell import into_child
from krepro.cell.world import World

# Repros stand alone: no configuration of the folder they lie in, nothing written beside them.
ARGUMENTS = (
    f"--config-file={os.devnull}",
    "--noconftest",
    "--capture=no",
    "--assert=plain",
    "--import-mode=importlib",
    "--tb=native",
    "--quiet",
    "--no-header",
    "-pno:cacheprovider",
)

Start = Callable[[int, int, Path], int]
StartOf = Callable[[Sequence[Path], int | None], Start]


def arguments_for(folder: Path) -> list[str]:
    """Return pytest's arguments for repros in a folder."""
    return [*ARGUMENTS, f"--rootdir={folder}", f"--confcutdir={folder}"]


class Only:
    """Lets pytest look at the files that were asked for, not at their neighbours."""

    repros: Collection[Path] = ()
    functions: Collection[str] = ()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out functions that were not asked for, where some were."""
        if self.functions:
            items[:] = [i for i in items if i.name.partition("[")[0] in self.functions]

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out files that were not asked for."""
        if collection_path.suffix == ".py" and collection_path not in self.repros:
            return True
        return None


class Forks(Only):
    """Takes over once pytest is configured, and goes on as pytest in every fork."""

    def __init__(
        self, run_each: Callable[[StartOf], None], recorder: plugin.Recorder
    ) -> None:
        """Keep the function that asks for the forks."""
        self._run_each = run_each
        self._recorder = recorder
        self.record_fd = -1
        self.rounds: int | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Fork as often as asked; in a fork, let pytest's own main go on with one repro."""

        class InFork(BaseException):
            """Unwinds a fork to here."""

        def start_of(repros: Sequence[Path], rounds: int | None) -> Start:
            def start(record_fd: int, output_fd: int, folder: Path) -> int:
                pid = os.fork()
                if pid:
                    return pid
                self.record_fd = record_fd
                self.repros = repros
                self.rounds = rounds
                into_child(output_fd, folder)
                raise InFork

            return start

        try:
            self._run_each(start_of)
        except InFork:
            config.args[:] = list(map(str, self.repros))
            if self.rounds:
                config.option.continue_on_collection_errors = True
                turns = InTurn(self.record_fd, self._recorder, Path.cwd(), self.rounds)
                config.pluginmanager.register(turns)
            return None
        return 0


class InTurn:
    """Runs several repros one after the other, each as if it were the first."""

    def __init__(
        self, record_fd: int, recorder: plugin.Recorder, folder: Path, rounds: int
    ) -> None:
        """Speak with the supervisor over a socket, as its ``Turns`` says."""
        self._fd = record_fd
        self._recorder = recorder
        self._folder = folder
        self._world = World()
        self._rounds = rounds
        self._turns: list[tuple[Path, int]] = []
        self._running: tuple[Path, int] | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Ask for every round, and note which test belongs to which turn."""
        once = items[:]
        items[:] = once * self._rounds
        self._turns = [(item.path, n) for n in range(self._rounds) for item in once]
        self._turns.reverse()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Say when a repro begins and ends; make place for the next one between them."""
        turn = self._turns.pop()
        if turn != self._running:
            self._begin(*turn)
        result = yield
        if not self._turns or self._turns[-1] != turn:
            self._end(turn[0])
        return result

    def _begin(self, path: Path, number: int) -> None:
        self._running = path, number
        self._recorder.records.pop(path, None)
        self._say({"begin": path.stem})
        place = self._folder / f"{path.stem}-{number}"
        place.mkdir()
        os.chdir(place)

    def _end(self, path: Path) -> None:
        record = self._recorder.complete(path).as_json()
        sys.stdout.flush()
        sys.stderr.flush()
        self._say({"end": path.stem, **record})
        os.chdir(self._folder)
        if not self._world.restore():
            # It left traces that cannot be undone; the others start from a clean fork.
            os._exit(0)

    def _say(self, line: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")
        os.read(self._fd, 1)


def run_in_forks(
    folder: Path, run_each: Callable[[StartOf], None], functions: Collection[str] = ()
) -> None:
    """Configure pytest once for a folder, then fork as often as ``run_each`` asks for.

    Does not return in the forks. Where functions are named, only they run.
    """
    recorder = plugin.Recorder(functions)
    forks = Forks(run_each, recorder)
    forks.functions = functions
    here = os.getpid()
    try:
        pytest.main(arguments_for(folder), plugins=[plugin, recorder, forks])
    finally:
        if os.getpid() != here:
            if forks.rounds:
                os._exit(0)  # Each was told of in its turn.
            leave(forks.record_fd, recorder, *forks.repros)


def warm_up() -> None:
    """Import what pytest imports on its way, so that forks need not."""
    run_in_forks(Path(__file__).parent, lambda _: None)


def run_alone(
    repro: Path, record_fd: int, functions: Collection[str] = (), **facts: Any
) -> None:
    """Run one repro in this process, write its record, and leave the process."""
    recorder = plugin.Recorder(functions)
    only = Only()
    only.repros = [repro]
    only.functions = functions
    try:
        arguments = [*arguments_for(repro.parent), str(repro)]
        pytest.main(arguments, plugins=[plugin, recorder, only])
    finally:
        leave(record_fd, recorder, repro, **facts)


def leave(record_fd: int, recorder: plugin.Recorder, repro: Path, **facts: Any) -> None:
    """Write the record of a repro and end the process without its exit handlers."""
    trace.finish()
    record = {**recorder.complete(repro).as_json(), **facts}
    with os.fdopen(record_fd, "w", encoding="utf-8") as file:
        json.dump(record, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
