"""What the stored verdicts say of an upgrade: bugs gained, lost and kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from krepro.matrix import Cell, Stack
from krepro.report import Report
from krepro.repro import Repro
from krepro.verdict import Verdict


class Effect(StrEnum):
    """What an upgrade does to one behaviour."""

    GAINED = "gained"
    LOST = "lost"
    KEPT = "kept"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class End:
    """One end of an upgrade: a release on the stack of a backend."""

    release: Version
    stack: Stack

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.stack.name, str(self.release))

    def __str__(self) -> str:
        return f"{self.release}@{self.stack.backend}"


@dataclass(frozen=True)
class Consequence:
    """What an upgrade does to the behaviour that one entry shows.

    ``before`` and ``after`` are its verdicts (None: not measured), ``workarounds`` those that work
    on the new release.
    """

    repro: Repro
    effect: Effect
    before: Verdict | None
    after: Verdict | None
    workarounds: tuple[str, ...] = ()

    @property
    def deliberate(self) -> bool:
        """Whether upstream announced it as a change."""
        return self.repro.kind == "change"


@dataclass(frozen=True)
class Ranked:
    """A release as a goal of an upgrade: what it would bring."""

    end: End
    gained: tuple[Repro, ...]
    lost: tuple[Repro, ...]
    kept: tuple[Repro, ...]

    @property
    def badness(self) -> tuple[int, int, int]:
        """The order of merit: what is silently wrong counts first, then what is gained at all."""
        silent = sum(repro.kind == "silent" for repro in (*self.gained, *self.kept))
        return silent, len(self.gained) + len(self.kept), len(self.gained)


def consequences(
    report: Report, old: End, new: End, repros: Sequence[Repro] | None = None
) -> list[Consequence]:
    """Return what an upgrade does to the behaviours that entries show, gained ones first.

    Args:
        report: the stored verdicts.
        old: where the code runs now.
        new: where it is to run.
        repros: the entries that matter (None: all).
    """
    found = []
    for repro in report.repros if repros is None else repros:
        before = report.verdict(old.cell, repro)
        after = report.verdict(new.cell, repro)
        effect = effect_of(before, after)
        if effect is None:
            continue
        found.append(
            Consequence(repro, effect, before, after, tuple(working(report, new, repro)))
        )
    order = list(Effect)
    kinds = ("silent", "crash", "divergence", "change")
    found.sort(key=lambda c: (order.index(c.effect), kinds.index(c.repro.kind), c.repro.id))
    return found


def effect_of(before: Verdict | None, after: Verdict | None) -> Effect | None:
    """Return what a pair of verdicts means, or None where nothing is to say."""
    facts = [verdict is not None and verdict.known for verdict in (before, after)]
    bad = [verdict is Verdict.AFFECTED for verdict in (before, after)]
    if bad == [True, True]:
        return Effect.KEPT
    if all(facts):
        if bad[0]:
            return Effect.LOST
        return Effect.GAINED if bad[1] else None
    return Effect.UNKNOWN


def working(report: Report, end: End, repro: Repro) -> Iterator[str]:
    """Yield the workarounds that were seen to work at an end."""
    found = report.measurement(end.cell, repro)
    for name, outcome in (found.workarounds if found else {}).items():
        if outcome.verdict is Verdict.UNAFFECTED:
            yield name


def ranking(
    report: Report, old: End, repros: Sequence[Repro] | None = None
) -> list[Ranked]:
    """Return every release on the backend as a goal, the best first, the newest of equals."""
    ranked = []
    for cell in report.cells:
        if cell.stack != old.stack.name:
            continue
        end = End(Version(cell.release), old.stack)
        found = consequences(report, old, end, repros)
        by_effect = {
            effect: tuple(c.repro for c in found if c.effect is effect) for effect in Effect
        }
        ranked.append(
            Ranked(
                end,
                by_effect[Effect.GAINED],
                by_effect[Effect.LOST],
                by_effect[Effect.KEPT],
            )
        )
    ranked.sort(key=lambda r: r.end.release, reverse=True)
    ranked.sort(key=lambda r: r.badness)
    return ranked


def nearest_without(
    report: Report, new: End, repros: Sequence[Repro]
) -> tuple[End | None, End | None]:
    """Return the nearest releases below and above that have none of some bugs."""
    free = []
    for cell in report.cells:
        if cell.stack != new.stack.name:
            continue
        end = End(Version(cell.release), new.stack)
        verdicts = [report.verdict(cell, repro) for repro in repros]
        if all(v is not None and v.known and v is not Verdict.AFFECTED for v in verdicts):
            free.append(end)
    below = [end for end in free if end.release < new.release]
    above = [end for end in free if end.release > new.release]
    return (
        max(below, key=lambda end: end.release, default=None),
        min(above, key=lambda end: end.release, default=None),
    )
