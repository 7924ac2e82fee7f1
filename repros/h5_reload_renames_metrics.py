# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_model: metrics given as \"mae\" change their name with .h5"
# kind = "silent"
# area = "saving"
# issues = []
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=has('mae' | 'mse' | 'mape' | 'msle'))",
#   "model.save(filepath=value) | keras.models.save_model(model=model, filepath=value)",
# ]
# where = ['value.endswith(".h5") or value.endswith(".hdf5")']
# shows = ["names", "saved"]
# ///
"""After a reload from `.h5` the metric "mae" is logged as "mean_absolute_error".

`load_model` promises the compiled model as it was saved. The log key changes, so
`EarlyStopping(monitor="val_mae")` and code that reads `history["val_mae"]` stop working
on the reloaded model. The `.keras` format keeps the name.

Measured: every release of Keras 3, all backends. Keras 2 keeps the name.
"""

import keras
import numpy as np

X, Y = np.ones((2, 2), "float32"), np.zeros((2, 1), "float32")


def names_after_reload(metric):
    dense = keras.layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), dense])
    loss = keras.losses.MeanSquaredError()
    model.compile("sgd", loss, metrics=[metric], run_eagerly=True)
    model.save("model.h5")
    reloaded = keras.models.load_model("model.h5")
    return set(reloaded.test_on_batch(X, Y, return_dict=True))


def test_metric_keeps_its_name():
    """The reloaded model logs under the names of the saved one."""
    names = names_after_reload("mae")
    assert "mae" in names, f"logged {sorted(names)}, promised 'mae' among them"


def workaround_metric_object():
    """Pass an object with a name."""
    names = names_after_reload(keras.metrics.MeanAbsoluteError(name="mae"))
    assert "mae" in names, f"logged {sorted(names)}, promised 'mae' among them"


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
