# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: steps_per_execution leaves the last batches out of the loss"
# kind = "silent"
# area = "trainer"
# issues = []
# fixed = 20396
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = { tensorflow = ">=3.0.0,<3.7.0" }
# applies = {tensorflow = ">=3.0.0", jax = ">=3.0.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(steps_per_execution=not 1)", "model.fit() | model.evaluate()"]
# where = ['perhaps("the number of batches is no multiple of it")']
# shows = ["loss", "metrics"]
# ///
"""With `steps_per_execution`, the batches that do not fill an execution are lost.

Three batches in executions of two: the second execution runs out of data half-way. On
TensorFlow the batch that it did process does not reach the logs, and the epoch's loss
and metrics are those of the first two. The argument is meant to change the speed only.
"""

import unittest

import keras
import numpy as np

X = np.ones((3, 1), "float32")
Y = np.array([[1.0], [1.0], [4.0]], "float32")  # the model predicts 0
PROMISED = float(np.mean(Y**2))


def assert_loss_of_all_batches(steps_per_execution):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    loss = float(model.evaluate(X, Y, batch_size=1, verbose=0))
    assert loss == PROMISED, f"loss {loss}, of all three batches {PROMISED}"


def test_loss_counts_every_batch():
    """Executions of two batches, and one batch left."""
    if keras.backend.backend() == "torch":
        raise unittest.SkipTest("steps_per_execution has to be 1 on torch")
    assert_loss_of_all_batches(2)


def workaround_divisor():
    """Choose a number of steps that divides the number of batches."""
    assert_loss_of_all_batches(1 if keras.backend.backend() == "torch" else 3)


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
