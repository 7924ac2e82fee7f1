# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.2.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "fit: what a custom train_step returns is dropped from the history"
# kind = "silent"
# area = "gan"
# issues = []
# fixed = 19529
# docs = ["https://keras.io/guides/custom_train_step_in_tensorflow/"]
# affected = ">=3.0.0,<3.3.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.train_step(returns=(value := {}))"
# where = ['any(x != "loss" for x in keys(value))']
# shows = ["names", "loss"]
# ///
"""`fit` logged only the model's own metrics, not what `train_step` returned.

A GAN with its own `train_step` returns `{"d_loss": ..., "g_loss": ...}`. The guide says
that a step returns a dictionary of names and values and prints it from `fit`. Before
3.3.0 these entries went neither to the progress bar nor to the history; in their
place came a `loss` of 0, the tracker that such a step never updates. From 3.3.0
on they arrive, and the 0 is gone, unless the step itself returns a "loss" alone:
train_step_loss_logged_as_zero.
"""

import keras
import numpy as np

X = np.ones((2, 2), "float32")
LOGS = {"d_loss": 2.5, "g_loss": 1.5}  # exact in float32


class GAN(keras.Model):
    """As far as fit can tell: a model whose train_step returns two losses."""

    def train_step(self, *args):
        if len(args) == 2:  # JAX: state and data
            return LOGS, args[0]
        return LOGS


def fit():
    inputs = keras.Input((2,))
    model = GAN(inputs, keras.layers.Dense(1)(inputs))
    model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    return model.fit(X, X[:, :1], verbose=0)


def test_history_holds_what_train_step_returned():
    """One epoch of one step: the history is what the step returned."""
    history = {name: float(value) for name, [value] in fit().history.items()}
    assert history == LOGS, f"train_step returned {LOGS}, the history holds {history}"


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
