"""Describe how a run failed, in plain data that two runs can be compared by.

Runs inside cells: nothing but the standard library (and whatever Keras has imported).
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from krepro.cell.judge import one_line, raised_by, text_of

# What is worth keeping of a value: enough to tell two apart, never a whole array.
MOST_ITEMS = 16
MOST_TEXT = 300
MOST_MESSAGE = 20_000
DEPTH = 3


def describe(error: BaseException, own: Collection[Path]) -> dict[str, Any]:
    """Return an exception as plain data.

    Args:
        error: what was raised.
        own: the user's files, as Python names them.

    Returns:
        ``type``, ``message`` (a short line) and ``text`` (all of it, where that is more);
        ``assertion``: whether an ``assert`` of the user's own files
        failed; ``where``: the innermost statement of theirs (``file``, ``line``, ``function``,
        ``statement``); ``observed``: for an assertion, the plain values of the names in it;
        ``keras``: the frames inside Keras, outermost first.
    """
    frames = list(frames_of(error.__traceback__))
    mine = [(frame, line) for frame, line in frames if is_own(frame, own)]
    assertion = isinstance(error, AssertionError) and any(
        raised_by(path, error.__traceback__) for path in own
    )
    text = text_of(error)
    message = one_line(text)
    found: dict[str, Any] = {
        "type": type(error).__name__,
        "message": message,
        "text": "" if text == message else text[:MOST_MESSAGE],
        "assertion": assertion,
        "keras": [name for frame, _ in frames if (name := keras_name(frame))],
    }
    if mine:
        frame, line = mine[-1]
        statement = statement_at(frame, line)
        found["where"] = {
            "file": Path(frame.f_code.co_filename).name,
            "line": line,
            "function": frame.f_code.co_name,
            "statement": one_line(ast.unparse(statement)) if statement else "",
        }
        if assertion and statement:
            found["observed"] = observed(statement, frame)
    return found


def frames_of(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a traceback, outermost first, each with its line."""
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def is_own(frame: FrameType, own: Collection[Path]) -> bool:
    """Whether a frame runs code of the user's files."""
    return Path(frame.f_code.co_filename) in own


def keras_name(frame: FrameType) -> str:
    """Return ``src/trainers/trainer.py: Trainer.compile`` for a frame inside Keras, else nothing."""
    keras = sys.modules.get("keras")
    file = getattr(keras, "__file__", None)
    if not file:
        return ""
    folder = Path(file).parent
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(folder):
        return ""
    name = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
    return f"{path.relative_to(folder).as_posix()}: {name}"


def statement_at(frame: FrameType, line: int) -> ast.AST | None:
    """Return the innermost statement at a line of a frame's file; of a block, only its head."""
    try:
        # As bytes: a file may declare another encoding than UTF-8.
        tree = ast.parse(Path(frame.f_code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    return innermost(tree, line)


def innermost(tree: ast.Module, line: int) -> ast.AST | None:
    """Return the innermost statement at a line of a module; of a block, only its head."""
    found = None
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            found = node if found is None or node.lineno >= found.lineno else found
    if found is None:
        return None
    head = getattr(found, "test", None) or getattr(found, "iter", None)
    return head if hasattr(found, "body") and head is not None else found


def observed(statement: ast.AST, frame: FrameType) -> dict[str, str]:
    """Return the plain values of the names in a statement."""
    names = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    values = {**frame.f_globals, **frame.f_locals}
    found = {}
    for name in sorted(names & values.keys()):
        value = None
        with contextlib.suppress(Exception):
            value = plain(values[name])
        if value is not None:
            found[name] = value[:MOST_TEXT]
    return found


def plain(value: Any, depth: int = DEPTH) -> str | None:
    """Return a value in a few characters if it is plain data, else None."""
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _inside(value.items(), depth, "{}") if len(value) <= MOST_ITEMS else None
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return _inside(items, depth, "[]") if len(value) <= MOST_ITEMS else None
    return _array(value) if hasattr(value, "__array__") else None


def _inside(items: Collection[Any], depth: int, brackets: str) -> str | None:
    if not depth:
        return None
    parts = [plain(item, depth - 1) for item in items]
    if any(part is None for part in parts):
        return None
    return brackets[0] + ", ".join(map(str, parts)) + brackets[1]


def _array(value: Any) -> str | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    array = numpy.asarray(value)
    if array.dtype.kind not in "biuf":
        return None
    if array.size <= MOST_ITEMS:
        return plain(array.tolist(), depth=array.ndim + 1) or "[]"
    mean = float(array.astype("float64").mean())
    return f"{array.dtype}{list(array.shape)} mean {mean:.6g}"
