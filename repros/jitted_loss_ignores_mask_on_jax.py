# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.5.0", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "Model.fit: masked steps count in the loss on JAX when compiled"
# kind = "divergence"
# area = "masking"
# issues = []
# fixed = "5b1fca14fc"
# docs = ["https://keras.io/guides/understanding_masking_and_padding/"]
# affected = {jax = ">=3.0.0,<3.6.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "model.compile(run_eagerly=absent | False)",
#   "runs(model)",
# ]
# where = ["masked(model)"]
# shows = ["loss", "weights"]
# ///
"""JAX trains on the padding of sequences, the other backends do not.

A mask that `Masking` or `Embedding(mask_zero=True)` made is lost under `jax.jit`, where
tensors cannot carry attributes. The loss is then computed over padded steps as well.
The masking guide has padded steps as something to ignore; TensorFlow and torch do so.

Measured: 3.0.0 to 3.5.0 on JAX; commit 5b1fca14fc, in 3.6.0, mended it (a file that it
needs came with the next commit).
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

PADDING = 0.0
X = np.array([[[1.0], [2.0], [PADDING]]], "float32")
Y = np.array([[[0.0], [0.0], [9.0]]], "float32")
# The kernel is 1: the model predicts its input.
PROMISED_LOSS = np.mean((X - Y)[X != PADDING] ** 2)


def assert_loss(loss="mse", sample_weight=None):
    inputs = keras.Input((3, 1))
    outputs = keras.layers.Dense(1, kernel_initializer="ones")(
        keras.layers.Masking(PADDING)(inputs)
    )
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss)
    loss = float(model.train_on_batch(X, Y, sample_weight))
    assert loss == PROMISED_LOSS, f"loss {loss}, promised {PROMISED_LOSS}"


def test_compiled_loss_leaves_masked_steps_out():
    """The squared error of the two real steps."""
    assert_loss()


def workaround_sum_of_weighted_steps():
    """Sum up the steps, each with its share of the real ones as its weight."""
    real = (X[..., 0] != PADDING).astype("float32")
    summed = keras.losses.MeanSquaredError(reduction="sum")
    assert_loss(summed, sample_weight=real / np.sum(real))


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
