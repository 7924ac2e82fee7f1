# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.1.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.evaluate: a last, smaller batch counts as much as a full one"
# kind = "silent"
# area = "trainer"
# issues = [19363]
# fixed = 19363
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0,<3.2.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(batch_size=absent | (not 1)) | model.evaluate(batch_size=absent | (not 1))"
# where = ['not overrides(model, "train_step")', 'perhaps("the last batch is smaller")']
# shows = ["loss"]
# ///
"""The loss of `evaluate` and of an epoch depends on how the samples fall into batches.

With a number of samples that the batch size does not divide, the few samples of the
last batch weigh as much as a whole batch: the reported loss is the mean of the batches'
means, not the mean over the samples. A metric of the same formula gives the right
number.
"""

import keras
import numpy as np

X = np.ones((3, 1), "float32")
Y = np.array([[0.0], [0.0], [3.0]], "float32")  # the model predicts 0
PROMISED = float(np.mean(Y**2))


def evaluated(**arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", run_eagerly=True, **arguments)
    return model.evaluate(X, Y, batch_size=2, verbose=0)


def test_loss_is_the_mean_over_the_samples():
    """Three samples, in a batch of two and a batch of one."""
    loss = float(evaluated())
    assert loss == PROMISED, f"loss {loss}, the mean over the samples is {PROMISED}"


def workaround_metric():
    """Compile the loss as a metric too, and read that."""
    value = float(evaluated(metrics=["mse"])[1])
    assert value == PROMISED, f"metric {value}, promised {PROMISED}"


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
