# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Adam: counts batches, not updates, under gradient accumulation"
# kind = "silent"
# area = "optimizers"
# issues = [19998]
# introduced = 18951
# fixed = 19998
# docs = ["https://keras.io/api/optimizers/adam/", "https://keras.io/api/optimizers/"]
# affected = ">=3.0.2,<3.5.0"
# applies = ">=3.0.2"
# related = ["accumulation_clips_each_batch", "accumulation_decays_weights_each_batch"]
#
# [[tool.krepro.trigger]]
# code = "keras.optimizers.Adam(gradient_accumulation_steps=not None) | keras.optimizers.Adamax(gradient_accumulation_steps=not None) | keras.optimizers.Nadam(gradient_accumulation_steps=not None) | keras.optimizers.Adafactor(gradient_accumulation_steps=not None)"
# shows = ["loss", "weights", "optimizer"]
#
# [[tool.krepro.trigger]]
# code = "keras.Optimizer(gradient_accumulation_steps=not None)"
# shows = ["optimizer"]
# ///
"""With gradient accumulation Adam's first updates are too small.

Adam corrects its moments for their start at 0 by the number of updates made, and its
first step is as long as the learning rate. `gradient_accumulation_steps=N` promises the
same training as with a batch N times larger. From 3.0.2 to 3.4.1 the correction counts
the batches instead of the updates: it fades N times too early, and the first step with
N = 2 has three quarters of its length. Adamax, Nadam and all others that look at
`iterations` count in the same way.

Measured, all backends: 3.0.2 (the first release with accumulation, #18951) to 3.4.1.
Fixed by #19998.
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


RATE = 0.5


def moved(optimizer, gradients):
    """How far Adam moves a weight for these gradients."""
    weight = keras.Variable(np.zeros(1, "float32"))
    for value in gradients:
        optimizer.apply([gradient(value)], [weight])
    return abs(value_of(weight))


def test_first_update_is_a_full_step():
    """The first update of Adam moves each weight by the learning rate."""
    step = moved(accumulating(keras.optimizers.Adam, learning_rate=RATE), [1.0, 1.0])
    assert np.isclose(step, RATE, rtol=1e-3), f"moved by {step}, promised {RATE}"


def workaround_average_by_hand():
    """Collect the gradients and apply their mean."""
    step = moved(keras.optimizers.Adam(RATE), [np.mean([1.0, 1.0])])
    assert np.isclose(step, RATE, rtol=1e-3), f"moved by {step}, promised {RATE}"


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
