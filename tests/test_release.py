"""Releases as a tree, and how selectors mean some of them."""

from __future__ import annotations

import pytest
from packaging.version import Version

from krepro.release import UnknownRelease, lines, select, select_all

KNOWN = [Version(v) for v in ("3.10.0", "3.2.0", "3.2.1", "3.9.0", "3.9.2", "3.9.1")]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("newest", ["3.10.0"]),
        ("3.9.1", ["3.9.1"]),
        (" 3.9.1 ", ["3.9.1"]),
        (">=3.9.1", ["3.9.1", "3.9.2", "3.10.0"]),
        (">=3.2,<3.9.1", ["3.2.0", "3.2.1", "3.9.0"]),
        ("==3.9.*", ["3.9.0", "3.9.1", "3.9.2"]),
        ("3.2.1..3.9.1", ["3.2.1", "3.9.0", "3.9.1"]),
        ("3.9.2..newest", ["3.9.2", "3.10.0"]),
        ("first-of-line", ["3.2.0", "3.9.0", "3.10.0"]),
        ("newest-of-line", ["3.2.1", "3.9.2", "3.10.0"]),
    ],
)
def test_select(selector: str, expected: list[str]) -> None:
    assert [str(release) for release in select(selector, KNOWN)] == expected


@pytest.mark.parametrize(
    "selector", ["3.9.9", ">=4", "latest", "", "  ", "3.9.9..3.10.0", "=>3"]
)
def test_selecting_nothing_is_an_error(selector: str) -> None:
    with pytest.raises(UnknownRelease):
        select(selector, KNOWN)


def test_a_union_has_each_release_once() -> None:
    found = select_all(["newest", ">=3.9.2", "3.2.0"], KNOWN)
    assert [str(release) for release in found] == ["3.2.0", "3.9.2", "3.10.0"]


def test_lines() -> None:
    found = {line: [str(r) for r in releases] for line, releases in lines(KNOWN).items()}
    assert list(found) == ["3.2", "3.9", "3.10"]
    assert found["3.9"] == ["3.9.0", "3.9.1", "3.9.2"]
