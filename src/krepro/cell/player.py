"""Play programs: short Keras scripts, one after the other in a process that imported Keras.

A cell that plays forks a worker whenever the engine asks for one; a worker plays programs until
it is told to end, or ends by itself where it cannot be made as good as new.

The engine's side of this is ``krepro.fuzz.pool``. Lines of JSON go both ways:

* the engine and the cell, over a socket that the cell connects to: ``{"start": true}`` is
  answered by ``{"pid": n}`` with a socket to the new worker (``"plain": true`` asks for one that
  is not made quick), ``{"end": n}``, once nothing of that worker is left, by ``{"pid": n, "status": s}`` (as ``os.waitstatus_to_exitcode`` has it);
* the engine and a worker: the worker says ``{"ready": true}`` whenever it can take a program, is
  given ``{"number": n, "chunks": [...], "models": [...]}``, and answers ``{"step": {...}}`` after
  each chunk and ``{"number": n, "seconds": s}`` after the last.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import itertools
import json
import linecache
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from krepro.cell.cell import Job, into_child, own_command
from krepro.cell.failure import MOST_MESSAGE, frames_of
from krepro.cell.judge import text_of
from krepro.cell.supervise import children, die_with_parent, kill_group
from krepro.cell.world import World

THIS = "krepro.cell.player"
# Where a worker keeps what was written to its standard error.
ERRORS = "stderr.txt"
MOST_ERRORS_BYTES = 1 << 26
# After so many programs a quick worker looks for what they left in memory.
TIDY_AFTER = 16
# Starts a worker, plain or not, that speaks over the second socket, the first being the other end
# of it, and works in a folder; returns its process id.
Start = Callable[[socket.socket, socket.socket, Path, bool], int]


class Line:
    """Lines of JSON over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak over a connected socket."""
        self.connection = connection
        self._buffer = b""

    def say(self, **facts: Any) -> None:
        """Write a line."""
        self.connection.sendall(json.dumps(facts).encode() + b"\n")

    def hear(self) -> dict[str, Any] | None:
        """Return the next line, or None at the end."""
        while b"\n" not in self._buffer:
            try:
                data = self.connection.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said


def serve(job: Job, *, fork: bool) -> None:
    """Start and end workers as the engine asks, until it hangs up.

    Args:
        job: what the cell is; ``job.player`` is the socket's path.
        fork: fork workers from this process, which has imported Keras; else each is a fresh one.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(job.player)
    line = Line(connection)
    start = _forking() if fork else _spawning(job)
    workers: dict[int, Path] = {}
    try:
        while said := line.hear():
            if pid := said.get("end"):
                line.say(pid=pid, status=_end(pid, workers.pop(pid), workers))
                continue
            folder = Path(tempfile.mkdtemp(prefix="player-", dir=job.scratch))
            ours, theirs = socket.socketpair()
            with ours, theirs:
                pid = start(ours, theirs, folder, bool(said.get("plain")))
                workers[pid] = folder
                told = json.dumps({"pid": pid, "folder": str(folder)}).encode() + b"\n"
                socket.send_fds(connection, [told], [ours.fileno()])
    finally:
        for pid in list(workers):
            _end(pid, workers.pop(pid), workers)


def _end(pid: int, folder: Path, others: Mapping[int, Path]) -> int:
    """End a worker and what it left behind; return how it ended."""
    kill_group(pid)
    _, raw = os.waitpid(pid, 0)
    # Orphans of it became children of this process, which is their subreaper.
    for stray in children():
        if stray not in others:
            kill_group(stray)
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(stray, signal.SIGKILL)
                os.waitpid(stray, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return os.waitstatus_to_exitcode(raw)


def _forking() -> Start:
    """Return a way to fork workers off this process."""
    world = World()

    def start(ours: socket.socket, theirs: socket.socket, folder: Path, plain: bool) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            # Held here, it would keep this worker from hearing that the engine hung up.
            ours.close()
            with (folder / ERRORS).open("ab") as errors:
                into_child(errors.fileno(), folder)
            play_all(theirs, world, plain=plain)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(70)

    return start


def _spawning(job: Job) -> Start:
    """Return a way to start workers as fresh interpreters."""
    data = job.to_json()

    def start(
        ours: socket.socket,  # noqa: ARG001  It is not inherited.
        theirs: socket.socket,
        folder: Path,
        plain: bool,
    ) -> int:
        with (folder / ERRORS).open("ab") as errors:
            process = subprocess.Popen(
                [*own_command(THIS), str(theirs.fileno()), "plain" if plain else "", data],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[theirs.fileno()],
                cwd=folder,
                start_new_session=True,
            )
        # Reaped by its process id; without this, subprocess would wait for it too.
        process.returncode = 0
        return process.pid

    return start


def play_all(connection: socket.socket, world: World, *, plain: bool) -> None:
    """Play what comes over a socket; does not return."""
    quiet()
    tidy = gc.collect if plain else quicken()
    line = Line(connection)
    folder = Path.cwd()
    threads = running_threads()
    # Before the first program too: each then finds the same.
    while world.restore() and running_threads() <= threads:
        tidy()
        line.say(ready=True)
        asked = line.hear()
        if not asked:
            break
        place = folder / str(asked["number"])
        place.mkdir()
        os.chdir(place)
        started = time.perf_counter()
        for step in play(asked["chunks"], asked["models"], f"<program {asked['number']}>"):
            line.say(step=step)
        line.say(number=asked["number"], seconds=round(time.perf_counter() - started, 5))
        os.chdir(folder)
        shutil.rmtree(place, ignore_errors=True)
        sys.stdout.flush()
        os.truncate(folder / ERRORS, 0)
    os._exit(0)


def running_threads() -> int:
    """Return how many threads Python started; a backend's that called Python stay listed."""
    dummies = threading._DummyThread  # noqa: SLF001
    return sum(not isinstance(thread, dummies) for thread in threading.enumerate())


def quiet() -> None:
    """Have nothing that a program prints go anywhere but into a file for crashes."""
    faulthandler.enable(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    # Python opens its streams where the zygote's lead; they are the same descriptors.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_ERRORS_BYTES, most))
    keep_frames()


def quicken() -> Callable[[], object]:
    """Spare this process work that does not change what a program computes.

    Returns:
        What to call between programs.
    """
    if "torch" in sys.modules:
        # It traces nothing: there is little to collect, and that quickly.
        return gc.collect
    # Most of what is collected so often was made by tracing, and is kept in caches anyway.
    gc.set_threshold(100_000, 20, 100)
    programs = 0

    def tidy() -> None:
        nonlocal programs
        if programs % TIDY_AFTER == 0:
            gc.collect()
            # What caches hold is looked at no more.
            gc.freeze()
        programs += 1

    if "tensorflow" in sys.modules:
        with contextlib.suppress(ImportError, AttributeError):
            _quicken_tensorflow()
    return tidy


def _quicken_tensorflow() -> None:
    """Have TensorFlow trace faster, and keep the kernels of its operations for longer."""

    def module(name: str) -> Any:
        return importlib.import_module(f"tensorflow.{name}")

    # Each operation of a graph decorates a function anew; only what decorating adds to its
    # name and signature is spared.
    plain = types.SimpleNamespace(contextmanager=contextlib.contextmanager)
    module("python.framework.func_graph").tf_contextlib = plain
    context = module("python.eager.context").Context
    clear, calls = context.clear_kernel_cache, itertools.count(1)

    def seldom(self: Any) -> None:
        if next(calls) % TIDY_AFTER == 0:
            clear(self)

    context.clear_kernel_cache = seldom


def keep_frames() -> None:
    """Have Keras keep its own frames in tracebacks; what it raises stays the same."""
    utils = sys.modules.get("keras.src.utils.traceback_utils")
    name = "_process_traceback_frames"
    if hasattr(utils, name):
        setattr(utils, name, lambda traceback: traceback)


def play(
    chunks: Sequence[str], models: Sequence[str], name: str
) -> Iterator[dict[str, Any]]:
    """Run the chunks of a script in one namespace, and yield what each did.

    Args:
        chunks: parts of one script, run as its ``__main__``.
        models: the variables whose weights are told after each chunk.
        name: the file name in tracebacks.
    """
    module = types.ModuleType("__main__")
    module.__file__ = name
    text = "\n".join(chunk.removesuffix("\n") for chunk in chunks) + "\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    main = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        line = 0
        for number, chunk in enumerate(chunks):
            raised: BaseException | None = None
            try:
                # The lines of a chunk are numbered as in the whole script.
                exec(  # noqa: S102  What is asked for.
                    compile("\n" * line + chunk, name, "exec", dont_inherit=True),
                    vars(module),
                )
            except BaseException as error:
                raised = error
            yield told(raised, vars(module), models, with_result=bool(number))
            if raised:
                return
            line += chunk.removesuffix("\n").count("\n") + 1
    finally:
        sys.modules["__main__"] = main
        linecache.cache.pop(name, None)


def told(
    raised: BaseException | None,
    names: Mapping[str, Any],
    models: Sequence[str],
    *,
    with_result: bool,
) -> dict[str, Any]:
    """Return what a chunk did as plain data."""
    step: dict[str, Any] = {
        "ending": "raised" if raised else "returned",
        "exception": type(raised).__name__ if raised else "",
        "message": text_of(raised)[:MOST_MESSAGE] if raised else "",
        "site": site_of(raised) if raised else "",
        "result": None,
        "weights": {},
    }
    if with_result and not raised:
        step["result"] = encoded(names.get("result"))
    try:
        for name in models:
            step["weights"] |= weights_of(names.get(name), name)
    except Exception as error:
        # A failed step may leave variables without values.
        if not raised:
            step |= {
                "ending": "raised",
                "exception": type(error).__name__,
                "message": "reading the weights: " + text_of(error)[:MOST_MESSAGE],
                "site": site_of(error),
            }
    return step


def site_of(error: BaseException) -> str:
    """Return where in Keras an exception came from: ``keras/src/.../trainer.py:compile``."""
    keras = sys.modules.get("keras")
    file = getattr(keras, "__file__", None)
    if not file:
        return ""
    folder = Path(file).parent
    found = ""
    for frame, _ in frames_of(error.__traceback__):
        code = frame.f_code
        if code.co_filename.startswith(f"{folder}{os.sep}"):
            path = Path(code.co_filename).relative_to(folder.parent).as_posix()
            found = f"{path}:{code.co_name}"
    return found


def weights_of(model: Any, path: str) -> dict[str, Any]:
    """Return the weights of a model's layers, and of the models among them, by their paths."""
    keras = sys.modules["keras"]
    found: dict[str, Any] = {}
    if not isinstance(model, keras.Model):
        return found
    for layer in model.layers:
        place = f"{path}/{layer.name}"
        if isinstance(layer, keras.Model):
            found |= weights_of(layer, place)
        else:
            for number, value in enumerate(layer.get_weights()):
                found[f"{place}/{number}"] = encoded(value)
    return found


def encoded(value: Any) -> Any:  # noqa: PLR0911  One for each kind of value.
    """Return a value as JSON that says what it was."""
    import numpy as np

    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, Mapping):
        pairs = [
            [k if isinstance(k, str) else repr(k), encoded(v)] for k, v in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, tuple):
        return {"tuple": [encoded(item) for item in value]}
    if isinstance(value, list):
        return {"list": [encoded(item) for item in value]}
    if isinstance(value, sys.modules["keras"].callbacks.History):
        return encoded(value.history)
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        if not isinstance(value, (np.ndarray, np.generic)):
            with contextlib.suppress(Exception):
                value = sys.modules["keras"].ops.convert_to_numpy(value)
        with contextlib.suppress(Exception):
            return _array(np.asarray(value))
    return {"other": type(value).__name__}


def _array(array: Any) -> Any:
    """Return an array of numbers or truths as JSON, a number where it has no dimension."""
    kind = array.dtype.kind
    if kind not in "biuf" and array.dtype.name != "bfloat16":
        return {"other": f"array of {array.dtype.name}"}
    values = array.tolist() if kind in "biuf" else array.astype("float64").tolist()
    if array.ndim:
        return {"array": values, "dtype": array.dtype.name}
    return values if kind == "b" else float(values)


def main() -> None:
    """Be a worker in an interpreter of its own.

    Arguments: the file descriptor of the socket, "plain" or nothing, and the job as JSON.
    """
    from krepro.cell import identity

    die_with_parent()
    connection = socket.socket(fileno=int(sys.argv[1]))
    plain, job = bool(sys.argv[2]), Job.from_json(sys.argv[3])
    sys.path.extend(map(str, job.extra))
    identity.import_keras(job.overlay, job.release, job.backend, job.backend_version)
    play_all(connection, World(), plain=plain)


if __name__ == "__main__":
    main()
