"""Optimizers and their schedules."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from krepro.fuzz.program import Named, Optimizer
from krepro.fuzz.reference import training_rules
from krepro.fuzz.reference.layers import Layer
from krepro.fuzz.reference.words import Array, Computation, Raised, Undefined

Variable = tuple[Layer, int]
KNOWN = {
    "learning_rate",
    "momentum",
    "nesterov",
    "beta_1",
    "beta_2",
    "epsilon",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "gradient_accumulation_steps",
}
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


@dataclass(eq=False)
class Optimizing:
    """An optimizer: what it was built with, and its state by variable.

    ``steps`` counts the batches, ``updates`` the updates of the weights.
    """

    optimizer: Optimizer
    steps: int = 0
    updates: int = 0
    rate_now: float | None = None
    state: dict[str, dict[Variable, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.optimizer.args) - KNOWN
        if self.optimizer.name not in ("sgd", "adam") or unknown:
            raise Undefined(f"the optimizer {self.optimizer.name}, {sorted(unknown)}")
        if sum(self.optimizer.args.get(each) is not None for each in CLIPS) > 1:
            raise Undefined("an optimizer that clips in two ways")
        rate = self.schedule()
        if rate and rate.name == "PiecewiseConstantDecay":
            given = rate.args
            if len(given["boundaries"]) != len(given["values"]) - 1:
                raise Raised("boundaries and values that do not match")

    @property
    def remembers(self) -> bool:
        """Whether earlier steps bear on later ones."""
        return bool(self.state or self.schedule() or self.rate_now is not None)

    def argument(self, name: str, default: Any = None) -> Any:
        """Return what the optimizer was built with."""
        return self.optimizer.args.get(name, default)

    def kept(self, what: str, variable: Variable) -> Array:
        """Return a part of the state of a variable, at first 0."""
        layer, i = variable
        return self.state.setdefault(what, {}).setdefault(
            variable, np.zeros_like(layer.weights[i])
        )

    def keep(self, what: str, variable: Variable, value: Array) -> Array:
        """Keep and return a part of the state of a variable."""
        self.state.setdefault(what, {})[variable] = value
        return value

    def apply(
        self,
        variables: Sequence[Variable],
        gradients: Sequence[Array],
        made: Computation,
        idle: Collection[Variable] = (),
    ) -> None:
        """Take a step with the gradients of a batch; ``idle`` variables have none."""
        if idle and self.argument("weight_decay"):
            raise Undefined("the decay of weights that the loss does not depend on")
        every = self.argument("gradient_accumulation_steps")
        rate = self.rate(made)
        self.steps += 1
        if every:
            made.use(training_rules.ACCUMULATION)
            for variable, gradient in zip(variables, gradients, strict=True):
                summed = self.kept("accumulated", variable) + gradient
                self.keep("accumulated", variable, summed)
            if self.steps % every:
                return
            gradients = [self.kept("accumulated", each) / every for each in variables]
            self.state["accumulated"] = {}
        gradients = self.clipped(gradients, made)
        self.updates += 1
        for variable, gradient in zip(variables, gradients, strict=True):
            layer, i = variable
            decayed = self.decayed(layer.weights[i], rate, made)
            moved = decayed + self.change(variable, gradient, rate, made)
            layer.weights[i] = made.rounded(moved)
        self.average(variables, made)

    def fixed_rate(self) -> float | None:
        """Return the learning rate, None where a schedule gives it."""
        if self.rate_now is not None:
            return self.rate_now
        default = 0.01 if self.optimizer.name == "sgd" else 0.001
        given = self.argument("learning_rate", default)
        return None if isinstance(given, Mapping | Named) else float(given)

    def schedule(self) -> Named | None:
        """Return the schedule of the learning rate, if there is one."""
        given = self.argument("learning_rate")
        if isinstance(given, Mapping):
            return Named(given["name"], args=dict(given.get("args", {})))
        return given if isinstance(given, Named) else None

    def rate(self, made: Computation) -> float:
        """Return the learning rate of the step to be taken."""
        if (fixed := self.fixed_rate()) is not None:
            return fixed
        given = self.schedule()
        assert given is not None
        made.use(training_rules.SCHEDULE_STEP)
        return float(made.rounded(scheduled(given, self.steps, made)))

    def clipped(self, gradients: Sequence[Array], made: Computation) -> list[Array]:
        """Return gradients clipped."""
        if (most := self.argument("clipvalue")) is not None:
            made.use(training_rules.CLIPVALUE)
            return [np.clip(each, -most, most) for each in gradients]
        if (most := self.argument("clipnorm")) is not None:
            made.use(training_rules.CLIPNORM)
            return [shortened(each, norm([each]), most) for each in gradients]
        if (most := self.argument("global_clipnorm")) is not None:
            made.use(training_rules.GLOBAL_CLIPNORM)
            together = norm(gradients)
            return [shortened(each, together, most) for each in gradients]
        return list(gradients)

    def decayed(self, weight: Array, rate: float, made: Computation) -> Array:
        """Return a weight after its decay."""
        decay = self.argument("weight_decay")
        if not decay:
            return weight
        made.use(training_rules.WEIGHT_DECAY)
        return weight - rate * decay * weight

    def change(
        self, variable: Variable, gradient: Array, rate: float, made: Computation
    ) -> Array:
        """Return what is added to a weight."""
        if self.optimizer.name == "adam":
            return self.change_of_adam(variable, gradient, rate, made)
        momentum = float(self.argument("momentum", 0.0))
        if not momentum:
            made.use(training_rules.SGD)
            return -rate * gradient
        velocity = momentum * self.kept("velocity", variable) - rate * gradient
        velocity = self.keep("velocity", variable, made.rounded(velocity))
        if self.argument("nesterov"):
            made.use(training_rules.NESTEROV)
            return momentum * velocity - rate * gradient
        made.use(training_rules.MOMENTUM)
        return velocity

    def change_of_adam(
        self, variable: Variable, gradient: Array, rate: float, made: Computation
    ) -> Array:
        """Return what Adam adds to a weight."""
        made.use(training_rules.ADAM)
        first = float(self.argument("beta_1", 0.9))
        second = float(self.argument("beta_2", 0.999))
        m = first * self.kept("first", variable) + (1 - first) * gradient
        v = second * self.kept("second", variable) + (1 - second) * gradient**2
        self.keep("first", variable, made.rounded(m))
        self.keep("second", variable, made.rounded(v))
        faded = [made.rounded(beta**self.updates) for beta in (first, second)]
        alpha = rate * math.sqrt(1 - faded[1]) / (1 - faded[0])
        return -alpha * m / (np.sqrt(v) + float(self.argument("epsilon", 1e-7)))

    def average(self, variables: Sequence[Variable], made: Computation) -> None:
        """Move the averages of the weights, and put them into the model where it is time."""
        if not self.argument("use_ema"):
            return
        made.use(training_rules.EMA, training_rules.EMA_START)
        momentum = float(self.argument("ema_momentum", 0.99))
        for variable in variables:
            layer, i = variable
            old = self.state.get("average", {}).get(variable)
            new = layer.weights[i]
            if old is not None:
                new = made.rounded(momentum * old + (1 - momentum) * new)
            self.keep("average", variable, new)
        every = self.argument("ema_overwrite_frequency")
        if every and self.updates % every == 0:
            made.use(training_rules.EMA_OVERWRITE)
            self.put_averages()

    def put_averages(self) -> None:
        """Put the averages into the model."""
        for (layer, i), average in self.state.get("average", {}).items():
            layer.weights[i] = average

    def finish(self, made: Computation) -> None:
        """Do what ``fit`` does after the last epoch."""
        if not self.argument("use_ema"):
            return
        if self.argument("ema_overwrite_frequency"):
            made.use(training_rules.EMA_FINAL_OVERWRITE)
        else:
            made.use(training_rules.EMA_FINAL)
        self.put_averages()


def norm(gradients: Sequence[Array]) -> float:
    """Return the length of gradients together."""
    return math.sqrt(sum(float(np.sum(each**2)) for each in gradients))


def shortened(gradient: Array, length: float, most: float) -> Array:
    """Return a gradient that is part of one of a length, at most so long."""
    return gradient * (most / length) if length > most else gradient


def scheduled(schedule: Named, step: int, made: Computation) -> float:
    """Return the learning rate that a schedule gives a step; the first one is step 0."""
    given = schedule.args
    known = training_rules.SCHEDULES.get(schedule.name)
    if known is None:
        raise Undefined(f"the schedule {schedule.name} is not covered")
    made.use(known)
    if schedule.name == "PiecewiseConstantDecay":
        boundaries, rates = given["boundaries"], given["values"]
        return float(rates[sum(step > boundary for boundary in boundaries)])
    start = float(given["initial_learning_rate"])
    steps = given["decay_steps"]
    if schedule.name == "PolynomialDecay":
        if given.get("cycle"):
            raise Undefined("a schedule in cycles is not covered")
        end = float(given.get("end_learning_rate", 0.0001))
        left = 1 - min(step, steps) / steps
        return float((start - end) * left ** float(given.get("power", 1.0)) + end)
    if schedule.name == "CosineDecay":
        if set(given) - {"initial_learning_rate", "decay_steps", "alpha"}:
            raise Undefined("a schedule with a warm-up is not covered")
        alpha = float(given.get("alpha", 0.0))
        wave = 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
        return float(start * ((1 - alpha) * wave + alpha))
    done = step // steps if given.get("staircase") else step / steps
    rate = float(given["decay_rate"])
    if schedule.name == "InverseTimeDecay":
        return float(start / (1 + rate * done))
    return float(start * rate**done)
