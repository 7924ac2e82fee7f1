"""Relations between two programs that hold whatever documentation says of the numbers. Pure.

A program is changed in a way that must not matter, or only in a known way: one cell plays both, and
what it tells of the one is held to what it tells of the other. Where it is not plain that
documentation grants a relation, there is none.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from krepro.fuzz.agreement import expected_from
from krepro.fuzz.compare import (
    INVARIANT,
    Divergence,
    Expected,
    Value,
    call_name,
    first_divergence,
)
from krepro.fuzz.program import (
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
    Step,
    Structure,
    TupleOf,
    data_of,
    inner_models,
    leaves,
    output_layers,
    with_data,
)
from krepro.fuzz.reference.losses import long
from krepro.fuzz.reference.rule import METHODS, SAVING, TRAINING_GUIDE
from krepro.fuzz.reference.words import SILENT
from krepro.fuzz.shapes import output_shapes
from krepro.fuzz.source import LOSS_CLASSES, METRIC_CLASSES, variable
from krepro.recorded.difference import Kind

# What a numeric result says of a model, or its training changes.
RUNS = (Fit, OnBatch, Evaluate, Predict)
# Beyond, float32 is too coarse, or a training has gone astray.
LARGE = 1e6
# These do one thing or another by a number, however close it is to another one.
DECIDING = ("EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint")
# Gradients of these jump.
KINKED = ("relu", "mean_absolute_error")
# A mean over the values of all samples, or its root.
STREAMING = frozenset(METRIC_CLASSES) - {"mean"}

Turn = Callable[[Any], Any]


def unchanged(result: Any) -> Any:
    """Return a result: the other step must return the same."""
    return result


def unknown(_: Any) -> Any:
    """Return nothing that the other step would be held to."""
    return SILENT


@dataclass(frozen=True)
class Pair:
    """Two steps that are related (-1: the building).

    Attributes:
        step: the number of the original program's.
        other: the number of the transformed program's.
        turned: makes of what the first returned, with a ``Value`` at each number, what the second
            must return. The weights after them are the same.
    """

    step: int
    other: int
    turned: Turn = unchanged


@dataclass(frozen=True)
class Invariant:
    """A program that must do what another one does, or what follows from that.

    Attributes:
        name: in snake case.
        statement: a sentence.
        page: the documentation that it rests on.
        program: the transformed program.
        pairs: the steps that are related, in their order.
        since: the first step of the transformed program that is another one.
        models: of which models weights are compared (none: of all).
        raising: whether an exception of the transformed program alone breaks it.
    """

    name: str
    statement: str
    page: str
    program: Program
    pairs: tuple[Pair, ...]
    since: int
    models: tuple[int, ...] = ()
    raising: bool = False


def invariants(program: Program) -> Iterator[Invariant]:
    """Yield the relations that apply to a program."""
    yield from saved_and_loaded(program)
    yield from evaluated_in_other_batches(program)
    yield from outputs_in_another_order(program)
    yield from loss_weights_scaled(program)
    yield from evaluated_as_validated(program)


# --- what a program has -------------------------------------------------------------------


def steps_of(program: Program, model: int, *kinds: type[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the steps of a model that are of some kinds, with their numbers."""
    for number, step in enumerate(program.steps):
        if step.model == model and isinstance(step, kinds):
            yield number, step


def compiled_at(program: Program, number: int) -> int | None:
    """Return which step compiled the model that a step runs, None where none did."""
    model = program.steps[number].model
    before = [at for at in steps_of(program, model, Compile, Clone) if at[0] < number]
    if not before or isinstance(before[-1][1], Clone):
        return None
    return before[-1][0]


def starts_anew(program: Program, number: int) -> bool:
    """Whether the metrics of a model start anew with a step, whatever it is."""
    before = program.steps[number - 1] if number else None
    return isinstance(before, ResetMetrics) and before.model == program.steps[number].model


def inside(program: Program, model: int) -> set[int]:
    """Return a model, the models that it calls, and those that they call."""
    found = {model}
    for each in inner_models(program.models[model]):
        found |= inside(program, each)
    return found


def related(program: Program, model: int) -> set[int]:
    """Return the models that a model may share layers with, and the model."""
    groups = [inside(program, each) for each in range(len(program.models))]
    found = {model}
    while any(group & found and not group <= found for group in groups):
        found = found.union(*(group for group in groups if group & found))
    return found


def nodes_of(program: Program, model: int) -> Iterator[Node]:
    """Yield the nodes of a model, and of the models that it calls."""
    for each in inside(program, model):
        yield from program.models[each].nodes


def adds_to_loss(node: Node) -> bool:
    """Whether a layer adds something to the loss."""
    return node.op == "add_loss" or bool(node.args.get("kernel_l2"))


def named_in(structure: Structure) -> list[Named]:
    """Return the losses or metrics in a structure."""
    return [leaf for leaf in leaves(structure) if isinstance(leaf, Named)]


def metrics_of(step: Compile) -> list[Named]:
    """Return the metrics of a compilation, weighted or not."""
    return [*named_in(step.metrics), *named_in(step.weighted_metrics)]


def pairs_around(count: int, inserted: int = -1) -> tuple[Pair, ...]:
    """Return the building and some steps with what they are related to.

    Args:
        count: how many steps.
        inserted: before which of them the transformed program has one more (-1: before none).
    """
    return tuple(
        Pair(number, number + (0 <= inserted <= number)) for number in range(-1, count)
    )


def put_in(program: Program, number: int, *steps: Step, instead: bool = False) -> Program:
    """Return a program with steps put before one of its own, or in its place."""
    after = program.steps[number + instead :]
    return replace(program, steps=(*program.steps[:number], *steps, *after))


def turning(pairs: Sequence[Pair], turns: Mapping[int, Turn]) -> tuple[Pair, ...]:
    """Return pairs with what is made of the results of some steps."""
    return tuple(
        dataclasses.replace(pair, turned=turns.get(pair.step, pair.turned))
        for pair in pairs
    )


# --- a model that is saved and loaded -----------------------------------------------------


def saved_and_loaded(program: Program) -> Iterator[Invariant]:
    """Yield the program with a model saved and loaded before its last use."""
    number = max(
        (n for n, each in enumerate(program.steps) if isinstance(each, RUNS)), default=-1
    )
    if number < 0 or not can_be_saved(program, number):
        return
    step = program.steps[number]
    pairs = pairs_around(len(program.steps), number)
    if isinstance(step, OnBatch) and not starts_anew(program, number):
        # Whether a file has the running values of metrics is not said.
        pairs = turning(pairs, {number: unknown})
    yield Invariant(
        "saved_and_loaded",
        "A model that is saved and loaded goes on as the one that was saved.",
        SAVING,
        put_in(program, number, SaveLoad(step.model)),
        pairs,
        number,
        (step.model,) if len(related(program, step.model)) > 1 else (),
        raising=True,
    )


def can_be_saved(program: Program, number: int) -> bool:
    """Whether the model of a step can be saved before it, and nothing else is to change."""
    model = program.steps[number].model
    group = related(program, model)
    at = compiled_at(program, number)
    if at is None or drops_metrics(program, at):
        return False
    if any(program.models[each].form == "subclass" for each in inside(program, model)):
        return False
    for when, step in enumerate(program.steps):
        shared, own = step.model in group, step.model == model
        if when >= number:
            # A loaded model has layers of its own, and a checkpoint is of the one before.
            spoils = (shared and not own) or isinstance(step, LoadWeights)
        else:
            # What a flag says after compile, or in a model that is frozen, is left open.
            spoils = (
                shared
                and isinstance(step, SetTrainable)
                and (when > at or (step.value and (not own or bool(step.layer))))
            )
        if spoils:
            return False
    return True


def drops_metrics(program: Program, at: int) -> bool:
    """Whether a compilation has no metrics where an earlier one had: may they stay?"""
    compiles = list(steps_of(program, program.steps[at].model, Compile))
    return not any(metrics_of(step) for when, step in compiles if when == at) and any(
        metrics_of(step) for when, step in compiles if when < at
    )


# --- an evaluation in other batches -------------------------------------------------------


def evaluated_in_other_batches(program: Program) -> Iterator[Invariant]:
    """Yield the program with its last evaluation of several batches in one batch."""
    for number, step in reversed(list(enumerate(program.steps))):
        if not isinstance(step, Evaluate) or step.batch_size >= step.data.samples:
            continue
        if not adds_up(program, number):
            continue
        whole = replace(step, batch_size=step.data.samples)
        yield Invariant(
            "evaluated_in_other_batches",
            "An evaluation says the same of the same data, however it is cut into batches.",
            METHODS,
            put_in(program, number, whole, instead=True),
            pairs_around(number + 1),
            number,
            raising=True,
        )
        return


def adds_up(program: Program, number: int) -> bool:
    """Whether all that an evaluation tells is a mean over samples that count alike."""
    step = program.steps[number]
    assert isinstance(step, Evaluate)
    if compiled_at(program, number) is None or step.data.y is None:
        return False
    if step.data.sample_weight is not None or step.data.class_weight:
        return False
    if any(node.args.get("mask_zero") for node in nodes_of(program, step.model)):
        return False
    for when, compiling in steps_of(program, step.model, Compile):
        losses = named_in(compiling.loss)
        if when < number and not (
            losses
            and all(long(each.name) in LOSS_CLASSES for each in losses)
            and all(plain_reduction(each) for each in losses)
            and all(long(each.name) in STREAMING for each in metrics_of(compiling))
        ):
            return False
    return True


def plain_reduction(loss: Named) -> bool:
    """Whether a loss is the mean over its batch."""
    reduction = loss.args.get("reduction", "sum_over_batch_size")
    return bool(reduction == "sum_over_batch_size")


# --- outputs in another order -------------------------------------------------------------


def outputs_in_another_order(program: Program) -> Iterator[Invariant]:
    """Yield the program with two outputs of a model in each other's place."""
    for number in range(len(program.models)):
        places = places_to_swap(program, number)
        if places is None:
            continue
        steps = tuple(
            with_swapped(step, places) if step.model == number else step
            for step in program.steps
        )
        turns = {
            when: swapping(step, places)
            for when, step in steps_of(program, number, OnBatch, Evaluate, Predict)
        }
        yield Invariant(
            "outputs_in_another_order",
            "Outputs in another order, with what belongs to them, train and tell the same.",
            TRAINING_GUIDE,
            replace(
                program,
                models=tuple(
                    replace(model, outputs=swapped(model.outputs, places))
                    if each == number
                    else model
                    for each, model in enumerate(program.models)
                ),
                steps=steps,
            ),
            turning(pairs_around(len(program.steps)), turns),
            -1,
            raising=True,
        )


def places_to_swap(program: Program, number: int) -> tuple[int, int] | None:
    """Return two places of outputs that can be swapped, None where there are none.

    Targets are made by the number of their output, which they keep, and by the shape at its place:
    that must be the same.
    """
    model = program.models[number]
    names = output_names(model)
    if not names or any(number in inner_models(each) for each in program.models):
        return None
    compiles = [step for _, step in steps_of(program, number, Compile)]
    runs = [step for _, step in steps_of(program, number, *RUNS)]
    if not (
        compiles
        and runs
        and all(one_by_one(each, names) for each in compiles)
        and all(fed_one_by_one(each, names) for each in runs)
    ):
        return None
    if hangs_by_a_hair(program, number) and not sums_of_two(program, number):
        return None
    shapes = output_shapes(program, number)
    for places in itertools.combinations(range(len(names)), 2):
        if shapes[places[0]] == shapes[places[1]]:
            return places
    return None


def output_names(model: Model) -> list[str]:
    """Return the names of the outputs of a model in a list; none where they have no clear ones."""
    if model.form != "functional" or not isinstance(model.outputs, ListOf | TupleOf):
        return []
    if not all(isinstance(item, int) for item in model.outputs.items):
        return []
    names = output_layers(model)
    return names if len(set(names)) == len(names) > 1 else []


def one_by_one(step: Compile, names: Sequence[str]) -> bool:
    """Whether all that a compilation is given belongs to one output each, or to all."""
    losses = step.loss if isinstance(step.loss, Named) else by_output(step.loss, names)
    if not losses or None in list(leaves(step.loss)):
        return False
    if step.loss_weights is not None and not by_output(step.loss_weights, names):
        return False
    for given in (step.metrics, step.weighted_metrics):
        if given is None or isinstance(given, DictOf):
            continue
        items = by_output(given, names)
        if not items or not all(isinstance(item, ListOf | TupleOf) for item in items):
            return False
    # What the second metric of a name is called is not said.
    both = [
        {long(each.name) for each in named_in(given)}
        for given in (step.metrics, step.weighted_metrics)
    ]
    return not both[0] & both[1]


def by_output(given: Structure, names: Sequence[str]) -> tuple[Structure, ...]:
    """Return what is given for each output; nothing where it is not one for each."""
    if isinstance(given, DictOf) and set(given.keys) != set(names):
        return ()
    if not isinstance(given, ListOf | TupleOf | DictOf) or len(given.items) != len(names):
        return ()
    return given.items


def fed_one_by_one(step: Fit | OnBatch | Evaluate | Predict, names: Sequence[str]) -> bool:
    """Whether a step is given targets, and weights if any, for each output."""
    if isinstance(step, Predict):
        return True
    return all(
        not data.class_weight
        and belongs(data.y, names)
        and (data.sample_weight is None or belongs(data.sample_weight, names))
        for data in data_of(step)
    )


def belongs(given: Structure, names: Sequence[str]) -> bool:
    """Whether data is given for each output, at its place or by its name."""
    keys = given.keys if isinstance(given, DictOf) else names
    return by_output(given, names) == tuple(
        names.index(key) for key in keys if key in names
    )


def hangs_by_a_hair(program: Program, number: int) -> bool:
    """Whether a rounding error may make a large difference to a model."""
    words = [str(node.args.get("activation")) for node in nodes_of(program, number)]
    for _, step in steps_of(program, number, Compile):
        words += [long(each.name) for each in named_in(step.loss)]
        words += [long(each.name) for each in metrics_of(step)]
    callbacks = [c for _, fit in steps_of(program, number, Fit) for c in fit.callbacks]
    return any(word in KINKED or word.endswith("accuracy") for word in words) or any(
        callback.name in DECIDING for callback in callbacks
    )


def sums_of_two(program: Program, number: int) -> bool:
    """Whether what is summed over the outputs is two numbers at most: no order matters then."""
    return (
        len(list(leaves(program.models[number].outputs))) == 2
        and not any(adds_to_loss(node) for node in nodes_of(program, number))
        and not any(
            step.optimizer.args.get("global_clipnorm")
            for _, step in steps_of(program, number, Compile)
        )
    )


def swapped(given: Structure, places: tuple[int, int]) -> Structure:
    """Return what is given by place with two places swapped; what has names stays."""
    if not isinstance(given, ListOf | TupleOf):
        return given
    items = list(given.items)
    first, second = places
    items[first], items[second] = items[second], items[first]
    return replace(given, items=tuple(items))


def with_swapped(step: Step, places: tuple[int, int]) -> Step:
    """Return a step with what is given for two outputs swapped."""

    def data(given: Data) -> Data:
        return replace(
            given,
            y=swapped(given.y, places),
            sample_weight=swapped(given.sample_weight, places),
        )

    if isinstance(step, Compile):
        return replace(
            step,
            loss=swapped(step.loss, places),
            loss_weights=swapped(step.loss_weights, places),
            metrics=swapped(step.metrics, places),
            weighted_metrics=swapped(step.weighted_metrics, places),
        )
    return with_data(step, data)


def swapping(step: OnBatch | Evaluate | Predict, places: tuple[int, int]) -> Turn:
    """Return what makes of a step's result that with two outputs swapped."""

    def outputs(result: Any) -> Any:
        form = next(iter(result)) if isinstance(result, dict) else ""
        if form not in ("list", "tuple") or len(result[form]) <= max(places):
            return SILENT
        items = list(result[form])
        first, second = places
        items[first], items[second] = items[second], items[first]
        return {form: items}

    def loss_alone(result: Any) -> Any:
        if isinstance(result, dict) and "list" in result:
            return {"list": result["list"][:1], "partial": True}
        return result

    if isinstance(step, Predict):
        return outputs
    return unchanged if step.return_dict else loss_alone


# --- loss weights twice as large ----------------------------------------------------------


def loss_weights_scaled(program: Program) -> Iterator[Invariant]:
    """Yield the program with the last loss weights twice as large, and half the rate."""
    for number, step in reversed(list(enumerate(program.steps))):
        if not isinstance(step, Compile) or not is_linear(program, number):
            continue
        optimizer = step.optimizer
        rate = optimizer.args.get("learning_rate", 0.01)
        weights = step.loss_weights
        assert isinstance(rate, int | float)
        assert isinstance(weights, ListOf | TupleOf | DictOf)
        twice = replace(
            step,
            optimizer=replace(
                optimizer, args={**optimizer.args, "learning_rate": rate / 2}
            ),
            loss_weights=replace(weights, items=tuple(2 * each for each in weights.items)),  # type: ignore[operator]
        )
        yield Invariant(
            "loss_weights_scaled",
            "With loss weights twice as large and half the learning rate, sgd makes the same "
            "steps on a loss twice as large.",
            METHODS,
            put_in(program, number, twice, instead=True),
            turning(pairs_around(len(program.steps)), turns_of_loss(program, number)),
            number,
        )
        return


def lasts(program: Program, number: int) -> Iterator[tuple[int, Step]]:
    """Yield the steps of a model for which a compilation of it holds, with their numbers."""
    for when, step in steps_of(program, program.steps[number].model, object):
        if when > number:
            if isinstance(step, Compile | Clone):
                return
            yield when, step


def is_linear(program: Program, number: int) -> bool:
    """Whether the loss of a compilation is linear in its weights, and updates in the loss."""
    step = program.steps[number]
    assert isinstance(step, Compile)
    structure, weights = program.models[step.model].outputs, step.loss_weights
    outputs = len(list(leaves(structure)))
    if not isinstance(weights, ListOf | TupleOf | DictOf) or not plain_sgd(step.optimizer):
        return False
    if outputs < 2 or len(weights.items) != outputs:
        return False
    if not all(isinstance(each, int | float) for each in weights.items):
        return False
    if not named_in(step.loss) or any(
        adds_to_loss(node) for node in nodes_of(program, step.model)
    ):
        return False
    used = [each for _, each in lasts(program, number)]
    callbacks = [c for each in used if isinstance(each, Fit) for c in each.callbacks]
    return any(isinstance(each, Fit | OnBatch | Evaluate) for each in used) and not any(
        callback.name in DECIDING for callback in callbacks
    )


def plain_sgd(optimizer: Optimizer) -> bool:
    """Whether an optimizer moves weights by a fixed rate times the gradient, and no more."""
    rate = optimizer.args.get("learning_rate", 0.01)
    more = [value for name, value in optimizer.args.items() if name != "learning_rate"]
    return optimizer.name == "sgd" and isinstance(rate, int | float) and not any(more)


def turns_of_loss(program: Program, number: int) -> dict[int, Turn]:
    """Return what becomes of results where the loss is doubled from a compilation on."""
    model = program.steps[number].model
    held = {when for when, _ in lasts(program, number)}
    turns: dict[int, Turn] = {}
    for when, step in steps_of(program, model, Fit, OnBatch, Evaluate):
        if when > number and isinstance(step, OnBatch) and not starts_anew(program, when):
            # It may be a mean of losses from before and after.
            turns[when] = unknown
        elif when in held:
            turns[when] = with_loss_doubled
    return turns


def with_loss_doubled(result: Any) -> Any:
    """Return a result with the total loss twice as large."""
    if isinstance(result, dict) and "dict" in result:
        pairs = [
            [key, doubled(item) if key in ("loss", "val_loss") else item]
            for key, item in result["dict"]
        ]
        return {"dict": pairs}
    if isinstance(result, dict) and "list" in result:
        return {"list": [*map(doubled, result["list"][:1]), *result["list"][1:]]}
    return doubled(result)


def doubled(result: Any) -> Any:
    """Return a number, or a list of numbers, twice as large."""
    if isinstance(result, Value):
        return Value(2 * result.value, 2 * result.tolerance)
    if isinstance(result, dict) and "list" in result:
        return {"list": [doubled(item) for item in result["list"]]}
    return result


# --- an evaluation after a validation -----------------------------------------------------


def evaluated_as_validated(program: Program) -> Iterator[Invariant]:
    """Yield the program with an evaluation of what its last training was validated on."""
    for number, step in reversed(list(enumerate(program.steps))):
        if not isinstance(step, Fit) or not validates_last(program, number):
            continue
        assert step.validation is not None
        held = replace(step.validation, class_weight=())
        evaluation = Evaluate(step.model, held, step.batch_size)
        yield Invariant(
            "evaluated_as_validated",
            "After a training, an evaluation says of the validation data what the last epoch said.",
            METHODS,
            put_in(program, number + 1, evaluation),
            (*pairs_around(number + 1), Pair(number, number + 1, last_validation)),
            number + 1,
        )
        return


def validates_last(program: Program, number: int) -> bool:
    """Whether nothing happens in a training after its last validation."""
    step, at = program.steps[number], compiled_at(program, number)
    if not isinstance(step, Fit) or step.validation is None or at is None:
        return False
    compiling = program.steps[at]
    assert isinstance(compiling, Compile)
    return (
        step.validation.feed == "arrays"
        and step.validation.y is not None
        and not compiling.optimizer.args.get("use_ema")
        and not any(each.args.get("restore_best_weights") for each in step.callbacks)
    )


def last_validation(history: Any) -> Any:
    """Return what a history says of the last validation."""
    if not isinstance(history, dict) or "dict" not in history:
        return SILENT
    found = []
    for key, values in history["dict"]:
        if str(key).startswith("val_"):
            if not isinstance(values, dict) or not values.get("list"):
                return SILENT
            found.append([str(key).removeprefix("val_"), values["list"][-1]])
    return {"dict": found}


# --- held to each other -------------------------------------------------------------------


def broken(
    invariant: Invariant,
    program: Program,
    seen: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
) -> Divergence | None:
    """Return the first thing that a cell did otherwise than an invariant says, or None.

    Args:
        invariant: one of the program's.
        program: the original program.
        seen: what a cell told of it, for the building and each step; may end early.
        others: what the same cell told of the transformed one.
    """
    if raised(seen) or (raised(others) and not invariant.raising):
        return None
    pairs, expected, found = [], [], []
    for pair in invariant.pairs:
        if pair.step + 1 >= len(seen) or not others:
            break
        told = seen[pair.step + 1]
        # A step that raised is the last one: of two that belong to one, it may be the first.
        other = others[min(pair.other + 1, len(others) - 1)]
        if pair.other + 1 >= len(others) and other["ending"] != "raised":
            break
        if not is_tame((told["result"], told["weights"])):
            break
        pairs.append(pair)
        expected.append(turned(pair, told, invariant.models))
        found.append(narrowed(other, invariant.models))
        if other["ending"] == "raised":
            break
    steps = [program.steps[pair.step] for pair in pairs[1:]]
    divergence = first_divergence(steps, expected, found)
    if divergence is None:
        return None
    at = pairs[divergence.step + 1]
    if at.other < invariant.since:
        # Up to there the programs are the same: the cell does not repeat itself.
        return None
    call = divergence.call
    if divergence.kind is Kind.RAISES:
        last = len(others) - 2
        call = call_name(invariant.program.steps[last]) if last >= 0 else "building"
    return dataclasses.replace(
        divergence, step=at.step, call=call, oracle=f"{INVARIANT}{invariant.name}"
    )


def named(program: Program, name: str) -> Invariant | None:
    """Return the invariant of a program that has a name, None where it does not apply."""
    return next((each for each in invariants(program) if each.name == name), None)


def transformed(invariant: Invariant, divergence: Divergence) -> Divergence:
    """Return a divergence with the number of the step in the transformed program."""
    others = [pair.other for pair in invariant.pairs if pair.step == divergence.step]
    return dataclasses.replace(divergence, step=max(others))


def raised(told: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a run ended with an exception."""
    return bool(told) and told[-1]["ending"] == "raised"


def turned(pair: Pair, told: Mapping[str, Any], models: Collection[int]) -> Expected:
    """Return what follows of what was told of one step for another one."""
    wanted = expected_from(narrowed(told, models))
    return dataclasses.replace(wanted, result=pair.turned(wanted.result))


def narrowed(told: Mapping[str, Any], models: Collection[int]) -> Mapping[str, Any]:
    """Return what was told of a step, with the weights of some models only (none: of all)."""
    if not models or told["ending"] == "raised":
        return told
    starts = tuple(f"{variable(number)}/" for number in models)
    weights = {
        path: held for path, held in told["weights"].items() if path.startswith(starts)
    }
    return {**told, "weights": weights}


def is_tame(told: Any) -> bool:
    """Whether all numbers in something told are finite and not large."""
    if isinstance(told, Mapping):
        return all(is_tame(item) for item in told.values())
    if isinstance(told, list | tuple):
        return all(is_tame(item) for item in told)
    return not isinstance(told, float) or (math.isfinite(told) and abs(told) < LARGE)
