"""What a GAN's training came to: a verdict, with the signals that it rests on.

The rules look at the last third of the losses and accuracies, at whether the weights moved, and at
how the samples differ from each other. ``docs/gan.md`` tells how often they are right.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from krepro.gan.history import ACCURACIES, ASIDE, LOSSES, History
from krepro.gan.images import distances, flat
from krepro.project import SelectionError

Array = npt.NDArray[Any]


class Diagnosis(enum.StrEnum):
    """What became of a training; the first that holds, in this order."""

    DIVERGED = "diverged"
    DISCRIMINATOR_FROZEN = "discriminator-frozen"
    GENERATOR_FROZEN = "generator-frozen"
    CONVERGENCE_FAILURE = "convergence-failure"
    MODE_COLLAPSE = "mode-collapse"
    STABLE = "stable"
    UNDECIDED = "undecided"


# Fewer iterations tell nothing of where a training leads, fewer steps nothing of its weights.
LEAST, LEAST_STEPS = 150, 20
# Keras keeps probabilities 1e-7 from 0 and 1: no crossentropy is above this, and where it is reached
# no gradient is left. A discriminator that says nothing but 0 and 1 has this times its error rate
# as its loss, and the generator this times what is seen through, within so much.
MOST_LOSS = -math.log(1e-7)
WITHIN = 0.05 * MOST_LOSS
# A discriminator below the one has won, if the generator's loss is above the other. The published
# experiment is healthy at 0.5 to 0.8 and 0.5 to 2.
LOST, LOST_BY = 0.2, 3.0
# What counts as healthy: wider than the bands of the pictures, by what healthy runs of other seeds
# were seen to do.
HEALTHY_DISCRIMINATOR, HEALTHY_GENERATOR = (0.3, 0.9), (0.4, 2.5)
# Accuracies at the ends say that one of the two has won.
HEALTHY_ACCURACY = (0.15, 0.985)
# The samples' median distance to the nearest other one, relative to that of as many real images:
# below the one they have collapsed, above the other they have not.
COLLAPSED, VARIED = 0.2, 0.4
VARIETY = "variety of the samples"
# Healthy bands, as the published experiment has them; for pictures and texts.
BANDS = {
    "real_loss": (0.5, 0.8),
    "generated_loss": (0.5, 0.8),
    "generator_loss": (0.5, 2.0),
    "real_accuracy": (0.5, 0.8),
    "generated_accuracy": (0.5, 0.8),
}


@dataclass(frozen=True)
class Signal:
    """One thing that was looked at: its value, and what is healthy (None: nothing in particular)."""

    name: str
    value: float
    healthy: tuple[float, float] | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as in a healthy training."""
        return self.healthy is None or self.healthy[0] <= self.value <= self.healthy[1]

    def __str__(self) -> str:
        text = f"{self.name} {self.value:.3g}"
        if self.healthy is None:
            return text
        low, high = self.healthy
        wanted = (
            f"healthy: {low:g} to {high:g}"
            if np.isfinite(high)
            else f"healthy: {low:g} or more"
        )
        return f"{text} ({wanted})"


@dataclass(frozen=True)
class Finding:
    """A diagnosis with its reasons, the signals behind it, and what would tell more."""

    diagnosis: Diagnosis
    reason: str
    signals: tuple[Signal, ...] = ()
    notes: tuple[str, ...] = ()
    iterations: int = 0

    def __str__(self) -> str:
        return f"{self.diagnosis}: {self.reason}"


@dataclass
class Judge:
    """Looks at a history, and at samples where there are any."""

    history: History
    variety: float | None = None
    signals: list[Signal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def found(self, diagnosis: Diagnosis, reason: str) -> Finding:
        """Return a finding."""
        return Finding(
            diagnosis, reason, tuple(self.signals), tuple(self.notes), len(self.history)
        )

    def last(self, name: str, part: int = 3) -> Array:
        """Return the last of a column, by default a third."""
        values = (
            self.history.discriminator if name == "discriminator" else self.history[name]
        )
        return values[-max(1, len(values) // part) :]

    def judge(self) -> Finding:
        """Return what it came to."""
        for rule in (
            self.not_finite,
            self.saturated,
            self.frozen,
            self.too_short,
            self.lost,
            self.frozen_by_curves,
            self.collapsed,
        ):
            finding = rule()
            if finding is not None:
                return finding
            if rule == self.not_finite:
                self.look()
        return self.healthy()

    # --- rules ----------------------------------------------------------------------------

    def not_finite(self) -> Finding | None:
        """Losses that are no numbers any more."""
        bad = {
            name: int(np.argmin(np.isfinite(self.history[name])))
            for name in LOSSES
            if not np.isfinite(self.history[name]).all()
        }
        if not bad:
            return None
        name = min(bad, key=lambda each: bad[each])
        value = self.history[name][bad[name]]
        reason = f"{plain(name)} is {value} from iteration {bad[name] + 1} on"
        return self.found(Diagnosis.DIVERGED, reason)

    def frozen(self) -> Finding | None:
        """Weights that never moved."""
        moves = {
            "discriminator": Diagnosis.DISCRIMINATOR_FROZEN,
            "generator": Diagnosis.GENERATOR_FROZEN,
        }
        if ASIDE in self.history and np.nanmax(self.history[ASIDE]) > 0:
            share = float(np.mean(self.history[ASIDE] > 0))
            self.notes.append(
                f"in {share:.0%} of the iterations the generator's step changed the discriminator "
                "as well, to be fooled: it is not frozen there"
            )
        for network, diagnosis in moves.items():
            column = f"{network}_change"
            if column not in self.history:
                self.notes.append(
                    f"not told whether the {network}'s weights moved ({column})"
                )
                continue
            moved = self.history[column]
            if len(moved) >= LEAST_STEPS and not np.any(moved > 0):
                steps = len(moved)
                return self.found(
                    diagnosis, f"the {network}'s weights did not move in {steps} iterations"
                )
        return None

    def too_short(self) -> Finding | None:
        """Too little to judge by."""
        if len(self.history) >= LEAST:
            return None
        reason = f"{len(self.history)} iterations are too few: it takes {LEAST} or more"
        return self.found(Diagnosis.UNDECIDED, reason)

    def saturated(self) -> Finding | None:
        """A discriminator that says nothing but 0 and 1, and is wrong, or can no more be fooled."""
        if len(self.history) < LEAST_STEPS:
            return None
        reason = (
            "the discriminator says nothing but 0 and 1: no gradient is left to learn from"
        )
        if all(name in self.history for name in ACCURACIES):
            wrong = [1 - self.level(name) for name in ACCURACIES]
            expected = (*wrong, 1 - wrong[1])
            sure = all(
                abs(self.level(name) - MOST_LOSS * share) < WITHIN
                for name, share in zip(LOSSES, expected, strict=True)
            )
        else:
            sure = any(self.level(name) > MOST_LOSS - WITHIN for name in LOSSES)
        return self.found(Diagnosis.DIVERGED, reason) if sure else None

    def look(self) -> None:
        """Take note of all signals."""
        if not len(self.history):
            return
        for name, healthy in (
            ("discriminator", HEALTHY_DISCRIMINATOR),
            ("generator_loss", HEALTHY_GENERATOR),
        ):
            values = self.last(name)
            self.signals.append(Signal(plain(name), float(values.mean()), healthy))
            self.signals.append(Signal(f"{plain(name)}, deviation", float(values.std())))
        for name in ACCURACIES:
            if name in self.history:
                values = self.last(name)
                self.signals.append(
                    Signal(plain(name), float(np.nanmean(values)), HEALTHY_ACCURACY)
                )
                self.signals.append(
                    Signal(f"{plain(name)}, deviation", float(np.nanstd(values)))
                )
        if self.variety is None:
            self.notes.append("no samples were given: variety was not judged")
        else:
            healthy = (VARIED, float("inf"))
            self.signals.append(Signal(VARIETY, self.variety, healthy))

    def level(self, name: str) -> float:
        """Return the mean of the last third."""
        return float(self.last(name).mean())

    def lost(self) -> Finding | None:
        """A discriminator that wins, and a generator that learns nothing from it."""
        own, other = self.level("discriminator"), self.level("generator_loss")
        if own < LOST and other > LOST_BY:
            return self.found(
                Diagnosis.CONVERGENCE_FAILURE,
                f"the discriminator has won: its loss is {own:.2g}, the generator's {other:.2g}",
            )
        return None

    def frozen_by_curves(self) -> Finding | None:
        """A discriminator that is fooled and does not respond, where no weights were told."""
        if "discriminator_change" in self.history:
            return None
        fooled = self.level("generator_loss") < LOST and self.level("generated_loss") > 1.5
        if fooled and not drifts(self.history["real_loss"]):
            return self.found(
                Diagnosis.DISCRIMINATOR_FROZEN,
                "the generator fools it completely, and its loss on real images never changed "
                "(by the curves alone: no weights were told)",
            )
        return None

    def collapsed(self) -> Finding | None:
        """Samples that are too much alike."""
        if self.variety is None or self.variety >= COLLAPSED:
            return None
        return self.found(
            Diagnosis.MODE_COLLAPSE,
            "the samples are too much alike: to the nearest other one it is "
            f"{self.variety:.2g} of what it is among real images",
        )

    def healthy(self) -> Finding:
        """Two networks that keep each other busy, if so."""
        off = [signal for signal in self.signals if not signal.ok]
        if off:
            return self.found(
                Diagnosis.UNDECIDED,
                f"neither healthy nor a known failure: {'; '.join(map(str, off))}",
            )
        if self.runs_away():
            return self.found(
                Diagnosis.UNDECIDED,
                "the discriminator's loss still falls and the generator's rises: "
                "more iterations would tell where it leads",
            )
        own, other = self.level("discriminator"), self.level("generator_loss")
        return self.found(
            Diagnosis.STABLE,
            f"the networks keep each other busy: discriminator {own:.2g}, generator {other:.2g}"
            + (f", variety {self.variety:.2g}" if self.variety is not None else ""),
        )

    def runs_away(self) -> bool:
        """Whether the losses still move apart at the end."""
        own, other = self.last("discriminator"), self.last("generator_loss")
        half = len(own) // 2
        return bool(
            own[half:].mean() < own[:half].mean() / 1.5
            and other[half:].mean() > 1.5 * other[:half].mean()
        )


def diagnose(
    history: History, samples: Array | None = None, real: Array | None = None
) -> Finding:
    """Return what a training came to.

    Args:
        history: losses and, where known, accuracies and changes of the weights.
        samples: generated images, shape (count, ...), of the end of the training.
        real: real images of the same shape, to compare them with.

    Raises:
        SelectionError: the samples are no images of the shape of the real ones.
    """
    judge = Judge(history)
    if samples is not None:
        if real is None:
            judge.notes.append("no real images were given to compare the samples with")
        else:
            judge.variety = variety_of(samples, real)
    return judge.judge()


def variety_of(samples: Array, real: Array) -> float:
    """Return how far the samples are from each other, relative to real images.

    Args:
        samples: generated images, shape (count, ...).
        real: real images, shape (count, ...); as many of them are compared.

    Returns:
        The median distance to the nearest other sample, divided by that of as many real images;
        0 where a sample is there over and over, about 1 where they are like the real ones.

    Raises:
        SelectionError: the shapes do not fit, there are too few, or they hold no finite numbers.
    """
    if samples.shape[1:] != real.shape[1:]:
        raise SelectionError(
            f"samples of shape {samples.shape[1:]} cannot be compared with images of {real.shape[1:]}"
        )
    count = min(len(samples), len(real))
    if count < 10:
        raise SelectionError(
            f"{count} samples are too few to tell their variety: 10 are needed"
        )
    if not np.isfinite(samples).all():
        return 0.0
    return median_gap(samples[:count]) / median_gap(real[:count])


def median_gap(images: Array) -> float:
    """Return the median distance to the nearest other image."""
    rows = flat(images)
    apart = distances(rows, rows)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(axis=1)))


def drifts(values: Array, pieces: int = 8) -> bool:
    """Whether the level of a noisy column changes more than its noise explains.

    The F-ratio of the means of eight pieces against what varies within them; above 4 is rarer than
    one in a thousand where nothing changes.
    """
    parts = [part for part in np.array_split(values, pieces) if len(part) > 1]
    within = float(np.mean([part.var(ddof=1) for part in parts]))
    between = float(np.var([part.mean() for part in parts], ddof=1)) * len(values) / pieces
    return between > 4 * within if within else between > 0


def plain(name: str) -> str:
    """Return a column's name as people say it."""
    known = {
        "discriminator": "the discriminator's loss",
        "real_loss": "the loss on real images",
        "generated_loss": "the loss on generated images",
        "generator_loss": "the generator's loss",
        "real_accuracy": "the accuracy on real images",
        "generated_accuracy": "the accuracy on generated images",
    }
    return known.get(name, name)
