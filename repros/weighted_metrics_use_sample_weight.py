# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileMetrics: sample_weight counts in weighted_metrics, not in metrics"
# kind = "silent"
# area = "metrics"
# issues = [20343]
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = []
# keras2 = "unaffected"
# ///
"""Metrics given as `metrics` ignore `sample_weight`, those in `weighted_metrics` use it.

`Model.compile` promises that `weighted_metrics` are weighted by `sample_weight` or
`class_weight`; people who compare the logs of two releases often suspect that one of the
two lists changed sides. It did not: measured on every release of Keras 3 and every
backend, and on Keras 2, both lists keep the promise in `train_on_batch`. There is no
affected release, so a patch of Keras shows that this file would tell.
"""

import keras
import numpy as np

ERRORS = np.array([[1.0], [3.0]], "float32")  # the model predicts 0 for every row
SAMPLE_WEIGHT = np.array([3.0, 1.0], "float32")


def logs_with_sample_weight():
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(
        "sgd",
        loss="mse",
        metrics=[keras.metrics.MeanAbsoluteError(name="plain")],
        weighted_metrics=[keras.metrics.MeanAbsoluteError(name="weighted")],
        run_eagerly=True,
    )
    x = np.ones((2, 1), "float32")
    return model.train_on_batch(x, ERRORS, SAMPLE_WEIGHT, return_dict=True)


def test_each_list_treats_sample_weight_as_promised():
    """The plain mean for `metrics`, the weighted mean for `weighted_metrics`."""
    logs = logs_with_sample_weight()
    observed = {name: float(logs[name]) for name in ("plain", "weighted")}
    promised = {
        "plain": float(np.mean(ERRORS)),
        "weighted": float(np.average(ERRORS[:, 0], weights=SAMPLE_WEIGHT)),
    }
    assert observed == promised, f"logs {observed}, promised {promised}"


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
