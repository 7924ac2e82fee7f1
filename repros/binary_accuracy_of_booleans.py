# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.8.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "BinaryAccuracy: boolean predictions all count as negative"
# kind = "divergence"
# area = "metrics"
# issues = [20782, 20956]
# fixed = 20782
# docs = ["https://keras.io/api/metrics/accuracy_metrics/"]
# symptom = "InvalidArgumentError: Value for attr 'T' of bool is not in the list"
# affected = ">=3.0.0,<3.9.0"
# keras2 = "unaffected"
# ///
"""Predictions that were already compared with a threshold are measured wrongly.

After `metric.update_state(labels, predictions > 0.3)` JAX and torch report the accuracy
of a model that never says "yes": the threshold of the metric is turned into a boolean
too, and nothing is greater than `True`. TensorFlow refuses to compare booleans with a
number.

Measured: 3.0.0 to 3.8.0, all backends; #20782, in 3.9.0, mended it. Keras 2 turns
booleans into numbers first.
"""

import keras
import numpy as np

LABELS = np.array([True, False, True, True])
PREDICTIONS = np.array([True, True, True, True])
PROMISED = np.mean(PREDICTIONS == LABELS)


def assert_accuracy(predictions):
    metric = keras.metrics.BinaryAccuracy()
    metric.update_state(LABELS[:, np.newaxis], predictions[:, np.newaxis])
    observed = float(metric.result())
    assert observed == PROMISED, f"accuracy {observed}, promised {PROMISED}"


def test_accuracy_of_boolean_predictions():
    """The share of predictions that equal their label."""
    assert_accuracy(PREDICTIONS)


def workaround_floats():
    """Turn the predictions into floats."""
    assert_accuracy(PREDICTIONS.astype("float32"))


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
