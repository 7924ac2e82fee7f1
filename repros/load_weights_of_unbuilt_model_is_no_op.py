# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_weights: on a model that is not built yet nothing is loaded"
# kind = "silent"
# area = "saving"
# issues = [20530]
# introduced = "2906fb10f9"
# fixed = 20530
# docs = ["https://keras.io/guides/serialization_and_saving/"]
# affected = ">=3.0.2,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.load_weights()"
# where = ["not built(model)"]
# shows = ["raises", "weights"]
# ///
"""`load_weights` right after the constructor of a subclassed model does nothing at all.

A subclassed model has no weights before its first call. Load a checkpoint into it and
no error comes, and no warning; the first call then makes fresh random weights. Since
3.7.0 (#20530) it raises and says what to do, as Keras 2 did; both are accepted here.

Measured: up to 3.6.0, all backends, but not in 3.0.0 and 3.0.1, where it raises.
"""

import keras
import numpy as np

X = np.ones((2, 2), "float32")
PROMISED = X.sum(axis=1)[0]  # the saved kernel is made of ones


class Net(keras.Model):
    def __init__(self, kernel):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer=kernel, use_bias=False)

    def call(self, inputs):
        return self.dense(inputs)


def save_ones(path):
    model = Net("ones")
    model(X)
    model.save_weights(path)


def assert_loaded(model):
    observed = float(model(X)[0, 0])
    assert observed == PROMISED, f"output {observed}, promised {PROMISED} or an error"


def test_unbuilt_model_loads_or_raises():
    """Either the weights are loaded or an error says that they are not."""
    path = "net.weights.h5"
    save_ones(path)
    model = Net("zeros")
    try:
        model.load_weights(path)
    except ValueError:
        return
    assert_loaded(model)


def workaround_call_before_loading():
    """Call the model on some data, then load."""
    path = "workaround.weights.h5"
    save_ones(path)
    model = Net("zeros")
    model(X)
    model.load_weights(path)
    assert_loaded(model)


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
