# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.predict: a generator that yields arrays is rejected"
# kind = "crash"
# area = "data"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "ValueError: When passing a Python generator ...must return a tuple"
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.predict(x=data, steps=not None)"
# where = [
#   "isinstance(data, types.GeneratorType)",
#   'perhaps("it yields arrays, not tuples")',
# ]
# shows = ["raises"]
# ///
"""`predict` does not take a generator that yields the inputs as they are.

The input of `predict` can be a Python generator, without targets. What it yields has to
be packed into a tuple of one, though a dataset of plain arrays works with the other
kinds of input.
"""

import keras
import numpy as np

X = np.array([[1.0], [2.0]], "float32")


def assert_predicted(batches):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="ones"),
        ]
    )
    model.compile(run_eagerly=True)
    predicted = model.predict(batches, verbose=0)
    np.testing.assert_array_equal(predicted, np.concatenate([X, X]), "predictions")


def test_arrays_are_inputs():
    """Two batches of inputs."""
    assert_predicted(X for _ in range(2))


def workaround_tuples_of_one():
    """Yield `(inputs,)`."""
    assert_predicted((X,) for _ in range(2))


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
