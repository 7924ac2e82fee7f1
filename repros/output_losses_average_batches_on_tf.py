# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: logged losses of single outputs count a smaller last batch as a full one"
# kind = "silent"
# area = "losses"
# issues = []
# introduced = 20023
# docs = ["https://keras.io/api/models/model_training_apis/"]
# related = ["small_last_batch_counts_as_a_full_one"]
# affected = {tensorflow = ">=3.5.0"}
# applies = ">=3.5.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(run_eagerly=absent | (not True))",
#   "model.fit(batch_size=absent | (not 1)) | model.evaluate(batch_size=absent | (not 1))",
# ]
# where = [
#   "len(model.outputs) > 1",
#   "not overrides(model, 'train_step')",
#   'perhaps("the last batch is smaller")',
# ]
# shows = ["output_losses"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(run_eagerly=absent | (not True))",
#   "model.evaluate(batch_size=absent | (not 1), return_dict=absent | False)",
# ]
# where = [
#   "len(model.outputs) > 1",
#   "not overrides(model, 'test_step')",
#   'perhaps("the last batch is smaller")',
# ]
# shows = ["output_losses", "metrics"]
# ///
"""On TensorFlow `price_loss` depends on how the samples fall into batches.

`loss` is promised to be the weighted sum of all individual losses, and is a mean over the
samples since #19363. The losses of the single outputs that are logged beside it are the
mean of the batches' means: with a number of samples that the batch size does not divide,
the few samples of the last batch weigh as much as a whole one. So they do not add up to
`loss`, and a callback that monitors `val_price_loss` sees numbers that depend on the
batch size. `fit` logs them likewise.

Measured: TensorFlow, every release that logs these losses (3.5.0 on). Torch, JAX and
Keras 2 are right, and so is TensorFlow with `run_eagerly=True`. The weight is the static
size of the batch, which a traced step does not know (`shape[0]` is None); the total uses
`tf.shape`. That the total itself was a mean of batches up to 3.1.1 is
small_last_batch_counts_as_a_full_one.
"""

import functools
import unittest

import keras
import numpy as np

X = np.ones((3, 1), "float32")
ZEROS = np.zeros((3, 1), "float32")
Y = np.array([[0.0], [0.0], [3.0]], "float32")  # the model predicts 0
PROMISED = float(np.mean(Y**2))


def two_outputs(**arguments):
    """A model of two outputs that are 0."""
    inputs = keras.Input((1,))
    outputs = {
        name: keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(
            inputs
        )
        for name in ("price", "area")
    }
    model = keras.Model(inputs, list(outputs.values()))
    model.compile(keras.optimizers.SGD(0.0), ["mse", "mse"], **arguments)
    return model


def evaluated(**arguments):
    """The logs of three samples, in a batch of two and a batch of one."""
    model = two_outputs(**arguments)
    return model.evaluate(X, [Y, ZEROS], batch_size=2, verbose=0, return_dict=True)


@functools.cache
def logs_with_metrics():
    return evaluated(metrics=[["mse"], ["mse"]])


def check(logs):
    if "price_loss" not in logs:
        raise unittest.SkipTest("this release does not log losses of single outputs")
    seen = float(logs["price_loss"])
    assert seen == PROMISED, f"price_loss {seen}, the mean over the samples is {PROMISED}"


def test_loss_of_an_output_is_the_mean_over_the_samples():
    """The other output is right in every sample, so the total is this loss."""
    check(logs_with_metrics())
    total = float(logs_with_metrics()["loss"])
    assert total == PROMISED, f"loss {total}, promised {PROMISED}"


def workaround_metric():
    """Compile the loss as a metric of its output too, and read that."""
    value = float(logs_with_metrics()["price_mse"])
    assert value == PROMISED, f"price_mse {value}, promised {PROMISED}"


def workaround_run_eagerly():
    """Compile with `run_eagerly=True`."""
    check(evaluated(run_eagerly=True))


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
