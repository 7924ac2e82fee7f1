"""Verdicts and how they combine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krepro.verdict import Verdict, combine

verdicts = st.sampled_from(Verdict)


def test_nothing_asked_is_an_error() -> None:
    assert combine([]) is Verdict.ERROR


@given(st.lists(verdicts, min_size=1))
def test_combining(given_: list[Verdict]) -> None:
    combined = combine(given_)
    assert combined in given_
    assert combine(reversed(given_)) is combined
    if Verdict.AFFECTED in given_:
        assert combined is Verdict.AFFECTED


@pytest.mark.parametrize("unknown", [v for v in Verdict if not v.known])
def test_unknown_is_never_drawn_as_fine(unknown: Verdict) -> None:
    assert combine([Verdict.UNAFFECTED, unknown]) is unknown
    assert "green" not in unknown.style


def test_marks_tell_verdicts_apart() -> None:
    assert len({verdict.mark for verdict in Verdict}) == len(Verdict)
    assert all(len(verdict.mark) == 1 and verdict.meaning for verdict in Verdict)
