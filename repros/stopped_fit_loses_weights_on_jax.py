# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.9.2", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "fit: an exception in a callback costs the model its weights on JAX"
# kind = "crash"
# area = "callbacks"
# issues = [21019]
# fixed = 21019
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "TypeError: 'NoneType' object is not callable"
# affected = {jax = ">=3.0.0,<3.10.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.fit(callbacks=has(callback))",
#   "model.get_weights() | model.save() | model.save_weights() | model.fit() | model.evaluate() | model.predict()",
# ]
# where = [
#   'overrides(callback, "on_train_batch_begin") or overrides(callback, "on_train_batch_end")',
#   'perhaps("the callback raises")',
# ]
# shows = ["raises"]
# ///
"""On JAX, a `fit` that is interrupted takes the model's weights with it.

A callback raises (pruning in a hyperparameter search, a full disk), or the user presses
Ctrl-C in a notebook. On TensorFlow and torch, and in Keras 2, the model keeps what it has
learned so far, and `fit` can be called again. On JAX up to 3.9.2 the variables are empty
from then on: "'NoneType' object is not callable" from `get_weights`, `save`, `fit`.

Measured: JAX, 3.0.0 to 3.9.2. Fixed by #21019.
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


class Interrupt(Exception):
    pass


class Interrupter(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise Interrupt


class StopTraining(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True


def test_weights_survive_an_interrupted_fit():
    """What was learned before the interrupt is there after it."""
    model = one_weight()
    try:
        model.fit(X, Y, verbose=0, callbacks=[Interrupter()])
    except Interrupt:
        pass
    now = weight_of(model)
    assert now == AFTER_ONE_STEP, f"weight {now}, promised {AFTER_ONE_STEP}"


def workaround_stop_training():
    """Stop with `self.model.stop_training = True`."""
    model = one_weight()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[StopTraining()])
    now = weight_of(model)
    assert now == AFTER_ONE_STEP, f"weight {now}, promised {AFTER_ONE_STEP}"


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
