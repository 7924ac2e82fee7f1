# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.8.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "TimeDistributed: a masked input raises on TensorFlow"
# kind = "crash"
# area = "masking"
# issues = []
# introduced = "b038ce2973"
# fixed = 20765
# docs = [
#     "https://keras.io/api/layers/recurrent_layers/time_distributed/",
#     "https://keras.io/guides/understanding_masking_and_padding/",
# ]
# symptom = "OperatorNotAllowedInGraphError: ...Using a symbolic `tf.Tensor` as a Python `bool`"
# affected = {tensorflow = ">=3.4.1,<3.9.0", jax = [], torch = []}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.TimeDistributed()",
#   "layer(inputs=tensor)",
#   "model.compile(run_eagerly=absent | False)",
#   "model.fit() | model.evaluate()",
# ]
# where = ["masked(tensor)", "layer in model"]
# shows = ["raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.TimeDistributed()",
#   "not layer(inputs=_)",
#   "model.compile(run_eagerly=absent | False)",
#   "model.fit() | model.evaluate()",
# ]
# where = ["layer in model", "masked(model)"]
# shows = ["raises"]
# ///
"""On TensorFlow, `TimeDistributed` after `Embedding(mask_zero=True)` raises in `fit` and `evaluate`.

The layer compares the size of the batch with that of the mask, both of which are tensors
without a value while a step is traced. The documentation promises that the mask is passed
on to the inner layer; the guide to masking knows layers that use a mask, pass it on or
drop it, none that fails on it. Where the batch is of a known size (`train_on_batch`, or a
`predict` whose batches are all of one size) it works.

Measured: TensorFlow, 3.4.1 to 3.8.0; commit b038ce2973 (no pull request) brought it in,
#20765 mended it.
"""

import keras
import numpy as np

WORDS = np.array([[1, 2, 0]])
EMBEDDINGS = np.array([[0.0], [1.0], [2.0]])
ERROR = 1.0  # of each step, with a kernel of 1
TARGETS = EMBEDDINGS[WORDS] + ERROR


def assert_evaluates(layer, run_eagerly=False):
    words = keras.Input((3,), dtype="int32")
    embedding = keras.layers.Embedding(3, 1, mask_zero=True)
    model = keras.Model(words, layer(embedding(words)))
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    embedding.set_weights([EMBEDDINGS])
    loss = float(model.evaluate(WORDS, TARGETS, verbose=0))
    assert loss == ERROR**2, f"loss {loss}, promised {ERROR**2}"


def dense():
    return keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")


def test_time_distributed_takes_a_masked_input():
    """A layer for each step of a padded sequence."""
    assert_evaluates(keras.layers.TimeDistributed(dense()))


def workaround_run_eagerly():
    """Compile with `run_eagerly=True`."""
    assert_evaluates(keras.layers.TimeDistributed(dense()), run_eagerly=True)


def workaround_dense_alone():
    """`Dense` needs no `TimeDistributed`: it works on the last axis."""
    assert_evaluates(dense())


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
