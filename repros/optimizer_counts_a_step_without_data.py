# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: the optimizer counts a step when the data run out"
# kind = "silent"
# area = "trainer"
# issues = []
# fixed = 20396
# docs = ["https://keras.io/api/models/model_training_apis/", "https://keras.io/api/optimizers/"]
# related = ["steps_per_epoch_leaves_an_empty_epoch", "steps_per_execution_drops_the_rest"]
# affected = {tensorflow = "<3.7.0", jax = [], torch = []}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(steps_per_epoch=not None)"
# where = ['perhaps("the data run out within an epoch, and the step is compiled")']
# shows = ["optimizer", "loss"]
# ///
"""Each time the data run out, the optimizer counts a step that was not taken.

With `steps_per_epoch` an epoch goes on where the last one stopped. The step that finds no
data left trains nothing and no callback hears of it, but `optimizer.iterations` grows: a
learning rate schedule is ahead of the training, Adam's correction of its first steps too,
and so are counts in logs and in the names of files.

Measured: TensorFlow with a compiled step, up to 3.6.0. In a traced step the counting does
not depend on the batch, and is done although there is none. #20396 mended it.
"""

import keras
import numpy as np

X = np.ones((3, 1), "float32")


def assert_steps_are_counted(run_eagerly=False, **arguments):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    steps = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch)
    )
    model.fit(X, X, batch_size=1, callbacks=[count], verbose=0, **arguments)
    counted = int(np.array(model.optimizer.iterations))
    message = f"the optimizer counts {counted} steps, callbacks saw {len(steps)}"
    assert counted == len(steps), message


def test_optimizer_counts_the_steps_taken():
    """Three samples, two steps an epoch: the second epoch finds one."""
    assert_steps_are_counted(epochs=2, steps_per_epoch=2)


def workaround_run_eagerly():
    """Compile with `run_eagerly=True`."""
    assert_steps_are_counted(run_eagerly=True, epochs=2, steps_per_epoch=2)


def workaround_whole_epochs():
    """Leave `steps_per_epoch` away."""
    assert_steps_are_counted(epochs=2)


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
