# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Loss: weights of the samples are applied to the time steps"
# kind = "silent"
# area = "losses"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "runs(model, sample_weight=not None)"
# where = [
#   "masked(model) or isinstance(model.layers[-1], keras.layers.TimeDistributed) or (given(model.layers[-1].return_sequences) and model.layers[-1].return_sequences) or (len(model.layers) > 1 and given(model.layers[-2].return_sequences) and model.layers[-2].return_sequences)",
#   'perhaps("there is one weight per sample, and a batch has as many samples as time steps")',
# ]
# shows = ["loss", "weights"]
# ///
"""One weight per sample weighs the time steps, when a batch has as many of both.

The model predicts a value per time step, and `sample_weight` is a flat array: one
weight per sample, which the documentation allows for temporal data too. When the batch
holds as many samples as a sequence has steps, the weights are multiplied along the
wrong axis. The loss is wrong without a word. With other sizes it raises: see
`sample_weights_of_sequences_raise`.

Measured: 3.0.0 to 3.15.1, all backends. `weighted_metrics` apply the same weights to
the samples, as promised, and Keras 2 does so for the loss as well.
"""

import keras
import numpy as np

STEPS = SAMPLES = 2
# The errors differ between the time steps, not between the samples.
ERRORS = np.array([[[1.0], [3.0]], [[1.0], [3.0]]], "float32")
SAMPLE_WEIGHT = np.array([1.0, 0.0], "float32")
PROMISED_LOSS = np.mean(ERRORS**2 * SAMPLE_WEIGHT[:, np.newaxis, np.newaxis])


def assert_loss(sample_weight):
    model = keras.Sequential(
        [keras.Input((STEPS, 1)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.ones((SAMPLES, STEPS, 1), "float32")
    logs = model.test_on_batch(x, ERRORS, sample_weight, return_dict=True)
    loss = float(logs["loss"])
    assert loss == PROMISED_LOSS, f"loss {loss}, promised {PROMISED_LOSS}"


def test_flat_sample_weights_weigh_the_samples():
    """The second sample has the weight 0, each of its steps too."""
    assert_loss(SAMPLE_WEIGHT)


def workaround_one_weight_per_step():
    """Repeat the weight of each sample for all of its steps."""
    assert_loss(np.repeat(SAMPLE_WEIGHT[:, np.newaxis], STEPS, axis=1))


def workaround_weights_as_a_column():
    """Pass the weights with the shape `(samples, 1)`."""
    assert_loss(SAMPLE_WEIGHT[:, np.newaxis])


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
