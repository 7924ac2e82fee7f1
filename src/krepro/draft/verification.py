"""The script of a report, run as other people will: pasted into an environment made for it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from krepro import installer, overlay
from krepro.cell.supervise import Limits, supervise
from krepro.draft.ending import read_ending
from krepro.draft.script import BACKEND_VARIABLE
from krepro.engine import Engine, Stopped
from krepro.hunt.symptom import Sighting
from krepro.hunt.target import prepare_extra
from krepro.matrix import Cell
from krepro.stack import KEPT_VARIABLES, Environment, interpreter

FILE = "script.py"
# Of a stack, what is there for pytest alone: a script must not need it.
FOR_TESTS = {"pytest", "iniconfig", "pluggy"}
# What keeps a run to the CPU, and TensorFlow's notes out of its output.
VARIABLES = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
OUTPUT_KB = 1024


@dataclass(frozen=True)
class Room:
    """Where a script runs: an interpreter, folders before its own packages, and all that is there, pinned."""

    python: Path
    packages: tuple[str, ...]
    path: tuple[Path, ...] = ()


def pins_of(environment: Environment) -> list[str]:
    """Return what a stack holds, without what is there for tests."""
    lines = (line for line in environment.lock.text.splitlines() if line[:1].isalnum())
    return [
        line for line in lines if canonicalize_name(Requirement(line).name) not in FOR_TESTS
    ]


@contextlib.contextmanager
def fresh_environment(
    engine: Engine, cell: Cell, scratch: Path, requirements: Sequence[str] = ()
) -> Iterator[Room]:
    """Yield a real environment for one cell, from its stack's lock; it is thrown away afterwards.

    Args:
        engine: knows the stack.
        cell: the release and the stack.
        scratch: where it is made.
        requirements: what a user's script needs besides.

    Raises:
        InstallError: it could not be made.
    """
    environment = engine.environment(engine.matrix.find_stack(cell.stack))
    home, path = engine.home, scratch / f"fresh-{cell.release}-{cell.stack}"
    lines = [*pins_of(environment), engine.matrix.subject(cell)]
    listed = path.with_suffix(".txt")
    python = f"--python={interpreter(path)}"
    try:
        version = environment.stamp.python
        installer.run_uv(home, "venv", f"--python={version}", "--no-project", str(path))
        listed.write_text("\n".join(lines), encoding="utf-8")
        build = installer.torch_arguments(lines, home)
        install = ("pip", "install", python)
        installer.run_uv(home, *install, "--no-deps", f"--requirement={listed}", *build)
        if requirements:
            held = f"--constraint={listed}"
            installer.run_uv(home, *install, held, *requirements, *build)
        frozen = installer.run_uv(home, "pip", "freeze", python)
        yield Room(interpreter(path), tuple(frozen.splitlines()))
    finally:
        shutil.rmtree(path, ignore_errors=True)
        listed.unlink(missing_ok=True)


def shared_room(engine: Engine, cell: Cell, requirements: Sequence[str] = ()) -> Room:
    """Return krepro's own environment of a cell, which other runs use too.

    Raises:
        InstallError: it could not be made.
    """
    environment = engine.environment(engine.matrix.find_stack(cell.stack))
    subject = engine.matrix.subject(cell)
    extra = prepare_extra(engine.home, requirements, environment)
    folders = (overlay.prepare(engine.home, subject, environment), extra)
    return Room(
        environment.python,
        (*pins_of(environment), subject),
        tuple(folder for folder in folders if folder),
    )


def run_pasted(
    room: Room,
    script: str,
    backend: str,
    scratch: Path,
    *,
    arguments: Sequence[str] = (),
    timeout_s: float,
    memory_mb: int,
    stop: Callable[[], bool],
) -> Sighting:
    """Save a script in an empty folder, run it there as ``python script.py``, return how it ended.

    Raises:
        Stopped: it was ended before its end.
    """
    file = ""

    def start(_: int, output_fd: int, folder: Path) -> int:
        nonlocal file
        path = folder / FILE
        path.write_text(script, encoding="utf-8")
        file = str(path)
        process = subprocess.Popen(
            [room.python, FILE, *arguments],
            env=variables(room, backend, folder),
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd,
            cwd=folder,
            start_new_session=True,
        )
        # Reaped by its process id; without this, subprocess would wait for it too.
        process.returncode = 0
        return process.pid

    limits = Limits(timeout_s, memory_mb, OUTPUT_KB)
    ending = supervise(start, limits, scratch, stop=stop)
    if ending.limit == "stopped":
        raise Stopped
    return read_ending(ending, script, file)


def variables(room: Room, backend: str, folder: Path) -> Mapping[str, str]:
    """Return the environment variables of a run: few, and Keras' settings from nowhere."""
    path = {"PYTHONPATH": os.pathsep.join(map(str, room.path))} if room.path else {}
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        **VARIABLES,
        **path,
        BACKEND_VARIABLE: backend,
        "KERAS_HOME": str(folder / ".keras"),
    }


def version_of(packages: Sequence[str], name: str) -> str:
    """Return the version of a package in a list of pinned ones, or an empty string."""
    for line in packages:
        found = re.match(r"([\w.-]+)==(\S+)", line)
        if found and canonicalize_name(found[1]) == name:
            return found[2]
    return ""
