# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.5", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "fit: on JAX, weight regularizers are added to the loss twice"
# kind = "silent"
# area = "losses"
# issues = [18960]
# fixed = "b37be22bb1"
# docs = ["https://keras.io/api/layers/regularizers/"]
# affected = {jax = ">=3.0.0,<3.2.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["layer = keras.Layer(kernel_regularizer=not None)", "runs(model)"]
# where = ["layer in model"]
# shows = ["loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = ["layer = keras.Layer(bias_regularizer=not None)", "runs(model)"]
# where = ["layer in model"]
# shows = ["loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = ["layer = keras.Layer(embeddings_regularizer=not None)", "runs(model)"]
# where = ["layer in model"]
# shows = ["loss", "weights"]
# ///
"""On JAX a `kernel_regularizer` of 0.5 acts like one of 1.0.

The penalties are "summed into the loss function that the network optimizes".
On JAX it is added twice, without a word. TensorFlow, torch and Keras 2 add it once.

Measured on JAX: 3.0.2 to 3.1.1 add it twice; 3.0.0 and 3.0.1 leave it out
altogether, until #18960 added it, once too often.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

X = np.zeros((2, 2), "float32")
KERNEL, FACTOR = np.ones((2, 1)), 0.5
PROMISED = FACTOR * np.sum(KERNEL**2)  # the data is fitted: the penalty is all there is


def loss_with(regularizer):
    settings = {"kernel_initializer": "ones", "kernel_regularizer": regularizer}
    layer = keras.layers.Dense(1, **settings)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile("sgd", "mse", run_eagerly=True)
    return float(model.test_on_batch(X, np.zeros((2, 1), "float32")))


def test_penalty_is_counted_once():
    """The loss is that of the data plus the penalty."""
    observed = loss_with(keras.regularizers.L2(FACTOR))
    assert observed == PROMISED, f"loss {observed}, promised {PROMISED}"


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
