# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.4", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Mean: weights with a negative sum give huge numbers"
# kind = "silent"
# area = "metrics"
# issues = [19162]
# fixed = 19162
# docs = ["https://keras.io/api/metrics/reduction_metrics/"]
# affected = ">=3.0.0,<3.0.5"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "metric = keras.metrics.Mean()",
#   "metric.update_state(sample_weight=(value := not None))",
# ]
# where = ["all(x < 0 for x in flat(value))"]
# shows = ["metrics"]
# ///
"""The weighted mean of 1 and 3 is minus forty million, when the weights are negative.

The sum of the weights is raised to `epsilon()` before the division, as if it could only
be too small. Rewards and advantages, which people use as weights in reinforcement
learning, are often negative.

Measured: 3.0.0 to 3.0.4, all backends; #19162, in 3.0.5, mended it.
"""

import keras
import numpy as np

VALUES = np.array([1.0, 3.0], "float32")
WEIGHTS = np.array([-1.0, -1.0], "float32")
PROMISED = np.average(VALUES, weights=WEIGHTS)


def assert_mean(observed):
    assert observed == PROMISED, f"mean {observed}, promised {PROMISED}"


def test_mean_with_negative_weights():
    """Weights of -1 are equal weights."""
    metric = keras.metrics.Mean()
    metric.update_state(VALUES, sample_weight=WEIGHTS)
    assert_mean(float(metric.result()))


def workaround_two_sums():
    """Divide one sum by the other."""
    total, count = keras.metrics.Sum(), keras.metrics.Sum()
    total.update_state(VALUES, sample_weight=WEIGHTS)
    count.update_state(WEIGHTS)
    assert_mean(float(total.result()) / float(count.result()))


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
