# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.4", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: sample weights are averaged when targets are flat"
# kind = "silent"
# area = "losses"
# issues = []
# fixed = "8d58b790e4"
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0,<3.0.5"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(loss=not (keras.losses.SparseCategoricalCrossentropy | keras.losses.CategoricalCrossentropy))",
#   "runs(model, sample_weight=not None) | model.fit(class_weight=not None)",
# ]
# where = ['perhaps("the targets are flat, and the model has one output column")']
# shows = ["loss", "weights"]
# ///
"""Sample weights have no effect on single rows when `y` is a flat array.

For a model with one output column, `y` of shape `(rows,)` is what most people pass. The
predictions are then squeezed to that shape and the error is averaged over the rows
before the weights come in: every row counts with the average weight. The documentation
has a flat array of sample weights as one weight per row.

Measured: 3.0.0 to 3.0.4, all backends; commit 8d58b790e4, in 3.0.5, keeps the rows
apart.
"""

import keras
import numpy as np

TARGETS = np.array([1.0, 3.0], "float32")  # the model predicts 0 for every row
SAMPLE_WEIGHT = np.array([3.0, 1.0], "float32")
PROMISED_LOSS = np.mean(TARGETS**2 * SAMPLE_WEIGHT)


def assert_loss(targets):
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.ones((2, 1), "float32")
    logs = model.test_on_batch(x, targets, SAMPLE_WEIGHT, return_dict=True)
    loss = float(logs["loss"])
    assert loss == PROMISED_LOSS, f"loss {loss}, promised {PROMISED_LOSS}"


def test_each_row_of_flat_targets_has_its_own_weight():
    """The weighted squared errors of the rows, averaged."""
    assert_loss(TARGETS)


def workaround_targets_as_a_column():
    """Pass the targets with the shape of the predictions."""
    assert_loss(TARGETS[:, np.newaxis])


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
