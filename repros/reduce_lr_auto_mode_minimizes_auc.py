# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.10.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "ReduceLROnPlateau: takes a growing AUC for a plateau"
# kind = "silent"
# area = "callbacks"
# issues = [21118]
# fixed = 21275
# docs = ["https://keras.io/api/callbacks/reduce_lr_on_plateau/"]
# affected = ">=3.0.0,<3.11.0"
# keras2 = "affected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(callbacks=has(keras.callbacks.ReduceLROnPlateau(monitor=value, mode=absent | 'auto')))"
# where = [
#   '"auc" in value or "precision" in value or "recall" in value or "f1" in value or "iou" in value or "cosine_similarity" in value or "r2_score" in value or "sensitivity" in value',
# ]
# shows = ["optimizer", "loss", "weights"]
# ///
"""`ReduceLROnPlateau(monitor="val_auc")` cuts the learning rate while the AUC grows.

Up to 3.10.0, auto mode takes each metric whose name does not contain "acc" for one
that should fall: AUC, precision, recall, F1, IoU. So each epoch that improves counts
as a plateau. The documentation promises that in auto mode the direction is inferred.
`EarlyStopping` of the same releases gets it right from the metric itself.

Measured, all backends: 3.0.0 to 3.10.0, and Keras 2. Since #21275 (reported in #21118)
all callbacks that monitor a metric ask the metric for its direction.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() != "jax"  # the faster way on each backend

X = np.ones((2, 1), "float32")
Y = np.array([[0.0], [1.0]], "float32")
START = 1.0
GROWING = [0.5, 0.75, 0.875, 1.0]


def rate_after(mode):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("sigmoid")])
    model.compile(
        keras.optimizers.SGD(START),
        "mse",
        metrics=[keras.metrics.AUC(num_thresholds=3, name="auc")],
        run_eagerly=EAGER,
    )
    model.test_on_batch(X, Y)  # now the metrics are there, as in fit()
    reducer = keras.callbacks.ReduceLROnPlateau(
        monitor="val_auc", factor=0.5, patience=1, mode=mode
    )
    reducer.set_model(model)
    reducer.on_train_begin()
    for epoch, auc in enumerate(GROWING):
        reducer.on_epoch_end(epoch, {"val_auc": auc})
    return float(model.optimizer.learning_rate.numpy())


def test_growing_auc_is_no_plateau():
    """In auto mode the direction is inferred: more AUC is better."""
    rate = rate_after("auto")
    assert rate == START, f"learning rate cut to {rate} while the AUC grew"


def workaround_mode_max():
    """Say `mode="max"`."""
    rate = rate_after("max")
    assert rate == START, f"learning rate cut to {rate} while the AUC grew"


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
