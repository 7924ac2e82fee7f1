# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Optimizer: use_ema replaces all weights by zeros"
# kind = "silent"
# area = "optimizers"
# issues = [18951]
# fixed = 18951
# docs = ["https://keras.io/api/optimizers/"]
# affected = {jax = ">=3.0.0,<3.0.2", torch = ">=3.0.0,<3.0.2"}
#
# [[tool.krepro.trigger]]
# code = "optimizer = keras.Optimizer(use_ema=True)"
# shows = ["weights"]
# ///
"""On JAX and torch, a model trained with `use_ema=True` ends up with weights of zero.

The promise: the optimizer keeps a moving average of the weights, and `fit` puts it into
the model after the last epoch (`finalize_variable_values`). In 3.0.0 and 3.0.1 the
average is kept up to date on TensorFlow only. On JAX and torch it stays at the zeros it
was created with, and those replace everything that was learned.

Measured: JAX and torch, 3.0.0 and 3.0.1. #18951 enabled it there.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np


def gradient(value):
    return keras.ops.convert_to_tensor(np.array([value], "float32"))


def value_of(variable):
    return float(keras.ops.convert_to_numpy(variable.value)[0])


def final_value(**settings):
    """Train a weight of 1 at a learning rate of 0; fit() ends with this call."""
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = keras.optimizers.SGD(0.0, **settings)
    for _ in range(2):
        optimizer.apply([gradient(1.0)], [weight])
    optimizer.finalize_variable_values([weight])
    return value_of(weight)


def test_average_of_ones_is_one():
    """The weight was 1 all the time, so its moving average is 1."""
    final = final_value(use_ema=True)
    assert final == 1.0, f"the average of 1, 1 and 1 is said to be {final}"


def workaround_without_ema():
    """Do without `use_ema`."""
    final = final_value()
    assert final == 1.0, f"the weight is {final}"


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
