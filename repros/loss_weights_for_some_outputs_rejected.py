# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: loss_weights that name some of the outputs are refused"
# kind = "crash"
# area = "losses"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = ["KeyError: 'area'", "ValueError: ...loss_weights"]
# affected = ">=3.5.0"
# keras2 = "unaffected"
# related = ["dict_loss_for_some_outputs_rejected", "misspelled_loss_weight_is_applied"]
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss_weights=(value := {}))"
# where = [
#   "len(model.outputs) > 1",
#   "any(x not in keys(value) for x in model.output_names)",
# ]
# shows = ["raises"]
# ///
"""`loss_weights={"price": 2.0}` stops the training of a model with other outputs.

The weights in a dictionary are coefficients by the names of outputs; up to 3.4.1, and in
Keras 2, an output that it does not name had the weight 1. Since then such a dictionary is
refused in the first step: with a bare `KeyError` of the missing name where the model has
a list of outputs, with a message about the number of losses where it has a dictionary.

Measured: see `affected`; documentation only shows dictionaries that name all outputs.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = np.zeros((2, 1), "float32")


def compiled(loss_weights):
    """A model whose outputs are 1 and 2 in all rows."""
    inputs = keras.Input((1,))
    outputs = [
        keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in (("area", 1.0), ("price", 2.0))
    ]
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd",
        loss={"area": "mse", "price": "mse"},
        loss_weights=loss_weights,
        run_eagerly=True,
    )
    return model


def check(loss_weights):
    loss = np.ravel(compiled(loss_weights).test_on_batch(X, [Y, Y]))[0]
    promised = 1.0 * 1.0**2 + 0.5 * 2.0**2
    assert np.isclose(loss, promised), f"loss {loss}, promised {promised}"


def test_the_other_output_has_weight_one():
    """The output that is not named counts as it would without weights."""
    check({"price": 0.5})


def workaround_name_all_outputs():
    """Give each output its weight."""
    check({"area": 1.0, "price": 0.5})


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
