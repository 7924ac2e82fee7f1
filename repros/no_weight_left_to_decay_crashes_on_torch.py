# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Optimizer: crashes on torch when all weights are free of decay"
# kind = "crash"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/"]
# symptom = "RuntimeError: Tensor list must have at least one tensor"
# affected = { torch = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["layer.trainable = False", "optimizer.exclude_from_weight_decay()"]
# where = ['perhaps("no other weight is trained")']
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = ["optimizer.exclude_from_weight_decay()", "layer.trainable = False"]
# where = ['perhaps("no other weight is trained")']
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = "optimizer.exclude_from_weight_decay(var_names=[..., 'kernel', ...])"
# where = ['perhaps("no other weight is trained")']
# shows = ["raises"]
# ///
"""On torch, a step fails when every trainable weight is excluded from weight decay.

`exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])` is the usual list. When
just these are trained (biases only, or normalization layers only, the rest is frozen),
nothing is left to decay, and torch's version of the step hands an empty list to a fused
operation: "Tensor list must have at least one tensor". The other backends, and Keras 2,
train.

Measured: torch, every release.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

NO_INPUT = np.zeros((1, 1), "float32")  # no input, no gradient: weights only decay
TARGET = np.zeros((1, 1), "float32")


def weight_after_a_step(optimizer):
    """The weight of a model with one weight, 1 before."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(optimizer, "mse", run_eagerly=EAGER)
    model.train_on_batch(NO_INPUT, TARGET)
    return float(model.get_weights()[0][0, 0])


def test_excluded_weight_does_not_decay():
    """No weight is left to decay, so none does."""
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    weight = weight_after_a_step(optimizer)
    assert weight == 1.0, f"weight {weight}, promised 1.0"


def workaround_no_weight_decay():
    """Switch weight decay off when nothing is left for it."""
    weight = weight_after_a_step(keras.optimizers.SGD(0.5))
    assert weight == 1.0, f"weight {weight}, promised 1.0"


if __name__ == "__main__":
    import sys
    import unittest

    for name, function in list(globals().items()):
        if name.startswith("test_"):
            try:
                function()
            except unittest.SkipTest as reason:
                sys.exit(print(f"{name}: not applicable: {reason}") or 125)
            print(f"{name}: as promised")
