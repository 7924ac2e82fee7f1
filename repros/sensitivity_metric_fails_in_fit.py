# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.11.3", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "SensitivityAtSpecificity: cannot be used as a compiled metric"
# kind = "divergence"
# area = "metrics"
# issues = [19750, 21765]
# fixed = 21765
# docs = ["https://keras.io/api/metrics/classification_metrics/"]
# symptom = [
#     "ConcretizationTypeError: Abstract tracer value encountered",
#     "NotImplementedError: Cannot convert a symbolic tf.Tensor",
# ]
# affected = {tensorflow = ">=3.0.0,<3.4.0", jax = ">=3.0.0,<3.12.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=has(keras.metrics.SensitivityAtSpecificity | keras.metrics.SpecificityAtSensitivity | keras.metrics.PrecisionAtRecall | keras.metrics.RecallAtPrecision), run_eagerly=absent | False)",
#   "runs(model)",
# ]
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(weighted_metrics=has(keras.metrics.SensitivityAtSpecificity | keras.metrics.SpecificityAtSensitivity | keras.metrics.PrecisionAtRecall | keras.metrics.RecallAtPrecision), run_eagerly=absent | False)",
#   "runs(model)",
# ]
# shows = ["raises"]
# ///
"""A metric that the documentation shows in `compile()` stops the training.

`SensitivityAtSpecificity`, `SpecificityAtSensitivity`, `PrecisionAtRecall` and
`RecallAtPrecision` search for a threshold in a way that cannot be compiled. `fit` ends
in the first step, with an error from deep inside the backend. On torch they work.

Measured: 3.0.0 to 3.3.3 on TensorFlow, 3.0.0 to 3.11.3 on JAX; never on torch. #19750
mended TensorFlow in 3.4.0, #21765 JAX in 3.12.0.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

X = Y = np.array([[0.0], [1.0]], "float32")
PROMISED = 1.0  # the model predicts its input: it is right every time


def sensitivity():
    return keras.metrics.SensitivityAtSpecificity(0.5, num_thresholds=3, name="found")


def identity_model(**compiled):
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile("sgd", "mse", **compiled)
    return model


def assert_sensitivity(observed):
    message = f"sensitivity {observed}, promised {PROMISED}"
    assert abs(observed - PROMISED) < 1e-5, message


def test_metric_of_a_compiled_model():
    """A perfect model has the sensitivity 1."""
    model = identity_model(metrics=[sensitivity()])
    assert_sensitivity(float(model.train_on_batch(X, Y, return_dict=True)["found"]))


def workaround_measure_the_predictions():
    """Update the metric outside of the model, with what the model predicts."""
    metric = sensitivity()
    metric.update_state(Y, identity_model()(X))
    assert_sensitivity(float(metric.result()))


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
