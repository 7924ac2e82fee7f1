# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "PyDataset.on_epoch_end: called before the first epoch"
# kind = "silent"
# area = "data"
# issues = [20425]
# introduced = 20453
# docs = ["https://keras.io/api/utils/python_utils/"]
# affected = ">=3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["data = keras.utils.PyDataset()", "model.fit(x=data) | model.evaluate(x=data)"]
# where = ['overrides(data, "on_epoch_end")']
# shows = ["loss", "weights"]
# ///
"""`fit` and `evaluate` call a dataset's `on_epoch_end` once before they start.

The method is documented as called at the end of every epoch. People shuffle in it, or
move on to the next part of the data: the first part is then never trained on, because
the hook has already been called when the first epoch begins.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
Dataset = getattr(keras.utils, "PyDataset", None) or keras.utils.Sequence


class Curriculum(Dataset):
    """One batch an epoch: epoch n teaches the number n."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.ones((1, 1), "float32"), np.full((1, 1), self.epoch, "float32")

    def on_epoch_end(self):
        self.epoch += 1


class CountedByCallback(Curriculum):
    def on_epoch_end(self):
        """The callback below does it."""


def assert_first_epoch_first(dataset, **arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    history = model.fit(dataset, verbose=0, **arguments).history
    [loss] = map(float, history["loss"])  # of a model that predicts 0
    assert loss == 0, f"the first epoch taught {loss**0.5:.0f}, promised 0"
    assert dataset.epoch == 1, f"{dataset.epoch} epochs have ended, promised 1"


def test_hook_is_called_at_the_end_of_the_epoch():
    """One epoch: the hook is called once, after it."""
    assert_first_epoch_first(Curriculum())


def workaround_callback():
    """Do it in a callback of `fit`."""
    dataset = CountedByCallback()
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: Curriculum.on_epoch_end(dataset)
    )
    assert_first_epoch_first(dataset, callbacks=[callback])


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
