# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "Model.fit: metrics count masked steps in training, but not in evaluation"
# kind = "divergence"
# area = "masking"
# issues = []
# docs = ["https://keras.io/guides/understanding_masking_and_padding/"]
# affected = {tensorflow = ">=3.0.0,<3.12.0", jax = ">=3.0.0", torch = ">=3.0.0,<3.12.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "model.compile(metrics=not None) | model.compile(weighted_metrics=not None)",
#   "trains(model, sample_weight=absent | None)",
# ]
# where = ["masked(model)"]
# shows = ["metrics"]
# ///
"""On JAX, the accuracy of padded sequences is too low in training, and right after it.

`Masking` and `Embedding(mask_zero=True)` give the output a mask, and padded steps are
left out of loss and metrics (of the metrics since 3.12.0). In a training step on JAX
the predictions pass through `value_and_grad`, which drops the mask, before the metrics
see them: the same data has one accuracy in `fit` and another one in `evaluate`.

Measured: 3.0.0 to 3.15.1 on JAX; on TensorFlow and torch, metrics ignored masks in
evaluation as well up to 3.11.3 (see `weighted_metrics_ignore_masks`), and are right
since.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

PADDING = 0.0
X = np.array([[[1.0], [2.0], [PADDING]]], "float32")
Y = np.array([[[0.0], [0.0], [9.0]]], "float32")
# The kernel is 1: the model predicts its input.
PROMISED_MAE = np.mean(np.abs(X - Y)[X != PADDING])


def assert_mae(sample_weight=None):
    inputs = keras.Input((3, 1))
    outputs = keras.layers.Dense(1, kernel_initializer="ones")(
        keras.layers.Masking(PADDING)(inputs)
    )
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", weighted_metrics=["mae"], run_eagerly=True)
    logs = model.train_on_batch(X, Y, sample_weight, return_dict=True)
    mae = float(logs["mae"])
    assert mae == PROMISED_MAE, f"mae {mae}, promised {PROMISED_MAE}"


def test_metric_leaves_masked_steps_out():
    """The mean absolute error of the two real steps."""
    assert_mae()


def workaround_mask_as_sample_weights():
    """Pass the mask as sample weights."""
    assert_mae((X[..., 0] != PADDING).astype("float32"))


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
