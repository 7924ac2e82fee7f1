"""Predictions of a program, step by step."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace

from krepro.fuzz import program as programs
from krepro.fuzz import shapes
from krepro.fuzz.program import Data, DictOf, ListOf, Program, Step, Structure, TupleOf
from krepro.fuzz.reference import (
    callbacks,
    copying,
    dealing,
    feeding,
    rules,
    stepping,
    training_rules,
)
from krepro.fuzz.reference.feeding import Batch
from krepro.fuzz.reference.layers import Network, build
from krepro.fuzz.reference.stepping import Report
from krepro.fuzz.reference.words import (
    Array,
    Computation,
    Prediction,
    Predictions,
    Raised,
    Undefined,
)


def predict(program: Program, noise: float = 0.0, seed: int = 0) -> Predictions:
    """Return what a program must do: the building first, then each step.

    The list ends early where the documentation does not say what happens; ``ended`` says why.
    With ``noise``, every intermediate result is off by about so much, as by rounding.
    """
    found = Predictions()
    program = replace(program, models=tuple(map(spelled_out, program.models)))
    made = Computation(noise, np.random.default_rng(seed))
    world = World(program, build(program, made), made)
    try:
        # Gradients through great numbers overflow on the way to 0; a loss that does is refused.
        with np.errstate(all="ignore"):
            found.append(world.prediction(None))
            for step in program.steps:
                made.used.clear()
                found.append(world.prediction(world.take(step)))
    except Raised:
        made.use(training_rules.DOCUMENTED_EXCEPTION)
        found.append(dataclasses.replace(world.prediction(None), raises=True))
    except Undefined as ended:
        found.ended = ended
    return found


def spelled_out(model: programs.Model) -> programs.Model:
    """Return a model where nodes that share a layer have its arguments."""
    nodes = [
        replace(node, args=model.nodes[node.shares].args) if node.shares >= 0 else node
        for node in model.nodes
    ]
    return replace(model, nodes=tuple(nodes))


@dataclass
class World:
    """The models of a program, as they are after its steps so far."""

    program: Program
    networks: list[Network]
    made: Computation
    files: dict[str, callbacks.Weights] = field(default_factory=dict)

    def prediction(self, result: object) -> Prediction:
        """Return what a step did, and all weights after it."""
        weights = {
            path: np.array(value)
            for number, network in enumerate(self.networks)
            for path, value in network.values(f"model_{number}")
        }
        return Prediction(result, weights, tuple(self.made.used))

    def take(self, step: Step) -> object:
        """Take a step and return its result, encoded."""
        network = self.networks[step.model]
        match step:
            case programs.Fit():
                return self.fit(network, step)
            case programs.OnBatch():
                return self.on_batch(network, step)
            case programs.Evaluate():
                self.made.use(rules.EVALUATION)
                report = self.evaluated(network, step.model, step.data, step.batch_size)
                if step.return_dict:
                    return report.as_dict()
                return report.as_list(self.made, single=False)
            case programs.Predict():
                return self.predict(network, step)
            case _:
                self.change(network, step)
                return None

    def change(self, network: Network, step: Step) -> None:
        """Take a step that returns nothing."""
        match step:
            case programs.Compile():
                if network.unclear:
                    raise Undefined(network.unclear)
                network.compiled = dealing.compiled(network, step, self.made)
            case programs.SetTrainable():
                self.made.use(training_rules.FLAG_OF_A_MODEL)
                owner = network.named(step.layer) if step.layer else network
                for part in owner.parts():
                    part.trainable = step.value
            case programs.ResetMetrics():
                self.made.use(training_rules.RESET_METRICS)
            case programs.SetWeights():
                self.made.use(training_rules.SET_WEIGHTS)
            case programs.SaveLoad():
                self.made.use(training_rules.SAVED)
                self.networks[step.model] = copying.loaded(network)
            case programs.LoadWeights():
                self.load(network, step.file)
            case programs.Clone():
                self.made.use(training_rules.CLONED)
                self.networks[step.model] = copying.cloned(network)

    def load(self, network: Network, file: str) -> None:
        """Give a model the weights that a checkpoint of it saved."""
        self.made.use(training_rules.LOADED_WEIGHTS)
        saved = self.files.get(file)
        if not saved or set(saved) != set(network.layers()):
            raise Undefined("the weights of another model")
        for layer, weights in saved.items():
            layer.weights = list(weights)
        compiled = network.compiled
        if compiled is not None and compiled.optimizer.remembers:
            unclear = "what an optimizer remembers, once weights are loaded"
            network.compiled = dataclasses.replace(compiled, unclear=unclear)

    def samples(
        self, network: Network, number: int, data: Data, *, training: bool
    ) -> Batch:
        """Return the samples of a step."""
        of_outputs = shapes.output_shapes(self.program, number)
        compiled = stepping.ready(network)
        return feeding.all_samples(
            network.model, of_outputs, data, compiled, self.made, training=training
        )

    def on_batch(self, network: Network, step: programs.OnBatch) -> object:
        """Train or test on a batch."""
        self.made.use(rules.BATCH_RESULT)
        batch = self.samples(network, step.model, step.data, training=step.train)
        run = stepping.train if step.train else stepping.test
        report = run(network, batch, self.made)
        if step.return_dict:
            return report.as_dict()
        return report.as_list(self.made, single=True)

    def evaluated(
        self, network: Network, number: int, data: Data, batch_size: int
    ) -> Report:
        """Return what the evaluation of data reports."""
        together = self.samples(network, number, data, training=False)
        batches = feeding.batches(together, batch_size, self.made)
        reports = [stepping.test(network, each, self.made) for each in batches]
        return functools.reduce(operator.add, reports)

    def fit(self, network: Network, step: programs.Fit) -> object:
        """Train for some epochs and return the history."""
        self.made.use(rules.EPOCH_LOSS, rules.HISTORY)
        together = self.samples(network, step.model, step.data, training=True)
        watchers = callbacks.watching(step.callbacks, network, self.made)
        history: dict[str, list[Any]] = {}
        more = watchers.logs_more
        for epoch in range(step.epochs):
            if epoch and step.data.feed == "generator":
                raise Undefined("a second epoch of a generator that has ended")
            report = self.epoch(network, together, step)
            numbers, others = report.numbers()
            if step.validation is not None:
                self.made.use(rules.VALIDATION)
                held = self.evaluated(network, step.model, step.validation, step.batch_size)
                found, unknown = held.numbers()
                numbers |= {f"val_{key}": value for key, value in found.items()}
                others |= unknown
            more |= others
            for key, value in numbers.items():
                history.setdefault(key, []).append(value)
            if watchers.after_epoch(numbers, epoch):
                break
        watchers.after_training()
        self.files |= watchers.saved
        stepping.ready(network).optimizer.finish(self.made)
        encoded = {"dict": [[key, {"list": values}] for key, values in history.items()]}
        return stepping.partial(encoded, more)

    def epoch(self, network: Network, together: Batch, step: programs.Fit) -> Report:
        """Train an epoch."""
        batches = list(feeding.batches(together, step.batch_size, self.made))
        wanted = step.steps_per_epoch or len(batches)
        if wanted > len(batches):
            raise Undefined("an epoch of more batches than there are")
        if wanted < len(batches) and step.epochs > 1:
            raise Undefined("where an epoch after an interrupted one starts")
        reports = [stepping.train(network, each, self.made) for each in batches[:wanted]]
        return functools.reduce(operator.add, reports)

    def predict(self, network: Network, step: programs.Predict) -> object:
        """Return the encoded outputs for data."""
        self.made.use(rules.PREDICTION, training_rules.TESTING_CHANGES_NOTHING)
        x = feeding.inputs(network.model, step.data)
        outputs = stepping.predicted(network, x, self.made)
        return structured(
            network.model.outputs,
            dict(zip(programs.leaves(network.model.outputs), outputs, strict=True)),
        )


def structured(structure: Structure, values: Mapping[Any, Array]) -> object:
    """Return outputs in their structure, encoded."""
    if isinstance(structure, DictOf):
        pairs = zip(structure.keys, structure.items, strict=True)
        return {"dict": [[key, structured(item, values)] for key, item in pairs]}
    if isinstance(structure, ListOf | TupleOf):
        kind = "list" if isinstance(structure, ListOf) else "tuple"
        return {kind: [structured(item, values) for item in structure.items]}
    return {"array": values[structure].tolist(), "dtype": "float32"}
