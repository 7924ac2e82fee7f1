# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "trainable: model.trainable = True does not unfreeze its layers on TensorFlow"
# kind = "silent"
# area = "trainable"
# issues = []
# docs = ["https://keras.io/guides/transfer_learning/"]
# affected = { tensorflow = ">=3.0.0" }
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["layer.trainable = False", "model.trainable = True"]
# where = ["layer is not model", "layer in model", "model.trainable != False"]
# shows = ["trains", "weights", "loss"]
#
# [[tool.krepro.trigger]]
# code = ["layer = keras.Layer(trainable=False)", "model.trainable = True"]
# where = ["layer is not model", "layer in model", "model.trainable != False"]
# shows = ["trains", "weights", "loss"]
# ///
"""Freeze some layers, later unfreeze the whole model: on TensorFlow they stay frozen.

The transfer learning guide has the flag of a model set that of all layers inside of it,
and its second phase, fine-tuning, begins with `model.trainable = True`. Where the flag of
the model itself is True already, as only some of its layers were frozen, TensorFlow's
tracking of attributes takes the assignment for one that changes nothing: no layer is told.
What was to be fine-tuned keeps its weights, without a word. JAX and torch unfreeze them.

Measured: see `affected`. Found by drawing programs, as a BatchNormalization that ran in
inference mode.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = np.zeros((2, 1), "float32")


def partly_frozen():
    """A model whose first layer is frozen; its own flag is True."""
    model = keras.Sequential(
        [keras.Input((1,))]
        + [keras.layers.Dense(1, kernel_initializer="ones") for _ in range(2)]
    )
    model.layers[0].trainable = False
    return model


def assert_learns(model):
    model.compile("sgd", "mse")
    before = model.layers[0].get_weights()[0]
    model.train_on_batch(X, Y)
    learned = np.any(model.layers[0].get_weights()[0] != before)
    assert learned, "the layer does not learn, though model.trainable was set to True"


def test_all_layers_of_the_model_are_unfrozen():
    """The flag of a model sets that of its layers."""
    model = partly_frozen()
    model.trainable = True
    assert_learns(model)


def workaround_freeze_the_model_first():
    """Set the flag to False and then to True."""
    model = partly_frozen()
    model.trainable = False
    model.trainable = True
    assert_learns(model)


def workaround_set_the_flag_of_each_layer():
    """Unfreeze the layers themselves."""
    model = partly_frozen()
    for layer in model.layers:
        layer.trainable = True
    assert_learns(model)


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
