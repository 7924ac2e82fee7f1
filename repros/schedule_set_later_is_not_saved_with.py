# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.2.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Optimizer: state is not restored if a schedule was set later"
# kind = "silent"
# area = "optimizers"
# issues = []
# fixed = "37d7900877"
# docs = ["https://keras.io/api/optimizers/"]
# affected = ">=3.0.0,<3.3.0"
#
# [[tool.krepro.trigger]]
# code = [
#   "optimizer.learning_rate = schedule",
#   "model.save() | keras.models.save_model(model=model)",
# ]
# where = ["compiled(model)", "model.optimizer is optimizer"]
# shows = ["saved", "warns", "optimizer", "loss", "weights"]
# ///
"""A model whose optimizer got its schedule by assignment loses the optimizer's state.

`optimizer.learning_rate = schedule` is allowed for an optimizer that was made with a
number. Up to 3.2.1 the variable of the old rate stays among the optimizer's variables,
and is saved. The loaded optimizer is made with the schedule, has one variable less, and
skips all of them, with a warning: steps and moments start at zero, and the schedule
starts over.

Measured, all backends: 3.0.0 to 3.2.1. Fixed by commit 37d7900877.
"""

import pathlib
import tempfile

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")
Y = np.zeros((2, 1), "float32")
SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)


def one_weight(learning_rate):
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(keras.optimizers.SGD(learning_rate), "mse", run_eagerly=EAGER)
    return model


def steps_after_loading(model):
    """Train a step, save, load: the number of steps that the loaded model knows of."""
    model.train_on_batch(X, Y)
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder, "model.keras"))
        model.save(path)
        loaded = keras.models.load_model(path)
    return int(keras.ops.convert_to_numpy(loaded.optimizer.iterations))


def test_number_of_steps_is_restored():
    """A saved model goes on where it was, also with a schedule set later."""
    model = one_weight(0.5)
    model.optimizer.learning_rate = SCHEDULE
    steps = steps_after_loading(model)
    assert steps == 1, f"the loaded optimizer has made {steps} steps, not 1"


def workaround_schedule_from_the_start():
    """Give the schedule to the optimizer when it is made."""
    steps = steps_after_loading(one_weight(SCHEDULE))
    assert steps == 1, f"the loaded optimizer has made {steps} steps, not 1"


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
