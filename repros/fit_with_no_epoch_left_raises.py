# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "torch==2.13.0"]
#
# [tool.krepro]
# title = "fit: when no epoch is left to run it raises UnboundLocalError"
# kind = "crash"
# area = "trainer"
# issues = [18640]
# fixed = 18640
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "UnboundLocalError: ...training_logs"
# affected = {jax = ">=3.0.0,<3.7.0", torch = ">=3.0.0,<3.7.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(epochs=value, initial_epoch=value_first)"
# where = ["value_first >= value"]
# shows = ["raises"]
# ///
"""A script that resumes a training which was already complete crashes in `fit`.

`fit(epochs=3, initial_epoch=3)` has nothing to do: `epochs` is documented as the number
of the last epoch, not a count. A training script that picks up from its last checkpoint
gets there when it is started once too often (and with `BackupAndRestore`, likewise). In
place of an empty history it gets "cannot access local variable 'training_logs'".

Measured: JAX and torch, up to 3.6.0; TensorFlow and Keras 2 return an empty history.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X, Y = np.ones((2, 2), "float32"), np.zeros((2, 1), "float32")


def build():
    dense = keras.layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), dense])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def test_nothing_is_run():
    """The history is empty and no error comes."""
    history = build().fit(X, Y, initial_epoch=3, epochs=3, verbose=0)
    assert history.epoch == [], f"ran epochs {history.epoch}, promised none"


def workaround_ask_first():
    """Call fit only if an epoch is left."""
    model, done, epochs = build(), 3, 3
    if done < epochs:
        model.fit(X, Y, initial_epoch=done, epochs=epochs, verbose=0)
    assert not model.get_weights()[0].any(), "the model was trained"


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
