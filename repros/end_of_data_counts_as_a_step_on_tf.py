# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: the end of a generator decays weights and counts a step on TensorFlow"
# kind = "silent"
# area = "trainer"
# issues = []
# docs = [
#   "https://keras.io/api/models/model_training_apis/",
#   "https://keras.io/api/optimizers/",
# ]
# affected = { tensorflow = ">=3.0.0" }
# applies = { tensorflow = ">=3.0.0" }
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(optimizer=keras.Optimizer(weight_decay=not (None | 0)) | keras.optimizers.AdamW(), run_eagerly=absent | False)",
#   "model.fit()",
# ]
# where = ['perhaps("how many batches the data have is not known before")']
# shows = ["trains", "weights", "loss", "optimizer"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(optimizer=keras.Optimizer(gradient_accumulation_steps=not (None | 1)) | keras.Optimizer(learning_rate=keras.optimizers.schedules.LearningRateSchedule), run_eagerly=absent | False)",
#   "model.fit()",
#   "model.fit()",
# ]
# where = ['perhaps("how many batches the data have is not known before")']
# shows = ["trains", "weights", "loss", "optimizer"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(optimizer=keras.Optimizer(gradient_accumulation_steps=not (None | 1)) | keras.Optimizer(learning_rate=keras.optimizers.schedules.LearningRateSchedule), run_eagerly=absent | False)",
#   "model.fit(epochs=not 1)",
# ]
# where = ['perhaps("how many batches the data have is not known before")']
# shows = ["trains", "weights", "loss", "optimizer"]
# ///
"""Each epoch from a generator decays the weights once more than it has batches.

With a generator, or a `tf.data.Dataset` of unknown length, TensorFlow learns of the end of
the data by an error from within the compiled step. What does not wait for a batch has been
done by then: the weights have decayed, and `optimizer.iterations` has gone up. So an epoch
of N batches decays N + 1 times, and a learning rate schedule is ahead by a step for each
epoch. With gradient accumulation the extra step may be one that decays without an update.

Arrays, and datasets that know their length, are not concerned, nor is `run_eagerly=True`.
In 3.15.1 it is enough to have everything in the step wait for its batch (repros/patches).

Measured: every release, and Keras 2. Other backends ask for a batch before they step. Found
by drawing programs, as weights that changed where accumulation was not yet full.
"""

import unittest

import keras
import numpy as np

X = np.ones((1, 1), "float32")


def batches(count):
    for _ in range(count):
        yield X, X


def trained(**options):
    """An epoch of one batch whose gradient is 0: only the decay is left."""
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("other backends ask for a batch before they step")
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer])
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.25)
    model.compile(optimizer, "mse", **options)
    model.fit(batches(1), verbose=0)
    return float(layer.get_weights()[0][0, 0]), int(optimizer.iterations.numpy())


def assert_one_step(weight, steps):
    assert weight == 1 - 0.5 * 0.25, f"weight {weight} after a decay to 0.875"
    assert steps == 1, f"{steps} steps of one batch"


def test_one_batch_is_one_step():
    """A generator of one batch decays the weights once, and counts one step."""
    assert_one_step(*trained())


def workaround_eagerly():
    """Train with `run_eagerly=True`, or give the data a length."""
    assert_one_step(*trained(run_eagerly=True))


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
