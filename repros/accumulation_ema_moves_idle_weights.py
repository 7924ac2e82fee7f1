# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Optimizer: the EMA overwrites weights in steps without an update"
# kind = "silent"
# area = "optimizers"
# issues = []
# introduced = 19998
# docs = ["https://keras.io/api/optimizers/"]
# affected = ">=3.5.0"
# applies = ">=3.0.2"
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(gradient_accumulation_steps=not None, use_ema=True, ema_overwrite_frequency=not None)"
# shows = ["trains", "loss", "weights"]
# ///
"""With gradient accumulation the moving average is put into the weights between updates.

`gradient_accumulation_steps=N` promises that the variables are updated every N steps,
and that `ema_overwrite_frequency` looks at "accumulated" iterations, optimizer steps
divided by N. Since 3.5.0 the condition holds for N steps in a row: in each of them the
average is updated once more and written into the weights, also where no gradient was
applied.

Measured, all backends: 3.5.0 to 3.15.1. #19998 brought it in, when it made the frequency
count accumulated iterations; from 3.0.2 to 3.4.1 the weights moved at updates only.
"""

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


def moves_between_updates(steps):
    """The numbers of the steps (from 1) that moved the weight without an update."""
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = accumulating(
        keras.optimizers.SGD,
        learning_rate=1.0,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=2,
    )
    found = []
    for step in range(1, steps + 1):
        before = value_of(weight)
        optimizer.apply([gradient(1.0)], [weight])
        if step % 2 and value_of(weight) != before:
            found.append(step)
    return found


def test_weights_rest_between_updates():
    """Weights change every second step only, here in steps 2, 4 and 6."""
    found = moves_between_updates(7)
    assert not found, f"the weight moved in step {found}, which updates nothing"


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
