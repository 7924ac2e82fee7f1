"""Which call, which step and which weight of one run is which of the other. Pure."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence

from krepro.recorded.difference import Place
from krepro.recorded.recording import Call, Recording, Sketch, Step


def aligned(old: Recording, new: Recording) -> Iterator[tuple[Call | None, Call | None]]:
    """Yield the calls of both runs side by side; None where one has no such call."""
    ones, others = ([identity(call) for call in run.calls] for run in (old, new))
    # What is the same at both ends is set aside: the matcher is slow where much repeats.
    start = common(ones, others)
    end = common(ones[start:][::-1], others[start:][::-1])
    yield from zip(old.calls[:start], new.calls[:start], strict=True)
    lefts, rights = (run.calls[start : len(run.calls) - end] for run in (old, new))
    matcher = difflib.SequenceMatcher(
        None,
        ones[start : len(ones) - end],
        others[start : len(others) - end],
        autojunk=False,
    )
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right = lefts[i1:i2], rights[j1:j2]
        if what == "equal":
            yield from zip(left, right, strict=True)
        else:
            yield from ((call, None) for call in left)
            yield from ((None, call) for call in right)
    yield from zip(
        old.calls[len(ones) - end :], new.calls[len(others) - end :], strict=True
    )


def common(ones: Sequence[object], others: Sequence[object]) -> int:
    """Return how many elements two sequences begin with alike."""
    pairs = zip(ones, others, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def identity(call: Call) -> tuple[str, str, bool]:
    """Return what makes a call the same in two runs: what is called, and where from."""
    return call.method, call.at, call.inside is not None


def pairs(old: Recording, new: Recording) -> Iterator[tuple[Call, Call]]:
    """Yield the calls that both runs made."""
    for one, other in aligned(old, new):
        if one and other:
            yield one, other


def step_pairs(one: Call, other: Call) -> Iterator[tuple[Step, Step]]:
    """Yield the steps that both runs of a call took, by their number in their phase."""
    theirs = {(step.phase, step.count): step for step in other.steps}
    for step in one.steps:
        match = theirs.get((step.phase, step.count))
        if match is not None:
            yield step, match


def place_of(call: Call, run: Recording) -> Place:
    """Return the place of a call: its end."""
    model = run.models[call.model] if call.model is not None else ""
    return Place(call.number, call.method, call.at, model)


def matched(one: Mapping[str, Sketch], other: Mapping[str, Sketch]) -> dict[str, str]:
    """Return the names of the second run's weights in the first run's terms.

    Names differ between releases and backends where they were made up; the order does not.
    Where all names are the same, they go before the order.
    """
    ours, theirs = list(one), list(other)
    if one.keys() == other.keys() or len(ours) != len(theirs):
        return {}
    shapes = [[sketch.shape for sketch in side.values()] for side in (one, other)]
    return dict(zip(theirs, ours, strict=True)) if shapes[0] == shapes[1] else {}
