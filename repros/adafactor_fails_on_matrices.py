# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Adafactor: cannot be built for a matrix"
# kind = "crash"
# area = "optimizers"
# issues = [18936]
# fixed = 18936
# docs = ["https://keras.io/api/optimizers/adafactor/"]
# symptom = "TypeError: can only concatenate tuple"
# affected = {jax = ">=3.0.0,<3.0.2", torch = ">=3.0.0,<3.0.2"}
#
# [[tool.krepro.trigger]]
# code = "keras.optimizers.Adafactor() | model.compile(optimizer='adafactor' | 'Adafactor')"
# shows = ["raises"]
# ///
"""On JAX and torch, `Adafactor` fails for every model that has a Dense layer.

The optimizer factors the second moments of matrices, its whole point. In 3.0.0 and 3.0.1
building it for a variable with two dimensions or more ends in "can only concatenate
tuple (not "int") to tuple". On TensorFlow a shape takes an int, and it works.

Measured: JAX and torch, 3.0.0 and 3.0.1. Fixed by #18936.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np


def slots_for_a_matrix(optimizer):
    """Prepare the optimizer for the kernel of a Dense layer; count its variables."""
    kernel = keras.Variable(np.ones((2, 3), "float32"))
    before = len(optimizer.variables)
    optimizer.build([kernel])
    return len(optimizer.variables) - before


def test_built_for_a_matrix():
    """The optimizer makes its variables for a matrix: factored, hence several."""
    slots = slots_for_a_matrix(keras.optimizers.Adafactor())
    assert slots > 1, f"{slots} variables for the moments of a matrix"


def workaround_another_optimizer():
    """Take another optimizer that adapts its steps, such as Adam."""
    slots = slots_for_a_matrix(keras.optimizers.Adam())
    assert slots > 1, f"{slots} variables for the moments of a matrix"


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
