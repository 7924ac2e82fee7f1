"""What a step is given: its arrays, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from krepro.fuzz import shapes
from krepro.fuzz.numbers import numbers, whole_numbers
from krepro.fuzz.program import Data, DictOf, ListOf, Model, Structure, TupleOf, leaves
from krepro.fuzz.reference import rules, training_rules
from krepro.fuzz.reference.dealing import Compiled, Outputs, dealt, outputs_of
from krepro.fuzz.reference.words import Array, Computation, Undefined


@dataclass(frozen=True)
class Batch:
    """Samples: inputs by node, targets and weights by output where there are any."""

    x: dict[int, Array]
    y: list[Array | None]
    weights: list[Array | None]
    samples: int

    def cut(self, start: int, end: int) -> Batch:
        """Return some of the samples."""
        return Batch(
            {node: array[start:end] for node, array in self.x.items()},
            [None if each is None else each[start:end] for each in self.y],
            [None if each is None else each[start:end] for each in self.weights],
            min(end, self.samples) - start,
        )


def arrays(model: Model, data: Data) -> dict[int, Array]:
    """Return the values of the inputs, in their order, by node."""
    ends = shapes.word_counts(model)
    nodes = shapes.inputs_of(model)
    made = {}
    for position, number in enumerate(nodes):
        shape = (data.samples, *model.nodes[number].args["shape"])
        start = data.start + 5 * position
        end = ends.get(number)
        made[number] = (
            numbers(shape, start) if end is None else whole_numbers(shape, start, end)
        )
    return made


def inputs(model: Model, data: Data) -> dict[int, Array]:
    """Return what each input of a model gets.

    Raises:
        Undefined: they are given in another structure than the model's.
    """
    made = arrays(model, data)
    nodes = list(made)
    taken = list(leaves(model.inputs))
    structure = model.inputs
    if sorted(taken) != nodes:
        raise Undefined("a model that does not take all of its inputs")
    if data.x == "dict":
        check_names(model, taken)
    elif data.x == "list":
        if isinstance(structure, DictOf) or (
            model.form == "subclass" and not isinstance(structure, ListOf | TupleOf)
        ):
            raise Undefined("inputs in a list for a model that takes another structure")
        if [model.nodes[each].args for each in taken] != [
            model.nodes[each].args for each in nodes
        ]:
            raise Undefined("inputs of other shapes")
        made = {each: made[given] for each, given in zip(taken, nodes, strict=True)}
    elif not isinstance(structure, int) and len(taken) > 1:
        raise Undefined("one array for several inputs")
    return made


def check_names(model: Model, taken: list[int]) -> None:
    """Raise Undefined where inputs by name are not what a model takes."""
    structure = model.inputs
    names = [model.nodes[number].name for number in taken]
    if isinstance(structure, DictOf) and list(structure.keys) != names:
        raise Undefined("inputs by names that are not the keys of the model's inputs")
    if model.form == "sequential":
        raise Undefined("inputs by name for a model whose inputs have none")
    if model.form == "subclass" and not isinstance(structure, DictOf):
        raise Undefined("inputs in another structure than call takes")


def target(shape: shapes.Shape, data: Data, position: int) -> Array:
    """Return the targets of an output."""
    start = data.start + 3 + 5 * position
    kind = data.targets[position] if data.targets else "numbers"
    if kind == "binary":
        return whole_numbers((data.samples, *shape), start, 2)
    if kind == "classes":
        return whole_numbers((data.samples, 1), start, shape[-1])
    if kind == "one_hot":
        return np.eye(shape[-1])[whole_numbers((data.samples,), start, shape[-1])]
    return numbers((data.samples, *shape), start)


def sample_weight(data: Data, leaf: int) -> Array:
    """Return sample weights."""
    return (whole_numbers((data.samples,), data.start + leaf, 4) + 1) / 4


def all_samples(
    model: Model,
    of_outputs: tuple[shapes.Shape, ...],
    data: Data,
    compiled: Compiled,
    made: Computation,
    *,
    training: bool,
) -> Batch:
    """Return all samples of a step, as they belong to the outputs."""
    parts = [data.y, data.sample_weight, *([ListOf(())] if data.x == "list" else [])]
    if data.feed != "arrays" and any(isinstance(each, ListOf) for each in parts):
        raise Undefined("lists of arrays from a dataset or a generator")
    outputs = outputs_of(model)
    y = targets(outputs, of_outputs, data, compiled, made)
    weights = sample_weights(outputs, data, compiled, made)
    if data.class_weight and training:
        if outputs.count > 1 or y[0] is None or data.sample_weight is not None:
            raise Undefined("class weights with several outputs or sample weights")
        made.use(rules.CLASS_WEIGHT)
        weights = [of_classes(y[0], dict(data.class_weight))]
    return Batch(inputs(model, data), y, weights, data.samples)


def targets(
    outputs: Outputs,
    of_outputs: tuple[shapes.Shape, ...],
    data: Data,
    compiled: Compiled,
    made: Computation,
) -> list[Array | None]:
    """Return the targets of each output, where it has any."""
    found: list[Array | None] = []
    positions = belonging(data.y, outputs, made, "targets", compiled.has_loss)
    for number, leaf in enumerate(positions):
        if leaf is None and compiled.losses[number] is not None:
            raise Undefined("a loss without targets")
        if leaf not in (number, None):
            raise Undefined("targets of another output")
        if leaf is not None and compiled.losses[number] is None:
            made.use(training_rules.TARGETS_WITHOUT_LOSS)
        found.append(None if leaf is None else target(of_outputs[number], data, number))
    given = frozenset(n for n, each in enumerate(found) if each is not None)
    if compiled.given not in (None, given):
        raise Undefined("targets of an output without a loss now and then")
    compiled.given = given
    return found


def sample_weights(
    outputs: Outputs, data: Data, compiled: Compiled, made: Computation
) -> list[Array | None]:
    """Return the sample weights of each output, where it has any."""
    given = data.sample_weight
    if isinstance(given, int):
        if outputs.count > 1:
            made.use(training_rules.WEIGHTS_FOR_ALL)
        return [sample_weight(data, given)] * outputs.count
    found = belonging(given, outputs, made, "sample weights", compiled.has_loss)
    return [None if leaf is None else sample_weight(data, leaf) for leaf in found]


def belonging(
    given: Structure, outputs: Outputs, made: Computation, what: str, among: list[int]
) -> list[int | None]:
    """Return the leaf of a structure that belongs to each output."""
    if given is None:
        return [None] * outputs.count
    if isinstance(given, int) and isinstance(outputs.structure, int):
        return [given]
    made.use(training_rules.TARGETS)
    found: list[int | None] = []
    for item in dealt(given, outputs, made, what, among):
        if item is not None and not isinstance(item, int):
            raise Undefined(f"{what} in another structure than the outputs")
        found.append(item)
    return found


def of_classes(y: Array, weights: dict[int, float]) -> Array:
    """Return the weight of each sample's class."""
    if y.shape[-1] > 1 and y.ndim == 2:
        if not (np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all()):
            raise Undefined("class weights for targets that are not one-hot")
        classes = np.argmax(y, axis=-1)
    elif y.ndim == 2 and np.issubdtype(y.dtype, np.integer):
        classes = y[:, 0]
    else:
        raise Undefined("class weights for targets that are no classes")
    if set(classes.tolist()) - set(weights):
        raise Undefined("class weights without one of the classes")
    return np.array([float(weights[each]) for each in classes.tolist()])


def batches(batch: Batch, size: int, made: Computation) -> Iterator[Batch]:
    """Yield samples in batches, the last one perhaps smaller."""
    made.use(training_rules.BATCHES)
    for start in range(0, batch.samples, size):
        yield batch.cut(start, start + size)
