# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2"]
#
# [tool.krepro]
# title = "Model: fit on JAX leaves layers in inference mode unless call() hands training on"
# kind = "silent"
# area = "trainer"
# issues = []
# docs = [
#   "https://keras.io/api/layers/regularization_layers/dropout/",
#   "https://keras.io/api/layers/normalization_layers/batch_normalization/",
#   "https://keras.io/guides/making_new_layers_and_models_via_subclassing/",
# ]
# related = [
#   "call_without_training_drops_nothing",
#   "blocks_run_in_inference_on_jax",
# ]
# affected = {jax = ">=3.0.0"}
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model = keras.Model()", "layer(inputs=_, training=absent)", "trains(model)"]
# where = [
#   "layer in model",
#   "overrides(model, 'call')",
#   "not overrides(model, 'train_step')",
#   "isinstance(layer, keras.layers.Dropout) or isinstance(layer, keras.layers.BatchNormalization) or any(isinstance(x, keras.layers.Dropout) or isinstance(x, keras.layers.BatchNormalization) for x in layers(layer))",
# ]
# shows = ["outputs", "loss", "trains", "weights"]
# ///
"""On JAX, `fit` drops `training` where the model's `call` does not hand it to its layers.

`call(self, inputs, training=None)` may leave it to Keras to tell the inner layers: what
an outer call was given holds for the calls within. On TensorFlow and torch, and in Keras
2, Dropout drops and BatchNormalization follows the batches. On JAX they run in inference
mode in `fit` and `train_on_batch`, without a word: the moving statistics stay at 0 and 1,
nothing is dropped. The promise: "When using `model.fit`, `training` will be appropriately
set to `True` automatically" (Dropout), and the layer normalizes by the current batch
"when using `fit()`" (BatchNormalization).

Measured: JAX, every release. The trainer there uses `stateless_call`, which runs `call`
outside of a layer's call, where nothing is inherited. With the change that #23364, not
yet released, makes there, 3.15.1 keeps the promise. A `call` without the argument is the
same on all backends: call_without_training_drops_nothing.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")


class Implicit(keras.Model):
    """A dense layer that gives 1 for 1, and another layer."""

    def __init__(self, layer):
        super().__init__()
        self.dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        self.layer = layer

    def call(self, inputs, training=None):
        return self.layer(self.dense(inputs))


class Explicit(keras.Model):
    """A dense layer that gives 1 for 1, and another layer."""

    def __init__(self, layer):
        super().__init__()
        self.dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        self.layer = layer

    def call(self, inputs, training=None):
        return self.layer(self.dense(inputs), training=training)


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
    loss = loss_with_dropout(Implicit)
    assert loss == 1.0, f"loss {loss}, with dropout it is 1.0"


def test_batchnorm_learns_statistics_in_training():
    """BatchNormalization: in `fit`, the moving mean follows the batches."""
    mean = mean_after_a_batch(Implicit)
    assert mean == 0.5, f"the moving mean is {mean}, promised 0.5"


def workaround_hand_training_on():
    """Hand `training` to the layers."""
    loss = loss_with_dropout(Explicit)
    assert loss == 1.0, f"loss {loss}, with dropout it is 1.0"


def functional(layer):
    """The same model within a functional one, which trains."""
    inputs = keras.Input((1,))
    return keras.Model(inputs, Implicit(layer)(inputs))


def workaround_train_a_functional_model_around_it():
    """Wrap the model into a functional one, and train that."""
    loss = loss_with_dropout(functional)
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
