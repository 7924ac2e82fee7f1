"""On real Keras: what a script trains is recorded as the script itself sees it, and not changed."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from krepro.cell.recorder import Tape
from krepro.cell.sowing import VALUES
from krepro.cell.tape import EVENTS, NUMBERS
from krepro.engine import Engine
from krepro.hunt import target as targets
from krepro.hunt.prober import Place, Prober
from krepro.hunt.symptom import Sighting
from krepro.matrix import Cell
from krepro.project import Project
from krepro.recorded import recording
from krepro.recorded.compare import compare
from krepro.recorded.recording import Call, Recording
from krepro.verdict import Verdict
from tests.conftest import ROOT, users_home

pytestmark = pytest.mark.keras
JAX, TORCH, TENSORFLOW = "jax-0.4", "torch-2.13", "tensorflow-2.16"
NEWEST = "3.15.1"


@dataclass(frozen=True)
class Recorded:
    """One run: how it ended, what it recorded, and what the script printed as JSON at its end."""

    sighting: Sighting
    recording: Recording
    folder: Path

    @property
    def output(self) -> str:
        return self.sighting.output

    @property
    def said(self) -> Any:
        assert self.sighting.ending == "returned", self.sighting
        return self.printed[-1]

    @property
    def printed(self) -> list[Any]:
        """The lines of JSON."""
        lines = self.output.splitlines()
        return [json.loads(line) for line in lines if line[:1] in ("[", "{")]

    @property
    def calls(self) -> list[Call]:
        return self.recording.calls

    def only(self, method: str) -> Call:
        (found,) = [call for call in self.calls if call.method == method]
        return found


@dataclass
class Lab:
    """Runs scripts in cells, with a tape and without."""

    engine: Engine
    scratch: Path
    count: int = 0
    first: dict[Any, Recorded] = field(default_factory=dict)

    def run(
        self,
        text: str,
        release: str = NEWEST,
        stack: str = JAX,
        *,
        taped: bool = True,
        given: Recorded | None = None,
        prepare: Callable[[Path], None] | None = None,
        **tape: Any,
    ) -> Recorded:
        """Run a script; with the initial values of another run, if one is given."""
        self.count += 1
        room = self.scratch / f"lab-{self.count}"
        room.mkdir()
        path = room / "train.py"
        path.write_text(textwrap.dedent(text))
        target = targets.find(Project(ROOT), str(path), room)
        assert target.script is not None
        folder = room / "tape"
        if prepare:
            prepare(folder)
        initial = given.folder / VALUES if given else None
        script = dataclasses.replace(
            target.script, tape=Tape(folder, initial, **tape) if taped else None
        )
        target = dataclasses.replace(target, script=script)
        prober = Prober(self.engine, target, self.scratch, 60)
        sighting = prober.look(Place(Cell(stack, release)))
        found = recording.read(folder) if taped and not prepare else Recording()
        return Recorded(sighting, found, folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    own = users_home(tmp_path_factory.mktemp("home"))
    engine = Engine(own, ROOT, Project(ROOT).matrix)
    with engine.room() as scratch:
        yield Lab(engine, scratch)


# A script that makes every call, and sees for itself what it does.
EVERYTHING = """
import json, os, threading, warnings
import keras, numpy as np
from keras.models import clone_model, load_model

keras.utils.set_random_seed(7)
seen = {"train": [], "test": [], "epoch": [], "same": {}, "lines": {}, "changed": {}}
x = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
y = x.sum(axis=1, keepdims=True)

def numbers(logs):
    return [[name, float(value)] for name, value in logs.items()]

class Watch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        seen["train"].append(numbers(logs))
    def on_test_batch_end(self, batch, logs=None):
        seen["test"].append(numbers(logs))
    def on_epoch_end(self, epoch, logs=None):
        seen["epoch"].append(numbers(logs))
        self.model.predict(x[:2], verbose=0)

class Own(keras.Sequential):
    def compile(self, *args, **kwargs):
        super().compile(*args, **{**kwargs, "loss": "mae"})
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)

MADE = []

@keras.saving.register_keras_serializable()
class Kept(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(1)
    def call(self, inputs):
        return self.dense(inputs)
    def __len__(self):
        return 0
    def get_config(self):
        return {}
    @classmethod
    def from_config(cls, config):
        MADE.append(cls(**config))
        return MADE[-1]

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
model.layers[0].trainable = False
model.compile("sgd", "mse", metrics=["mae"])
frozen = model.get_weights()[0].copy()
history = model.fit(x, y, batch_size=3, epochs=2, verbose=0, callbacks=[Watch()],
                    validation_data=(x[:4], y[:4]), shuffle=False)
seen["same"]["history"] = history is model.history
seen["same"]["frozen"] = bool((model.get_weights()[0] == frozen).all())
seen["loss"] = history.history["loss"]
seen["evaluate"] = model.evaluate(x, y, batch_size=4, verbose=0)
seen["predict"] = model.predict(x, verbose=0).tolist()
seen["train_on_batch"] = [float(v) for v in model.train_on_batch(x, y)]
seen["test_on_batch"] = {k: float(v) for k, v in model.test_on_batch(x, y, return_dict=True).items()}
seen["predict_on_batch"] = np.asarray(model.predict_on_batch(x[:1])).tolist()
model.save("m.keras")
model.save_weights("m.weights.h5")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    again = load_model("m.keras")
seen["caught"] = [str(w.message) for w in caught]
model.load_weights("m.weights.h5")
copied = clone_model(model)
kept = Kept()
kept.compile("sgd", "mse")
kept.train_on_batch(x, y)
kept.train_on_batch(x, y)
kept.save("kept.keras")
seen["same"]["loaded"] = load_model("kept.keras") is MADE[-1]
own = Own([keras.layers.Dense(1)])
own.compile(optimizer="sgd", loss="mse")
own.fit(x, y, verbose=0)

class Boom(Exception):
    pass

class Breaks(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise BOOM

BOOM = Boom("with 2 words")
try:
    model.fit(x, y, verbose=0, callbacks=[Breaks()])
except Boom as error:
    seen["same"]["error"] = error is BOOM and error.args == ("with 2 words",)
warnings.warn("from the script", UserWarning)
model.layers[0].trainable = True
model.compile(keras.optimizers.Adam(), "mse")
model.train_on_batch(x, y)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def everything(lab: Lab) -> Recorded:
    return lab.run(EVERYTHING)


def test_every_call_of_the_script_and_none_of_keras(everything: Recorded) -> None:
    assert everything.said
    text = EVERYTHING.splitlines()
    for call in everything.calls:
        file, _, line = call.at.partition(":")
        assert file == "train.py"
        # Where the script's own method calls Keras', that is the place.
        assert call.method in text[int(line) - 1] or call.method == "fit", call
    found = [call.method for call in everything.calls if call.inside is None]
    assert found == [
        *("compile", "fit", "evaluate", "predict"),
        *("train_on_batch", "test_on_batch", "predict_on_batch"),
        *("save", "save_weights", "load_model", "load_weights", "clone_model"),
        *("compile", "train_on_batch", "train_on_batch", "save", "load_model"),
        *("compile", "fit", "fit", "compile", "train_on_batch"),
    ]
    assert all(call.ended for call in everything.calls)


def test_calls_of_a_callback_are_inside(everything: Recorded) -> None:
    fit = everything.calls[1]
    inside = [call for call in everything.calls if call.inside is not None]
    assert [(call.method, call.inside) for call in inside] == [("predict", fit.number)] * 2
    assert {call.result.shape for call in inside} == {(2, 1)}


def test_logs_are_what_a_callback_of_the_script_sees(everything: Recorded) -> None:
    seen, fit = everything.said, everything.calls[1]
    for phase in ("train", "test", "epoch"):
        logs = [
            [[name, value] for name, value in step.logs.items()]
            for step in fit.steps
            if step.phase == phase
        ]
        assert logs == seen[phase]
        assert fit.counts[phase] == len(logs)
    assert fit.counts == {"train": 6, "test": 4, "epoch": 2}
    assert fit.result["loss"] == seen["loss"]
    # In the order in which they came.
    order = [step.phase for step in fit.steps]
    assert order == (["train"] * 3 + ["test"] * 2 + ["epoch"]) * 2


def test_results_are_what_the_script_got(everything: Recorded) -> None:
    seen = everything.said
    for method in ("evaluate", "test_on_batch"):
        assert everything.only(method).result == seen[method]
    for method in ("train_on_batch", "predict_on_batch", "predict"):
        first = next(c for c in everything.calls if c.method == method and c.inside is None)
        result = first.result
        if method == "train_on_batch":
            assert result == seen[method]
        else:
            assert result.shape == np.shape(seen[method])
            assert result.values == tuple(np.ravel(seen[method]))


def test_what_the_script_gets_is_what_keras_gave(everything: Recorded) -> None:
    assert everything.said["same"] == {
        "history": True,
        "frozen": True,
        "loaded": True,
        "error": True,
    }


def test_nothing_is_said_that_keras_does_not_say(lab: Lab, everything: Recorded) -> None:
    plain = lab.run(EVERYTHING, taped=False)
    # The script seeds itself: the same to the last bit, and no warning more.
    assert everything.said == plain.said
    assert everything.said["caught"] == plain.said["caught"] == []
    mine, others = (run.output.count("Warning") for run in (everything, plain))
    assert mine == others


def test_what_was_trained(everything: Recorded) -> None:
    kernels = frozenset({"dense_1/kernel", "dense_1/bias"})
    fit = everything.calls[1]
    assert set(fit.trainable or ()) == kernels
    assert fit.changed == kernels
    assert [look.changed for look in fit.looks] == [kernels] * len(fit.looks)
    assert [look.count for look in fit.looks] == [1, 2, 3, 4, 5, 6]
    assert set(fit.weights) == kernels | {"dense/kernel", "dense/bias"}
    assert everything.only("evaluate").changed == frozenset()
    last = everything.calls[-1]
    assert set(last.trainable or ()) == set(fit.weights)
    assert last.changed == frozenset(fit.weights)
    # One of the models says that it is empty, and is not; it is built in its first call.
    batches = [call for call in everything.calls if call.method == "train_on_batch"]
    assert [len(call.trainable or ()) for call in batches] == [2, 2, 2, 4]
    assert [len(call.changed or ()) for call in batches] == [2, 0, 2, 4]


def test_the_state_of_the_optimizer(everything: Recorded) -> None:
    fit, last = everything.calls[1], everything.calls[-1]
    assert fit.optimizer is not None
    assert last.optimizer is not None
    assert (fit.optimizer["class"], fit.optimizer["iterations"]) == ("SGD", 6)
    assert (last.optimizer["class"], last.optimizer["iterations"]) == ("Adam", 1)
    shapes = Counter(map(tuple, last.optimizer["slots"]))
    assert (shapes[3, 2], shapes[2, 1]) == (2, 2)
    assert fit.optimizer["learning_rate"] == pytest.approx(0.01)


def test_arguments_are_told_by_name_and_structure(everything: Recorded) -> None:
    assert everything.calls[0].arguments == {
        "optimizer": "sgd",
        "loss": "mse",
        "metrics": ["mae"],
    }
    assert everything.calls[1].arguments == {
        "x": "float32(8, 3)",
        "y": "float32(8, 1)",
        "batch_size": 3,
        "epochs": 2,
        "verbose": 0,
        "callbacks": ["Watch"],
        "validation_data": {"tuple": ["float32(4, 3)", "float32(4, 1)"]},
        "shuffle": False,
    }
    # A subclass may change what it passes on.
    compiled = [c for c in everything.calls if c.method == "compile"][2]
    assert compiled.arguments == {"optimizer": "sgd", "loss": "mae"}


def test_an_exception_is_told(everything: Recorded) -> None:
    raised = [call for call in everything.calls if call.raised]
    assert [(c.method, str(c.raised), c.counts) for c in raised] == [
        ("fit", "Boom: with 2 words", {"train": 1})
    ]


def test_models_and_what_becomes_of_them(everything: Recorded) -> None:
    made = [c for c in everything.calls if c.method in ("load_model", "clone_model")]
    numbers = [call.made for call in made]
    models = everything.recording.models
    assert all(number is not None for number in numbers)
    assert [models[number or 0].split()[0] for number in numbers] == [
        "Sequential",
        "Sequential",
        "Kept",
    ]
    assert len(set(numbers)) == 3
    assert everything.recording.final[0] == everything.calls[-1].weights
    assert {c.model for c in everything.calls[:2]} == {0}


def test_warnings_of_the_script(everything: Recorded) -> None:
    (found,) = everything.recording.warnings
    assert (found.category, found.text) == ("UserWarning", "from the script")


def test_the_end_is_told(everything: Recorded) -> None:
    finished = everything.recording.finished
    assert finished["seconds"] > 0
    assert finished["cost_s"] < finished["seconds"]
    assert finished["peak_mb"] > 20
    assert (finished["put"], finished["missed"]) == (0, 0)


def test_recorded_twice_it_does_the_same(lab: Lab, everything: Recorded) -> None:
    again = lab.run(EVERYTHING, given=everything)
    assert compare(everything.recording, again.recording) == []
    assert again.recording.finished["put"] > 0
    assert again.recording.finished["missed"] == 0


# --- processes, threads and folders -----------------------------------------------------------

# Trains in threads; forks children of all kinds; leaves; takes its folder with it.
RESTLESS = """
import json, os, shutil, sys, tempfile, threading
import keras, numpy as np

x = np.ones((8, 3), "float32")
y = np.ones((8, 1), "float32")

def train(name, steps):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name=name)
    model.compile("sgd", "mse")
    for _ in range(steps):
        model.fit(x, y, batch_size=2, verbose=0)
        model.train_on_batch(x, y)

threads = [threading.Thread(target=train, args=(f"model_{n}", n + 2)) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

def child(action):
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
ends = [
    child(lambda: model.save("child.keras")),
    child(lambda: model.compile("sgd", "mae")),
    child(lambda: sys.exit(3)),
    child(lambda: 1 / 0),
]
print(json.dumps(ends), flush=True)
here = os.path.dirname(os.path.abspath(__file__))
os.chdir(tempfile.mkdtemp())
model.compile("sgd", "mse")
model.train_on_batch(x, y)
shutil.rmtree(here)
model.fit(x, y, verbose=0)
sys.exit(5)
"""


@pytest.fixture(scope="module")
def restless(lab: Lab) -> Recorded:
    return lab.run(RESTLESS)


def test_a_restless_script_ends_as_it_would(restless: Recorded) -> None:
    assert (restless.sighting.ending, restless.sighting.status) == ("exited", 5)
    assert restless.recording.finished
    # As Python itself has a child end: by its exit status, or by its exception.
    assert restless.printed == [[0, 0, 3, 1]]


def test_threads_have_calls_of_their_own(restless: Recorded) -> None:
    models = restless.recording.models
    for number in range(3):
        name = f"Sequential 'model_{number}'"
        own = [c for c in restless.calls if c.model is not None and models[c.model] == name]
        assert [c.method for c in own] == ["compile"] + ["fit", "train_on_batch"] * (
            number + 2
        )
        for call in own:
            assert call.inside is None
            if call.method == "fit":
                assert [step.count for step in call.steps if step.phase == "train"] == [
                    1,
                    2,
                    3,
                    4,
                ]
    assert [call.number for call in restless.calls] == list(range(len(restless.calls)))


def test_children_and_folders_leave_the_recording_alone(restless: Recorded) -> None:
    methods = Counter(call.method for call in restless.calls)
    # Nothing of the children: neither save nor another compile.
    assert methods == {"compile": 4, "fit": 10, "train_on_batch": 10}
    assert [call.method for call in restless.calls[-3:]] == [
        "compile",
        "train_on_batch",
        "fit",
    ]
    assert all(call.ended and call.at.startswith("train.py:") for call in restless.calls)


SPAWNS = """
import multiprocessing

def double(number):
    return 2 * number

if __name__ == "__main__":
    import json
    import keras, numpy as np
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled = pool.map(double, [1, 2])
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    print(json.dumps(doubled))
"""


def test_processes_that_are_spawned(lab: Lab) -> None:
    found = lab.run(SPAWNS)
    assert found.said == [2, 4]
    assert [call.method for call in found.calls] == ["compile", "train_on_batch"]


# --- ending early -----------------------------------------------------------------------------

ENOUGH = """
import atexit
import keras, numpy as np

x = np.ones((64, 3), "float32")
y = np.ones((64, 1), "float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
for _ in range(2):
    model.fit(x, y, batch_size=2, epochs=4, verbose=0, validation_data=(x[:4], y[:4]))
short = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
short.compile("sgd", "mse")
short.train_on_batch(x, y)
try:
    while True:
        model.train_on_batch(x, y)
finally:
    model.evaluate(x, y, verbose=0)
    short.predict(x, verbose=0)
"""


@pytest.fixture(scope="module")
def enough(lab: Lab) -> Recorded:
    return lab.run(ENOUGH, steps=5)


def test_each_training_ends_after_so_many_steps(enough: Recorded) -> None:
    fits = [call for call in enough.calls if call.method == "fit"]
    assert [call.counts["train"] for call in fits] == [5, 5]
    # As a callback would end it: the epoch is brought to its end.
    assert [(call.counts["epoch"], call.counts["test"]) for call in fits] == [(1, 2)] * 2
    assert "val_loss" in fits[0].result
    batches = Counter(c.model for c in enough.calls if c.method == "train_on_batch")
    assert batches == {0: 5, 1: 1}


def test_ending_early_is_ending_well(enough: Recorded) -> None:
    assert (enough.sighting.ending, enough.sighting.status) == ("exited", 0)
    assert enough.sighting.ended_well
    assert enough.recording.stopped_early
    assert enough.recording.finished


def test_what_comes_after_the_last_step_is_recorded_too(enough: Recorded) -> None:
    assert [call.method for call in enough.calls[-3:]] == [
        "train_on_batch",
        "evaluate",
        "predict",
    ]
    assert all(call.ended for call in enough.calls)
    assert isinstance(enough.calls[-2].result, float)


def test_without_steps_nothing_ends_early(everything: Recorded) -> None:
    assert not everything.recording.stopped_early


# --- optimizers in optimizers -----------------------------------------------------------------
MIXED = """
import json
import keras, numpy as np

keras.mixed_precision.set_global_policy("mixed_float16")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, dtype="float32")])
model.compile("sgd", "mse")
before = model.get_weights()
model.fit(np.ones((8, 3)), np.ones((8, 1)), batch_size=4, verbose=0)
print(json.dumps([type(model.optimizer).__name__, bool(np.any(before[0] != model.get_weights()[0]))]))
"""


@pytest.mark.parametrize("nudge", [0.0, 1e-6])
def test_an_optimizer_that_wraps_another_is_left_to_work(lab: Lab, nudge: float) -> None:
    """LossScaleOptimizer hands the variables to the inner one by name, on TensorFlow."""
    found = lab.run(MIXED, stack=TENSORFLOW, nudge=nudge)
    assert found.said == ["LossScaleOptimizer", True]
    assert found.only("fit").counts["train"] == 2


# --- the same initial weights -----------------------------------------------------------------

# Models of all kinds: built at once, lazily, by hand; with layers that are shared, or many.
BUILT = """
import json
import keras, numpy as np
from keras import layers

def lazy():
    model = keras.Sequential([layers.Dense(4), layers.Dropout(0.5), layers.Dense(2)], name="lazy")
    model(np.ones((1, 3), "float32"))
    return model

def functional():
    shared = layers.Dense(3, name="shared")
    one, other = keras.Input((3,)), keras.Input((3,))
    joined = layers.Concatenate()([shared(one), shared(other)])
    normal = layers.BatchNormalization()(layers.Dense(4)(joined))
    return keras.Model([one, other], layers.Dense(1)(normal), name="functional")

def words():
    tokens = keras.Input((5,), dtype="int32")
    vectors = layers.Embedding(7, 4)(tokens)
    read = layers.Bidirectional(layers.LSTM(3))(vectors)
    return keras.Model(tokens, layers.Dense(2)(read), name="words")

class Own(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.first, self.second = layers.Dense(3), layers.Dense(3)
    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(3,), initializer="normal")
        super().build(shape)
    def call(self, inputs):
        return self.second(self.first(inputs)) * self.scale

def own():
    model = Own()
    model(np.ones((1, 3), "float32"))
    return model

made = [make() for make in ORDER]
made[0].compile("sgd", "mse")
print(json.dumps({
    model.name: [[list(w.shape), np.asarray(keras.ops.convert_to_numpy(w)).ravel().tolist()]
                 for w in model.weights]
    for model in made
}))
"""
ORDER, REVERSED = "lazy, functional, words, own", "own, words, functional, lazy"


def built(order: str = ORDER) -> str:
    return BUILT.replace("ORDER", f"[{order}]")


@pytest.fixture(scope="module")
def first(lab: Lab) -> Recorded:
    return lab.run(built(), "3.3.3")


def drawn(said: dict[str, Any]) -> list[float]:
    """The values that are not all zeros or ones."""
    return [
        value
        for weights in said.values()
        for _, values in weights
        for value in values
        if value not in (0, 1)
    ]


def test_weights_are_drawn_at_random(lab: Lab, first: Recorded) -> None:
    values = drawn(first.said)
    assert len(set(values)) > 0.9 * len(values) > 100
    # Seeded: another run draws the same, and keeps none of it.
    assert not first.recording.finished["put"]
    assert lab.run(built(), "3.3.3").said == first.said


@pytest.mark.parametrize(
    ("release", "stack"),
    [
        ("3.0.0", JAX),
        (NEWEST, JAX),
        (NEWEST, TORCH),
        ("3.3.3", TENSORFLOW),
    ],
)
def test_the_same_weights_on_another_release_or_backend(
    lab: Lab, first: Recorded, release: str, stack: str
) -> None:
    found = lab.run(built(), release, stack, given=first)
    assert found.said == first.said
    assert found.recording.finished["missed"] == 0
    assert found.recording.finished["put"] >= sum(map(len, first.said.values()))
    assert not (found.folder / VALUES).exists()


def test_without_them_another_backend_draws_others(lab: Lab, first: Recorded) -> None:
    assert not set(drawn(lab.run(built(), NEWEST, TORCH).said)) & set(drawn(first.said))


def test_models_that_are_built_in_another_order(lab: Lab, first: Recorded) -> None:
    found = lab.run(built(REVERSED), given=first)
    assert found.recording.finished["missed"] == 0
    # What has a name or a shape of its own is found; names that Keras made up are other ones.
    assert found.said["words"] == first.said["words"]
    shared = [found.said["functional"][0], first.said["functional"][0]]
    assert shared[0] == shared[1]
    assert shared[0][0] == [3, 3]
    assert set(drawn(found.said)) <= set(drawn(first.said))


def test_a_weight_of_another_shape_is_drawn(lab: Lab, first: Recorded) -> None:
    text = built().replace("layers.Embedding(7, 4)", "layers.Embedding(8, 4)")
    found = lab.run(text, given=first)
    assert found.recording.finished["missed"] == 1
    for name in ("lazy", "functional", "own"):
        assert found.said[name] == first.said[name]
    assert found.said["words"][1:] == first.said["words"][1:]
    assert found.said["words"][0][0] == [8, 4]


def test_nudged_weights_are_near(lab: Lab, first: Recorded) -> None:
    found = lab.run(built(), "3.3.3", given=first, nudge=1e-6)
    flat = [
        [value for weights in run.said.values() for _, row in weights for value in row]
        for run in (found, first)
    ]
    pairs = list(zip(*flat, strict=True))
    assert all(a == pytest.approx(b, rel=1e-5) for a, b in pairs)
    assert sum(a != b for a, b in pairs) > len(pairs) / 2


# --- loops of one's own -----------------------------------------------------------------------

LOOPS = {
    TENSORFLOW: """
        import keras, numpy as np, tensorflow as tf, json
        keras.utils.set_random_seed(3)
        x, y = tf.ones((8, 3)), tf.ones((8, 1))
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        other = keras.layers.Dense(1)
        other(x)
        optimizer = keras.optimizers.SGD(0.1)
        losses = []
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x) - y) ** 2)
            grads = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables))
            return loss
        for _ in range(3):
            losses.append(float(step()))
        traced = tf.function(step)
        for _ in range(3):
            losses.append(float(traced()))
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
        print(json.dumps([losses]))
    """,
    TORCH: """
        import keras, numpy as np, torch, json
        keras.utils.set_random_seed(3)
        x, y = torch.ones((8, 3)), torch.ones((8, 1))
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.1)
        losses = []
        for _ in range(6):
            loss = ((model(x) - y) ** 2).mean()
            model.zero_grad()
            loss.backward()
            weights = [v for v in model.trainable_weights]
            with torch.no_grad():
                optimizer.apply([v.value.grad for v in weights], weights)
            losses.append(float(loss))
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
        print(json.dumps([losses]))
    """,
    JAX: """
        import keras, numpy as np, jax, json
        keras.utils.set_random_seed(3)
        x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)
        def loss_of(trainable, rest):
            found, rest = model.stateless_call(trainable, rest, x)
            return ((found - y) ** 2).mean(), rest
        @jax.jit
        def step(trainable, rest, slots):
            (loss, rest), grads = jax.value_and_grad(loss_of, has_aux=True)(trainable, rest)
            trainable, slots = optimizer.stateless_apply(slots, grads, trainable)
            return loss, trainable, rest, slots
        state = [[v.value for v in each] for each in
                 (model.trainable_variables, model.non_trainable_variables, optimizer.variables)]
        losses = []
        for _ in range(6):
            loss, *state = step(*state)
            losses.append(float(loss))
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
        print(json.dumps([losses]))
    """,
}


@pytest.mark.parametrize("stack", LOOPS)
def test_loops_of_ones_own(lab: Lab, stack: str) -> None:
    found, plain = (
        lab.run(LOOPS[stack], stack=stack),
        lab.run(LOOPS[stack], stack=stack, taped=False),
    )
    assert found.said == plain.said
    (losses,) = found.said
    assert losses[-1] < losses[0]
    applied = [call for call in found.calls if call.method == "apply"]
    assert found.recording.trains
    # What Keras' own loop applies is no call of the script's.
    assert [call.method for call in found.calls if call.method != "apply"] == [
        "compile",
        "fit",
    ]
    assert all(call.ended and not call.raised for call in applied)
    if stack == JAX:
        # It is only traced, by the script's own compiler.
        assert len(applied) == 1
        return
    assert len(applied) == {TENSORFLOW: 4, TORCH: 6}[stack]
    for call in applied[:3]:
        assert set(call.changed or ()) == set(call.weights) != set()


@pytest.mark.parametrize(("release", "stack"), [("3.6.0", TENSORFLOW), ("3.3.3", TORCH)])
def test_every_call_on_the_other_backends(
    lab: Lab, everything: Recorded, release: str, stack: str
) -> None:
    found = lab.run(EVERYTHING, release, stack, given=everything)
    seen, fit = found.said, found.calls[1]
    places = [
        [(c.method, c.at, c.inside) for c in run.calls] for run in (found, everything)
    ]
    assert places[0] == places[1]
    for phase in ("train", "test", "epoch"):
        logs = [
            [[name, value] for name, value in step.logs.items()]
            for step in fit.steps
            if step.phase == phase
        ]
        assert logs == seen[phase]
    assert seen["same"] == everything.said["same"]
    assert seen["caught"] == []
    assert fit.changed == everything.calls[1].changed
    assert fit.trainable == everything.calls[1].trainable
    # They start from the same weights, and so go the same way.
    assert seen["loss"] == pytest.approx(everything.said["loss"], rel=1e-4)


HALF = """
import json
import keras, numpy as np
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
model.compile("sgd", "mse")
model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
found = model.predict(np.ones((4, 3)), verbose=0)
print(json.dumps([np.asarray(found).astype("float32").ravel().tolist()]))
"""


def test_numbers_of_half_length(lab: Lab) -> None:
    found = lab.run(HALF)
    sketch = found.only("predict").result
    assert (sketch.dtype, sketch.shape) == ("bfloat16", (4, 2))
    assert list(sketch.values) == found.said[0]
    kernel = found.recording.final[0]["dense/kernel"]
    assert kernel.dtype == "bfloat16"
    assert len(set(kernel.values)) > 3
    again = lab.run(HALF, given=found)
    assert again.recording.finished["missed"] == 0
    assert again.said == found.said


STEADY = """
import json
import keras, numpy as np
noise = np.random.default_rng().normal(size=(64, 3))
x, y = np.arange(64.0).reshape(64, 1) * np.ones((64, 3)), np.zeros((64, 1))
model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=[keras.metrics.MeanMetricWrapper(lambda t, p: t, name="y")])
order = []
class Watch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        order.append(round(float(logs["y"]), 3))
model.fit(x, np.arange(64.0).reshape(64, 1), batch_size=16, verbose=0, callbacks=[Watch()])
print(json.dumps([order, noise[0].tolist(), float(np.random.default_rng(5).normal())]))
"""


def test_steady_runs_take_samples_in_their_order(lab: Lab) -> None:
    found = [lab.run(STEADY, steady=steady) for steady in (False, True, True)]
    orders = [run.said[0] for run in found]
    # The mean so far of the samples that a step took.
    assert orders[1] == orders[2] == [7.5, 15.5, 23.5, 31.5]
    assert orders[0] != orders[1]
    assert found[0].only("fit").arguments == found[1].only("fit").arguments
    # What has no seed gets one, what has one keeps it.
    noise = [run.said[1] for run in found]
    assert noise[0] == noise[1] == noise[2]
    assert found[0].said[2] == float(np.random.default_rng(5).normal())


# --- a full disk ------------------------------------------------------------------------------


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="Linux has a full disk to write to"
)
@pytest.mark.parametrize("name", [EVENTS, NUMBERS])
def test_a_full_disk_is_no_exception_of_the_scripts(lab: Lab, name: str) -> None:
    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / name).symlink_to("/dev/full")

    found = lab.run(HALF, prepare=fill)
    assert found.sighting.verdict == Verdict.NO_SPACE.value
    assert found.sighting.ending == ""
