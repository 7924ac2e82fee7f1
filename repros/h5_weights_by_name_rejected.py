# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.7.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_weights: by_name=True with an .h5 file of the same model raises"
# kind = "crash"
# area = "saving"
# issues = [20537]
# fixed = 20537
# docs = [
#     "https://keras.io/api/models/model_saving_apis/weights_saving_and_loading/",
# ]
# symptom = "ValueError: Weight count mismatch for top-level weights of model"
# affected = ">=3.0.0,<3.8.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.load_weights(filepath=value, by_name=True)"
# where = [
#   'value.endswith(".h5") or value.endswith(".hdf5")',
#   'not value.endswith(".weights.h5")',
# ]
# shows = ["raises"]
# ///
"""`load_weights("model.h5", by_name=True)` raises for every model that has a layer.

Loading by name is the documented way to move the weights of some layers into another
architecture. The loader counts the weights of all layers as weights of the model itself
and finds that the file has none of those.

Measured: up to 3.7.0, all backends. Keras 2 loads the layers.
"""

import keras


def build(kernel, *names):
    model = keras.Sequential([keras.Input((1,))])
    for name in names:
        model.add(keras.layers.Dense(1, kernel_initializer=kernel, name=name))
    return model


def assert_loaded(model):
    observed = model.get_layer("shared").get_weights()[0]
    assert observed == 1, f"kernel {observed}, promised 1"


def test_layers_of_the_same_name_are_loaded():
    """The layer that both models have gets its weights."""
    build("ones", "shared", "head").save("model.h5")
    model = build("zeros", "shared", "other_head")
    model.load_weights("model.h5", by_name=True)
    assert_loaded(model)


def workaround_load_the_model():
    """Load the whole model, and copy the weights layer by layer."""
    build("ones", "shared", "head").save("model.h5")
    saved = keras.models.load_model("model.h5", compile=False)
    model = build("zeros", "shared", "other_head")
    model.get_layer("shared").set_weights(saved.get_layer("shared").get_weights())
    assert_loaded(model)


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
