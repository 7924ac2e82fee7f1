# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.fit: a generator that ran out is replayed from its first two batches"
# kind = "silent"
# area = "data"
# issues = []
# introduced = 20412
# docs = ["https://keras.io/api/models/model_training_apis/"]
# affected = ">=3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = "model.fit(x=data, y=absent | None, epochs=not 1, steps_per_epoch=absent | None)"
# where = ["isinstance(data, types.GeneratorType)"]
# shows = ["steps", "warns"]
#
# [[tool.krepro.trigger]]
# code = "model.fit(x=(data := [[_, _] | [_, _, _], ...]), y=absent | None, epochs=not 1, steps_per_epoch=absent | None)"
# where = ["isinstance(data[0], tuple)"]
# shows = ["steps", "warns"]
# ///
"""Later epochs train on the first two batches of a generator that has ended.

A Python generator can be consumed once, and the documentation says that an epoch runs
until the input is exhausted. When more epochs are asked for than the generator feeds,
`fit` goes on in silence: each further epoch trains on the two batches that were fetched
to look at the shapes, over and over, and the history looks like that of a real epoch.
"""

import keras
import numpy as np

EAGER = keras.backend.backend() == "tensorflow"  # no effect on the result: speed
BATCH = np.ones((1, 1), "float32")
BATCHES, EPOCHS = 3, 2


def number_of_steps(generator, **arguments):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", run_eagerly=EAGER)
    steps = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch)
    )
    model.fit(generator, epochs=EPOCHS, verbose=0, callbacks=[count], **arguments)
    return len(steps)


def test_no_more_steps_than_batches():
    """Nothing is left for the second epoch."""
    steps = number_of_steps((BATCH, BATCH) for _ in range(BATCHES))
    assert steps <= BATCHES, f"{steps} steps from a generator of {BATCHES} batches"


def workaround_endless_generator():
    """Loop over the data for ever, and say how many steps make an epoch."""

    def endless():
        while True:
            for _ in range(BATCHES):
                yield BATCH, BATCH

    steps = number_of_steps(endless(), steps_per_epoch=BATCHES)
    assert steps == BATCHES * EPOCHS, f"{steps} steps, promised {BATCHES * EPOCHS}"


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
