"""Small training programs as data. Pure.

A program builds models, gives them known weights, and takes steps: it compiles, trains, evaluates,
saves. It can be written as a script (``source``), predicted (``reference``) and kept as JSON.
All numbers in it, weights and data, are small multiples of 1/8 made by ``numbers``, so that a
script needs no file and no random number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec


class ListOf(msgspec.Struct, frozen=True, tag="list"):
    """A list."""

    items: tuple[Structure, ...]


class TupleOf(msgspec.Struct, frozen=True, tag="tuple"):
    """A tuple."""

    items: tuple[Structure, ...]


class DictOf(msgspec.Struct, frozen=True, tag="dict"):
    """A dictionary, in the order in which a user wrote it."""

    keys: tuple[str, ...]
    items: tuple[Structure, ...]


class Named(msgspec.Struct, frozen=True, tag="named"):
    """A loss, a metric or the like by its name.

    ``form`` is "string", "object" (``keras.losses.MeanSquaredError(**args)``) or "function"
    (``keras.losses.mean_squared_error``). ``name`` is snake case, as in a string.
    """

    name: str
    form: str = "string"
    args: dict[str, Any] = {}


# Leaves are node numbers (outputs of a model), numbers (loss weights), names, or None.
Structure: TypeAlias = ListOf | TupleOf | DictOf | Named | int | float | None


class Node(msgspec.Struct, frozen=True):
    """A layer called on the outputs of earlier nodes of its model.

    ``op`` is one of ``input``, ``dense``, ``embedding``, ``activation``, ``batch_normalization``,
    ``dropout`` (rate 0), ``add``, ``concatenate``, ``flatten``, ``reshape``, ``add_loss`` (a layer of
    the user's own: it gives what it is given, and adds a quarter of its mean square to the loss),
    ``model`` (an earlier model of the program, called as a layer, on its inputs in the order of
    their leaves). ``name`` is the layer's.

    ``args`` by op: input ``shape`` (without the batch), ``dtype``; dense ``units``,
    ``activation`` ("linear", "relu", "tanh", "sigmoid", "softmax"), ``use_bias``,
    ``kernel_l2`` (0.0: no regularizer), ``trainable``; embedding ``input_dim``, ``output_dim``,
    ``mask_zero``; activation ``activation``; batch_normalization ``momentum``; reshape
    ``target_shape``; model ``model`` (its number), no layer of its own.

    ``shares`` is the number of an earlier node whose layer this one calls again (-1: none).
    """

    op: str
    name: str
    inputs: tuple[int, ...] = ()
    args: dict[str, Any] = {}
    shares: int = -1


class Model(msgspec.Struct, frozen=True):
    """A model.

    ``form`` is "functional", "sequential" (nodes in a line) or "subclass" (a ``keras.Model`` whose
    ``call`` does what the nodes say; its layers are attributes). ``inputs`` is the structure in
    which a functional model takes its inputs, ``outputs`` that of its outputs; their leaves are
    node numbers. ``start`` is where the numbers of its weights start.
    """

    form: str
    name: str
    nodes: tuple[Node, ...]
    inputs: Structure
    outputs: Structure
    start: int = 0


class Optimizer(msgspec.Struct, frozen=True):
    """An optimizer: ``name`` is "sgd" or "adam", ``args`` what it is built with.

    ``args`` may have learning_rate (a float, or a ``Named`` schedule of ``args``), momentum,
    nesterov, beta_1, beta_2, epsilon, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema,
    ema_momentum, ema_overwrite_frequency, gradient_accumulation_steps.
    """

    name: str = "sgd"
    args: dict[str, Named | float | int | bool | None] = {}


class Data(msgspec.Struct, frozen=True):
    """What a step is given: inputs and targets of ``samples`` samples, made from ``start``.

    ``x`` is how the inputs are passed: "array" (one input), "list", "dict" (by the names of the
    inputs). ``y`` is the structure of the targets; its leaves are output positions, counted as
    ``leaves`` of the model's outputs does, or None. ``feed`` is "arrays", "dataset" (``tf.data``),
    "sequence" (a ``keras.utils.PyDataset``) or "generator"; all but the first are batched.
    ``sample_weight`` is None or a structure like ``y``'s, of output positions too.
    ``class_weight`` maps classes to weights. ``targets`` says of each output position what its
    targets are (by default "numbers"): "numbers" of the output's shape, "binary" (0 and 1, of the
    output's shape), "classes" (whole numbers below the output's last dimension, of shape
    (samples, 1)) or "one_hot".
    """

    samples: int
    start: int = 0
    x: str = "array"
    y: Structure = 0
    targets: tuple[str, ...] = ()
    feed: str = "arrays"
    sample_weight: Structure = None
    class_weight: tuple[tuple[int, float], ...] = ()


class Callback(msgspec.Struct, frozen=True):
    """A callback of ``fit``: ``name`` is that of the class, such as "EarlyStopping"."""

    name: str
    args: dict[str, Any] = {}


class Compile(msgspec.Struct, frozen=True, tag="compile"):
    """``models[model].compile(...)``."""

    model: int
    optimizer: Optimizer = Optimizer()
    loss: Structure = None
    loss_weights: Structure = None
    metrics: Structure = None
    weighted_metrics: Structure = None
    run_eagerly: bool = False
    jit_compile: bool | None = None
    steps_per_execution: int = 1


class SetTrainable(msgspec.Struct, frozen=True, tag="set_trainable"):
    """``models[model].trainable = value``, or that of one of its layers."""

    model: int
    value: bool
    layer: str = ""


class Fit(msgspec.Struct, frozen=True, tag="fit"):
    """``models[model].fit(...)``, without shuffling."""

    model: int
    data: Data
    batch_size: int
    epochs: int = 1
    validation: Data | None = None
    callbacks: tuple[Callback, ...] = ()
    steps_per_epoch: int | None = None


class OnBatch(msgspec.Struct, frozen=True, tag="on_batch"):
    """``train_on_batch`` or ``test_on_batch``."""

    model: int
    data: Data
    train: bool = True
    return_dict: bool = True


class Evaluate(msgspec.Struct, frozen=True, tag="evaluate"):
    """``models[model].evaluate(...)``."""

    model: int
    data: Data
    batch_size: int
    return_dict: bool = True


class Predict(msgspec.Struct, frozen=True, tag="predict"):
    """``models[model].predict(...)``."""

    model: int
    data: Data
    batch_size: int


class ResetMetrics(msgspec.Struct, frozen=True, tag="reset_metrics"):
    """``models[model].reset_metrics()``."""

    model: int


class SaveLoad(msgspec.Struct, frozen=True, tag="save_load"):
    """Save a model to a ``.keras`` file, load it, and go on with what was loaded."""

    model: int


class Clone(msgspec.Struct, frozen=True, tag="clone"):
    """Go on with a clone of a model, which is given the weights of the old one."""

    model: int


class SetWeights(msgspec.Struct, frozen=True, tag="set_weights"):
    """``models[model].set_weights(models[model].get_weights())``: nothing may change."""

    model: int


class LoadWeights(msgspec.Struct, frozen=True, tag="load_weights"):
    """``models[model].load_weights(file)``: what a ``ModelCheckpoint`` of an earlier fit wrote."""

    model: int
    file: str


Step: TypeAlias = (
    Compile
    | SetTrainable
    | Fit
    | OnBatch
    | Evaluate
    | Predict
    | ResetMetrics
    | SaveLoad
    | Clone
    | SetWeights
    | LoadWeights
)


class Program(msgspec.Struct, frozen=True):
    """A program: its models, in the order in which they are built, and what is done with them."""

    models: tuple[Model, ...]
    steps: tuple[Step, ...]


def to_json(program: Program) -> bytes:
    """Return a program as JSON."""
    return msgspec.json.encode(program)


def from_json(text: bytes | str) -> Program:
    """Read a program from JSON.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.json.decode(text, type=Program)


def leaves(structure: Structure) -> Iterator[Any]:
    """Yield the leaves of a structure in the order in which a user wrote them; None is a leaf."""
    if isinstance(structure, ListOf | TupleOf | DictOf):
        for item in structure.items:
            yield from leaves(item)
    else:
        yield structure


def mapped(function: Callable[[Any], Any], structure: Structure) -> Structure:
    """Return a structure with a function applied to each leaf."""
    if isinstance(structure, ListOf | TupleOf | DictOf):
        items = tuple(mapped(function, item) for item in structure.items)
        return msgspec.structs.replace(structure, items=items)
    found: Structure = function(structure)
    return found


def shaped(structure: Structure, values: Sequence[Any]) -> Structure:
    """Return a structure with other leaves, in the order in which a user wrote them."""
    waiting = iter(values)
    return mapped(lambda _: next(waiting), structure)


def is_nested(structure: Structure) -> bool:
    """Whether there are structures in a structure."""
    return isinstance(structure, ListOf | TupleOf | DictOf) and any(
        isinstance(item, ListOf | TupleOf | DictOf) for item in structure.items
    )


def data_of(step: Step) -> tuple[Data, ...]:
    """Return what a step is given, with what a training is validated on."""
    if not isinstance(step, Fit | OnBatch | Evaluate | Predict):
        return ()
    if isinstance(step, Fit) and step.validation is not None:
        return step.data, step.validation
    return (step.data,)


def with_data(step: Step, function: Callable[[Data], Data]) -> Step:
    """Return a step with a function applied to all that it is given."""
    if not isinstance(step, Fit | OnBatch | Evaluate | Predict):
        return step
    step = msgspec.structs.replace(step, data=function(step.data))
    if isinstance(step, Fit) and step.validation is not None:
        step = msgspec.structs.replace(step, validation=function(step.validation))
    return step


def layer_nodes(model: Model) -> Iterator[tuple[int, Node]]:
    """Yield the nodes that bring a layer of their own, with weights or not, with their numbers."""
    for number, node in enumerate(model.nodes):
        if node.shares < 0 and node.op not in ("input", "model"):
            yield number, node


def inner_models(model: Model) -> list[int]:
    """Return the numbers of the models that a model calls, each once."""
    called = (int(node.args["model"]) for node in model.nodes if node.op == "model")
    return list(dict.fromkeys(called))


def output_layers(model: Model) -> list[str]:
    """Return the names of the layers that make a model's outputs, in the order of the leaves."""
    nodes = [model.nodes[leaf] for leaf in leaves(model.outputs)]
    return [
        model.nodes[node.shares].name if node.shares >= 0 else node.name for node in nodes
    ]
