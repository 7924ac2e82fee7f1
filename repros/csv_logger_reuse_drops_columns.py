# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.10.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CSVLogger: a second fit is written with the first one's columns"
# kind = "silent"
# area = "callbacks"
# issues = [21332]
# fixed = 21332
# docs = ["https://keras.io/api/callbacks/csv_logger/"]
# affected = ">=3.0.0,<3.11.0"
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.CSVLogger(append=absent | False)",
#   "model.fit(callbacks=has(callback))",
#   "model_again.fit(callbacks=has(callback))",
# ]
# where = ['perhaps("the second fit has other metrics")']
# shows = ["saved"]
# ///
"""A `CSVLogger` that is used for a second `fit` drops results without a word.

The callback "streams epoch results to a CSV file" and starts the file anew in each `fit`
(unless `append=True`). It keeps the column names of the first `fit`, so after `compile()`
with another metric, or with a second model, the new results are not written.

Measured, all backends: 3.0.0 to 3.10.0, and Keras 2. Fixed by #21332.
"""

import pathlib
import tempfile

import keras


def log_of(logger, path, logs):
    """Show the logger one fit() of one epoch; return header and row."""
    logger.set_model(keras.Sequential())
    logger.on_train_begin()
    logger.on_epoch_end(0, logs)
    logger.on_train_end()
    header, row = path.read_text().split()[:2]
    return dict(zip(header.split(","), row.split(",")))


FIRST_FIT = {"loss": 1.0, "val_loss": 2.0}
SECOND_FIT = {"loss": 3.0, "val_loss": 4.0, "accuracy": 0.5, "val_accuracy": 0.25}


def assert_complete(log):
    missing = sorted(set(SECOND_FIT) - set(log))
    assert not missing, f"the log lacks {missing}, it has {sorted(log)}"


def test_second_log_has_its_own_columns():
    """Each fit() starts the file anew, with all results of its epochs."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "training.csv")
        logger = keras.callbacks.CSVLogger(str(path))
        log_of(logger, path, FIRST_FIT)
        assert_complete(log_of(logger, path, SECOND_FIT))


def workaround_new_logger_for_each_fit():
    """Make a new CSVLogger for each fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "training.csv")
        log_of(keras.callbacks.CSVLogger(str(path)), path, FIRST_FIT)
        assert_complete(log_of(keras.callbacks.CSVLogger(str(path)), path, SECOND_FIT))


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
