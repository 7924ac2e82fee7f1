# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.10.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Callback.on_test_batch_end: is given the first batch of an execution"
# kind = "silent"
# area = "callbacks"
# issues = [20861]
# fixed = 21422
# docs = ["https://keras.io/api/callbacks/base_callback/"]
# affected = { tensorflow = ">=3.0.0,<3.11.0", jax = ">=3.0.0,<3.11.0" }
# applies = {tensorflow = ">=3.0.0", jax = ">=3.0.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(steps_per_execution=not 1)",
#   "model.fit(callbacks=has(callback)) | model.evaluate(callbacks=has(callback))",
# ]
# where = [
#   'overrides(callback, "on_test_batch_end") or given(callback.on_test_batch_end) or overrides(callback, "on_train_batch_end") or given(callback.on_train_batch_end)',
# ]
# shows = ["calls"]
# ///
"""With `steps_per_execution`, the end of a batch is reported with the wrong index.

A callback hears of each execution once. When four batches were run at a time, the call
after them should name batch 3; it names batch 0, so progress bars stop short of the end
and callbacks that count batches are behind.
"""

import unittest

import keras
import numpy as np

BATCHES = 4
X = np.ones((BATCHES, 1), "float32")


def assert_last_index(steps_per_execution):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(loss="mse", steps_per_execution=steps_per_execution, run_eagerly=True)
    ends = []
    callback = keras.callbacks.LambdaCallback()
    callback.on_test_batch_end = lambda batch, logs=None: ends.append(int(batch))
    model.evaluate(X, X, batch_size=1, verbose=0, callbacks=[callback])
    assert ends[-1] == BATCHES - 1, f"indices {ends}, the last batch is {BATCHES - 1}"


def test_last_call_names_the_last_batch():
    """All batches in one execution."""
    if keras.backend.backend() == "torch":
        raise unittest.SkipTest("steps_per_execution has to be 1 on torch")
    assert_last_index(BATCHES)


def workaround_one_step():
    """Leave `steps_per_execution` alone."""
    assert_last_index(1)


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
