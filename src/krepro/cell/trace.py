"""Note which functions of Keras a run calls, for those who ask what a run can reach."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Trace:
    """The code objects below a folder that ran in this process and its forks."""

    def __init__(self, folder: Path) -> None:
        """Look only at files below ``folder``."""
        self._prefix = f"{folder}{os.sep}"
        # By identity: a code object's own hash looks at all that is in it.
        self._codes: dict[int, CodeType] = {}

    def start(self) -> None:
        """Begin, in this thread and in those that it starts."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            self._codes[id(code)] = code

    def save(self, path: Path) -> None:
        """Write what ran: qualified names of functions by file, and imported files."""
        sys.setprofile(None)
        functions: dict[str, set[str]] = {}
        for code in list(self._codes.values()):
            if code.co_filename.startswith(self._prefix):
                file = code.co_filename[len(self._prefix) :]
                functions.setdefault(file, set()).add(code.co_qualname)
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        imported = [
            file[len(self._prefix) :]
            for file in files
            if isinstance(file, str) and file.startswith(self._prefix)
        ]
        table = {name: sorted(names) for name, names in functions.items()}
        data = json.dumps({"functions": table, "imported": sorted(imported)})
        path.write_text(data, encoding="utf-8")


_CURRENT: list[tuple[Trace, Path]] = []


def start(folder: Path, output: Path) -> None:
    """Trace this process and its forks; what a fork ran is written by ``finish``."""
    trace = Trace(folder)
    _CURRENT.append((trace, output))
    trace.start()


def finish() -> None:
    """Write what ran, if this process is traced."""
    for trace, output in _CURRENT:
        trace.save(output)
