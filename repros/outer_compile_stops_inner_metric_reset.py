# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.7.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Trainer.fit: the loss of an inner model is not reset after an outer compile"
# kind = "silent"
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
# code = [
#   "inner.compile()",
#   "inner.fit()",
#   "model.compile()",
#   "not inner.compile()",
#   "not inner.evaluate()",
#   "not inner.train_on_batch()",
#   "not inner.test_on_batch()",
#   "inner.fit()",
# ]
# where = ["inner in model"]
# shows = ["loss", "metrics"]
#
# [[tool.krepro.trigger]]
# code = [
#   "inner.compile()",
#   "inner.evaluate() | inner.fit(validation_data=not None)",
#   "model.compile()",
#   "not inner.compile()",
#   "not inner.train_on_batch()",
#   "not inner.test_on_batch()",
#   "inner.evaluate()",
# ]
# where = ["inner in model"]
# shows = ["loss", "metrics"]
# ///
"""After an outer model was compiled, an inner model's `fit` reports mixed-up losses.

The inner model ran before the outer `compile()`, so TensorFlow holds its traced step,
and that step goes on with the metrics that the outer `compile()` took away. `fit` and
`evaluate` reset the metrics they find when they start, and find none: the loss of the
second `fit` is the mean over both, without a word. The `evaluate` docstring promises
the loss value of the data that was passed, and `fit` the loss of each epoch.

Measured: on TensorFlow 3.6.0 and 3.7.0 report 2.5 where 1 is right (3.6.0 also puts a
tensor instead of a float into `history`, and its `train_on_batch` fails with "variables
which have been deleted"). JAX and torch do not keep the step: they stop with the
AttributeError of `outer_compile_drops_inner_loss_tracker`, which is declared here.
It is often said that 3.7.0 on TensorFlow drops the metrics from the logs: it does not,
they are all there, and wrong.
"""

import keras
import numpy as np

X = np.ones((4, 2), "float32")
PREDICTION = X.sum(axis=1, keepdims=True)  # the kernel is all ones
FIRST_Y = np.zeros((4, 1), "float32")
SECOND_Y = np.ones((4, 1), "float32")
PROMISED_LOSS = np.mean(np.square(SECOND_Y - PREDICTION))


def compiled_inner_model():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    # Nothing is learned, so the loss of any batch follows from its targets alone.
    model.compile(keras.optimizers.SGD(learning_rate=0.0), "mse", run_eagerly=True)
    return model


def compile_outer(inner):
    inputs = keras.Input((2,))
    outer = keras.Model(inputs, inner(keras.layers.Dense(2)(inputs)))
    outer.compile("sgd", "mse", run_eagerly=True)


def assert_fit_reports_the_second_loss(inner):
    history = inner.fit(X, SECOND_Y, verbose=0).history
    loss = float(history["loss"][0])
    assert loss == PROMISED_LOSS, f"fit reports a loss of {loss}, promised {PROMISED_LOSS}"


def test_fit_after_an_outer_compile_reports_the_loss_of_its_own_epoch():
    """The loss of an epoch is the mean over the batches of that epoch."""
    inner = compiled_inner_model()
    inner.fit(X, FIRST_Y, verbose=0)
    compile_outer(inner)
    assert_fit_reports_the_second_loss(inner)


def workaround_compile_the_inner_model_again():
    """Compile the inner model once more after the outer `compile()`."""
    inner = compiled_inner_model()
    inner.fit(X, FIRST_Y, verbose=0)
    compile_outer(inner)
    inner.compile(keras.optimizers.SGD(learning_rate=0.0), "mse", run_eagerly=True)
    assert_fit_reports_the_second_loss(inner)


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
