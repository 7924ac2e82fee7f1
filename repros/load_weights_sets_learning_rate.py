# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_weights: the learning rate is replaced by the one of the file"
# kind = "silent"
# area = "saving"
# issues = []
# docs = [
#     "https://keras.io/api/models/model_saving_apis/weights_saving_and_loading/",
# ]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.save_weights(filepath=value)",
#   "model_again.compile()",
#   "model_again.load_weights(filepath=value)",
# ]
# where = ['perhaps("it was saved with another learning rate")']
# shows = ["optimizer", "weights"]
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.ModelCheckpoint(filepath=value, save_weights_only=True)",
#   "model.fit(callbacks=has(callback))",
#   "model_again.compile()",
#   "model_again.load_weights(filepath=value)",
# ]
# where = ['perhaps("it was saved with another learning rate")']
# shows = ["optimizer", "weights"]
# ///
"""`load_weights` into a compiled model undoes the learning rate the user has just set.

Train, `save_weights`, compile with a lower rate for fine-tuning, `load_weights`: the
optimizer is back at the old rate, without a word. The page says that `save_weights`
"saves all layer weights"; the file holds the optimizer too, and its learning rate and
step count are among its variables. (With Adam it happens once the second model has
taken a step; with plain SGD at once.)

Measured: every release of Keras 3, all backends. Keras 2 leaves the rate alone.
"""

import keras

SAVED_RATE, CHOSEN_RATE = 0.5, 0.125


def build(rate):
    dense = keras.layers.Dense(1, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((2,)), dense])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def assert_chosen_rate(model):
    observed = float(model.optimizer.get_config()["learning_rate"])
    assert observed == CHOSEN_RATE, f"learning rate {observed}, chosen {CHOSEN_RATE}"


def test_load_weights_keeps_the_learning_rate():
    """The weights of the layers come from the file, the learning rate does not."""
    build(SAVED_RATE).save_weights("stage_1.weights.h5")
    model = build(CHOSEN_RATE)
    model.load_weights("stage_1.weights.h5")
    assert_chosen_rate(model)


def workaround_compile_after_loading():
    """Load the weights first, then compile."""
    build(SAVED_RATE).save_weights("stage_1.weights.h5")
    model = build(SAVED_RATE)
    model.load_weights("stage_1.weights.h5")
    model.compile(keras.optimizers.SGD(CHOSEN_RATE), "mse")
    assert_chosen_rate(model)


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
