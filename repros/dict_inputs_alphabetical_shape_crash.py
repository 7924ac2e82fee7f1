# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Functional: a dict of inputs of different shapes raises"
# kind = "crash"
# area = "data"
# issues = []
# introduced = "8cb1829d1e"
# fixed = "1e8426b2f5"
# docs = [
#     "https://keras.io/guides/functional_api/",
#     "https://keras.io/api/models/model_training_apis/",
# ]
# related = ["dict_inputs_swapped_alphabetically"]
# symptom = [
#     "ValueError: ...is incompatible with the layer: expected axis -1",
#     "RuntimeError: Unable to automatically build the model",
# ]
# affected = ">=3.4.0,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.Input(name=(value := string))",
#   "keras.Input(name=(value_later := string))",
#   "runs(model, x={}) | model.predict(x={})",
# ]
# where = [
#   "value > value_later",
#   "len(model.inputs) > 1",
#   "not isinstance(model.input, dict)",
#   'perhaps("the inputs are in this order, and differ in shape")',
# ]
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.Input(name=(value := string))",
#   "keras.Input(name=(value_later := string))",
#   "model(inputs={})",
# ]
# where = [
#   "value > value_later",
#   "len(model.inputs) > 1",
#   "not isinstance(model.input, dict)",
#   'perhaps("the inputs are in this order, and differ in shape")',
# ]
# shows = ["raises"]
# ///
"""A model with inputs of different shapes cannot be fed by the names of the inputs.

`Model(inputs=[title, tags], ...)` and `fit({"title": ..., "tags": ...})`, as in the guide
to the functional API: the dict is dealt out in the order of the alphabet, the title's
layer gets the tags and complains about their shape. The message names neither the input
nor the order; from 3.5.0 on `fit` wraps it in "Unable to automatically build the model" on
JAX and torch. With equal shapes the same happens without a word:
`dict_inputs_swapped_alphabetically`.

Measured: 3.4.0 to 3.6.0, all backends.
"""

import keras
import numpy as np

TITLE, TAGS = np.array([[1.0, 1.0]], "float32"), np.array([[0.5, 0.0, 0.0]], "float32")
PROMISED = float(TITLE.sum())  # the kernel is 1 for the title, 0 for the tags


def assert_predicts(first="title", second="tags", names_of_inputs=False, by_name=True):
    inputs = {
        first: keras.Input(TITLE.shape[1:], name=first),
        second: keras.Input(TAGS.shape[1:], name=second),
    }
    parts = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer=kernel)(part)
        for part, kernel in zip(inputs.values(), ["ones", "zeros"], strict=True)
    ]
    outputs = keras.layers.Add()(parts)
    model = keras.Model(inputs if names_of_inputs else list(inputs.values()), outputs)
    x = {first: TITLE, second: TAGS} if by_name else [TITLE, TAGS]
    predicted = float(model.predict(x, verbose=0).item())
    assert predicted == PROMISED, f"predicted {predicted}, of the title {PROMISED}"


def test_inputs_of_different_shapes_are_found_by_name():
    """A title of two numbers, and tags of three."""
    assert_predicts()


def workaround_list_of_arrays():
    """Pass the arrays as a list, in the order of the inputs."""
    assert_predicts(by_name=False)


def workaround_dict_of_inputs():
    """Build the model with a dict of its inputs."""
    assert_predicts(names_of_inputs=True)


def workaround_name_the_inputs_alphabetically():
    """Give the inputs names that are in alphabetical order."""
    assert_predicts("a_title", "b_tags")


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
