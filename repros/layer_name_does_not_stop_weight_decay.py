# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "exclude_from_weight_decay: layer names work on TensorFlow only"
# kind = "divergence"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/"]
# affected = { jax = ">=3.0.0", torch = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "optimizer.exclude_from_weight_decay(var_names=(value := []))"
# where = [
#   'any(x not in ["kernel", "bias", "gamma", "beta", "scale", "embeddings", "recurrent_kernel"] for x in value)',
# ]
# shows = ["loss", "weights"]
# ///
"""Excluding a layer from weight decay by its name does nothing on JAX and torch.

`exclude_from_weight_decay(var_names=["LayerNorm", "head"])` excludes all variables with
one of the strings in their name; this is how recipes for AdamW leave out normalization
layers. On TensorFlow, and in Keras 2, a variable's name has its layer's name in it
("head/kernel"). On JAX and torch the optimizer sees "kernel", so only names such as
"bias" match; the layer decays without a word.

Measured: JAX and torch, every release.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

NO_INPUT = np.zeros((1, 1), "float32")  # no input, no gradient: weights only decay
TARGET = np.zeros((1, 1), "float32")
RATE, DECAY = 0.5, 0.5
DECAYED = 1.0 - RATE * DECAY


def weights_after_a_step(exclude):
    """The weights of the layers "body" and "head", both 1 before."""
    body, head = (
        keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name=name)
        for name in ("body", "head")
    )
    model = keras.Sequential([keras.Input((1,)), body, head])
    optimizer = keras.optimizers.SGD(RATE, weight_decay=DECAY)
    exclude(optimizer, head)
    model.compile(optimizer, "mse", run_eagerly=EAGER)
    model.train_on_batch(NO_INPUT, TARGET)
    return [float(weight[0, 0]) for weight in model.get_weights()]


def test_layer_name_excludes():
    """Weights with one of the strings in their name do not decay."""
    weights = weights_after_a_step(
        lambda optimizer, head: optimizer.exclude_from_weight_decay(var_names=["head"])
    )
    assert weights == [DECAYED, 1.0], f"body, head: {weights}, not {[DECAYED, 1.0]}"


def workaround_list_the_variables():
    """Name the variables themselves."""

    def exclude(optimizer, head):
        optimizer.exclude_from_weight_decay(var_list=head.trainable_variables)

    weights = weights_after_a_step(exclude)
    assert weights == [DECAYED, 1.0], f"body, head: {weights}, not {[DECAYED, 1.0]}"


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
