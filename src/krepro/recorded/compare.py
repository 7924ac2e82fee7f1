"""What two recorded runs of one script did differently. Pure.

Structure is compared before values. A difference of values counts where it exceeds rounding and
what the script's own noise makes of it, which control runs on one side measure.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from krepro.recorded.difference import Difference, Kind
from krepro.recorded.quantity import ROUNDING, Quantity, quantities
from krepro.recorded.recording import Recording
from krepro.recorded.structure import structural

# A difference up to here is rounding, unless a type rounds more.
ROUNDING_OTHERWISE = 2e-5
# What some samples make of a metric that counts them.
SAMPLES = 0.02
COUNTING = re.compile(
    r"acc|prec|recall|auc|top|iou|f1|f_?beta|sensitiv|specific|positive|negative|value"
)
# How much more than the control runs differ is still noise.
MARGIN = 10.0
# Where a run went.
GOING = (Kind.STEPS, Kind.CALLS)
# After these, what the models learn next is another thing on either side.
PARTING = (Kind.RAISES, Kind.WEIGHTS, Kind.TRAINS, Kind.CALLS)

Key = tuple[Any, ...]
Order = tuple[int, float]


@dataclass
class Noise:
    """What differs between runs of the script on one side: nothing that an upgrade does.

    ``structure`` are the differences of structure; ``values`` the deviations by what has one
    noise, over time, growing.
    """

    structure: set[Key] = field(default_factory=set)
    values: dict[Key, list[tuple[Order, float]]] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The largest deviation that was seen."""
        return max((series[-1][1] for series in self.values.values()), default=0.0)

    def add(self, one: Recording, other: Recording, *, jittered: bool = False) -> None:
        """Learn from two runs on one side.

        Args:
            one: a run.
            other: another.
            jittered: it had rounding errors of its own, which can move weights that nothing
                else moves: of its structure, only where it went counts.
        """
        for difference in structural(one, other):
            if not jittered or difference.kind in GOING:
                self.structure.add(mark(difference))
        for quantity in quantities(one, other):
            apart = quantity.deviation
            if apart:
                grow(
                    self.values.setdefault(pool(quantity), []), quantity.place.order, apart
                )

    def of(self, quantity: Quantity) -> float:
        """Return how far a quantity had deviated by its own, at the latest at this place."""
        series = self.values.get(pool(quantity), [])
        position = bisect_right(series, quantity.place.order, key=lambda entry: entry[0])
        return series[position - 1][1] if position else 0.0


def pool(quantity: Quantity) -> Key:
    """Return the quantities whose noise is one: each weight for itself, the logs of a model."""
    if quantity.kind is Kind.WEIGHTS:
        return quantity.kind, quantity.model, quantity.subject
    return quantity.kind, quantity.model


def grow(series: list[tuple[Order, float]], order: Order, value: float) -> None:
    """Add a value to a series that is sorted by time and never falls."""
    position = bisect_right(series, order, key=lambda entry: entry[0])
    before = series[position - 1][1] if position else 0.0
    if value <= before:
        return
    series.insert(position, (order, value))
    for index in range(position + 1, len(series)):
        series[index] = (series[index][0], max(value, series[index][1]))


def mark(difference: Difference) -> Key:
    """Return what makes two differences of structure the same one.

    A warning is the same one whichever call gives it.
    """
    if difference.kind is Kind.WARNS:
        return difference.kind, difference.subject
    place = difference.place
    return difference.kind, difference.subject, place.method, place.model


def compare(old: Recording, new: Recording, noise: Noise | None = None) -> list[Difference]:
    """Return what the second run did differently, in the order of the script.

    Args:
        old: the first run.
        new: the second run.
        noise: what runs on one side differ in.
    """
    noise = noise or Noise()
    found: dict[Key, Difference] = {}
    for difference in structural(old, new):
        key = mark(difference)
        if key not in noise.structure:
            add(found, key, difference)
    drifted = False
    for quantity in quantities(old, new):
        apart = quantity.deviation
        if apart > tolerance(quantity, noise, drifted=drifted):
            add(found, quantity.key, told(quantity, apart))
        elif apart:
            drifted = True
    return arranged(found.values())


def arranged(differences: Iterable[Difference]) -> list[Difference]:
    """Return differences in the order of the script, with what only follows marked as such."""
    found = sorted(differences, key=lambda difference: difference.order)
    parted = min(
        (d.place.order for d in found if d.kind in PARTING), default=(math.inf, math.inf)
    )
    for difference in found:
        difference.follows = difference.of_values and difference.place.order > parted
    return found


def add(found: dict[Key, Difference], key: Key, new: Difference) -> None:
    """Count a difference with those of its kind; the first place is told."""
    known = found.setdefault(key, new)
    if known is not new:
        known.times += 1
        known.size = max(known.size, new.size)


def tolerance(quantity: Quantity, noise: Noise, *, drifted: bool = False) -> float:
    """Return how far apart the values of a quantity may be.

    Args:
        quantity: what is measured.
        noise: what runs on one side differ in.
        drifted: the runs have come apart by rounding. A metric that counts, such as accuracy,
            then changes by whole samples.
    """
    rounding = ROUNDING.get(quantity.dtype, ROUNDING_OTHERWISE)
    if drifted and quantity.kind is Kind.METRICS and COUNTING.search(quantity.subject):
        rounding = max(rounding, SAMPLES)
    return rounding + MARGIN * noise.of(quantity)


def told(quantity: Quantity, apart: float) -> Difference:
    """Return the difference of a quantity, with the numbers that are furthest apart."""
    both = list(zip(quantity.before, quantity.after, strict=False))
    a, b = max(both, key=lambda pair: distance(*pair), default=(0.0, 0.0))
    return Difference(
        quantity.kind, quantity.subject, quantity.place, f"{a:.6g}", f"{b:.6g}", apart
    )


def distance(a: float, b: float) -> float:
    """Return how far apart two numbers are; not-a-number equals itself."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
