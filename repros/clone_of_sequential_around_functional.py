# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "clone_model: a Sequential model that holds a functional one cannot be cloned"
# kind = "crash"
# area = "nesting"
# issues = []
# introduced = "8cb1829d1e"
# fixed = "0be3e78459"
# docs = ["https://keras.io/api/models/model/"]
# symptom = [
#     "TypeError: int() argument must be a string",
#     "ValueError: Invalid dtype: tuple",
#     "ValueError: Cannot convert ... to a shape",
# ]
# affected = [">=3.0.0,<3.3.0", ">=3.4.0,<3.5.0"]
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "keras.models.clone_model(model=model)"
# where = [
#   "isinstance(model, keras.Sequential)",
#   "any(isinstance(x, keras.Model) and not isinstance(x, keras.Sequential) for x in model.layers)",
# ]
# shows = ["raises"]
# ///
"""`clone_model` raises for the plainest of transfer learning models.

A `Sequential` of a functional base and a new head, as with `keras.applications`, cannot
be cloned: "int() argument must be a string ... not 'tuple'", or "Invalid dtype: tuple".
The cloned layers are fine one by one; the new `Sequential` fails when it calls them in
turn and the base hands on a tuple.

Measured: up to 3.2.1, and again in 3.4.0 and 3.4.1, all backends. Keras 2 clones it.
"""

import keras

ZEROS = {"kernel_initializer": "zeros"}


def base():
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(2, **ZEROS)(inputs))


def assert_clones(model):
    clone = keras.models.clone_model(model)
    shapes = [weight.shape for weight in clone.get_weights()]
    assert shapes == [weight.shape for weight in model.get_weights()]


def test_sequential_with_functional_base_is_cloned():
    """The clone is a model with weights of the same shapes."""
    head = keras.layers.Dense(1, **ZEROS)
    assert_clones(keras.Sequential([keras.Input((2,)), base(), head]))


def workaround_functional_outer_model():
    """Build the outer model with the functional API, too."""
    inputs = keras.Input((2,))
    assert_clones(keras.Model(inputs, keras.layers.Dense(1, **ZEROS)(base()(inputs))))


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
