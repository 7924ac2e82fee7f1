# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: after None in a list, a loss is applied to the wrong output"
# kind = "silent"
# area = "losses"
# issues = [20015, 20023, 20358]
# fixed = 20358
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# symptom = "ValueError: No loss to compute"
# affected = ">=3.0.0,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(loss=[..., None, ..., not None, ...])", "runs(model)"]
# where = ["len(model.outputs) > 1"]
# shows = ["raises", "loss", "trains", "weights"]
# ///
"""`loss=[None, "mse"]` trains the first output, not the second.

The training guide shows a list of losses with `None` for the output that is there for
prediction only, in exactly this order. Up to 3.4.1 the `None` is dropped and the one
loss goes to the first output: the model learns what it should not and the reported loss
is that of the wrong output.

Measured: 3.0.0 to 3.4.1, all backends. 3.5.0 and 3.6.0 raise "No loss to compute" on
TensorFlow and torch, and report a loss of 0.0 on JAX. #20015 had mended the first
fault, #20023 brought in the second, #20358 mended that in 3.7.0. `None` in the last
place does no harm on any release.
"""

import keras
import numpy as np

X = np.ones((2, 1), "float32")
UNUSED, SCORE = 3.0, 2.0  # what the model predicts for every row
PROMISED_LOSS = SCORE**2  # all targets are 0


def assert_loss(loss, order):
    inputs = keras.Input((1,))
    outputs = {
        name: keras.layers.Dense(
            1, kernel_initializer=keras.initializers.Constant(value), name=name
        )(inputs)
        for name, value in (("unused", UNUSED), ("score", SCORE))
    }
    model = keras.Model(inputs, [outputs[name] for name in order])
    model.compile("sgd", loss, run_eagerly=True)
    targets = [np.zeros((2, 1), "float32"), np.zeros((2, 1), "float32")]
    logs = model.test_on_batch(X, targets, return_dict=True)
    total = float(logs["loss"])
    assert total == PROMISED_LOSS, f"loss {total}, promised {PROMISED_LOSS}"


def test_loss_after_none_is_that_of_the_second_output():
    """The place in the list says which output the loss belongs to."""
    assert_loss([None, "mse"], ["unused", "score"])


def workaround_outputs_with_a_loss_first():
    """Put the outputs without a loss last."""
    assert_loss(["mse", None], ["score", "unused"])


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
