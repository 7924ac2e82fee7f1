"""Comparing recordings: all that differs, in its place, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro.recorded.align import aligned, matched
from krepro.recorded.compare import MARGIN, ROUNDING_OTHERWISE, Noise, compare, grow
from krepro.recorded.difference import VALUES as VALUE_KINDS
from krepro.recorded.difference import Difference, Kind
from krepro.recorded.quantity import ROUNDING, deviation
from krepro.recorded.recording import (
    Call,
    Look,
    Raised,
    Recording,
    Sketch,
    Step,
    Warned,
)

Change = Callable[[Recording], Any]
KERNEL, BIAS = "dense/kernel", "dense/bias"


def sketch(*values: float, dtype: str = "float32") -> Sketch:
    return Sketch((len(values),), dtype, hash(values), values)


def weights(scale: float = 1.0) -> dict[str, Sketch]:
    return {KERNEL: sketch(scale, -2 * scale), BIAS: sketch(0.0, 0.5 * scale)}


def logs(count: int) -> dict[str, float]:
    return {"loss": 1 / count, "a_loss": 0.5 / count, "mae": 2 / count}


def fit(number: int, at: str = "train.py:5") -> Call:
    steps = [Step("train", count, logs(count), when=count) for count in (1, 2, 3)]
    steps.append(Step("epoch", 1, {**logs(3), "val_loss": 3.0}, when=4))
    return Call(
        number,
        "fit",
        0,
        at,
        {"x": "float32(32, 3)", "callbacks": ["Logger"], "epochs": 1},
        trainable=(KERNEL, BIAS),
        steps=steps,
        looks=[Look(count, frozenset({KERNEL}), when=count) for count in (1, 2)],
        ended=True,
        result={"loss": [1 / 3], "a_loss": [0.5 / 3]},
        changed=frozenset({KERNEL, BIAS}),
        weights=weights(),
        optimizer={
            "class": "SGD",
            "slots": [[], [2]],
            "iterations": 3.0,
            "learning_rate": 0.1,
        },
        counts={"train": 3, "epoch": 1},
        seconds=1.0,
    )


def call(number: int, method: str, at: str, **facts: Any) -> Call:
    return Call(number, method, 0, at, **{"arguments": {}, "ended": True, **facts})


def run() -> Recording:
    """A run of a script that trains, looks at what came of it, and trains on."""
    return Recording(
        models=["Functional 'model'", "Functional 'other'"],
        calls=[
            call(0, "compile", "train.py:4"),
            fit(1),
            call(2, "evaluate", "train.py:6", result=[0.25, 0.75], counts={"test": 2}),
            call(3, "predict", "train.py:7", result={"y": sketch(1.0, 3.0)}),
            call(
                4,
                "train_on_batch",
                "train.py:9",
                result=0.125,
                weights=weights(),
                changed=frozenset({KERNEL}),
                trainable=(KERNEL, BIAS),
            ),
            call(5, "save", "train.py:11", arguments={"filepath": "/tmp/x/m.keras"}),
        ],
        warnings=[Warned("UserWarning", "the old 'a' of 3 things")],
        final={0: weights()},
        finished={"seconds": 3.0},
    )


def changed(change: Change) -> Recording:
    made = run()
    change(made)
    return made


def replaced(values: Sequence[Any], index: int, **facts: Any) -> list[Any]:
    found = list(values)
    found[index] = dataclasses.replace(found[index], **facts)
    return found


def setter(number: int, **facts: Any) -> Change:
    """A change of fields of one call."""

    def change(made: Recording) -> None:
        for name, value in facts.items():
            setattr(made.calls[number], name, value)

    return change


def logged(index: int, **values: Any) -> Change:
    """A change of logs of one step of fit."""

    def change(made: Recording) -> None:
        steps = made.calls[1].steps
        made.calls[1].steps = replaced(steps, index, logs={**steps[index].logs, **values})

    return change


def all_of(*changes: Change) -> Change:
    def change(made: Recording) -> None:
        for one in changes:
            one(made)

    return change


def optimizer(**facts: Any) -> Change:
    return setter(1, optimizer={**(fit(1).optimizer or {}), **facts})


# --- nothing ----------------------------------------------------------------------------------


def test_a_run_is_as_itself() -> None:
    assert compare(run(), run()) == []


FLOATS = st.floats(width=32)
SKETCHES = st.lists(FLOATS, max_size=4).map(lambda values: sketch(*values))
VALUES = st.one_of(FLOATS, SKETCHES, st.none(), st.text(max_size=3))
NAMES = st.sampled_from(["loss", "a_loss", "mae", "val_loss"])
TABLES = st.dictionaries(NAMES, VALUES, max_size=3)
WEIGHTS = st.dictionaries(st.sampled_from([KERNEL, BIAS, "x"]), SKETCHES, max_size=3)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Recordings of anything."""
    calls = []
    for number in range(draw(st.integers(0, 5))):
        names = st.frozensets(st.sampled_from([KERNEL, BIAS, "x"]))
        calls.append(
            Call(
                number,
                draw(st.sampled_from(["compile", "fit", "evaluate", "predict", "apply"])),
                0,
                draw(st.sampled_from(["a.py:1", "a.py:2"])),
                draw(st.dictionaries(NAMES, st.one_of(st.none(), st.text(max_size=3)))),
                trainable=draw(st.one_of(st.none(), names.map(sorted).map(tuple))),
                steps=[
                    Step("train", count, draw(TABLES), when=count)
                    for count in range(1, draw(st.integers(1, 4)))
                ],
                looks=[Look(1, draw(names), when=1)],
                warnings=[Warned("W", draw(st.text(max_size=3)))],
                ended=draw(st.booleans()),
                result=draw(st.one_of(VALUES, TABLES, st.lists(VALUES, max_size=2))),
                raised=draw(st.sampled_from([None, None, Raised("E", "no")])),
                changed=draw(st.one_of(st.none(), names)),
                weights=draw(WEIGHTS),
                optimizer={
                    "class": "SGD",
                    "iterations": 3.0,
                    "learning_rate": draw(FLOATS),
                },
                counts={"train": draw(st.integers(0, 3))},
            )
        )
    return Recording(["m"], calls, [], {0: draw(WEIGHTS)}, {"seconds": 1.0})


@given(one=recordings())
@settings(max_examples=60)
def test_any_run_is_as_itself(one: Recording) -> None:
    assert compare(one, copy.deepcopy(one)) == []


@given(one=recordings(), other=recordings())
@settings(max_examples=60)
def test_what_runs_on_one_side_differ_in_is_noise(one: Recording, other: Recording) -> None:
    noise = Noise()
    noise.add(one, other)
    assert compare(one, other, noise) == []


@pytest.mark.parametrize(
    "change",
    [
        # What an upgrade does not do: time, folders, the count of things in messages.
        setter(1, seconds=99.0),
        setter(5, arguments={"filepath": "/elsewhere/m.keras"}),
        setter(1, arguments={**fit(1).arguments, "epochs": 2}),
        setter(1, arguments={**fit(1).arguments, "x": "float32(31, 3)"}),
        lambda made: made.finished.clear(),
        lambda made: made.warnings.append(Warned("UserWarning", "the old 'b' of 4 things")),
        # A warning that comes in another call is the same one.
        lambda made: made.calls[2].warnings.append(made.warnings.pop()),
        setter(1, arguments={**fit(1).arguments, "epochs": 1e-5}),
        # Rounding.
        logged(0, loss=1 + ROUNDING_OTHERWISE / 2),
        setter(3, result={"y": sketch(1 + ROUNDING_OTHERWISE, 3.0)}),
        optimizer(learning_rate=0.1 + 1e-8),
        # A state that one side has not, and the other has not either.
        setter(1, optimizer=None),
        setter(1, trainable=None),
    ],
)
def test_what_is_no_difference(change: Change) -> None:
    assert compare(run(), changed(change)) == []
    assert compare(changed(change), run()) == []


# --- every kind -------------------------------------------------------------------------------

WARNING = Warned("UserWarning", "`trainable` was flipped")
FITTED = (1, "fit", "", 0)
# A change; what is found: kind, subject, (call, method, phase, step), before, after, times.
CASES: dict[str, tuple[Change, list[tuple[Any, ...]]]] = {
    "raises": (
        setter(5, raised=Raised("ValueError", "no")),
        [
            (
                Kind.RAISES,
                "exception",
                (5, "save", "", 0),
                "no exception",
                "ValueError: no",
                1,
            )
        ],
    ),
    "dies": (
        setter(3, ended=False, result=None),
        [
            (
                Kind.RAISES,
                "exception",
                (3, "predict", "", 0),
                "no exception",
                "the script ended in it",
                1,
            )
        ],
    ),
    "an argument": (
        setter(1, arguments={**fit(1).arguments, "callbacks": ["Logger", "History"]}),
        [
            (
                Kind.CALLS,
                "argument callbacks",
                FITTED,
                "['Logger']",
                "['Logger', 'History']",
                1,
            )
        ],
    ),
    "an argument more": (
        setter(1, arguments={**fit(1).arguments, "y": "float32(32, 1)"}),
        [(Kind.CALLS, "argument y", FITTED, "None", "float32(32, 1)", 1)],
    ),
    "trainable": (
        setter(1, trainable=(KERNEL,)),
        [
            (
                Kind.TRAINABLE,
                "trainable weights",
                FITTED,
                f"{BIAS} (2 in all)",
                "not these (1 in all)",
                1,
            )
        ],
    ),
    "steps": (
        setter(1, counts={"train": 4, "epoch": 1}),
        [(Kind.STEPS, "training steps", FITTED, "3", "4", 1)],
    ),
    "test steps": (
        setter(2, counts={}),
        [(Kind.STEPS, "test steps", (2, "evaluate", "", 0), "2", "0", 1)],
    ),
    "names of logs": (
        lambda made: setattr(
            made.calls[1],
            "steps",
            [
                dataclasses.replace(s, logs={n: v for n, v in s.logs.items() if n != "mae"})
                for s in made.calls[1].steps
            ],
        ),
        [
            (
                Kind.NAMES,
                "logs of train steps",
                (1, "fit", "train", 1),
                "loss, a_loss, mae",
                "loss, a_loss",
                1,
            ),
            (
                Kind.NAMES,
                "logs of epochs",
                (1, "fit", "epoch", 1),
                "loss, a_loss, mae, val_loss",
                "loss, a_loss, val_loss",
                1,
            ),
        ],
    ),
    "order of names": (
        setter(1, result={"a_loss": [0.5 / 3], "loss": [1 / 3]}),
        [(Kind.NAMES, "history", FITTED, "loss, a_loss", "a_loss, loss", 1)],
    ),
    "names of results": (
        setter(3, result={"y": sketch(1.0, 3.0), "z": 1.0}),
        [(Kind.NAMES, "what is returned", (3, "predict", "", 0), "y", "y, z", 1)],
    ),
    "structure": (
        setter(2, result=[0.25, 0.75, 0.5]),
        [
            (
                Kind.STRUCTURE,
                "what is returned",
                (2, "evaluate", "", 0),
                "[number, number]",
                "[number, number, number]",
                1,
            )
        ],
    ),
    "shape": (
        setter(3, result={"y": Sketch((2, 1), "float32", 7, (9.0, 9.0))}),
        [
            (
                Kind.STRUCTURE,
                "what is returned",
                (3, "predict", "", 0),
                "[float32(2,)]",
                "[float32(2, 1)]",
                1,
            )
        ],
    ),
    "order of logs": (
        lambda made: setattr(
            made.calls[1],
            "steps",
            replaced(made.calls[1].steps, 0, logs=dict(reversed(list(logs(1).items())))),
        ),
        [
            (
                Kind.NAMES,
                "logs of train steps",
                (1, "fit", "train", 1),
                "loss, a_loss, mae",
                "mae, a_loss, loss",
                1,
            )
        ],
    ),
    "dtype": (
        setter(3, result={"y": sketch(1.0, 3.0, dtype="float64")}),
        [
            (
                Kind.STRUCTURE,
                "what is returned",
                (3, "predict", "", 0),
                "[float32(2,)]",
                "[float64(2,)]",
                1,
            )
        ],
    ),
    "trains after a step": (
        lambda made: setattr(
            made.calls[1],
            "looks",
            replaced(made.calls[1].looks, 1, changed=frozenset({KERNEL, BIAS})),
        ),
        [
            (
                Kind.TRAINS,
                "weights that change",
                (1, "fit", "train", 2),
                "not these (1 in all)",
                f"{BIAS} (2 in all)",
                1,
            )
        ],
    ),
    "trains": (
        setter(4, changed=frozenset()),
        [
            (
                Kind.TRAINS,
                "weights that change",
                (4, "train_on_batch", "", 0),
                f"{KERNEL} (1 in all)",
                "not these (0 in all)",
                1,
            )
        ],
    ),
    "class of the optimizer": (
        optimizer(**{"class": "Adam"}),
        [(Kind.OPTIMIZER, "class of the optimizer", FITTED, "SGD", "Adam", 1)],
    ),
    "slots": (
        optimizer(slots=[[], [2], [2]]),
        [
            (
                Kind.OPTIMIZER,
                "state of the optimizer",
                FITTED,
                "2 variables",
                "3 variables",
                1,
            )
        ],
    ),
    "shape of a slot": (
        optimizer(slots=[[], [3]]),
        [
            (
                Kind.OPTIMIZER,
                "state of the optimizer",
                FITTED,
                "2 variables",
                "2 variables",
                1,
            )
        ],
    ),
    "iterations": (
        optimizer(iterations=3.001),
        [(Kind.OPTIMIZER, "optimizer.iterations", FITTED, "3.0", "3.001", 1)],
    ),
    "learning rate": (
        optimizer(learning_rate=0.2),
        [(Kind.OPTIMIZER, "learning rate", FITTED, "0.1", "0.2", 1)],
    ),
    "a warning": (
        lambda made: made.calls[4].warnings.append(WARNING),
        [
            (
                Kind.WARNS,
                "… was flipped",
                (4, "train_on_batch", "", 0),
                "no warning",
                "UserWarning: `trainable` was flipped",
                1,
            )
        ],
    ),
    "a warning is gone": (
        lambda made: made.warnings.clear(),
        [
            (
                Kind.WARNS,
                "the old … of # things",
                (0, "", "", 0),
                "UserWarning: the old 'a' of 3 things",
                "no warning",
                1,
            )
        ],
    ),
    "loss": (
        logged(1, loss=0.75),
        [(Kind.LOSS, "loss", (1, "fit", "train", 2), "0.5", "0.75", 1)],
    ),
    "loss of an epoch": (
        logged(3, val_loss=3.5),
        [(Kind.LOSS, "val_loss", (1, "fit", "epoch", 1), "3", "3.5", 1)],
    ),
    "loss of an output": (
        logged(0, a_loss=0.25),
        [(Kind.OUTPUT_LOSSES, "a_loss", (1, "fit", "train", 1), "0.5", "0.25", 1)],
    ),
    "metrics": (
        logged(0, mae=math.nan),
        [(Kind.METRICS, "mae", (1, "fit", "train", 1), "2", "nan", 1)],
    ),
    "all steps": (
        all_of(*(logged(index, loss=7.0) for index in range(3))),
        [(Kind.LOSS, "loss", (1, "fit", "train", 1), "1", "7", 3)],
    ),
    "what evaluate says": (
        setter(2, result=[0.25, 0.5]),
        [(Kind.METRICS, "value 1", (2, "evaluate", "", 0), "0.75", "0.5", 1)],
    ),
    "outputs": (
        setter(3, result={"y": sketch(1.0, 4.0)}),
        [(Kind.OUTPUTS, "what is returned", (3, "predict", "", 0), "3", "4", 1)],
    ),
    "weights": (
        setter(4, weights={**weights(), BIAS: sketch(0.0, 9.0)}),
        [(Kind.WEIGHTS, BIAS, (4, "train_on_batch", "", 0), "0.5", "9", 1)],
    ),
    "weights at the end": (
        lambda made: made.final.update({0: {**weights(), BIAS: sketch(0.0, 9.0)}}),
        [(Kind.WEIGHTS, BIAS, (6, "end of the script", "", 0), "0.5", "9", 1)],
    ),
    "a call more": (
        lambda made: made.calls.insert(3, call(3, "evaluate", "train.py:8")),
        [
            (
                Kind.CALLS,
                "evaluate at train.py:8",
                (2, "evaluate", "", 0),
                "not called",
                "called",
                1,
            )
        ],
    ),
    "a call less": (
        lambda made: made.calls.pop(3),
        [
            (
                Kind.CALLS,
                "predict at train.py:7",
                (3, "predict", "", 0),
                "called",
                "not called",
                1,
            )
        ],
    ),
}


def told(difference: Difference) -> tuple[Any, ...]:
    place = difference.place
    return (
        difference.kind,
        difference.subject,
        (place.call, place.method, place.phase, place.step),
        difference.before,
        difference.after,
        difference.times,
    )


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_difference_and_nothing_else(name: str) -> None:
    change, expected = CASES[name]
    found = compare(run(), changed(change))
    assert [told(difference) for difference in found] == expected
    assert not any(difference.follows for difference in found)
    assert all(bool(d.size) == d.of_values for d in found)


@pytest.mark.parametrize("name", CASES)
def test_the_other_way_round_before_is_after(name: str) -> None:
    change, _ = CASES[name]
    one, other = run(), changed(change)
    forth, back = compare(one, other), compare(other, one)

    assert [(d.kind, d.subject, d.before, d.after, d.size, d.times) for d in forth] == [
        (d.kind, d.subject, d.after, d.before, d.size, d.times) for d in back
    ]


def test_values_are_known_by_position_only_among_as_many() -> None:
    found = compare(
        changed(setter(4, result=[0.125, 0.5])),
        changed(setter(4, result=[0.25, 0.75, 0.5])),
    )
    assert [(d.kind, d.subject) for d in found] == [
        (Kind.STRUCTURE, "what is returned"),
        (Kind.LOSS, "loss"),
    ]


def test_values_are_known_by_the_logs_that_are_the_same() -> None:
    def evaluated(*names: str) -> Recording:
        values = {name: float(len(name)) for name in names}
        step = Step("test", 1, values, when=1)
        return changed(setter(2, steps=[step], result=list(values.values())))

    one, other = evaluated("loss", "accuracy"), evaluated("loss", "a_loss", "accuracy")
    assert {d.kind for d in compare(one, other)} == {Kind.NAMES, Kind.STRUCTURE}
    step = dataclasses.replace(one.calls[2].steps[0], logs={"loss": 4.0, "accuracy": 9.0})
    one.calls[2].steps, one.calls[2].result = [step], [4.0, 9.0]
    found = [d for d in compare(one, other) if d.of_values]
    # In the logs and in what is returned.
    assert [(d.subject, d.place.phase, d.before, d.after) for d in found] == [
        ("accuracy", "test", "9", "8"),
        ("accuracy", "", "9", "8"),
    ]


def test_structure_comes_before_values_in_one_place() -> None:
    change = all_of(
        setter(4, weights={**weights(), BIAS: sketch(0.0, 9.0)}),
        setter(4, changed=frozenset({BIAS}), result=9.0, trainable=(BIAS,)),
    )
    found = compare(run(), changed(change))
    assert [difference.kind for difference in found] == [
        Kind.TRAINABLE,
        Kind.TRAINS,
        Kind.LOSS,
        Kind.WEIGHTS,
    ]


def test_a_step_comes_before_the_end_of_its_call() -> None:
    change = all_of(setter(1, trainable=()), logged(2, loss=9.0), logged(0, mae=9.0))
    found = compare(run(), changed(change))
    assert [(d.kind, d.place.step) for d in found] == [
        (Kind.METRICS, 1),
        (Kind.LOSS, 3),
        (Kind.TRAINABLE, 0),
    ]


# --- calls ------------------------------------------------------------------------------------


def test_calls_in_another_order() -> None:
    change: Change = lambda made: made.calls.insert(4, made.calls.pop(2))  # noqa: E731
    found = compare(run(), changed(change))
    assert {difference.kind for difference in found} == {Kind.CALLS}
    subjects = {difference.subject for difference in found}
    assert len(found) == 2
    assert len(subjects) == 1
    assert {(d.before, d.after) for d in found} == {
        ("called", "not called"),
        ("not called", "called"),
    }


def loop(*batches: float) -> Recording:
    """A loop that trains two models in turn."""
    calls: list[Call] = []
    for value in batches:
        for line in (5, 6):
            number = len(calls)
            calls.append(call(number, "train_on_batch", f"gan.py:{line}", result=value))
    return Recording(["d"], calls, finished={"seconds": 1.0})


def test_a_loop_that_ends_earlier_is_compared_from_its_beginning() -> None:
    one, other = loop(1, 2, 3, 4), loop(1, 2)
    found = compare(one, other)
    assert [(d.kind, d.times) for d in found] == [(Kind.CALLS, 2), (Kind.CALLS, 2)]
    assert {d.place.call for d in found} == {4, 5}


@pytest.mark.parametrize("where", ["at the start", "at the end", "in between"])
def test_long_loops_are_aligned_in_no_time(where: str) -> None:
    one, other = loop(*[1.0] * 5000), loop(*[1.0] * 5000)
    more = call(0, "evaluate", "gan.py:9")
    index = {"at the start": 0, "at the end": 10_000, "in between": 5000}[where]
    other.calls.insert(index, more)
    started = time.monotonic()
    found = list(aligned(one, other))
    assert time.monotonic() - started < 20, "pairs were tried one by one"
    assert [pair for pair in found if None in pair] == [(None, more)]
    assert found[index] == (None, more)


CALLS = st.lists(st.sampled_from("abc"), max_size=8)


@given(ones=CALLS, others=CALLS)
def test_aligned_is_both_runs_in_their_order(ones: list[str], others: list[str]) -> None:
    runs = [
        Recording(calls=[call(n, name, "a.py:1") for n, name in enumerate(names)])
        for names in (ones, others)
    ]
    pairs = list(aligned(*runs))
    for side, made in enumerate(runs):
        assert [pair[side] for pair in pairs if pair[side]] == made.calls
    assert all(a.method == b.method for a, b in pairs if a and b)
    if ones == others:
        assert all(a and b for a, b in pairs)
    # What both begin with is not moved.
    for (a, b), one, other in zip(pairs, ones, others, strict=False):
        if one != other:
            break
        assert a
        assert b


def test_a_callback_is_not_the_script() -> None:
    found = compare(run(), changed(setter(3, inside=1)))
    assert {(d.kind, d.subject, d.before) for d in found} == {
        (Kind.CALLS, "predict at train.py:7", "called"),
        (Kind.CALLS, "predict at train.py:7", "not called"),
    }


def test_an_exception_cuts_short() -> None:
    def change(made: Recording) -> None:
        raised = Raised("ValueError", "no")
        made.calls[1] = dataclasses.replace(
            made.calls[1],
            raised=raised,
            steps=made.calls[1].steps[:1],
            counts={"train": 1},
            result=9.0,
            weights=weights(3),
            changed=frozenset(),
            trainable=(KERNEL, BIAS),
            warnings=[],
        )
        del made.calls[2:]
        made.warnings.clear()
        made.final[0] = weights(2)

    found = compare(run(), changed(change))
    raises = [difference for difference in found if difference.kind is Kind.RAISES]
    assert [told(d)[:3] for d in raises] == [(Kind.RAISES, "exception", FITTED)]
    # What the other run did after it says nothing; a warning may come at any time.
    assert {d.kind for d in found} == {Kind.RAISES, Kind.WARNS}


def test_an_exception_in_the_last_call_is_all_that_differs() -> None:
    change = all_of(
        setter(5, raised=Raised("E", "no")),
        lambda made: made.final.update({0: weights(2)}),
    )
    found = compare(run(), changed(change))
    assert [(d.kind, d.follows) for d in found] == [
        (Kind.RAISES, False),
        (Kind.WEIGHTS, True),
        (Kind.WEIGHTS, True),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Raised("E", "got 3 of /tmp/a/b"), Raised("E", "got 5 of /tmp/c/b"), True),
        (Raised("E", "at 0x7f00"), Raised("E", "at 0x7f11"), True),
        (Raised("E", "no"), Raised("F", "no"), False),
        (Raised("E", "no"), Raised("E", "never"), False),
    ],
)
def test_exceptions_of_both_runs(one: Raised, other: Raised, same: bool) -> None:
    change, ended = setter(5, raised=other), changed(setter(5, raised=one))
    assert (compare(ended, changed(change)) == []) is same


# --- what follows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "follows"),
    [
        (setter(1, changed=frozenset()), True),
        (setter(1, weights={**weights(), BIAS: sketch(9.0, 9.0)}), True),
        (setter(2, raised=Raised("E")), True),
        (lambda made: made.calls.insert(2, call(2, "fit", "train.py:8")), True),
        (setter(1, trainable=()), False),
        (logged(2, loss=9.0), False),
        (optimizer(learning_rate=9.0), False),
    ],
)
def test_what_follows_once_models_have_parted(first: Change, *, follows: bool) -> None:
    later = setter(4, result=9.0, trainable=())
    found = compare(run(), changed(all_of(later, first)))
    (last,) = [d for d in found if d.kind is Kind.LOSS and d.place.call == 4] or found[-1:]
    if last.place.call == 1:
        # They are of one kind, and so the first place is told.
        pytest.fail(f"{last} hides the other one")
    assert last.follows is follows
    assert not found[0].follows
    # Structure speaks for itself, whenever.
    assert not any(d.follows for d in found if not d.of_values)


# --- numbers ----------------------------------------------------------------------------------

ROWS = st.integers(0, 5).flatmap(
    lambda size: st.tuples(*[st.lists(st.floats(), min_size=size, max_size=size)] * 2)
)
FINITE = st.integers(1, 5).flatmap(
    lambda size: st.tuples(
        *[st.lists(st.floats(-1e6, 1e6, width=32), min_size=size, max_size=size)] * 2
    )
)


@given(rows=ROWS)
def test_deviation_is_the_same_both_ways(rows: Any) -> None:
    one, other = rows
    assert deviation(one, other) == deviation(other, one) >= 0
    assert deviation(one, list(one)) == 0


@given(rows=FINITE)
def test_deviation_is_the_least_tolerance_that_passes(rows: Any) -> None:
    one, other = rows
    size = deviation(one, other)
    largest = max(1e-6, *map(abs, one), *map(abs, other))

    def passes(tolerance: float) -> bool:
        return all(
            abs(a - b) <= tolerance * largest for a, b in zip(one, other, strict=True)
        )

    assert passes(size * (1 + 1e-9))
    assert size == 0 or not passes(size * (1 - 1e-9))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([math.nan], [math.nan], 0),
        ([math.nan, 1.0], [math.nan, 1.0], 0),
        ([math.inf], [math.inf], 0),
        ([math.inf], [-math.inf], math.inf),
        ([math.nan], [1.0], math.inf),
        ([1.0, math.inf], [1.0, 2.0], math.inf),
        ([math.nan, 1.0], [math.nan, 2.0], 0.5),
        ([1.0], [1.0, 2.0], math.inf),
        ([0.0], [1e-12], 1e-6),
        ([], [], 0),
    ],
)
def test_what_is_no_number_equals_itself(
    one: list[float], other: list[float], expected: float
) -> None:
    assert deviation(one, other) == pytest.approx(expected)


@pytest.mark.parametrize("blank", [math.nan, math.inf])
def test_the_numbers_that_are_told_are_those_furthest_apart(blank: float) -> None:
    (found,) = compare(
        changed(setter(3, result={"y": sketch(blank, 1.0, 5.0)})),
        changed(setter(3, result={"y": sketch(blank, 1.5, 5.25)})),
    )
    assert (found.before, found.after, found.size) == ("1", "1.5", 0.5 / 5.25)


def test_the_largest_of_all_places_is_told_as_size() -> None:
    change = all_of(logged(0, loss=1.5), logged(1, loss=5.0), logged(2, loss=0.5))
    (found,) = compare(run(), changed(change))
    assert (found.place.step, found.times, found.size) == (1, 3, 0.9)


DTYPES = [*ROUNDING, "float32"]


@pytest.mark.parametrize("types", [*itertools.product(DTYPES, DTYPES)])
def test_types_that_round_more_may_differ_more(types: tuple[str, str]) -> None:
    allowed = max(ROUNDING.get(dtype, ROUNDING_OTHERWISE) for dtype in types)
    for factor, count in ((0.9, 0), (1.1, 1)):
        one, other = (
            changed(setter(3, result=[sketch(value, dtype=dtype)]))
            for value, dtype in zip((1.0, 1 - factor * allowed), types, strict=True)
        )
        found = [d for d in compare(one, other) if d.of_values]
        assert len(found) == count


def test_an_element_is_not_small_beside_many() -> None:
    ones = [1.0] * 400
    found = compare(
        changed(setter(3, result=sketch(*ones))),
        changed(setter(3, result=sketch(*ones[1:], 1.001))),
    )
    assert [difference.kind for difference in found] == [Kind.OUTPUTS]


# --- names of weights -------------------------------------------------------------------------


def named(*names: str) -> dict[str, Sketch]:
    """Weights of one shape, each with another value."""
    return {name: sketch(float(number), 1.0) for number, name in enumerate(names)}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (named("a", "b"), named("a", "b"), {}),
        (named("a", "b"), named("c", "d"), {"c": "a", "d": "b"}),
        (named("a_1", "a_2"), named("a_2", "a_3"), {"a_2": "a_1", "a_3": "a_2"}),
        # The same names in another order are the same weights.
        (named("a", "b"), named("b", "a"), {}),
        (named("a", "b"), named("c"), {}),
        (named("a"), {"b": sketch(1.0, 2.0, 3.0)}, {}),
    ],
)
def test_weights_are_matched_by_order_where_names_differ(
    ours: dict[str, Sketch], theirs: dict[str, Sketch], expected: dict[str, str]
) -> None:
    assert matched(ours, theirs) == expected


def renamed(made: Recording) -> None:
    """Call all weights otherwise, as another release does."""
    names = {KERNEL: "dense_7/kernel", BIAS: "dense_7/bias"}
    for each in made.calls:
        each.weights = {names[name]: value for name, value in each.weights.items()}
        for field in ("changed", "trainable"):
            value = getattr(each, field)
            if value is not None:
                setattr(each, field, type(value)(names[name] for name in value))
        each.looks = [
            dataclasses.replace(
                look, changed=frozenset(map(names.__getitem__, look.changed))
            )
            for look in each.looks
        ]
    made.final = {0: {names[name]: value for name, value in made.final[0].items()}}


def test_weights_with_other_names_are_the_same() -> None:
    assert compare(run(), changed(renamed)) == []
    change = all_of(
        setter(4, changed=frozenset({BIAS}), weights={**weights(), BIAS: sketch(0.0, 9.0)}),
        lambda made: made.final.update({0: weights(2)}),
        renamed,
    )
    found = compare(run(), changed(change))
    # They are called as in the first run.
    assert [(d.kind, d.subject, d.before) for d in found[:2]] == [
        (Kind.TRAINS, "weights that change", f"{KERNEL} (1 in all)"),
        (Kind.WEIGHTS, BIAS, "0.5"),
    ]
    assert {d.subject for d in found[2:]} == {KERNEL, BIAS}


def test_the_same_weights_in_another_order() -> None:
    def change(made: Recording) -> None:
        made.final = {0: dict(reversed(list(made.final[0].items())))}
        for each in made.calls:
            each.weights = dict(reversed(list(each.weights.items())))

    assert compare(run(), changed(change)) == []


# --- noise ------------------------------------------------------------------------------------


def noise_of(*changes: Change) -> Noise:
    noise = Noise()
    for change in changes:
        noise.add(run(), changed(change))
    return noise


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_difference_may_be_noise(name: str) -> None:
    change, _ = CASES[name]
    assert compare(run(), changed(change), noise_of(change)) == []
    # The noise of one thing does not hide another one.
    for other, (another, expected) in CASES.items():
        marks = [{(e[0], e[1], e[2][1]) for e in CASES[n][1]} for n in (name, other)]
        if not marks[0] & marks[1] and other == "outputs":
            found = compare(run(), changed(another), noise_of(change))
            assert [told(difference) for difference in found] == expected


def test_noise_counts_from_where_it_was_seen() -> None:
    noise = noise_of(logged(1, loss=0.5 * 1.01))
    for index, count in ((0, 1), (1, 0), (2, 0)):
        value = logs(index + 1)["loss"] * 1.02
        assert len(compare(run(), changed(logged(index, loss=value)), noise)) == count


def test_more_than_noise_is_a_difference() -> None:
    noise = noise_of(logged(0, loss=1.001))
    apart = deviation([1.0], [1.001])
    limit = MARGIN * apart + ROUNDING_OTHERWISE
    for factor, count in ((0.99, 0), (1.02, 1)):
        value = 1 / (1 - factor * limit)
        assert len(compare(run(), changed(logged(0, loss=value)), noise)) == count
    assert noise.largest == apart


@pytest.mark.parametrize(
    ("change", "hidden"),
    [
        # The logs of a model have one noise, whatever they are logs of.
        (setter(4, result=0.25), True),
        (setter(3, result={"y": sketch(1.0, 9.0)}), False),
        (all_of(setter(4, model=1), setter(4, result=0.25)), False),
    ],
)
def test_the_noise_of_a_loss(change: Change, *, hidden: bool) -> None:
    noise = noise_of(logged(0, loss=1.5))
    one, other = run(), changed(change)
    one.calls[4].model = other.calls[4].model
    assert (compare(one, other, noise) == []) is hidden


def test_the_noise_of_a_weight_is_its_own() -> None:
    noise = noise_of(setter(1, weights={**weights(), BIAS: sketch(0.0, 9.0)}))
    for name, count in ((BIAS, 0), (KERNEL, 1)):
        found = compare(
            run(), changed(setter(4, weights={**weights(), name: sketch(1.0, 9.0)})), noise
        )
        assert len(found) == count


@pytest.mark.parametrize("name", CASES)
def test_rounding_errors_change_where_a_run_goes_and_no_other_structure(name: str) -> None:
    change, expected = CASES[name]
    noise = Noise()
    noise.add(run(), changed(change), jittered=True)
    found = compare(run(), changed(change), noise)
    kinds = {kind for kind, *_ in expected}
    hidden = kinds <= {Kind.STEPS, Kind.CALLS, *VALUE_KINDS}
    assert (found == []) is hidden


def test_once_runs_have_drifted_a_count_may_change_by_some_samples() -> None:
    drift = logged(0, loss=1 + ROUNDING_OTHERWISE / 2)
    for value, count in ((0.74, 0), (0.72, 1)):
        after = setter(2, result=[0.25, value])
        assert len(compare(run(), changed(after))) == 1
        assert len(compare(run(), changed(all_of(drift, after)))) == count
    # Of a loss that is no rounding.
    after = setter(2, result=[0.251, 0.75])
    assert len(compare(run(), changed(all_of(drift, after)))) == 1


def test_a_warning_is_noise_in_whichever_call() -> None:
    noise = noise_of(lambda made: made.calls[1].warnings.append(WARNING))
    change: Change = lambda made: made.calls[4].warnings.append(WARNING)  # noqa: E731
    assert compare(run(), changed(change), noise) == []
    assert len(compare(run(), changed(change))) == 1


ENTRIES = st.lists(st.tuples(st.tuples(st.integers(0, 4), st.just(0.0)), st.floats(0, 9)))


@given(entries=ENTRIES)
def test_noise_over_time_never_falls(entries: list[Any]) -> None:
    series: list[Any] = []
    for order, value in entries:
        grow(series, order, value)
    assert series == sorted(series)
    values = [value for _, value in series]
    assert values == sorted(values)
    for order, _ in entries:
        seen = max(value for at, value in entries if at <= order)
        known = [value for at, value in series if at <= order]
        assert (known or [0.0])[-1] == seen


@given(one=recordings(), other=recordings(), third=recordings())
@settings(max_examples=40)
def test_noise_only_takes_away(one: Recording, other: Recording, third: Recording) -> None:
    noise = Noise()
    noise.add(one, third)

    def seen(found: Sequence[Difference]) -> set[tuple[str, str]]:
        return {(d.kind.value, d.subject) for d in found}

    assert seen(compare(one, other, noise)) <= seen(compare(one, other))
