# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_model: a model from .h5 raises in its next training step"
# kind = "crash"
# area = "saving"
# issues = []
# docs = ["https://keras.io/guides/serialization_and_saving/"]
# symptom = [
#     "ValueError: Unknown variable",
#     "ValueError: Argument `optimizer_variables` must be a list of tensors",
#     "NotImplementedError: numpy() is only available when eager execution",
# ]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "not model.compile()",
#   "keras.models.load_model(filepath=value, compile=absent | True)",
#   "not model.compile()",
#   "trains(model)",
# ]
# where = ['value.endswith(".h5") or value.endswith(".hdf5")']
# shows = ["raises"]
# ///
"""A compiled model that was saved after training to `.h5` cannot be trained on.

`model.save("model.h5")` writes the optimizer's state, and `load_model` promises a
compiled model that can go on. The loader builds the optimizer with the variables that
belong to the model itself, of which an ordinary model has none, instead of those of its
layers; the state in the file is then skipped and the next step raises.

Measured: every release of Keras 3, all backends. Keras 2 resumes.
"""

import keras
import numpy as np

X, Y = np.ones((2, 2), "float32"), np.zeros((2, 1), "float32")


def trained_model():
    dense = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    model = keras.Sequential([keras.Input((2,)), dense])
    optimizer = keras.optimizers.SGD(0.125, momentum=0.5)
    model.compile(optimizer, keras.losses.MeanSquaredError(), run_eagerly=True)
    model.train_on_batch(X, Y)
    return model


def assert_resumes(path):
    model = trained_model()
    model.save(path)
    resumed = keras.models.load_model(path)
    for each in (model, resumed):
        each.train_on_batch(X, Y)
    observed, promised = (each.get_weights()[0].ravel() for each in (resumed, model))
    assert (observed == promised).all(), f"weights {observed}, promised {promised}"


def test_h5_model_trains_on_as_if_not_interrupted():
    """The step after the reload is the one that the saved model would take."""
    assert_resumes("model.h5")


def workaround_keras_format():
    """Save to `.keras`."""
    assert_resumes("model.keras")


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
