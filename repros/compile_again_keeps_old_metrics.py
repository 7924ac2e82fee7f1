# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "compile: called again without metrics, it keeps those of the first time"
# kind = "silent"
# area = "metrics"
# issues = [20205]
# introduced = 20205
# docs = [
#   "https://keras.io/api/models/model_training_apis/",
#   "https://keras.io/api/models/model_saving_apis/model_saving_and_loading/",
# ]
# affected = ">=3.6.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.compile(metrics=(value := not None))",
#   "not model.compile()",
#   "model.compile(metrics=absent | None, weighted_metrics=absent | None)",
#   "runs(model)",
# ]
# where = ["len(value) > 0"]
# shows = ["names", "structure"]
# ///
"""`compile(optimizer, loss)` does not take the metrics of an earlier `compile` away.

`metrics` are those "to be evaluated by the model", none by default, and the guides call
`compile` again to fine-tune. Up to 3.5.0, and in Keras 2, the second call decides. Since
3.6.0 a model goes on with the metrics of the first call: `evaluate` returns more
numbers than were asked for. `get_compile_config` does not know of them, so a model
that was saved and loaded logs other names than the one that was saved.
`compile()` without a loss keeps the earlier loss in the same way.

#20205 dropped the two lines that cleared them.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")


def compiled_twice(**second):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"], run_eagerly=True)
    model.compile("sgd", "mse", run_eagerly=True, **second)
    return model


def names(model):
    return sorted(model.test_on_batch(X, X, return_dict=True))


def test_last_compile_decides():
    """The second compile names no metric, so there is none."""
    observed = names(compiled_twice())
    assert observed == ["loss"], f"logged {observed}, promised ['loss']"


def test_saved_model_logs_the_same():
    """A model and its saved copy report the same results."""
    model = compiled_twice()
    model.save("model.keras")
    saved = names(keras.models.load_model("model.keras"))
    assert names(model) == saved, f"logged {names(model)}, after a reload {saved}"


def workaround_empty_list():
    """Say that there are none: `metrics=[]`."""
    observed = names(compiled_twice(metrics=[]))
    assert observed == ["loss"], f"logged {observed}, promised ['loss']"


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
