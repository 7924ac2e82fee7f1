# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "ModelCheckpoint: cannot tell the direction of an output's metric"
# kind = "crash"
# area = "callbacks"
# issues = []
# introduced = 21275
# docs = ["https://keras.io/api/callbacks/model_checkpoint/"]
# symptom = "ValueError: ModelCheckpoint callback received monitor=val_price_mae"
# affected = ">=3.11.0"
# keras2 = "unaffected"
# related = ["best_checkpoint_by_batch_crashes", "checkpoint_of_each_epoch_rejects_metric"]
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.ModelCheckpoint(monitor=value, mode=absent | 'auto')",
#   "model.fit(callbacks=has(callback))",
# ]
# where = ["len(model.outputs) > 1", 'not value.endswith("loss")']
# shows = ["raises"]
# ///
"""`ModelCheckpoint` on a metric of one of several outputs raises at the epoch's end.

The documentation: "Multi-output models set additional prefixes on the metric names", and
in auto mode the direction is inferred from the name of the monitored quantity. From
3.11.0 on the callback looks for a metric called "price_mae", while the metric itself is
called "mae", and gives up: "Keras isn't able to automatically determine whether that
metric should be maximized or minimized". A training that ran up to 3.10.0 stops there.

Measured, all backends: 3.11.0 to 3.15.1; #21275 brought it in. EarlyStopping has the
same fault in every release: early_stopping_rejects_output_metric.
"""

import pathlib
import tempfile

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")
Y = [np.zeros((2, 1), "float32"), np.zeros((2, 1), "float32")]


def two_outputs():
    inputs = keras.Input((1,))
    price = keras.layers.Activation("linear", name="price")(inputs)
    area = keras.layers.Activation("linear", name="area")(inputs)
    model = keras.Model(inputs, [price, area])
    model.compile("sgd", ["mse", "mse"], metrics=[["mae"], ["mae"]], run_eagerly=EAGER)
    model.test_on_batch(X, Y)  # now the metrics are there, as in fit()
    return model


def files_saved(maes, **settings):
    """The names of the files that the callback writes in one fit()."""
    with tempfile.TemporaryDirectory() as folder:
        callback = keras.callbacks.ModelCheckpoint(
            str(pathlib.Path(folder, "{epoch}.weights.h5")),
            monitor="val_price_mae",
            save_best_only=True,
            save_weights_only=True,
            **settings,
        )
        callback.set_model(two_outputs())
        callback.on_train_begin()
        for epoch, mae in enumerate(maes):
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, {"val_price_mae": mae})
        return sorted(path.name for path in pathlib.Path(folder).iterdir())


MAES = [3.0, 2.0, 4.0]
BEST = ["1.weights.h5", "2.weights.h5"]


def test_direction_is_inferred():
    """In auto mode the direction is inferred, as for a model with one output."""
    saved = files_saved(MAES)
    assert saved == BEST, f"saved {saved}, promised {BEST}"


def workaround_say_the_mode():
    """Say `mode="min"`."""
    saved = files_saved(MAES, mode="min")
    assert saved == BEST, f"saved {saved}, promised {BEST}"


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
