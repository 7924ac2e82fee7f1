# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.2.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_model: compile=False is ignored for .h5 files"
# kind = "silent"
# area = "saving"
# issues = [19151, 19438]
# fixed = 19438
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# affected = ">=3.0.0,<3.3.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "keras.models.load_model(filepath=value, compile=False)"
# where = ['value.endswith(".h5") or value.endswith(".hdf5")']
# shows = ["raises", "saved"]
# ///
"""`load_model("model.h5", compile=False)` compiles the model all the same.

The argument is there to load a model whose loss or optimizer is not at hand, for
inference. For an `.h5` file it does nothing: the loss and the metrics are looked for,
and where they are not found the load fails. `custom_objects` is dropped as well.

Measured: up to 3.2.1, all backends. Keras 2 obeys.
"""

import keras


def saved(path):
    dense = keras.layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), dense])
    model.compile("sgd", keras.losses.MeanSquaredError())
    model.save(path)
    return path


def assert_not_compiled(model):
    observed = getattr(model, "optimizer", None)
    assert observed is None, f"optimizer {observed}, promised none"


def test_model_is_not_compiled():
    """With compile=False the model has no optimizer."""
    assert_not_compiled(keras.models.load_model(saved("model.h5"), compile=False))


def workaround_keras_format():
    """Save to `.keras`."""
    assert_not_compiled(keras.models.load_model(saved("model.keras"), compile=False))


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
