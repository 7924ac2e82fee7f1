# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Embedding: adaptive optimizers step too far for repeated tokens on TensorFlow"
# kind = "silent"
# area = "optimizers"
# issues = []
# docs = [
#   "https://keras.io/api/optimizers/adam/",
#   "https://keras.io/api/optimizers/rmsprop/",
# ]
# related = ["embedding_gradient_clipped_by_row"]
# affected = { tensorflow = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.compile(optimizer=keras.optimizers.Adam | keras.optimizers.Nadam | keras.optimizers.RMSprop | keras.optimizers.Adagrad | keras.optimizers.Adadelta | keras.optimizers.Adafactor | keras.optimizers.Ftrl)"
# where = [
#   "any(isinstance(x, keras.layers.Embedding) and x.trainable for x in layers(model))",
# ]
# shows = ["loss", "weights"]
# ///
"""On TensorFlow, Adam moves the embedding of a repeated token too far.

The promise: Adam and RMSprop divide by the root of an average of the *square of the
gradient*. TensorFlow hands the gradient of an embedding over as a list of rows, one for
each token in the batch. Keras squares each row and adds the squares up: for a token that
occurs n times with the same gradient g that is n * g**2 in place of (n * g)**2, and the
token moves sqrt(n) times as far. JAX and torch square the sum, as Keras 2 did, which
added up the rows first.

Measured: Adam and RMSprop in all cells; on 3.15.1, Nadam, Adagrad, Adadelta, Adafactor
and Ftrl also go further on TensorFlow than on torch, not SGD, Adamax, Lion and Lamb.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

TIMES = 4
TOKENS = np.ones((TIMES, 1), "int32")  # the same token in all rows
TARGET = np.zeros((TIMES, 1), "float32")
RATE = 0.125


def step(optimizer, **settings):
    """How far the token moves from 1 in the first step."""
    layer = keras.layers.Embedding(2, 1, embeddings_initializer="ones", **settings)
    flatten = keras.layers.Flatten()
    model = keras.Sequential([keras.Input((1,), dtype="int32"), layer, flatten])
    model.compile(optimizer, "mse", run_eagerly=EAGER)
    model.train_on_batch(TOKENS, TARGET)
    return 1.0 - float(layer.get_weights()[0][1, 0])


def check(observed, promised):
    assert np.isclose(observed, promised, rtol=1e-3), (
        f"moved by {observed:.4f}, promised {promised:.4f}"
    )


GRADIENT = 2.0  # of mean((w - 0) ** 2) at w = 1
ADAM = RATE * GRADIENT / np.sqrt(GRADIENT**2)  # the averages of one gradient are itself
RMSPROP = RATE * GRADIENT / np.sqrt(0.5 * GRADIENT**2)  # rho is 0.5


def test_adam():
    """The first step of Adam is as long as the learning rate."""
    check(step(keras.optimizers.Adam(RATE)), ADAM)


def test_rmsprop():
    """The average of the squares holds the square of the gradient."""
    check(step(keras.optimizers.RMSprop(RATE, rho=0.5)), RMSPROP)


def workaround_regularizer_of_strength_zero():
    """A penalty of 0 on the embeddings makes TensorFlow add up the rows."""
    penalty = keras.regularizers.L2(0.0)
    check(step(keras.optimizers.Adam(RATE), embeddings_regularizer=penalty), ADAM)


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
