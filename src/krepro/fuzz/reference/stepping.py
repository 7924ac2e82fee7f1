"""Steps of training and testing, and what they report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import autograd.numpy as anp
from autograd import value_and_grad
from autograd.tracer import getval

from krepro.fuzz.program import Named, leaves
from krepro.fuzz.reference import losses as formulas
from krepro.fuzz.reference import rules, training_rules
from krepro.fuzz.reference.dealing import Compiled, outputs_of
from krepro.fuzz.reference.feeding import Batch
from krepro.fuzz.reference.layers import Network, Pass, behind, behind_added
from krepro.fuzz.reference.losses import Mean
from krepro.fuzz.reference.optimizers import Variable
from krepro.fuzz.reference.words import (
    SILENT,
    Array,
    ByRounding,
    Computation,
    Silent,
    Undefined,
)

# Squares and gradients of such losses overflow in float32.
BEYOND = 1e18


@dataclass(frozen=True)
class Entry:
    """A number that a step reports. ``key`` is empty where it has no documented name."""

    key: str
    mean: Mean
    metric: bool = False


@dataclass(frozen=True)
class Report:
    """What a step, or steps together, report; ``more`` says that there may be more.

    ``several`` says that the model has several outputs, ``one_loss`` that it has one loss at most.
    """

    entries: tuple[Entry, ...]
    more: bool
    several: bool
    one_loss: bool = False

    def __add__(self, other: Report) -> Report:
        pairs = zip(self.entries, other.entries, strict=True)
        merged = (Entry(a.key, a.mean + b.mean, a.metric) for a, b in pairs)
        return replace(self, entries=tuple(merged))

    def numbers(self) -> tuple[dict[str, float | Silent], bool]:
        """Return the numbers by key, and whether there may be others."""
        keys = [entry.key for entry in self.entries]
        found = {
            entry.key: entry.mean.value
            for entry in self.entries
            if entry.key and keys.count(entry.key) == 1
        }
        return found, self.more or len(found) < len(keys)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as a dictionary, encoded."""
        found, more = self.numbers()
        return partial({"dict": [[key, value] for key, value in found.items()]}, more)

    def as_list(self, made: Computation, *, single: bool) -> object:
        """Return the numbers as ``return_dict=False`` has them, encoded.

        ``single`` says that the loss alone is one number also with several outputs; whether it is
        where one of several outputs has a loss is not said.
        """
        made.use(rules.LIST_OF_RESULTS)
        loss = self.entries[0].mean.value
        metrics = [entry.mean.value for entry in self.entries if entry.metric]
        if not self.several:
            return {"list": [loss, *metrics]} if metrics else loss
        if (single or self.one_loss) and not metrics:
            return SILENT
        return partial({"list": [loss]}, True)


def partial(encoded: dict[str, Any], more: bool) -> dict[str, Any]:
    """Return something encoded that may have more entries."""
    return {**encoded, "partial": True} if more else encoded


def ready(network: Network) -> Compiled:
    """Return what a model was compiled with.

    Raises:
        Undefined: it cannot train or be evaluated by it.
    """
    found: Compiled | None = network.compiled
    if found is None:
        raise Undefined("a model that is not compiled")
    if found.unclear:
        raise Undefined(found.unclear)
    if not found.has_loss:
        raise Undefined("a model without a loss")
    return found


def train(network: Network, batch: Batch, made: Computation) -> Report:
    """Take a training step and return what it reports."""
    compiled = ready(network)
    made.use(training_rules.TRAINING_STEP)
    layers = [layer for layer in network.layers() if layer not in compiled.frozen]
    if compiled.frozen:
        made.use(training_rules.FROZEN)
    variables: list[Variable] = [(each, i) for each in layers for i in range(each.learned)]
    step = Step(network, compiled, batch, made, training=True)

    def total(values: list[Array]) -> Array:
        weights: dict[Any, list[Array]] = {}
        for (layer, _), value in zip(variables, values, strict=True):
            weights.setdefault(layer, []).append(value)
        return step.total(weights)

    if not variables:
        step.total({})
    else:
        _, found = value_and_grad(total)([layer.weights[i] for layer, i in variables])
        gradients = [made.rounded(each) for each in found]
        idle = without_gradient(network, compiled, variables)
        compiled.optimizer.apply(variables, gradients, made, idle)
    for layer, statistics in step.statistics.items():
        layer.weights[2:] = statistics
    return step.report


def without_gradient(
    network: Network, compiled: Compiled, variables: Sequence[Variable]
) -> list[Variable]:
    """Return the variables that the loss does not depend on."""
    nodes = list(leaves(network.model.outputs))
    learning = behind(network, {nodes[number] for number in compiled.has_loss})
    learning |= behind_added(network)
    return [
        (layer, i)
        for layer, i in variables
        if layer not in learning and (i or not layer.node.args.get("kernel_l2"))
    ]


def test(network: Network, batch: Batch, made: Computation) -> Report:
    """Test a batch and return what that reports."""
    made.use(training_rules.TESTING_CHANGES_NOTHING)
    step = Step(network, ready(network), batch, made, training=False)
    step.total({})
    return step.report


@dataclass
class Step:
    """One batch: its loss, and what it reports of it."""

    network: Network
    compiled: Compiled
    batch: Batch
    made: Computation
    training: bool
    statistics: dict[Any, list[Array]] = field(default_factory=dict)
    report: Report = Report((), more=False, several=False)
    masks: list[Array | None] = field(default_factory=list)

    def total(self, weights: dict[Any, list[Array]]) -> Array:
        """Return the loss of the batch, with some weights replaced."""
        going = Pass(self.made, self.training, self.compiled.frozen, weights)
        outputs = going.run(self.network, self.batch.x)
        self.statistics = going.statistics
        self.masks = going.masks
        by_output = dict(self.losses(outputs))
        self.made.use(rules.TOTAL_LOSS)
        total = sum(
            value * self.compiled.loss_weights[number]
            for number, value in by_output.items()
        )
        penalties = [*self.penalties(weights), *going.added]
        total = self.made.rounded(sum(penalties, total))
        size = float(getval(total))
        if not abs(size) < BEYOND:
            raise ByRounding("a loss that is no number, or hardly one in float32")
        reported: float | Silent = size
        if penalties and not self.training:
            self.made.use(rules.PENALTY_IN_TEST)
            reported = SILENT
        self.report = self.reported(
            reported,
            {number: float(getval(value)) for number, value in by_output.items()},
            [getval(each) for each in outputs],
        )
        return total

    def losses(self, outputs: Sequence[Array]) -> Iterator[tuple[int, Array]]:
        """Yield the loss of each output that has one."""
        for number in self.compiled.has_loss:
            loss, target = self.compiled.losses[number], self.batch.y[number]
            assert loss is not None
            if self.training:
                formulas.check_kink(loss, target, outputs[number])
            each = formulas.values(loss, target, outputs[number], self.made)
            weight = self.batch.weights[number]
            yield (
                number,
                formulas.reduced(loss, each, weight, self.made, mask=self.masks[number]),
            )

    def penalties(self, weights: dict[Any, list[Array]]) -> Iterator[Array]:
        """Yield the penalties of the layers, whether they learn or not."""
        for layer in self.network.layers():
            factor = float(layer.node.args.get("kernel_l2", 0.0))
            if factor:
                self.made.use(rules.PENALTY)
                kernel = weights.get(layer, layer.weights)[0]
                yield self.made.rounded(factor * anp.sum(kernel**2))

    def reported(
        self, total: float | Silent, by_output: dict[int, float], outputs: Sequence[Array]
    ) -> Report:
        """Return what the batch reports."""
        known = outputs_of(self.network.model)
        several = known.count > 1
        samples = float(self.batch.samples)
        scaled = total if total is SILENT else total * samples
        entries = [Entry("loss", Mean(scaled, samples))]
        more = False
        if self.compiled.again:
            self.made.use(training_rules.COMPILED_AGAIN)
        if several:
            more = len(by_output) < 2 or not known.names
            if not more:
                self.made.use(rules.OUTPUT_LOSSES)
                entries += [
                    Entry(f"{known.names[number]}_loss", Mean(value * samples, samples))
                    for number, value in by_output.items()
                ]
        for metrics, weighted in (
            (self.compiled.metrics, False),
            (self.compiled.weighted_metrics, True),
        ):
            for number, named in enumerate(metrics):
                prefix = f"{known.names[number]}_" if several and known.names else ""
                for metric in named:
                    key = self.name(metric)
                    key = "" if several and not prefix else prefix + key
                    found = self.metric(metric, number, outputs[number], weighted=weighted)
                    entries.append(Entry(key, found, metric=True))
        return Report(tuple(entries), more, several, len(by_output) < 2)

    def metric(self, metric: Named, number: int, output: Array, *, weighted: bool) -> Mean:
        """Return a metric of an output."""
        y = self.batch.y[number]
        if y is None:
            return Mean(SILENT, 1.0)
        self.made.use(rules.METRICS_WEIGHTED if weighted else rules.METRICS_UNWEIGHTED)
        weights = self.batch.weights[number] if weighted else None
        mask = self.masks[number]
        return formulas.metric(metric, y, output, weights, self.made, mask=mask)

    def name(self, metric: Named) -> str:
        """Return the name of a metric."""
        self.made.use(rules.METRIC_NAMES)
        if metric.form == "string":
            return metric.name
        if metric.form == "function":
            self.made.use(rules.NAME_OF_A_FUNCTION)
        return str(metric.args.get("name", metric.name))


def predicted(network: Network, x: dict[int, Array], made: Computation) -> list[Array]:
    """Return the outputs of a model for inputs."""
    return Pass(made).run(network, x)
