# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Optimizer: weight decay does not wait for the accumulated gradient"
# kind = "silent"
# area = "optimizers"
# issues = [19998]
# introduced = 18951
# fixed = 19998
# docs = ["https://keras.io/api/optimizers/"]
# affected = ">=3.0.2,<3.5.0"
# applies = ">=3.0.2"
# related = ["accumulation_clips_each_batch", "accumulation_weakens_first_adam_steps"]
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(gradient_accumulation_steps=not None, weight_decay=not (None | 0))"
# shows = ["trains", "loss", "weights", "optimizer"]
#
# [[tool.krepro.trigger]]
# code = "keras.optimizers.AdamW(gradient_accumulation_steps=not None, weight_decay=absent)"
# shows = ["trains", "loss", "weights", "optimizer"]
# ///
"""With gradient accumulation the weights decay in every batch, not in every update.

`gradient_accumulation_steps=N` promises that the variables "will not be updated at every
step", but every N steps with the mean gradient: as if the batch were N times larger.
From 3.0.2 to 3.4.1 weight decay is applied in each step all the same, also in the steps
that update nothing else, so AdamW with N = 8 decays eight times as much as asked for.

Measured, all backends: 3.0.2 (the first release with accumulation, #18951) to 3.4.1.
#19998 moved the decay into the update.
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


RATE, DECAY = 0.5, 0.5
AFTER_ONE_UPDATE = 1.0 - 1.0 * RATE * DECAY  # all gradients are 0


def test_one_update_decays_once():
    """Two gradients are one update, and decay the weight once."""
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = accumulating(keras.optimizers.SGD, learning_rate=RATE, weight_decay=DECAY)
    for _ in range(2):
        optimizer.apply([gradient(0.0)], [weight])
    now = value_of(weight)
    assert now == AFTER_ONE_UPDATE, f"weight {now}, promised {AFTER_ONE_UPDATE}"


def workaround_average_by_hand():
    """Collect the gradients and apply their mean."""
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = keras.optimizers.SGD(RATE, weight_decay=DECAY)
    optimizer.apply([gradient(np.mean([0.0, 0.0]))], [weight])
    now = value_of(weight)
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
