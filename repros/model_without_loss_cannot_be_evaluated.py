# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.evaluate: a model compiled with metrics only is rejected"
# kind = "divergence"
# area = "trainer"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "ValueError: No loss to compute. Provide a `loss` argument in `compile()`"
# affected = { tensorflow = ">=3.0.0", torch = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(loss=absent | None, metrics=not None)",
#   "not model.compile()",
#   "model.evaluate() | model.test_on_batch()",
# ]
# where = ['not overrides(model, "test_step")', 'not overrides(model, "compute_loss")']
# shows = ["raises"]
# ///
"""`compile(metrics=...)` without a loss is enough for `evaluate` on JAX only.

A trained model that is only to be measured needs no loss and no optimizer; `compile`
takes both as optional. TensorFlow and torch then refuse to evaluate, JAX returns the
metrics. Keras 2 returns them as well.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = 3 * X  # the model predicts 0
PROMISED = float(np.mean(np.abs(Y)))


def assert_measured(**arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    metrics = [keras.metrics.MeanAbsoluteError(name="error")]
    model.compile(metrics=metrics, run_eagerly=True, **arguments)
    results = model.evaluate(X, Y, verbose=0, return_dict=True)
    error = float(results["error"])
    assert error == PROMISED, f"metric {error}, promised {PROMISED}"


def test_metrics_without_a_loss():
    """One metric, no loss."""
    assert_measured()


def workaround_any_loss():
    """Give some loss that fits, and ignore it."""
    assert_measured(loss="mse")


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
