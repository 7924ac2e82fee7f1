# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.9.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "LossScaleOptimizer: the inner optimizer divides the gradient once more"
# kind = "silent"
# area = "optimizers"
# issues = [21233]
# fixed = 21233
# docs = ["https://keras.io/api/optimizers/loss_scale_optimizer/"]
# affected = ">=3.0.0,<3.10.0"
#
# [[tool.krepro.trigger]]
# code = "keras.optimizers.LossScaleOptimizer(inner_optimizer=keras.Optimizer(loss_scale_factor=not None))"
# shows = ["loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.config.set_dtype_policy(policy='mixed_float16' | keras.DTypePolicy(name='mixed_float16'))",
#   "not keras.config.set_dtype_policy(policy=not ('mixed_float16' | keras.DTypePolicy(name='mixed_float16')))",
#   "model.compile(optimizer=keras.Optimizer(loss_scale_factor=not None), auto_scale_loss=absent | True)",
# ]
# shows = ["loss", "weights"]
# ///
"""A `loss_scale_factor` in the inner optimizer makes all updates too small.

The factor "will be multiplied the loss before computing gradients, and the inverse" by
the gradients, so it changes no result. Inside a `LossScaleOptimizer` (which compile() also
adds by itself under the mixed_float16 policy) only the outer scale reaches the loss, but
both divide the gradients: with a factor of 1024 the model learns 1024 times slower, or
not at all.

Measured, all backends: 3.0.0 to 3.9.2. #21233 clears the inner factor.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

ONE = np.ones((1, 1), "float32")
ZERO = np.zeros((1, 1), "float32")


def after_a_step(optimizer):
    """The weight of a model after one step; it is 1 before, and so is x."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(optimizer, "mse", run_eagerly=EAGER)
    model.train_on_batch(ONE, ZERO)
    return float(model.get_weights()[0][0, 0])


RATE = 0.125
GRADIENT = 2.0 * (1.0 - 0.0)  # of (w - 0) ** 2 at w = 1
PROMISED = 1.0 - RATE * GRADIENT


def assert_full_step(inner):
    now = after_a_step(keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0))
    assert now == PROMISED, f"weight {now}, promised {PROMISED}"


def test_scaling_leaves_the_step_as_it_is():
    """A scale multiplies the loss and divides the gradients: it changes no result."""
    assert_full_step(keras.optimizers.SGD(RATE, loss_scale_factor=2.0))


def workaround_one_scale():
    """Leave `loss_scale_factor` out of the inner optimizer."""
    assert_full_step(keras.optimizers.SGD(RATE))


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
