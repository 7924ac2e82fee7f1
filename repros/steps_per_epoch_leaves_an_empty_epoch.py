# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: with steps_per_epoch, some epochs train on nothing"
# kind = "silent"
# area = "trainer"
# issues = [20390, 20394]
# fixed = 20396
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = {tensorflow = ">=3.0.0,<3.7.0", jax = ">=3.0.5,<3.7.0", torch = ">=3.0.0,<3.7.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(x=data, epochs=not 1, steps_per_epoch=not None)"
# where = [
#   "not isinstance(data, types.GeneratorType)",
#   'perhaps("the data end where an epoch does")',
# ]
# shows = ["steps", "warns"]
# ///
"""Each time the data run out, an epoch of `fit` trains on nothing and logs a loss of 0.

With `steps_per_epoch`, an epoch goes on where the last one stopped. When the arrays are
used up exactly at the end of an epoch, the next epoch finds no data, takes no step, and
its loss is logged as 0: the best epoch of the run, to every callback that looks for it.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
X = np.ones((2, 1), "float32")
EPOCHS = 3
PROMISED = [1.0] * EPOCHS  # the model predicts 0 and stays


def losses_of_epochs(x, y=None, **arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    history = model.fit(
        x, y, epochs=EPOCHS, steps_per_epoch=1, verbose=0, **arguments
    ).history
    return [float(loss) for loss in history["loss"]]


def test_every_epoch_takes_its_step():
    """Two samples, one a step, one step an epoch: the third epoch starts again."""
    losses = losses_of_epochs(X, X, batch_size=1)
    assert losses == PROMISED, f"losses of the epochs {losses}, promised {PROMISED}"


def workaround_endless_generator():
    """Pass a generator that never ends."""

    def endless():
        while True:
            yield X, X

    losses = losses_of_epochs(endless())
    assert losses == PROMISED, f"losses of the epochs {losses}, promised {PROMISED}"


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
