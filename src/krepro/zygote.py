"""The engine's side of a zygote: start it, send it cells, let it learn, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from krepro.cell.cell import Job
from krepro.cell.supervise import kill_group
from krepro.installer import InstallError
from krepro.result import write_atomically
from krepro.stack import Environment, cell_variables
from krepro.verdict import Verdict

BOOT = Path(__file__).parent / "cell" / "boot.py"
START_TIMEOUT_S = 300.0


def variables_of(environment: Environment, scratch: Path) -> dict[str, str]:
    """Return the environment variables of the processes of a stack.

    ``KERAS_HOME`` is an empty folder: a user's ``keras.json`` changes what Keras does. Temporary
    files go into the scratch folder: processes that are ended, not left, do not remove theirs.
    """
    keras_home, temporary = scratch / "keras-home", scratch / "tmp"
    for folder in (keras_home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    return cell_variables(
        environment.stack, KERAS_HOME=str(keras_home), TMPDIR=str(temporary)
    )


class Events:
    """The events of one cell, as they come out of it."""

    def __init__(self, descriptor: int) -> None:
        """Read from an open file descriptor, which is closed in the end."""
        self._descriptor = descriptor
        self._buffer = b""

    def wait(self, timeout_s: float) -> bool:
        """Wait for the next event; return whether one came, or the end."""
        if b"\n" in self._buffer:
            return True
        return bool(select.select([self._descriptor], [], [], timeout_s)[0])

    def next(self, timeout_s: float, stop: threading.Event) -> dict[str, Any] | None:
        """Return the next event, or None where the cell ended, hangs, or is to stop."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or stop.is_set():
                return None
            ready, _, _ = select.select([self._descriptor], [], [], min(left_s, 0.2))
            if ready:
                data = os.read(self._descriptor, 1 << 20)
                if not data:
                    return None
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        return event

    def close(self) -> None:
        """Close the file descriptor."""
        os.close(self._descriptor)


class Zygote:
    """A warm process of one stack, started when the first cell asks for it."""

    def __init__(self, environment: Environment, scratch: Path) -> None:
        """Only remember how to start it."""
        self.environment = environment
        self.scratch = scratch
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._learned: set[str] = set()
        self._failure: InstallError | None = None

    def start(self, teachers: Sequence[Job], stop: threading.Event) -> None:
        """Start the process if it is not running.

        Where nothing is known yet of what Keras imports on this stack, the teachers (jobs
        without repros) are run first to learn it, and the process is started anew.

        Raises:
            InstallError: the backend does not import.
        """
        with self._lock:
            if self._failure:
                raise self._failure
            if self._process and self._process.poll() is None:
                return
            self.end()
            try:
                self._start()
                if not self.environment.preload_file.exists():
                    for job in teachers:
                        self._learn_from(job, stop)
                    self.remember()
                    self.end()
                    self._start()
            except InstallError as error:
                self._failure = error
                raise

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        log = (self.scratch / f"{self.environment.stack.name}.log").open("ab")
        with theirs, log:
            process = self._process = subprocess.Popen(
                [
                    self.environment.python,
                    "-s",
                    BOOT,
                    "krepro.cell.zygote",
                    str(theirs.fileno()),
                    self.environment.stack.backend,
                    self.environment.preload_file,
                ],
                env=variables_of(self.environment, self.scratch),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.scratch,
                start_new_session=True,
            )
        ours.settimeout(START_TIMEOUT_S)
        try:
            ready = ours.recv(4096)
        except TimeoutError:
            ready = b""
        ours.settimeout(None)
        if not ready:
            ours.close()
            kill_group(process.pid)
            process.wait()
            self._process = None
            said = Path(log.name).read_text(errors="replace").split("\n")
            reason = next((line for line in reversed(said) if line.strip()), "it died")
            backend = self.environment.stack.backend
            raise InstallError(Verdict.IMPORT, f"import {backend}: {reason[-300:]}")
        self._connection = ours

    def _learn_from(self, job: Job, stop: threading.Event) -> None:
        with self._send(job) as events:
            while event := events.next(job.import_timeout_s, stop):
                self.learn(event.get("modules", []))

    def learn(self, modules: Sequence[str]) -> None:
        """Note modules that a cell still had to import."""
        self._learned.update(modules)

    def remember(self) -> None:
        """Keep what was learned for later zygotes of this environment."""
        path = self.environment.preload_file
        try:
            known = set(json.loads(path.read_bytes())) if path.exists() else set()
            if not path.exists() or self._learned - known:
                # In the order of their names packages come before what is in them.
                data = json.dumps(sorted(known | self._learned)).encode()
                write_atomically(path, data)
        except (OSError, ValueError):
            return

    @contextlib.contextmanager
    def _send(self, job: Job) -> Iterator[Events]:
        assert self._connection is not None
        read, write = os.pipe()
        events = Events(read)
        try:
            data = job.to_json().encode() + b"\n"
            sent = socket.send_fds(self._connection, [data], [write])
            if sent < len(data):
                self._connection.sendall(data[sent:])
        finally:
            os.close(write)
        try:
            yield events
        finally:
            events.close()

    @contextlib.contextmanager
    def cell(self, job: Job) -> Iterator[Events]:
        """Start a cell; yield its events."""
        with contextlib.ExitStack() as stack:
            with self._lock:
                events = stack.enter_context(self._send(job))
            yield events

    def end(self) -> None:
        """End the process and everything below it."""
        if self._connection:
            self._connection.close()
            self._connection = None
        if process := self._process:
            kill_group(process.pid)
            process.wait()
            self._process = None


@contextlib.contextmanager
def fresh_cell(environment: Environment, scratch: Path, job: Job) -> Iterator[Events]:
    """Start a cell whose repros each run in a fresh process; yield its events."""
    more = job.script.variables if job.script else {}
    read, write = os.pipe()
    events = Events(read)
    log: BinaryIO
    with (scratch / f"{environment.stack.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [
                environment.python,
                "-s",
                BOOT,
                "krepro.cell.fresh",
                str(write),
                job.to_json(),
            ],
            env={**variables_of(environment, scratch), **more},
            pass_fds=[write],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=scratch,
            start_new_session=True,
        )
    os.close(write)
    try:
        yield events
    finally:
        events.close()
        kill_group(process.pid)
        process.wait()
