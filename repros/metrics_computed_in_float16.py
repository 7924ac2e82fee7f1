# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Metric: the errors of a mixed_float16 model are computed in float16"
# kind = "silent"
# area = "metrics"
# issues = []
# docs = ["https://keras.io/api/metrics/base_metric/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.mixed_precision.set_dtype_policy('mixed_float16')",
#   "model.compile(metrics=has(value))",
#   "runs(model)",
# ]
# where = [
#   "means(value, keras.metrics.MeanSquaredError) or means(value, keras.metrics.MeanAbsoluteError) or means(value, keras.metrics.RootMeanSquaredError) or means(value, keras.metrics.MeanAbsolutePercentageError)",
#   "not any(given(x.dtype) for x in layers(model))",
# ]
# shows = ["metrics"]
# ///
"""The metric of a half precision model overflows or is rounded, its loss is not.

Loss and metric are given the same float16 predictions and the same float32 targets. The
loss is computed in float32, as the documentation of `dtype` has it for both (`floatx()`
by default). The metric casts the targets down to float16: an error of 300 has a mean
square of infinity, and the target 3001 is the same as 3000.

Measured: 3.0.0 to 3.15.1, all backends. Keras 2 turns both into float32 first.
"""

import keras
import numpy as np

PREDICTIONS = np.zeros((1, 1), "float16")
TARGETS = np.full((1, 1), 300.0, "float32")
PROMISED = float(np.mean((PREDICTIONS.astype("float32") - TARGETS) ** 2))


def assert_mse(predictions):
    metric = keras.metrics.MeanSquaredError()
    metric.update_state(TARGETS, predictions)
    observed = float(metric.result())
    assert observed == PROMISED, f"mean squared error {observed}, promised {PROMISED}"


def test_metric_is_computed_in_its_own_dtype():
    """The mean squared error in float32."""
    assert_mse(PREDICTIONS)


def workaround_predictions_in_float32():
    """Make the last layer a float32 one, as the mixed precision guide advises."""
    assert_mse(PREDICTIONS.astype("float32"))


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
