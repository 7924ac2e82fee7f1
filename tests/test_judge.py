"""How the outcome of a test is judged."""

from __future__ import annotations

import errno
import unittest
from pathlib import Path

import numpy as np
import pytest

from krepro.cell.judge import judge, matches, one_line
from krepro.verdict import Verdict

HERE = Path(__file__)
NONE_SYMPTOM = "AttributeError: 'NoneType' object has no attribute 'update_state'"


def caught(function: object, *args: object) -> BaseException:
    try:
        function(*args)  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fails() -> None:
    assert False, "planted"  # noqa: B011, PT015


def numpy_fails() -> None:
    np.testing.assert_allclose(np.zeros(2), np.ones(2))


def unittest_fails() -> None:
    unittest.TestCase().assertEqual(1, 2)


@pytest.mark.parametrize("function", [fails, numpy_fails, unittest_fails])
def test_an_assertion_of_the_repro_is_the_symptom(function: object) -> None:
    error = caught(function)
    assert judge(error, path=HERE, symptoms=[]) is Verdict.AFFECTED


def test_an_assertion_of_somebody_else_is_an_error() -> None:
    """The same exceptions, looked at as if another file were the repro."""
    error = caught(fails)
    assert judge(error, path=Path("other.py"), symptoms=[]) is Verdict.ERROR


def test_an_assertion_inside_what_the_repro_called_is_an_error(tmp_path: Path) -> None:
    library = tmp_path / "keras.py"
    library.write_text("def f():\n    assert False\n")
    namespace: dict[str, object] = {}
    exec(compile(library.read_text(), str(library), "exec"), namespace)
    error = caught(namespace["f"])
    assert judge(error, path=HERE, symptoms=[]) is Verdict.ERROR


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, Verdict.UNAFFECTED),
        (unittest.SkipTest("no such feature"), Verdict.NOT_APPLICABLE),
        (
            AttributeError("'NoneType' object has no attribute 'update_state'"),
            Verdict.AFFECTED,
        ),
        (AttributeError("another attribute"), Verdict.ERROR),
        (ValueError("'NoneType' object has no attribute 'update_state'"), Verdict.ERROR),
        (MemoryError(), Verdict.OOM),
        (OSError(errno.ENOSPC, "No space left on device"), Verdict.NO_SPACE),
        (OSError(errno.ENOENT, "No such file"), Verdict.ERROR),
        (SystemExit(0), Verdict.ERROR),
    ],
)
def test_exceptions(error: BaseException | None, verdict: Verdict) -> None:
    assert judge(error, path=HERE, symptoms=[NONE_SYMPTOM]) is verdict


@pytest.mark.parametrize(
    ("symptom", "text", "expected"),
    [
        ("ValueError", "anything", True),
        ("ValueError: shapes", "in user code: shapes differ", True),
        ("ValueError: shapes ... differ", "shapes (2,)\nand (3,) differ", True),
        ("ValueError: a.c", "abc", False),
        ("ValueError: (2, 3)", "shape (2, 3) is wrong", True),
        ("KeyError: shapes", "shapes", False),
    ],
)
def test_symptoms(symptom: str, text: str, expected: bool) -> None:
    assert matches(symptom, "ValueError", text) is expected


def test_one_line() -> None:
    assert one_line("a\n  b\t c") == "a b c"
    assert one_line("x" * 400 + "end", 10) == "… xxxxxxxend"
