# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.11.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "LossScaleOptimizer: clipvalue is taken and ignored"
# kind = "silent"
# area = "optimizers"
# issues = [21706]
# fixed = 21706
# docs = ["https://keras.io/api/optimizers/loss_scale_optimizer/"]
# affected = ">=3.0.0,<3.12.0"
#
# [[tool.krepro.trigger]]
# code = "keras.optimizers.LossScaleOptimizer(clipnorm=not None) | keras.optimizers.LossScaleOptimizer(clipvalue=not None) | keras.optimizers.LossScaleOptimizer(global_clipnorm=not None) | keras.optimizers.LossScaleOptimizer(weight_decay=not None) | keras.optimizers.LossScaleOptimizer(use_ema=True)"
# shows = ["raises", "loss", "weights"]
# ///
"""`LossScaleOptimizer(inner, clipvalue=0.25)` does not clip.

The documentation lists the settings that all optimizers share, `clipnorm`, `clipvalue`,
`weight_decay`, `use_ema` and more, as arguments of `LossScaleOptimizer` too. Up to 3.11.3
they are accepted and never used: all updates are made by the inner optimizer. Since
3.12.0 they are refused ("Instead, set `clipvalue` on the `inner_optimizer`"), which the
test counts as kept; the page still lists them.

Measured with `clipvalue`, all backends: 3.0.0 to 3.11.3. #21706 refuses them.
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


LIMIT = 0.25
PROMISED = 1.0 - 1.0 * LIMIT  # the gradient of (w - 0) ** 2 at w = 1 is 2


def assert_clipped(make):
    try:
        optimizer = make()
    except ValueError:
        return  # said clearly that it does not do this
    now = after_a_step(optimizer)
    assert now == PROMISED, f"weight {now}, promised {PROMISED}"


def test_clipvalue_clips():
    """A setting that is accepted takes effect."""
    assert_clipped(
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(1.0), initial_scale=4.0, clipvalue=LIMIT
        )
    )


def workaround_clip_in_the_inner_optimizer():
    """Give the setting to the inner optimizer."""
    assert_clipped(
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(1.0, clipvalue=LIMIT), initial_scale=4.0
        )
    )


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
