# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.5.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: an outer model logs the loss of a compiled inner one"
# kind = "silent"
# area = "trainer"
# issues = [20188]
# introduced = 19522
# fixed = 20197
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.3.0,<3.6.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["inner.compile()", "model.compile()", "runs(model)"]
# where = ["inner in model"]
# shows = ["loss", "names", "structure"]
#
# [[tool.krepro.trigger]]
# code = ["model.compile()", "inner.compile()", "runs(model)"]
# where = ["inner in model"]
# shows = ["loss", "names", "structure"]
# ///
"""A model that contains a compiled model reports the inner model's loss as its own.

Both models keep a metric called "loss", the outer model takes up the inner one's, and
the later of the two wins in the logs: `fit` of the outer model reports a loss of 0.0
for every epoch (the inner metric is reset, and never updated), `train_on_batch` returns
`[0.0, 0.0]` where one number is promised, and with `return_dict=True` it returns what
the inner model's last steps left there. The weights are trained as they should be, only
the report is wrong. The `fit` docstring promises a record of training loss values.

Measured: 3.3.0 to 3.5.0, all backends. In a GAN this is the generator's loss. So the
advice to pin Keras 3.3 because of `outer_compile_drops_inner_loss_tracker` swaps a
crash for a wrong number; 3.2.1 and Keras 2 have neither.
"""

import keras
import numpy as np

X = np.ones((4, 2), "float32")
Y = np.zeros((4, 1), "float32")
# One kernel of ones adds up the two inputs: each prediction is 2, each target is 0.
PROMISED_LOSS = np.mean(np.square(Y - X.sum(axis=1, keepdims=True)))


def inner_model():
    return keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )


def outer_of(inner):
    outer = keras.Sequential([keras.Input((2,)), inner])
    outer.compile("sgd", "mse", run_eagerly=True)
    return outer


def assert_fit_reports_the_outer_loss(outer):
    loss = float(outer.fit(X, Y, verbose=0).history["loss"][0])
    assert loss == PROMISED_LOSS, (
        f"fit of the outer model reports a loss of {loss}, promised {PROMISED_LOSS}"
    )


def test_fit_of_the_outer_model_reports_its_own_loss():
    """The loss in the logs is the loss of the model that is trained."""
    inner = inner_model()
    inner.compile("sgd", "mse", run_eagerly=True)
    assert_fit_reports_the_outer_loss(outer_of(inner))


def test_train_on_batch_of_the_outer_model_returns_one_loss():
    """`train_on_batch` returns a scalar when the model has one output, no metrics."""
    inner = inner_model()
    inner.compile("sgd", "mse", run_eagerly=True)
    logs = outer_of(inner).train_on_batch(X, Y)
    assert np.ndim(logs) == 0, f"train_on_batch returned {logs}, promised one number"
    assert float(logs) == PROMISED_LOSS, f"loss {logs}, promised {PROMISED_LOSS}"


def workaround_compile_the_inner_model_after_training():
    """Leave the inner model uncompiled until the outer one was trained."""
    inner = inner_model()
    assert_fit_reports_the_outer_loss(outer_of(inner))
    inner.compile("sgd", "mse", run_eagerly=True)


def workaround_pass_the_inner_model_by_its_layers():
    """Share the inner model's layers instead of the inner model."""
    inner = inner_model()
    inner.compile("sgd", "mse", run_eagerly=True)
    outer = keras.Sequential([keras.Input((2,)), *inner.layers])
    outer.compile("sgd", "mse", run_eagerly=True)
    assert_fit_reports_the_outer_loss(outer)


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
