# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "ModelCheckpoint: save_best_only saves though the monitor is missing"
# kind = "silent"
# area = "callbacks"
# issues = []
# introduced = "d94e91f831"
# docs = ["https://keras.io/api/callbacks/model_checkpoint/"]
# affected = ">=3.10.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(callbacks=has(keras.callbacks.ModelCheckpoint(monitor=absent, save_best_only=True)), validation_data=absent | None, validation_split=absent | None | 0) | model.fit(callbacks=has(keras.callbacks.ModelCheckpoint(monitor=absent, save_best_only=True)), validation_freq=not 1)"
# shows = ["saved", "warns"]
#
# [[tool.krepro.trigger]]
# code = "model.fit(callbacks=has(keras.callbacks.ModelCheckpoint(monitor=value, save_best_only=True)), validation_data=absent | None, validation_split=absent | None | 0) | model.fit(callbacks=has(keras.callbacks.ModelCheckpoint(monitor=value, save_best_only=True)), validation_freq=not 1)"
# where = ['value.startswith("val_")']
# shows = ["saved", "warns"]
# ///
"""`save_best_only=True` saves every epoch when the monitored value is missing.

The promise: it saves only when the model is considered the best so far, and the best
model is not overwritten. When `val_loss` is not in the logs (no validation data, a
misspelt name, `validation_freq=2`), 3.0.0 to 3.9.2 and Keras 2 warn and skip the epoch.
From 3.10.0 on the epoch is saved, and the best file so far is overwritten by whatever
came last; the warning no longer says what was done.

Measured, all backends: 3.10.0 to 3.15.1.
"""

import pathlib
import tempfile

import keras


def files_saved(logs_of_epochs, **settings):
    """The names of the files that the callback writes in one fit()."""
    with tempfile.TemporaryDirectory() as folder:
        callback = keras.callbacks.ModelCheckpoint(
            str(pathlib.Path(folder, "{epoch}.weights.h5")),
            save_best_only=True,
            save_weights_only=True,
            **settings,
        )
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        callback.set_model(keras.Sequential([keras.Input((1,)), dense]))
        callback.on_train_begin()
        for epoch, logs in enumerate(logs_of_epochs):
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, logs)
        return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_nothing_is_best_without_the_monitored_value():
    """`save_best_only` saves only when the model is considered the best."""
    saved = files_saved([{"loss": 1.0}, {"loss": 2.0}])  # no "val_loss"
    assert saved == [], f"saved {saved}, though there is no val_loss to be the best"


def workaround_monitor_what_is_there():
    """Monitor a value that the logs of each epoch have."""
    saved = files_saved([{"loss": 1.0}, {"loss": 2.0}], monitor="loss")
    assert saved == ["1.weights.h5"], f"saved {saved}, promised: the first epoch only"


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
