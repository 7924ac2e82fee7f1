"""What one repro said in one cell.

Imported inside cells too, so it needs nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """A verdict: its stored name, its mark in a table, its terminal style, its meaning."""

    mark: str
    style: str
    meaning: str

    AFFECTED = "affected", "X", "bold red", "the declared symptom was seen"
    ERROR = "error", "E", "bold magenta", "the repro failed in an undeclared way"
    FLAKY = "flaky", "~", "bold yellow", "runs of the same cell disagreed"
    INSTALL = "untestable:install", "i", "dim", "the environment did not install"
    IMPORT = "untestable:import", "m", "dim", "Keras did not import as asked for"
    TIMEOUT = "untestable:timeout", "t", "dim", "the time limit passed, twice"
    CRASH = "untestable:crash", "c", "dim", "the interpreter died, twice"
    OOM = "untestable:oom", "o", "dim", "the memory limit was passed"
    NO_SPACE = "untestable:no-space", "d", "dim", "the disk was full"
    NETWORK = "untestable:network", "n", "dim", "the package index was out of reach"
    UNAFFECTED = "unaffected", ".", "green", "the promised behaviour was seen"
    NOT_APPLICABLE = "not-applicable", "-", "dim", "the release lacks the feature"

    def __new__(cls, name: str, mark: str, style: str, meaning: str) -> Verdict:
        """Make a member whose value is its stored name."""
        member = object.__new__(cls)
        member._value_ = name
        member.mark = mark
        member.style = style
        member.meaning = meaning
        return member

    @property
    def untestable(self) -> bool:
        """Whether the environment, not Keras, decided."""
        return self.value.startswith("untestable:")

    @property
    def known(self) -> bool:
        """Whether this says something about the release."""
        return self in (Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE)

    @property
    def passing_cause(self) -> bool:
        """Whether the environment is to blame, so that the next run should try again.

        A time-out, a crash or too much memory is the repro's doing, and came twice.
        """
        return self.untestable and self not in (Verdict.TIMEOUT, Verdict.CRASH, Verdict.OOM)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a repro from those of its tests.

    One test that shows the symptom is enough for ``affected``; below that, what is unknown
    outweighs what is fine. No tests at all is an ``error``: nothing was asked.
    """
    given = set(verdicts)
    # The order of the members is the order of precedence.
    return next((verdict for verdict in Verdict if verdict in given), Verdict.ERROR)
