# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.2.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.metrics: metrics that a layer owns are not listed before 3.3.0"
# kind = "change"
# area = "metrics"
# issues = [19522]
# fixed = 19522
# docs = ["https://github.com/keras-team/keras/releases/tag/v3.3.0"]
# announced = "https://github.com/keras-team/keras/releases/tag/v3.3.0"
# affected = ">=3.0.0,<3.3.0"
# keras2 = "unaffected"
# related = ["nested_model_own_metric_is_dropped"]
#
# [[tool.krepro.trigger]]
# code = ["metric = keras.Metric()", "runs(model)", "metric.update_state()"]
# where = [
#   'during("call")',
#   "any(not isinstance(x, keras.Model) and overrides(x, 'call') for x in model.layers)",
#   "not overrides(model, 'call') or perhaps('a layer holds it')",
# ]
# shows = ["names", "metrics", "structure"]
# ///
"""A metric that is an attribute of a layer is not among the model's metrics.

So nothing resets it between epochs: what it holds at the end of an epoch is the mean of
all epochs so far. Keras 2 listed such metrics; the first releases of Keras 3 did not. The
release note of 3.3.0 announces the change: models and layers return the metrics they
own recursively. Whoever reset such a metric by hand need not do so any more. (That
3.6.0 stopped at nested *models* again is another matter:
nested_model_own_metric_is_dropped.)
"""

import keras


class Watched(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs):
        return inputs


def compiled_model(layer):
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile("sgd", "mse")
    return model


def test_metric_of_a_layer_is_a_metric_of_the_model():
    """`metrics` lists it, and `reset_metrics` resets it."""
    layer = Watched()
    model = compiled_model(layer)
    names = [metric.name for metric in model.metrics]
    assert "seen" in names, f"metrics lists {names}, promised 'seen' among them"
    layer.seen.update_state(1.0)
    model.reset_metrics()
    assert float(layer.seen.result()) == 0.0


def workaround_reset_it_by_hand():
    """Reset the layer's metric yourself, as a callback's on_epoch_begin can."""
    layer = Watched()
    model = compiled_model(layer)
    layer.seen.update_state(1.0)
    model.reset_metrics()
    layer.seen.reset_state()
    assert float(layer.seen.result()) == 0.0


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
