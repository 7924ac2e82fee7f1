# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.0", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Model.fit: the first batch of a generator is never trained on"
# kind = "silent"
# area = "data"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# fixed = 20412
# affected = { jax = ">=3.0.0,<3.7.0", torch = ">=3.0.0,<3.7.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile()",
#   "not runs(model)",
#   "model.fit(x=data, y=absent | None) | model.evaluate(x=data, y=absent | None)",
# ]
# where = ["isinstance(data, types.GeneratorType)"]
# shows = ["loss", "weights", "steps"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile()",
#   "not runs(model)",
#   "model.fit(x=(data := [[_, _] | [_, _, _], ...]), y=absent | None) | model.evaluate(x=(data := [[_, _] | [_, _, _], ...]), y=absent | None)",
# ]
# where = ["isinstance(data[0], tuple)"]
# shows = ["loss", "weights", "steps"]
# ///
"""On JAX and torch, `fit` throws the first batch of a generator away.

The batch is fetched to learn the shapes and is not put back, so the first epoch trains
on less than the generator yields. On JAX, which reads ahead, two batches are lost: a
generator of two trains nothing.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
X = np.ones((1, 1), "float32")
ERRORS = [5.0, 1.0, 1.0, 1.0]  # of the batches: the model predicts 0 and stays
PROMISED = float(np.mean(np.square(ERRORS)))


def assert_loss_of_all(x, y=None):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    [loss] = map(float, model.fit(x, y, verbose=0).history["loss"])
    assert loss == PROMISED, f"loss {loss}, of all batches together {PROMISED}"


def test_fit_trains_on_the_first_batch():
    """Four batches of one sample: the loss of the epoch is the mean of all."""
    assert_loss_of_all((X, error * X) for error in ERRORS)


def workaround_arrays():
    """Collect the batches and pass arrays."""
    assert_loss_of_all(
        np.concatenate([X for _ in ERRORS]),
        np.concatenate([error * X for error in ERRORS]),
    )


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
