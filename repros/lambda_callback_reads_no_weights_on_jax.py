# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "LambdaCallback: cannot read the model's weights during fit on JAX"
# kind = "divergence"
# area = "callbacks"
# issues = []
# docs = ["https://keras.io/api/callbacks/lambda_callback/", "https://keras.io/guides/writing_your_own_callbacks/"]
# symptom = "TypeError: 'NoneType' object is not callable"
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.fit(callbacks=not None)",
#   "not callback.model",
#   "layer.get_weights() | layer.save_weights() | layer.save() | layer.predict() | layer.predict_on_batch() | layer.evaluate()",
# ]
# where = [
#   'during("on_train_batch_*") or during("on_batch_*")',
#   "layer is model or layer in model",
# ]
# shows = ["raises"]
# ///
"""On JAX, a function that prints the weights after each batch ends `fit` with an error.

`LambdaCallback(on_train_batch_end=lambda batch, logs: print(model.get_weights()))`: the
functions get no model, so users take the one they have. TensorFlow and torch (and Keras
2) print the weights. During an epoch the JAX trainer empties the variables, and only
`Callback.model` fills them again: "'NoneType' object is not callable".

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


class Watch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(weight_of(self.model))


def test_weights_can_be_read_after_a_batch():
    """The function is called at the batch's end, when the step is done."""
    model, seen = one_weight(), []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(weight_of(model))
    )
    model.fit(X, Y, verbose=0, callbacks=[watch])
    assert seen == [AFTER_ONE_STEP], f"weight {seen}, promised [{AFTER_ONE_STEP}]"


def workaround_subclass_and_its_model():
    """Write a Callback and ask its own `self.model`."""
    watch = Watch()
    one_weight().fit(X, Y, verbose=0, callbacks=[watch])
    assert watch.seen == [AFTER_ONE_STEP], f"{watch.seen}, not [{AFTER_ONE_STEP}]"


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
