# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Functional: training=False or True, given in a call, is ignored"
# kind = "silent"
# area = "nesting"
# issues = [20285]
# docs = ["https://keras.io/guides/transfer_learning/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer(inputs=_, training=False)",
#   "trains(model) | model(inputs=_, training=True)",
# ]
# where = [
#   "layer in model",
#   "not overrides(model, 'call')",
#   "not overrides(model, 'train_step')",
#   "layer.trainable",
#   "isinstance(layer, keras.layers.BatchNormalization) or any(isinstance(x, keras.layers.BatchNormalization) for x in layers(layer))",
# ]
# shows = ["weights", "outputs"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer(inputs=_, training=True)",
#   "model.predict() | model(inputs=_, training=absent | False)",
# ]
# where = ["layer in model", "not overrides(model, 'call')", "not overrides(model, 'train_step')"]
# shows = ["outputs"]
# ///
"""`base(inputs, training=False)` does not keep the base in inference mode.

The transfer learning guide builds its model with `base_model(inputs, training=False)`
and promises that the base "keeps running in inference mode" when it is unfrozen: that
"the batch normalization layers inside won't update their batch statistics". They do.
In a functional model the `training` of the step replaces the one given in the graph,
without a word. `Dropout(0.5)(x, training=True)`, the way to Monte Carlo dropout, is
caught as well: `predict` switches it off.

Measured: every release of Keras 3, all backends; Keras 2 keeps the promise. Issue 20285
reports that the guide does not hold.
"""

import keras
import numpy as np

X = np.ones((2, 2), "float32")


class Doubles(keras.layers.Layer):
    """Doubles its input in training, as a stand-in for dropout without chance."""

    def call(self, inputs, training=None):
        return 2 * inputs if training else 1 * inputs


class AlwaysDoubles(Doubles):
    def call(self, inputs):
        return super().call(inputs, training=True)


def mean_after_training_call(norm, **arguments):
    base = keras.Sequential([keras.Input((2,)), norm])
    inputs = keras.Input((2,))
    outer = keras.Model(inputs, base(inputs, **arguments))
    outer(X, training=True)  # as fit does
    return norm.get_weights()[2]


def inference_output(layer, **arguments):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, layer(inputs, **arguments))
    return np.array(model(X, training=False))  # as predict does


def test_training_false_keeps_batch_statistics():
    """A base called with training=False keeps its statistics in training."""
    mean = mean_after_training_call(keras.layers.BatchNormalization(), training=False)
    assert not mean.any(), f"moving mean {mean} after training, promised zeros"


def test_training_true_holds_in_predict():
    """A layer called with training=True is in training mode in predict, too."""
    observed = inference_output(Doubles(), training=True)
    assert (observed == 2 * X).all(), f"output {observed[0]}, promised {2 * X[0]}"


def workaround_freeze_batch_normalization():
    """Set the flag of the layer to False: it then runs in inference mode."""
    mean = mean_after_training_call(keras.layers.BatchNormalization(trainable=False))
    assert not mean.any(), f"moving mean {mean} after training, promised zeros"


def workaround_layer_without_training_argument():
    """Wrap the layer in one that passes training=True itself and takes no such flag."""
    observed = inference_output(AlwaysDoubles())
    assert (observed == 2 * X).all(), f"output {observed[0]}, promised {2 * X[0]}"


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
