"""Programs made smaller, a part at a time. Pure.

Hypothesis shrinks what it drew a program from; where a part of a program stands in several places,
as an output does in the loss, the metrics and the targets, it seldom takes it out of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from krepro.fuzz.program import (
    Compile,
    Data,
    DictOf,
    Evaluate,
    Fit,
    ListOf,
    Model,
    Named,
    OnBatch,
    Optimizer,
    Predict,
    Program,
    Step,
    Structure,
    TupleOf,
    inner_models,
    leaves,
    mapped,
    to_json,
    with_data,
)

BY_OUTPUT = ("loss", "loss_weights", "metrics", "weighted_metrics")
# What a compilation, a training and data are where nothing asks for more.
PLAIN_COMPILE = {
    "loss_weights": None,
    "metrics": None,
    "weighted_metrics": None,
    "run_eagerly": False,
    "jit_compile": None,
    "steps_per_execution": 1,
}
PLAIN_FIT = {"callbacks": (), "validation": None, "steps_per_epoch": None, "epochs": 1}
PLAIN_DATA = {
    "sample_weight": None,
    "class_weight": (),
    "feed": "arrays",
    "samples": 1,
    "start": 0,
}


def reduced(program: Program, shows: Callable[[Program], bool]) -> Program:
    """Return a program that still shows something, with all taken out that it does not need.

    Args:
        program: one that shows it.
        shows: whether a program shows it; says no from some time on, to end the search.
    """
    tried = {to_json(program)}
    while True:
        for smaller in smaller_than(program):
            key = to_json(smaller)
            if key not in tried:
                tried.add(key)
                if shows(smaller):
                    program = smaller
                    break
        else:
            return program


def smaller_than(program: Program) -> Iterator[Program]:
    """Yield programs with something taken out, large parts first; some make no sense."""
    yield from without_steps(program)
    yield from without_models(program)
    for number, model in enumerate(program.models):
        if isinstance(model.outputs, ListOf | TupleOf | DictOf):
            for position in reversed(range(len(model.outputs.items))):
                yield without_output(program, number, position)
    for number, step in enumerate(program.steps):
        for smaller in smaller_steps(step):
            steps = (*program.steps[:number], smaller, *program.steps[number + 1 :])
            yield replace(program, steps=steps)
    for number, model in enumerate(program.models):
        for simpler in simpler_models(model):
            yield with_model(program, number, simpler)
        yield from with_numbers(program, number)


def with_model(program: Program, number: int, model: Model) -> Program:
    """Return a program with another model in the place of one."""
    models = (*program.models[:number], model, *program.models[number + 1 :])
    return replace(program, models=models)


def without_steps(program: Program) -> Iterator[Program]:
    """Yield a program without one of its steps each."""
    for number in reversed(range(len(program.steps))):
        steps = program.steps[:number] + program.steps[number + 1 :]
        yield replace(program, steps=steps)


def without_models(program: Program) -> Iterator[Program]:
    """Yield a program without one of the models that nothing needs."""
    needed = {step.model for step in program.steps}
    needed.update(*map(inner_models, program.models))
    for number in range(len(program.models)):
        if number in needed or len(program.models) == 1:
            continue
        models = []
        for model in program.models[:number] + program.models[number + 1 :]:
            nodes = tuple(
                replace(node, args={"model": moved(int(node.args["model"]), number)})
                if node.op == "model"
                else node
                for node in model.nodes
            )
            models.append(replace(model, nodes=nodes))
        steps = (replace(step, model=moved(step.model, number)) for step in program.steps)
        yield Program(tuple(models), tuple(steps))


def moved(number: int, gone: int) -> int:
    """Return the number of something after something else is gone."""
    return number - (number > gone)


# --- outputs ------------------------------------------------------------------------------


def without_output(program: Program, number: int, position: int) -> Program:
    """Return a program without one of the outputs of a model."""
    model = program.models[number]
    count = len(list(leaves(model.outputs)))
    outputs = less(model.outputs, position, "")
    key = ""
    if isinstance(model.outputs, DictOf):
        key = model.outputs.keys[position]
    else:
        leaf = list(leaves(model.outputs))[position]
        key = model.nodes[leaf].name
    steps: list[Step] = []
    for step in program.steps:
        found: Step = step
        if step.model == number and isinstance(step, Compile):
            parts = {name: less(getattr(step, name), position, key) for name in BY_OUTPUT}
            for name in ("metrics", "weighted_metrics"):
                if isinstance(parts[name], Named):
                    parts[name] = ListOf((parts[name],))
            if count == 2:
                parts["loss_weights"] = None
            found = replace(step, **parts)
        elif step.model == number:
            found = with_data(step, lambda data: data_without(data, position, key))
        steps.append(found)
    changed = with_model(program, number, replace(model, outputs=outputs))
    return replace(changed, steps=tuple(steps))


def less(structure: Structure, position: int, key: str) -> Structure:
    """Return a structure without what belongs to an output; the last item stands alone."""
    if isinstance(structure, DictOf):
        at = structure.keys.index(key) if key in structure.keys else position
        if key and key not in structure.keys:
            return structure
        keys = structure.keys[:at] + structure.keys[at + 1 :]
        items = structure.items[:at] + structure.items[at + 1 :]
        return items[0] if len(items) == 1 else DictOf(keys, items)
    if isinstance(structure, ListOf | TupleOf) and len(structure.items) > 1:
        items = structure.items[:position] + structure.items[position + 1 :]
        return items[0] if len(items) == 1 else type(structure)(items)
    return structure


def data_without(data: Data, position: int, key: str) -> Data:
    """Return data without the targets and weights of an output."""

    def without(structure: Structure) -> Structure:
        return mapped(
            lambda leaf: moved(leaf, position) if isinstance(leaf, int) else leaf,
            less(structure, position, key),
        )

    targets = data.targets[:position] + data.targets[position + 1 :]
    weights = without(data.sample_weight)
    return replace(data, y=without(data.y), sample_weight=weights, targets=targets)


# --- steps --------------------------------------------------------------------------------


def smaller_steps(step: Step) -> Iterator[Step]:
    """Yield a step with something taken out."""
    if isinstance(step, Compile):
        yield from smaller_compilations(step)
    elif isinstance(step, Fit | Evaluate | OnBatch | Predict):
        if isinstance(step, Fit):
            yield from plainer(step, PLAIN_FIT)
            if step.epochs > 1:
                yield replace(step, epochs=step.epochs - 1)
            if step.validation is not None:
                for held in smaller_data(step.validation):
                    yield replace(step, validation=held)
        for data in smaller_data(step.data):
            yield replace(step, data=data)
        if not isinstance(step, OnBatch):
            yield replace(step, batch_size=max(1, step.data.samples))


def smaller_compilations(step: Compile) -> Iterator[Compile]:
    """Yield a compilation with something taken out."""
    yield from plainer(step, PLAIN_COMPILE)
    for optimizer in smaller_optimizers(step.optimizer):
        yield replace(step, optimizer=optimizer)
    for name in BY_OUTPUT:
        yield replace(step, **{name: mapped(plain_name, getattr(step, name))})


def plainer(whole: Any, plain: dict[str, Any]) -> Iterator[Any]:
    """Yield something with one of its fields plain."""
    for name, value in plain.items():
        if getattr(whole, name) != value:
            yield replace(whole, **{name: value})


def smaller_optimizers(optimizer: Optimizer) -> Iterator[Optimizer]:
    """Yield an optimizer with something taken out."""
    if optimizer != Optimizer("sgd", {"learning_rate": 0.25}):
        yield Optimizer("sgd", {"learning_rate": 0.25})
    for name in optimizer.args:
        if name != "learning_rate":
            args = {key: value for key, value in optimizer.args.items() if key != name}
            yield replace(optimizer, args=args)


def plain_name(leaf: Any) -> Any:
    """Return a loss or metric as a string."""
    return Named(leaf.name) if isinstance(leaf, Named) and not leaf.args else leaf


def smaller_data(data: Data) -> Iterator[Data]:
    """Yield data with something taken out."""
    yield from plainer(data, PLAIN_DATA)
    if data.samples > 1:
        yield replace(data, samples=data.samples - 1)


# --- models -------------------------------------------------------------------------------


def simpler_models(model: Model) -> Iterator[Model]:
    """Yield a model with something taken out."""
    if model.form != "functional":
        yield replace(model, form="functional")
    if model.start:
        yield replace(model, start=0)
    for number, node in enumerate(model.nodes):
        if node.op != "input" and len(node.inputs) == 1:
            without = bypassing(model, number)
            if all(without.nodes[leaf].op != "input" for leaf in leaves(without.outputs)):
                yield without
        for name in ("activation", "kernel_l2", "trainable", "mask_zero"):
            if name in node.args and node.op != "activation":
                args = {key: value for key, value in node.args.items() if key != name}
                yield with_node(model, number, args)
        if node.args.get("units", 1) > 1:
            yield with_node(model, number, {**node.args, "units": 1})


def with_node(model: Model, number: int, args: dict[str, Any]) -> Model:
    """Return a model with other arguments of a node."""
    node = replace(model.nodes[number], args=args)
    return replace(model, nodes=(*model.nodes[:number], node, *model.nodes[number + 1 :]))


def bypassing(model: Model, number: int) -> Model:
    """Return a model without a node: what took its output takes its input."""
    (instead,) = model.nodes[number].inputs

    def at(each: int) -> int:
        return moved(instead if each == number else each, number)

    nodes = []
    heirs = [each for each, node in enumerate(model.nodes) if node.shares == number]
    for other, node in enumerate(model.nodes):
        if other == number:
            continue
        args, shares = node.args, node.shares
        if heirs and other == heirs[0]:
            # It has the layer, now that it is the first to call it.
            args, shares = model.nodes[number].args, -1
        elif shares == number:
            shares = heirs[0]
        inputs = tuple(at(each) for each in node.inputs)
        shares = moved(shares, number) if shares >= 0 else shares
        nodes.append(replace(node, inputs=inputs, args=args, shares=shares))
    outputs = mapped(
        lambda leaf: at(leaf) if isinstance(leaf, int) else leaf, model.outputs
    )
    return replace(model, nodes=tuple(nodes), outputs=outputs)


def with_numbers(program: Program, number: int) -> Iterator[Program]:
    """Yield a program where the targets of a model are numbers, and its losses are plain."""
    model = program.models[number]
    outputs = set(leaves(model.outputs))
    nodes = tuple(
        replace(
            node,
            args={key: value for key, value in node.args.items() if key != "activation"},
        )
        if each in outputs and node.op == "dense"
        else node
        for each, node in enumerate(model.nodes)
    )
    changed = with_model(program, number, replace(model, nodes=nodes))
    steps: list[Step] = []
    for step in program.steps:
        found: Step = step
        if step.model == number and isinstance(step, Compile):
            plain = mapped(lambda leaf: leaf and Named("mse"), step.loss)
            found = replace(step, loss=plain)
        elif step.model == number:
            found = with_data(step, lambda data: replace(data, targets=()))
        steps.append(found)
    smaller = replace(changed, steps=tuple(steps))
    if smaller != program:
        yield smaller
