# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.13.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "fit: metrics of a custom test_step overwrite those of the training"
# kind = "silent"
# area = "metrics"
# issues = []
# introduced = 20284
# fixed = 22107
# docs = [
#     "https://keras.io/guides/custom_train_step_in_tensorflow/",
#     "https://keras.io/guides/custom_train_step_in_torch/",
#     "https://keras.io/guides/custom_train_step_in_jax/",
# ]
# affected = ">=3.6.0,<3.14.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(metrics=not None)", "model.metrics"]
# where = [
#   'during("test_step")',
#   'perhaps("it returns the result of each by its name")',
# ]
# shows = ["names", "metrics", "raises"]
# ///
"""With a custom `test_step`, a metric of the training shows the value of the validation.

The guides' `test_step` returns `{m.name: m.result() for m in self.metrics}`. The compiled
metrics are one of these, named "compile_metrics", and its result is a dict. From 3.7.0 on
this dict reaches the logs without the prefix `val_`: `history["mae"]`, and what the progress
bar and the callbacks see as "mae", is the error of the validation data; `val_mae` does not
exist, so an `EarlyStopping` that monitors it never stops. In 3.6.0 the history holds a
dict named "val_compile_metrics" instead, and `verbose=1` ends `fit` with "TypeError:
unsupported operand type(s) for *: 'dict' and 'int'".

Measured: 3.6.0 to 3.13.2, all backends; #20284 brought it in, #22107 mended it.
"""

import keras
import numpy as np

X, Y, Y_VALIDATION = (np.full((2, 1), value, "float32") for value in (1.0, 2.0, 5.0))
# The model predicts 0 and stays.
PROMISED = {"loss": 4.0, "mae": 2.0, "val_loss": 25.0, "val_mae": 5.0}


class Guided(keras.Model):
    """With the test_step of the guides."""

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class GuidedOnJax(keras.Model):
    """The same in the manner of JAX."""

    def test_step(self, state, data):
        trainable, other, metric_variables = state
        x, y = data
        y_pred, other = self.stateless_call(trainable, other, x, training=False)
        loss = self.compute_loss(x, y, y_pred)
        logs, new = {}, []
        for metric in self.metrics:
            variables = metric_variables[len(new) :][: len(metric.variables)]
            values = (loss,) if metric.name == "loss" else (y, y_pred)
            variables = metric.stateless_update_state(variables, *values)
            logs[metric.name] = metric.stateless_result(variables)
            new += variables
        return logs, (trainable, other, new)


def assert_history(model_class):
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = model_class(inputs, dense(inputs))
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"], run_eagerly=True)
    data = X, Y_VALIDATION
    history = model.fit(X, Y, validation_data=data, verbose=0).history
    assert history.keys() == PROMISED.keys(), f"logged {sorted(history)}"
    observed = {name: float(value) for name, [value] in history.items()}
    assert observed == PROMISED, f"logged {observed}, promised {PROMISED}"


def test_history_tells_training_from_validation():
    """The error of the training data is 2, of the validation data 5."""
    assert_history(GuidedOnJax if keras.backend.backend() == "jax" else Guided)


class Merged(Guided):
    """Merges the results that are dicts."""

    def test_step(self, data):
        super().test_step(data)
        return self.get_metrics_result()


class MergedOnJax(GuidedOnJax):
    def test_step(self, state, data):
        logs, state = super().test_step(state, data)
        merged = {}
        for name, value in logs.items():
            merged.update(value if isinstance(value, dict) else {name: value})
        return merged, state


def workaround_merge_dicts_of_results():
    """Return `self.get_metrics_result()`; on JAX, merge the results that are dicts."""
    assert_history(MergedOnJax if keras.backend.backend() == "jax" else Merged)


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
