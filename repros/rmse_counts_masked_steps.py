# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "RootMeanSquaredError: masked steps count, though not in MeanSquaredError"
# kind = "silent"
# area = "masking"
# issues = []
# docs = [
#   "https://keras.io/guides/understanding_masking_and_padding/",
#   "https://keras.io/api/metrics/regression_metrics/",
# ]
# affected = ">=3.0.0"
# keras2 = "unaffected"
# related = ["weighted_metrics_ignore_masks"]
# works = {workaround_root_of_the_mean_squared_error = ">=3.12.0"}
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "model.compile(metrics=has(keras.metrics.RootMeanSquaredError)) | model.compile(weighted_metrics=has(keras.metrics.RootMeanSquaredError))",
#   "runs(model, sample_weight=absent | None)",
# ]
# where = ["masked(model)"]
# shows = ["metrics"]
# ///
"""With padding, RootMeanSquaredError is not the root of MeanSquaredError.

A model with `Masking` or `Embedding(mask_zero=True)` carries a mask to its output, and the
masking guide has padded steps as something to ignore. Since 3.12.0 (#21569) metrics do as
the loss does: the mask is handed on to their mean. `RootMeanSquaredError` squares the error
itself, on the way to the mean, and the mask is lost: padding counts as fully as data.

Measured: every release; Keras 2 leaves the padding out. Found by drawing programs.
"""

import keras
import numpy as np

TOKENS = np.array([[1, 0], [1, 1]], "int32")  # 0 is padding
TARGETS = np.array([[[2.0], [100.0]], [[2.0], [2.0]]], "float32")
PROMISED = 2.0  # the model says 0


def observed(metric):
    """What evaluate says of a metric."""
    inputs = keras.Input((2,), dtype="int32")
    embedding = keras.layers.Embedding(2, 1, mask_zero=True, embeddings_initializer="zeros")
    model = keras.Model(inputs, embedding(inputs))
    model.compile("sgd", "mse", metrics=[metric], run_eagerly=True)
    return float(model.evaluate(TOKENS, TARGETS, verbose=0)[1])


def test_masked_steps_do_not_count():
    """The error is that of the steps that are not masked."""
    found = observed(keras.metrics.RootMeanSquaredError())
    assert np.isclose(found, PROMISED), f"{found}, promised {PROMISED}"


def workaround_root_of_the_mean_squared_error():
    """Take the root of MeanSquaredError."""
    found = observed(keras.metrics.MeanSquaredError()) ** 0.5
    assert np.isclose(found, PROMISED), f"{found}, promised {PROMISED}"


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
