# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "LogCoshError: the documented example gives another number"
# kind = "divergence"
# area = "metrics"
# issues = []
# docs = ["https://keras.io/api/metrics/regression_metrics/"]
# symptom = "TypeError: Cannot convert -2.0 to EagerTensor"
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "metric = keras.metrics.LogCoshError()",
#   "metric.update_state(args=[_, value, ...]) | metric.update_state(y_pred=value)",
# ]
# where = [
#   'all(isinstance(x, int) for x in flat(value)) or (isinstance(value, numpy.ndarray) and perhaps("they are whole numbers"))',
# ]
# shows = ["raises", "metrics"]
# ///
"""The metric computes with integers when it is given integers.

The documented example passes lists of whole numbers and shows 0.1084. JAX and torch
answer 0.8016: log(2), cut to the integer 0, is missing from the formula. TensorFlow
raises. The loss of the same name turns its arguments into floats and is right.

Measured: 3.0.0 to 3.15.1, all backends. Keras 2 gives the documented number.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

Y_TRUE = [[0, 1], [0, 0]]  # as documented
Y_PRED = [[1, 1], [0, 0]]
PROMISED = np.mean(np.log(np.cosh(np.subtract(Y_PRED, Y_TRUE))))


def assert_error(dtype):
    metric = keras.metrics.LogCoshError()
    metric.update_state(np.array(Y_TRUE, dtype), np.array(Y_PRED, dtype))
    observed = float(metric.result())
    message = f"error {observed}, promised {PROMISED}"
    assert abs(observed - PROMISED) < 1e-5, message


def test_error_of_whole_numbers():
    """The logarithm of the hyperbolic cosine of the error."""
    assert_error("int32")


def workaround_floats():
    """Pass floats."""
    assert_error("float32")


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
