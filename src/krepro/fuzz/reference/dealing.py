"""Which output a loss, a metric, a weight or a target belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from krepro.fuzz.program import (
    Compile,
    DictOf,
    ListOf,
    Model,
    Named,
    Structure,
    TupleOf,
    leaves,
    output_layers,
)
from krepro.fuzz.reference import rules, training_rules
from krepro.fuzz.reference.layers import Layer, Network
from krepro.fuzz.reference.optimizers import Optimizing
from krepro.fuzz.reference.words import Computation, Undefined

Deal = Callable[[Structure, Structure], Iterator[tuple[int, Any]]]


@dataclass(eq=False)
class Compiled:
    """What a model was compiled with, by output, and the layers that were frozen then.

    ``again`` says that an earlier ``compile`` had metrics that this one has not; ``given`` are the
    outputs that targets were given for so far.
    """

    step: Compile
    optimizer: Optimizing
    losses: list[Named | None]
    loss_weights: list[float]
    metrics: list[list[Named]]
    weighted_metrics: list[list[Named]]
    frozen: frozenset[Layer]
    again: bool = False
    given: frozenset[int] | None = None
    unclear: str = ""

    @property
    def has_loss(self) -> list[int]:
        """Return the outputs that have a loss."""
        return [number for number, loss in enumerate(self.losses) if loss is not None]


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model: their structure, and their names where they have any."""

    structure: Structure
    names: tuple[str, ...] = ()
    count: int = field(default=1)

    @property
    def flat(self) -> bool:
        """Whether the outputs are a single one, a list, or a dictionary of single ones."""
        parts = self.structure
        return isinstance(parts, int) or all(isinstance(each, int) for each in parts.items)  # type: ignore[union-attr]

    @property
    def by_key(self) -> bool:
        """Whether the outputs are a dictionary."""
        return isinstance(self.structure, DictOf)


def outputs_of(model: Model) -> Outputs:
    """Return the outputs of a model."""
    count = len(list(leaves(model.outputs)))
    found = Outputs(model.outputs, (), count)
    if isinstance(model.outputs, DictOf) and found.flat:
        return Outputs(model.outputs, model.outputs.keys, count)
    if not found.flat or model.form == "subclass":
        return found
    names = output_layers(model)
    if len(set(names)) < count:
        return found
    return Outputs(model.outputs, tuple(names), count)


def dealt(
    given: Structure,
    outputs: Outputs,
    made: Computation,
    what: str,
    among: Sequence[int] = (),
) -> list[Structure]:
    """Return what belongs to each output: parts of a list, a dictionary or nested structure.

    ``among`` are the outputs that a shorter list may be for.

    Raises:
        Undefined: the documentation does not say.
    """
    if not isinstance(given, ListOf | TupleOf | DictOf):
        raise Undefined(f"{what} of no known structure")
    if not outputs.flat:
        made.use(rules.NESTED_OUTPUTS)
        return list(paired(given, outputs.structure, what))
    if isinstance(given, DictOf):
        return by_name(given, outputs, what)
    if outputs.by_key:
        raise Undefined(f"{what} in a list for outputs in a dictionary")
    if len(given.items) == outputs.count:
        return list(given.items)
    if not among or len(given.items) != len(among):
        raise Undefined(f"{what} of another number than the outputs")
    parts = dict(zip(among, given.items, strict=True))
    return [parts.get(number) for number in range(outputs.count)]


def by_name(given: DictOf, outputs: Outputs, what: str) -> list[Structure]:
    """Return what belongs to each output by its name."""
    if not outputs.names or set(given.keys) - set(outputs.names):
        raise Undefined(f"{what} by names that are not the outputs'")
    parts = dict(zip(given.keys, given.items, strict=True))
    return [parts.get(name) for name in outputs.names]


def paired(given: Structure, structure: Structure, what: str) -> Iterator[Structure]:
    """Yield what stands in one structure where the other has its leaves."""
    if isinstance(structure, DictOf):
        if not isinstance(given, DictOf) or set(given.keys) != set(structure.keys):
            raise Undefined(f"{what} in another structure than the outputs")
        parts = dict(zip(given.keys, given.items, strict=True))
        for key, inside in zip(structure.keys, structure.items, strict=True):
            yield from paired(parts[key], inside, what)
    elif isinstance(structure, ListOf | TupleOf):
        if not isinstance(given, ListOf | TupleOf) or len(given.items) != len(
            structure.items
        ):
            raise Undefined(f"{what} in another structure than the outputs")
        for part, inside in zip(given.items, structure.items, strict=True):
            yield from paired(part, inside, what)
    else:
        yield given


def compiled(network: Network, step: Compile, made: Computation) -> Compiled:
    """Return what a model is after ``compile``."""
    made.use(training_rules.COMPILE, training_rules.FLAGS_AT_COMPILE)
    outputs = outputs_of(network.model)
    losses = losses_of(step.loss, outputs, made)
    if (
        None in losses
        and isinstance(step.loss, ListOf)
        and isinstance(step.loss_weights, DictOf)
    ):
        raise Undefined("loss weights by name beside a list of losses that lacks one")
    return Compiled(
        step,
        Optimizing(step.optimizer),
        losses,
        loss_weights_of(step.loss_weights, outputs, losses, made),
        metrics_of(step.metrics, outputs, made),
        metrics_of(step.weighted_metrics, outputs, made),
        frozenset(frozen(network)),
        again=drops(network.compiled, step),
    )


def drops(before: Compiled | None, step: Compile) -> bool:
    """Return whether metrics of an earlier ``compile`` are not given again."""
    if step.metrics is not None or step.weighted_metrics is not None:
        return False
    return before is not None and (
        before.again or any(before.metrics + before.weighted_metrics)
    )


def frozen(network: Network) -> Iterator[Layer]:
    """Yield the layers that are not to learn.

    Raises:
        Undefined: a layer is to learn, in a model that is not.
    """
    for part in network.parts():
        if isinstance(part, Layer):
            if not part.trainable:
                yield part
        elif not part.trainable and any(each.trainable for each in part.parts()):
            raise Undefined("a layer was unfrozen in a frozen model")


def losses_of(given: Structure, outputs: Outputs, made: Computation) -> list[Named | None]:
    """Return the loss of each output."""
    if given is None:
        return [None] * outputs.count
    if isinstance(given, Named):
        made.use(rules.ONE_LOSS)
        return [given] * outputs.count
    made.use(rules.DICT_OF_LOSSES if isinstance(given, DictOf) else rules.LIST_OF_LOSSES)
    found: list[Named | None] = []
    for item in dealt(given, outputs, made, "losses"):
        if item is not None and not isinstance(item, Named):
            raise Undefined("several losses for one output")
        found.append(item)
    return found


def loss_weights_of(
    given: Structure, outputs: Outputs, losses: Sequence[Named | None], made: Computation
) -> list[float]:
    """Return the loss weight of each output."""
    if given is None:
        return [1.0] * outputs.count
    made.use(rules.LOSS_WEIGHTS)
    found = []
    for item, loss in zip(dealt(given, outputs, made, "loss weights"), losses, strict=True):
        if loss is not None and not isinstance(item, int | float):
            raise Undefined("a loss without a loss weight, where others have one")
        if loss is None and item is not None and isinstance(given, DictOf):
            raise Undefined("a loss weight by the name of an output without a loss")
        found.append(float(item) if isinstance(item, int | float) else 1.0)
    return found


def metrics_of(given: Structure, outputs: Outputs, made: Computation) -> list[list[Named]]:
    """Return the metrics of each output."""
    if given is None or (isinstance(given, ListOf | TupleOf | DictOf) and not given.items):
        return [[] for _ in range(outputs.count)]
    if isinstance(given, Named):
        raise Undefined("metrics that are not in a list")
    one = outputs.count == 1 and outputs.flat
    if one and isinstance(given, ListOf | TupleOf):
        items: list[Structure] = [given]
        if all(isinstance(each, ListOf | TupleOf) for each in given.items):
            items = list(given.items)
    else:
        made.use(rules.METRICS_OF_OUTPUTS)
        items = dealt(given, outputs, made, "metrics")
    if len(items) != outputs.count:
        raise Undefined("metrics of another number than the outputs")
    return [list(some_metrics(item)) for item in items]


def some_metrics(item: Structure) -> Iterator[Named]:
    """Yield one metric, or those of a list."""
    if isinstance(item, Named):
        yield item
    elif isinstance(item, ListOf | TupleOf):
        for each in item.items:
            if not isinstance(each, Named):
                raise Undefined("metrics of an output in a structure of their own")
            yield each
    elif item is not None:
        raise Undefined("metrics of an output in a structure of their own")
