# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Functional: a dict of inputs is handed out in alphabetical order"
# kind = "silent"
# area = "data"
# issues = []
# introduced = "8cb1829d1e"
# fixed = "1e8426b2f5"
# docs = [
#     "https://keras.io/guides/functional_api/",
#     "https://keras.io/api/models/model_training_apis/",
# ]
# related = ["dict_inputs_alphabetical_shape_crash", "dict_targets_matched_alphabetically"]
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
#   'perhaps("the inputs are in this order")',
# ]
# shows = ["loss", "trains", "weights", "outputs"]
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
#   'perhaps("the inputs are in this order")',
# ]
# shows = ["loss", "trains", "weights", "outputs"]
# ///
"""Data given by the inputs' names reach other inputs: the arrays change places.

`Model(inputs=[title, tags], ...)` and `fit({"title": ..., "tags": ...})`: the dict is
flattened in the order of the alphabet and dealt out to the inputs in the order of the
list, so the title gets the tags and the tags get the title. Where both have the same
shape nothing is said. A model trained like this and asked like this even seems to work,
but its weights are those of the wrong inputs: in another release, or asked with a list,
it answers nonsense. `Model.fit` documents "a dict mapping input names to the corresponding
array", and the guide to the functional API feeds its model of several inputs so.

Measured: 3.4.0 to 3.6.0, all backends; `fit`, `evaluate`, `predict`, the methods for one
batch and the model as a function. Commit 8cb1829d1e (no pull request) brought it in, commit
1e8426b2f5 (none either) mended it. Inputs of different shapes: see
`dict_inputs_alphabetical_shape_crash`.
"""

import keras
import numpy as np

TITLE, TAGS = np.array([[1.0, 1.0]], "float32"), np.array([[0.5, 0.0]], "float32")
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


def test_each_array_reaches_the_input_of_its_name():
    """A title of two numbers, and tags of two."""
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
