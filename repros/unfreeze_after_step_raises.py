# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "trainable: a layer unfrozen after a step makes the next step raise"
# kind = "divergence"
# area = "trainable"
# issues = [22104]
# docs = [
#   "https://keras.io/guides/transfer_learning/",
#   "https://keras.io/getting_started/faq/",
# ]
# symptom = [
#   "ValueError: Unknown variable:...This optimizer can only be called",
#   "ValueError: Argument `optimizer_variables` must be a list of tensors",
# ]
# affected = { jax = ">=3.0.0", torch = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "runs(model)",
#   "layer.trainable = True",
#   "not model.compile()",
#   "trains(model)",
# ]
# where = ["layer in model or layer is model or model in layer"]
# shows = ["raises"]
# ///
"""On JAX and torch, unfreezing a layer after a step makes the next step raise.

The guide and the FAQ promise that the model goes on as compiled until the next
`compile()`. TensorFlow keeps that promise once a step was traced: the layer stays
frozen, as in Keras 2. Torch passes the newly trainable weights to an optimizer that
has no slots for them ("Unknown variable"), JAX likewise ("optimizer_variables must
be a list"). It takes no optimizer with momentum: plain SGD raises too. To compile
again is not enough: the optimizer must be a new one, on every backend and in Keras 2.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X = np.ones((2, 2), "float32")
Y = np.zeros((2, 1), "float32")


def build_and_step():
    first = keras.layers.Dense(2, kernel_initializer="ones")
    last = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), first, last])
    first.trainable = False
    model.compile(optimizer=keras.optimizers.SGD(0.125), loss="mse")
    model.train_on_batch(X, Y)
    return model, first


def test_layer_stays_frozen_as_compiled():
    """Frozen at compile(): the flip does not disturb the next step."""
    model, first = build_and_step()
    first.trainable = True
    model.train_on_batch(X, Y)
    assert np.all(first.get_weights()[0] == 1), "frozen at compile(), but it learned"


def workaround_compile_with_a_new_optimizer():
    """Compile again after the flip, with a new optimizer: the layer learns."""
    model, first = build_and_step()
    first.trainable = True
    model.compile(optimizer=keras.optimizers.SGD(0.125), loss="mse")
    model.train_on_batch(X, Y)
    assert np.any(first.get_weights()[0] != 1), "unfrozen at compile(), but stood still"


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
