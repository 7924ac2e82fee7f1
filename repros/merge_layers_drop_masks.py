# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.3.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Add: the mask of masked inputs is lost"
# kind = "silent"
# area = "masking"
# issues = [19685]
# fixed = 19685
# docs = ["https://keras.io/guides/understanding_masking_and_padding/"]
# affected = ">=3.0.0,<3.4.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "layer(inputs=(value := []))",
# ]
# where = [
#   "isinstance(layer, (keras.layers.Add, keras.layers.Subtract, keras.layers.Multiply, keras.layers.Average, keras.layers.Maximum, keras.layers.Minimum, keras.layers.Concatenate))",
#   "any(masked(x) for x in value)",
# ]
# shows = ["loss", "weights", "metrics", "outputs"]
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "keras.layers.add(inputs=(value := [])) | keras.layers.subtract(inputs=(value := [])) | keras.layers.multiply(inputs=(value := [])) | keras.layers.average(inputs=(value := [])) | keras.layers.maximum(inputs=(value := [])) | keras.layers.minimum(inputs=(value := [])) | keras.layers.concatenate(inputs=(value := []))",
# ]
# where = ["any(masked(x) for x in value)"]
# shows = ["loss", "weights", "metrics", "outputs"]
# ///
"""After a residual connection, padding counts again.

Two branches of a model share a mask and are added up. The masking guide has Keras pass
masks on through the layers, but up to 3.3.3 `Add`, `Multiply`, `Average`, `Concatenate`
and the other merging layers do not: pooling and recurrent layers behind them take the
padding for data.

Measured: 3.0.0 to 3.3.3, all backends; #19685, in 3.4.0, mended it.
"""

import keras
import numpy as np

PADDING = 0.0
X = np.array([[[1.0], [3.0], [PADDING]]], "float32")
PROMISED = np.mean(2 * X[X != PADDING])


def assert_pooled(**options):
    masking = keras.layers.Masking(PADDING)
    masked = masking(X)
    total = keras.layers.Add()([masked, masked])
    if options.get("pass_mask"):
        mask = masking.compute_mask(X)
        pooled = keras.layers.GlobalAveragePooling1D()(total, mask=mask)
    else:
        pooled = keras.layers.GlobalAveragePooling1D()(total)
    observed = float(pooled[0, 0])
    assert observed == PROMISED, f"pooled {observed}, promised {PROMISED}"


def test_pooling_leaves_out_the_padding_of_a_sum():
    """The mean of the steps that are not masked."""
    assert_pooled()


def workaround_pass_the_mask():
    """Pass the mask to the layer that needs it."""
    assert_pooled(pass_mask=True)


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
