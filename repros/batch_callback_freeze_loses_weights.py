# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "fit: a layer frozen by a batch callback is left without weights on JAX"
# kind = "silent"
# area = "trainable"
# issues = []
# docs = ["https://keras.io/guides/writing_your_own_callbacks/"]
# symptom = "TypeError: 'NoneType' object is not callable"
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "layer.trainable = False"
# where = ['during("on_train_batch_*") or during("on_batch_*")']
# shows = ["raises", "weights"]
# ///
"""On JAX, a layer frozen in `on_train_batch_end` has no weights after `fit`.

The callbacks guide lets callbacks act on `self.model` in training. `fit` returns
without an error, then the frozen layer's weights cannot be read, saved or trained
("'NoneType' object is not callable"). During an epoch the JAX trainer takes the values
out of the variables and later hands them back by position in `trainable_variables`:
the flip has shortened that list meanwhile, so values go to the wrong variable (an
error where shapes differ, silence where they agree) or to none. TensorFlow and torch
keep all weights.
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

    def on_train_batch_end(self, batch, logs=None):
        self.layer.trainable = False


class FreezeLater(Freeze):
    """Acts between two calls of fit() only."""

    def on_train_batch_end(self, batch, logs=None):
        pass

    def on_train_end(self, logs=None):
        self.layer.trainable = False


def weights_after_fit(callback):
    layers = [
        keras.layers.Dense(2, use_bias=False, kernel_initializer=start)
        for start in ("ones", "zeros")
    ]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(
        optimizer=keras.optimizers.SGD(0.0), loss="mse", run_eagerly=True
    )  # nothing learns
    model.fit(X, X, verbose=0, callbacks=[callback(layers[0])])
    return [layer.get_weights()[0] for layer in layers]


def test_both_layers_keep_their_weights():
    """A learning rate of 0 leaves the ones ones and the zeros zeros."""
    first, last = weights_after_fit(Freeze)
    np.testing.assert_array_equal(first, np.ones((2, 2)))
    np.testing.assert_array_equal(last, np.zeros((2, 2)))


def workaround_freeze_when_training_has_ended():
    """Flip in on_train_end (and compile again before the next fit)."""
    first, last = weights_after_fit(FreezeLater)
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
