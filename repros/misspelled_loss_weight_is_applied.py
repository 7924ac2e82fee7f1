# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: loss_weights by a name that does not exist are applied"
# kind = "silent"
# area = "losses"
# issues = []
# introduced = 20015
# fixed = "1e8426b2f5"
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.5.0,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss_weights=(value := {}))"
# where = [
#   "len(model.outputs) > 1",
#   "any(x not in model.output_names for x in keys(value))",
# ]
# shows = ["raises", "loss", "weights"]
# ///
"""A misspelled output name in `loss_weights` is accepted and used.

Weights by output name are promised to go to the output of that name. In 3.5.0 and 3.6.0
the names are not compared with those of the model: the weights are dealt out in order,
and a typing error stays unnoticed. Other releases and Keras 2 refuse such a dict (3.7.0
and later with a bare `KeyError`).

Measured: 3.5.0 and 3.6.0, all backends. The rewrite of `CompileLoss` (#20015) brought
it in; commit 1e8426b2f5 (no pull request), in 3.7.0, mended it.
"""

import keras
import numpy as np


def compiled_and_run(loss_weights):
    inputs = keras.Input((1,))
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in ("area", "price")]
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd",
        loss={"area": "mse", "price": "mse"},
        loss_weights=loss_weights,
        run_eagerly=True,
    )
    y = np.zeros((1, 1), "float32")
    model.test_on_batch(np.ones((1, 1), "float32"), [y, y])
    return model


def test_weight_for_an_unknown_output_is_refused():
    """There is no output "prize"."""
    try:
        compiled_and_run({"area": 1.0, "prize": 5.0})
    except (ValueError, KeyError):
        return
    raise AssertionError("a weight for the unknown output 'prize' was accepted")


def workaround_check_the_names():
    """Compare the names with those of the model before training."""
    loss_weights = {"area": 1.0, "prize": 5.0}
    model = compiled_and_run(None)
    unknown = set(loss_weights) - set(model.output_names)
    assert unknown == {"prize"}, f"unknown names {unknown}, promised 'prize'"


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
