"""What a program did, held to what it should have done: structure first, then values. Pure.

Both sides are in the form in which a cell tells of a run (``cell/player``): numbers as they are,
``{"array": ...}``, ``{"list": ...}``, ``{"tuple": ...}``, ``{"dict": [[key, value], ...]}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from krepro.fuzz.program import (
    Clone,
    Compile,
    Evaluate,
    Fit,
    LoadWeights,
    OnBatch,
    Predict,
    ResetMetrics,
    SaveLoad,
    SetTrainable,
    SetWeights,
    Step,
)
from krepro.fuzz.reference.words import SILENT
from krepro.recorded.difference import Kind

# Of a noisy prediction's distance from the exact one: as far as float32 may be from it.
SPREADS = 32.0
# Relative and absolute: a few roundings of a float32 near 1.
RELATIVE, ABSOLUTE = 4e-6, 1e-6
# A value that is no better known than so, relative to its size or 1, says nothing.
USELESS = 2e-2

# What stands for an infinite distance.
MOST = 1e300

# How the oracle of a divergence begins where an invariant is broken; its name follows.
INVARIANT = "invariant "

# Where in a result: keys and positions.
Path: TypeAlias = tuple[str | int, ...]

# In this order the differences of one step are told.
ORDER = (
    Kind.RAISES,
    Kind.STRUCTURE,
    Kind.NAMES,
    Kind.LOSS,
    Kind.OUTPUT_LOSSES,
    Kind.METRICS,
    Kind.TRAINS,
    Kind.WEIGHTS,
    Kind.OUTPUTS,
)
STEP_NAMES = {
    Compile: "compile",
    SetTrainable: "trainable",
    Fit: "fit",
    Evaluate: "evaluate",
    Predict: "predict",
    ResetMetrics: "reset_metrics",
    SaveLoad: "save and load_model",
    Clone: "clone_model",
    SetWeights: "set_weights",
    LoadWeights: "load_weights",
}


@dataclass(frozen=True)
class Value:
    """A predicted number or array, and how far what is seen may be from it, element by element."""

    value: Any
    tolerance: Any

    def holds(self, seen: Any) -> bool:
        """Whether something seen is it."""
        if np.shape(seen) != np.shape(self.value):
            return False
        with np.errstate(invalid="ignore"):
            return bool(np.all(np.abs(seen - self.value) <= self.tolerance))

    @property
    def useless(self) -> bool:
        """Whether it may be nearly anything."""
        size = np.maximum(1.0, np.abs(self.value))
        return not bool(np.all(self.tolerance <= USELESS * size))


@dataclass(frozen=True)
class Expected:
    """What a step should do: its result with a ``Value`` at each leaf, and the weights after."""

    result: Any
    weights: Mapping[str, Value]
    raises: bool = False
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Divergence:
    """Something that a program did otherwise, at the first step where it did.

    ``step`` is the step's number (-1: the building), ``call`` what it is, ``subject`` what of it,
    such as "apple_loss" or "model_0/apple/0". ``site`` is where Keras raised, ``kinds`` are those of
    all that differs at this step, ``wanted`` is what was expected as plain data, ``rules`` those
    that the step stands on; ``oracle`` is the cell that this one was held to (empty:
    documentation).
    """

    kind: Kind
    step: int
    call: str
    subject: str
    expected: str
    seen: str
    size: float = 0.0
    tolerance: float = 0.0
    site: str = ""
    path: Path = ()
    kinds: tuple[Kind, ...] = ()
    rules: frozenset[str] = field(default_factory=frozenset)
    oracle: str = ""
    wanted: Any = None

    @property
    def invariant(self) -> str:
        """The name of the invariant that is broken, if any."""
        broken = self.oracle.startswith(INVARIANT)
        return self.oracle.removeprefix(INVARIANT) if broken else ""

    @property
    def signature(self) -> tuple[str, ...]:
        """What makes it the same finding in another program."""
        if self.kind is Kind.RAISES and self.site:
            return (self.kind, self.call, self.site, plain(self.seen))
        subject = self.subject
        if self.kind in (
            Kind.WEIGHTS,
            Kind.TRAINS,
            Kind.OUTPUTS,
            Kind.OUTPUT_LOSSES,
            Kind.NAMES,
        ):
            subject = ""
        return (self.kind, self.call, subject)


def plain(message: str) -> str:
    """Return a message without numbers, names in quotes and addresses."""
    message = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "'...'", message.splitlines()[0])
    return re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "0", message)[:120]


def call_name(step: Step) -> str:
    """Return what a step calls."""
    if isinstance(step, OnBatch):
        return "train_on_batch" if step.train else "test_on_batch"
    return STEP_NAMES[type(step)]


# --- tolerances ---------------------------------------------------------------------------


def with_tolerance(exact: Any, noisy: Sequence[Any]) -> Any:
    """Return a predicted result with a ``Value`` at each leaf that is a number or an array."""
    if exact is SILENT or any(each is SILENT for each in noisy):
        return SILENT
    if isinstance(exact, int | float) and not isinstance(exact, bool):
        return value_of(exact, noisy)
    if not isinstance(exact, dict):
        return exact
    (form, held), *_ = exact.items()
    others = [each[form] for each in noisy]
    parts: Any
    if form == "array":
        parts = value_of(np.asarray(held, float), others)
    elif form == "dict":
        parts = [
            [key, with_tolerance(item, [other[at][1] for other in others])]
            for at, (key, item) in enumerate(held)
        ]
    else:
        parts = [
            with_tolerance(item, [other[at] for other in others])
            for at, item in enumerate(held)
        ]
    return {**exact, form: parts}


def value_of(exact: Any, noisy: Sequence[Any]) -> Value:
    """Return a value with its tolerance, from predictions with rounding errors."""
    exact = np.asarray(exact, float)
    spread = np.zeros_like(exact)
    for each in noisy:
        spread = np.maximum(spread, np.abs(np.asarray(each, float) - exact))
    return Value(exact, SPREADS * spread + RELATIVE * np.abs(exact) + ABSOLUTE)


# --- comparing ----------------------------------------------------------------------------


def first_divergence(
    steps: Sequence[Step], expected: Sequence[Expected], seen: Sequence[Mapping[str, Any]]
) -> Divergence | None:
    """Return the first thing that a run did otherwise than predicted, or None.

    Args:
        steps: those of the program.
        expected: for the building and each step; may end early.
        seen: the same; ends at the first that raised.
    """
    before = Before()
    for number, (wanted, found) in enumerate(zip(expected, seen, strict=False)):
        call = call_name(steps[number - 1]) if number else "building"
        differences = sorted(
            Look(number - 1, call).differences(wanted, found, before),
            key=lambda d: ORDER.index(d.kind),
        )
        if differences:
            first = differences[0]
            kinds = tuple(dict.fromkeys(d.kind for d in differences))
            return replace(first, kinds=kinds, rules=frozenset(wanted.rules))
        if found["ending"] == "raised":
            return None
        before = Before(found["weights"], wanted.weights)
    return None


@dataclass(frozen=True)
class Look:
    """Compares what one step did with what it should have done."""

    step: int
    call: str

    def tell(
        self, kind: Kind, subject: str, told: tuple[Any, Any], path: Path = (), **more: Any
    ) -> Divergence:
        """Return a difference, with what was expected and what was seen as texts."""
        expected, seen = (each if isinstance(each, str) else shown(each) for each in told)
        return Divergence(
            kind, self.step, self.call, subject, expected, seen, path=path, **more
        )

    def differences(
        self, wanted: Expected, found: Mapping[str, Any], before: Before
    ) -> Iterator[Divergence]:
        """Yield what differs; ``before`` are the weights before the step."""
        raised = found["ending"] == "raised"
        if raised and not wanted.raises:
            said = f"{found['exception']}: {found['message']}"
            site = found.get("site", "")
            yield self.tell(Kind.RAISES, "exception", ("no exception", said), site=site)
        elif wanted.raises and not raised:
            yield self.tell(Kind.RAISES, "exception", ("an exception", "none"))
        elif not raised:
            yield from self.results(wanted.result, found["result"], ())
            yield from self.weights(wanted.weights, found["weights"], before)

    def results(self, wanted: Any, seen: Any, path: Path) -> Iterator[Divergence]:
        """Yield what differs between a predicted result and one that was seen."""
        subject = str(path[0]) if path else self.call
        if wanted is SILENT:
            return
        if isinstance(wanted, Value):
            yield from self.value(wanted, seen, self.kind(path), subject, path)
        elif isinstance(wanted, dict) and isinstance(seen, dict):
            (form, held), *_ = wanted.items()
            if form not in seen:
                yield self.tell(Kind.STRUCTURE, subject, (wanted, seen), path)
            elif form == "array":
                array = np.asarray(seen[form], float)
                yield from self.value(held, array, self.kind(path), subject, path)
            else:
                compare = self.entries if form == "dict" else self.items
                yield from compare(
                    held, seen[form], subject, path, partial=bool(wanted.get("partial"))
                )
        elif type(wanted) is not type(seen) or wanted != seen:
            yield self.tell(Kind.STRUCTURE, subject, (wanted, seen), path)

    def entries(
        self,
        wanted: Sequence[Any],
        seen: Sequence[Any],
        subject: str,
        path: Path,
        *,
        partial: bool,
    ) -> Iterator[Divergence]:
        """Yield what differs between two dictionaries, each as pairs; it may have more."""
        names, others = (sorted(str(key) for key, _ in each) for each in (wanted, seen))
        if set(names) - set(others) or (names != others and not partial):
            told = ", ".join(names), ", ".join(others)
            yield self.tell(Kind.NAMES, subject, told, path, wanted=names)
            return
        by_name = dict(map(tuple, seen))
        for key, value in wanted:
            yield from self.results(value, by_name[key], (*path, key))

    def items(
        self,
        wanted: Sequence[Any],
        seen: Sequence[Any],
        subject: str,
        path: Path,
        *,
        partial: bool,
    ) -> Iterator[Divergence]:
        """Yield what differs between two lists; it may be longer."""
        if len(wanted) > len(seen) or (len(wanted) != len(seen) and not partial):
            told = f"{len(wanted)} values", f"{len(seen)} values"
            yield self.tell(Kind.STRUCTURE, subject, told, path, wanted=len(wanted))
        for number, (value, other) in enumerate(zip(wanted, seen, strict=False)):
            yield from self.results(value, other, (*path, number))

    def value(
        self, wanted: Value, seen: Any, kind: Kind, subject: str, path: Path
    ) -> Iterator[Divergence]:
        """Yield the difference of a number or an array."""
        if isinstance(seen, bool) or not isinstance(seen, int | float | np.ndarray):
            yield self.tell(Kind.STRUCTURE, subject, ("a number", seen), path)
        elif np.shape(seen) != np.shape(wanted.value):
            told = f"shape {np.shape(wanted.value)}", f"shape {np.shape(seen)}"
            yield self.tell(Kind.STRUCTURE, subject, told, path)
        elif not wanted.useless and not wanted.holds(seen):
            size, tolerance = furthest(wanted, seen)
            values = wanted.value, np.asarray(seen)
            yield self.tell(
                kind,
                subject,
                values,
                path,
                size=size,
                tolerance=tolerance,
                wanted=wanted.value.tolist(),
            )

    def weights(
        self, wanted: Mapping[str, Value], seen: Mapping[str, Any], before: Before
    ) -> Iterator[Divergence]:
        """Yield how the weights after a step differ: which changed, then their values."""
        if set(wanted) != set(seen):
            lacks, more = sorted(set(wanted) - set(seen)), sorted(set(seen) - set(wanted))
            told = f"with {', '.join(lacks)}", f"with {', '.join(more)}"
            yield self.tell(Kind.STRUCTURE, "weights", told)
            return
        for path, value in wanted.items():
            got = np.asarray(seen[path]["array"], float)
            for found in self.value(value, got, Kind.WEIGHTS, path, (path,)):
                if found.kind is Kind.WEIGHTS and before.knows(path):
                    stays = before.stays(path, value, got)
                    if stays[0] != stays[1]:
                        words = tuple("unchanged" if each else "changed" for each in stays)
                        yield replace(
                            found, kind=Kind.TRAINS, expected=words[0], seen=words[1]
                        )
                        continue
                yield found

    def kind(self, path: Path) -> Kind:
        """Return the kind of a value by the name under which it is told."""
        if self.call == "predict":
            return Kind.OUTPUTS
        name = next((part for part in path if isinstance(part, str)), "")
        name = name.removeprefix("val_")
        if name == "loss" or path in ((), (0,)):
            return Kind.LOSS
        return Kind.OUTPUT_LOSSES if name.endswith("_loss") else Kind.METRICS


@dataclass(frozen=True)
class Before:
    """The weights before a step, as they were and as they should have been."""

    seen: Mapping[str, Any] = field(default_factory=dict)
    wanted: Mapping[str, Value] = field(default_factory=dict)

    def knows(self, path: str) -> bool:
        """Whether there was such a weight."""
        return path in self.seen and path in self.wanted

    def stays(self, path: str, value: Value, got: Any) -> tuple[bool, bool]:
        """Return whether a weight should not have changed, and whether it did not."""
        was = np.asarray(self.seen[path]["array"], float)
        return (
            bool(np.array_equal(self.wanted[path].value, value.value)),
            bool(np.array_equal(was, got)),
        )


def furthest(wanted: Value, seen: Any) -> tuple[float, float]:
    """Return the largest distance in units of what is allowed, as distance and tolerance."""
    distance = np.abs(np.asarray(seen, float) - wanted.value)
    # JSON has no infinity.
    distance = np.nan_to_num(distance, nan=MOST, posinf=MOST)
    at = int(np.argmax(np.ravel(distance / wanted.tolerance)))
    return float(np.ravel(distance)[at]), float(np.ravel(wanted.tolerance)[at])


def shown(value: Any) -> str:
    """Return a short text of a value."""
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return f"{float(value):.6g}"
        flat = ", ".join(f"{each:.6g}" for each in np.ravel(value)[:6])
        return f"[{flat}{', ...' if value.size > 6 else ''}]"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else f"{value:.6g}"
    if isinstance(value, dict):
        (form, held), *_ = value.items()
        return f"{form} of {len(held)}" if isinstance(held, list) else f"{form} {held}"
    return str(value)
