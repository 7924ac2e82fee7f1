# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.11.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Concatenate: masked inputs raise when the batch size is not known"
# kind = "crash"
# area = "masking"
# issues = [21611]
# introduced = 19685
# fixed = 21611
# docs = ["https://keras.io/guides/understanding_masking_and_padding/"]
# symptom = [
#     "TypeError: ...BroadcastTo.call()",
#     "ValueError: ...BroadcastTo.call()",
# ]
# affected = ">=3.4.0,<3.12.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "layer(inputs=(value := []))",
# ]
# where = [
#   "isinstance(layer, keras.layers.Concatenate)",
#   "any(masked(x) for x in value)",
# ]
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "keras.layers.concatenate(inputs=(value := []))",
# ]
# where = ["any(masked(x) for x in value)"]
# shows = ["raises"]
# ///
"""A model that concatenates masked sequences builds, but cannot be called.

Since `Concatenate` passes masks on (see `merge_layers_drop_masks`), it widens each mask
to the shape of its input, while the model is built. The size of the batch is not known
at that time, and `None` ends up in an operation that runs with every call.

Measured: 3.4.0 to 3.11.3, all backends; #19685 brought it in, #21611, in 3.12.0, mended
it.
"""

import keras
import numpy as np

X = np.array([[[1.0], [3.0]]], "float32")  # no step of it is padding
PROMISED = [np.mean(X)] * 2


def assert_pooled(batch_size=None):
    inputs = keras.Input((2, 1), batch_size=batch_size)
    masked = keras.layers.Masking(0.0)(inputs)
    both = keras.layers.Concatenate()([masked, masked])
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(both))
    pooled = [float(value) for value in model(X)[0]]
    assert pooled == PROMISED, f"pooled {pooled}, promised {PROMISED}"


def test_masked_inputs_can_be_concatenated():
    """The mean over the steps, of both features."""
    assert_pooled()


def workaround_known_batch_size():
    """Declare the batch size."""
    assert_pooled(batch_size=1)


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
