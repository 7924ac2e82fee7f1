"""Run repros with pytest: in forks of one configured pytest, or one alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krepro.cell import plugin
from krepro.cell.cell import into_child

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


def arguments_for(folder: Path) -> list[str]:
    """Return pytest's arguments for repros in a folder."""
    return [*ARGUMENTS, f"--rootdir={folder}", f"--confcutdir={folder}"]


class Only:
    """Lets pytest look at one file, not at its neighbours."""

    repro: Path | None = None

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out files that were not asked for."""
        if collection_path.suffix == ".py" and collection_path != self.repro:
            return True
        return None


class Forks(Only):
    """Takes over once pytest is configured, and goes on as pytest in every fork."""

    def __init__(self, run_each: Callable[[Callable[[Path], Start]], None]) -> None:
        """Keep the function that asks for the forks."""
        self._run_each = run_each
        self.record_fd = -1

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Fork as often as asked; in a fork, let pytest's own main go on with one repro."""

        class InFork(BaseException):
            """Unwinds a fork to here."""

        def start_of(repro: Path) -> Start:
            def start(record_fd: int, output_fd: int, folder: Path) -> int:
                pid = os.fork()
                if pid:
                    return pid
                self.record_fd = record_fd
                self.repro = repro
                into_child(output_fd, folder)
                raise InFork

            return start

        try:
            self._run_each(start_of)
        except InFork:
            config.args[:] = [str(self.repro)]
            return None
        return 0


def run_in_forks(folder: Path, run_each: Callable[[Callable[[Path], Start]], None]) -> None:
    """Configure pytest once for a folder, then fork as often as ``run_each`` asks for.

    Does not return in the forks.
    """
    recorder = plugin.Recorder()
    forks = Forks(run_each)
    here = os.getpid()
    try:
        pytest.main(arguments_for(folder), plugins=[plugin, recorder, forks])
    finally:
        if os.getpid() != here:
            leave(forks.record_fd, recorder, forks.repro)


def warm_up() -> None:
    """Import what pytest imports on its way, so that forks need not."""
    run_in_forks(Path(__file__).parent, lambda _: None)


def run_alone(repro: Path, record_fd: int, **facts: Any) -> None:
    """Run one repro in this process, write its record, and leave the process."""
    recorder = plugin.Recorder()
    only = Only()
    only.repro = repro
    try:
        arguments = [*arguments_for(repro.parent), str(repro)]
        pytest.main(arguments, plugins=[plugin, recorder, only])
    finally:
        leave(record_fd, recorder, repro, **facts)


def leave(
    record_fd: int, recorder: plugin.Recorder, repro: Path | None, **facts: Any
) -> None:
    """Write the record of a repro and end the process without its exit handlers."""
    assert repro is not None
    record = {**recorder.complete(repro).as_json(), **facts}
    with os.fdopen(record_fd, "w", encoding="utf-8") as file:
        json.dump(record, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
