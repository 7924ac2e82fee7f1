# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "compile: freezing a layer and keeping the optimizer raises on JAX"
# kind = "divergence"
# area = "trainable"
# issues = []
# docs = ["https://keras.io/guides/transfer_learning/"]
# symptom = "ValueError: Argument `optimizer_variables` must be a list of tensors"
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "trains(model)",
#   "layer.trainable = False",
#   "model.compile(optimizer=optimizer)",
#   "trains(model)",
# ]
# where = ["layer in model or layer is model", "trained(optimizer)"]
# shows = ["raises"]
# ///
"""On JAX, freeze a layer, compile again with the same optimizer: the step raises.

The guide asks for `compile()` after a flip of `trainable`, and `compile()` takes an
optimizer object. Passing the one in use keeps its learning rate and moments. With
fewer weights than it was built for, TensorFlow and torch (and Keras 2) update the
ones that are left. JAX demands that the lists match and raises in every release, with
Adam and SGD alike. (To *un*freeze and keep the optimizer raises everywhere, in Keras 2
too: see unfreeze_after_step_raises.)
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

X = np.ones((2, 2), "float32")
Y = np.zeros((2, 1), "float32")


def step_then_freeze():
    first = keras.layers.Dense(2, kernel_initializer="ones")
    last = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), first, last])
    model.compile(optimizer=keras.optimizers.SGD(0.125), loss="mse", run_eagerly=True)
    model.train_on_batch(X, Y)
    first.trainable = False
    return model, first, last


def only_the_last_layer_learns(model, first, last):
    first_before, last_before = first.get_weights()[0], last.get_weights()[0]
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(first.get_weights()[0], first_before)
    assert np.any(last.get_weights()[0] != last_before), "the last layer stood still"


def test_optimizer_serves_the_weights_that_are_left():
    """After compile() with the same optimizer only the trainable layer learns."""
    model, first, last = step_then_freeze()
    model.compile(optimizer=model.optimizer, loss="mse", run_eagerly=True)
    only_the_last_layer_learns(model, first, last)


def workaround_new_optimizer_from_config():
    """Take a new optimizer with the same settings (moments, if any, start anew)."""
    model, first, last = step_then_freeze()
    settings = model.optimizer.get_config()
    model.compile(
        optimizer=keras.optimizers.SGD.from_config(settings), loss="mse", run_eagerly=True
    )
    only_the_last_layer_learns(model, first, last)


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
