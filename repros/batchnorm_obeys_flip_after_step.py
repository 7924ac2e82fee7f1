# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "BatchNormalization: frozen after a step, only torch stops its statistics"
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
# where = [
#   "layer in model or layer is model",
#   "isinstance(layer, keras.layers.BatchNormalization) or any(isinstance(x, keras.layers.BatchNormalization) for x in layers(layer))",
# ]
# shows = ["weights"]
# ///
"""After a first step, freezing a BatchNormalization has an effect on torch alone.

The guide promises that a model keeps the flags it was compiled with. Once a step was
traced, TensorFlow and JAX do: the moving statistics go on moving. Torch runs the
Python code anew in each step, sees the flag, and switches the layer to inference
mode: the same script ends with other statistics. (The layer has no `gamma` and
`beta` here: with them JAX raises, see freeze_after_step_raises_on_jax.)
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X = np.array([[2.0, 4.0], [4.0, 8.0]], "float32")
Y = np.zeros((2, 1), "float32")
MOMENTUM = 0.5
START = 0.0  # of a moving mean


def moved(mean):
    return MOMENTUM * mean + (1 - MOMENTUM) * X.mean(axis=0)


def build_and_step():
    norm = keras.layers.BatchNormalization(momentum=MOMENTUM, center=False, scale=False)
    model = keras.Sequential([keras.Input((2,)), norm, keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.train_on_batch(X, Y)
    return model, norm


def test_statistics_move_on_as_compiled():
    """Two steps move the mean twice, whatever the flag became in between."""
    model, norm = build_and_step()
    norm.trainable = False
    model.train_on_batch(X, Y)
    mean = norm.get_weights()[0]
    np.testing.assert_allclose(mean, moved(moved(START)), rtol=1e-6)


def workaround_compile_after_freezing():
    """Compile again after the flip: then every backend keeps the statistics."""
    model, norm = build_and_step()
    norm.trainable = False
    model.compile(optimizer="sgd", loss="mse")
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(norm.get_weights()[0], moved(START), rtol=1e-6)


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
