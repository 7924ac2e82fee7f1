# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: class_weight raises with a class for each step of a sequence"
# kind = "crash"
# area = "data"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "TypeError: only length-1 arrays can be converted to Python scalars"
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(class_weight=not None) | model.train_on_batch(class_weight=not None)"
# where = [
#   "masked(model) or (len(model.layers) > 1 and (isinstance(model.layers[-1], keras.layers.TimeDistributed) or (given(model.layers[-2].return_sequences) and model.layers[-2].return_sequences)))",
#   'perhaps("the targets are no one-hot vectors")',
# ]
# shows = ["raises"]
# ///
"""`class_weight` fails where the targets hold more than one class a sample.

The documentation allows targets of a higher rank if they are one-hot or end in a
dimension of 1. One class a sample is all that is ever looked up: a sequence or an image
with a class for every position ends in a TypeError from NumPy.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
CLASS_WEIGHT = {0: 1.0, 1: 3.0}
Y = np.array([[[0.0], [1.0]]], "float32")  # one sample, two steps, a last axis of 1
WEIGHTS = np.vectorize(CLASS_WEIGHT.get)(Y[..., 0])
PROMISED = float(np.mean(Y[..., 0] ** 2 * WEIGHTS))  # the model predicts 0


def assert_weighted(**arguments):
    model = keras.Sequential(
        [
            keras.Input((2, 1)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", run_eagerly=EAGER)
    loss = float(model.train_on_batch(np.ones_like(Y), Y, **arguments))
    assert loss == PROMISED, f"loss {loss}, weighted by hand {PROMISED}"


def test_class_weight_reaches_every_step():
    """The second step counts three times."""
    assert_weighted(class_weight=CLASS_WEIGHT)


def workaround_sample_weight():
    """Make a weight for every step, and pass them as `sample_weight`."""
    assert_weighted(sample_weight=WEIGHTS)


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
