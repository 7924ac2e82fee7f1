# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: loss_weights as a list is rejected with one output"
# kind = "crash"
# area = "losses"
# issues = [19250, 19582, 19780]
# introduced = 18975
# fixed = 20015
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = [
#     "ValueError: When there is only a single output, the `loss_weights`",
#     "ValueError: Expected `loss_weights` argument to be a list, tuple, or dict",
# ]
# affected = ">=3.0.2,<3.5.0"
# keras2 = "unaffected"
# works = {workaround_float = ">=3.3.0"}
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss_weights=[])"
# where = ["len(model.outputs) == 1"]
# shows = ["raises"]
# ///
"""A model with one output does not take its loss weight as a list.

`compile(loss="mse", loss_weights=[2.0])` is refused with "must be a Python float". The
`compile()` docstring asks for a list or a dict, with one entry for each output; it does
not mention a float.

Measured: all backends, 3.0.2 to 3.4.1; 3.0.0 and 3.0.1 take it. A float is refused
up to 3.2.1 ("to be a list, tuple, or dict"), so from 3.0.2 to 3.2.1 no form works.
"""

import keras
import numpy as np

X = np.ones((4, 1), "float32")
Y = np.zeros((4, 1), "float32")
WEIGHT = 2.0
PROMISED_LOSS = WEIGHT * np.mean((X - Y) ** 2)  # the kernel is 1: it predicts its input


def assert_total(loss_weights):
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile("sgd", "mse", loss_weights=loss_weights, run_eagerly=True)
    total = float(model.train_on_batch(X, Y))
    assert total == PROMISED_LOSS, f"loss {total}, promised {PROMISED_LOSS}"


def test_list_with_one_weight_weights_the_one_output():
    """A list of loss weights has one entry for each output."""
    assert_total([WEIGHT])


def workaround_float():
    """Pass the weight as a float."""
    assert_total(WEIGHT)


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
