# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.3.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Bidirectional: a saved model with an LSTM in it cannot be loaded"
# kind = "crash"
# area = "saving"
# issues = [18913, 19615]
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# symptom = [
#     "ValueError: A total of ... objects could not be loaded",
#     "ValueError: Layer ... expected 3 variables, but received 0 variables",
# ]
# fixed = "8200a78d85"
# affected = ">=3.0.0,<3.3.3"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.Bidirectional()",
#   "model.save(filepath=value) | keras.models.save_model(model=model, filepath=value)",
# ]
# where = [
#   "layer in model",
#   'not value.endswith(".h5")',
#   'not value.endswith(".hdf5")',
# ]
# shows = ["raises", "saved"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.Bidirectional()",
#   "callback = keras.callbacks.ModelCheckpoint(filepath=value, save_weights_only=absent | False)",
#   "model.fit(callbacks=has(callback))",
# ]
# where = [
#   "layer in model",
#   'not value.endswith(".h5")',
#   'not value.endswith(".hdf5")',
# ]
# shows = ["raises", "saved"]
# ///
"""A model with `Bidirectional(LSTM(...))` is saved to `.keras` and cannot be loaded.

`save` gives no error; `load_model` raises that the cell expected 3 variables but
received none. `save_weights` and `load_weights` of a model built in code work.
"""

import keras


def build():
    initial = {"kernel_initializer": "ones", "recurrent_initializer": "zeros"}
    recurrent = keras.layers.LSTM(1, unroll=True, **initial)
    both = keras.layers.Bidirectional(recurrent)
    return keras.Sequential([keras.Input((1, 1)), both])


def changed_model():
    model = build()
    model.set_weights([weight + 1 for weight in model.get_weights()])
    return model


def assert_same_weights(observed, promised):
    pairs = zip(observed.get_weights(), promised.get_weights(), strict=True)
    assert all((o == p).all() for o, p in pairs), "the weights differ"


def test_model_is_reloaded_with_its_weights():
    """A saved model is loaded, with the weights it was saved with."""
    model = changed_model()
    model.save("model.keras")
    assert_same_weights(keras.models.load_model("model.keras"), model)


def workaround_weights_only():
    """Save the weights, build the model in code, load the weights."""
    model = changed_model()
    model.save_weights("model.weights.h5")
    rebuilt = build()
    rebuilt.load_weights("model.weights.h5")
    assert_same_weights(rebuilt, model)


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
