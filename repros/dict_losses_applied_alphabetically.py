# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: dict losses are applied in alphabetical order of the outputs"
# kind = "silent"
# area = "losses"
# issues = [20596]
# introduced = 20015
# fixed = "1e8426b2f5"
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# affected = ">=3.5.0,<3.7.0"
# keras2 = "unaffected"
# related = ["dict_targets_matched_alphabetically"]
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss=(loss := {}))"
# where = [
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
#   "any(x != flat(loss)[0] for x in flat(loss))",
# ]
# shows = ["loss", "output_losses", "trains", "weights"]
#
# [[tool.krepro.trigger]]
# code = "model.compile(loss={}, loss_weights=(value := {}))"
# where = [
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
#   "any(x != flat(value)[0] for x in flat(value))",
# ]
# shows = ["loss", "output_losses", "trains", "weights"]
# ///
"""Losses given by output name are applied to the outputs in alphabetical order.

`loss={"price": "mse", "area": "mae"}` on a functional model with outputs `[price,
area]` trains the price with the mean absolute error and the area with the squared one;
the order in which the dict is written does not matter. Nothing is said, the model
trains on the wrong sum. The training guide promises that a dict names the output for
each loss.

Measured: 3.5.0 and 3.6.0, all backends, targets as a list, a tuple or a dict, two or
three outputs; the per-output losses in the logs are wrong in the same way. Models whose
outputs are in alphabetical order, or a dict, are not affected; nor are metrics by name,
which report the truth on every release. The rewrite of `CompileLoss` brought it in;
commit 1e8426b2f5 (no pull request), in 3.7.0, mended it.
"""

import keras
import numpy as np

X = np.ones((4, 1), "float32")
PRICE, AREA = 3.0, 2.0  # what the model predicts for every row
MSE_OF_PRICE = PRICE**2  # all targets are 0
MAE_OF_AREA = abs(AREA)
TARGETS = [np.zeros((4, 1), "float32"), np.zeros((4, 1), "float32")]


def two_outputs(first="price", second="area"):
    """A model whose outputs are PRICE and AREA, in this order."""
    inputs = keras.Input((1,))
    outputs = {
        name: keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in ((first, PRICE), (second, AREA))
    }
    return keras.Model(inputs, list(outputs.values()))


def logs_of_a_step(model, targets):
    return model.train_on_batch(X, targets, return_dict=True)


def assert_total(model, losses, promised):
    model.compile("sgd", loss=losses, run_eagerly=True)
    total = float(logs_of_a_step(model, TARGETS)["loss"])
    assert total == promised, f"total loss {total}, promised {promised}"


def test_each_loss_is_applied_to_the_output_of_its_name():
    """The total is the sum of the losses, each of its own output."""
    losses = {"price": "mse", "area": "mae"}
    assert_total(two_outputs(), losses, MSE_OF_PRICE + MAE_OF_AREA)


def test_three_losses_are_applied_to_the_outputs_of_their_names():
    """The same with three outputs."""
    model = two_outputs()
    total_area = keras.layers.Rescaling(2.0, name="double_area")(model.outputs[1])
    model = keras.Model(model.inputs, [*model.outputs, total_area])
    losses = {"price": "mse", "area": "mae", "double_area": "mae"}
    model.compile("sgd", loss=losses, run_eagerly=True)
    targets = [*TARGETS, np.zeros((4, 1), "float32")]
    total = float(logs_of_a_step(model, targets)["loss"])
    promised = MSE_OF_PRICE + MAE_OF_AREA + 2 * MAE_OF_AREA
    assert total == promised, f"total loss {total}, promised {promised}"


def workaround_list_of_losses():
    """Pass the losses as a list, in the order of the outputs."""
    assert_total(two_outputs(), ["mse", "mae"], MSE_OF_PRICE + MAE_OF_AREA)


def workaround_name_the_outputs_alphabetically():
    """Give the outputs names that are in alphabetical order."""
    model = two_outputs("a_price", "b_area")
    losses = {"a_price": "mse", "b_area": "mae"}
    assert_total(model, losses, MSE_OF_PRICE + MAE_OF_AREA)


def workaround_check_with_metrics_by_name():
    """Watch each output with a metric by name: metrics go by the name everywhere."""
    model = two_outputs()
    model.compile(
        "sgd",
        loss={"price": "mse", "area": "mae"},
        metrics={"price": ["mse"], "area": ["mae"]},
        run_eagerly=True,
    )
    logs = logs_of_a_step(model, TARGETS)
    observed = (float(logs["price_mse"]), float(logs["area_mae"]))
    promised = (MSE_OF_PRICE, MAE_OF_AREA)
    assert observed == promised, f"metrics {observed}, promised {promised}"


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
