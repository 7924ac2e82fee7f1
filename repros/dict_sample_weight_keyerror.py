# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: sample_weight as a dict of outputs raises KeyError or is swapped"
# kind = "crash"
# area = "losses"
# issues = [20992]
# introduced = 20015
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# symptom = ["KeyError: 0", "KeyError: 1"]
# affected = ">=3.5.0"
# keras2 = "unaffected"
# related = ["dict_loss_for_some_outputs_rejected"]
#
# [[tool.krepro.trigger]]
# code = "runs(model, sample_weight={}) | model.fit(validation_data=[_, _, {}])"
# where = ["len(model.outputs) > 1", "not isinstance(model.output, dict)"]
# shows = ["raises", "loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = ["model.fit(y={}, sample_weight=_) | model.evaluate(y={}, sample_weight=_)"]
# where = ["len(model.outputs) > 1", "not isinstance(model.output, dict)"]
# shows = ["raises", "loss", "weights"]
# ///
"""Sample weights by output name do not reach the outputs of a functional model.

`fit(x, y, sample_weight={"price": ..., "area": ...})` on a model with a list of outputs
stops with `KeyError: 0` since 3.7.0. In 3.5.0 and 3.6.0 it ran, and gave each output
the other's weights when the names are not in alphabetical order. The training guide
says that data for several outputs may be passed as lists or as dicts of names.

Measured: 3.5.0 to 3.15.1, all backends; earlier releases and Keras 2 do as promised. A
list of weights works everywhere, with losses as a list.
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


NONE, ALL = np.zeros(4, "float32"), np.ones(4, "float32")
PROMISED_LOSS = 0.0 * MSE_OF_PRICE + 1.0 * MAE_OF_AREA


def assert_total(sample_weight):
    model = two_outputs()
    model.compile("sgd", loss=["mse", "mae"], run_eagerly=True)
    logs = model.train_on_batch(X, TARGETS, sample_weight=sample_weight, return_dict=True)
    total = float(logs["loss"])
    assert total == PROMISED_LOSS, f"total loss {total}, promised {PROMISED_LOSS}"


def test_sample_weights_go_to_the_outputs_of_their_names():
    """Rows with a weight of 0 for an output do not count in its loss."""
    assert_total({"price": NONE, "area": ALL})


def workaround_list_of_sample_weights():
    """Pass the sample weights as a list, in the order of the outputs."""
    assert_total([NONE, ALL])


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
