# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: dict loss_weights with a list of losses go by the alphabet"
# kind = "silent"
# area = "losses"
# issues = []
# introduced = 20015
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.5.0"
# applies = ">=3.5.0"
# keras2 = "unaffected"
# works = {workaround_dicts = [">=3.0.0,<3.5.0", ">=3.7.0"]}
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss=[], loss_weights={})"
# where = [
#   "len(model.outputs) > 1",
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
# ]
# shows = ["raises", "loss", "weights"]
# ///
"""Loss weights by output name go to the wrong outputs when the losses are a list.

`loss=["mse", "mae"], loss_weights={"price": 10.0, "area": 1.0}` on a model with outputs
`[price, area]` gives the price the weight 1 and the area 10: the weights are sorted by
name, then dealt out in that order. Nothing is said, and the model trains on another
sum. The `compile()` docstring promises that a dict maps output names to coefficients.

Measured: 3.5.0 to 3.15.1, all backends. Up to 3.4.1 the combination is refused with a
clear ValueError. Keras 2 does as promised. When losses and weights are both lists the
weights are right everywhere; when both are dicts, except in 3.5.0 and 3.6.0 (there the
losses are swapped as well: `dict_losses_applied_alphabetically`).
"""

import unittest

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


PROMISED_LOSS = 10.0 * MSE_OF_PRICE + 1.0 * MAE_OF_AREA


def assert_total(losses, loss_weights):
    model = two_outputs()
    try:
        model.compile("sgd", losses, loss_weights=loss_weights, run_eagerly=True)
        logs = model.train_on_batch(X, TARGETS, return_dict=True)
    except ValueError as error:
        if "should also be provided as a" not in str(error):
            raise
        raise unittest.SkipTest("this release refuses to mix list and dict") from error
    total = float(logs["loss"])
    assert total == PROMISED_LOSS, f"total loss {total}, promised {PROMISED_LOSS}"


def test_each_weight_is_applied_to_the_output_of_its_name():
    """The total is the sum of the losses, each times the weight of its output."""
    assert_total(["mse", "mae"], {"price": 10.0, "area": 1.0})


def workaround_lists():
    """Pass both losses and weights as lists, in the order of the outputs."""
    assert_total(["mse", "mae"], [10.0, 1.0])


def workaround_dicts():
    """Pass both losses and weights as dicts."""
    assert_total({"price": "mse", "area": "mae"}, {"price": 10.0, "area": 1.0})


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
