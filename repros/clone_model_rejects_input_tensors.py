# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "clone_model: input_tensors of a Sequential model raises"
# kind = "crash"
# area = "nesting"
# issues = [20550]
# fixed = 20550
# docs = ["https://keras.io/api/models/model/"]
# symptom = [
#     "TypeError: A symbolic KerasTensor cannot be used as a boolean",
#     "ValueError: Argument `input_tensors` must be a KerasTensor",
# ]
# affected = ">=3.0.0,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "keras.models.clone_model(model=model, input_tensors=not None)"
# where = ["isinstance(model, keras.Sequential)"]
# shows = ["raises"]
# ///
"""`clone_model(sequential, input_tensors=tensor)` raises for the documented argument.

The docstring takes a list of input tensors to build the clone upon. With a `Sequential`
model a tensor raises "cannot be used as a boolean", from a line of Keras that asks
`if input_tensors:`.

Measured: up to 3.6.0, all backends. Keras 2 clones the model.
"""

import keras


def build():
    dense = keras.layers.Dense(1, kernel_initializer="ones")
    return keras.Sequential([keras.Input((2,)), dense])


def assert_new_weights_of_the_same_shape(clone, model):
    shapes = [weight.shape for weight in clone.get_weights()]
    assert shapes == [weight.shape for weight in model.get_weights()]
    assert clone.weights[0] is not model.weights[0], "the clone shares its weights"


def test_sequential_is_cloned_upon_a_tensor():
    """The clone is a model with new weights, built upon the tensor."""
    model = build()
    clone = keras.models.clone_model(model, input_tensors=keras.Input((2,)))
    assert_new_weights_of_the_same_shape(clone, model)


def workaround_call_the_clone():
    """Clone without the argument, and call the clone on the tensor."""
    model, tensor = build(), keras.Input((2,))
    clone = keras.models.clone_model(model)
    keras.Model(tensor, clone(tensor))
    assert_new_weights_of_the_same_shape(clone, model)


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
