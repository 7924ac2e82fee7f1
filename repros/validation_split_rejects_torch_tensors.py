# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.0.4", "torch==2.13.0"]
#
# [tool.krepro]
# title = "Model.fit: validation_split is rejected with torch tensors"
# kind = "crash"
# area = "data"
# issues = []
# fixed = "088f0fcf09"
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "ValueError: Argument `validation_split` is only supported for tensors"
# affected = {jax = ">=3.0.0,<3.0.5", torch = ">=3.0.0,<3.0.5"}
#
# [[tool.krepro.trigger]]
# code = "model.fit(x=data, validation_split=not 0)"
# where = ["isinstance(data, torch.Tensor)"]
# shows = ["raises"]
# ///
"""`fit(tensor, tensor, validation_split=...)` raises on torch.

The documentation says that the argument works with arrays and with tensors, and so does
the error message: it counts the tensors of TensorFlow and JAX, not those of torch.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
ERRORS = np.array([[1.0], [3.0]], "float32")  # the model predicts 0


def assert_validated_on_the_last_half(x, y):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    history = model.fit(x, y, validation_split=0.5, verbose=0).history
    observed = [float(history[name][0]) for name in ("loss", "val_loss")]
    promised = np.square(ERRORS[:, 0]).tolist()
    assert observed == promised, f"loss, val_loss: {observed}, promised {promised}"


def test_tensors_are_split():
    """Two rows as tensors of the backend, half of them for validation."""
    tensor = keras.ops.convert_to_tensor(ERRORS)
    assert_validated_on_the_last_half(tensor, tensor)


def workaround_arrays():
    """Pass NumPy arrays."""
    assert_validated_on_the_last_half(ERRORS, ERRORS)


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
