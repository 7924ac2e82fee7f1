"""Warm up and decay the learning rate with callbacks, and log what happens."""

import keras
import numpy as np
from keras import layers

EPOCHS = 6


def warm_up(epoch, learning_rate):
    if epoch < 2:
        return 0.002 * (epoch + 1)
    return learning_rate * 0.8


class BatchLosses(keras.callbacks.Callback):
    """Keeps the loss of every batch."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


def main():
    keras.utils.set_random_seed(8)
    rng = np.random.default_rng(8)
    x = rng.normal(size=(210, 10)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("float32")

    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(20, activation="gelu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        loss="binary_crossentropy",
        metrics=["binary_accuracy"],
    )

    rates = []
    batch_losses = BatchLosses()
    callbacks = [
        keras.callbacks.LearningRateScheduler(warm_up),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: print("epoch", epoch + 1, "begins"),
            on_epoch_end=lambda epoch, logs: rates.append(
                float(np.array(model.optimizer.learning_rate))
            ),
        ),
        keras.callbacks.TerminateOnNaN(),
        batch_losses,
    ]
    # 210 samples do not divide by 32: the last batch is a small one.
    history = model.fit(x, y, epochs=EPOCHS, batch_size=32, callbacks=callbacks, verbose=0)

    print("rates:", np.round(rates, 5))
    print("logged:", list(history.history))
    print("epoch losses:", np.round(history.history["loss"], 4))
    print("batches seen:", len(batch_losses.losses))
    print("accuracy:", round(float(history.history["binary_accuracy"][-1]), 3))


if __name__ == "__main__":
    main()
