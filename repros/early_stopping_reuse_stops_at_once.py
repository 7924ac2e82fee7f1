# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.14.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "EarlyStopping: a second fit is measured against the first one's best"
# kind = "silent"
# area = "callbacks"
# issues = [20533, 22967]
# introduced = 21275
# fixed = 22967
# docs = ["https://keras.io/api/callbacks/early_stopping/"]
# affected = [">=3.0.0,<3.7.0", ">=3.11.0,<3.15.0"]
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.EarlyStopping()",
#   "model.fit(callbacks=has(callback))",
#   "model_again.fit(callbacks=has(callback))",
# ]
# shows = ["steps", "weights"]
# ///
"""An `EarlyStopping` that served one `fit` stops the next one too early.

In cross-validation or fine-tuning the same callback object is given to several calls of
`fit`. Its best value stays from one to the next, so a second training that gets better
in each epoch, but not better than the first, is stopped after `patience` epochs. The
documentation promises a stop when the metric "has stopped improving", and the callback
resets itself when training begins, best weights and counter, only not the best value.

Measured, all backends: 3.0.0 to 3.6.0, and again 3.11.0 to 3.14.1. #20533 mended it,
#21275 (a base class for callbacks that monitor) lost that, #22967 mended it again.
"""

import keras


def epochs_run(callback, losses):
    """Show the callback one fit(), epoch by epoch, and count the epochs."""
    model = keras.Sequential()
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            return epoch + 1
    return len(losses)


FIRST_FIT = [0.5, 0.25]
SECOND_FIT = [9.0, 8.0, 7.0, 6.0, 5.0]  # another data set: better in every epoch


def test_second_fit_is_judged_by_itself():
    """Training goes on as long as the loss gets better within this fit."""
    stopper = keras.callbacks.EarlyStopping(patience=2)
    epochs_run(stopper, FIRST_FIT)
    epochs = epochs_run(stopper, SECOND_FIT)
    assert epochs == len(SECOND_FIT), (
        f"stopped after epoch {epochs}, though each of the {len(SECOND_FIT)} was better"
    )


def workaround_new_callback_for_each_fit():
    """Make a new EarlyStopping for each fit."""
    epochs_run(keras.callbacks.EarlyStopping(patience=2), FIRST_FIT)
    epochs = epochs_run(keras.callbacks.EarlyStopping(patience=2), SECOND_FIT)
    assert epochs == len(SECOND_FIT), f"stopped after epoch {epochs}"


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
