# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.2.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Optimizer: accumulation fails when a variable has no gradient"
# kind = "crash"
# area = "optimizers"
# issues = []
# introduced = 18951
# docs = ["https://keras.io/api/optimizers/"]
# symptom = [
#     "RuntimeError: ...Tensor lists must have the same number of tensors",
#     "TypeError: true_fun and false_fun output must have",
# ]
# affected = {torch = ">=3.0.2,<3.3.0", jax = ">=3.0.2,<3.3.0"}
# applies = ">=3.0.2"
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(gradient_accumulation_steps=not None)"
# where = ['perhaps("the loss does not reach every trainable variable")']
# shows = ["raises"]
# ///
"""On JAX and torch, gradient accumulation fails when one variable has no gradient.

A model with a branch that the loss does not reach gets a warning about missing gradients,
and trains: the optimizer leaves such variables out. With `gradient_accumulation_steps`
it pairs the remaining gradients with the accumulators of *all* variables, and fails in
the two branches of a condition. TensorFlow works.

Measured: JAX and torch, 3.0.2 (the first release with accumulation, #18951) to 3.2.1.
Fixed by #19534.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import unittest

import keras
import numpy as np


def gradient(value):
    return keras.ops.convert_to_tensor(np.array([value], "float32"))


def value_of(variable):
    return float(keras.ops.convert_to_numpy(variable.value)[0])


def accumulating(optimizer, **settings):
    """The optimizer, told to update after every second gradient."""
    try:
        return optimizer(gradient_accumulation_steps=2, **settings)
    except ValueError:
        raise unittest.SkipTest("no gradient accumulation") from None


RATE = 0.5
GRADIENTS = [1.0, 3.0]
AFTER_ONE_UPDATE = 1.0 - RATE * np.mean(GRADIENTS)


def test_used_variable_learns():
    """A variable without a gradient is left alone, the other one learns."""
    unused, used = (keras.Variable(np.ones(1, "float32")) for _ in range(2))
    optimizer = accumulating(keras.optimizers.SGD, learning_rate=RATE)
    for value in GRADIENTS:
        optimizer.apply([None, gradient(value)], [unused, used])
    assert value_of(unused) == 1.0, "the variable without a gradient moved"
    now = value_of(used)
    assert now == AFTER_ONE_UPDATE, f"weight {now}, promised {AFTER_ONE_UPDATE}"


def workaround_zero_for_the_missing_gradient():
    """Put zeros in the place of the missing gradient."""
    unused, used = (keras.Variable(np.ones(1, "float32")) for _ in range(2))
    optimizer = accumulating(keras.optimizers.SGD, learning_rate=RATE)
    for value in GRADIENTS:
        optimizer.apply([gradient(0.0), gradient(value)], [unused, used])
    assert value_of(unused) == 1.0, "the variable without a gradient moved"
    now = value_of(used)
    assert now == AFTER_ONE_UPDATE, f"weight {now}, promised {AFTER_ONE_UPDATE}"


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
