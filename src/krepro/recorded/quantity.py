"""The numbers that two runs of a script have in common. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from krepro.recorded.align import matched, pairs, place_of, step_pairs
from krepro.recorded.difference import Kind, Place
from krepro.recorded.recording import Call, Recording, Sketch
from krepro.recorded.structure import is_number

# Types that round more than float32 does, by how much.
ROUNDING = {"float16": 4e-3, "bfloat16": 3e-2}
# The largest number of an array counts as at least this.
SMALL = 1e-6
END = "end of the script"


@dataclass(frozen=True)
class Quantity:
    """One number or array that both runs have."""

    kind: Kind
    subject: str
    place: Place
    model: int | None
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    dtype: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """What it is a value of: the same for all steps and calls."""
        return self.kind, self.subject, self.model, self.place.method, self.place.phase

    @property
    def deviation(self) -> float:
        """How far apart the two are, relative to the largest number."""
        return deviation(self.before, self.after)


def deviation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the largest difference of two arrays relative to their largest number.

    Not-a-number equals itself, and differs infinitely from a number.
    """
    if one == other:
        return 0.0
    if len(one) != len(other):
        return math.inf
    largest, apart = SMALL, 0.0
    for a, b in zip(one, other, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            largest = max(largest, abs(a), abs(b))
            apart = max(apart, abs(a - b))
        elif not (a == b or (math.isnan(a) and math.isnan(b))):
            return math.inf
    return apart / largest


def quantities(old: Recording, new: Recording) -> Iterator[Quantity]:
    """Yield every number and array that both runs have, in the order of the script."""
    for one, other in pairs(old, new):
        place = place_of(one, old)
        yield from of_steps(one, other, place)
        yield from of_looks(one, other, place)
        if one.raised or other.raised:
            continue
        yield from of_result(one, other, place)
        names = matched(one.weights, other.weights)
        yield from of_weights(one.weights, other.weights, names, place, one.model)
    if len(old.calls) != len(new.calls):
        return
    for number, weights in old.final.items():
        if number in new.final:
            place = Place(len(old.calls), END, "", old.models[number])
            names = matched(weights, new.final[number])
            yield from of_weights(weights, new.final[number], names, place, number)


def of_steps(one: Call, other: Call, place: Place) -> Iterator[Quantity]:
    """Yield the logs of the steps that both runs took."""
    for step, match in step_pairs(one, other):
        at = replace(place, phase=step.phase, step=step.count, when=step.when)
        for name, value in step.logs.items():
            if name in match.logs:
                blank = Quantity(log_kind(name), name, at, one.model)
                yield from of_value(blank, value, match.logs[name])


def of_looks(one: Call, other: Call, place: Place) -> Iterator[Quantity]:
    """Yield the weights after the training steps at which both runs looked at them."""
    theirs = {look.count: look for look in other.looks}
    names = matched(one.weights, other.weights)
    for look in one.looks:
        if look.count in theirs:
            at = replace(place, phase="train", step=look.count, when=look.when)
            weights = theirs[look.count].weights
            yield from of_weights(look.weights, weights, names, at, one.model)


def of_result(one: Call, other: Call, place: Place) -> Iterator[Quantity]:
    """Yield the numbers that a call returned."""
    if one.method == "fit":
        return  # Its history is what the logs of its epochs are.
    if one.method in ("train_on_batch", "test_on_batch", "evaluate"):
        sides = [named(call) for call in (one, other)]
        lengths = [len(side) for side in sides]
        for name, value in sides[0].items():
            # By its position a value is known only where there are as many.
            placed = name.startswith("value ") and lengths[0] != lengths[1]
            if name in sides[1] and not placed:
                blank = Quantity(log_kind(name), name, place, one.model)
                yield from of_value(blank, value, sides[1][name])
        return
    leaves = [list(flattened(call.result)) for call in (one, other)]
    blank = Quantity(Kind.OUTPUTS, "what is returned", place, one.model)
    if len(leaves[0]) == len(leaves[1]):
        for a, b in zip(*leaves, strict=True):
            yield from of_value(blank, a, b)


def named(call: Call) -> dict[str, Any]:
    """Return what a call returned by name: that of the log with the same value, if there is one."""
    if isinstance(call.result, dict):
        return call.result
    several = isinstance(call.result, (list, tuple))
    values = list(call.result) if several else [call.result]
    logs = dict(call.steps[-1].logs) if call.steps else {}
    found: dict[str, Any] = {}
    for number, value in enumerate(values):
        alike = [name for name, log in logs.items() if log == value and name not in found]
        name = alike[0] if alike else f"value {number}"
        found[name if number else "loss"] = value
    return found


def of_value(blank: Quantity, one: Any, other: Any) -> Iterator[Quantity]:
    """Yield the quantity of two values, if they are numbers or arrays of one shape."""
    if isinstance(one, Sketch) and isinstance(other, Sketch):
        yield from of_sketches(blank, one, other)
    elif is_number(one) and is_number(other):
        yield replace(blank, before=(float(one),), after=(float(other),))


def of_sketches(blank: Quantity, one: Sketch, other: Sketch) -> Iterator[Quantity]:
    """Yield a quantity of two arrays, if they have one shape."""
    if one.shape != other.shape or not (one.values and other.values):
        return
    same = one.crc == other.crc and one.dtype == other.dtype
    known = [sketch.dtype for sketch in (one, other) if sketch.dtype in ROUNDING]
    yield replace(
        blank,
        before=one.values,
        after=one.values if same else other.values,
        dtype=max(known, key=ROUNDING.__getitem__, default=""),
    )


def of_weights(
    before: Mapping[str, Sketch],
    after: Mapping[str, Sketch],
    names: Mapping[str, str],
    place: Place,
    model: int | None,
) -> Iterator[Quantity]:
    """Yield the weights that both sides have."""
    others = {names.get(name, name): sketch for name, sketch in after.items()}
    for name, sketch in before.items():
        if name in others:
            blank = Quantity(Kind.WEIGHTS, name, place, model)
            yield from of_sketches(blank, sketch, others[name])


def flattened(value: Any) -> Iterator[Any]:
    """Yield the leaves of containers."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from flattened(item)
    else:
        yield value


def log_kind(name: str) -> Kind:
    """Return whether a log is the loss, that of one output, or a metric, by its name."""
    if name in ("loss", "val_loss"):
        return Kind.LOSS
    return Kind.OUTPUT_LOSSES if name.endswith("_loss") else Kind.METRICS
