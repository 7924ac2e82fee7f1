"""Decide what an outcome of a test means. Pure: no I/O, no pytest, no Keras."""

from __future__ import annotations

import errno
import re
import unittest
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from krepro.verdict import Verdict

# Folders whose frames may stand between the repro and the assertion that fails for it.
ASSERTING_PACKAGES = ("/numpy/testing/", "/numpy/_utils/", "/unittest/", "/contextlib.py")


def matches(symptom: str, type_name: str, text: str) -> bool:
    """Whether an exception shows a declared symptom.

    A symptom reads ``ExceptionType: text``. The type is compared by name, the text is looked
    for anywhere in the message, and ``...`` stands for anything, as in doctest. A symptom
    without a text is the type alone.
    """
    wanted_type, _, wanted_text = symptom.partition(":")
    if wanted_type.strip() != type_name:
        return False
    pattern = ".*".join(re.escape(part) for part in wanted_text.strip().split("..."))
    return re.search(pattern, text, re.DOTALL) is not None


def raised_by(path: Path, traceback: TracebackType | None) -> bool:
    """Whether the repro at ``path`` raised, by itself or by an assertion helper it called.

    Keras has assertions of its own; one that fails there is not the repro's.
    """
    files = []
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    own = [n for n, file in enumerate(files) if Path(file) == path]
    if not own:
        return False
    below = files[own[-1] + 1 :]
    return all(
        any(part in Path(file).as_posix() for part in ASSERTING_PACKAGES) for file in below
    )


def judge(
    error: BaseException | None,
    *,
    path: Path,
    symptoms: Iterable[str],
    skipped: bool = False,
) -> Verdict:
    """Return the verdict of one test from how it ended.

    Args:
        error: what the test raised, or None.
        path: the repro's file.
        symptoms: the declared symptoms.
        skipped: the test asked to be skipped, in pytest's way.
    """
    if error is None:
        return Verdict.UNAFFECTED
    if skipped or isinstance(error, unittest.SkipTest):
        return Verdict.NOT_APPLICABLE
    own = isinstance(error, AssertionError) and raised_by(path, error.__traceback__)
    name = type(error).__name__
    if own or any(matches(symptom, name, text_of(error)) for symptom in symptoms):
        return Verdict.AFFECTED
    if isinstance(error, MemoryError):
        return Verdict.OOM
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Verdict.NO_SPACE
    return Verdict.ERROR


def text_of(error: BaseException) -> str:
    """Return the message of an exception, even of one that has none to give.

    What UTF-8 cannot say (half of a surrogate pair) is escaped.
    """
    try:
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception as failure:
        return f"(no message: {type(failure).__name__})"


def one_line(text: str, limit: int = 300) -> str:
    """Return a text as one line of at most ``limit`` characters, its end kept."""
    line = " ".join(text.split())
    return line if len(line) <= limit else "… " + line[-limit:]
