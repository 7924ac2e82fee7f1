# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Embedding: loss_scale_factor crashes on TensorFlow"
# kind = "crash"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/"]
# symptom = "TypeError: unsupported operand type(s) for /: 'IndexedSlices' and 'float'"
# affected = { tensorflow = ">=3.0.0" }
#
# [[tool.krepro.trigger]]
# code = "model.compile(optimizer=keras.Optimizer(loss_scale_factor=not None))"
# where = [
#   "any(isinstance(x, keras.layers.Embedding) and x.trainable for x in layers(model))",
# ]
# shows = ["raises"]
# ///
"""On TensorFlow, `loss_scale_factor` fails for each model that has an Embedding layer.

The promise: the factor is multiplied into the loss, and its inverse into the gradients,
"for preventing underflow during mixed precision training". TensorFlow hands the gradient
of an embedding over as a list of rows, which cannot be divided by a number:
"unsupported operand type(s) for /: 'IndexedSlices' and 'float'". JAX and torch train.

Measured: TensorFlow, every release.
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


RATE = 0.125
PROMISED = 1.0 - RATE * 2.0  # the gradient of mean((w - 0) ** 2) at w = 1 is 2


def test_factor_leaves_the_step_as_it_is():
    """The factor multiplies the loss and divides the gradient."""
    now = token_after_a_step(keras.optimizers.SGD(RATE, loss_scale_factor=4.0))
    assert now == PROMISED, f"embedding {now}, promised {PROMISED}"


def workaround_loss_scale_optimizer():
    """Wrap the optimizer in a LossScaleOptimizer."""
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(RATE), initial_scale=4.0
    )
    now = token_after_a_step(optimizer)
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
