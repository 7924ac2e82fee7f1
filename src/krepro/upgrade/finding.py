"""Differences put together by what causes them: known entries, or nothing that is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from krepro.cell.judge import matches
from krepro.recorded.compare import PARTING
from krepro.recorded.difference import VALUES, Difference, Kind
from krepro.scan.match import Sureness
from krepro.scan.scan import Scan
from krepro.upgrade.known import Consequence, Effect

# Once one value is wrong, these come with it in the same call.
SPREADING = (
    *VALUES,
    Kind.TRAINS,
    Kind.OPTIMIZER,
    Kind.STEPS,
)


@dataclass
class Finding:
    """Differences that have one cause.

    ``causes`` are the entries of the catalogue that explain them; several: any of them may, or
    all do; none: it is new. ``follows`` are differences that come after the models had already
    come apart, and so may say nothing of their own.
    """

    causes: tuple[Consequence, ...]
    differences: list[Difference] = field(default_factory=list)
    follows: list[Difference] = field(default_factory=list)

    @property
    def new(self) -> bool:
        """Whether nothing in the catalogue explains it."""
        return not self.causes

    @property
    def detail(self) -> bool:
        """Whether there is nothing in it to act on."""
        return all(difference.detail for difference in [*self.differences, *self.follows])

    @property
    def first(self) -> Difference:
        """The difference that comes first in the script."""
        return min([*self.differences, *self.follows], key=lambda d: d.order)


def findings(
    differences: Sequence[Difference], consequences: Iterable[Consequence], scan: Scan
) -> list[Finding]:
    """Return differences grouped by their causes, in the order of the script.

    Args:
        differences: in the order of the script.
        consequences: what is known to change between the two ends.
        scan: what the code touches.
    """
    turning = [c for c in consequences if c.effect in (Effect.GAINED, Effect.LOST)]
    found: list[Finding] = []
    rest: list[Difference] = []
    for difference in differences:
        causes = () if difference.follows else causes_of(difference, turning, scan)
        if causes:
            place_explained(difference, causes, found)
        else:
            rest.append(difference)
    for difference in rest:
        place_rest(difference, found)
    return sorted(found, key=lambda finding: finding.first.order)


def place_explained(
    difference: Difference, causes: tuple[Consequence, ...], found: list[Finding]
) -> None:
    """Put a difference with those that have a cause in common with it.

    What explains all of them is more likely than what explains some.
    """
    for finding in found:
        spreads = [d.kind in SPREADING for d in (difference, finding.first)]
        shared = tuple(cause for cause in finding.causes if cause in causes)
        if shared and (all(spreads) or (not any(spreads) and shared == causes)):
            finding.causes = shared
            finding.differences.append(difference)
            return
    found.append(Finding(causes, [difference]))


def place_rest(difference: Difference, found: list[Finding]) -> None:
    """Put a difference that no entry explains with what it comes from, or by itself.

    Values that differ in the same call as explained ones come with these, and so does whatever
    comes after models have parted.
    """
    if difference.kind in SPREADING:
        for finding in sorted(found, key=lambda finding: finding.first.order):
            parted = [d for d in finding.differences if d.kind in PARTING]
            if difference.follows and began(parted, difference):
                finding.follows.append(difference)
                return
            started = [d for d in finding.differences if d.kind in SPREADING]
            if not began(started, difference):
                continue
            if difference.follows and not finding.new:
                finding.follows.append(difference)
                return
            if min(d.order for d in started) <= difference.order or not finding.new:
                finding.differences.append(difference)
                return
    same = [f for f in found if f.new and f.first.kind is difference.kind]
    if same and difference.kind not in SPREADING:
        same[0].differences.append(difference)
        return
    found.append(Finding((), [difference]))


def began(causes: Sequence[Difference], difference: Difference) -> bool:
    """Whether the first of some differences is in the call of another one, or before it."""
    return any(cause.place.call <= difference.place.call for cause in causes)


def causes_of(
    difference: Difference, turning: Sequence[Consequence], scan: Scan
) -> tuple[Consequence, ...]:
    """Return the entries that explain a difference: those whose bug looks so, and is touched.

    Those that the code touches for certain count before those that it may touch.
    """
    possible: list[Consequence] = []
    certain: list[Consequence] = []
    for consequence in turning:
        sure = sureness(difference, consequence, scan)
        if sure is None:
            continue
        (certain if sure else possible).append(consequence)
    return tuple(certain or possible)


def sureness(difference: Difference, consequence: Consequence, scan: Scan) -> bool | None:
    """Return whether an entry explains a difference for certain; None: it does not."""
    repro = consequence.repro
    hits = scan.of(repro.id)
    if difference.kind is Kind.RAISES and repro.symptoms:
        # A bug that is gained is seen on the new end, one that is lost on the old.
        gained = consequence.effect is Effect.GAINED
        text = difference.after if gained else difference.before
        said = any(
            matches(symptom, text.partition(":")[0], text) for symptom in repro.symptoms
        )
        return bool(hits) if said else None
    showing = [hit for hit in hits if difference.kind.value in hit.shows]
    if not showing:
        return None
    return any(hit.sureness is Sureness.CERTAIN for hit in showing)
