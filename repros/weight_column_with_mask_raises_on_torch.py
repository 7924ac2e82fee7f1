# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Loss: a column of sample weights cannot be combined with a mask on torch"
# kind = "divergence"
# area = "masking"
# issues = []
# docs = ["https://keras.io/api/losses/"]
# symptom = "RuntimeError: output with shape ... doesn't match the broadcast shape"
# affected = {torch = ">=3.0.0"}
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "runs(model, sample_weight=not None)",
# ]
# where = ["masked(model)", 'perhaps("there is a column of weights")']
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "loss(sample_weight=not None)",
# ]
# where = ["isinstance(loss, keras.losses.Loss)", 'perhaps("there is a column of weights")']
# shows = ["raises"]
# ///
"""Masked sequences with one weight per sample cannot be trained on torch.

Weights of shape `(samples, 1)` are the way to weigh samples of a model that predicts
sequences (a flat array fails: see `sample_weights_of_sequences_raise`). When the output
carries a mask, the weights are multiplied in place on torch, and in place they cannot
grow to the shape of the mask. TensorFlow and JAX compute the promised loss.

Measured: 3.0.0 to 3.15.1 on torch; never on TensorFlow and JAX.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X = np.array([[[1.0], [2.0], [0.0]], [[4.0], [0.0], [0.0]]], "float32")
SAMPLE_WEIGHT = np.array([[2.0], [1.0]], "float32")
REAL = X != 0
# The squared errors of the real steps; the targets are 0.
PROMISED_LOSS = np.sum((X**2 * SAMPLE_WEIGHT[..., np.newaxis])[REAL]) / np.sum(REAL)


def assert_loss(sample_weight):
    masked = keras.layers.Masking(0.0)(X)
    loss = keras.losses.MeanSquaredError()
    observed = float(loss(np.zeros_like(X), masked, sample_weight=sample_weight))
    message = f"loss {observed}, promised {PROMISED_LOSS}"
    assert abs(observed - PROMISED_LOSS) < 1e-5, message


def test_one_weight_per_masked_sequence():
    """The weight of a sample goes to all of its steps."""
    assert_loss(SAMPLE_WEIGHT)


def workaround_one_weight_per_step():
    """Repeat the weight of each sample for all of its steps."""
    assert_loss(np.repeat(SAMPLE_WEIGHT, X.shape[1], axis=1))


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
