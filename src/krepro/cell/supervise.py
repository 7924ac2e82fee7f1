"""Run one child process under limits and clean up after it, whatever it did.

Used inside a cell (the child is a fork) and by the engine (the child is a fresh process).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LINUX = sys.platform == "linux"
MEMORY_POLL_S = 0.1
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Limits:
    """What one repro may use."""

    timeout_s: float = 60.0
    memory_mb: int = 4096
    output_kb: int = 64


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    ``status`` is as in ``os.waitstatus_to_exitcode``: negative for a signal. ``limit`` names
    the limit that ended it, if one did.
    """

    status: int = 0
    limit: str | None = None
    record: bytes = b""
    output: str = ""
    seconds: float = 0.0


@dataclass
class _Output:
    """The head and the tail of what a child printed."""

    limit_bytes: int
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    total_bytes: int = 0

    def add(self, data: bytes) -> None:
        self.total_bytes += len(data)
        room = self.limit_bytes // 2 - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        if len(self.tail) > self.limit_bytes:
            del self.tail[: -self.limit_bytes // 2]

    def text(self) -> str:
        tail = self.tail[-(self.limit_bytes // 2) :]
        left_out = self.total_bytes - len(self.head) - len(tail)
        middle = f"\n[krepro: {left_out} bytes left out]\n" if left_out else ""
        return (
            self.head.decode("utf-8", "replace") + middle + tail.decode("utf-8", "replace")
        )


@dataclass
class Turns:
    """How to follow a child that runs several repros, one a turn.

    The child writes a line of JSON when a turn begins (``{"begin": NAME}``) and one when it
    ends (``{"end": NAME, ...}``), and waits for a byte after each: so the time, the limits
    and the output are those of one turn.
    """

    limits_of: Callable[[str], Limits]
    ended: Callable[[str, dict[str, Any], Ending], None]
    running: str | None = None


def supervise(
    start: Callable[[int, int, Path], int],
    limits: Limits,
    scratch: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    sole_child: bool = False,
    turns: Turns | None = None,
) -> Ending:
    """Run a child to its end or to a limit, then remove all it left behind.

    Args:
        start: starts the child in a process group of its own and returns its process
            id; is given the file descriptor to write the record to, the one for output, and
            the child's own empty working folder.
        limits: what the child may use.
        scratch: where the working folder is made.
        stop: asked now and then; true ends the child as ``limit="stopped"``.
        sole_child: this process has no other child and called ``adopt_orphans``, so every
            child that is left at the end is a stray of the repro's and is killed.
        turns: told what each turn said, where the child takes several.

    Returns:
        How the child ended. When this returns, no process of the child's is left.
    """
    folder = Path(tempfile.mkdtemp(prefix="repro-", dir=scratch))
    # Plain descriptors: a socket object would be closed when a fork unwinds its frames.
    record_here, record_there = (end.detach() for end in socket.socketpair())
    output_read, output_write = os.pipe()
    child = _Child(limits, stop, turns, record_here, output_read)
    child.pid = start(record_there, output_write, folder)
    os.close(record_there)
    os.close(output_write)
    try:
        child.watch()
    finally:
        kill_group(child.pid)
        if child.status is None:
            child.reap()
        if sole_child:
            kill_children()
        deadline = time.monotonic() + 1
        while child.read(0) and time.monotonic() < deadline:
            pass
        os.close(record_here)
        os.close(output_read)
        shutil.rmtree(folder, ignore_errors=True)
    return child.ending()


class _Child:
    """A running child: what came out of it so far, and whether it may go on."""

    def __init__(
        self,
        limits: Limits,
        stop: Callable[[], bool],
        turns: Turns | None,
        record_fd: int,
        output_fd: int,
    ) -> None:
        self.pid = 0
        self.status: int | None = None
        self._limits = limits
        self._limit: str | None = None
        self._stop = stop
        self._turns = turns
        self._record_fd = record_fd
        self._output_fd = output_fd
        self._record = bytearray()
        self._output = _Output(limits.output_kb * 1024)
        self._sinks: dict[int, Callable[[bytes], object]] = {
            record_fd: self._listen if turns else self._record.extend,
            output_fd: self._print,
        }
        self._started = time.monotonic()
        self._next_poll = self._started + MEMORY_POLL_S

    def watch(self) -> None:
        """Return when the child has ended, by itself or by a limit."""
        while self.status is None:
            # Short at first, then longer: most repros are done in a moment.
            lived = time.monotonic() - self._started
            self.read(min(0.05, max(0.002, lived / 20)))
            done, raw = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.status = os.waitstatus_to_exitcode(raw)
                return
            self._limit = self._passed_limit()
            if self._limit:
                kill_group(self.pid)
                self.reap()

    def read(self, timeout_s: float) -> bool:
        """Take what the child has written; return whether there was anything."""
        if not self._sinks:
            # Both ways are closed: the child is ending, or closed its output early.
            time.sleep(min(timeout_s, 0.001))
            return False
        ready, _, _ = select.select(list(self._sinks), [], [], timeout_s)
        # Output first: to listen may take it away, and a read would then wait for more.
        for descriptor in sorted(ready, key=lambda fd: fd != self._output_fd):
            self._take(descriptor)
        return bool(ready)

    def _print(self, data: bytes) -> None:
        self._output.add(data)

    def _take(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, 1 << 20)
        except ConnectionResetError:
            data = b""
        if data:
            self._sinks[descriptor](data)
        else:
            del self._sinks[descriptor]

    def _listen(self, data: bytes) -> None:
        """Take what a child says turn by turn; one that talks nonsense is ended."""
        self._record += data
        while not self._limit and b"\n" in self._record:
            line, _, rest = bytes(self._record).partition(b"\n")
            self._record = bytearray(rest)
            # What was printed before a turn ended belongs to that turn.
            while self._has_output():
                self._take(self._output_fd)
            try:
                self._turn(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                self._limit = "nonsense"
                kill_group(self.pid)
                return
            with contextlib.suppress(OSError):  # It ended; the way it did says the rest.
                os.write(self._record_fd, b"\n")

    def _has_output(self) -> bool:
        if self._output_fd not in self._sinks:
            return False
        return bool(select.select([self._output_fd], [], [], 0)[0])

    def _turn(self, said: dict[str, Any]) -> None:
        assert self._turns is not None
        if "begin" in said:
            self._turns.running = said["begin"]
            self._limits = self._turns.limits_of(said["begin"])
        else:
            self._turns.running = None
            self._turns.ended(said.pop("end"), said, self.ending())
        self._started = time.monotonic()
        self._output = _Output(self._limits.output_kb * 1024)

    def reap(self) -> None:
        """Wait for the end of a child that was killed."""
        _, raw = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(raw)

    def _passed_limit(self) -> str | None:
        now = time.monotonic()
        if now - self._started > self._limits.timeout_s:
            return "timeout"
        if now < self._next_poll:
            return None
        self._next_poll = now + MEMORY_POLL_S
        if group_memory_mb(self.pid) > self._limits.memory_mb:
            return "oom"
        return "stopped" if self._stop() else None

    def ending(self) -> Ending:
        """Return how the child ended."""
        return Ending(
            status=self.status if self.status is not None else -signal.SIGKILL,
            limit=self._limit,
            record=bytes(self._record),
            output=self._output.text(),
            seconds=round(time.monotonic() - self._started, 4),
        )


def kill_group(pid: int) -> None:
    """Kill a process group; one that is gone is fine."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def adopt_orphans() -> None:
    """Make this process the parent of orphans below it (Linux), so that it can end them."""
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux)."""
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kill_children() -> None:
    """Kill and reap every child of this process, and the orphans that this makes its own."""
    deadline = time.monotonic() + 5
    while (pids := children()) and time.monotonic() < deadline:
        for pid in pids:
            kill_group(pid)
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue


def kill_tree(pid: int) -> None:
    """Kill a process and everything below it, whatever groups and sessions they made (Linux)."""
    below: dict[int, list[int]] = {}
    for process, fields in processes():
        below.setdefault(int(fields[1]), []).append(process)
    doomed = [pid]
    for parent in doomed:
        doomed += below.get(parent, [])
    kill_group(pid)
    for process in doomed:
        try:
            os.kill(process, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def children() -> list[int]:
    """Return the process ids of this process's children (Linux; elsewhere none)."""
    own = os.getpid()
    return [process for process, fields in processes() if int(fields[1]) == own]


def processes() -> Iterator[tuple[int, list[str]]]:
    """Yield every process with its state, parent, group, and so on (Linux; elsewhere none).

    The fields are those of ``/proc/PID/stat`` from the third on: proc(5).
    """
    if not LINUX:
        return
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(
                f"/proc/{entry.name}/stat", encoding="ascii", errors="replace"
            ) as file:
                # Behind the command's name, which may hold anything but ends at ')'.
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if len(fields) > 21:
            yield int(entry.name), fields


def group_memory_mb(group: int) -> float:
    """Return the resident memory of a process group in MiB, shared pages counted per process.

    Linux only; elsewhere 0, so no limit.
    """
    pages = sum(int(fields[21]) for _, fields in processes() if int(fields[2]) == group)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 if pages else 0.0
