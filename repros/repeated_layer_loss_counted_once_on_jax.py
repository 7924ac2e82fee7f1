# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "add_loss: on JAX, a layer that is called twice adds only one of its losses"
# kind = "divergence"
# area = "losses"
# issues = []
# docs = ["https://keras.io/api/layers/base_layer/"]
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.Layer(activity_regularizer=not None)",
#   "layer_shared(inputs=tensor)",
#   "layer_shared(inputs=tensor_again)",
#   "runs(model)",
# ]
# where = ["layer is layer_shared or layer in layer_shared", "layer in model"]
# shows = ["loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer_shared(inputs=tensor)",
#   "layer_shared(inputs=tensor_again)",
#   "runs(model)",
#   "layer.add_loss()",
# ]
# where = ["layer is layer_shared or layer in layer_shared", "layer in model"]
# shows = ["loss", "weights"]
# ///
"""A shared layer that calls `add_loss` counts only once on JAX, and twice elsewhere.

Apply one layer to two inputs (a siamese model), and let it add a loss for each: on
TensorFlow and torch, and in Keras 2, both are part of the model's loss. On JAX one of
them is lost in the training step, without a word. The same goes for activity
regularizers of shared layers.

Measured: every release of Keras 3.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

X = np.ones((2, 2), "float32")
PENALTY = 3.0
PROMISED = 2 * PENALTY  # the layer is called twice


class Penalized(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(PENALTY * inputs[0, 0])
        return inputs


def loss_of(first, second):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, second(first(inputs)))
    model.compile("sgd", "mse", run_eagerly=True)
    return float(model.test_on_batch(X, X))  # the outputs are right: no other loss


def test_each_call_adds_its_loss():
    """The losses of all calls of the layer are in the loss of the model."""
    layer = Penalized()
    observed = loss_of(layer, layer)
    assert observed == PROMISED, f"loss {observed}, promised {PROMISED}"


def workaround_one_layer_for_each_call():
    """Use a layer for each call (possible where it has no weights)."""
    observed = loss_of(Penalized(), Penalized())
    assert observed == PROMISED, f"loss {observed}, promised {PROMISED}"


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
