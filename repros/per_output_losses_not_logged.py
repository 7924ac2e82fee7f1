# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: losses of the single outputs are missing from the logs"
# kind = "silent"
# area = "losses"
# issues = [18993, 19219]
# fixed = 20023
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# affected = ">=3.0.0,<3.5.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile()", "runs(model)"]
# where = ["len(model.outputs) > 1"]
# shows = ["names", "structure"]
# ///
"""A model with several outputs logs their total loss only.

Keras 2 also logs the loss of each output as `<output>_loss`; callbacks such as
`EarlyStopping(monitor="val_price_loss")` and plots of the history rely on it. Keras 3
before 3.5.0 logs `loss` alone, and `evaluate` returns one number.

Measured: 3.0.0 to 3.4.1, all backends. What 3.5.0 and 3.6.0 log is the loss after its
weight: see `per_output_loss_logged_after_weight`. Upstream called it a feature that
Keras 3 lacked, and brought it back with #20023. A metric by name works everywhere.
"""

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


def assert_logged(model, key):
    logs = model.train_on_batch(X, TARGETS, return_dict=True)
    assert key in logs, f"logged: {sorted(logs)}, promised {key!r} among them"
    value = float(logs[key])
    assert value == MSE_OF_PRICE, f"{key} is {value}, promised {MSE_OF_PRICE}"


def test_the_loss_of_each_output_is_logged():
    """The logs of a model with several outputs have a loss for each."""
    model = two_outputs()
    model.compile("sgd", loss=["mse", "mae"], run_eagerly=True)
    assert_logged(model, "price_loss")


def workaround_add_the_loss_as_a_metric():
    """Ask for the loss function as a metric of its output too."""
    model = two_outputs()
    model.compile("sgd", loss=["mse", "mae"], metrics={"price": ["mse"]}, run_eagerly=True)
    assert_logged(model, "price_mse")


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
