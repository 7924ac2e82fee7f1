"""For your own GAN: keep its history while it trains, and ask what becomes of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from krepro.gan.diagnosis import Finding, diagnose
from krepro.gan.history import History

Array = npt.NDArray[Any]


class Network(Protocol):
    """A model of Keras, of any release."""

    def get_weights(self) -> list[Array]:
        """Return its weights."""


class Watch:
    """Keeps what is told of each iteration, and whether the networks' weights moved.

    ::

        watch = Watch(discriminator, generator)
        for ...:
            real_loss, real_accuracy = discriminator.train_on_batch(...)
            ...
            watch.add(real_loss=..., generated_loss=..., generator_loss=...)
        print(watch.finding(generator.predict(noise), images))

    Without the networks, nothing is said of their weights.
    """

    def __init__(
        self, discriminator: Network | None = None, generator: Network | None = None
    ) -> None:
        """Take the networks to watch, as they are before training."""
        self._networks = {
            f"{name}_change": network
            for name, network in (
                ("discriminator", discriminator),
                ("generator", generator),
            )
            if network is not None
        }
        self._held = {name: copied(each) for name, each in self._networks.items()}
        self._rows: list[dict[str, float]] = []

    def add(self, **told: float) -> None:
        """Take note of an iteration: ``real_loss``, ``generated_loss``, ``generator_loss``, ...

        Losses are crossentropies in nats, accuracies between 0 and 1.

        Raises:
            ValueError: other things are told than of the iterations before.
        """
        row = {name: float(value) for name, value in told.items()}
        if self._rows and row.keys() != self._rows[0].keys() - self._networks.keys():
            raise ValueError(
                f"told before: {', '.join(self._rows[0])}; now: {', '.join(row)}"
            )
        for name, network in self._networks.items():
            now = copied(network)
            row[name] = moved(self._held[name], now)
            self._held[name] = now
        self._rows.append(row)

    @property
    def history(self) -> History:
        """All that was told.

        Raises:
            krepro.project.SelectionError: a loss was never told.
        """
        names = self._rows[0] if self._rows else {}
        return History.of({name: [row[name] for row in self._rows] for name in names})

    def finding(self, samples: Array | None = None, real: Array | None = None) -> Finding:
        """Return what became of the training so far; see ``diagnose``."""
        return diagnose(self.history, samples, real)

    def save(self, path: Path | str) -> None:
        """Write it as CSV, for ``krepro gan --diagnose``."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self._rows[0]) if self._rows else [])
            writer.writeheader()
            writer.writerows(self._rows)


def callback(watch: Watch, names: Mapping[str, str]) -> Any:
    """Return a callback of Keras that tells a watch of each batch's logs.

    Args:
        watch: what is told.
        names: the name in the logs for each of ``real_loss``, ``generated_loss``, ...

    Keras' logs are means since the start of the epoch: with ``fit``, reset the metrics that are
    logged in ``train_step``, or log plain values.
    """
    import keras  # noqa: PLC0415  The user's own, needed here alone.

    class Telling(keras.callbacks.Callback):  # type: ignore[misc]
        """Tells of each batch."""

        def on_train_batch_end(
            self, batch: int, logs: Mapping[str, Any] | None = None
        ) -> None:
            """Tell the losses of a batch."""
            del batch
            held = logs or {}
            lacking = [name for name in names.values() if name not in held]
            if lacking:
                raise KeyError(
                    f"the logs have no {', '.join(lacking)} (there are: {', '.join(held)})"
                )
            watch.add(**{own: float(held[name]) for own, name in names.items()})

    return Telling()


def copied(network: Network) -> list[Array]:
    """Return copies of a network's weights."""
    return [np.array(weight, dtype=float) for weight in network.get_weights()]


def moved(before: list[Array], after: list[Array]) -> float:
    """Return how far weights moved, relative to their size."""
    far = sum(float(np.sum((b - a) ** 2)) for a, b in zip(before, after, strict=True))
    size = sum(float(np.sum(a**2)) for a in before)
    return float((far / size) ** 0.5 if size else far**0.5)
