# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.9.2", "torch==2.13.0"]
#
# [tool.krepro]
# title = "AUC: fit raises on torch if another metric comes before it"
# kind = "crash"
# area = "metrics"
# issues = []
# fixed = 21053
# docs = ["https://keras.io/api/metrics/classification_metrics/"]
# symptom = [
#     "NotImplementedError: Cannot copy out of meta tensor",
#     "RuntimeError: Tensor on device cpu is not on the expected device meta",
# ]
# affected = {tensorflow = [], jax = [], torch = "<3.10.0"}
#
# [[tool.krepro.trigger]]
# code = ["model.compile(metrics=[_, ..., keras.metrics.AUC, ...])", "trains(model)"]
# shows = ["raises"]
# ///
"""On torch, `metrics=["accuracy", keras.metrics.AUC()]` ends `fit` with an error.

Before the first step the model is built with tensors that hold no data (of the device
"meta"); the metrics are tried on them, too. The first metric is built, and AUC after it
computes with such a tensor: "Cannot copy out of meta tensor; no data!", from the depths of
PyTorch. AUC as the first or the only metric works.

Measured: torch, 3.0.0 to 3.9.2; #21053 mended it.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

X, Y = np.ones((2, 1), "float32"), np.array([[0.0], [1.0]], "float32")


def assert_fits(metrics):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros"),
        ]
    )
    optimizer = keras.optimizers.SGD(0.0)
    model.compile(optimizer, "binary_crossentropy", metrics=metrics, run_eagerly=True)
    history = model.fit(X, Y, verbose=0).history
    auc = float(history["auc"][0])
    assert auc == 0.5, f"the same prediction for both classes: AUC {auc}, promised 0.5"


def test_auc_may_be_the_second_metric():
    """AUC after the accuracy."""
    assert_fits(["accuracy", keras.metrics.AUC(name="auc")])


def workaround_auc_first():
    """Name AUC before all other metrics."""
    assert_fits([keras.metrics.AUC(name="auc"), "accuracy"])


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
