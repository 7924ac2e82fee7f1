# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.13.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.train_on_batch: returns the mean over all calls, not the batch's loss"
# kind = "silent"
# area = "trainer"
# issues = [22596]
# fixed = 22617
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0,<3.15.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.train_on_batch() | model.test_on_batch() | model.evaluate() | model.fit()",
#   "not model.reset_metrics()",
#   "model.train_on_batch() | model.test_on_batch()",
# ]
# shows = ["loss", "metrics", "outputs"]
# ///
"""`train_on_batch` and `test_on_batch` return a running mean over all calls so far.

Both promise the loss of the batch that they were given. The trackers behind the number
are not reset between two calls, so every call also counts the batches before it: the
curve of a hand-written training loop gets smoother and smoother and hides the last
steps.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
X = np.ones((2, 1), "float32")
ERRORS = [1.0, 3.0]  # of the first and of the second batch: the model predicts 0
PROMISED = [error**2 for error in ERRORS]


def model_that_stays():
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    return model


def assert_losses(losses):
    losses = [float(loss) for loss in losses]
    assert losses == PROMISED, f"losses {losses}, those of the batches are {PROMISED}"


def test_train_on_batch_returns_the_loss_of_its_batch():
    """The second call does not know of the first."""
    model = model_that_stays()
    assert_losses([model.train_on_batch(X, error * X) for error in ERRORS])


def test_test_on_batch_returns_the_loss_of_its_batch():
    """The same for `test_on_batch`."""
    model = model_that_stays()
    assert_losses([model.test_on_batch(X, error * X) for error in ERRORS])


def workaround_reset_metrics():
    """Call `reset_metrics` before each batch."""
    model = model_that_stays()
    losses = []
    for error in ERRORS:
        model.reset_metrics()
        losses.append(model.train_on_batch(X, error * X))
    assert_losses(losses)


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
