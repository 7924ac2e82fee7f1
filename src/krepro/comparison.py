"""What one release does otherwise than another, entry by entry and backend by backend. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from krepro.matrix import Cell, Stack
from krepro.report import Exit, Report
from krepro.repro import Repro
from krepro.result import Measurement
from krepro.upgrade.known import effect_of
from krepro.verdict import Verdict

NO_VERDICT = (Verdict.ERROR, Verdict.FLAKY)


class Change(StrEnum):
    """What became of one behaviour; what is worse first."""

    GAINED = "gained"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    LOST = "lost"
    OTHER = "changed"
    KEPT = "kept"

    @property
    def meaning(self) -> str:
        """What it says, in a few words."""
        return MEANINGS[self]

    @property
    def harmful(self) -> bool:
        """Whether it is a reason not to take the new release."""
        return self in (Change.GAINED, Change.BROKEN)


MEANINGS = {
    Change.GAINED: "affected, and was not",
    Change.BROKEN: "no verdict any more, or a workaround that no longer works",
    Change.UNKNOWN: "not known on one side",
    Change.LOST: "affected before, and no longer",
    Change.OTHER: "changed in another way",
    Change.KEPT: "affected on both, or no verdict on either",
}


@dataclass(frozen=True)
class Entry:
    """What became of one repro on one stack, or of one of its workarounds (``function``).

    ``before`` and ``after`` are verdicts (None: not measured), ``message`` what the new release said,
    or why one of the two said nothing.
    """

    repro: Repro
    stack: Stack
    change: Change
    before: Verdict | None
    after: Verdict | None
    message: str = ""
    function: str = ""

    @property
    def name(self) -> str:
        """The repro, and the workaround if it is about one."""
        return f"{self.repro.id}: {self.function}" if self.function else self.repro.id

    @property
    def turn(self) -> str:
        """Both verdicts."""
        sides = [v.value if v else "not measured" for v in (self.before, self.after)]
        return sides[0] if sides[0] == sides[1] else " → ".join(sides)


@dataclass(frozen=True)
class Comparison:
    """What a release does otherwise than an older one; ``asked`` is how much was compared."""

    old: Version
    new: Version
    stacks: tuple[Stack, ...]
    entries: tuple[Entry, ...]
    asked: int = 0

    def of(self, change: Change) -> list[Entry]:
        """Return the entries of one kind, in order of name."""
        found = [entry for entry in self.entries if entry.change is change]
        return sorted(found, key=lambda entry: entry.name)

    def counts(self, stack: Stack) -> Counter[Change]:
        """Return how many repros of each kind there are on a stack, workarounds counted too."""
        return Counter(entry.change for entry in self.entries if entry.stack == stack)

    def exit_code(self) -> Exit:
        """Return the exit code: new bugs are findings, mended ones are none; then come gaps."""
        if any(entry.change.harmful for entry in self.entries):
            return Exit.FINDINGS
        return Exit.INCOMPLETE if self.of(Change.UNKNOWN) else Exit.AS_EXPECTED


def compare(
    report: Report, old: Version, new: Version, stacks: Sequence[Stack]
) -> Comparison:
    """Return what a report knows of two releases, on the stacks that serve the new one."""
    serving = tuple(stack for stack in stacks if stack.serves(new))
    cells = set(report.cells)
    entries: list[Entry] = []
    asked = 0
    for stack in serving:
        ends = Cell(stack.name, str(old)), Cell(stack.name, str(new))
        if ends[1] not in cells:
            continue
        for repro in report.repros:
            asked += 1
            before, after = (report.measurement(cell, repro) for cell in ends)
            entries += _entries(repro, stack, before, after)
    return Comparison(old, new, serving, tuple(entries), asked)


def _entries(
    repro: Repro, stack: Stack, before: Measurement | None, after: Measurement | None
) -> Iterator[Entry]:
    was, is_ = (found.verdict if found else None for found in (before, after))
    change = change_of(was, is_)
    if change:
        # Of two that say something, the new one is news; a gap is told by whoever has it.
        silent = [m for m in (after, before) if m and m.verdict.untestable]
        told = next(iter(silent), after)
        yield Entry(repro, stack, change, was, is_, told.message if told else "")
    if before is None or after is None:
        return
    for name, outcome in after.workarounds.items():
        old = before.workarounds.get(name)
        said = outcome.verdict
        worked = old is not None and old.verdict is Verdict.UNAFFECTED
        works = said is Verdict.UNAFFECTED
        fails = said is Verdict.AFFECTED or said in NO_VERDICT
        if worked and fails:
            change = Change.BROKEN
        elif works and old is not None and old.verdict is Verdict.AFFECTED:
            change = Change.OTHER
        else:
            continue
        assert old is not None
        yield Entry(repro, stack, change, old.verdict, said, outcome.message, name)


def change_of(before: Verdict | None, after: Verdict | None) -> Change | None:
    """Return what a pair of verdicts means, or None where nothing changed and nothing is bad."""
    if any(v is None or v.untestable for v in (before, after)):
        return Change.UNKNOWN
    if before is after and before in NO_VERDICT:
        return Change.KEPT
    if after in NO_VERDICT:
        return Change.BROKEN
    if before in NO_VERDICT:
        return Change.OTHER
    effect = effect_of(before, after)
    if effect is None:
        return None if before is after else Change.OTHER
    return Change(effect.value)


def together(entries: Sequence[Entry]) -> list[tuple[Entry, list[str]]]:
    """Return entries that say the same of several backends as one, with the backends."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.name, entry.turn), []).append(entry)
    return [(same[0], [entry.stack.backend for entry in same]) for same in groups.values()]
