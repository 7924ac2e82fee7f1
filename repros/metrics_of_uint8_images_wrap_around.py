# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MeanAbsoluteError: errors of uint8 images wrap around"
# kind = "silent"
# area = "metrics"
# issues = []
# docs = ["https://keras.io/api/metrics/base_metric/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
# ///
"""A pixel that is darker by one has the error 255.

Images are often kept as `uint8`. A metric of two such images subtracts them as `uint8`:
the difference of 3 and 4 is 255, or 1, depending on the order. The documentation has
metrics compute in their own `dtype`, which is float32 unless set. The loss of the same
name does so.

Measured: 3.0.0 to 3.15.1, all backends. Keras 2 turns both images into floats.
"""

import keras
import numpy as np

IMAGE = np.array([[3], [4]], "uint8")
RECONSTRUCTED = np.array([[4], [3]], "uint8")
PROMISED = np.mean(np.abs(RECONSTRUCTED.astype("float32") - IMAGE))


def assert_error(dtype):
    metric = keras.metrics.MeanAbsoluteError()
    metric.update_state(IMAGE.astype(dtype), RECONSTRUCTED.astype(dtype))
    observed = float(metric.result())
    assert observed == PROMISED, f"error {observed}, promised {PROMISED}"


def test_error_of_images():
    """Every pixel is off by one."""
    assert_error("uint8")


def workaround_floats():
    """Turn the images into floats first."""
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
