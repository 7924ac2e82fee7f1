# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MeanIoU: sample weights below one count as zero"
# kind = "silent"
# area = "metrics"
# issues = [20584]
# introduced = 20584
# docs = ["https://keras.io/api/metrics/segmentation_metrics/"]
# affected = ">=3.8.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "metric = keras.metrics.MeanIoU(dtype=absent | None)",
#   "metric.update_state(args=[_, _, (value := not None)]) | metric.update_state(sample_weight=(value := not None))",
# ]
# where = ["any(x != 0 and x < 1 for x in flat(value))"]
# shows = ["metrics"]
#
# [[tool.krepro.trigger]]
# code = [
#   "metric = keras.metrics.MeanIoU(dtype=absent | None)",
#   "model.compile(weighted_metrics=has(metric))",
#   "runs(model, sample_weight=not None) | model.fit(class_weight=not None)",
# ]
# where = ['perhaps("the weights are no whole numbers")']
# shows = ["metrics"]
# ///
"""Fractional sample weights are cut down to whole numbers.

The documented example of `MeanIoU` with `sample_weight=[0.3, 0.3, 0.3, 0.1]` results in
0.0: since 3.8.0 the confusion matrix holds integers, and every weight below one is cut
to zero. A warning says that float weights may lead to wrong weights, but not when the
weights are a plain list, which has no `dtype`.

Measured: 3.8.0 to 3.15.1, all backends; #20584 brought it in, because a matrix of
32-bit floats cannot count beyond 2**24 pixels. Such a matrix can still be asked for.
"""

import keras
import numpy as np

Y_TRUE = [0, 0, 1, 1]
Y_PRED = [0, 1, 0, 1]
SAMPLE_WEIGHT = [0.25, 0.25, 0.25, 0.75]


def promised():
    matrix = np.zeros((2, 2))
    np.add.at(matrix, (Y_TRUE, Y_PRED), SAMPLE_WEIGHT)
    hits = np.diag(matrix)
    return np.mean(hits / (matrix.sum(axis=0) + matrix.sum(axis=1) - hits))


def assert_mean_iou(metric):
    metric.update_state(Y_TRUE, Y_PRED, sample_weight=SAMPLE_WEIGHT)
    observed = float(metric.result())
    message = f"mean IoU {observed}, promised {promised()}"
    assert abs(observed - promised()) < 1e-5, message


def test_fractional_weights_count():
    """The intersection over the union of the weighted confusion matrix."""
    assert_mean_iou(keras.metrics.MeanIoU(num_classes=2))


def workaround_float_dtype():
    """Ask for a matrix of floats."""
    assert_mean_iou(keras.metrics.MeanIoU(num_classes=2, dtype="float32"))


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
