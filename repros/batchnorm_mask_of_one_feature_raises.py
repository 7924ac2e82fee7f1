# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "BatchNormalization: masked inputs of one feature raise on JAX, torch"
# kind = "divergence"
# area = "masking"
# issues = []
# introduced = 18921
# docs = ["https://keras.io/api/layers/normalization_layers/batch_normalization/"]
# symptom = [
#     "IndexError: ...tuple index out of range",
#     "RuntimeError: ...TensorAccessor expected 1 dims",
# ]
# affected = {jax = ">=3.0.2", torch = ">=3.0.2"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.BatchNormalization()",
#   "layer(inputs=tensor)",
#   "trains(model)",
# ]
# where = ["masked(tensor)", "layer in model", 'perhaps("there is a single feature")']
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.BatchNormalization()",
#   "not layer(inputs=_)",
#   "trains(model)",
# ]
# where = ["layer in model", "masked(model)", 'perhaps("there is a single feature")']
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.BatchNormalization()",
#   "layer(inputs=_, mask=not None)",
# ]
# where = ['perhaps("there is a single feature")']
# shows = ["raises"]
# ///
"""`BatchNormalization` after `Masking` fails for series of a single value.

With a mask, the layer squeezes the mean of a batch, and that of a single feature
becomes a scalar, which JAX and torch refuse: "tuple index out of range". TensorFlow
trains the same model, and so do all backends with two features.

Measured: 3.0.2 to 3.15.1 on JAX and torch; never on TensorFlow. 3.0.0 and 3.0.1 ignore
the mask: see `batchnorm_counts_masked_steps`.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X = np.array([[[2.0], [4.0], [-1.0]]], "float32")
MASK = np.array([[True, True, False]])
# A batch of which nothing is masked: its mean does not depend on the masking.
NOT_MASKED = np.ones((1, 3), "bool")


def assert_moving_mean(x, mask, features=1):
    layer = keras.layers.BatchNormalization(momentum=0.0)
    layer(np.repeat(x, features, axis=-1), training=True, mask=mask)
    mean = np.ravel(layer.get_weights()[2])
    promised = np.mean(x)
    assert abs(mean - promised).max() < 1e-6, f"mean {mean}, promised {promised}"


def test_one_feature_can_be_masked():
    """A mask that masks nothing changes nothing."""
    assert_moving_mean(X, NOT_MASKED)


def workaround_two_features():
    """Add a second feature, such as a copy of the first."""
    assert_moving_mean(X, NOT_MASKED, features=2)


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
