# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: loss_weights with one loss for all outputs is rejected"
# kind = "crash"
# area = "losses"
# issues = []
# introduced = 20358
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "ValueError: ...`loss_weights` must match the number of losses"
# affected = ">=3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss=string | function | keras.losses.Loss, loss_weights=[] | {})"
# where = ["len(model.outputs) > 1"]
# shows = ["raises"]
# ///
"""One loss for all outputs can no longer be weighted by output.

`compile(loss="mse", loss_weights=[10.0, 1.0])` on a model with two outputs fails at the
first step: "`loss_weights` must match the number of losses, got 1 losses and 2
weights", though without weights the one loss is used for both outputs. The `compile()`
docstring promises that a list of weights maps one to one to the model's *outputs*.

Measured: 3.7.0 to 3.15.1, all backends; 3.0.0 to 3.6.0 and Keras 2 weight the outputs.
#20358, structured losses, brought it in. Weights as a dict fail in the same way; up to
3.4.1 they were refused, and 3.5.0 and 3.6.0 dealt them out alphabetically.
"""

import keras
import numpy as np

X = np.ones((4, 1), "float32")
PRICE, AREA = 3.0, 2.0  # what the model predicts for every row
MSE_OF_PRICE = PRICE**2  # all targets are 0
MSE_OF_AREA = AREA**2
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


PROMISED_LOSS = 10.0 * MSE_OF_PRICE + 1.0 * MSE_OF_AREA


def assert_total(loss):
    model = two_outputs()
    model.compile("sgd", loss, loss_weights=[10.0, 1.0], run_eagerly=True)
    total = float(model.train_on_batch(X, TARGETS, return_dict=True)["loss"])
    assert total == PROMISED_LOSS, f"total loss {total}, promised {PROMISED_LOSS}"


def test_one_loss_is_weighted_for_each_output():
    """A list of weights has one entry for each output."""
    assert_total("mse")


def workaround_repeat_the_loss():
    """Repeat the loss, once for each output."""
    assert_total(["mse", "mse"])


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
