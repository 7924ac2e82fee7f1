# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.1.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Layer: trainable=False given before the weights exist is ignored"
# kind = "silent"
# area = "trainable"
# issues = [19398, 19432]
# docs = [
#   "https://keras.io/api/layers/base_layer/",
#   "https://keras.io/guides/transfer_learning/",
# ]
# fixed = "471edf24d9"
# affected = ">=3.0.0,<3.2.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "layer = keras.Layer(trainable=False)"
# where = ["not isinstance(layer, keras.Model)"]
# shows = ["trains", "weights"]
#
# [[tool.krepro.trigger]]
# code = "layer.trainable = False"
# where = ["not built(layer)", "not isinstance(layer, keras.Model)"]
# shows = ["trains", "weights"]
# ///
"""`Dense(..., trainable=False)` learned all the same before 3.2.0.

The docstring of `Layer` says that `trainable` tells whether the layer's variables are
trained. The flag reached only the variables that existed when it was set. A layer
creates its own on the first call, so one frozen by the constructor, or by the
attribute before that call, read `layer.trainable == False`, yet its weights were in
`model.trainable_weights` and changed in training. All backends alike. Fixed in 3.2.0
by two commits without a pull request.
"""

import keras
import numpy as np

X = np.ones((2, 2), "float32")
Y = np.zeros((2, 1), "float32")


def stays_frozen(first):
    last = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), first, last])
    model.compile(optimizer="sgd", loss="mse")
    assert not first.trainable
    model.train_on_batch(X, Y)
    assert np.all(first.get_weights()[0] == 1), "trainable=False, but the weights moved"


def test_constructor_argument_freezes():
    """trainable=False in the constructor keeps the weights as they are."""
    stays_frozen(keras.layers.Dense(2, kernel_initializer="ones", trainable=False))


def test_attribute_set_before_build_freezes():
    """trainable = False before the first call keeps the weights as they are."""
    first = keras.layers.Dense(2, kernel_initializer="ones")
    first.trainable = False
    stays_frozen(first)


def workaround_build_first():
    """Create the weights, then freeze."""
    first = keras.layers.Dense(2, kernel_initializer="ones")
    first.build((None, 2))
    first.trainable = False
    stays_frozen(first)


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
