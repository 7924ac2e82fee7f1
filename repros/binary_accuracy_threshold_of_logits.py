# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "BinaryAccuracy: a threshold of 0 for logits is refused"
# kind = "crash"
# area = "metrics"
# issues = [20101]
# fixed = 20101
# docs = ["https://keras.io/api/metrics/accuracy_metrics/"]
# symptom = "ValueError: Invalid value for argument `threshold`"
# affected = ">=3.0.0,<3.5.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "metric = keras.metrics.BinaryAccuracy(threshold=value)"
# where = ["value <= 0 or value >= 1"]
# shows = ["raises"]
# ///
"""The accuracy of logits cannot be measured.

A model that returns logits, as `BinaryCrossentropy(from_logits=True)` wants, needs
`BinaryAccuracy(threshold=0.0)`. Up to 3.4.1 only thresholds between 0 and 1 are
accepted, both excluded. The documentation has the threshold as any float that decides
whether a prediction is 1 or 0.

Measured: 3.0.0 to 3.4.1, all backends; #20101, in 3.5.0, took the check away. Keras 2
accepts any threshold.
"""

import keras
import numpy as np

LABELS = np.array([[1.0], [0.0]], "float32")
LOGITS = np.array([[0.25], [-0.25]], "float32")
PROMISED = np.mean((LOGITS > 0) == LABELS)


def assert_accuracy(threshold, predictions):
    metric = keras.metrics.BinaryAccuracy(threshold=threshold)
    metric.update_state(LABELS, predictions)
    observed = float(metric.result())
    assert observed == PROMISED, f"accuracy {observed}, promised {PROMISED}"


def test_threshold_of_logits():
    """A logit above zero is a 1."""
    assert_accuracy(0.0, LOGITS)


def workaround_threshold_of_probabilities():
    """Turn the logits into probabilities first."""
    assert_accuracy(0.5, 1 / (1 + np.exp(-LOGITS)))


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
