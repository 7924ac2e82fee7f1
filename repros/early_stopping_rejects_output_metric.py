# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "EarlyStopping: cannot tell the direction of an output's metric"
# kind = "crash"
# area = "callbacks"
# issues = []
# docs = ["https://keras.io/api/callbacks/early_stopping/"]
# symptom = "ValueError: EarlyStopping callback received monitor=val_price_mae"
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.EarlyStopping(monitor=value, mode=absent | 'auto')",
#   "model.fit(callbacks=has(callback))",
# ]
# where = ["len(model.outputs) > 1", 'not value.endswith("loss")']
# shows = ["raises"]
# ///
"""`EarlyStopping` on a metric of one of several outputs raises at the first epoch's end.

The logs of a model with outputs "price" and "area" have `val_price_mae`, and the
documentation says so: models with several outputs set prefixes on the names, and in auto
mode the direction is inferred from the name. The callback looks for a metric called
"price_mae", while the metric itself is called "mae": "Keras isn't able to automatically
determine whether that metric should be maximized or minimized". The same metric of a
model with one output is accepted.

Measured, all backends: every release of Keras 3. Keras 2 goes by the name, and works.
"""

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


def epochs_run(maes, **settings):
    """Show the callback one fit(), epoch by epoch, and count the epochs."""
    model = two_outputs()
    model.stop_training = False
    stopper = keras.callbacks.EarlyStopping(monitor="val_price_mae", **settings)
    stopper.set_model(model)
    stopper.on_train_begin()
    for epoch, mae in enumerate(maes):
        stopper.on_epoch_end(epoch, {"val_price_mae": mae})
        if model.stop_training:
            return epoch + 1
    return len(maes)


MAES = [3.0, 2.0, 2.0, 1.0]  # the third epoch is no better than the second


def test_direction_is_inferred():
    """In auto mode the direction is inferred, as for a model with one output."""
    epochs = epochs_run(MAES)
    assert epochs == 3, f"stopped after epoch {epochs}, promised: 3"


def workaround_say_the_mode():
    """Say `mode="min"`."""
    epochs = epochs_run(MAES, mode="min")
    assert epochs == 3, f"stopped after epoch {epochs}, promised: 3"


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
