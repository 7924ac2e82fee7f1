# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: use_ema and a model that is frozen as a whole raise"
# kind = "crash"
# area = "optimizers"
# issues = []
# docs = ["https://keras.io/api/optimizers/", "https://keras.io/guides/transfer_learning/"]
# symptom = "AttributeError: ...object has no attribute '_model_variables_moving_average'"
# affected = { tensorflow = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.trainable = False",
#   "model.compile(optimizer=keras.Optimizer(use_ema=True))",
#   "model.fit()",
# ]
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(optimizer=keras.Optimizer(use_ema=True))",
#   "model.trainable = False",
#   "not model.compile()",
#   "model.fit()",
# ]
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer.trainable = False",
#   "model.compile(optimizer=keras.Optimizer(use_ema=True))",
#   "model.fit()",
# ]
# where = ["layer in model", 'perhaps("no other layer learns")']
# shows = ["raises"]
# ///
"""A frozen model whose optimizer averages weights cannot be fitted.

`fit` on a model that is frozen as a whole warns that there is nothing to train, and goes on:
its metrics are reported. With `use_ema=True` it ends in an error about an attribute of the
optimizer's own, after all epochs were run. Nothing in the documentation says that averages
need a weight that learns.

Measured: every release, TensorFlow only; the other backends and Keras 2 go on. Found by
drawing programs.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")


def fitted(use_ema):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.trainable = False
    model.compile(keras.optimizers.SGD(0.1, use_ema=use_ema), "mse")
    return model.fit(X, X, verbose=0).history["loss"]


def test_a_frozen_model_is_fitted():
    """An epoch, and its loss."""
    assert len(fitted(use_ema=True)) == 1


def workaround_no_averages():
    """Ask for averages only where something learns."""
    assert len(fitted(use_ema=False)) == 1


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
