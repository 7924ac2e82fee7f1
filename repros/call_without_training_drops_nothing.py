# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model: fit leaves layers in inference mode if call() takes no training argument"
# kind = "silent"
# area = "trainer"
# issues = []
# docs = [
#   "https://keras.io/api/layers/regularization_layers/dropout/",
#   "https://keras.io/api/layers/normalization_layers/batch_normalization/",
#   "https://keras.io/guides/making_new_layers_and_models_via_subclassing/",
# ]
# related = ["training_not_handed_on_is_lost_on_jax"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
# works = {workaround_train_a_functional_model_around_it = {tensorflow = ">=3.0.0",jax = ">=3.10.0",torch = ">=3.0.0"}}
#
# [[tool.krepro.trigger]]
# code = ["model = keras.Model()", "layer(inputs=_, training=absent)", "trains(model)"]
# where = [
#   "layer in model",
#   "overrides(model, 'call')",
#   "not overrides(model, 'train_step')",
#   "isinstance(layer, keras.layers.Dropout) or isinstance(layer, keras.layers.BatchNormalization) or any(isinstance(x, keras.layers.Dropout) or isinstance(x, keras.layers.BatchNormalization) for x in layers(layer))",
#   'perhaps("call takes no training argument")',
# ]
# shows = ["outputs", "loss", "trains", "weights"]
# ///
"""A model whose `call(self, inputs)` takes no `training` is fitted without its Dropout.

`fit` trains its BatchNormalization in inference mode as well: the batch is normalized by
moving statistics that stay at 0 and 1, and nothing says so. The promise: "When using
`model.fit`, `training` will be appropriately set to `True` automatically" (Dropout),
and the layer normalizes by the current batch "when using `fit()`" (BatchNormalization).
The subclassing guide fits a `ResNet` with just such a `call`. That guide also says that
exposing the argument enables `fit` to use "the layer" correctly; it says so of layers
that behave differently themselves, and the same model within a functional one trains as
promised.

Measured: every release of Keras 3, all backends; Keras 2 keeps the promise. The trainers
hand `training` to models whose `call` has the argument, and to no others.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")


class Plain(keras.Model):
    """A dense layer that gives 1 for 1, and another layer."""

    def __init__(self, layer):
        super().__init__()
        self.dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        self.layer = layer

    def call(self, inputs):
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
    loss = loss_with_dropout(Plain)
    assert loss == 1.0, f"loss {loss}, with dropout it is 1.0"


def test_batchnorm_learns_statistics_in_training():
    """BatchNormalization: in `fit`, the moving mean follows the batches."""
    mean = mean_after_a_batch(Plain)
    assert mean == 0.5, f"the moving mean is {mean}, promised 0.5"


def workaround_hand_training_on():
    """Take `training` in `call`, and hand it to the layers."""
    loss = loss_with_dropout(Explicit)
    assert loss == 1.0, f"loss {loss}, with dropout it is 1.0"


def functional(layer):
    """The same model within a functional one, which trains."""
    inputs = keras.Input((1,))
    return keras.Model(inputs, Plain(layer)(inputs))


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
