# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Trainer.compile: an outer model drops the inner one's _loss_tracker"
# kind = "crash"
# area = "trainer"
# issues = [20474]
# introduced = 20197
# fixed = 20602
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "AttributeError: 'NoneType' object has no attribute 'update_state'"
# affected = ">=3.6.0,<3.8.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["inner.compile()", "model.compile()", "not inner.compile()", "runs(inner)"]
# where = ["inner in model"]
# shows = ["raises"]
# ///
"""Compiling a model that contains a compiled model breaks the inner model.

After the outer `compile()`, the inner model still says `compiled == True`, but its
`train_on_batch`, `fit` and `evaluate` stop with an AttributeError, because the outer
`compile()` set the loss tracker of every model inside to `None`. `predict` still works.
The `compile()` docstring says that it configures *the model* for training; nothing in
it says that a model used as a layer loses its own configuration.

Measured: 3.6.0 and 3.7.0 on all backends, for a Sequential and for a functional outer
model, with and without metrics. Releases before 3.6.0 train the inner model as
promised, and so does Keras 2. Pinning Keras 3.3, as is often advised, avoids this
crash and meets two other faults instead, that are in 3.3.0 to 3.5.0 alone:
`outer_model_reports_inner_loss` and `inner_metrics_break_outer_training`.
An inner model that had run before the outer `compile()` fails in another way on
TensorFlow: see `outer_compile_stops_inner_metric_reset`.
"""

import keras
import numpy as np

X = np.ones((4, 2), "float32")
Y = np.zeros((4, 1), "float32")
# The inner model adds up its two inputs: each prediction is 2, each target is 0.
PROMISED_LOSS = np.mean(np.square(Y - X.sum(axis=1, keepdims=True)))


def inner_model():
    return keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )


def functional_outer(inner):
    inputs = keras.Input((2,))
    return keras.Model(inputs, inner(keras.layers.Dense(2)(inputs)))


def assert_trains(inner):
    loss = float(inner.train_on_batch(X, Y))
    assert loss == PROMISED_LOSS, f"inner loss {loss}, promised {PROMISED_LOSS}"


def test_inner_model_of_a_functional_model_stays_compiled():
    """A compiled model trains, whatever other model it is part of."""
    inner = inner_model()
    inner.compile("sgd", "mse", run_eagerly=True)
    functional_outer(inner).compile("sgd", "mse", run_eagerly=True)
    assert_trains(inner)


def test_inner_model_of_a_sequential_model_stays_compiled():
    """A compiled model trains, whatever other model it is part of."""
    inner = inner_model()
    inner.compile("sgd", "mse", run_eagerly=True)
    keras.Sequential([keras.Input((2,)), inner]).compile("sgd", "mse", run_eagerly=True)
    assert_trains(inner)


def workaround_compile_the_inner_model_last():
    """Compile the outer model first, then the inner one."""
    inner = inner_model()
    functional_outer(inner).compile("sgd", "mse", run_eagerly=True)
    inner.compile("sgd", "mse", run_eagerly=True)
    assert_trains(inner)


def workaround_compile_the_inner_model_again():
    """Compile the inner model once more after each `compile()` of the outer one."""
    inner = inner_model()
    inner.compile("sgd", "mse", run_eagerly=True)
    functional_outer(inner).compile("sgd", "mse", run_eagerly=True)
    inner.compile("sgd", "mse", run_eagerly=True)
    assert_trains(inner)


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
