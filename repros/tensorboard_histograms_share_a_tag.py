# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.13.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "TensorBoard: histograms of all layers are written under one name"
# kind = "silent"
# area = "callbacks"
# issues = [22317]
# fixed = 22317
# docs = ["https://keras.io/api/callbacks/tensorboard/"]
# affected = { tensorflow = ">=3.0.0,<3.14.0" }
# applies = { tensorflow = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.TensorBoard(histogram_freq=not (0 | None))",
#   "model.fit(callbacks=has(callback))",
# ]
# shows = ["saved"]
# ///
"""With `histogram_freq`, the kernels of all layers are written as `kernel/histogram`.

TensorBoard shows one histogram, mixed of all of them, where a model of two layers has two. The page of the callback promises weight histograms for the layers of the model.

Measured: TensorFlow, 3.0.0 to 3.13.2; Keras 2 names them by layer. JAX and torch need TensorFlow
for the callback; their stacks have none.
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


def histograms(*callbacks, folder):
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("the callback writes with TensorFlow")
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, Y, verbose=0, callbacks=callbacks)
    return [tag for tag, _ in summaries(folder) if "histogram" in tag]


def assert_four(tags):
    assert len(tags) == 4, f"{len(tags)} histograms of four weights"
    assert len(set(tags)) == 4, f"four weights are written as {sorted(set(tags))}"


def test_each_weight_has_a_histogram():
    """The kernels and biases of two layers are four histograms."""
    folder = tempfile.mkdtemp(dir=".")
    callback = keras.callbacks.TensorBoard(folder, histogram_freq=1)
    assert_four(histograms(callback, folder=folder))


def workaround_write_them_in_a_callback():
    """Write the histograms in a callback, under the weights' paths."""
    folder = tempfile.mkdtemp(dir=".")

    class Histograms(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            import tensorflow as tf

            with tf.summary.create_file_writer(folder).as_default(step=epoch):
                for weight in self.model.weights:
                    name = getattr(weight, "path", weight.name)
                    tf.summary.histogram(f"{name}/histogram", weight)

    assert_four(histograms(Histograms(), folder=folder))


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
