"""Recordings: what is written is what is read, and of one that was cut short, what is whole."""

from __future__ import annotations

import json
import math
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from krepro.cell.observe import Observer
from krepro.cell.tape import EVENTS, NUMBERS, SAMPLE, Writer
from krepro.recorded.recording import (
    Call,
    Look,
    Raised,
    Recording,
    Sketch,
    Step,
    Warned,
    read,
)


@dataclass
class Model:
    """Stands for a model of Keras'."""

    name: str
    __hash__ = object.__hash__


@dataclass
class Tape:
    """A tape in a folder of its own, and a look at what comes out of it."""

    folder: Path
    writer: Writer
    observer: Observer
    told: list[str] = field(default_factory=list)

    def read(self) -> Recording:
        self.writer.close()
        return read(self.folder)


Make = Callable[[], Tape]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Any:
    backend = types.ModuleType("keras.src.backend")
    backend.convert_to_numpy = np.asarray  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "keras.src.backend", backend)

        def make() -> Tape:
            folder = tmp_path_factory.mktemp("tape")
            writer = Writer(folder)
            return Tape(folder, writer, Observer(writer))

        yield make


def call(tape: Tape, number: int = 0, **facts: Any) -> None:
    given: dict[str, Any] = {
        "method": "fit",
        "model": None,
        "at": "a.py:1",
        "inside": None,
        "arguments": {},
    }
    tape.writer.tell("call", number=number, **given | facts)


def same(one: Any, other: Any) -> bool:
    """Equality to which not-a-number is equal, and 1 is not True."""
    return repr(one) == repr(other)


# --- values -----------------------------------------------------------------------------------

NAMES = st.text(max_size=5)
SCALARS = st.one_of(
    st.none(), st.text(max_size=9), st.floats(), st.integers(-(2**53), 2**53), st.booleans()
)
ARRAYS = arrays.arrays(
    st.sampled_from([np.dtype(name) for name in ("float32", "float16", "int32", "bool")]),
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)


def nested(depth: int) -> st.SearchStrategy[Any]:
    """Values in lists, tuples and dicts, so many levels of them."""
    leaves = st.one_of(SCALARS, ARRAYS)
    if not depth:
        return leaves
    inner = nested(depth - 1)
    return st.one_of(
        leaves,
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(NAMES, inner, max_size=3),
    )


def expected(value: Any) -> Any:
    """What is to be read of a value: numbers as floats, arrays as all their numbers."""
    if isinstance(value, np.ndarray):
        numbers = tuple(value.astype("float64").reshape(-1).tolist())
        return value.shape, str(value.dtype), numbers
    if isinstance(value, dict):
        return {name: expected(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(expected(item) for item in value)
    return value if value is None or isinstance(value, str) else float(value)


def plain(value: Any) -> Any:
    """What was read, with sketches as what they hold."""
    if isinstance(value, Sketch):
        return value.shape, value.dtype, value.values
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


@given(value=nested(3))
@settings(max_examples=150)
def test_what_a_call_returned_is_read_as_it_was(tape: Make, value: Any) -> None:
    made = tape()
    call(made)
    with np.errstate(invalid="ignore", over="ignore"):
        result = made.observer.structure(value)
    made.writer.tell("end", call=0, seconds=1.5, steps={}, result=result)
    found = made.read().calls[0]
    assert same(plain(found.result), expected(value))
    assert (found.ended, found.seconds, found.raised, found.changed) == (
        True,
        1.5,
        None,
        None,
    )


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["train", "test", "epoch"]),
            st.lists(st.tuples(NAMES, st.floats()), unique_by=lambda log: log[0]),
        ),
        max_size=5,
    )
)
@settings(max_examples=50)
def test_logs_are_read_in_their_order(tape: Make, steps: Any) -> None:
    made = tape()
    call(made)
    for count, (phase, logs) in enumerate(steps, 1):
        observed = list(made.observer.logs(dict(logs)))
        made.writer.tell("step", call=0, phase=phase, count=count, logs=observed)
    (found,) = made.read().calls
    assert [(s.phase, s.count, s.when) for s in found.steps] == [
        (phase, count, count) for count, (phase, _) in enumerate(steps, 1)
    ]
    for step, (_, logs) in zip(found.steps, steps, strict=True):
        assert same(list(step.logs.items()), logs)


def test_a_log_that_is_no_number(tape: Make) -> None:
    made = tape()
    call(made)
    logs = {"loss": math.nan, "row": np.array([1.0, 2.0]), "name": "a", "none": None}
    observed = list(made.observer.logs(logs))
    made.writer.tell("step", call=0, phase="train", count=1, logs=observed)
    (step,) = made.read().calls[0].steps
    assert math.isnan(step.logs["loss"])
    assert step.logs["row"].values == (1.0, 2.0)
    assert (step.logs["name"], step.logs["none"]) == ("a", None)


@pytest.mark.parametrize("size", [SAMPLE, SAMPLE + 1, 5000])
def test_of_a_large_array_the_mean_stands_for_what_is_left_out(
    tape: Make, size: int
) -> None:
    made = tape()
    call(made)
    result = made.observer.structure(np.full((size, 1), 0.25))
    made.writer.tell("end", call=0, seconds=0, steps={}, result=result)
    sketch = made.read().calls[0].result
    # Nothing in it is larger than its elements: a sum would hide what they do.
    assert set(sketch.values) == {0.25}
    assert len(sketch.values) == (SAMPLE if size == SAMPLE else len(sketch.values))
    assert len(sketch.values) <= SAMPLE + 1


# --- events -----------------------------------------------------------------------------------


def write_all(made: Tape) -> None:
    """Write one event of each kind, and more."""
    ones, twos = np.ones(2, "float32"), np.full(2, 2, "float32")
    model, other = Model("d"), Model("g")
    assert made.observer.number_of(model) == 0
    call(made, model=0, trainable=["k"], arguments={"x": "float32(2, 3)", "epochs": 2})
    made.writer.tell("step", call=0, phase="train", count=1, logs=[["loss", 1.0]])
    made.writer.tell("step", call=0, phase="test", count=1, logs=[])
    made.writer.tell("look", call=0, count=1, changed=["k"])
    assert made.observer.number_of(other) == 1
    call(made, 1, method="predict", model=1, at="a.py:9", inside=0)
    made.writer.tell("warning", call=1, category="UserWarning", text="too late")
    made.writer.tell("end", call=1, seconds=0.5, steps={}, result=made.writer.sketch(ones))
    made.writer.tell("step", call=0, phase="epoch", count=1, logs=[["loss", 0.5]])
    made.writer.tell(
        "end",
        call=0,
        seconds=2.0,
        steps={"train": 3, "epoch": 1},
        result={"dict": [["loss", {"list": [0.5]}]]},
        weights={"k": made.writer.sketch(twos), "b": made.writer.sketch(ones)},
        changed=["k"],
        optimizer={"class": "SGD", "slots": [[2]], "iterations": 3.0},
    )
    call(made, 2, method="load_model", at="b.py:1")
    made.writer.tell("end", call=2, seconds=0.1, steps={}, made=1, weights={}, trainable=[])
    call(made, 3, method="train_on_batch", model=1)
    raised = {"type": "ValueError", "message": "no"}
    made.writer.tell("end", call=3, seconds=0.1, steps={}, raised=raised)
    made.writer.tell("warning", call=None, category="FutureWarning", text="soon")
    made.writer.tell("final", model=0, weights={"k": made.writer.sketch(twos)})
    made.writer.tell("enough")
    made.writer.tell("finish", seconds=9.0, cost_s=0.1, peak_mb=7, put=0, missed=0)


def test_every_event_is_read(tape: Make) -> None:
    made = tape()
    write_all(made)
    found = made.read()
    kernel = found.final[0]["k"]
    one = found.calls[0].weights["b"]
    assert (kernel.values, one.values) == ((2.0, 2.0), (1.0, 1.0))
    assert found == Recording(
        models=["Model 'd'", "Model 'g'"],
        calls=[
            Call(
                0,
                "fit",
                0,
                "a.py:1",
                {"x": "float32(2, 3)", "epochs": 2},
                trainable=("k",),
                steps=[
                    Step("train", 1, {"loss": 1.0}, when=1),
                    Step("test", 1, {}, when=2),
                    Step("epoch", 1, {"loss": 0.5}, when=3),
                ],
                looks=[Look(1, frozenset({"k"}), when=2)],
                ended=True,
                result={"loss": [0.5]},
                changed=frozenset({"k"}),
                weights={"k": kernel, "b": one},
                optimizer={"class": "SGD", "slots": [[2]], "iterations": 3.0},
                counts={"train": 3, "epoch": 1},
                seconds=2.0,
            ),
            Call(
                1,
                "predict",
                1,
                "a.py:9",
                {},
                inside=0,
                warnings=[Warned("UserWarning", "too late")],
                ended=True,
                result=one,
                seconds=0.5,
            ),
            Call(
                2,
                "load_model",
                None,
                "b.py:1",
                {},
                ended=True,
                made=1,
                trainable=(),
                seconds=0.1,
            ),
            Call(
                3,
                "train_on_batch",
                1,
                "a.py:1",
                {},
                ended=True,
                raised=Raised("ValueError", "no"),
                seconds=0.1,
            ),
        ],
        warnings=[Warned("FutureWarning", "soon")],
        final={0: {"k": kernel}},
        finished={"seconds": 9.0, "cost_s": 0.1, "peak_mb": 7, "put": 0, "missed": 0},
        stopped_early=True,
    )
    assert found.trains
    # The steps of fit, and one for train_on_batch.
    assert found.steps == 4
    assert str(found.calls[3].raised) == "ValueError: no"


@pytest.mark.parametrize(
    ("methods", "trains"),
    [
        (["compile", "predict", "evaluate", "save", "test_on_batch"], False),
        (["fit"], True),
        (["compile", "train_on_batch"], True),
        (["apply"], True),
        ([], False),
    ],
)
def test_what_trains(methods: Sequence[str], trains: bool) -> None:
    calls = [Call(n, name, None, "", {}) for n, name in enumerate(methods)]
    assert Recording(calls=calls).trains is trains


# --- cut short --------------------------------------------------------------------------------


def begins_like(part: Any, whole: Any) -> bool:
    """Whether a recording is the beginning of another one: nothing in it is otherwise."""
    pairs = zip(part.calls, whole.calls, strict=False)
    return (
        part.models == whole.models[: len(part.models)]
        and len(part.calls) <= len(whole.calls)
        and all(
            one.method == other.method
            and one.steps == other.steps[: len(one.steps)]
            and (
                not one.ended or (one.result, one.weights) == (other.result, other.weights)
            )
            for one, other in pairs
        )
    )


def test_cut_off_at_any_byte_of_its_events(tape: Make) -> None:
    made = tape()
    write_all(made)
    whole = made.read()
    data = (made.folder / EVENTS).read_bytes()
    found = []
    for end in range(len(data) + 1):
        (made.folder / EVENTS).write_bytes(data[:end])
        part = read(made.folder)
        assert begins_like(part, whole), end
        lines = data[:end].count(b"\n")
        heard = [json.loads(line) for line in data.splitlines()[:lines]]
        assert len(part.calls) >= sum(event["event"] == "call" for event in heard)
        found.append(part)
    assert found[0] == Recording()
    assert found[-1] == whole != found[-3]
    assert [bool(part.finished) for part in found].index(True) == len(data) - 1


def test_cut_off_at_any_byte_of_its_numbers(tape: Make) -> None:
    made = tape()
    write_all(made)
    whole = made.read()
    data = (made.folder / NUMBERS).read_bytes()
    for end in range(len(data)):
        (made.folder / NUMBERS).write_bytes(data[:end])
        part = read(made.folder)
        assert begins_like(part, whole), end
        assert not part.finished


@pytest.mark.parametrize("name", [EVENTS, NUMBERS])
def test_without_one_of_its_files_it_is_none(tape: Make, name: str) -> None:
    made = tape()
    made.writer.close()
    (made.folder / name).unlink()
    with pytest.raises(OSError, match=name):
        read(made.folder)
