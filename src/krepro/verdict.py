"""What one repro said in one cell.

Imported inside cells too, so it needs nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """A verdict, by its stored name. The order is the order of precedence in ``combine``."""

    AFFECTED = "affected"
    ERROR = "error"
    FLAKY = "flaky"
    INSTALL = "untestable:install"
    IMPORT = "untestable:import"
    TIMEOUT = "untestable:timeout"
    CRASH = "untestable:crash"
    OOM = "untestable:oom"
    NO_SPACE = "untestable:no-space"
    NETWORK = "untestable:network"
    UNAFFECTED = "unaffected"
    NOT_APPLICABLE = "not-applicable"

    @property
    def mark(self) -> str:
        """One character for a table."""
        return _LOOKS[self].mark

    @property
    def style(self) -> str:
        """The style on a terminal, in rich's words."""
        return _LOOKS[self].style

    @property
    def meaning(self) -> str:
        """What the verdict says, in a few words."""
        return _LOOKS[self].meaning

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


class _Look(NamedTuple):
    mark: str
    style: str
    meaning: str


_LOOKS = {
    Verdict.AFFECTED: _Look("X", "bold red", "the declared symptom was seen"),
    Verdict.ERROR: _Look("E", "bold magenta", "the repro failed in an undeclared way"),
    Verdict.FLAKY: _Look("~", "bold yellow", "runs of the same cell disagreed"),
    Verdict.INSTALL: _Look("i", "dim", "the environment did not install"),
    Verdict.IMPORT: _Look("m", "dim", "Keras did not import as asked for"),
    Verdict.TIMEOUT: _Look("t", "dim", "the time limit passed, twice"),
    Verdict.CRASH: _Look("c", "dim", "the interpreter died, twice"),
    Verdict.OOM: _Look("o", "dim", "the memory limit was passed"),
    Verdict.NO_SPACE: _Look("d", "dim", "the disk was full"),
    Verdict.NETWORK: _Look("n", "dim", "the package index was out of reach"),
    Verdict.UNAFFECTED: _Look(".", "green", "the promised behaviour was seen"),
    Verdict.NOT_APPLICABLE: _Look("-", "dim", "the release lacks the feature"),
}


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a repro from those of its tests.

    One test that shows the symptom is enough for ``affected``; below that, what is unknown
    outweighs what is fine. No tests at all is an ``error``: nothing was asked.
    """
    given = set(verdicts)
    return next((verdict for verdict in Verdict if verdict in given), Verdict.ERROR)
