# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.14.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MeanIoU: a label out of range raises or not, depending on the backend"
# kind = "divergence"
# area = "metrics"
# issues = [22835]
# fixed = 22844
# docs = ["https://keras.io/api/metrics/segmentation_metrics/"]
# symptom = [
#     "InvalidArgumentError: ...does not index into shape",
#     "IndexError: index 255 is out of bounds",
# ]
# affected = {tensorflow = ">=3.0.0,<3.15.0", torch = ">=3.0.0,<3.15.0"}
#
# [[tool.krepro.trigger]]
# code = "metric = keras.metrics.MeanIoU(ignore_class=absent | None)"
# where = ['perhaps("the labels hold one that is no class, such as 255")']
# shows = ["raises"]
# ///
"""The "void" label 255 of segmentation masks stops training, but not on JAX.

Many data sets mark pixels of no class with 255. Without `ignore_class=255`, TensorFlow
and torch stop with an index error from inside the metric; JAX drops such pixels, and
the same script runs to its end. #22844, in 3.15.0, made all backends drop them.

Measured: 3.0.0 to 3.14.1 on TensorFlow and torch; never on JAX. Keras 2 raises as well,
from a check of its own.
"""

import keras

VOID = 255
Y_TRUE = [0, 1, VOID]
Y_PRED = [0, 1, 1]
PROMISED = 1.0  # both pixels that have a class are right


def assert_mean_iou(**options):
    metric = keras.metrics.MeanIoU(num_classes=2, **options)
    metric.update_state(Y_TRUE, Y_PRED)
    observed = float(metric.result())
    message = f"mean IoU {observed}, promised {PROMISED}"
    assert abs(observed - PROMISED) < 1e-5, message


def test_label_out_of_range_is_left_out():
    """A pixel that belongs to no class counts for no class."""
    assert_mean_iou()


def workaround_ignore_class():
    """Name the label that is no class."""
    assert_mean_iou(ignore_class=VOID)


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
