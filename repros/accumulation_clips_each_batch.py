# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Optimizer: clips each gradient, not the accumulated one"
# kind = "silent"
# area = "optimizers"
# issues = [19998]
# introduced = 18951
# fixed = 19998
# docs = ["https://keras.io/api/optimizers/"]
# affected = ">=3.0.2,<3.5.0"
# applies = ">=3.0.2"
# related = ["accumulation_decays_weights_each_batch", "accumulation_weakens_first_adam_steps"]
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(gradient_accumulation_steps=not None, clipnorm=not None) | keras.Optimizer(gradient_accumulation_steps=not None, clipvalue=not None) | keras.Optimizer(gradient_accumulation_steps=not None, global_clipnorm=not None)"
# shows = ["loss", "weights", "optimizer"]
# ///
"""With gradient accumulation each batch's gradient is clipped before the mean is taken.

`gradient_accumulation_steps=N` promises an update every N steps, with "the average value
of the gradients", as if the batch were N times larger. From 3.0.2 to 3.4.1 `clipnorm`,
`clipvalue` and `global_clipnorm` cut the gradients of the small, noisy batches instead
of their mean: 4 and -3, clipped to 1, cancel out where their mean 0.5 should count.

Measured with `clipvalue`, all backends: 3.0.2 (the first release with accumulation,
#18951) to 3.4.1. #19998 clips the mean.
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


LIMIT = 1.0
GRADIENTS = [4.0, -3.0]
AFTER_ONE_UPDATE = -np.clip(np.mean(GRADIENTS), -LIMIT, LIMIT)  # from 0, at rate 1


def test_mean_gradient_is_clipped():
    """Two gradients are one update, by their mean, clipped to the limit."""
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer = accumulating(keras.optimizers.SGD, learning_rate=1.0, clipvalue=LIMIT)
    for value in GRADIENTS:
        optimizer.apply([gradient(value)], [weight])
    now = value_of(weight)
    assert now == AFTER_ONE_UPDATE, f"weight {now}, promised {AFTER_ONE_UPDATE}"


def workaround_average_by_hand():
    """Collect the gradients and apply their mean."""
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer = keras.optimizers.SGD(1.0, clipvalue=LIMIT)
    optimizer.apply([gradient(np.mean(GRADIENTS))], [weight])
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
