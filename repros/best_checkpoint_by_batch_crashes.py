# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "ModelCheckpoint: save_best_only with an integer save_freq crashes"
# kind = "crash"
# area = "callbacks"
# issues = []
# introduced = 21275
# docs = ["https://keras.io/api/callbacks/model_checkpoint/"]
# symptom = "TypeError: 'NoneType' object is not callable"
# affected = ">=3.11.0"
# keras2 = "unaffected"
# related = ["checkpoint_of_each_epoch_rejects_metric", "checkpoint_rejects_output_metric"]
#
# [[tool.krepro.trigger]]
# code = "callback = keras.callbacks.ModelCheckpoint(save_best_only=True, save_freq=number)"
# shows = ["raises"]
# ///
"""`ModelCheckpoint(save_best_only=True, save_freq=100)` crashes at its second look.

The documentation allows an integer `save_freq` and `save_best_only` together, and says
what the monitored value means then. From 3.11.0 on the function that compares two
values is set at the end of an epoch only, also with an explicit `mode`. The first look
within an epoch passes (there is nothing to compare with), the second one ends `fit`
with "'NoneType' object is not callable".

Measured, all backends: 3.11.0 to 3.15.1. #21275 brought it in.
"""

import pathlib
import tempfile

import keras

LOSSES = [1.0, 0.5, 0.75]


def files_saved(save_freq):
    """The names of the files that the callback writes in one epoch."""
    with tempfile.TemporaryDirectory() as folder:
        callback = keras.callbacks.ModelCheckpoint(
            str(pathlib.Path(folder, "{loss}.weights.h5")),
            monitor="loss",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            save_freq=save_freq,
        )
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        callback.set_model(keras.Sequential([keras.Input((1,)), dense]))
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        for batch, loss in enumerate(LOSSES):
            callback.on_train_batch_end(batch, {"loss": loss})
        callback.on_epoch_end(0, {"loss": LOSSES[-1]})
        return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_best_batches_are_saved():
    """With an integer the callback saves after that many batches, if it is the best."""
    saved = files_saved(1)
    promised = ["0.5.weights.h5", "1.0.weights.h5"]
    assert saved == promised, f"saved {saved}, promised {promised}"


def workaround_save_by_epoch():
    """Let the callback look once in an epoch."""
    saved = files_saved("epoch")
    assert saved == ["0.75.weights.h5"], f"saved {saved}, promised the epoch's end"


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
