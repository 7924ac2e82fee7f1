"""Which call, which step and which weight of one run is which of the other. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from krepro.upgrade.difference import Place
from krepro.upgrade.recording import Call, Recording, Step


def aligned(old: Recording, new: Recording) -> Iterator[tuple[Call | None, Call | None]]:
    """Yield the calls of both runs side by side; None where one has no such call."""
    ones, others = ([identity(call) for call in run.calls] for run in (old, new))
    if ones == others:
        yield from zip(old.calls, new.calls, strict=True)
        return
    matcher = difflib.SequenceMatcher(None, ones, others, autojunk=False)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right = old.calls[i1:i2], new.calls[j1:j2]
        if what == "equal":
            yield from zip(left, right, strict=True)
        else:
            yield from ((call, None) for call in left)
            yield from ((None, call) for call in right)


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


def matched(one: Call, other: Call) -> dict[str, str]:
    """Return the names of the second run's weights in the first run's terms.

    Names differ between releases and backends where they were made up; the order does not.
    """
    ours, theirs = list(one.weights), list(other.weights)
    if ours == theirs or len(ours) != len(theirs):
        return {}
    shapes = [
        [call.weights[name].shape for name in names]
        for call, names in ((one, ours), (other, theirs))
    ]
    return dict(zip(theirs, ours, strict=True)) if shapes[0] == shapes[1] else {}
