"""Affected ranges from verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from krepro.ranges import describe, intervals, specifiers
from krepro.verdict import Verdict

RELEASES = [
    Version(v)
    for v in ("3.0.0", "3.1.0", "3.12.3", "3.12.4", "3.13.0", "3.14.0", "3.14.1", "3.15.0")
]
MEANING = {
    "X": Verdict.AFFECTED,
    ".": Verdict.UNAFFECTED,
    "-": Verdict.NOT_APPLICABLE,
    "?": None,
    "i": Verdict.INSTALL,
    "~": Verdict.FLAKY,
    "E": Verdict.ERROR,
}


def row(marks: str) -> dict[Version, Verdict | None]:
    return {release: MEANING[mark] for release, mark in zip(RELEASES, marks, strict=True)}


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ("........", "none"),
        ("XXXXXXXX", "all"),
        ("--------", "n/a"),
        ("????????", "?"),
        ("iiii~~EE", "?"),
        (".X......", "3.1.0"),
        (".XX.....", "3.1.0–3.12.3"),
        # Fixed on a patch line, not yet on the next minor: two intervals.
        ("XXX.XX.X", "3.0.0–3.12.3, 3.13.0–3.14.0, since 3.15.0"),
        (".?XX....", "?3.12.3–3.12.4"),
        (".iXX?...", "?3.12.3–3.12.4?"),
        (".X~X....", "3.1.0–3.12.4 (3.12.3?)"),
        ("...??...", "none of 6"),
        ("--...-..", "none"),
        ("XXXXXXX?", "3.0.0–3.14.1?"),
        ("...?..XX", "since 3.14.1 (3.12.4?)"),
        (".....?XX", "since ?3.14.1"),
        ("......X?", "3.14.1?"),
        # What is unknown is said wherever it lies.
        (".X..i.?.", "3.1.0 (3.13.0?, 3.14.1?)"),
    ],
)
def test_describe(marks: str, text: str) -> None:
    assert describe(row(marks), RELEASES) == text


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("........", []),
        ("XXXXXXXX", [">=3.0.0"]),
        (".XX.....", [">=3.1.0,<3.12.4"]),
        ("XXX.XX.X", [">=3.0.0,<3.12.4", ">=3.13.0,<3.14.1", ">=3.15.0"]),
    ],
)
def test_specifiers(marks: str, expected: list[str]) -> None:
    assert specifiers(row(marks), RELEASES) == expected


@given(st.text(alphabet="X.-", min_size=8, max_size=8))
def test_specifiers_say_exactly_what_was_measured(marks: str) -> None:
    found = [SpecifierSet(text) for text in specifiers(row(marks), RELEASES)]
    for release, verdict in row(marks).items():
        inside = any(specifier.contains(release) for specifier in found)
        assert inside is (verdict is Verdict.AFFECTED)


@given(st.text(alphabet="X.-?i~E", min_size=8, max_size=8))
def test_intervals_never_decide_what_is_unknown(marks: str) -> None:
    verdicts = row(marks)
    found = intervals(verdicts, list(reversed(RELEASES)))
    covered: set[Version] = set()
    for interval in found:
        assert verdicts[interval.first_bad] is Verdict.AFFECTED
        assert verdicts[interval.last_bad] is Verdict.AFFECTED
        inside = {r for r in RELEASES if interval.first_bad <= r <= interval.last_bad}
        assert not inside & covered
        covered |= inside
        for release in inside:
            verdict = verdicts[release]
            assert verdict is Verdict.AFFECTED or release in interval.inside
        if interval.first_fixed:
            assert verdicts[interval.first_fixed] in (
                Verdict.UNAFFECTED,
                Verdict.NOT_APPLICABLE,
            )
        for release in (*interval.before, *interval.inside, *interval.after):
            verdict = verdicts[release]
            assert verdict is None or not verdict.known
    bad = {r for r, v in verdicts.items() if v is Verdict.AFFECTED}
    assert bad <= covered
