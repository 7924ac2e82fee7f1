"""Programs written as Keras scripts, one chunk for the building and one for each step. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from krepro.fuzz import shapes
from krepro.fuzz.program import (
    Callback,
    Clone,
    Compile,
    Data,
    DictOf,
    Evaluate,
    Fit,
    ListOf,
    LoadWeights,
    Model,
    Named,
    Node,
    OnBatch,
    Optimizer,
    Predict,
    Program,
    ResetMetrics,
    SaveLoad,
    SetTrainable,
    SetWeights,
    Step,
    Structure,
    TupleOf,
    inner_models,
    layer_nodes,
    leaves,
)

NUMBERS = '''
def numbers(shape, start):
    """Return small numbers that differ, multiples of 1/8."""
    values = (np.arange(np.prod(shape)) * 5 + start * 3) % 13 - 6
    return (values.reshape(shape) / 8).astype("float32")
'''
WHOLE_NUMBERS = '''
def whole_numbers(shape, start, end):
    """Return whole numbers below an end."""
    values = (np.arange(np.prod(shape)) * 5 + start * 3) % 13 % end
    return values.reshape(shape).astype("int32")
'''
GIVE_WEIGHTS = '''
def give_weights(layer, start):
    """Give a layer known weights."""
    shapes = [value.shape for value in layer.get_weights()]
    layer.set_weights([numbers(shape, start + i) for i, shape in enumerate(shapes)])
'''
BATCHES = '''
def cut(data, start, end):
    """Return some samples of a structure of arrays."""
    if isinstance(data, dict):
        return {key: cut(value, start, end) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(cut(value, start, end) for value in data)
    return data[start:end]


def batches(data, size, samples):
    """Yield batches of data, the last one perhaps smaller."""
    for start in range(0, samples, size):
        yield cut(data, start, start + size)
'''
SEQUENCE = '''
class Batches(keras.utils.PyDataset):
    """Batches by number."""

    def __init__(self, data, size, samples):
        super().__init__()
        self.batches = list(batches(data, size, samples))

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        return self.batches[number]
'''
ADD_LOSS = '''
@keras.saving.register_keras_serializable()
class AddLoss(keras.layers.Layer):
    """Adds a quarter of the mean square of what it is given to the loss."""

    def call(self, inputs):
        self.add_loss(0.25 * keras.ops.mean(keras.ops.square(inputs)))
        return inputs
'''
FUNCTIONS = {
    "numbers": NUMBERS,
    "whole_numbers": WHOLE_NUMBERS,
    "give_weights": GIVE_WEIGHTS,
    "batches": BATCHES,
    "Batches": SEQUENCE,
    "AddLoss": ADD_LOSS,
}
LOSS_CLASSES = {
    "mean_squared_error": "MeanSquaredError",
    "mean_absolute_error": "MeanAbsoluteError",
    "huber": "Huber",
    "log_cosh": "LogCosh",
    "binary_crossentropy": "BinaryCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
}
METRIC_CLASSES = {
    **LOSS_CLASSES,
    "accuracy": "Accuracy",
    "binary_accuracy": "BinaryAccuracy",
    "categorical_accuracy": "CategoricalAccuracy",
    "sparse_categorical_accuracy": "SparseCategoricalAccuracy",
    "root_mean_squared_error": "RootMeanSquaredError",
    "mean": "Mean",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
# Layers that are known by their class and arguments alone.
LAYERS = {
    "dense": "Dense",
    "embedding": "Embedding",
    "activation": "Activation",
    "batch_normalization": "BatchNormalization",
    "dropout": "Dropout",
    "add": "Add",
    "concatenate": "Concatenate",
    "flatten": "Flatten",
    "reshape": "Reshape",
}
KEEPS_INITIAL = "batch_normalization"


def chunks(program: Program) -> list[str]:
    """Return a program as source: the building, then a chunk for each step.

    A step's chunk leaves what the call returned in ``result``.
    """
    models = [
        "\n".join(building_of(program, number)) for number in range(len(program.models))
    ]
    steps = [written(program, step) + "\n" for step in program.steps]
    return ["\n".join([preamble([*models, *steps]), *models]) + "\n", *steps]


def model_names(program: Program) -> list[str]:
    """Return the names of the variables that hold the models."""
    return [variable(number) for number in range(len(program.models))]


def variable(number: int) -> str:
    """Return the variable of a model."""
    return f"model_{number}"


def preamble(parts: Sequence[str]) -> str:
    """Return the imports and functions that parts of a program need."""
    text = "".join(parts)
    lines = ["import keras", "import numpy as np"]
    if "tf.data." in text:
        lines.append("import tensorflow as tf")
    # Each function may use those before it.
    needed: list[str] = []
    for name, function in reversed(FUNCTIONS.items()):
        if any(f"{name}(" in other for other in [text, *needed]):
            needed.insert(0, function)
    return "\n".join([*lines, "", *needed])


# --- models -------------------------------------------------------------------------------


def building_of(program: Program, number: int) -> Iterator[str]:
    """Yield the lines that build a model and give it its weights."""
    model = program.models[number]
    if model.form == "subclass":
        yield from subclassed(program, number)
    elif model.form == "sequential":
        yield from sequential(number, model)
    else:
        yield from functional(program, number)
    holder = f"{variable(number)}." if model.form == "subclass" else ""
    for each, node in layer_nodes(model):
        if node.op in ("dense", "embedding"):
            yield f"give_weights({holder}{node.name}, {model.start + 7 * each})"


def functional(program: Program, number: int) -> Iterator[str]:
    """Yield the lines that build a functional model."""
    model = program.models[number]
    names: list[str] = []
    for node in model.nodes:
        if node.op == "input":
            names.append(node.name)
            yield f"{node.name} = {input_of(node)}"
            continue
        called = callable_of(model, node)
        if node.shares < 0 and node.op != "model":
            yield f"{called} = {layer_of(node)}"
        names.append(f"{node.name}_out")
        yield f"{names[-1]} = {called}({fed(program, node, names)})"
    inputs, outputs = (
        text_of(part, lambda leaf: names[leaf]) for part in (model.inputs, model.outputs)
    )
    yield f"{variable(number)} = keras.Model({inputs}, {outputs}, name={literal(model.name)})"


def sequential(number: int, model: Model) -> Iterator[str]:
    """Yield the lines that build a model of layers in a line."""
    names = []
    for node in model.nodes:
        if node.op == "input":
            names.append(input_of(node, named=False))
        else:
            called = callable_of(model, node)
            if node.shares < 0 and node.op != "model":
                yield f"{called} = {layer_of(node)}"
            names.append(called)
    yield f"{variable(number)} = keras.Sequential([{', '.join(names)}], name={literal(model.name)})"


def subclassed(program: Program, number: int) -> Iterator[str]:
    """Yield the lines that define a class of the user's own, and build a model of it."""
    model = program.models[number]
    ends = shapes.word_counts(model)
    yield ""
    yield f"class Model{number}(keras.Model):"
    yield "    def __init__(self, **kwargs):"
    yield "        super().__init__(**kwargs)"
    for inner in map(variable, inner_models(model)):
        yield f"        self.{inner} = {inner}"
    for _, node in layer_nodes(model):
        yield f"        self.{node.name} = {layer_of(node)}"
    yield ""
    # The documented way to have layers inside know whether the model trains.
    yield "    def call(self, inputs, training=None):"
    names: list[str] = []
    taken = list(leaves(model.inputs))
    keys = model.inputs.keys if isinstance(model.inputs, DictOf) else ()
    for each, node in enumerate(model.nodes):
        if node.op == "input":
            names.append(node.name)
            position = taken.index(each)
            index = (
                f"[{literal(keys[position])}]"
                if keys
                else ""
                if model.inputs == each
                else f"[{position}]"
            )
            yield f"        {node.name} = inputs{index}"
        else:
            names.append(f"{node.name}_out")
            yield f"        {names[-1]} = self.{callable_of(model, node)}({fed(program, node, names)})"
    yield f"        return {text_of(model.outputs, lambda leaf: names[leaf])}"
    yield ""
    yield f"{variable(number)} = Model{number}(name={literal(model.name)})"
    first = text_of(
        model.inputs, lambda leaf: array_of_input(model.nodes[leaf], ends.get(leaf), 1, 0)
    )
    yield f"{variable(number)}({first})"


def callable_of(model: Model, node: Node) -> str:
    """Return the variable of what a node calls."""
    if node.shares >= 0:
        return callable_of(model, model.nodes[node.shares])
    return variable(int(node.args["model"])) if node.op == "model" else node.name


def fed(program: Program, node: Node, names: Sequence[str]) -> str:
    """Return what a node is called with; a model with the structure that it takes."""
    given = [names[each] for each in node.inputs]
    if node.op == "model":
        waiting = iter(given)
        taken = program.models[int(node.args["model"])].inputs
        return text_of(taken, lambda _: next(waiting))
    return given[0] if len(given) == 1 else f"[{', '.join(given)}]"


def input_of(node: Node, *, named: bool = True) -> str:
    """Return a ``keras.Input``."""
    parts = [literal(tuple(node.args["shape"]))]
    if node.args.get("dtype", "float32") != "float32":
        parts.append(f"dtype={literal(node.args['dtype'])}")
    if named:
        parts.append(f"name={literal(node.name)}")
    return f"keras.Input({', '.join(parts)})"


def layer_of(node: Node) -> str:
    """Return the construction of a node's layer."""
    args = dict(node.args)
    parts = []
    if node.op == "add_loss":
        return f"AddLoss(name={literal(node.name)})"
    if node.op == "embedding":
        parts = [literal(args.pop("input_dim")), literal(args.pop("output_dim"))]
    elif node.op == "dense":
        parts = [literal(args.pop("units"))]
    elif node.op == "activation":
        parts = [literal(args.pop("activation"))]
    elif node.op == "reshape":
        parts = [literal(tuple(args.pop("target_shape")))]
    elif node.op == "dropout":
        parts = ["0.0"]
        args.pop("rate", None)
    regularized = args.pop("kernel_l2", 0.0)
    if args.get("activation") == "linear":
        args.pop("activation")
    defaults = {"use_bias": True, "trainable": True, "mask_zero": False}
    parts += [f"{k}={literal(v)}" for k, v in args.items() if defaults.get(k) is not v]
    if regularized:
        parts.append(f"kernel_regularizer=keras.regularizers.L2({literal(regularized)})")
    parts.append(f"name={literal(node.name)}")
    return f"keras.layers.{LAYERS[node.op]}({', '.join(parts)})"


# --- steps --------------------------------------------------------------------------------


def written(program: Program, step: Step) -> str:  # noqa: C901  A case for each step.
    """Return the source of a step."""
    name = variable(step.model)
    match step:
        case Compile():
            found = compiling(name, step)
        case SetTrainable(value=value, layer=layer):
            owner = f"{name}.get_layer({literal(layer)})" if layer else name
            found = f"{owner}.trainable = {value}\nresult = None"
        case ResetMetrics():
            found = f"result = {name}.reset_metrics()"
        case SaveLoad():
            file = literal(f"{name}.keras")
            loading = f"{name} = keras.saving.load_model({file})"
            found = f"{name}.save({file})\n{loading}\nresult = None"
        case Clone():
            cloning = f"{name} = keras.models.clone_model({name})"
            weights = f"weights = {name}.get_weights()"
            found = f"{weights}\n{cloning}\n{name}.set_weights(weights)\nresult = None"
        case SetWeights():
            found = f"result = {name}.set_weights({name}.get_weights())"
        case LoadWeights(file=file):
            found = f"result = {name}.load_weights({literal(file)})"
        case OnBatch(data=data, train=train, return_dict=as_dict):
            given = arguments(program, step.model, data, data.samples)
            method = "train_on_batch" if train else "test_on_batch"
            found = call(name, method, [*given, *option("return_dict", as_dict, False)])
        case Evaluate(data=data, batch_size=size, return_dict=as_dict):
            given = arguments(program, step.model, data, size)
            more = [*sized(data, size), QUIET, *option("return_dict", as_dict, False)]
            found = call(name, "evaluate", [*given, *more])
        case Predict(data=data, batch_size=size):
            given = arguments(program, step.model, replace(data, y=None), size)
            found = call(name, "predict", [*given, *sized(data, size), QUIET])
        case Fit():
            found = fitting(program, step)
    return found


QUIET = "verbose=0"


def literal(value: Any) -> str:
    """Return a value as source, text in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def call(name: str, method: str, parts: Sequence[str]) -> str:
    """Return a call whose value is kept."""
    return f"result = {name}.{method}(\n" + "".join(f"    {p},\n" for p in parts) + ")"


def option(name: str, value: object, default: object) -> list[str]:
    """Return an argument, or none where it is the default."""
    return [] if value == default else [f"{name}={literal(value)}"]


def sized(data: Data, batch_size: int) -> list[str]:
    """Return the batch size, where the call makes the batches."""
    return [f"batch_size={batch_size}"] if data.feed == "arrays" else []


def fitting(program: Program, step: Fit) -> str:
    """Return a call of ``fit``."""
    given = arguments(program, step.model, step.data, step.batch_size)
    more = [*sized(step.data, step.batch_size), *option("epochs", step.epochs, 1)]
    if step.data.feed in ("arrays", "sequence"):
        more.append("shuffle=False")
    more += option("steps_per_epoch", step.steps_per_epoch, None)
    if step.validation is not None:
        held = parts_of(program, step.model, step.validation)
        more.append(f"validation_data=({', '.join(held)})")
        if step.data.feed != "arrays":
            more.append(f"validation_batch_size={step.batch_size}")
    if step.callbacks:
        more.append(f"callbacks=[{', '.join(map(callback_of, step.callbacks))}]")
    return call(variable(step.model), "fit", [*given, *more, QUIET])


def callback_of(callback: Callback) -> str:
    """Return the construction of a callback."""
    args = ", ".join(f"{k}={literal(v)}" for k, v in callback.args.items())
    return f"keras.callbacks.{callback.name}({args})"


def compiling(name: str, step: Compile) -> str:
    """Return a call of ``compile``."""
    parts = [optimizer_of(step.optimizer)]
    if step.loss is not None:
        parts.append(f"loss={text_of(step.loss, named('losses', LOSS_CLASSES))}")
    if step.loss_weights is not None:
        parts.append(f"loss_weights={text_of(step.loss_weights, repr)}")
    for word in ("metrics", "weighted_metrics"):
        value = getattr(step, word)
        if value is not None:
            parts.append(f"{word}={text_of(value, named('metrics', METRIC_CLASSES))}")
    parts += option("run_eagerly", step.run_eagerly, False)
    parts += option("jit_compile", step.jit_compile, None)
    parts += option("steps_per_execution", step.steps_per_execution, 1)
    return call(name, "compile", parts)


def optimizer_of(optimizer: Optimizer) -> str:
    """Return the construction of an optimizer."""
    parts = []
    for name, value in optimizer.args.items():
        if isinstance(value, Named):
            args = ", ".join(f"{k}={literal(v)}" for k, v in value.args.items())
            parts.append(f"{name}=keras.optimizers.schedules.{value.name}({args})")
        else:
            parts.append(f"{name}={literal(value)}")
    return f"keras.optimizers.{OPTIMIZERS[optimizer.name]}({', '.join(parts)})"


def named(module: str, classes: Mapping[str, str]) -> Callable[[Any], str]:
    """Return what writes a loss or a metric."""

    def write(leaf: Any) -> str:
        if not isinstance(leaf, Named):
            return repr(leaf)
        if leaf.form == "object":
            args = ", ".join(f"{k}={literal(v)}" for k, v in leaf.args.items())
            return f"keras.{module}.{classes[leaf.name]}({args})"
        return (
            f"keras.{module}.{leaf.name}" if leaf.form == "function" else literal(leaf.name)
        )

    return write


def text_of(structure: Structure, write: Callable[[Any], str]) -> str:
    """Return a structure as source."""
    if isinstance(structure, DictOf):
        pairs = zip(structure.keys, structure.items, strict=True)
        return "{" + ", ".join(f"{literal(k)}: {text_of(v, write)}" for k, v in pairs) + "}"
    if isinstance(structure, ListOf | TupleOf):
        items = ", ".join(text_of(item, write) for item in structure.items)
        if isinstance(structure, ListOf):
            return f"[{items}]"
        return f"({items},)" if len(structure.items) == 1 else f"({items})"
    return write(structure)


# --- data ---------------------------------------------------------------------------------


def arguments(program: Program, number: int, data: Data, batch_size: int) -> list[str]:
    """Return what a method is given: inputs, targets, weights, or a feed of all of them."""
    parts = parts_of(program, number, data)
    if data.feed != "arrays":
        together = f"({', '.join(parts)})" if len(parts) > 1 else f"({parts[0]},)"
        if data.feed == "dataset":
            return [f"tf.data.Dataset.from_tensor_slices({together}).batch({batch_size})"]
        maker = "Batches" if data.feed == "sequence" else "batches"
        return [f"{maker}({together}, {batch_size}, {data.samples})"]
    if len(parts) == 3:
        parts[2] = f"sample_weight={parts[2]}"
    if data.class_weight:
        pairs = ", ".join(f"{k}: {literal(v)}" for k, v in data.class_weight)
        parts.append(f"class_weight={{{pairs}}}")
    return parts


def parts_of(program: Program, number: int, data: Data) -> list[str]:
    """Return the inputs, and the targets and the sample weights where there are any."""
    parts = [inputs_as(program.models[number], data)]
    if data.y is not None:
        parts.append(text_of(data.y, lambda leaf: target(program, number, data, leaf)))
        if data.sample_weight is not None:
            parts.append(text_of(data.sample_weight, lambda leaf: weight(data, leaf)))
    return parts


def inputs_as(model: Model, data: Data) -> str:
    """Return the inputs in the form in which they are passed."""
    ends = shapes.word_counts(model)
    numbers = shapes.inputs_of(model)
    arrays = [
        array_of_input(
            model.nodes[number], ends.get(number), data.samples, data.start + 5 * position
        )
        for position, number in enumerate(numbers)
    ]
    if data.x == "dict":
        pairs = zip(numbers, arrays, strict=True)
        return (
            "{" + ", ".join(f"{literal(model.nodes[n].name)}: {a}" for n, a in pairs) + "}"
        )
    if data.x == "list":
        both = ", ".join(arrays)
        return f"({both},)" if data.feed == "dataset" else f"[{both}]"
    return arrays[0]


def array_of_input(node: Node, end: int | None, samples: int, start: int) -> str:
    """Return the values of one input."""
    shape = (samples, *node.args["shape"])
    if end is not None:
        return f"whole_numbers({shape}, {start}, {end})"
    return f"numbers({shape}, {start})"


def target(program: Program, number: int, data: Data, position: int | None) -> str:
    """Return the targets of one output."""
    if position is None:
        return "None"
    shape = shapes.output_shapes(program, number)[position]
    start = data.start + 3 + 5 * position
    kind = data.targets[position] if data.targets else "numbers"
    if kind == "binary":
        return f"whole_numbers({(data.samples, *shape)}, {start}, 2)"
    if kind == "classes":
        return f"whole_numbers({(data.samples, 1)}, {start}, {shape[-1]})"
    if kind == "one_hot":
        return (
            f"np.eye({shape[-1]})[whole_numbers({(data.samples,)}, {start}, {shape[-1]})]"
        )
    return f"numbers({(data.samples, *shape)}, {start})"


def weight(data: Data, position: int | None) -> str:
    """Return the sample weights of one output."""
    if position is None:
        return "None"
    return f"(whole_numbers({(data.samples,)}, {data.start + position}, 4) + 1) / 4"
