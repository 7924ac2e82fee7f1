# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Identity: the gain is lost when a layer is cloned or reloaded"
# kind = "silent"
# area = "saving"
# issues = []
# docs = ["https://keras.io/api/layers/initializers/"]
# symptom = "TypeError: Error when deserializing class 'Dense'"
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.Layer(kernel_initializer=keras.initializers.Identity(gain=not 1))",
#   "keras.models.clone_model(model=model) | model.save() | keras.models.save_model(model=model)",
# ]
# where = ["layer in model"]
# shows = ["raises", "weights", "saved"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.Layer(recurrent_initializer=keras.initializers.Identity(gain=not 1))",
#   "keras.models.clone_model(model=model) | model.save() | keras.models.save_model(model=model)",
# ]
# where = ["layer in model"]
# shows = ["raises", "weights", "saved"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.Layer(kernel_initializer=keras.initializers.Identity(gain=not 1))",
#   "layer.get_config()",
# ]
# shows = ["raises", "weights", "saved"]
# ///
"""A copy of a layer with `Identity(gain=2)` starts from the identity without the gain.

`from_config(get_config())` promises the same layer. The config of the initializer is
empty, so `clone_model`, `from_config` and `load_model` go back to a gain of 1. In older
releases the copy raises instead, as the class is not found by its name.

Measured: every release of Keras 3, all backends. Keras 2 keeps the gain.
"""

import keras
import numpy as np

GAIN = 2.0
PROMISED = GAIN * np.eye(2)


def assert_copy_starts_alike(initializer):
    layer = keras.layers.Dense(2, kernel_initializer=initializer)
    copy = keras.layers.Dense.from_config(layer.get_config())
    copy.build((None, 2))
    observed = copy.get_weights()[0]
    assert (observed == PROMISED).all(), f"kernel {observed}, promised {PROMISED}"


def test_copy_has_the_gain():
    """The kernel of the copy starts as that of the original."""
    assert_copy_starts_alike(keras.initializers.Identity(gain=GAIN))


def workaround_build_in_code():
    """Make the layer anew instead of copying it by its config."""
    layer = keras.layers.Dense(2, kernel_initializer=keras.initializers.Identity(GAIN))
    layer.build((None, 2))
    observed = layer.get_weights()[0]
    assert (observed == PROMISED).all(), f"kernel {observed}, promised {PROMISED}"


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
