# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "LambdaCallback: a learning rate set during fit is lost on JAX"
# kind = "silent"
# area = "callbacks"
# issues = []
# docs = ["https://keras.io/api/callbacks/lambda_callback/", "https://keras.io/guides/writing_your_own_callbacks/"]
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
# works = {workaround_subclass_and_its_model = {tensorflow = ">=3.0.0",jax = ">=3.0.5",torch = ">=3.0.0"}}
#
# [[tool.krepro.trigger]]
# code = [
#   "model.fit(callbacks=not None)",
#   "not callback.model",
#   "optimizer.learning_rate = _",
# ]
# where = ['during("on_train_batch_*") or during("on_batch_*")']
# shows = ["optimizer", "loss", "weights"]
# ///
"""On JAX, a learning rate that a function sets in `fit` is dropped without a word.

A warm-up or a range test sets `model.optimizer.learning_rate` after each batch, and a
`LambdaCallback` gives its functions no other model than the one at hand. TensorFlow
and torch (and Keras 2) train on with the new rate. On JAX the trainer holds the state
outside of the variables during an epoch and writes it back at the end: the training
goes on with the old rate, and the new one is gone.

Measured: JAX, every release.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")
Y = np.zeros((2, 1), "float32")
RATE = 0.125
AFTER_ONE_STEP = 1.0 - RATE * 2.0  # the gradient of w ** 2 at w = 1 is 2


def one_weight():
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(keras.optimizers.SGD(RATE), "mse", run_eagerly=EAGER)
    return model


def weight_of(model):
    return float(model.get_weights()[0][0, 0])


class StopLearning(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.0


def assert_only_first_batch_learned(model):
    now = weight_of(model)
    assert now == AFTER_ONE_STEP, (
        f"weight {now}, promised {AFTER_ONE_STEP}: the rate is 0 after the first batch"
    )


def test_rate_set_after_a_batch_holds():
    """From the second batch on the learning rate is 0."""
    model = one_weight()
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(
            model.optimizer, "learning_rate", 0.0
        )
    )
    model.fit(X, Y, batch_size=1, verbose=0, callbacks=[stop])
    assert_only_first_batch_learned(model)


def workaround_subclass_and_its_model():
    """Write a Callback and use its own `self.model` (from 3.0.5 on)."""
    model = one_weight()
    model.fit(X, Y, batch_size=1, verbose=0, callbacks=[StopLearning()])
    assert_only_first_batch_learned(model)


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
