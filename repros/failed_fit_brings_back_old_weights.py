# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "Model.fit: after an error, the weights of the last train_on_batch are back"
# kind = "silent"
# area = "trainer"
# issues = [21019]
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "TypeError: 'NoneType' object is not callable"
# affected = { jax = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.train_on_batch()",
#   "model.set_weights() | model.load_weights()",
#   "model.fit()",
# ]
# where = ['perhaps("fit fails in its first step")']
# shows = ["raises", "weights"]
# ///
"""On JAX, a `fit` that fails in its first step undoes a `set_weights` before it.

After `train_on_batch`, new weights are set (or loaded), and `fit` gets data of a wrong
shape. It raises, as it should. But the model then holds the weights that the last
`train_on_batch` left, which nobody asked for: JAX puts the state back that it kept from
there, not the state that `fit` began with. Before #21019 no weights were left at all.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
X = np.ones((2, 1), "float32")
NEW = np.full((1, 1), 5.0, "float32")


def kernel_after_failed_fit(set_again=False):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", run_eagerly=EAGER)
    model.train_on_batch(X, X)
    model.set_weights([NEW])
    try:
        model.fit(np.ones((2, 7), "float32"), X, verbose=0)
    except ValueError:
        if set_again:
            model.set_weights([NEW])
        return float(model.get_weights()[0][0, 0])
    raise RuntimeError("fit accepted inputs of a wrong shape")


def test_weights_set_before_fit_stay():
    """The failed `fit` did not take a step."""
    kernel = kernel_after_failed_fit()
    assert kernel == NEW, f"the weight is {kernel}, it was set to {NEW[0, 0]}"


def workaround_set_them_again():
    """Set the weights once more after the error."""
    kernel = kernel_after_failed_fit(set_again=True)
    assert kernel == NEW, f"the weight is {kernel}, it was set to {NEW[0, 0]}"


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
