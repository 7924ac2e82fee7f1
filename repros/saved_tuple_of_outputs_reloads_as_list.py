# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.save: a tuple of outputs comes back as a list"
# kind = "silent"
# area = "saving"
# issues = []
# docs = ["https://keras.io/guides/serialization_and_saving/"]
# affected = ">=3.0.0"
# keras2 = "affected"
# related = ["tuple_of_outputs_reloads_as_list"]
#
# [[tool.krepro.trigger]]
# code = ["model = keras.Model(inputs=_, outputs=(value := []))", "model.save()"]
# where = ["isinstance(value, tuple)"]
# shows = ["structure"]
# ///
"""A model that returns a tuple is saved, and returns a list when it is loaded.

The guide has a saved model hold the architecture, and come back as it was. `from_config`
gives a tuple back since 3.6.0; a `.keras` file is JSON, which has no tuples, and nothing
in it says that there was one. Code that checks the type, or adds tuples up, breaks on
loading.

Measured: see `affected`. In 3.15.1 it is enough to note in the config that the outputs
are a tuple (repros/patches). Found by drawing programs.
"""

import keras
import numpy as np

X = np.ones((1, 1), "float32")


def reloaded():
    """A model with a tuple of two outputs, saved and loaded."""
    inputs = keras.Input((1,))
    outputs = tuple(keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b"))
    model = keras.Model(inputs, outputs)
    assert_tuple(model(X))
    model.save("model.keras")
    return keras.models.load_model("model.keras")


def assert_tuple(outputs):
    kind = type(outputs).__name__
    assert kind == "tuple", f"the outputs are a {kind}, promised a tuple"


def test_outputs_are_a_tuple_after_loading():
    """The structure of the outputs is part of a model."""
    assert_tuple(reloaded()(X))


def workaround_make_it_a_tuple():
    """Turn the outputs into a tuple wherever they are used."""
    assert_tuple(tuple(reloaded()(X)))


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
