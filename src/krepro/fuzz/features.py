"""What of Keras a program uses, whatever it uses it with. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from krepro.fuzz.program import (
    Compile,
    Data,
    DictOf,
    Evaluate,
    Fit,
    Model,
    OnBatch,
    Predict,
    Program,
    SetTrainable,
    data_of,
    is_nested,
    leaves,
)

# What every program has.
PLAIN_OPS = ("input", "dense")


def features_of(program: Program, last: int) -> frozenset[str]:
    """Return what a program uses up to a step.

    Two programs that go wrong in the same way for one reason have what that reason needs in common;
    of two losses, say, it matters little which one a program takes.

    Args:
        program: the program.
        last: the number of the step that goes wrong (-1: the building).
    """
    found: set[str] = set()
    for model in program.models:
        found.update(of_model(model))
    steps = program.steps[: last + 1]
    for step in steps:
        if isinstance(step, Compile):
            found.update(of_compile(step))
        elif isinstance(step, SetTrainable):
            found.add("trainable of a layer" if step.layer else "trainable")
        elif isinstance(step, Fit | Evaluate | Predict | OnBatch):
            for data in data_of(step):
                found.update(of_data(data))
            if isinstance(step, Fit):
                found.update(of_fit(step))
        else:
            found.add(type(step).__name__)
    compiled = [step.model for step in steps if isinstance(step, Compile)]
    if len(compiled) > len(set(compiled)):
        found.add("compiled again")
    if len(set(compiled)) > 1:
        found.add("two compiled models")
    return frozenset(found)


def of_model(model: Model) -> Iterator[str]:
    """Yield what a model uses."""
    if model.form != "functional":
        yield model.form
    for node in model.nodes:
        if node.op not in PLAIN_OPS:
            yield node.op
        if node.shares >= 0:
            yield "a shared layer"
        if node.args.get("kernel_l2"):
            yield "a penalty"
    if len(list(leaves(model.outputs))) > 1:
        yield "outputs in a dictionary" if isinstance(model.outputs, DictOf) else "outputs"
    if is_nested(model.outputs):
        yield "nested outputs"
    if len(list(leaves(model.inputs))) > 1:
        yield "inputs"


def of_compile(step: Compile) -> Iterator[str]:
    """Yield what a compilation uses."""
    yield from (f"optimizer: {name}" for name in step.optimizer.args)
    if step.optimizer.name != "sgd":
        yield step.optimizer.name
    for name in ("loss_weights", "metrics", "weighted_metrics", "run_eagerly"):
        if getattr(step, name):
            yield name
    if isinstance(step.loss, DictOf):
        yield "losses by name"
    if step.loss is not None and None in leaves(step.loss):
        yield "no loss for an output"
    if step.jit_compile is not None:
        yield "jit_compile"
    if step.steps_per_execution > 1:
        yield "steps_per_execution"


def of_data(data: Data) -> Iterator[str]:
    """Yield what the data of a step use."""
    if data.feed != "arrays":
        yield data.feed
    if data.sample_weight is not None:
        yield "sample weights"
    if data.class_weight:
        yield "class weights"
    if isinstance(data.y, DictOf):
        yield "targets by name"


def of_fit(step: Fit) -> Iterator[str]:
    """Yield what a training uses."""
    if step.validation is not None:
        yield "validation"
    yield from (callback.name for callback in step.callbacks)
    if step.steps_per_epoch is not None:
        yield "steps_per_epoch"
    if step.epochs > 1:
        yield "epochs"
    if step.data.samples % step.batch_size:
        yield "a partial batch"
