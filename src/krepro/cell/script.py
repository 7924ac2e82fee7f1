"""Run a user's script in this process, as ``python SCRIPT ARGUMENTS`` would.

The script and what lies beside it are copied into the working folder first, so nothing that it
writes beside itself, or where it was started, is the user's.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import os
import runpy
import shutil
import sys
import time
import traceback
import unittest
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from krepro.cell import failure, recorder, trace
from krepro.cell.judge import text_of
from krepro.cell.recorder import Tape
from krepro.verdict import Verdict

RETURNED, RAISED, EXITED = "returned", "raised", "exited"


@dataclass(frozen=True)
class Script:
    """A script to run: ``name`` is its path inside ``kit``, a folder to be copied for the run.

    ``module`` is its dotted name where it is to run as ``python -m`` does; ``tape`` says how to
    record what it trains (None: not at all); ``variables`` of the environment are other than those
    of a cell, and have it run in a fresh process: backends read theirs once.
    """

    kit: Path
    name: str
    arguments: tuple[str, ...] = ()
    module: str = ""
    tape: Tape | None = None
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Script:
        """Read what ``dataclasses.asdict`` wrote, through JSON."""
        return cls(
            kit=Path(table["kit"]),
            name=table["name"],
            arguments=tuple(table["arguments"]),
            module=table["module"],
            tape=table["tape"] and Tape.from_table(table["tape"]),
            variables=table["variables"],
        )


def run(script: Script, record_fd: int, **facts: Any) -> None:
    """Run a script in the current folder, write how it ended, and leave the process."""
    here, process = Path.cwd(), os.getpid()
    try:
        shutil.copytree(script.kit, here, dirs_exist_ok=True, symlinks=True)
    except OSError as error:
        record = unfit(error) or {"verdict": Verdict.ERROR.value, "message": str(error)}
    else:
        path = here / script.name
        sys.argv[:] = [str(path), *script.arguments]
        sys.path[0:0] = [str(here if script.module else path.parent)]
        if script.tape:
            recorder.start(script.tape, here)
        started = time.monotonic()
        record = ending_of(path, script.module)
        record["ran_s"] = time.monotonic() - started
        if os.getpid() != process:
            # A child that the script forked, and that came to its own end.
            flush()
            os._exit(record.get("status", 1))
        try:
            recorder.finish()
        except OSError as error:
            record = unfit(error) or record
    record |= facts
    trace.finish()
    flush()
    with os.fdopen(record_fd, "w", encoding="utf-8") as file:
        json.dump(record, file)
    os._exit(0)


def flush() -> None:
    """Have what was printed be written."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # The script may have closed it.
            stream.flush()


def ending_of(path: Path, module: str = "") -> dict[str, Any]:
    """Run a script and return how it ended: ``ending``, and what goes with it."""
    own = {path, *path.parent.rglob("*.py")}
    try:
        # Read first: a script may remove itself.
        called, _ = sort_tests(ast.parse(path.read_bytes()))
        if module:
            names = runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            names = runpy.run_path(str(path), run_name="__main__")
        for name in called:
            names[name]()
    except SystemExit as error:
        return {"ending": EXITED, "status": exit_status(error)}
    except BaseException as error:
        with contextlib.suppress(Exception):
            traceback.print_exc()
        found = unfit(error)
        return found or {"ending": RAISED, "status": 1, **failure.describe(error, own)}
    return {"ending": RETURNED, "status": 0}


def unfit(error: BaseException) -> dict[str, Any] | None:
    """Return the verdict of an exception that says nothing of the script, or None.

    A test function may ask to be skipped, in the way of pytest or unittest.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return {"verdict": Verdict.NO_SPACE.value, "message": text_of(error)}
    outcomes = sys.modules.get("_pytest.outcomes")
    kinds = (unittest.SkipTest, *([outcomes.Skipped] if outcomes else []))
    if isinstance(error, kinds):
        return {"verdict": Verdict.NOT_APPLICABLE.value, "message": text_of(error)}
    return None


def exit_status(error: SystemExit) -> int:
    """Return the exit status that Python gives a process that ends so."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    with contextlib.suppress(Exception):
        print(error.code, file=sys.stderr)  # noqa: T201  As Python itself does.
    return 1


def sort_tests(tree: ast.Module) -> tuple[list[str], list[str]]:
    """Return the tests of a file that runs nothing by itself: those to call, and the others.

    The others want something of pytest's: an argument, or an object of a class.
    """
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (text or isinstance(node, quiet)):
            return [], []
    called: list[str] = []
    others: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            (others if node.args.args or node.args.kwonlyargs else called).append(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            others.append(node.name)
    return called, others
