# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "train_on_batch: TensorFlow traces the step anew in every call, fifty times slower"
# kind = "silent"
# area = "trainer"
# issues = []
# fixed = 20396
# docs = [
#   "https://www.tensorflow.org/guide/function#rules_of_tracing",
#   "https://keras.io/api/models/model_training_apis/",
# ]
# affected = { tensorflow = ">=3.0.0,<3.7.0" }
# applies = { tensorflow = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(run_eagerly=absent | False)",
#   "model.train_on_batch()",
#   "not model.compile()",
#   "model.train_on_batch()",
# ]
# shows = ["time", "warns"]
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(run_eagerly=absent | False)",
#   "model.test_on_batch()",
#   "not model.compile()",
#   "model.test_on_batch()",
# ]
# shows = ["time", "warns"]
# ///
"""On TensorFlow, `train_on_batch` and `test_on_batch` trace their step in every call.

From the fifth call on, TensorFlow warns: "5 out of the last 5 calls to <function
TensorFlowTrainer.make_train_function...one_step_on_iterator> triggered tf.function
retracing". Losses are right, but a call takes 70 ms instead of 1.5 for a single Dense layer,
and each leaves 0.6 MiB behind; `test_on_batch` also calls the layers' Python code again.
TensorFlow's guide promises that a step is traced once for inputs of one type and shape. A
GAN that was pinned to an old release for its losses pays this in each of its steps.

Measured: TensorFlow, 3.0.0 to 3.6.0 (time and memory on 3.3.3, 3.6.0 and 3.7.0, a CPU).
Keras 2 traces once. JAX and torch have no such function.
"""

import gc
import unittest

import keras
import numpy as np

X = np.ones((4, 2), "float32")
Y = np.zeros((4, 1), "float32")
CALLS = 5


def compiled_model(**how):
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("only TensorFlow traces with tf.function")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **how)
    return model


def count_of_graphs():
    """Return how many traced graphs there are in memory."""
    import tensorflow as tf

    gc.collect()
    return sum(issubclass(type(each), tf.Graph) for each in gc.get_objects())


def assert_traced_once(call):
    call()
    before = count_of_graphs()
    for _ in range(CALLS):
        call()
    more = count_of_graphs() - before
    assert not more, f"{CALLS} more batches of one shape leave {more} more graphs behind"


def test_train_on_batch():
    """Batches of one shape and type are traced once."""
    model = compiled_model()
    assert_traced_once(lambda: model.train_on_batch(X, Y))


def test_test_on_batch():
    """Batches of one shape and type are traced once."""
    model = compiled_model()
    assert_traced_once(lambda: model.test_on_batch(X, Y))


def workaround_run_eagerly():
    """`run_eagerly=True` traces nothing; for small models that is faster here."""
    model = compiled_model(run_eagerly=True)
    assert_traced_once(lambda: model.train_on_batch(X, Y))


def workaround_own_function():
    """Wrap `model.train_step` in a `tf.function` of one's own."""
    import tensorflow as tf

    model = compiled_model()
    step = tf.function(lambda x, y: model.train_step((x, y)), reduce_retracing=True)
    before = model.get_weights()[0]
    assert_traced_once(lambda: step(X, Y))
    assert not np.array_equal(before, model.get_weights()[0]), "the model does not learn"


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
