# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.11.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MeanMetricWrapper: masked steps count in metrics, though not in the loss"
# kind = "silent"
# area = "masking"
# issues = [21569]
# fixed = 21569
# docs = ["https://keras.io/guides/understanding_masking_and_padding/"]
# affected = ">=3.0.0,<3.12.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "keras.layers.Masking() | keras.layers.Embedding(mask_zero=True)",
#   "model.compile(metrics=not None) | model.compile(weighted_metrics=not None)",
#   "runs(model, sample_weight=absent | None)",
# ]
# where = ["masked(model)"]
# shows = ["metrics"]
# ///
"""Padding is left out of the loss, but counts in the accuracy.

A sequence model with `Masking` or `Embedding(mask_zero=True)` carries a mask to its
output, and the masking guide has padded steps as something to ignore. The loss does so.
Metrics drop the mask unless a sample weight is passed too, so the accuracy of padded
sequences is computed over the padding as well.

Measured: 3.0.0 to 3.11.3, all backends; #21569, in 3.12.0, mended it. Keras 2 honours
the mask in `weighted_metrics`, which are used here, and not in `metrics`; Keras 3 makes
no difference between the two. For the metrics of training on JAX, the story goes on:
see `training_metrics_count_padding_on_jax`.
"""

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
    logs = model.evaluate(X, Y, sample_weight=sample_weight, verbose=0, return_dict=True)
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
