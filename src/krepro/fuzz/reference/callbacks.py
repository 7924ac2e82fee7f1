"""Callbacks of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from krepro.fuzz.program import Callback
from krepro.fuzz.reference import training_rules
from krepro.fuzz.reference.layers import Layer, Network
from krepro.fuzz.reference.words import (
    SILENT,
    Array,
    ByRounding,
    Computation,
    Silent,
    Undefined,
)

# Two numbers that are no further apart may be in the other order in float32.
CLOSE = 1e-5
# What these write, they write to files.
WITHOUT_EFFECT = ("CSVLogger", "TerminateOnNaN")
KNOWN = {
    "EarlyStopping": {
        "monitor",
        "min_delta",
        "patience",
        "mode",
        "restore_best_weights",
        "start_from_epoch",
        "verbose",
    },
    "ReduceLROnPlateau": {
        "monitor",
        "factor",
        "patience",
        "mode",
        "min_delta",
        "min_lr",
        "verbose",
    },
    "ModelCheckpoint": {
        "filepath",
        "monitor",
        "mode",
        "save_best_only",
        "save_weights_only",
        "verbose",
    },
}
Weights = dict[Layer, list[Array]]


@dataclass
class Watcher:
    """A callback that watches a number: the best so far, and the epochs since."""

    callback: Callback
    best: float | None = None
    waited: int = 0
    kept: Weights = field(default_factory=dict)

    def argument(self, name: str, default: Any) -> Any:
        """Return what the callback was made with."""
        return self.callback.args.get(name, default)

    def look(self, numbers: Mapping[str, float | Silent], epoch: int) -> float | None:
        """Return the number that is watched, None where it is not to be looked at."""
        if epoch < self.argument("start_from_epoch", 0):
            return None
        monitor = self.argument("monitor", "val_loss")
        found = numbers.get(monitor, SILENT)
        if found is SILENT:
            raise Undefined(f"a callback that watches {monitor}, which is not known")
        return found

    def improved(self, number: float) -> bool:
        """Return whether a number is the best so far, and remember it."""
        if self.best is not None:
            margin = float(self.argument("min_delta", self.least))
            gain = (number - self.best) * self.direction - margin
            near = CLOSE * max(1.0, abs(self.best))
            if abs(gain) < near and (margin or number != self.best):
                raise ByRounding("an improvement that rounding may make or not")
            if gain <= 0:
                self.waited += 1
                return False
        self.best = number
        self.waited = 0
        return True

    @property
    def least(self) -> float:
        """What an improvement is at least, by default."""
        return 1e-4 if self.callback.name == "ReduceLROnPlateau" else 0.0

    @property
    def direction(self) -> int:
        """Return 1 where more is better, -1 where less is."""
        mode = self.argument("mode", "auto")
        monitor = str(self.argument("monitor", "val_loss"))
        if mode == "min" or (mode == "auto" and monitor.endswith("loss")):
            return -1
        if mode == "max" or (mode == "auto" and monitor.endswith(("acc", "accuracy"))):
            return 1
        raise Undefined(f"the direction of {monitor}")


@dataclass
class Watchers:
    """The callbacks of a training."""

    network: Network
    made: Computation
    watchers: list[Watcher]

    @property
    def logs_more(self) -> bool:
        """Whether one of them may add to what is logged."""
        return any(each.callback.name == "ReduceLROnPlateau" for each in self.watchers)

    def after_epoch(self, numbers: Mapping[str, float | Silent], epoch: int) -> bool:
        """Do what is done after an epoch; return whether the training is to stop."""
        stops = False
        for watcher in self.watchers:
            if watcher.callback.name == "ModelCheckpoint":
                self.save(watcher, numbers, epoch)
                continue
            number = watcher.look(numbers, epoch)
            if number is None:
                continue
            patience = max(1, int(watcher.argument("patience", 0)))
            better = watcher.improved(number)
            if watcher.callback.name == "ReduceLROnPlateau":
                self.made.use(training_rules.REDUCE_RATE)
                patience = int(watcher.argument("patience", 10))
                if not better and watcher.waited >= max(1, patience):
                    self.reduce(watcher)
                continue
            self.made.use(training_rules.EARLY_STOPPING)
            if better:
                watcher.kept = self.network.weights()
            stops |= watcher.waited >= patience
        return stops

    def save(
        self, watcher: Watcher, numbers: Mapping[str, float | Silent], epoch: int
    ) -> None:
        """Save the weights, where they are to be saved."""
        self.made.use(training_rules.CHECKPOINT)
        if watcher.argument("save_best_only", False):
            number = watcher.look(numbers, epoch)
            if number is None or not watcher.improved(number):
                return
        watcher.kept = self.network.weights()

    @property
    def saved(self) -> dict[str, Weights]:
        """The weights that were saved, by file."""
        return {
            str(each.argument("filepath", "")): each.kept
            for each in self.watchers
            if each.callback.name == "ModelCheckpoint"
        }

    def reduce(self, watcher: Watcher) -> None:
        """Reduce the learning rate."""
        watcher.waited = 0
        optimizer = self.network.compiled.optimizer
        rate = optimizer.fixed_rate()
        if rate is None:
            raise Undefined("the rate of a schedule reduced")
        least = float(watcher.argument("min_lr", 0.0))
        if rate < least:
            raise Undefined("a learning rate below the least")
        optimizer.rate_now = max(rate * float(watcher.argument("factor", 0.1)), least)

    def after_training(self) -> None:
        """Do what is done at the end."""
        for watcher in self.watchers:
            if watcher.argument("restore_best_weights", False):
                if self.network.compiled.optimizer.argument("use_ema"):
                    raise Undefined("the best weights restored, or their averages")
                self.made.use(training_rules.BEST_WEIGHTS)
                for layer, weights in watcher.kept.items():
                    layer.weights = list(weights)


def watching(
    callbacks: Sequence[Callback], network: Network, made: Computation
) -> Watchers:
    """Return what callbacks do.

    Raises:
        Undefined: one of them is not covered.
    """
    watchers = []
    for callback in callbacks:
        if callback.name in WITHOUT_EFFECT:
            made.use(training_rules.CALLBACK_WITHOUT_EFFECT)
            continue
        unknown = set(callback.args) - KNOWN.get(callback.name, set())
        if callback.name not in KNOWN or unknown:
            raise Undefined(f"the callback {callback.name} of {sorted(callback.args)}")
        watchers.append(Watcher(callback))
    return Watchers(network, made, watchers)
