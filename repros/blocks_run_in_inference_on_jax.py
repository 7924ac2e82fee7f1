# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.9.2", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "Functional: fit on JAX leaves what is inside a custom layer in inference mode"
# kind = "silent"
# area = "nesting"
# issues = [21204]
# fixed = 21204
# docs = [
#   "https://keras.io/api/layers/regularization_layers/dropout/",
#   "https://keras.io/api/layers/normalization_layers/batch_normalization/",
#   "https://keras.io/guides/making_new_layers_and_models_via_subclassing/",
# ]
# related = ["training_not_handed_on_is_lost_on_jax"]
# affected = {jax = ">=3.0.0,<3.10.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["layer = keras.Layer()", "trains(model)"]
# where = [
#   "isinstance(layer, keras.layers.Dropout) or isinstance(layer, keras.layers.BatchNormalization)",
#   "not overrides(model, 'call')",
#   "not overrides(model, 'train_step')",
#   "layer in model",
#   "layer not in model.layers",
#   "any(overrides(x, 'call') and layer in x for x in layers(model))",
#   'perhaps("that call takes no training argument")',
# ]
# shows = ["outputs", "loss", "weights"]
# ///
"""On JAX, Dropout and BatchNormalization inside a layer of one's own do not train.

A custom layer with `call(self, inputs)` that holds a Dropout, in a Sequential or
functional model: on TensorFlow and torch, and in Keras 2, the inner layer is told of
training by the model's call. On JAX up to 3.9.2 `fit` leaves it in inference mode,
without a word. The promise: "When using `model.fit`, `training` will be appropriately
set to `True` automatically" (Dropout), and the layer normalizes by the current batch
"when using `fit()`" (BatchNormalization).

Measured: JAX, 3.0.0 to 3.9.2. #21204, which made the functional model hand `training` to
every layer, ended it. Subclassed *models* have the like in every release:
training_not_handed_on_is_lost_on_jax.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")


class Block(keras.layers.Layer):
    """A layer of the user's own that holds another one."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)


class Explicit(keras.layers.Layer):
    """A layer that hands on the argument."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, training=None):
        return self.layer(inputs, training=training)


def functional(layer):
    """A functional model: a dense layer that gives 1 for 1, and a block."""
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    return keras.Model(inputs, Block(layer)(dense(inputs)))


def handed_on(layer):
    """A functional model: a dense layer that gives 1 for 1, and such a block."""
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    return keras.Model(inputs, Explicit(layer)(dense(inputs)))


def compiled(model):
    model(X)
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    return model


def loss_with_dropout(model_of):
    """Dropout(0.5) makes 0 or 2 of each 1: the loss against 1 is 1, without dropout 0."""
    return float(compiled(model_of(keras.layers.Dropout(0.5))).train_on_batch(X, X))


def mean_after_a_batch(model_of):
    """The moving mean is 0 at first; a batch of ones takes it to 0.5."""
    layer = keras.layers.BatchNormalization(momentum=0.5, center=False, scale=False)
    compiled(model_of(layer)).train_on_batch(X, X)
    return float(layer.get_weights()[0][0])  # the mean, then the variance


def test_dropout_drops_in_training():
    """Dropout: in `fit`, `training` is set to True."""
    loss = loss_with_dropout(functional)
    assert loss == 1.0, f"loss {loss}, with dropout it is 1.0"


def test_batchnorm_learns_statistics_in_training():
    """BatchNormalization: in `fit`, the moving mean follows the batches."""
    mean = mean_after_a_batch(functional)
    assert mean == 0.5, f"the moving mean is {mean}, promised 0.5"


def workaround_hand_training_on():
    """Take `training` in the layer's `call`, and hand it on."""
    loss = loss_with_dropout(handed_on)
    assert loss == 1.0, f"loss {loss}, with dropout it is 1.0"


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
