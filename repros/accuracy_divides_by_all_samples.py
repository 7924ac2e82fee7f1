# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.3.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "BinaryAccuracy: sample weights of a flat array are averaged away"
# kind = "silent"
# area = "metrics"
# issues = [19847]
# fixed = 19847
# docs = ["https://keras.io/api/metrics/accuracy_metrics/"]
# affected = ">=3.0.0,<3.4.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "metric = keras.Metric()",
#   "metric.update_state(args=[_, _, not None]) | metric.update_state(sample_weight=not None)",
# ]
# where = [
#   "isinstance(metric, (keras.metrics.BinaryAccuracy, keras.metrics.Accuracy))",
#   'perhaps("the labels are flat")',
# ]
# shows = ["metrics"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(loss=keras.losses.BinaryCrossentropy, weighted_metrics=has('accuracy' | 'acc' | keras.metrics.BinaryAccuracy))",
#   "runs(model, sample_weight=not None) | model.fit(class_weight=not None)",
# ]
# where = ['perhaps("the labels are flat")']
# shows = ["metrics"]
# ///
"""`BinaryAccuracy` and `Accuracy` ignore which samples are weighted.

For flat labels the weights have no effect at all: the accuracy is averaged over all
samples first. The documented example of `BinaryAccuracy` with the weights `[1, 0, 0,
1]` gives 0.75 in place of the documented 0.5.

Measured: 3.0.0 to 3.3.3, all backends; #19847, in 3.4.0, mended it. Labels as a column
are not affected.
"""

import keras
import numpy as np

LABELS = np.array([1.0, 1.0, 0.0, 0.0], "float32")
PREDICTIONS = np.array([1.0, 1.0, 0.0, 0.75], "float32")
SAMPLE_WEIGHT = np.array([1.0, 0.0, 0.0, 1.0], "float32")
PROMISED = np.average(np.round(PREDICTIONS) == LABELS, weights=SAMPLE_WEIGHT)


def assert_accuracy(metric, labels, predictions):
    metric.update_state(labels, predictions, sample_weight=SAMPLE_WEIGHT)
    observed = float(metric.result())
    assert observed == PROMISED, f"accuracy {observed}, promised {PROMISED}"


def test_binary_accuracy_is_the_weighted_mean():
    """Of the two samples that count, one is right."""
    assert_accuracy(keras.metrics.BinaryAccuracy(), LABELS, PREDICTIONS)


def test_accuracy_is_the_weighted_mean():
    """The same with labels on both sides."""
    assert_accuracy(keras.metrics.Accuracy(), LABELS, np.round(PREDICTIONS))


def workaround_labels_as_a_column():
    """Pass labels and predictions with the shape `(samples, 1)`."""
    metric = keras.metrics.BinaryAccuracy()
    assert_accuracy(metric, LABELS[:, np.newaxis], PREDICTIONS[:, np.newaxis])


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
