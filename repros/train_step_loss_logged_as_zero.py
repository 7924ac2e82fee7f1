# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "fit: a loss that a custom train_step returns is logged as 0"
# kind = "silent"
# area = "gan"
# issues = []
# docs = ["https://keras.io/guides/custom_train_step_in_tensorflow/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
# works = {workaround_another_name = ">=3.3.0"}
#
# [[tool.krepro.trigger]]
# code = "model.train_step(returns=(value := {}))"
# where = [
#   'keys(value) == ["loss"]',
#   'not overrides(model, "metrics")',
#   'during("fit") or perhaps("fit calls it")',
# ]
# shows = ["loss"]
# ///
"""`return {"loss": loss}` from a custom `train_step` ends up as `loss: 0.0` in `fit`.

The guide says that `train_step` returns names and values to log. When the names are
exactly those of the model's metrics, `fit` takes the metrics' values instead. A model
compiled without metrics has one, the tracker named "loss", which a custom step does
not update unless it knows of it: the history and the callbacks (early stopping, best
checkpoint) see 0 in every epoch. `train_on_batch` returns the right number. Measured:
every release of Keras 3, all backends; Keras 2 logs what the step returned.
"""

import keras
import numpy as np

X = np.ones((2, 2), "float32")
LOSS = 2.5  # exact in float32


def custom_model(logs):
    class Custom(keras.Model):
        def train_step(self, *args):
            if len(args) == 2:  # JAX: state and data
                return logs, args[0]
            return logs

    inputs = keras.Input((2,))
    model = Custom(inputs, keras.layers.Dense(1)(inputs))
    model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    return model


def test_history_holds_the_loss():
    """One epoch of one step: the history is what the step returned."""
    [loss] = custom_model({"loss": LOSS}).fit(X, X[:, :1], verbose=0).history["loss"]
    assert loss == LOSS, f"train_step returned a loss of {LOSS}, fit logged {loss}"


def workaround_another_name():
    """Return the loss under a name that no metric has (from 3.3.0 on)."""
    history = custom_model({"my_loss": LOSS}).fit(X, X[:, :1], verbose=0).history
    assert history == {"my_loss": [LOSS]}, f"fit logged {history}"


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
