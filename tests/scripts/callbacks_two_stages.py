"""Train in two stages with one list of callbacks for both."""

import os
import tempfile

import keras
import numpy as np
from keras import layers


def make_data(seed, shift):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(160, 6)).astype("float32")
    y = np.sin(3 * x[:, :1] + shift) + 0.3 * rng.normal(size=(160, 1))
    return x, y.astype("float32")


def build_model():
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(32, activation="relu"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.02), loss="mse", metrics=["mae"])
    return model


def report(title, model, history):
    losses = history.history["val_loss"]
    print(f"{title}: {len(losses)} epochs, best {min(losses):.4f}, last {losses[-1]:.4f}")
    print("  learning rate now:", float(np.array(model.optimizer.learning_rate)))


def main():
    keras.utils.set_random_seed(17)
    folder = tempfile.mkdtemp()
    callbacks = [
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=4, verbose=1),
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", factor=0.5, patience=2, verbose=1
        ),
        keras.callbacks.ModelCheckpoint(
            os.path.join(folder, "best.weights.h5"),
            monitor="val_loss",
            save_best_only=True,
            save_weights_only=True,
        ),
    ]

    model = build_model()
    x, y = make_data(0, shift=0.0)
    history = model.fit(
        x,
        y,
        epochs=20,
        batch_size=32,
        validation_split=0.25,
        callbacks=callbacks,
        verbose=0,
    )
    report("first stage", model, history)

    # The second stage has a harder target, so its loss starts high again.
    x, y = make_data(1, shift=1.5)
    history = model.fit(
        x,
        y,
        epochs=20,
        batch_size=32,
        validation_split=0.25,
        callbacks=callbacks,
        verbose=0,
    )
    report("second stage", model, history)

    model.load_weights(os.path.join(folder, "best.weights.h5"))
    print("best of both:", model.evaluate(x, y, verbose=0))


if __name__ == "__main__":
    main()
