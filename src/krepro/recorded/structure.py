"""Differences in what two runs of a script did, whatever the numbers. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from krepro.hunt.symptom import close, shape
from krepro.recorded.align import aligned, matched, place_of, step_pairs
from krepro.recorded.difference import Difference, Kind, Place
from krepro.recorded.recording import Call, Recording, Sketch, Warned

NO_WARNING = "no warning"
CHANGING = "weights that change"
PHASES = {"train": "training steps", "test": "test steps", "epoch": "epochs"}
STATES = {
    "class": "class of the optimizer",
    "iterations": "optimizer.iterations",
    "learning_rate": "learning rate",
}
MOST_NAMES = 4


def structural(old: Recording, new: Recording) -> Iterator[Difference]:
    """Yield the differences in what was done, in the order of the script.

    After a call that raises in one run only, the other run's further calls say nothing.
    """
    cut_short = False
    last = Place(0)
    # Which call gives a warning first may be another one, and says nothing.
    both = warnings_of(old) & warnings_of(new)
    yield from of_warnings(old.warnings, new.warnings, last, both)
    for one, other in aligned(old, new):
        if one and other:
            last = place_of(one, old)
            yield from of_cut_warnings(one, other, last, both)
            for difference in of_call(one, other, last):
                cut_short = cut_short or difference.kind is Kind.RAISES
                yield difference
            continue
        call = one or other
        if cut_short or call is None:
            continue
        place = place_of(one, old) if one else Place(last.call, call.method, call.at)
        said = ["called" if side else "not called" for side in (one, other)]
        subject = f"{call.method} at {call.at}"
        yield Difference(Kind.CALLS, subject, place, said[0], said[1])


def of_call(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield the differences of structure between two runs of one call."""
    yield from of_exceptions(one, other, place)
    yield from of_arguments(one, other, place)
    if failure_of(one) or failure_of(other):
        return
    yield from of_steps(one, other, place)
    yield from of_names(one, other, place)
    yield from of_results(one, other, place)
    yield from of_weights(one, other, place)
    yield from of_optimizers(one, other, place)


def of_exceptions(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield a difference where one run raises, or dies, and the other does not so."""
    kinds = [failure_of(call) for call in (one, other)]
    if kinds[0] != kinds[1]:
        said = [failure_text(call) for call in (one, other)]
        yield Difference(Kind.RAISES, "exception", place, said[0], said[1])


def failure_of(call: Call) -> tuple[str, str] | None:
    """Return what kind of failure ended a call, or None."""
    if not call.ended:
        return "", ""
    return (call.raised.type, shape(call.raised.message)) if call.raised else None


def failure_text(call: Call) -> str:
    """Return how a call ended, in a line."""
    if not call.ended:
        return "the script ended in it"
    return str(call.raised or "no exception")


def of_arguments(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield the arguments that have another structure.

    Paths may be those of temporary folders, and numbers may come from training.
    """
    for name in dict.fromkeys((*one.arguments, *other.arguments)):
        given = [call.arguments.get(name) for call in (one, other)]
        if any(is_number(value) for value in given):
            continue
        if shape(str(given[0])) != shape(str(given[1])):
            said = [str(value) for value in given]
            yield Difference(Kind.CALLS, f"argument {name}", place, said[0], said[1])


def warnings_of(run: Recording) -> set[tuple[str, str]]:
    """Return what makes the warnings of a run the same as those of another."""
    given = [run.warnings, *(call.warnings for call in run.calls)]
    return {(w.category, wording(w.text)) for warnings in given for w in warnings}


def of_warnings(
    before: Sequence[Warned],
    after: Sequence[Warned],
    place: Place,
    both: AbstractSet[tuple[str, str]],
) -> Iterator[Difference]:
    """Yield warnings that only one of two runs gives: none of ``both``."""
    ones, others = (
        {(w.category, wording(w.text)): w for w in warnings} for warnings in (before, after)
    )
    for key in dict.fromkeys((*ones, *others)):
        if key in both:
            continue
        warned = ones.get(key) or others[key]
        text = f"{warned.category}: {warned.text}"
        said = [text if key in given else NO_WARNING for given in (ones, others)]
        yield Difference(Kind.WARNS, key[1], place, said[0], said[1], detail=True)


def of_cut_warnings(
    one: Call, other: Call, place: Place, both: AbstractSet[tuple[str, str]]
) -> Iterator[Difference]:
    """Yield warnings that only one run of a call gives, where one or both did not get to its end.

    What did not get to its end may have come to its warning later.
    """
    for difference in of_warnings(one.warnings, other.warnings, place, both):
        lacking = one if difference.before == NO_WARNING else other
        if not failure_of(lacking):
            yield difference


def wording(text: str) -> str:
    """Return a message without its numbers, folders and names in quotes."""
    return re.sub(r"""'[^']*'|"[^"]*"|`[^`]*`""", "…", shape(text))


def of_steps(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield the phases in which one run took more steps."""
    for phase in dict.fromkeys((*one.counts, *other.counts)):
        counts = [call.counts.get(phase, 0) for call in (one, other)]
        if counts[0] != counts[1]:
            yield Difference(
                Kind.STEPS, PHASES[phase], place, str(counts[0]), str(counts[1])
            )


def of_names(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield differences in the names, or in the order, of logs and of what is returned.

    Where names say what is what, another order of them is a detail.
    """
    seen = set()
    for step, match in step_pairs(one, other):
        names = [list(side.logs) for side in (step, match)]
        if names[0] == names[1] or step.phase in seen:
            continue
        seen.add(step.phase)
        subject = (
            "logs of epochs" if step.phase == "epoch" else f"logs of {step.phase} steps"
        )
        at = replace(place, phase=step.phase, step=step.count, when=step.when)
        yield of_lists(subject, at, names[0], names[1])
    dicts = isinstance(one.result, dict) and isinstance(other.result, dict)
    names = (
        [list(one.result), list(other.result)]
        if dicts
        else [order_of(one), order_of(other)]
    )
    if names[0] != names[1] and all(names):
        subject = "history" if one.method == "fit" else "what is returned"
        found = of_lists(subject, place, names[0], names[1])
        yield found if dicts else replace(found, detail=False)


def of_lists(
    subject: str, place: Place, before: Sequence[str], after: Sequence[str]
) -> Difference:
    """Return the difference of two lists of names; of their order only, it is a detail."""
    said = listed(before), listed(after)
    detail = sorted(before) == sorted(after)
    return Difference(Kind.NAMES, subject, place, *said, detail=detail)


def order_of(call: Call) -> list[str]:
    """Return the names of what a call returned as a list, by the logs; nothing if in doubt."""
    if not isinstance(call.result, (list, tuple)) or not call.steps:
        return []
    logs = call.steps[-1].logs
    names = [[name for name, log in logs.items() if log == value] for value in call.result]
    return [alike[0] for alike in names] if all(len(alike) == 1 for alike in names) else []


def of_results(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield a difference where what is returned has another structure, shape or dtype."""
    if isinstance(one.result, dict) and isinstance(other.result, dict):
        shared = [name for name in one.result if name in other.result]
        outlines = [outline([call.result[n] for n in shared]) for call in (one, other)]
    else:
        outlines = [outline(call.result) for call in (one, other)]
    if outlines[0] != outlines[1] and one.method != "fit":
        yield Difference(
            Kind.STRUCTURE, "what is returned", place, outlines[0], outlines[1]
        )


def of_weights(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield differences in which weights would be trained, and in which were changed."""
    names = matched(one.weights, other.weights)
    if one.trainable is not None and other.trainable is not None:
        renamed = [names.get(name, name) for name in other.trainable]
        yield from of_sets(
            Difference(Kind.TRAINABLE, "trainable weights", place, "", ""),
            one.trainable,
            renamed,
        )
    theirs = {look.count: look for look in other.looks}
    for look in one.looks:
        match = theirs.get(look.count)
        if match:
            at = replace(place, phase="train", step=look.count, when=look.when)
            yield from of_sets(
                Difference(Kind.TRAINS, CHANGING, at, "", ""),
                sorted(look.changed),
                sorted(names.get(name, name) for name in match.changed),
            )
    if one.changed is not None and other.changed is not None:
        yield from of_sets(
            Difference(Kind.TRAINS, CHANGING, place, "", ""),
            sorted(one.changed),
            sorted(names.get(name, name) for name in other.changed),
        )


def of_sets(
    difference: Difference, before: Sequence[str], after: Sequence[str]
) -> Iterator[Difference]:
    """Yield a difference with what only one of two sets of names has."""
    lost = [name for name in before if name not in set(after)]
    gained = [name for name in after if name not in set(before)]
    if lost or gained:
        yield replace(
            difference,
            before=side_text(lost, len(before)),
            after=side_text(gained, len(after)),
        )


def side_text(names: Sequence[str], total: int) -> str:
    """Return the names that only one side has, in a line."""
    if not names:
        return f"not these ({total} in all)"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more} ({total} in all)"


def of_optimizers(one: Call, other: Call, place: Place) -> Iterator[Difference]:
    """Yield differences in the state of the optimizer after a call."""
    if not (one.optimizer and other.optimizer):
        return
    states = [one.optimizer, other.optimizer]
    for name, what in STATES.items():
        before, after = (state.get(name) for state in states)
        if before is None or after is None or before == after:
            continue
        exact = name == "iterations"
        if not exact and is_number(before) and is_number(after) and close(before, after):
            continue
        yield Difference(Kind.OPTIMIZER, what, place, str(before), str(after))
    slots = [Counter(map(tuple, state.get("slots", ()))) for state in states]
    if slots[0] != slots[1]:
        said = [f"{sum(counter.values())} variables" for counter in slots]
        yield Difference(Kind.OPTIMIZER, "state of the optimizer", place, said[0], said[1])


def listed(names: Sequence[str]) -> str:
    """Return names in a line."""
    return ", ".join(names) or "nothing"


def outline(value: Any) -> str:
    """Return the structure of what a call returned, in a line."""
    if isinstance(value, Sketch):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {outline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(outline(item) for item in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return "number" if is_number(value) else str(value)


def is_number(value: object) -> bool:
    """Whether a value is a plain number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
