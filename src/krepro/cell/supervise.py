"""Run one child process under limits and clean up after it, whatever it did.

Used inside a cell (the child is a fork) and by the engine (the child is a fresh process).
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass
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
            self.head.decode("utf-8", "replace")
            + middle
            + tail.decode("utf-8", "replace")
        )


def supervise(
    start: Callable[[int, int, Path], int],
    limits: Limits,
    scratch: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    sole_child: bool = False,
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

    Returns:
        How the child ended. When this returns, no process of the child's is left.
    """
    record_read, record_write = os.pipe()
    output_read, output_write = os.pipe()
    folder = Path(tempfile.mkdtemp(prefix="repro-", dir=scratch))
    ending = Ending()
    output = _Output(limits.output_kb * 1024)
    record = bytearray()
    started = time.monotonic()
    pid = start(record_write, output_write, folder)
    os.close(record_write)
    os.close(output_write)
    sinks: dict[int, Callable[[bytes], object]] = {
        record_read: record.extend,
        output_read: output.add,
    }
    deadline = started + limits.timeout_s
    next_poll = started + MEMORY_POLL_S
    status: int | None = None
    try:
        while status is None:
            ready, _, _ = select.select(list(sinks), [], [], _patience(started))
            for descriptor in ready:
                data = os.read(descriptor, 1 << 20)
                if data:
                    sinks[descriptor](data)
                else:
                    del sinks[descriptor]
            done, raw = os.waitpid(pid, os.WNOHANG)
            if done:
                status = os.waitstatus_to_exitcode(raw)
                break
            now = time.monotonic()
            if not sinks:
                time.sleep(0.002)
            if now > deadline:
                ending.limit = "timeout"
            elif now > next_poll:
                next_poll = now + MEMORY_POLL_S
                if group_memory_mb(pid) > limits.memory_mb:
                    ending.limit = "oom"
                elif stop():
                    ending.limit = "stopped"
            if ending.limit:
                kill_group(pid)
                _, raw = os.waitpid(pid, 0)
                status = os.waitstatus_to_exitcode(raw)
    finally:
        kill_group(pid)
        if status is None:
            os.waitpid(pid, 0)
        if sole_child:
            kill_children()
        _drain(sinks)
        os.close(record_read)
        os.close(output_read)
        shutil.rmtree(folder, ignore_errors=True)
    ending.status = status if status is not None else -signal.SIGKILL
    ending.record = bytes(record)
    ending.output = output.text()
    ending.seconds = round(time.monotonic() - started, 4)
    return ending


def _patience(started: float) -> float:
    """Return how long to wait for a sign of life: short at first, then longer."""
    return min(0.05, max(0.002, (time.monotonic() - started) / 20))


def _drain(sinks: dict[int, Callable[[bytes], object]]) -> None:
    """Read what is still in the pipes; their writers are gone."""
    while sinks:
        ready, _, _ = select.select(list(sinks), [], [], 0)
        if not ready:
            return
        for descriptor in ready:
            data = os.read(descriptor, 1 << 20)
            if data:
                sinks[descriptor](data)
            else:
                del sinks[descriptor]


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
        ctypes.CDLL(None, use_errno=True).prctl(
            PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0
        )


def kill_children() -> None:
    """Kill and reap every child of this process."""
    for pid in children():
        kill_group(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def children() -> list[int]:
    """Return the process ids of this process's children (Linux; elsewhere none)."""
    try:
        tasks = Path("/proc/self/task")
        return [
            int(pid)
            for task in tasks.iterdir()
            for pid in (task / "children").read_text().split()
        ]
    except OSError:
        return []


def group_memory_mb(group: int) -> float:
    """Return the resident memory of a process group in MiB, shared pages counted per process.

    Linux only; elsewhere 0, so no limit.
    """
    if not LINUX:
        return 0.0
    pages = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/stat", encoding="ascii", errors="replace") as f:
                # Fields after the command's name, which may hold anything but ends at ')'.
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if len(fields) > 21 and int(fields[2]) == group:
            pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
