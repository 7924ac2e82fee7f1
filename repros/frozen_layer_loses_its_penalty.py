# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Layer.losses: the penalty of a frozen layer is left out of the loss"
# kind = "silent"
# area = "losses"
# issues = []
# docs = ["https://keras.io/api/layers/regularizers/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "layer = keras.Layer(kernel_regularizer=not None, trainable=False)"
# shows = ["loss"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.Layer(kernel_regularizer=not None)",
#   "layer_frozen.trainable = False",
#   "not layer_frozen.trainable = True",
#   "runs(model)",
# ]
# where = [
#   "layer is layer_frozen or layer in layer_frozen",
#   "layer in model",
# ]
# shows = ["loss"]
# ///
"""Freeze a layer that has a regularizer and the reported loss drops.

The penalties are "summed into the loss function". In Keras 3 those of frozen layers
are not, so the loss of one and the same model depends on its `trainable` flags: a
checkpoint evaluated with a frozen base cannot be compared with the one before. (The
gradients are the same.)

Measured: every release of Keras 3, all backends. Keras 2 counts them.
"""

import keras
import numpy as np

KERNEL, FACTOR = np.ones((2, 1)), 0.5
PROMISED = FACTOR * np.sum(KERNEL**2)


def build():
    layer = keras.layers.Dense(
        1,
        kernel_initializer="ones",
        kernel_regularizer=keras.regularizers.L2(FACTOR),
        trainable=False,
    )
    layer.build((None, 2))
    return layer


def test_penalty_does_not_depend_on_the_flag():
    """A frozen layer has the penalty it has when it is trainable."""
    observed = float(sum(build().losses))
    assert observed == PROMISED, f"penalty {observed}, promised {PROMISED}"


def workaround_flag_on_for_the_losses():
    """Read the losses while the flag is set."""
    layer = build()
    layer.trainable = True
    observed = float(sum(layer.losses))
    assert observed == PROMISED, f"penalty {observed}, promised {PROMISED}"


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
