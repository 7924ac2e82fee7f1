# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.4", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "fit: a layer frozen in on_epoch_end overwrites another layer on JAX"
# kind = "silent"
# area = "trainable"
# issues = []
# docs = ["https://keras.io/guides/writing_your_own_callbacks/"]
# affected = { jax = ">=3.0.0,<3.0.5" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "layer.trainable = False"
# where = ['during("on_epoch_end")']
# shows = ["weights"]
# ///
"""On JAX, freezing the first layer in `on_epoch_end` copied it over the second one.

After the epoch the trainer handed values back to variables by their position in
`trainable_variables`, once before the callbacks and once more after them. A flip in
between shortens the list, so each value moves up: where shapes agree another layer
is overwritten without a word. The second round went away in 3.0.5, with the commit
that allows callbacks to modify a model's state. (Flips in `on_train_batch_end` still
do harm: batch_callback_freeze_loses_weights.)
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

X = np.ones((2, 2), "float32")


class Freeze(keras.callbacks.Callback):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def on_epoch_end(self, epoch, logs=None):
        self.layer.trainable = False


def test_both_layers_keep_their_weights():
    """A learning rate of 0 leaves the ones ones and the zeros zeros."""
    layers = [
        keras.layers.Dense(2, use_bias=False, kernel_initializer=start)
        for start in ("ones", "zeros")
    ]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")  # nothing learns
    model.fit(X, X, verbose=0, callbacks=[Freeze(layers[0])])
    first, last = (layer.get_weights()[0] for layer in layers)
    np.testing.assert_array_equal(first, np.ones((2, 2)))
    np.testing.assert_array_equal(last, np.zeros((2, 2)))


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
