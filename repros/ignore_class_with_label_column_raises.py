# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.3.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "SparseCategoricalCrossentropy: ignore_class fails for a column of labels"
# kind = "crash"
# area = "losses"
# issues = [19838]
# fixed = 19838
# docs = ["https://keras.io/api/losses/probabilistic_losses/"]
# symptom = "ValueError: Arguments `target` and `output` must have the same shape"
# affected = ">=3.0.0,<3.4.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=not None)"
# where = ['perhaps("the labels have a last axis of one")']
# shows = ["raises"]
# ///
"""Labels of shape `(samples, 1)` cannot be used with `ignore_class`.

Without `ignore_class` such a column of labels is accepted and squeezed. With it, the
predictions grow a dimension on the way, and an error names shapes that the user never
wrote.

Measured: 3.0.0 to 3.3.3, all backends; #19838, in 3.4.0, mended it.
"""

import keras
import numpy as np

IGNORED = -1
LABELS = np.array([[0], [IGNORED]], "int32")
PROBABILITIES = np.array([[0.5, 0.5], [0.25, 0.75]], "float32")
PROMISED_LOSS = -np.log(PROBABILITIES[0, 0])


def assert_loss(labels):
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=IGNORED)
    observed = float(loss(labels, PROBABILITIES))
    message = f"loss {observed}, promised {PROMISED_LOSS}"
    assert abs(observed - PROMISED_LOSS) < 1e-6, message


def test_column_of_labels_with_an_ignored_class():
    """The loss of the one row that is not ignored."""
    assert_loss(LABELS)


def workaround_flat_labels():
    """Pass the labels as a flat array."""
    assert_loss(LABELS[:, 0])


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
