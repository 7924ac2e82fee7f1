# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: validation_steps takes other samples in every epoch"
# kind = "silent"
# area = "trainer"
# issues = []
# fixed = 20396
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(epochs=not 1, validation_data=value, validation_steps=not None)"
# where = [
#   "not isinstance(value, types.GeneratorType)",
#   'perhaps("there are more batches to validate on")',
# ]
# shows = ["loss", "steps"]
# ///
"""With `validation_steps`, each epoch is validated on other samples than the last one.

The documentation says that a validation that uses only a part of the data starts at its
beginning in every epoch, so that the same samples are used each time. Where the data
are not rewound, the curve of `val_loss` compares different samples: early stopping and
best checkpoints follow the data, not the model.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
X = np.ones((2, 1), "float32")
Y = np.array([[1.0], [3.0]], "float32")  # the model predicts 0 and stays
PROMISED = [float(Y[0, 0]) ** 2] * 2


def assert_validated_on_the_first_sample(samples, **arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    data = X[:samples], Y[:samples]
    history = model.fit(
        X, Y, epochs=2, validation_data=data, verbose=0, **arguments
    ).history
    losses = [float(loss) for loss in history["val_loss"]]
    assert losses == PROMISED, f"val_loss {losses}, of the first sample: {PROMISED}"


def test_every_epoch_validates_on_the_same_samples():
    """One of two samples, in two epochs, and a model that does not change."""
    assert_validated_on_the_first_sample(2, validation_batch_size=1, validation_steps=1)


def workaround_pass_less_data():
    """Cut the validation data yourself."""
    assert_validated_on_the_first_sample(1)


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
