# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.3.3", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Dense: activity_regularizer is lost when the model is saved or cloned"
# kind = "silent"
# area = "saving"
# issues = []
# fixed = "230777a2ce"
# docs = ["https://keras.io/api/layers/core_layers/dense/"]
# affected = ">=3.0.0,<3.4.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.Dense(activity_regularizer=not None)",
#   "model.save() | keras.models.save_model(model=model) | keras.models.clone_model(model=model)",
# ]
# where = ["layer in model"]
# shows = ["saved", "loss", "weights"]
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.Dense(activity_regularizer=not None)",
#   "layer.get_config()",
# ]
# shows = ["saved", "loss", "weights"]
# ///
"""A copy of `Dense(..., activity_regularizer=...)` trains without the penalty.

The config of the layer lacks the regularizer, so `load_model`, `clone_model` and
`from_config` give a layer without it: training goes on with another loss, unnoticed.

Measured: up to 3.3.3, all backends. Keras 2 has it in the config.
"""

import keras


def copy_of(layer):
    return layer.__class__.from_config(layer.get_config())


class DenseWithConfig(keras.layers.Dense):
    def get_config(self):
        penalty = keras.regularizers.serialize(self.activity_regularizer)
        return {**super().get_config(), "activity_regularizer": penalty}


def test_copy_has_the_regularizer():
    """The copy of a layer by its config has the regularizer of the original."""
    layer = keras.layers.Dense(1, activity_regularizer=keras.regularizers.L1(0.5))
    copy = copy_of(layer)
    observed = copy.activity_regularizer
    assert observed is not None, "the copy has no regularizer, promised L1(0.5)"


def workaround_subclass_with_config():
    """Put the regularizer into the config in a subclass."""
    copy = copy_of(DenseWithConfig(1, activity_regularizer=keras.regularizers.L1(0.5)))
    observed = copy.activity_regularizer
    assert observed is not None, "the copy has no regularizer, promised L1(0.5)"


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
