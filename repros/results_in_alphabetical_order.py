# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.1.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.evaluate: metrics are returned in the order of the alphabet"
# kind = "silent"
# area = "metrics"
# issues = [19370]
# fixed = 19370
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0,<3.2.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=(value := []))",
#   "model.evaluate(return_dict=absent | False) | model.train_on_batch(return_dict=absent | False) | model.test_on_batch(return_dict=absent | False)",
# ]
# where = ["len(model.outputs) == 1", "len(value) > 1", "sorted(value) != value"]
# shows = ["structure", "names"]
# ///
"""The list of results is sorted by the metrics' names, not as `compile` was told.

`loss, mse, mae = model.evaluate(...)` unpacks the numbers in the order of the metrics
given to `compile`, as the documentation has it. Where they come sorted by name, the two
metrics change places without a word.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = 3 * X  # the model predicts 0
PROMISED = {"mse": float(np.mean(Y**2)), "mae": float(np.mean(np.abs(Y)))}


def results(**arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    metrics = [
        keras.metrics.MeanSquaredError(name="mse"),
        keras.metrics.MeanAbsoluteError(name="mae"),
    ]
    model.compile("sgd", "mse", metrics=metrics, run_eagerly=True)
    return model.evaluate(X, Y, verbose=0, **arguments)


def test_results_come_in_the_order_of_compile():
    """First the loss, then each metric in its turn."""
    _, mse, mae = results()
    observed = {"mse": float(mse), "mae": float(mae)}
    assert observed == PROMISED, f"unpacked {observed}, promised {PROMISED}"


def workaround_return_dict():
    """Ask for names with `return_dict=True`."""
    named = results(return_dict=True)
    observed = {name: float(named[name]) for name in PROMISED}
    assert observed == PROMISED, f"named {observed}, promised {PROMISED}"


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
