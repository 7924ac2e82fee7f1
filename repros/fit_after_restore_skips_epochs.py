# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "fit: after BackupAndRestore resumed, every later fit skips epochs"
# kind = "silent"
# area = "callbacks"
# issues = []
# introduced = "671546ab76"
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.1.0"
#
# [[tool.krepro.trigger]]
# code = ["model.fit(callbacks=has(keras.callbacks.BackupAndRestore))", "model.fit()"]
# where = ['perhaps("the first fit went on with a run that broke off")']
# shows = ["steps"]
# ///
"""Once `BackupAndRestore` has resumed a training, later `fit` calls train too little.

Resume a first stage of 15 epochs with the callback, then fine-tune the model with
`fit(epochs=10)`, without the callback: nothing is trained. The history is empty and no
message comes. The epoch to go on with is kept in the model, is never cleared, and every
later `fit` starts there; `initial_epoch=0` is overruled as well.

Measured: since the callback restores the epoch (3.1.0), all backends.
"""

import keras
import numpy as np

X, Y = np.ones((2, 2), "float32"), np.zeros((2, 1), "float32")


def build():
    dense = keras.layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), dense])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def backup(folder):
    return keras.callbacks.BackupAndRestore(folder)


def resumed_model(folder):
    interrupted = backup(folder)
    interrupted.set_model(build())
    interrupted.on_train_begin()
    interrupted.on_epoch_begin(0)
    interrupted.on_epoch_end(0)  # here the training breaks off
    model = build()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[backup(folder)])
    return model


def assert_runs_two_epochs(model):
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert history.epoch == [0, 1], f"ran epochs {history.epoch}, promised [0, 1]"


def test_later_fit_runs_all_its_epochs():
    """A fit without the callback runs from epoch 0."""
    assert_runs_two_epochs(resumed_model("test"))


def workaround_clone():
    """Go on with a clone of the model that has its weights."""
    model = resumed_model("workaround")
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    fresh.compile("sgd", "mse", run_eagerly=True)
    assert_runs_two_epochs(fresh)


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
