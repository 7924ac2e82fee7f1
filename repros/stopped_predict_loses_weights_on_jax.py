# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "predict: an exception in a callback costs the model its weights on JAX"
# kind = "crash"
# area = "callbacks"
# issues = []
# introduced = 20851
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "TypeError: 'NoneType' object is not callable"
# affected = { jax = ">=3.9.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.predict(callbacks=has(callback))",
#   "model.get_weights() | model.save() | model.save_weights() | model.fit() | model.evaluate() | model.predict()",
# ]
# where = [
#   'overrides(callback, "on_predict_batch_begin") or overrides(callback, "on_predict_batch_end")',
#   'perhaps("the callback raises")',
# ]
# shows = ["raises"]
# ///
"""On JAX, `predict` that is interrupted takes the model's weights with it.

A callback raises, or the user presses Ctrl-C in a notebook because `predict` takes too
long. On TensorFlow and torch, and in Keras 2, nothing has happened to the model. On JAX
the variables are empty from then on: "'NoneType' object is not callable" from
`get_weights`, `save` and `fit`; a trained model is lost by looking at it.

Measured: JAX, 3.9.0 to 3.15.1; up to 3.8.0 `predict` left the weights in place;
#20851 brought it in. `fit` restores its model since 3.10.0 (stopped_fit_loses_weights_on_jax).
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")
Y = np.zeros((2, 1), "float32")


def one_weight():
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile("sgd", "mse", run_eagerly=EAGER)
    return model


def weight_of(model):
    return float(model.get_weights()[0][0, 0])


class Interrupt(Exception):
    pass


class Interrupter(keras.callbacks.Callback):
    def on_predict_batch_end(self, batch, logs=None):
        raise Interrupt


def interrupted():
    model = one_weight()
    try:
        model.predict(X, verbose=0, callbacks=[Interrupter()])
    except Interrupt:
        pass
    return model


def test_weights_survive_an_interrupted_predict():
    """`predict` changes no weight, whether it ends or not."""
    now = weight_of(interrupted())
    assert now == 1.0, f"weight {now}, promised 1.0"


def workaround_keep_a_copy():
    """Copy the weights before, set them again after."""
    model = one_weight()
    kept = model.get_weights()
    try:
        model.predict(X, verbose=0, callbacks=[Interrupter()])
    except Interrupt:
        model.set_weights(kept)
    now = weight_of(model)
    assert now == 1.0, f"weight {now}, promised 1.0"


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
