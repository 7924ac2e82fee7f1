"""Train from Python generators: an endless one for training, a finite one for validation."""

import keras
import numpy as np
from keras import layers


def training_batches(batch_size):
    """Yield batches of random sums for ever."""
    rng = np.random.default_rng(9)
    while True:
        x = rng.integers(0, 10, size=(batch_size, 4)).astype("float32")
        yield x / 10.0, x.sum(axis=1, keepdims=True) / 10.0


def validation_batches():
    """Yield what there is, once."""
    rng = np.random.default_rng(10)
    for _ in range(4):
        x = rng.integers(0, 10, size=(16, 4)).astype("float32")
        yield x / 10.0, x.sum(axis=1, keepdims=True) / 10.0


def build_model():
    inputs = keras.Input((4,))
    x = layers.Dense(24, activation="relu")(inputs)
    x = layers.Dense(24, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(1)(x))


def main():
    keras.utils.set_random_seed(6)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.004),
        loss=keras.losses.Huber(),
        metrics=[keras.metrics.MeanAbsoluteError(name="mae")],
    )
    history = model.fit(
        training_batches(16),
        steps_per_epoch=10,
        epochs=3,
        validation_data=validation_batches(),
        validation_steps=4,
        validation_freq=3,
        verbose=2,
    )
    print("training:", np.round(history.history["loss"], 4))
    print("validation:", np.round(history.history.get("val_loss", []), 4))

    loss, mae = model.evaluate(validation_batches(), verbose=0)
    print(f"evaluated: loss {loss:.4f}, mae {mae:.4f}")

    rng = np.random.default_rng(1)
    question = rng.integers(0, 10, size=(3, 4)).astype("float32")
    answers = model.predict(question / 10.0, verbose=0).ravel() * 10.0
    for numbers, answer in zip(question.astype(int), answers, strict=True):
        print(" + ".join(map(str, numbers)), "=", round(float(answer), 1))


if __name__ == "__main__":
    main()
