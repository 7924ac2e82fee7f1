# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: a dict of losses for some of the outputs is rejected"
# kind = "crash"
# area = "losses"
# issues = []
# introduced = 20015
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# symptom = [
#     "ValueError: ...it should have as many entries as the model has outputs",
#     "ValueError: ...Expected keys ... in loss dict, but found",
#     "ValueError: ...No loss to compute",
# ]
# affected = ">=3.5.0"
# keras2 = "unaffected"
# works = {workaround_none_for_the_other_output = [">=3.0.0,<3.5.0", ">=3.7.0"]}
# related = ["dict_sample_weight_keyerror"]
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss=(loss := {}))"
# where = ["len(loss) < len(model.outputs)", "not isinstance(model.output, dict)"]
# shows = ["raises"]
# ///
"""A dict of losses that leaves out an output is rejected.

The training guide shows how to leave an output without a loss, because it is there for
prediction only: `loss={"class_output": ...}`. Since 3.5.0 a functional model with a
list of outputs answers with a ValueError (from 3.7.0: "Expected keys ... in loss
dict").

Measured: 3.5.0 to 3.15.1, all backends; earlier releases and Keras 2 do as the guide
says. Naming the other output with `None` works, except in 3.5.0 and 3.6.0 (there JAX
trains on a total of 0 without a word). A list with `None` works everywhere.
"""

import keras
import numpy as np

X = np.ones((4, 1), "float32")
PRICE, AREA = 3.0, 2.0  # what the model predicts for every row
MSE_OF_PRICE = PRICE**2  # all targets are 0
MAE_OF_AREA = abs(AREA)
TARGETS = [np.zeros((4, 1), "float32"), np.zeros((4, 1), "float32")]


def two_outputs():
    """A model whose outputs are PRICE and AREA, in this order."""
    inputs = keras.Input((1,))
    outputs = {
        name: keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in (("price", PRICE), ("area", AREA))
    }
    return keras.Model(inputs, list(outputs.values()))


def assert_total(losses):
    model = two_outputs()
    model.compile("sgd", loss=losses, run_eagerly=True)
    total = float(model.train_on_batch(X, TARGETS, return_dict=True)["loss"])
    assert total == MSE_OF_PRICE, f"total loss {total}, promised {MSE_OF_PRICE}"


def test_output_without_a_loss_adds_nothing():
    """Outputs that the dict leaves out are not trained."""
    assert_total({"price": "mse"})


def workaround_none_for_the_other_output():
    """Name all outputs in the dict, with `None` where there is no loss."""
    assert_total({"price": "mse", "area": None})


def workaround_list_with_none():
    """Pass a list with `None` where there is no loss."""
    assert_total(["mse", None])


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
