# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Embedding: clipvalue is exceeded by repeated tokens on TensorFlow"
# kind = "silent"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/"]
# affected = { tensorflow = ">=3.0.0" }
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = "model.compile(optimizer=keras.Optimizer(clipvalue=not None))"
# where = [
#   "any(isinstance(x, keras.layers.Embedding) and x.trainable for x in layers(model))",
# ]
# shows = ["loss", "weights"]
# ///
"""On TensorFlow, gradient clipping does not hold for embeddings.

The promise: with `clipvalue` the gradient of each weight is clipped to be no higher than
this value. TensorFlow hands the gradient of an embedding over as a list of rows, one for
each token in the batch, and Keras clips each row before rows of the same token are added
up: a token that occurs 100 times in a batch moves by up to 100 times the limit.
JAX and torch clip the sum.

Measured with `clipvalue`: TensorFlow, every release, and Keras 2.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

TOKENS = np.array([[1], [1]], "int32")  # the same token in both rows
TARGET = np.zeros((2, 1), "float32")


def token_after_a_step(optimizer):
    """The token's embedding, 1 before, of a model trained to make it 0."""
    embedding = keras.layers.Embedding(2, 1, embeddings_initializer="ones")
    flatten = keras.layers.Flatten()
    model = keras.Sequential([keras.Input((1,), dtype="int32"), embedding, flatten])
    model.compile(optimizer, "mse", run_eagerly=EAGER)
    model.train_on_batch(TOKENS, TARGET)
    return float(model.get_weights()[0][1, 0])


LIMIT = 0.25
GRADIENT = 2.0  # of mean((w - 0) ** 2) at w = 1
PROMISED = 1.0 - np.clip(GRADIENT, -LIMIT, LIMIT)  # at rate 1


def test_clipvalue_bounds_the_step():
    """The gradient of each weight is no higher than the limit."""
    now = token_after_a_step(keras.optimizers.SGD(1.0, clipvalue=LIMIT))
    assert now == PROMISED, f"embedding {now}, promised {PROMISED}"


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
