# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.14.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "TensorBoard: update_freq=N writes every batch"
# kind = "silent"
# area = "callbacks"
# issues = [20143]
# fixed = 22357
# docs = ["https://keras.io/api/callbacks/tensorboard/"]
# affected = { tensorflow = ">=3.0.0,<3.15.0" }
# applies = { tensorflow = ">=3.0.0" }
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.TensorBoard(update_freq=not ('epoch' | 'batch' | 1 | None))",
#   "model.fit(callbacks=has(callback))",
# ]
# shows = ["saved", "time"]
# ///
"""`TensorBoard(update_freq=N)` writes after every batch, not after every N.

The page of the callback says that N makes it write every N batches, and warns that writing too
often slows the training down: that is what it does.

Measured: TensorFlow, 3.0.0 to 3.14.1. Keras 2.16 writes no losses of batches at all unless it
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


def losses_of_batches(update_freq):
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("the callback writes with TensorFlow")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    folder = tempfile.mkdtemp(dir=".")
    callback = keras.callbacks.TensorBoard(folder, update_freq=update_freq)
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[callback])
    return [step for tag, step in summaries(folder) if tag.endswith("batch_loss")]


def test_every_second_batch():
    """`update_freq=2` writes after every second of four batches."""
    written = len(losses_of_batches(2))
    assert written == 2, f"{written} losses are written for four batches"


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
