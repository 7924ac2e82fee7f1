# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.14.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "ReduceLROnPlateau: a second fit is measured against the first one's best"
# kind = "silent"
# area = "callbacks"
# issues = [22967]
# introduced = 21275
# fixed = 22967
# docs = ["https://keras.io/api/callbacks/reduce_lr_on_plateau/"]
# affected = ">=3.11.0,<3.15.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.ReduceLROnPlateau()",
#   "model.fit(callbacks=has(callback))",
#   "model_again.fit(callbacks=has(callback))",
# ]
# shows = ["weights", "loss", "optimizer"]
# ///
"""A `ReduceLROnPlateau` that served one `fit` cuts the learning rate of the next.

The documentation promises a lower learning rate "when a metric has stopped improving".
From 3.11.0 on the best value of the first `fit` stays when the callback is used again:
a second training (another fold, another data set) that gets better in each epoch, but
not better than the first, has its learning rate cut every `patience` epochs.

Measured, all backends: 3.11.0 to 3.14.1. Before, `on_train_begin` reset the best value;
#21275 took the reset out, #22967 put it back.
"""

import keras

START = 1.0


def rate_after(callback, losses):
    """Show the callback one fit(), epoch by epoch; return the learning rate."""
    model = keras.Sequential()
    model.compile(keras.optimizers.SGD(START), "mse")
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
    return float(model.optimizer.learning_rate.numpy())


FIRST_FIT = [0.5, 0.25]
SECOND_FIT = [9.0, 8.0, 7.0, 6.0, 5.0]  # another data set: better in every epoch


def test_no_plateau_in_the_second_fit():
    """A loss that gets better in each epoch leaves the learning rate alone."""
    reducer = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2)
    rate_after(reducer, FIRST_FIT)
    rate = rate_after(reducer, SECOND_FIT)
    assert rate == START, f"learning rate cut to {rate}, though each epoch was better"


def workaround_new_callback_for_each_fit():
    """Make a new ReduceLROnPlateau for each fit."""
    rate_after(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2), FIRST_FIT)
    reducer = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2)
    rate = rate_after(reducer, SECOND_FIT)
    assert rate == START, f"learning rate cut to {rate}, though each epoch was better"


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
