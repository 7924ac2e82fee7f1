"""Run a user's script in this process, as ``python SCRIPT ARGUMENTS`` would.

The script and what lies beside it are copied into the working folder first, so nothing that it
writes beside itself, or where it was started, is the user's.
"""

from __future__ import annotations

import ast
import json
import os
import runpy
import shutil
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from krepro.cell import failure, trace

RETURNED, RAISED, EXITED = "returned", "raised", "exited"


@dataclass(frozen=True)
class Script:
    """A script to run: ``name`` is its path inside ``kit``, a folder to be copied for the run.

    ``extra`` are folders with packages that the stack lacks.
    """

    kit: Path
    name: str
    arguments: tuple[str, ...] = ()
    extra: tuple[Path, ...] = ()

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Script:
        """Read what ``dataclasses.asdict`` wrote, through JSON."""
        return cls(
            kit=Path(table["kit"]),
            name=table["name"],
            arguments=tuple(table["arguments"]),
            extra=tuple(Path(path) for path in table["extra"]),
        )


def run(script: Script, record_fd: int, **facts: Any) -> None:
    """Run a script in the current folder, write how it ended, and leave the process."""
    here = Path.cwd()
    shutil.copytree(script.kit, here, dirs_exist_ok=True, symlinks=True)
    path = here / script.name
    sys.argv[:] = [str(path), *script.arguments]
    sys.path[0:0] = [str(path.parent)]
    sys.path.extend(map(str, script.extra))
    record = {**ending_of(path), **facts}
    trace.finish()
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(record_fd, "w", encoding="utf-8") as file:
        json.dump(record, file)
    os._exit(0)


def ending_of(path: Path) -> dict[str, Any]:
    """Run a script and return how it ended: ``ending``, and what goes with it."""
    own = set(path.parent.rglob("*.py"))
    try:
        names = runpy.run_path(str(path), run_name="__main__")
        for name in tests_only(path):
            names[name]()
    except SystemExit as error:
        return {"ending": EXITED, "status": exit_status(error)}
    except BaseException as error:
        traceback.print_exc()
        return {"ending": RAISED, "status": 1, **failure.describe(error, own)}
    return {"ending": RETURNED, "status": 0}


def exit_status(error: SystemExit) -> int:
    """Return the exit status that Python gives a process that ends so."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201  As Python itself does.
    return 1


def tests_only(path: Path) -> list[str]:
    """Return the test functions of a file that runs nothing by itself, as pytest files do."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (text or isinstance(node, quiet)):
            return []
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not node.args.args
    ]
