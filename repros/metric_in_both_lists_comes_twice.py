# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.evaluate: a metric that is weighted too comes twice in the list"
# kind = "silent"
# area = "metrics"
# issues = [19370]
# introduced = 19370
# docs = ["https://keras.io/api/models/model_training_apis/"]
# related = ["results_in_alphabetical_order", "outputs_metrics_in_alphabetical_order"]
# affected = ">=3.2.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=(value := []), weighted_metrics=(value_weighted := []))",
#   "model.evaluate(return_dict=absent | False) | model.train_on_batch(return_dict=absent | False) | model.test_on_batch(return_dict=absent | False)",
# ]
# where = ["len(model.outputs) == 1", "any(x in value_weighted for x in value)"]
# shows = ["structure"]
# ///
"""`loss, mae, weighted = model.evaluate(...)` fails, or reads the wrong numbers.

With "mae" in both `metrics` and `weighted_metrics`, the dict of results has "mae" and
"weighted_mae", and `evaluate` promises a list in the order in which `compile` was told.
The list has the plain one at both places and the weighted one after them: four numbers
for three results, so the third, read as the weighted one, is not weighted.

Up to 3.1.1, and in Keras 2, the list has three. #19370, which put the list into the
order of `compile`, looks the results up by the names of the metrics, which are the same
for the two.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = np.array([[1.0], [3.0]], "float32")  # the model predicts 0
WEIGHTS = np.array([3.0, 1.0], "float32")
LOSS = float(np.mean(WEIGHTS * Y[:, 0] ** 2))
PLAIN = float(np.mean(Y))
WEIGHTED = float(np.average(Y[:, 0], weights=WEIGHTS))
PROMISED = [LOSS, PLAIN, WEIGHTED]


def results(weighted_metric="mae", return_dict=False):
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(
        "sgd",
        "mse",
        metrics=["mae"],
        weighted_metrics=[weighted_metric],
        run_eagerly=True,
    )
    return model.test_on_batch(X, Y, sample_weight=WEIGHTS, return_dict=return_dict)


def check(observed):
    observed = [float(value) for value in observed]
    assert observed == PROMISED, f"returned {observed}, promised {PROMISED}"


def test_each_result_comes_once():
    """The loss, the metric, the weighted metric."""
    check(results())


def workaround_return_dict():
    """Ask for names with `return_dict=True`."""
    found = results(return_dict=True)
    check([found["loss"], found["mae"], found["weighted_mae"]])


def workaround_name_of_its_own():
    """Give the weighted metric a name."""
    check(results(keras.metrics.MeanAbsoluteError(name="weighted")))


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
