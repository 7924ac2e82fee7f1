# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: dict targets are matched to the outputs in alphabetical order"
# kind = "silent"
# area = "losses"
# issues = [20346]
# introduced = 20015
# fixed = "1e8426b2f5"
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# affected = ">=3.5.0,<3.7.0"
# keras2 = "unaffected"
# related = ["dict_losses_applied_alphabetically"]
#
# [[tool.krepro.trigger]]
# code = "runs(model, y={})"
# where = [
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
# ]
# shows = ["loss", "output_losses", "weights"]
# ///
"""Targets given by output name are matched to the outputs in alphabetical order.

`fit(x, {"price": ..., "area": ...})` on a functional model with outputs `[price, area]`
computes the loss of each output against the targets of the other, whether the loss is
one string for all or a list. Nothing is said. The training guide promises that targets
may be passed as a dict that maps output names to data.

Measured: 3.5.0 and 3.6.0, all backends. A list of losses, the usual way around
`dict_losses_applied_alphabetically`, does not help here; a list of targets does.
Mended by commit 1e8426b2f5 (no pull request), in 3.7.0.
"""

import keras
import numpy as np

X = np.ones((4, 1), "float32")
PRICE, AREA = 3.0, 2.0  # what the model predicts for every row
PRICES = np.full((4, 1), 3.0, "float32")  # predicted without an error
AREAS = np.full((4, 1), 4.0, "float32")
PROMISED_LOSS = np.mean((PRICES - PRICE) ** 2) + np.mean((AREAS - AREA) ** 2)


def compiled_model(loss, names=("price", "area")):
    inputs = keras.Input((1,))
    outputs = [
        keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in zip(names, (PRICE, AREA), strict=True)
    ]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss, run_eagerly=True)
    return model


def assert_total(model, targets):
    total = float(model.train_on_batch(X, targets, return_dict=True)["loss"])
    assert total == PROMISED_LOSS, f"total loss {total}, promised {PROMISED_LOSS}"


def test_dict_targets_go_to_the_outputs_of_their_names():
    """Each output is compared with the targets of its own name."""
    assert_total(compiled_model("mse"), {"price": PRICES, "area": AREAS})


def test_dict_targets_go_to_their_outputs_with_a_list_of_losses():
    """The same, when there is one loss for each output."""
    assert_total(compiled_model(["mse", "mse"]), {"price": PRICES, "area": AREAS})


def workaround_list_of_targets():
    """Pass the targets as a list, in the order of the outputs."""
    assert_total(compiled_model("mse"), [PRICES, AREAS])


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
