# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "SimpleRNN: activity_regularizer is accepted and ignored"
# kind = "silent"
# area = "losses"
# issues = []
# docs = ["https://keras.io/api/layers/recurrent_layers/simple_rnn/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "layer = keras.layers.SimpleRNN(activity_regularizer=not None)"
# shows = ["loss", "weights"]
# ///
"""`SimpleRNN(..., activity_regularizer=...)` adds no penalty to the loss.

The argument is documented ("regularizer function applied to the output of the layer").
The constructor takes it and drops it: the layer has no losses, and training goes on
without the penalty. `LSTM` and `GRU` apply theirs.

Measured: every release of Keras 3, all backends. Keras 2 applies it.
"""

import keras
import numpy as np

X = np.ones((1, 1, 1), "float32")
PROMISED = 1.0  # one sample, one step, relu of a kernel of ones


def penalty(layer):
    layer(X)
    return float(sum(layer.losses))


def recurrent(**arguments):
    initial = {"kernel_initializer": "ones", "recurrent_initializer": "zeros"}
    return keras.layers.SimpleRNN(1, "relu", unroll=True, **initial, **arguments)


def test_output_is_penalized():
    """The layer's losses hold the penalty of its output."""
    observed = penalty(recurrent(activity_regularizer=keras.regularizers.L1(1.0)))
    assert observed == PROMISED, f"penalty {observed}, promised {PROMISED}"


def workaround_layer_after_it():
    """Put an ActivityRegularization layer behind it."""
    observed = penalty_behind(keras.layers.ActivityRegularization(l1=1.0))
    assert observed == PROMISED, f"penalty {observed}, promised {PROMISED}"


def penalty_behind(layer):
    layer(recurrent()(X))
    return float(sum(layer.losses))


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
