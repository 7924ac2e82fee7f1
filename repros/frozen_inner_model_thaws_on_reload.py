# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.1.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_model: a frozen functional model inside another comes back trainable"
# kind = "silent"
# area = "saving"
# issues = []
# fixed = "ad7f9b4e3b"
# symptom = "ValueError: A total of ... objects could not be loaded"
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# affected = ">=3.0.0,<3.2.1"
# keras2 = "unaffected"
# works = {workaround_freeze_again = {tensorflow = ">=3.2.1",jax = [">=3.0.0,<3.2.0", ">=3.2.1"],torch = [">=3.0.0,<3.2.0", ">=3.2.1"]}}
#
# [[tool.krepro.trigger]]
# code = [
#   "inner.trainable = False",
#   "not inner.trainable = True",
#   "model.save() | keras.models.save_model(model=model)",
# ]
# where = ["inner in model"]
# shows = ["raises", "trainable", "trains", "weights", "saved"]
# ///
"""Freeze the base (`base.trainable = False`), save the model, load it: the base trains.

`load_model` promises the model in the same state. The frozen base of a transfer
learning model, a functional model as in `keras.applications`, is reloaded with all of
its weights trainable, so that going on with training wrecks the features that were
to be kept.

Measured: up to 3.2.0, all backends (3.2.0 keeps the flag and cannot load the file).
Keras 2 keeps the weights frozen.
"""

import keras


def build():
    inputs = keras.Input((2,))
    outputs = keras.layers.Dense(2, kernel_initializer="ones")(inputs)
    base = keras.Model(inputs, outputs, name="base")
    base.trainable = False
    head = keras.layers.Dense(1, kernel_initializer="ones")
    return keras.Sequential([keras.Input((2,)), base, head])


def reload(model):
    model.save("model.keras")
    return keras.models.load_model("model.keras")


def assert_base_is_frozen(model):
    observed = len(model.trainable_weights)
    assert observed == 2, f"{observed} trainable weights, promised 2"


def test_base_is_frozen_after_reload():
    """The base of a reloaded model is as frozen as it was."""
    assert_base_is_frozen(reload(build()))


def workaround_freeze_again():
    """Freeze the base again after loading."""
    model = reload(build())
    model.get_layer("base").trainable = False
    assert_base_is_frozen(model)


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
