# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.5", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "BackupAndRestore: the resumed training starts over"
# kind = "silent"
# area = "callbacks"
# issues = []
# fixed = "671546ab76"
# docs = ["https://keras.io/api/callbacks/backup_and_restore/"]
# affected = ">=3.0.0,<3.1.0"
#
# [[tool.krepro.trigger]]
# code = "model.fit(callbacks=has(keras.callbacks.BackupAndRestore))"
# where = ['perhaps("an earlier run broke off")']
# shows = ["steps"]
# ///
"""A training resumed by `BackupAndRestore` does all its epochs again.

The promise: at the next `fit` the training state, "the `Model` weights and epoch number",
is restored, and in the example only the epochs that are left are run. Up to 3.0.5 the weights are restored, but the
number of the epoch is not: a training of 10 epochs that broke off after 9 does 10 more.

Measured, all backends: 3.0.0 to 3.0.5. Fixed by commit 671546ab76.
"""

import tempfile

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")
Y = np.zeros((2, 1), "float32")
RATE = 0.125
AFTER_ONE_STEP = 1.0 - RATE * 2.0  # the gradient of w ** 2 at w = 1 is 2


def one_weight():
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(keras.optimizers.SGD(RATE), "mse", run_eagerly=EAGER)
    return model


def weight_of(model):
    return float(model.get_weights()[0][0, 0])


def test_finished_epochs_are_not_repeated():
    """One epoch of two was done when the training broke off: one is left."""
    with tempfile.TemporaryDirectory() as folder:
        backup = keras.callbacks.BackupAndRestore(folder)
        backup.set_model(one_weight())
        backup.on_train_begin()
        backup.on_epoch_begin(0)
        backup.on_epoch_end(0)  # here the first training breaks off
        history = one_weight().fit(
            X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(folder)]
        )
    assert history.epoch == [1], f"trained the epochs {history.epoch}, promised: [1]"


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
