# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "trainable: a flag set after compile() decides what the first step trains"
# kind = "silent"
# area = "trainable"
# issues = [22104]
# docs = [
#   "https://keras.io/guides/transfer_learning/",
#   "https://keras.io/getting_started/faq/",
# ]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile()",
#   "layer.trainable = _",
#   "not model.compile()",
#   "trains(model)",
# ]
# where = ["layer in model or layer is model", "not trained(model)"]
# shows = ["trains", "weights"]
# ///
"""A `trainable` flag set between `compile()` and the first training step counts.

A layer frozen after `compile()` does not learn, and one unfrozen after `compile()`
does, without an error or a warning. The transfer learning guide and the FAQ promise
the opposite: a model keeps the flags it was compiled with until the next
`compile()`. Since 3.14.0 the docstring of `Model.compile` says so too, for every
backend: that note is all that pull request 22104 changed, whose title says that the
JAX trainer now respects the flags. Measured: every release, all backends alike, with
`fit` and `train_on_batch`, with SGD and Adam, for a layer, an inner model and the
model itself. Keras 2 keeps the promise. After the first step the backends part: see
freeze_after_step_is_obeyed_on_torch, freeze_after_step_raises_on_jax and
unfreeze_after_step_raises.
"""

import keras
import numpy as np

X = np.ones((2, 2), "float32")
Y = np.zeros((2, 1), "float32")


def build(first_trainable=True):
    first = keras.layers.Dense(2, kernel_initializer="ones")
    last = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), first, last])
    first.trainable = first_trainable
    model.compile(optimizer="sgd", loss="mse")
    return model, first


def learns(model, layer):
    before = layer.get_weights()[0]
    model.train_on_batch(X, Y)
    return bool(np.any(layer.get_weights()[0] != before))


def test_layer_frozen_after_compile_still_learns():
    """The layer was trainable when the model was compiled, so it learns."""
    model, first = build()
    first.trainable = False
    assert learns(model, first), "trainable at compile(), but its weights stood still"


def test_layer_unfrozen_after_compile_stays_frozen():
    """The layer was frozen when the model was compiled, so it does not learn."""
    model, first = build(first_trainable=False)
    first.trainable = True
    assert not learns(model, first), "frozen at compile(), but its weights changed"


def test_model_frozen_after_compile_still_learns():
    """The whole model was trainable when it was compiled, so it learns."""
    model, first = build()
    model.trainable = False
    assert learns(model, first), "trainable at compile(), but its weights stood still"


def workaround_compile_after_the_last_flip():
    """Set the flags first, then compile: the guide's own advice."""
    model, first = build()
    first.trainable = False
    model.compile(optimizer="sgd", loss="mse")
    assert not learns(model, first), "frozen at compile(), but its weights changed"


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
