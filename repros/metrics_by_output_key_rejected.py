# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.11.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: metrics by the keys of a dict of outputs are rejected"
# kind = "crash"
# area = "metrics"
# issues = [21675]
# fixed = 21694
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "ValueError: In the dict argument ..., key ... does not correspond"
# affected = ">=3.0.0,<3.12.0"
#
# [[tool.krepro.trigger]]
# code = "model.compile(metrics=(value := {})) | model.compile(weighted_metrics=(value := {}))"
# where = [
#   "isinstance(model.output, dict)",
#   "not overrides(model, 'call')",
#   "all(x in keys(model.output) for x in keys(value))",
#   "any(x not in model.output_names for x in keys(value))",
# ]
# shows = ["raises"]
# ///
"""Metrics for a model with a dict of outputs must be given by layer names.

`keras.Model(inputs, {"price": ..., "area": ...})` names its outputs by keys, and losses
and targets go by these keys. Metrics by the same keys end in "does not correspond to
any model output", as soon as the last layers have other names, such as `dense_3`.

Measured: 3.0.0 to 3.11.3, all backends; #21694, in 3.12.0, mended it.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
PREDICTED = {"price": 3.0, "area": 2.0}  # for every row; all targets are 0
PROMISED = {f"{name}_mae": abs(value) for name, value in PREDICTED.items()}


def assert_metrics(layer_names):
    inputs = keras.Input((1,))
    outputs = {
        key: keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for (key, value), name in zip(PREDICTED.items(), layer_names, strict=True)
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd",
        loss={"price": "mse", "area": "mse"},
        metrics={"price": ["mae"], "area": ["mae"]},
        run_eagerly=True,
    )
    targets = {key: np.zeros((2, 1), "float32") for key in PREDICTED}
    logs = model.test_on_batch(X, targets, return_dict=True)
    observed = {name: float(logs[name]) for name in PROMISED}
    assert observed == PROMISED, f"metrics {observed}, promised {PROMISED}"


def test_metrics_go_by_the_keys_of_the_outputs():
    """The keys that name losses and targets name metrics too."""
    assert_metrics(["last_layer", "other_layer"])


def workaround_name_the_last_layers_like_the_keys():
    """Give each last layer the name of its key."""
    assert_metrics(["price", "area"])


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
