# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: class_weight is ignored when the data are a PyDataset"
# kind = "silent"
# area = "data"
# issues = []
# introduced = 20123
# fixed = 20638
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "InvalidArgumentError: ...`generator` yielded an element"
# affected = ">=3.6.0,<3.8.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(x=data, class_weight=not None)"
# where = ["isinstance(data, keras.utils.PyDataset)"]
# shows = ["raises", "loss", "weights"]
# ///
"""`fit(dataset, class_weight=...)` trains without the class weights.

With a PyDataset the class weights do not reach the batches: JAX and torch train and log
as if none had been given, without a word. TensorFlow stops, because the declared
structure of a batch has a third element, the weights, which the batches do not have.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
Dataset = getattr(keras.utils, "PyDataset", None) or keras.utils.Sequence
CLASS_WEIGHT = {0: 1.0, 1: 3.0}
Y = np.array([[0.0], [1.0]], "float32")
WEIGHTS = np.vectorize(CLASS_WEIGHT.get)(Y[:, 0]).astype("float32")
PROMISED = float(np.mean(Y[:, 0] ** 2 * WEIGHTS))  # the model predicts 0


class OneBatch(Dataset):
    def __init__(self, *batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def assert_weighted(*batch, **arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=EAGER)
    history = model.fit(OneBatch(*batch), verbose=0, **arguments).history
    [loss] = map(float, history["loss"])
    assert loss == PROMISED, f"loss {loss}, weighted by hand {PROMISED}"


def test_class_weight_is_applied():
    """One batch of a sample of each class."""
    assert_weighted(np.ones_like(Y), Y, class_weight=CLASS_WEIGHT)


def workaround_sample_weights_in_the_batch():
    """Return the weights from `__getitem__` as the third element."""
    assert_weighted(np.ones_like(Y), Y, WEIGHTS)


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
