# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.metrics_names: does not name what evaluate returns"
# kind = "change"
# area = "metrics"
# issues = [20244, 21487]
# announced = "https://github.com/keras-team/keras/pull/21506"
# docs = ["https://keras.io/2.16/api/models/model_training_apis/"]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(metrics=not None)", "model.metrics_names"]
# shows = ["names", "structure"]
# ///
"""`zip(model.metrics_names, model.evaluate(...))` gives wrong pairs.

`evaluate` promised that `metrics_names` holds the labels of its results, in Keras 2 and
in Keras 3 up to 3.11. It holds "compile_metrics" in place of all metrics given to
`compile`: the first metric gets that name, the others none, and `dict(zip(...))` loses
them in silence. Newer documentation says that the lengths do not match.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = 3 * X  # the model predicts 0
PROMISED = {"loss": 9.0, "mse": float(np.mean(Y**2)), "mae": float(np.mean(np.abs(Y)))}


def named_results(return_dict):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    metrics = [
        keras.metrics.MeanAbsoluteError(name="mae"),
        keras.metrics.MeanSquaredError(name="mse"),
    ]
    model.compile("sgd", "mse", metrics=metrics, run_eagerly=True)
    results = model.evaluate(X, Y, verbose=0, return_dict=return_dict)
    if not return_dict:
        results = dict(zip(model.metrics_names, results, strict=False))
    return {name: float(value) for name, value in results.items()}


def test_names_label_the_results():
    """The loss and two metrics."""
    observed = named_results(return_dict=False)
    assert observed == PROMISED, f"labelled {observed}, promised {PROMISED}"


def workaround_return_dict():
    """Ask for names with `return_dict=True`."""
    observed = named_results(return_dict=True)
    assert observed == PROMISED, f"labelled {observed}, promised {PROMISED}"


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
