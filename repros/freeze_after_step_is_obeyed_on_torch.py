# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "trainable: a layer frozen after a step stops learning on torch only"
# kind = "divergence"
# area = "trainable"
# issues = [22104]
# docs = [
#   "https://keras.io/guides/transfer_learning/",
#   "https://keras.io/getting_started/faq/",
# ]
# affected = { torch = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "trains(model)",
#   "layer.trainable = False",
#   "not model.compile()",
#   "trains(model)",
# ]
# where = ["layer in model or layer is model or model in layer"]
# shows = ["trains", "weights"]
# ///
"""A layer frozen between two steps, without `compile()`, stops learning on torch.

The guide, the FAQ and (since 3.14.0) the docstring of `Model.compile` promise that
such a flip waits for the next `compile()`. TensorFlow keeps that promise once a step
was traced, as Keras 2 did. Torch follows the flag without a word, in every release.
JAX refuses the step with an error, which is another finding
(freeze_after_step_raises_on_jax): here a refusal counts as kept, as nothing is
silently left untrained.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X = np.ones((2, 2), "float32")
Y = np.zeros((2, 1), "float32")


def build():
    first = keras.layers.Dense(2, kernel_initializer="ones")
    last = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), first, last])
    model.compile(optimizer=keras.optimizers.SGD(0.125), loss="mse")
    return model, first


def test_next_step_trains_as_compiled():
    """The second step trains what the first one trained, or says that it cannot."""
    model, first = build()
    model.train_on_batch(X, Y)
    before = first.get_weights()[0]
    first.trainable = False
    try:
        model.train_on_batch(X, Y)
    except ValueError:
        return  # JAX says no, loudly
    changed = np.any(first.get_weights()[0] != before)
    assert changed, "trainable at compile(), but the second step left it out"


def workaround_compile_after_freezing():
    """Compile again after the flip: then the layer is frozen on every backend."""
    model, first = build()
    model.train_on_batch(X, Y)
    before = first.get_weights()[0]
    first.trainable = False
    model.compile(optimizer=keras.optimizers.SGD(0.125), loss="mse")
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(first.get_weights()[0], before)


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
