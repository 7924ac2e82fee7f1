"""What a recorded run writes down: numbers as they are, once, whole, and by one process only."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from krepro.cell import observe
from krepro.cell.observe import Observer
from krepro.cell.tape import (
    EVENTS,
    MOST_ITEMS,
    NUMBERS,
    SAMPLE,
    Writer,
    describe,
    read_numbers,
)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path)
    yield made
    made.close()


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]


def numbers(folder: Path, sketch: dict[str, Any]) -> list[float]:
    data = (folder / NUMBERS).read_bytes()
    return list(read_numbers(data, sketch["at"], sketch["count"]))


# --- arrays -----------------------------------------------------------------------------------

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
REALS = st.sampled_from(
    ["float16", "float32", "float64", "int8", "int64", "uint32", "bool", ">f4"]
)


@given(data=st.data(), dtype=REALS)
def test_a_small_array_is_kept_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, dtype: str
) -> None:
    folder = tmp_path_factory.mktemp("tape")
    array = data.draw(arrays.arrays(np.dtype(dtype), SHAPES))
    with np.errstate(invalid="ignore", over="ignore"):
        writer = Writer(folder)
        first, second = writer.sketch(array), writer.sketch(array)
        writer.close()
        whole = array.astype("float64")
        total = float(array.sum(dtype="float64")) if array.size else 0.0
    assert (first["shape"], first["dtype"]) == (list(array.shape), str(array.dtype))
    np.testing.assert_array_equal(numbers(folder, first), whole.reshape(-1))
    assert first["sum"] == total or np.isnan(total)
    # Without a key, the same is written again.
    assert second["at"] == first["at"] + 8 * array.size
    assert second["crc"] == first["crc"]


@pytest.mark.parametrize("size", [SAMPLE, SAMPLE + 1, 2 * SAMPLE + 1, 100_003])
def test_of_a_large_array_a_sample_at_even_distances(
    writer: Writer, tmp_path: Path, size: int
) -> None:
    array = np.arange(size, dtype="int64")
    sketch = writer.sketch(array)
    found = numbers(tmp_path, sketch)
    assert len(found) == sketch["count"] <= SAMPLE
    assert found[0] == 0
    assert len(set(np.diff(found))) == 1
    # As many as there is room for: at most half of it stays empty.
    assert len(found) * 2 > min(size, SAMPLE)
    assert sketch["sum"] == size * (size - 1) / 2


@pytest.mark.parametrize("kind", ["values", "shape", "dtype", "outside the sample"])
def test_arrays_that_differ_have_other_checksums_or_shapes(
    writer: Writer, kind: str
) -> None:
    one = np.arange(2 * SAMPLE, dtype="float32")
    other = {
        "values": one + 1,
        "shape": one.reshape(2, -1),
        "dtype": one.view("int32"),
        "outside the sample": np.where(np.arange(2 * SAMPLE) == 1, 7, one),
    }[kind].astype(one.dtype if kind != "dtype" else "int32")
    marks = [
        [sketch[name] for name in ("crc", "shape", "dtype")]
        for sketch in (writer.sketch(one), writer.sketch(other))
    ]
    assert marks[0] != marks[1]


def test_views_are_read_in_their_own_order(writer: Writer, tmp_path: Path) -> None:
    base = np.arange(12, dtype="float32").reshape(3, 4)
    for view in (base.T, base[:, ::2], base[::-1]):
        sketch = writer.sketch(view)
        assert numbers(tmp_path, sketch) == view.reshape(-1).tolist()
        assert sketch["crc"] == writer.sketch(view.copy())["crc"]


def test_complex_numbers_are_pairs(writer: Writer, tmp_path: Path) -> None:
    sketch = writer.sketch(np.array([1 + 2j, 3 - 4j], "complex64"))
    assert (sketch["shape"], sketch["sum"]) == ([2], 2.0)
    assert numbers(tmp_path, sketch) == [1, 2, 3, -4]


@pytest.mark.parametrize("dtype", ["U3", "S3", "O"])
def test_text_has_a_checksum_and_no_numbers(writer: Writer, dtype: str) -> None:
    one, same, other = (
        writer.sketch(np.array(words.split(), dtype=dtype))
        for words in ("cat dog", "cat dog", "cat dig")
    )
    assert one == same != other
    assert "at" not in one


def test_what_did_not_change_is_not_written_again(writer: Writer, tmp_path: Path) -> None:
    array = np.ones(4, "float32")
    first = writer.sketch(array, key="a")
    assert writer.sketch(array.copy(), key="a") == first
    assert (tmp_path / NUMBERS).stat().st_size == 32
    # Another one with the same value is another one.
    assert writer.sketch(array, key="b")["at"] == 32
    array[2] = 5
    changed = writer.sketch(array, key="a")
    assert numbers(tmp_path, changed) == [1, 1, 5, 1]
    assert numbers(tmp_path, first) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "other", [np.zeros((2, 3), "float32"), np.zeros(6, "int32"), np.zeros(3, "float64")]
)
def test_a_key_that_comes_again_is_no_excuse(writer: Writer, other: Any) -> None:
    # The same bytes at the same address: another variable, once the first one is gone.
    writer.sketch(np.zeros(6, "float32"), key=1)
    sketch = writer.sketch(other, key=1)
    assert (sketch["shape"], sketch["dtype"]) == (list(other.shape), str(other.dtype))
    assert sketch["count"] == other.size


# --- processes and threads --------------------------------------------------------------------


def test_a_fork_writes_nothing(writer: Writer, tmp_path: Path) -> None:
    writer.tell("before")
    writer.sketch(np.arange(3.0), key="a")
    child = os.fork()
    if child == 0:
        try:
            writer.tell("from the child")
            writer.sketch(np.arange(100.0))
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.tell("after")
    sketch = writer.sketch(np.array([7.0]))
    assert [event["event"] for event in events(tmp_path)] == ["before", "after"]
    assert (tmp_path / NUMBERS).stat().st_size == 32
    assert numbers(tmp_path, sketch) == [7]


def test_threads_do_not_mix_what_they_write(writer: Writer, tmp_path: Path) -> None:
    found: dict[int, list[dict[str, Any]]] = {}

    def write(thread: int) -> None:
        found[thread] = []
        for count in range(200):
            writer.tell("step", thread=thread, count=count, text="x" * 500)
            found[thread].append(writer.sketch(np.full(9, 1000.0 * thread + count)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    heard = [(event["thread"], event["count"]) for event in events(tmp_path)]
    assert sorted(heard) == [(n, count) for n in range(4) for count in range(200)]
    for number, sketches in found.items():
        for count, sketch in enumerate(sketches):
            assert numbers(tmp_path, sketch) == [1000.0 * number + count] * 9


def test_a_folder_that_was_used_is_written_anew(tmp_path: Path) -> None:
    for text in ("one", "two"):
        writer = Writer(tmp_path / "new" / "folder")
        writer.tell(text)
        writer.sketch(np.ones(2))
        writer.close()
    assert [e["event"] for e in events(tmp_path / "new" / "folder")] == ["two"]
    assert (tmp_path / "new" / "folder" / NUMBERS).stat().st_size == 16


# --- arguments --------------------------------------------------------------------------------


class Loss:
    secret = "not told"


def named(_: Any) -> None:
    pass


class UnknownRank:
    dtype = types.SimpleNamespace(name="float32")
    # As TensorFlow's, which raises when it is gone through.
    shape = 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("mse", "mse"),
        ("x" * 1000, "x" * 200),
        (np.zeros((2, 3), "float32"), "float32(2, 3)"),
        (np.float16(1), "float16()"),
        (UnknownRank(), "float32(?)"),
        (["mse", None], ["mse", None]),
        ((1, ["a"]), {"tuple": [1, ["a"]]}),
        ({"b": named, "a": Loss()}, {"b": "named", "a": "Loss"}),
        ({1: Loss}, {"1": "Loss"}),
        ({"mse"}, "set"),
        ([0] * MOST_ITEMS, [0] * MOST_ITEMS),
        ([0] * 20, [0] * MOST_ITEMS + ["… 20 in all"]),
    ],
)
def test_the_structure_of_an_argument(value: Any, said: Any) -> None:
    assert describe(value) == said
    json.dumps(describe(value))


def test_the_structure_of_what_holds_itself() -> None:
    value: list[Any] = []
    value.append(value)
    table: dict[str, Any] = {}
    table["self"] = table
    assert "…" in json.dumps(describe([value, table]), ensure_ascii=False)


# --- what Keras gives, without Keras ----------------------------------------------------------


class Model:
    def __init__(self, name: str = "model") -> None:
        self.name = name


@pytest.fixture
def observer(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> Observer:
    backend = types.ModuleType("keras.src.backend")
    backend.convert_to_numpy = np.asarray  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keras.src.backend", backend)
    return Observer(writer)


def test_models_that_come_and_go_have_numbers_of_their_own(
    observer: Observer, tmp_path: Path
) -> None:
    kept = []
    for count in range(200):
        model = Model(f"m{count}")
        number = observer.number_of(model)
        assert number == observer.number_of(model) == count
        if count % 3 == 0:
            kept.append((number, model))
        del model
    gc.collect()
    assert [event["name"] for event in events(tmp_path)] == [f"m{n}" for n in range(200)]
    assert list(observer.models()) == kept


def test_no_model_has_no_number(observer: Observer, tmp_path: Path) -> None:
    assert observer.number_of(None) is None
    assert events(tmp_path) == []


@pytest.mark.parametrize(
    ("logs", "names"),
    [
        ({"loss": 1, "acc": 0.5}, ["loss", "acc"]),
        ({"b": 1, "a": 2}, ["b", "a"]),
        ({"loss": 1, "inner": {"y": 2, "x": 3}}, ["loss", "inner/y", "inner/x"]),
        (None, []),
        ([1, 2], []),
    ],
)
def test_logs_in_their_order(observer: Observer, logs: Any, names: list[str]) -> None:
    assert [name for name, _ in observer.logs(logs)] == names


class Odd:
    """Says no to everything."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("traced")


def test_a_value_is_a_number_a_sketch_or_words(observer: Observer) -> None:
    for scalar in (2, 2.0, np.float32(2), np.array(2), np.array([2.0]), np.array([[2]])):
        found = observer.number(scalar)
        assert found == 2.0
        assert type(found) is float
    assert observer.number(np.zeros((2, 2)))["shape"] == [2, 2]
    assert observer.number("text") == "text"
    assert observer.number(np.array(["text"])) == "str128(1,)"
    assert observer.number({"shape": [1]}) == "{'shape': [1]}"
    assert observer.number(Odd()) == "Odd"
    assert observer.number(Loss()) == "Loss"
    assert observer.number(np.array([1j]))["dtype"] == "complex128"
    assert observer.number(np.array(["2020-01-01"], "M8[D]")) == "datetime64[D](1,)"


def test_a_generator_is_not_consumed(observer: Observer) -> None:
    numbers_ = iter(range(3))
    observer.structure({"data": numbers_})
    describe(numbers_)
    assert list(numbers_) == [0, 1, 2]


def test_what_a_call_returned_keeps_its_shape(observer: Observer) -> None:
    # A batch of one is no number: what it returns may have another rank in another release.
    one, other = (observer.structure(np.ones(shape)) for shape in ((1,), (1, 1)))
    assert (one["shape"], other["shape"]) == ([1], [1, 1])
    assert observer.structure(np.float32(3)) == 3.0
    history = types.SimpleNamespace(history={"loss": [1.0]}, epoch=[0])
    assert observer.structure(history) == {"dict": [["loss", {"list": [1.0]}]]}


@pytest.mark.parametrize("holds", [list, dict])
def test_a_result_that_holds_itself_ends(observer: Observer, holds: type) -> None:
    value = holds()
    if holds is list:
        value.append(value)
    else:
        value["self"] = value
    json.dumps(observer.structure(value))


def test_names_of_weights() -> None:
    def variable(path: str) -> Any:
        return types.SimpleNamespace(path=path, name=path.rsplit("/", maxsplit=1)[-1])

    paths = ["a/b/dense/kernel", "dense/kernel", "dense/bias", "dense/kernel", "w"]
    assert observe.names_of([variable(path) for path in paths]) == [
        "dense/kernel",
        "dense/kernel#2",
        "dense/bias",
        "dense/kernel#3",
        "w",
    ]
    unnamed = types.SimpleNamespace(path="", name="kernel")
    assert observe.names_of([unnamed]) == ["kernel"]
