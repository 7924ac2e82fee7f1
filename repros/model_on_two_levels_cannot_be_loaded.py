# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_model: a model that is used on two levels of nesting cannot be loaded"
# kind = "crash"
# area = "saving"
# issues = []
# docs = [
#   "https://keras.io/api/models/model_saving_apis/model_saving_and_loading/",
#   "https://keras.io/guides/functional_api/",
# ]
# symptom = [
#   "ValueError: ...expected 2 variables, but received 0 variables during loading",
#   "IndexError: list index out of range",
# ]
# affected = ">=3.0.0"
#
# [[tool.krepro.trigger]]
# code = ["model.save()"]
# where = [
#   "any(isinstance(x, keras.Model) and x is not model and any(isinstance(y, keras.Model) and y is not x for y in layers(x)) for x in layers(model))",
#   'perhaps("the innermost model is called beside the other as well")',
# ]
# shows = ["raises"]
# ///
"""A model inside of a model, and beside it, is saved but cannot be loaded.

An encoder is called in a branch model, and again next to the branch, with the same weights.
`save` writes the file without a word. `load_model` then makes two encoders of one, and finds
the weights of one only: "expected 2 variables, but received 0 variables during loading". The
guides nest and share models so, and saving promises the same model back.

Measured: every release, all backends. Found by drawing programs.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np

X = np.array([[1.0], [2.0]], "float32")


def shared_on_two_levels():
    taken = keras.Input((1,))
    encoder = keras.Model(taken, keras.layers.Dense(1)(taken), name="encoder")
    given = keras.Input((1,))
    branch = keras.Model(given, encoder(given), name="branch")
    source = keras.Input((1,))
    joined = keras.layers.Concatenate()([branch(source), encoder(source)])
    return keras.Model(source, joined, name="whole")


def assert_same(model, loaded):
    before, after = (each.predict(X, verbose=0) for each in (model, loaded))
    assert np.array_equal(before, after), f"{after.tolist()}, saved as {before.tolist()}"


def test_it_is_loaded_as_it_was_saved():
    """The loaded model predicts what the saved one does."""
    model = shared_on_two_levels()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        assert_same(model, keras.saving.load_model(path))


def workaround_weights():
    """Build the model by its code, and load its weights."""
    model, other = shared_on_two_levels(), shared_on_two_levels()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.weights.h5"
        model.save_weights(path)
        other.load_weights(path)
    assert_same(model, other)


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
