# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "BatchNormalization: padded steps count in the statistics"
# kind = "silent"
# area = "masking"
# issues = [18759, 18921]
# fixed = 18921
# docs = ["https://keras.io/api/layers/normalization_layers/batch_normalization/"]
# affected = ">=3.0.0,<3.0.2"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.BatchNormalization()",
#   "layer(inputs=tensor)",
#   "trains(model)",
# ]
# where = ["masked(tensor)", "layer in model"]
# shows = ["loss", "weights", "outputs"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.BatchNormalization()",
#   "not layer(inputs=_)",
#   "trains(model)",
# ]
# where = ["layer in model", "masked(model)"]
# shows = ["loss", "weights", "outputs"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.BatchNormalization()",
#   "layer(inputs=_, mask=not None)",
# ]
# shows = ["loss", "weights", "outputs"]
# ///
"""The mean of a batch is computed over its padding, too.

After `Masking` or `Embedding(mask_zero=True)`, `BatchNormalization` gets a mask. The
early releases do not look at it: the zeros of the padding pull mean and variance down,
the more the shorter the sequences are. The documentation of `mask` has the statistics
over the positions that are not masked.

Measured: 3.0.0 and 3.0.1, all backends; #18921 mended it in 3.0.2. For inputs of one
feature it brought in `batchnorm_mask_of_one_feature_raises`.
"""

import keras
import numpy as np

STEPS = np.array([2.0, 4.0, 9.0], "float32")
MASK = np.array([[True, True, False]])
X = np.stack([STEPS, STEPS], axis=-1)[np.newaxis]  # one sample, two features
PROMISED_MEAN = np.mean(STEPS[MASK[0]])


def assert_moving_mean(x, **call):
    layer = keras.layers.BatchNormalization(momentum=0.0)
    layer(x, training=True, **call)
    mean = np.ravel(layer.get_weights()[2]).tolist()
    message = f"moving mean {mean}, promised {PROMISED_MEAN} for both features"
    assert mean == [PROMISED_MEAN] * 2, message


def test_masked_steps_do_not_count():
    """The mean of the steps that are not masked."""
    assert_moving_mean(X, mask=MASK)


def workaround_drop_the_padding():
    """Leave the padding out where batches can be cut to their real length."""
    assert_moving_mean(X[:, MASK[0]])


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
