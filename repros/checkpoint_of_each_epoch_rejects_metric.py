# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "ModelCheckpoint: wants a direction though it saves every epoch"
# kind = "crash"
# area = "callbacks"
# issues = []
# introduced = 21275
# docs = ["https://keras.io/api/callbacks/model_checkpoint/"]
# symptom = "ValueError: ModelCheckpoint callback received monitor=val_profit"
# affected = ">=3.11.0"
# keras2 = "unaffected"
# related = ["best_checkpoint_by_batch_crashes", "checkpoint_rejects_output_metric"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=absent | None, weighted_metrics=absent | None)",
#   "not model.compile()",
#   "model.fit(callbacks=has(keras.callbacks.ModelCheckpoint(monitor=value, save_best_only=absent | False, mode=absent | 'auto')))",
# ]
# where = ['value != "loss" and value != "val_loss"']
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = "model.fit(callbacks=has(keras.callbacks.ModelCheckpoint(monitor=value, save_best_only=absent | False, mode=absent | 'auto')))"
# where = ["len(model.outputs) > 1", 'value != "loss" and value != "val_loss"']
# shows = ["raises"]
# ///
"""A checkpoint of every epoch stops the training over a direction it does not need.

`ModelCheckpoint(path, monitor="val_profit")`, without `save_best_only`, saves each epoch.
The documentation ties `mode` to `save_best_only=True`. From 3.11.0 on the callback asks
for the direction at the end of the first epoch in any case, and for a metric of the
user's own (one computed in `train_step`, say) ends `fit` with "Keras isn't able to
automatically determine whether that metric should be maximized or minimized".

Measured, all backends: 3.11.0 to 3.15.1; #21275 brought it in.
"""

import pathlib
import tempfile

import keras


def files_saved(epochs, **settings):
    """The names of the files that the callback writes in one fit()."""
    with tempfile.TemporaryDirectory() as folder:
        callback = keras.callbacks.ModelCheckpoint(
            str(pathlib.Path(folder, "{epoch}.weights.h5")),
            monitor="val_profit",
            save_weights_only=True,
            **settings,
        )
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        callback.set_model(keras.Sequential([keras.Input((1,)), dense]))
        callback.on_train_begin()
        for epoch in range(epochs):
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, {"val_profit": 1.0})
        return sorted(path.name for path in pathlib.Path(folder).iterdir())


ALL = ["1.weights.h5", "2.weights.h5"]


def test_every_epoch_is_saved():
    """Without `save_best_only` the mode does not matter."""
    saved = files_saved(2)
    assert saved == ALL, f"saved {saved}, promised {ALL}"


def workaround_any_mode():
    """Say a `mode`; either will do, since nothing is compared."""
    saved = files_saved(2, mode="max")
    assert saved == ALL, f"saved {saved}, promised {ALL}"


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
