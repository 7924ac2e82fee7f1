# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.13.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Layer: activity_regularizer is not divided by the batch size"
# kind = "silent"
# area = "losses"
# issues = [22018, 22021]
# fixed = 22021
# docs = ["https://keras.io/api/layers/regularizers/"]
# affected = ">=3.0.0,<3.14.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "layer = keras.Layer(activity_regularizer=not None)"
# where = ["not isinstance(layer, keras.layers.SimpleRNN)"]
# shows = ["loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = "layer = keras.layers.ActivityRegularization()"
# shows = ["loss", "weights"]
# ///
"""The activity penalty of a layer is as many times too large as the batch has samples.

The page on regularizers says that the value of an `activity_regularizer` is divided by
the batch size, so that its weight against the other terms does not depend on it, and
shows it in an example. Until #22021 it is the sum over the batch: with batches
of 32 the penalty is 32 times the promised one, and a larger batch changes the
training.

Measured: up to 3.13.2, all backends. Keras 2 divides.
"""

import keras
import numpy as np

X = np.ones((4, 2), "float32")
OUTPUT = X.sum(axis=1, keepdims=True)  # a kernel of ones
PROMISED = np.sum(np.abs(OUTPUT)) / len(X)


def penalty(regularizer):
    layer = keras.layers.Dense(
        1, kernel_initializer="ones", activity_regularizer=regularizer
    )
    layer(X)
    return float(sum(layer.losses))


def test_penalty_is_divided_by_batch_size():
    """The penalty is the mean over the samples."""
    observed = penalty(keras.regularizers.L1(1.0))
    assert observed == PROMISED, f"penalty {observed}, promised {PROMISED}"


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
