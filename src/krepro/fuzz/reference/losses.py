"""Losses and metrics, of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval

from krepro.fuzz.program import Named
from krepro.fuzz.reference import rules
from krepro.fuzz.reference.words import (
    SILENT,
    Array,
    ByRounding,
    Computation,
    Silent,
    Undefined,
)

# Where a probability is as good as 0 or 1, what a logarithm is kept off matters.
MARGIN = 1e-6
# An error so small may have the other sign in float32.
NEAR = 1e-5
SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "acc": "accuracy"}
CROSSENTROPIES = (
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)


def long(name: str) -> str:
    """Return the full name of a loss or a metric."""
    return SHORT.get(name, name)


def values(named: Named, y: Array, p: Array, computation: Computation) -> Array:
    """Return a loss, a number for each sample (and each step of it)."""
    name = long(named.name)
    known = {"delta", "from_logits", "reduction", "name"}
    if name not in rules.LOSSES or set(named.args) - known:
        raise Undefined(f"the loss {name} of {sorted(named.args)} is not covered")
    if name in CROSSENTROPIES:
        computation.use(rules.LOSSES[name])
        return crossentropy(name, y, p, logits=bool(named.args.get("from_logits")))
    if y.shape != p.shape:
        raise Undefined(f"{name} of targets {y.shape} and outputs {p.shape}")
    computation.use(rules.LOSSES[name])
    error = y - p
    if name == "mean_squared_error":
        return anp.mean(error**2, axis=-1)
    if name == "mean_absolute_error":
        if np.any(getval(error) == 0):
            computation.use(rules.KINK)
        return anp.mean(anp.where(error > 0, error, anp.where(error < 0, -error, 0.0)), -1)
    if name == "log_cosh":
        return anp.mean(anp.log((anp.exp(error) + anp.exp(-error)) / 2), axis=-1)
    delta = float(named.args.get("delta", 1.0))
    size = anp.where(error > 0, error, -error)
    outside = delta * size - 0.5 * delta**2
    return anp.mean(anp.where(size <= delta, 0.5 * error**2, outside), axis=-1)


def check_kink(named: Named, y: Array, p: Array) -> None:
    """Raise Undefined where rounding decides which way the gradient of a loss points."""
    if long(named.name) == "mean_absolute_error" and y.shape == p.shape:
        found = getval(p)
        # A 0 that no computation came to stays one.
        near = (np.abs(y - found) < NEAR) & ((y != 0) | (found != 0))
        if np.any(near):
            raise ByRounding("the gradient of an absolute error that rounding may turn")


def crossentropy(name: str, y: Array, p: Array, *, logits: bool) -> Array:
    """Return a crossentropy, a number for each sample (and each step of it)."""
    if name == "binary_crossentropy":
        if y.shape != p.shape or not np.isin(y, (0, 1)).all():
            raise Undefined("a binary crossentropy of targets other than 0 and 1")
        if logits:
            # The logarithms of sigmoid(p) where the label is 1, of 1 - sigmoid(p) where it is 0.
            return anp.mean(anp.log(1 + anp.exp(anp.where(y == 1, -p, p))), axis=-1)
        inside(p)
        return anp.mean(-anp.log(anp.where(y == 1, p, 1 - p)), axis=-1)
    if name == "sparse_categorical_crossentropy":
        classes = p.shape[-1]
        if y.shape not in ((*p.shape[:-1], 1), p.shape[:-1]):
            raise Undefined("a sparse crossentropy of targets of another shape")
        if not np.isin(y, range(classes)).all():
            raise Undefined("a sparse crossentropy of targets that are no classes")
        y = np.eye(classes)[y.reshape(p.shape[:-1]).astype(int)]
    if y.shape != p.shape or not one_hot(y):
        raise Undefined("a categorical crossentropy of targets that are not one-hot")
    if logits:
        top = np.max(getval(p), axis=-1, keepdims=True)
        return anp.log(anp.sum(anp.exp(p - top), axis=-1)) - anp.sum(y * (p - top), axis=-1)
    inside(p)
    if np.max(np.abs(np.sum(getval(p), axis=-1) - 1)) > 1e-3:
        raise Undefined("a categorical crossentropy of what is no distribution")
    return -anp.sum(y * anp.log(p), axis=-1)


def inside(p: Array) -> None:
    """Raise Undefined where a probability is none, or next to 0 or 1."""
    found = getval(p)
    if np.min(found) < MARGIN or np.max(found) > 1 - MARGIN:
        raise Undefined("a crossentropy of probabilities outside of (0, 1), or at its ends")


def one_hot(y: Array) -> bool:
    """Return whether targets are one-hot."""
    return bool(np.isin(y, (0, 1)).all() and (np.sum(y, axis=-1) == 1).all())


def spread(weights: Array, like: Array) -> Array:
    """Return a weight of each sample for each of its values."""
    return weights.reshape(weights.shape + (1,) * (like.ndim - weights.ndim)) * np.ones(
        like.shape
    )


def reduced(
    named: Named,
    each: Array,
    weights: Array | None,
    computation: Computation,
    *,
    mask: Array | None = None,
) -> Array:
    """Return a loss as one number."""
    reduction = named.args.get("reduction", "sum_over_batch_size")
    if reduction not in ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight"):
        raise Undefined(f"the reduction {reduction} in training")
    computation.use(rules.REDUCTION)
    divisor = float(np.prod(each.shape))
    if mask is not None:
        check_mask(mask, each, weights, computation)
        if reduction != "sum_over_batch_size":
            raise Undefined("a mask and another reduction")
        each = each * mask
        divisor = float(np.sum(mask))
    if weights is not None:
        computation.use(rules.SAMPLE_WEIGHT)
        wide = spread(weights, each)
        each = each * wide
        if reduction == "mean_with_sample_weight":
            divisor = float(np.sum(weights)) if each.ndim == 1 else float(np.sum(wide))
    total = anp.sum(each)
    return computation.rounded(total if reduction == "sum" else total / divisor)


def check_mask(
    mask: Array, each: Array, weights: Array | None, computation: Computation
) -> None:
    """Raise Undefined where it is not clear what a mask means."""
    if mask.shape != each.shape or weights is not None or not mask.any():
        raise Undefined("a mask of another shape, of everything, or with sample weights")
    computation.use(rules.MASK_IN_LOSS)


@dataclass(frozen=True)
class Mean:
    """A part of a mean: what its values sum up to, and how many they are."""

    total: float | Silent
    count: float
    root: bool = False

    def __add__(self, other: Mean) -> Mean:
        total: float | Silent = SILENT
        if self.total is not SILENT and other.total is not SILENT:
            total = self.total + other.total
        return Mean(total, self.count + other.count, self.root)

    @property
    def value(self) -> float | Silent:
        """Return the mean."""
        if self.total is SILENT:
            return SILENT
        mean = float(self.total / self.count)
        return mean**0.5 if self.root else mean


def metric(
    named: Named,
    y: Array,
    p: Array,
    weights: Array | None,
    computation: Computation,
    *,
    mask: Array | None = None,
) -> Mean:
    """Return a metric of a batch."""
    name = long(named.name)
    root = name == "root_mean_squared_error"
    try:
        each = metric_values(named, name, y, p, computation)
        if mask is not None:
            check_mask(mask, each, weights, computation)
    except Undefined:
        return Mean(SILENT, 1.0)
    wide = np.ones(each.shape) if weights is None else spread(weights, each)
    if mask is not None:
        wide = wide * mask
    computation.use(rules.METRIC_MEAN)
    total = computation.rounded(float(np.sum(each * wide)))
    return Mean(float(total), float(np.sum(wide)), root)


def metric_values(
    named: Named, name: str, y: Array, p: Array, computation: Computation
) -> Array:
    """Return what a metric is the mean of.

    Raises:
        Undefined: the documentation does not say.
    """
    if set(named.args) - {"name", "threshold"}:
        raise Undefined(f"the metric {name} of {sorted(named.args)} is not covered")
    if name == "accuracy" and named.form == "string":
        computation.use(rules.ACCURACY_BY_SHAPE)
        name = accuracy_of(y, p)
    if name not in rules.METRICS:
        raise Undefined(f"the metric {name} is not covered")
    computation.use(rules.METRICS[name])
    if name == "binary_accuracy":
        if y.shape != p.shape or not np.isin(y, (0, 1)).all():
            raise Undefined("the accuracy of targets other than 0 and 1")
        return ((p > float(named.args.get("threshold", 0.5))) == y).astype(float)
    if name in ("categorical_accuracy", "sparse_categorical_accuracy"):
        return hits(name, y, p)
    if name == "root_mean_squared_error":
        name = "mean_squared_error"
    return values(Named(name), y, p, computation)


def accuracy_of(y: Array, p: Array) -> str:
    """Return which accuracy is meant by targets and outputs of some shapes."""
    if p.shape[-1] == 1:
        return "binary_accuracy"
    return "categorical_accuracy" if y.shape == p.shape else "sparse_categorical_accuracy"


def hits(name: str, y: Array, p: Array) -> Array:
    """Return where the largest prediction is that of the label."""
    best = np.sort(p, axis=-1)
    if p.shape[-1] > 1 and (best[..., -1] == best[..., -2]).any():
        raise Undefined("the accuracy where two classes are as likely")
    if name == "sparse_categorical_accuracy":
        if y.shape != (*p.shape[:-1], 1) or not np.isin(y, range(p.shape[-1])).all():
            raise Undefined("the accuracy of targets that are no classes")
        return (np.argmax(p, axis=-1) == y[..., 0]).astype(float)
    if y.shape != p.shape or not one_hot(y):
        raise Undefined("the accuracy of targets that are not one-hot")
    return (np.argmax(p, axis=-1) == np.argmax(y, axis=-1)).astype(float)
