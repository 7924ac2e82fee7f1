# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Optimizer: the EMA is updated in steps that update no weight"
# kind = "silent"
# area = "optimizers"
# issues = []
# introduced = 18951
# docs = ["https://keras.io/api/optimizers/"]
# related = ["accumulation_ema_moves_idle_weights"]
# affected = ">=3.0.2"
# applies = ">=3.0.2"
# works = {workaround_larger_batches = {tensorflow = ">=3.0.0",jax = ">=3.0.2",torch = ">=3.0.2"}}
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(gradient_accumulation_steps=not None, use_ema=True)"
# shows = ["weights"]
# ///
"""With gradient accumulation the moving average takes in weights that did not change.

`gradient_accumulation_steps=N` promises that "model & optimizer variables will not be
updated at every step", but every N steps. The moving averages of `use_ema` are updated
at every step all the same: the weights between two updates are averaged in N times, so
an `ema_momentum` of m works like m ** N. What `fit` puts into the model after the last
epoch is an average over far fewer updates than asked for, and depends on how many steps
came after the last update.

Measured, all backends: since gradient accumulation came, 3.0.2 to 3.15.1 (#18951). With
`ema_overwrite_frequency` the weights move too, since 3.5.0:
accumulation_ema_moves_idle_weights.
"""

import unittest

import keras
import numpy as np

MOMENTUM = 0.5


def gradient(value):
    return keras.ops.convert_to_tensor(np.array([value], "float32"))


def average_after(steps, **settings):
    """The moving average after so many gradients of 1, as `fit` puts it into the weight."""
    weight = keras.Variable(np.ones(1, "float32"))
    try:
        optimizer = keras.optimizers.SGD(
            1.0, use_ema=True, ema_momentum=MOMENTUM, **settings
        )
    except ValueError:
        raise unittest.SkipTest("no gradient accumulation") from None
    for _ in range(steps):
        optimizer.apply([gradient(1.0)], [weight])
    optimizer.finalize_variable_values([weight])
    return float(keras.ops.convert_to_numpy(weight.value)[0])


def promised(updates):
    """Each update takes 1 off the weight, which is 1 at first; averaged after each."""
    average = 0.0
    for number in range(2, updates + 1):
        average = MOMENTUM * average + (1 - MOMENTUM) * (1.0 - number)
    return average


def test_average_rests_between_updates():
    """Steps 2 and 4 update. Step 5 updates nothing, and no optimizer variable."""
    before, after = (average_after(n, gradient_accumulation_steps=2) for n in (4, 5))
    assert before == after, f"step 5 moved the average from {before} to {after}"


def test_average_weighs_updates_by_the_momentum():
    """`new_average = momentum * old_average + (1 - momentum) * value`, at steps 2, 4, 6."""
    average = average_after(6, gradient_accumulation_steps=2)
    assert average == promised(3), f"average {average}, promised {promised(3)}"


def workaround_larger_batches():
    """Do without accumulation: batches twice as large, half as many."""
    average = average_after(3)
    assert average == promised(3), f"average {average}, promised {promised(3)}"


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
