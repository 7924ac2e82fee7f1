# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "TensorBoard: summaries of a train_step are all written at one step"
# kind = "silent"
# area = "callbacks"
# issues = [20143]
# docs = ["https://keras.io/api/callbacks/tensorboard/"]
# affected = { tensorflow = ">=3.0.0" }
# applies = { tensorflow = ">=3.0.0" }
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.TensorBoard(update_freq=not ('epoch' | None))",
#   "model.fit(callbacks=has(callback))",
# ]
# where = [
#   'overrides(model, "train_step") or overrides(model, "call")',
#   'perhaps("it writes summaries of its own, without a step")',
# ]
# shows = ["saved"]
# ///
"""`tf.summary.scalar` in a `train_step` writes all its values at one step.

The page of the callback shows how to log custom batch-level summaries with
`tf.summary` in a model and `update_freq=1`. Their curve is a vertical line, unless they are given
a step.

Measured: TensorFlow, every release, and Keras 2.16: step 0 up to 3.14.1, step 1 from 3.15.0 on, where
#22357 set the number of the batch for each batch, which a traced step reads once. JAX and torch
need TensorFlow for the callback; their stacks have none.
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


def own_steps(**named):
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("the callback writes with TensorFlow")
    import tensorflow as tf

    class Model(keras.Sequential):
        def train_step(self, data):
            step = {name: getattr(self.optimizer, what) for name, what in named.items()}
            tf.summary.scalar("mine", tf.reduce_mean(data[0]), **step)
            return super().train_step(data)

    model = Model([keras.Input((2,)), keras.layers.Dense(1)])
    # Summaries cannot be written from what XLA compiles.
    model.compile("sgd", "mse", jit_compile=False)
    folder = tempfile.mkdtemp(dir=".")
    callback = keras.callbacks.TensorBoard(folder, update_freq=1)
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[callback])
    return [step for tag, step in summaries(folder) if tag == "mine"]


def test_own_summaries_have_steps_of_their_own():
    """Each batch's summary is written at the batch's step."""
    steps = own_steps()
    assert len(steps) == 4, f"{len(steps)} summaries of four batches"
    assert len(set(steps)) == 4, f"the summaries of four batches lie at steps {steps}"


def workaround_give_the_step():
    """Give the step: `tf.summary.scalar(..., step=self.optimizer.iterations)`."""
    assert len(set(own_steps(step="iterations"))) == 4


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
