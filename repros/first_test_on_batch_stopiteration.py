# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.test_on_batch: first call with metrics raises StopIteration"
# kind = "crash"
# area = "trainer"
# issues = []
# fixed = 20396
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "StopIteration"
# affected = {tensorflow = ">=3.0.0,<3.7.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=not None) | model.compile(weighted_metrics=not None)",
#   "not runs(model)",
#   "model.test_on_batch()",
# ]
# shows = ["raises"]
# ///
"""`test_on_batch` fails when it is the first thing a model with metrics does.

On TensorFlow, a model that was compiled with metrics and not run yet answers a call of
`test_on_batch` with a bare StopIteration. Without metrics, or after any other step, the
call returns the loss and the metrics, as its docstring promises.

Measured: TensorFlow, 3.0.0 to 3.6.0. JAX and torch are not affected.
"""

import keras
import numpy as np

X = np.ones((4, 2), "float32")
Y = np.zeros((4, 1), "float32")
ERROR = X.sum(axis=1, keepdims=True) - Y  # the kernel is all ones
PROMISED = [np.mean(ERROR**2), np.mean(np.abs(ERROR))]


def compiled_model():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def assert_values(values):
    np.testing.assert_allclose(values, PROMISED, rtol=1e-6, err_msg="loss and metric")


def test_first_call_of_test_on_batch_returns_loss_and_metrics():
    """`test_on_batch` evaluates a compiled model, whether it ran before or not."""
    assert_values(compiled_model().test_on_batch(X, Y))


def workaround_evaluate_first():
    """Call `evaluate` once before."""
    model = compiled_model()
    model.evaluate(X, Y, verbose=0)
    assert_values(model.test_on_batch(X, Y))


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
