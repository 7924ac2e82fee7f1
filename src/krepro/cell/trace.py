"""Note which functions of Keras a run calls, for those who ask what a run can reach.

What is called while Keras is imported is noted apart: every run calls that.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
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
        self._importing: dict[int, CodeType] = {}

    def imported(self) -> None:
        """Keras is imported: what is called from now on, the run calls."""
        self._importing, self._codes = self._codes, {}

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
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        imported = [
            file[len(self._prefix) :]
            for file in files
            if isinstance(file, str) and file.startswith(self._prefix)
        ]
        table = {
            "functions": self._named(self._codes),
            "importing": self._named(self._importing),
            "imported": sorted(imported),
        }
        path.write_text(json.dumps(table), encoding="utf-8")

    def _named(self, codes: Mapping[int, CodeType]) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for code in list(codes.values()):
            if code.co_filename.startswith(self._prefix):
                file = code.co_filename[len(self._prefix) :]
                found.setdefault(file, set()).add(code.co_qualname)
        return {file: sorted(names) for file, names in found.items()}


_CURRENT: list[tuple[Trace, Path]] = []


def start(folder: Path, output: Path) -> None:
    """Trace this process and its forks; what a fork ran is written by ``finish``."""
    trace = Trace(folder)
    _CURRENT.append((trace, output))
    trace.start()


def imported() -> None:
    """Say that Keras is imported, if this process is traced."""
    for trace, _ in _CURRENT:
        trace.imported()


def finish() -> None:
    """Write what ran, if this process is traced."""
    for trace, output in _CURRENT:
        trace.save(output)
