# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: losses of the single outputs are logged after their loss weight"
# kind = "change"
# area = "losses"
# issues = [20343]
# introduced = 20023
# fixed = 20476
# announced = "https://github.com/keras-team/keras/pull/20476"
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.5.0,<3.7.0"
# applies = ">=3.5.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(loss_weights=(value := not None))", "runs(model)"]
# where = ["len(model.outputs) > 1", "any(x != 1 for x in flat(value))"]
# shows = ["output_losses"]
# ///
"""The logged loss of an output is multiplied by its loss weight.

With `loss_weights=[10, 1]` the history shows a `price_loss` ten times the loss of the
price. The `compile()` docstring has the weights in the total only: it is the weighted
sum of the losses of the outputs. Keras 2 logs each loss before its weight, and so does
Keras from 3.7.0 on; numbers in the logs of 3.5.0 and 3.6.0 do not compare with either. Upstream calls its
pull request 20476, which did that, a breaking change.

Measured: all backends, `evaluate` and `train_on_batch` alike, and the total loss (so
the training too) is the same on all releases. Up to 3.4.1 there is no such entry in
the logs (`per_output_losses_not_logged`).
"""

import unittest

import keras
import numpy as np

X = np.ones((4, 1), "float32")
PRICE, AREA = 3.0, 2.0  # what the model predicts for every row
MSE_OF_PRICE = PRICE**2  # all targets are 0
MAE_OF_AREA = abs(AREA)
TARGETS = [np.zeros((4, 1), "float32"), np.zeros((4, 1), "float32")]


def two_outputs():
    """A model whose outputs are PRICE and AREA, in this order."""
    inputs = keras.Input((1,))
    outputs = {
        name: keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in (("price", PRICE), ("area", AREA))
    }
    return keras.Model(inputs, list(outputs.values()))


WEIGHTS = [10.0, 1.0]


def compiled_model(**options):
    model = two_outputs()
    model.compile("sgd", ["mse", "mae"], loss_weights=WEIGHTS, run_eagerly=True, **options)
    return model


def assert_logs(logs, promised):
    observed = {name: float(logs[name]) for name in promised if name in logs}
    if "loss" in observed and len(observed) == 1:
        raise unittest.SkipTest("this release does not log losses of single outputs")
    assert observed == promised, f"logs {observed}, promised {promised}"


def promised_logs():
    return {
        "loss": WEIGHTS[0] * MSE_OF_PRICE + WEIGHTS[1] * MAE_OF_AREA,
        "price_loss": MSE_OF_PRICE,
        "area_loss": MAE_OF_AREA,
    }


def test_train_on_batch_logs_losses_before_their_weights():
    """Weights count in the total, not in the loss of each output."""
    logs = compiled_model().train_on_batch(X, TARGETS, return_dict=True)
    assert_logs(logs, promised_logs())


def test_evaluate_logs_losses_before_their_weights():
    """Weights count in the total, not in the loss of each output."""
    logs = compiled_model().evaluate(X, TARGETS, return_dict=True, verbose=0)
    assert_logs(logs, promised_logs())


def workaround_add_the_loss_as_a_metric():
    """Ask for the loss function as a metric of its output: metrics have no weight."""
    model = compiled_model(metrics={"price": ["mse"]})
    logs = model.train_on_batch(X, TARGETS, return_dict=True)
    value = float(logs["price_mse"])
    assert value == MSE_OF_PRICE, f"price_mse is {value}, promised {MSE_OF_PRICE}"


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
