# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.evaluate: metrics of several outputs come in alphabetical order"
# kind = "silent"
# area = "metrics"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=not None)",
#   "model.evaluate(return_dict=absent | False) | model.train_on_batch(return_dict=absent | False) | model.test_on_batch(return_dict=absent | False)",
# ]
# where = [
#   "len(model.outputs) > 1",
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
# ]
# shows = ["structure", "outputs"]
# ///
"""With several outputs, the metrics are returned sorted by the outputs' names.

The documentation says that the order of the results is the order of the metrics given
to `compile`, and that this order tells which number is which. For a model with several
outputs the metrics come sorted by name instead: the numbers of two outputs change
places.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
ERRORS = {"width": 2.0, "height": 3.0}  # of the outputs, in order: both predict 0
Y = [X * error for error in ERRORS.values()]


def results(**arguments):
    inputs = keras.Input((1,))
    outputs = [
        keras.layers.Dense(1, kernel_initializer="zeros", name=name)(inputs)
        for name in ERRORS
    ]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["mse", "mse"], metrics=[["mae"], ["mae"]], run_eagerly=True)
    return model.evaluate(X, Y, verbose=0, **arguments)


def test_metrics_come_in_the_order_of_the_outputs():
    """The last two results are the metric of the first and of the second output."""
    observed = dict(zip(ERRORS, map(float, results()[-2:]), strict=True))
    assert observed == ERRORS, f"in the order of compile: {observed}, errors {ERRORS}"


def workaround_return_dict():
    """Ask for names with `return_dict=True`."""
    named = results(return_dict=True)
    observed = {name: float(named[f"{name}_mae"]) for name in ERRORS}
    assert observed == ERRORS, f"by name: {observed}, errors {ERRORS}"


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
