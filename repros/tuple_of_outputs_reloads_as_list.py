# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.5.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Functional.from_config: a tuple of outputs comes back as a list"
# kind = "silent"
# area = "nesting"
# issues = [20119]
# fixed = 20120
# docs = ["https://keras.io/guides/serialization_and_saving/"]
# affected = ">=3.0.0,<3.6.0"
#
# [[tool.krepro.trigger]]
# code = ["model = keras.Model(inputs=_, outputs=(value := []))", "model.get_config()"]
# where = ["isinstance(value, tuple)"]
# shows = ["structure"]
# ///
"""A model that returns a tuple returns a list after a config round trip.

`from_config(get_config())` is what loading a saved model does, and promises an
equivalent model. A model with a dict of outputs keeps its dict, one with a tuple does
not keep its tuple. Code that checks the type, or adds tuples up, breaks on loading.

Measured: 3.0.0 to 3.5.0, all backends; #20120, in 3.6.0, mended it.
"""

import keras


def tuple_model():
    inputs = keras.Input((1,))
    return keras.Model(inputs, (inputs + 1.0, inputs + 2.0))


def assert_tuple(outputs):
    kind = type(outputs).__name__
    assert kind == "tuple", f"the outputs are a {kind}, promised a tuple"


def test_outputs_are_a_tuple_after_a_round_trip():
    """The structure of the outputs is part of a model."""
    model = keras.Model.from_config(tuple_model().get_config())
    assert_tuple(model(keras.ops.ones((1, 1))))


def workaround_make_it_a_tuple():
    """Turn the outputs into a tuple wherever they are used."""
    model = keras.Model.from_config(tuple_model().get_config())
    assert_tuple(tuple(model(keras.ops.ones((1, 1)))))


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
