# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Embedding: clipnorm and global_clipnorm are exceeded by repeated tokens on TensorFlow"
# kind = "silent"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/"]
# affected = { tensorflow = ">=3.0.0" }
# keras2 = "affected"
# related = ["embedding_gradient_clipped_by_row", "embedding_gradient_squared_by_row"]
#
# [[tool.krepro.trigger]]
# code = "model.compile(optimizer=keras.Optimizer(clipnorm=not None) | keras.Optimizer(global_clipnorm=not None))"
# where = [
#   "any(isinstance(x, keras.layers.Embedding) and x.trainable for x in layers(model))",
# ]
# shows = ["loss", "weights"]
# ///
"""On TensorFlow, the norm of an embedding's gradient is not what it is clipped by.

The promise: with `global_clipnorm` the gradient of all weights is clipped so that their
global norm is no higher than this value; `clipnorm` says so of each weight. TensorFlow
hands the gradient of an embedding over as a list of rows, one for each token in the
batch, and the norm is that of the list. A token that occurs n times is in it n times: its
gradient is sqrt(n) times the limit after clipping, or shorter than need be where what the
rows say of it partly cancels. JAX and torch add the rows up first.

Measured with `global_clipnorm`: TensorFlow, every release. `clipnorm`: the same, from
3.0.3 on; before that it raises a TypeError. Found by drawing programs.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

TIMES = 4
TOKENS = np.ones((TIMES, 1), "int32")  # the same token in all rows
TARGET = np.zeros((TIMES, 1), "float32")
LIMIT = 0.25
GRADIENT = 2.0  # of mean((w - 0) ** 2) at w = 1
PROMISED = 1.0 - min(LIMIT, GRADIENT)  # at rate 1


def check(optimizer, **settings):
    """Train the embedding of the token, 1 before, for a step."""
    layer = keras.layers.Embedding(2, 1, embeddings_initializer="ones", **settings)
    flatten = keras.layers.Flatten()
    model = keras.Sequential([keras.Input((1,), dtype="int32"), layer, flatten])
    model.compile(optimizer, "mse", run_eagerly=EAGER)
    model.train_on_batch(TOKENS, TARGET)
    now = float(layer.get_weights()[0][1, 0])
    assert np.isclose(now, PROMISED, rtol=1e-3), f"embedding {now}, promised {PROMISED}"


def test_global_clipnorm_bounds_the_step():
    """The gradients of all weights are together no longer than the limit."""
    check(keras.optimizers.SGD(1.0, global_clipnorm=LIMIT))


def workaround_regularizer_of_strength_zero():
    """A penalty of 0 on the embeddings makes TensorFlow add up the rows."""
    penalty = keras.regularizers.L2(0.0)
    check(keras.optimizers.SGD(1.0, global_clipnorm=LIMIT), embeddings_regularizer=penalty)


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
