# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Trainer: no warning comes when a trainable flag changed after compile()"
# kind = "silent"
# area = "trainable"
# issues = [22787]
# introduced = 22787
# docs = ["https://keras.io/api/models/model_training_apis/"]
# applies = ">=3.15.0"
# affected = ">=3.15.0"
# keras2 = "not-applicable"
#
# [[tool.krepro.trigger]]
# code = ["model.compile()", "layer.trainable = _", "not model.compile()", "runs(model)"]
# where = ["layer in model or layer is model"]
# shows = ["warns"]
# ///
"""3.15.0 brought a warning for flags flipped after `compile()`; nobody ever sees it.

Pull request 22787 ("Respect compiled trainable state in TensorFlowTrainer") notes the
flags at `compile()` and adds a method that compares them before `fit` and `evaluate`
and asks to compile again. Its only call stands behind the `raise` in
`Trainer._assert_compile_called`, where no line can run. Nor does anything else about
the flags change with it: see flip_before_first_step_takes_effect. Measured:
no warning in 3.15.0 and 3.15.1, on any backend.
"""

import unittest
import warnings

import keras
import numpy as np

X = np.ones((2, 2), "float32")
Y = np.zeros((2, 1), "float32")


def test_fit_warns_of_a_flag_changed_after_compile():
    """The changed layer is named in a warning."""
    first = keras.layers.Dense(2, name="first")
    model = keras.Sequential([keras.Input((2,)), first, keras.layers.Dense(1)])
    if not hasattr(model, "_warn_if_trainable_state_changed"):
        raise unittest.SkipTest("this release has no such warning")
    model.compile(optimizer="sgd", loss="mse")
    first.trainable = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y, verbose=0)
    texts = [str(warning.message) for warning in caught]
    assert any("trainable" in text and "first" in text for text in texts), (
        f"fit warned of: {texts}"
    )


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
