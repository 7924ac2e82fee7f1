# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.2.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Optimizer: a learning rate function is called with an argument"
# kind = "crash"
# area = "optimizers"
# issues = [19484]
# fixed = 19484
# docs = ["https://keras.io/api/optimizers/sgd/"]
# symptom = "TypeError: ...takes 0 positional arguments but 1 was given"
# affected = ">=3.0.0,<3.3.0"
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(learning_rate=function)"
# shows = ["raises"]
# ///
"""`SGD(learning_rate=lambda: 0.5)` fails in its first step.

The documentation of the optimizers: the learning rate is a float, a schedule, "or a
callable that takes no arguments and returns the actual value to use". Up to 3.2.1 it is
called with the number of iterations: "takes 0 positional arguments but 1 was given".

Measured, all backends: 3.0.0 to 3.2.1. Fixed by #19484.
"""

import keras
import numpy as np


def gradient(value):
    return keras.ops.convert_to_tensor(np.array([value], "float32"))


def value_of(variable):
    return float(keras.ops.convert_to_numpy(variable.value)[0])


RATE = 0.5


def weight_after_a_step(learning_rate):
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = keras.optimizers.SGD(learning_rate)
    optimizer.apply([gradient(1.0)], [weight])
    return value_of(weight)


def test_function_without_arguments():
    """The learning rate may be a callable that takes no arguments."""
    now = weight_after_a_step(lambda: RATE)
    assert now == 1.0 - RATE, f"weight {now}, promised {1.0 - RATE}"


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return RATE


def workaround_schedule():
    """Write a LearningRateSchedule."""
    now = weight_after_a_step(Constant())
    assert now == 1.0 - RATE, f"weight {now}, promised {1.0 - RATE}"


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
