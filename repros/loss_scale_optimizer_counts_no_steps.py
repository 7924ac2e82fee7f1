# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.8.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "LossScaleOptimizer: iterations stays at 0"
# kind = "silent"
# area = "optimizers"
# issues = [20901]
# fixed = 20901
# docs = ["https://keras.io/api/optimizers/loss_scale_optimizer/", "https://keras.io/api/optimizers/"]
# affected = ">=3.0.0,<3.9.0"
#
# [[tool.krepro.trigger]]
# code = "keras.optimizers.LossScaleOptimizer()"
# shows = ["optimizer"]
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.config.set_dtype_policy(policy='mixed_float16' | keras.DTypePolicy(name='mixed_float16'))",
#   "not keras.config.set_dtype_policy(policy=not ('mixed_float16' | keras.DTypePolicy(name='mixed_float16')))",
#   "model.compile(auto_scale_loss=absent | True)",
#   "trains(model)",
# ]
# shows = ["optimizer"]
# ///
"""Under mixed precision `model.optimizer.iterations` never counts.

Warm-ups, logs and callbacks read the number of steps from `optimizer.iterations`. With a
`LossScaleOptimizer`, which compile() wraps around the optimizer under the mixed_float16
policy, it stays at 0 for the whole training: the steps are counted in the inner
optimizer, while `learning_rate` is passed through.

Measured, all backends: 3.0.0 to 3.8.0. Fixed by #20901.
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


def test_iterations_counts_steps():
    """After one step `iterations` is 1, as with any optimizer."""
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.125))
    after_a_step(optimizer)
    count = int(keras.ops.convert_to_numpy(optimizer.iterations))
    assert count == 1, f"iterations is {count} after one step"


def workaround_ask_the_inner_optimizer():
    """Read the inner optimizer's `iterations`."""
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.125))
    after_a_step(optimizer)
    inner = optimizer.inner_optimizer
    count = int(keras.ops.convert_to_numpy(inner.iterations))
    assert count == 1, f"iterations is {count} after one step"


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
