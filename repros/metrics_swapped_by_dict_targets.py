# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.14.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileMetrics: targets in a dict are compared with the wrong outputs"
# kind = "silent"
# area = "metrics"
# issues = [22663]
# introduced = 22308
# fixed = 22663
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# affected = ">=3.14.0,<3.14.1"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(metrics=not None)", "runs(model, y={})"]
# where = [
#   "len(model.outputs) > 1",
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
# ]
# shows = ["metrics"]
# ///
"""Metrics compare each output with the target of another output.

A functional model has the outputs `[price, area]`, its targets are a dict with their
names, as the training guide allows. The losses are right, but the metrics take the
targets in alphabetical order: the error of the price is computed against the area.
Nothing is said; the two numbers are just wrong.

Measured: 3.14.0 and 3.14.1, all backends. Models whose outputs are in alphabetical
order are not affected.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
PREDICTED = {"price": 3.0, "area": 2.0}  # for every row
TARGETS = {"price": 0.0, "area": 1.0}
PROMISED = {
    f"{name}_mae": abs(PREDICTED[name] - TARGETS[name]) for name in ("price", "area")
}


def assert_metrics(targets):
    inputs = keras.Input((1,))
    outputs = [
        keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in PREDICTED.items()
    ]
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd",
        loss=["mse", "mse"],
        metrics={"price": ["mae"], "area": ["mae"]},
        run_eagerly=True,
    )
    logs = model.test_on_batch(X, targets, return_dict=True)
    observed = {name: float(logs[name]) for name in PROMISED}
    assert observed == PROMISED, f"metrics {observed}, promised {PROMISED}"


def arrays():
    return {name: np.full((2, 1), value, "float32") for name, value in TARGETS.items()}


def test_each_output_is_compared_with_its_own_target():
    """Targets by name are those of the outputs with these names."""
    assert_metrics(arrays())


def workaround_list_of_targets():
    """Pass the targets as a list, in the order of the outputs."""
    assert_metrics([arrays()[name] for name in PREDICTED])


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
