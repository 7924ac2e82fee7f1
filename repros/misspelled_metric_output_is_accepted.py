# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.compile: metrics for an output that does not exist are accepted"
# kind = "silent"
# area = "metrics"
# issues = []
# introduced = 22308
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.14.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.compile(metrics=(value := {}))"
# where = [
#   "len(model.outputs) == 1",
#   "any(x not in model.output_names for x in keys(value))",
# ]
# shows = ["raises", "metrics", "names"]
# ///
"""A misspelled output name in `metrics` goes unnoticed in a model of one output.

Metrics by output name are promised to go to the output of that name. Since 3.14.0, the
names are dropped when the model has one output, and the metrics are all given to that
output: `metrics={"auxiliary": ...}`, left over from a model with two outputs, is
reported as if it were asked for the main one. Earlier releases and Keras 2 refuse the
name.

Measured: 3.14.0 to 3.15.1, all backends. With two outputs the name is still refused.
"""

import keras
import numpy as np


def compiled_and_run(metrics):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="price")(inputs))
    model.compile("sgd", "mse", metrics=metrics, run_eagerly=True)
    ones = np.ones((1, 1), "float32")
    model.test_on_batch(ones, ones)
    return model


def test_metric_for_an_unknown_output_is_refused():
    """There is no output "prize"."""
    try:
        compiled_and_run({"prize": ["mae"]})
    except ValueError:
        return
    raise AssertionError("a metric for the unknown output 'prize' was accepted")


def workaround_check_the_names():
    """Compare the names with those of the model before training."""
    model = compiled_and_run(None)
    unknown = {"prize"} - set(model.output_names)
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
