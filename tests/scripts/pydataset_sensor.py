"""Stream windows of a sensor from a PyDataset, with class weights for rare alarms."""

import math

import keras
import numpy as np
from keras import layers

WINDOW = 20


class SensorWindows(keras.utils.PyDataset):
    """Cuts windows out of a long signal, and shuffles them after each epoch."""

    def __init__(self, signal, alarms, batch_size, shuffle=True, **kwargs):
        super().__init__(**kwargs)
        self.signal = signal
        self.alarms = alarms
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.rng = np.random.default_rng(0)
        self.starts = np.arange(0, len(signal) - WINDOW, 5)

    def __len__(self):
        return math.ceil(len(self.starts) / self.batch_size)

    def __getitem__(self, index):
        starts = self.starts[index * self.batch_size : (index + 1) * self.batch_size]
        x = np.stack([self.signal[start : start + WINDOW] for start in starts])
        y = np.array([self.alarms[start : start + WINDOW].any() for start in starts])
        return x[..., None].astype("float32"), y.astype("int32")[:, None]

    def on_epoch_end(self):
        if self.shuffle:
            self.rng.shuffle(self.starts)


def make_signal(length, seed):
    rng = np.random.default_rng(seed)
    signal = np.sin(np.arange(length) / 7.0) + rng.normal(scale=0.1, size=length)
    alarms = np.zeros(length, bool)
    for at in rng.integers(0, length - 3, size=length // 120):
        signal[at : at + 3] += 2.0
        alarms[at : at + 3] = True
    return signal, alarms


def main():
    keras.utils.set_random_seed(2)
    train = SensorWindows(*make_signal(1000, 1), batch_size=32)
    validation = SensorWindows(*make_signal(400, 2), batch_size=32, shuffle=False)

    model = keras.Sequential(
        [
            keras.Input((WINDOW, 1)),
            layers.Conv1D(8, 5, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss="binary_crossentropy",
        metrics=[
            keras.metrics.BinaryAccuracy(name="acc"),
            keras.metrics.Recall(name="recall"),
        ],
    )
    history = model.fit(
        train,
        epochs=4,
        validation_data=validation,
        class_weight={0: 1.0, 1: 6.0},
        verbose=2,
    )
    print("recall:", np.round(history.history["val_recall"], 3))
    alarms = model.predict(validation, verbose=0)[:, 0] > 0.5
    print(int(alarms.sum()), "windows with an alarm, of", len(alarms))
    print(model.evaluate(validation, verbose=0))


if __name__ == "__main__":
    main()
