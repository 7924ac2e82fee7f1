# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "fit: with use_ema, a second fit raises on JAX"
# kind = "crash"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/"]
# related = ["failed_fit_loses_weights_on_jax", "ema_zeroes_weights_after_training"]
# symptom = [
#   "TypeError: 'NoneType' object is not callable",
#   "XlaRuntimeError: INVALID_ARGUMENT: Attempt to donate the same buffer twice",
# ]
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(optimizer=keras.Optimizer(use_ema=True), run_eagerly=absent | False, jit_compile=absent | 'auto' | True)",
#   "not model.compile()",
#   "model.fit()",
#   "not model.compile()",
#   "not model.set_weights()",
#   "not model.load_weights()",
#   "trains(model)",
# ]
# shows = ["raises"]
# ///
"""On JAX, a model whose optimizer has `use_ema=True` can be fitted once.

The promise: `use_ema` keeps a moving average of the weights, and `fit` puts it into the
model at its end; nothing says that training cannot go on. On JAX the weight and its
average are then one and the same array, the next `fit` gives both away to the compiled
step, and JAX refuses: "Attempt to donate the same buffer twice". From 3.10.0 on another
error hides that one ("'NoneType' object is not callable"). The model has lost its
weights then (failed_fit_loses_weights_on_jax). Several epochs in one `fit` work.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

X = np.ones((2, 1), "float32")


def train_twice(between=None, **settings):
    """Two calls of fit, and what may help between them."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25, use_ema=True), "mse", **settings)
    model.fit(X, X, verbose=0)
    if between is not None:
        between(model)
    model.fit(X, X, verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_training_goes_on():
    """The second fit runs, and the weights can be read after it."""
    train_twice()


def workaround_set_the_weights_anew():
    """Copy the weights between the two."""
    train_twice(lambda model: model.set_weights(model.get_weights()))


def workaround_without_compilation():
    """Compile with `jit_compile=False`."""
    train_twice(jit_compile=False)


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
