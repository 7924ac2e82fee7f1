"""A zygote: a process that imported all that Keras imports except Keras, and forks cells.

Usage: ``boot.py krepro.cell.zygote SOCKET_FD BACKEND PRELOAD_FILE``. Jobs come over the
socket, each a line of JSON with a file descriptor for the cell's events. The zygote ends when
the other end of the socket is closed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from krepro.cell import identity, session
from krepro.cell.cell import Cell, Events, Job
from krepro.cell.supervise import die_with_parent

# Imported by most repros and by pytest on the way; cheaper once than in every fork.
ALWAYS = ("unittest", "numpy", "numpy.testing", "unittest.mock", "_pytest.python_api")


def preload(backend: str, modules: list[str]) -> None:
    """Import the backend and everything Keras was seen to import, but not Keras."""
    if backend:
        importlib.import_module(backend)
    for name in (*ALWAYS, *modules):
        if name in sys.modules:
            continue
        try:
            importlib.import_module(name)
        except BaseException:  # A module that is not there now is imported when needed.
            sys.modules.pop(name, None)
    identity.drop_keras()


def receive(connection: socket.socket) -> tuple[str, list[int]]:
    """Return the next line and the descriptors that came with it; empty at the end."""
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        chunk, received, _, _ = socket.recv_fds(connection, 1 << 16, 4)
        descriptors += received
        if not chunk:
            return "", descriptors
        data += chunk
    return data.decode(), descriptors


def serve(connection: socket.socket) -> None:
    """Fork a cell for every job, until the engine goes away."""
    # Cells are reaped by the kernel; the engine sees their end at their events' end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        line, descriptors = receive(connection)
        if not line:
            return
        events_fd = descriptors[0]
        pid = os.fork()
        if pid == 0:
            connection.close()
            start_cell(line, events_fd)
        os.close(events_fd)


def start_cell(line: str, events_fd: int) -> None:
    """Run a job in this fork; does not return."""
    try:
        os.setsid()
        die_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        events = Events(events_fd)
        events.tell("started", pid=os.getpid())
        Cell(Job.from_json(line), events).run_forked()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Preload, say so, serve."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    backend, preload_file = sys.argv[2], Path(sys.argv[3])
    started = time.monotonic()
    modules = json.loads(preload_file.read_text()) if preload_file.exists() else []
    preload(backend, modules)
    session.warm_up()
    gc.collect()
    gc.freeze()
    ready = {"ready": round(time.monotonic() - started, 3), "pid": os.getpid()}
    connection.sendall(json.dumps(ready).encode() + b"\n")
    serve(connection)


if __name__ == "__main__":
    main()
