# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Loss: one weight per sample cannot be used when a model predicts sequences"
# kind = "crash"
# area = "losses"
# issues = []
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = [
#     "InvalidArgumentError: ...Incompatible shapes",
#     "ValueError: Incompatible shapes for broadcasting",
#     "TypeError: mul got incompatible shapes for broadcasting",
#     "RuntimeError: The size of tensor a",
# ]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "runs(model, sample_weight=not None)"
# where = [
#   "masked(model) or isinstance(model.layers[-1], keras.layers.TimeDistributed) or (given(model.layers[-1].return_sequences) and model.layers[-1].return_sequences) or (len(model.layers) > 1 and given(model.layers[-2].return_sequences) and model.layers[-2].return_sequences)",
#   'perhaps("there is one weight per sample")',
# ]
# shows = ["raises"]
# ///
"""A flat array of sample weights ends in a shape error for sequences.

The model predicts a value per time step and `sample_weight` holds one weight per
sample, which the documentation allows for temporal data too. The weights meet the time
steps instead of the samples, and the backend complains about shapes that the user never
wrote. When both numbers happen to be equal it is silent: see
`sample_weights_weigh_time_steps`.

Measured: 3.0.0 to 3.15.1, all backends. Keras 2 weighs the samples.
"""

import keras
import numpy as np

SAMPLES, STEPS = 2, 3
ERRORS = np.array([[[1.0]] * STEPS, [[3.0]] * STEPS], "float32")
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
