# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.metrics: a metric that a nested model owns is left out"
# kind = "silent"
# area = "metrics"
# issues = []
# introduced = 20197
# docs = ["https://keras.io/api/layers/base_layer/"]
# affected = ">=3.6.0"
# applies = ">=3.3.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["metric = keras.Metric()", "runs(model)", "metric.update_state()"]
# where = [
#   'during("call")',
#   "any(isinstance(x, keras.Model) and overrides(x, 'call') for x in model.layers)",
#   "not overrides(model, 'call') or perhaps('an inner model holds it')",
# ]
# shows = ["names", "metrics", "structure"]
# ///
"""A metric that belongs to a nested model is no longer among the outer model's metrics.

A custom layer that keeps a metric (`self.seen = keras.metrics.Mean()`) has it listed in
the `metrics` of the model around it: it shows in the logs and is reset between epochs.
Write the same class as a `keras.Model` instead, and since 3.6.0 the metric is gone from
the outer `metrics`, from the logs, and is never reset, without a word. The docstring of
`Layer.metrics` promises "all metrics", and a model is a layer.

Measured: 3.6.0 to 3.15.1, all backends. #20197 meant to leave out what belongs to an
inner `compile()`, and leaves out what the inner model's author made as well. Keras 2
lists the metric. Before 3.3.0 (#19522) no metric of a layer was collected.
"""

import unittest

import keras


class WatchedModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs):
        return inputs


class WatchedLayer(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs):
        return inputs


def outer_of(part):
    outer = keras.Sequential([keras.Input((2,)), part])
    outer.compile("sgd", "mse")
    return outer


def assert_lists_and_resets(part):
    if not hasattr(keras.layers.Layer, "metrics"):
        raise unittest.SkipTest("this release does not collect metrics of layers")
    outer = outer_of(part)
    names = [metric.name for metric in outer.metrics]
    assert "seen" in names, f"outer.metrics lists {names}, promised 'seen' among them"
    part.seen.update_state(1.0)
    outer.reset_metrics()
    value = float(part.seen.result())
    assert value == 0.0, f"'seen' is {value} after outer.reset_metrics(), promised 0"


def test_metric_of_a_nested_model_is_a_metric_of_the_outer_model():
    """`metrics` lists the metrics of all layers, models among them."""
    assert_lists_and_resets(WatchedModel())


def workaround_make_it_a_layer():
    """Derive the nested part from `keras.layers.Layer` instead of `keras.Model`."""
    assert_lists_and_resets(WatchedLayer())


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
