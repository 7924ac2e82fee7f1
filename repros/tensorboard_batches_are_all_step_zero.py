# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "TensorBoard: losses of batches are all written at step 0"
# kind = "silent"
# area = "callbacks"
# issues = []
# fixed = 20461
# docs = ["https://keras.io/api/callbacks/tensorboard/"]
# affected = { tensorflow = ">=3.0.0,<3.7.0" }
# applies = { tensorflow = ">=3.0.0" }
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.TensorBoard(update_freq=not ('epoch' | None))",
#   "model.fit(callbacks=has(callback))",
# ]
# shows = ["saved"]
# ///
"""With `update_freq` below an epoch, `TensorBoard` writes every batch's loss at step 0.

The curve `batch_loss` is a single vertical line: all its points lie at step 0. The page of the
callback promises the losses after every batch, or every N batches.

Measured: TensorFlow, 3.0.0 to 3.6.0. Keras 2.16 writes no losses of batches at all unless it
profiles. JAX and torch need TensorFlow for the callback; their stacks have none.
"""

import glob
import tempfile
import unittest

import keras
import numpy as np

X = np.ones((8, 2), "float32")
Y = np.zeros((8, 1), "float32")


def summaries(folder):
    """Return what was written below a folder, as pairs of tag and step."""
    import tensorflow as tf

    return [
        (value.tag, event.step)
        for path in sorted(glob.glob(f"{folder}/**/events*", recursive=True))
        for event in tf.compat.v1.train.summary_iterator(path)
        for value in event.summary.value
    ]


def batch_steps(update_freq):
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("the callback writes with TensorFlow")
    folder = tempfile.mkdtemp(dir=".")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    callback = keras.callbacks.TensorBoard(folder, update_freq=update_freq)
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[callback])
    return [step for tag, step in summaries(folder) if tag.endswith("batch_loss")]


def test_batches_have_steps_of_their_own():
    """`update_freq="batch"` writes the loss after every batch."""
    steps = batch_steps("batch")
    assert len(steps) == 4, f"{len(steps)} losses for 4 batches"
    assert len(set(steps)) == 4, f"the losses of 4 batches lie at steps {steps}"


def workaround_write_them_in_a_callback():
    """Write the losses in a callback, with `optimizer.iterations` as the step."""
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("the callback writes with TensorFlow")
    import tensorflow as tf

    folder = tempfile.mkdtemp(dir=".")
    writer = tf.summary.create_file_writer(folder)

    class Losses(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            step = int(self.model.optimizer.iterations.numpy())
            with writer.as_default(step=step):
                tf.summary.scalar("batch_loss", logs["loss"])

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[Losses()])
    writer.close()
    assert [step for _, step in summaries(folder)] == [1, 2, 3, 4]


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
