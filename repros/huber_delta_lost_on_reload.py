# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Huber: a saved model is reloaded with the default delta"
# kind = "silent"
# area = "saving"
# issues = [23286]
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(loss=has(keras.losses.Huber(delta=_)))",
#   "model.save() | keras.models.save_model(model=model)",
# ]
# shows = ["saved", "loss"]
# ///
"""A model compiled with `Huber(delta=0.25)` trains on with delta 1 after a reload.

`load_model` promises the model "in the exact same state", with its loss. The config of
the Huber loss holds its name and reduction, not `delta`, so the reloaded model (or a
clone by `from_config`) goes back to the default without a word and trains on another
loss. `CosineSimilarity(axis=...)` loses its axis in the same way.

Measured: every release of Keras 3, all backends. Pull request 23286 adds the parameters
after 3.15.1. Keras 2 keeps them.
"""

import keras
import numpy as np

DELTA = 0.25
X, Y = np.full((2, 1), 2, "float32"), np.zeros((2, 1), "float32")
PROMISED = np.mean(DELTA * (np.abs(X - Y) - DELTA / 2))  # of predictions X


class HuberWithDelta(keras.losses.Huber):
    def get_config(self):
        return {**super().get_config(), "delta": DELTA}


def assert_same_loss_after_reload(loss, **arguments):
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile("sgd", loss)
    model.save("model.keras")
    reloaded = keras.models.load_model("model.keras", **arguments)
    observed = float(reloaded.loss(Y, X))
    assert observed == PROMISED, f"loss {observed}, promised {PROMISED}"


def test_reloaded_model_has_the_same_loss():
    """The loss of a reloaded model is the one it was saved with."""
    assert_same_loss_after_reload(keras.losses.Huber(delta=DELTA))


def workaround_subclass_with_config():
    """Put delta into the config in a subclass of Huber."""
    custom = {"HuberWithDelta": HuberWithDelta}
    assert_same_loss_after_reload(HuberWithDelta(delta=DELTA), custom_objects=custom)


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
