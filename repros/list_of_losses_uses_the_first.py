# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: of several losses for one output only the first is used"
# kind = "silent"
# area = "losses"
# issues = [20986]
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.7.0"
# applies = ">=3.7.0"
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss=(loss := []))"
# where = ["len(model.outputs) == 1", "len(loss) > 1"]
# shows = ["raises", "loss", "weights"]
# ///
"""Of a list of losses for one output, all but the first are ignored.

`compile(loss=["mse", "mae"])` on a model with one output is accepted, both losses are
set up and computed, and only the first is trained. The logs show a loss of 0.0 for the
output, and nothing else is said. The `compile()` docstring has the loss as the sum of
all individual losses.

Measured: 3.7.0 to 3.15.1, all backends. Up to 3.6.0 such a list is refused with a clear
ValueError. #20358 made it work (the sum of both, as a checkout of its commit shows);
the fast path for single outputs, commit b2af6d5545, which returns the first value, took
it away again before 3.7.0 came out. Keras 2 uses the first one too.
"""

import unittest

import keras
import numpy as np

X = np.full((4, 1), 3.0, "float32")
Y = np.zeros((4, 1), "float32")
# The kernel is 1: the model predicts its input.
PROMISED_LOSS = np.mean((X - Y) ** 2) + np.mean(np.abs(X - Y))


def assert_total(loss):
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    try:
        model.compile("sgd", loss, run_eagerly=True)
        logs = model.train_on_batch(X, Y, return_dict=True)
    except ValueError as error:
        if not isinstance(loss, list):
            raise
        raise unittest.SkipTest("this release takes one loss per output") from error
    total = float(logs["loss"])
    assert total == PROMISED_LOSS, f"loss {total}, promised {PROMISED_LOSS}"


def test_losses_of_one_output_add_up():
    """The loss that is minimized is the sum of all losses that were accepted."""
    assert_total(["mse", "mae"])


def workaround_one_function():
    """Write one function that adds up the losses."""

    def mse_plus_mae(y_true, y_pred):
        error = y_true - y_pred
        return error**2 + abs(error)

    assert_total(mse_plus_mae)


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
