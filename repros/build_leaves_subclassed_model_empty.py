# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.build: a subclassed model counts as built but has no weights to save"
# kind = "silent"
# area = "saving"
# issues = [19229]
# symptom = "ValueError: Layer ... was never built"
# docs = ["https://keras.io/guides/serialization_and_saving/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "not model(inputs=_)",
#   "not runs(model)",
#   "model.build()",
#   "not model(inputs=_)",
#   "not runs(model)",
#   "not model.predict()",
#   "model.load_weights() | model.save_weights()",
# ]
# where = ["overrides(model, 'call')"]
# shows = ["raises", "weights", "saved"]
# ///
"""`model.build(shape)`, then `load_weights`: nothing is loaded, and no error comes.

`build()` is the way to create the weights of a subclassed model without data; since
3.7.0 the error of `load_weights` on an unbuilt model asks for it by name. In Keras 3
it makes no weights but marks the model as built, so saving writes an empty file and
loading leaves the random weights. (Later releases warn in `build()`;
issue 19229 was told that this is intended.)

Measured: every release of Keras 3, all backends; 3.0.0 raises when it loads. In Keras 2
`build()` builds.
"""

import warnings

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


def assert_loads_ones(model, path):
    saved = Net("ones")
    saved(X)
    saved.save_weights(path)
    model.load_weights(path)
    observed = float(model(X)[0, 0])
    assert observed == PROMISED, f"output {observed}, promised {PROMISED}"


def test_built_model_loads_weights():
    """After build() the weights of a file are loaded into the model."""
    model = Net("zeros")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.build((None, 2))
    assert_loads_ones(model, "build.weights.h5")


def workaround_call_the_model():
    """Call the model on some data instead."""
    model = Net("zeros")
    model(X)
    assert_loads_ones(model, "data.weights.h5")


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
