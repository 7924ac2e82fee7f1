# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "SparseCategoricalCrossentropy metric: the documented example raises"
# kind = "crash"
# area = "metrics"
# issues = []
# introduced = 19838
# docs = ["https://keras.io/api/metrics/probabilistic_metrics/"]
# symptom = "AttributeError: 'list' object has no attribute 'shape'"
# affected = ">=3.4.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "metric = keras.metrics.SparseCategoricalCrossentropy()",
#   "metric.update_state(args=[[], ...]) | metric.update_state(y_true=[])",
# ]
# shows = ["raises"]
# ///
"""The metric takes no lists any more, unlike all others.

Every metric of the documentation is shown with plain lists, and this one is no
exception. Since 3.4.0 it asks its labels for a `shape` before they are turned into a
tensor.

Measured: 3.4.0 to 3.15.1, all backends.
"""

import keras
import numpy as np

LABELS = [1, 2]  # as documented
PROBABILITIES = [[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]]
PROMISED = -np.mean(np.log([0.95, 0.1]))


def assert_crossentropy(labels, probabilities):
    metric = keras.metrics.SparseCategoricalCrossentropy()
    metric.update_state(labels, probabilities)
    observed = float(metric.result())
    message = f"crossentropy {observed}, promised {PROMISED}"
    assert abs(observed - PROMISED) < 1e-5, message


def test_labels_in_a_list():
    """The mean over both rows, as documented."""
    assert_crossentropy(LABELS, PROBABILITIES)


def workaround_arrays():
    """Pass NumPy arrays."""
    assert_crossentropy(np.array(LABELS), np.array(PROBABILITIES, "float32"))


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
