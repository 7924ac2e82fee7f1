# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.10.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.evaluate: the progress bar ends on a mean of running means"
# kind = "silent"
# area = "trainer"
# issues = [21301]
# fixed = 21331
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.0.0,<3.11.0"
# keras2 = "unaffected"
# ///
"""The loss in the progress bar is not the loss that `evaluate` returns.

What the bar gets after each batch is the mean over the batches so far. It takes the
mean of these means once more and prints that, also in its last line, so the printed
number lags behind the returned one (`fit`: behind the history); the first batches count
most. #21331 mended the last line; #23030 (3.15.0) removes the second mean altogether.
"""

import contextlib
import io
import re

import keras
import numpy as np

X = np.ones((2, 1), "float32")
Y = np.array([[1.0], [3.0]], "float32")  # the model predicts 0
PROMISED = float(np.mean(Y**2))


def printed_and_returned(verbose):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", run_eagerly=True)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        returned = model.evaluate(X, Y, batch_size=1, verbose=verbose)
    printed = re.findall(r"loss: ([0-9.]+)", output.getvalue())
    return float(printed[-1]), float(returned)


def test_last_line_of_the_bar_shows_the_returned_loss():
    """Two batches of one sample each."""
    printed, returned = printed_and_returned(verbose=1)
    assert returned == PROMISED, f"evaluate returned {returned}, promised {PROMISED}"
    assert printed == returned, f"the bar shows {printed}, evaluate returned {returned}"


def workaround_one_line():
    """`verbose=2` prints one line with the right number."""
    printed, returned = printed_and_returned(verbose=2)
    assert printed == returned == PROMISED, f"printed {printed}, returned {returned}"


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
