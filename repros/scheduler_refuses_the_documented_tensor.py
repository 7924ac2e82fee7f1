# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "LearningRateScheduler: refuses what its own example returns"
# kind = "crash"
# area = "callbacks"
# issues = []
# docs = ["https://keras.io/api/callbacks/learning_rate_scheduler/"]
# symptom = "ValueError: The output of the `schedule` function should be a float"
# affected = ">=3.0.0"
# ///
"""The example in the documentation of `LearningRateScheduler` raises.

The schedule of the example returns `lr * ops.exp(-0.1)`, a tensor of the backend. The
callback takes Python's and NumPy's floats only: "The output of the `schedule` function
should be a float". (Keras 2, whose example has `tf.math.exp`, takes tensors.)

Measured, all backends: every release.
"""

import keras
import numpy as np

START = 0.5
PROMISED = START * np.exp(-0.1)


def rate_after_an_epoch(schedule):
    model = keras.Sequential()
    model.compile(keras.optimizers.SGD(START), "mse")
    scheduler = keras.callbacks.LearningRateScheduler(schedule)
    scheduler.set_model(model)
    scheduler.on_epoch_begin(0)
    return float(model.optimizer.learning_rate.numpy())


def test_example_of_the_documentation():
    """The documented schedule: `lr * ops.exp(-0.1)`."""
    rate = rate_after_an_epoch(lambda epoch, lr: lr * keras.ops.exp(-0.1))
    assert np.isclose(rate, PROMISED), f"learning rate {rate}, promised {PROMISED}"


def workaround_float():
    """Make a float of it."""
    rate = rate_after_an_epoch(lambda epoch, lr: float(lr * keras.ops.exp(-0.1)))
    assert np.isclose(rate, PROMISED), f"learning rate {rate}, promised {PROMISED}"


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
