# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: an epoch of steps_per_epoch steps trains steps_per_execution steps"
# kind = "silent"
# area = "trainer"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = {tensorflow = ">=3.0.0", jax = ">=3.7.0"}
# applies = {tensorflow = ">=3.0.0", jax = ">=3.0.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(steps_per_execution=not 1)",
#   "model.fit(steps_per_epoch=not absent) | model.evaluate(steps=not absent)",
# ]
# where = ['perhaps("the number of steps is no multiple of it")']
# shows = ["loss", "output_losses", "metrics", "weights"]
# ///
"""With `steps_per_execution`, an epoch goes past its `steps_per_epoch`.

`compile(steps_per_execution=2)` and `fit(steps_per_epoch=1)` on data of two batches: both
are trained on in an epoch of one step, and the reported loss is the mean of both.
The promise: "at most, one full epoch will be run each execution. If a number larger than
the size of the epoch is passed, the execution will be truncated to the size of the epoch".
An epoch of three steps in executions of two trains on four batches likewise.

Measured: TensorFlow in every release, JAX since 3.7.0; Keras 2 stops in time. Found by
drawing programs.
"""

import unittest

import keras
import numpy as np

X = np.ones((5, 1), "float32")


def assert_steps(steps_per_execution, steps):
    if keras.backend.backend() == "torch" and steps_per_execution > 1:
        raise unittest.SkipTest("steps_per_execution has to be 1 on torch")
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, "mse", steps_per_execution=steps_per_execution)
    model.fit(X, X, batch_size=1, steps_per_epoch=steps, verbose=0)
    taken = int(optimizer.iterations.numpy())
    assert taken == steps, f"{taken} steps in an epoch of {steps}"


def test_an_epoch_of_one_step():
    """Executions of two steps, an epoch of one."""
    assert_steps(2, 1)


def test_an_epoch_of_three_steps():
    """Executions of two steps, an epoch of three."""
    assert_steps(2, 3)


def workaround_one_step():
    """Leave `steps_per_execution` at 1."""
    assert_steps(1, 3)


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
