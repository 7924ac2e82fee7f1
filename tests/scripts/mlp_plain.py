"""Classify three Gaussian blobs with a small multilayer perceptron."""

import keras
import numpy as np
from keras import layers


def make_blobs(samples, rng):
    centers = np.array(
        [[2.0, 0.0, 1.0, -1.0], [-1.0, 2.0, 0.0, 1.0], [0.0, -2.0, -1.0, 0.0]]
    )
    labels = rng.integers(0, len(centers), size=samples)
    points = centers[labels] + rng.normal(scale=0.8, size=(samples, 4))
    return points.astype("float32"), labels.astype("int32")


def build_model():
    return keras.Sequential(
        [
            keras.Input(shape=(4,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def main():
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    x_train, y_train = make_blobs(256, rng)
    x_test, y_test = make_blobs(64, rng)

    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.01),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=4,
        validation_data=(x_test, y_test),
        verbose=2,
    )
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=32, verbose=0)
    print(f"test loss {loss:.4f}, accuracy {accuracy:.3f}")

    probabilities = model.predict(x_test[:5], verbose=0)
    for row, label in zip(probabilities, y_test[:5], strict=True):
        print(np.round(row, 3), "is", label)
    print("best epoch:", int(np.argmin(history.history["val_loss"])) + 1)


if __name__ == "__main__":
    main()
