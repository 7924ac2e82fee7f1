"""Train, save, load again as if on the next day, and train on."""

import os
import shutil

import keras
import numpy as np
from keras import layers

FOLDER = "checkpoints_demo"


@keras.saving.register_keras_serializable(package="demo")
def scaled_error(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred) / 2.0, axis=-1)


def make_data():
    rng = np.random.default_rng(33)
    x = rng.normal(size=(180, 7)).astype("float32")
    return x, (x @ rng.normal(size=(7, 2))).astype("float32")


def build_model():
    inputs = keras.Input((7,))
    x = layers.Dense(20, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3))(
        inputs
    )
    x = layers.BatchNormalization()(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    model.compile(keras.optimizers.Adam(0.01), loss=scaled_error, metrics=["mse"])
    return model


def first_day(x, y, path):
    model = build_model()
    history = model.fit(x, y, epochs=3, batch_size=30, shuffle=False, verbose=0)
    print("day one:", np.round(history.history["loss"], 4))
    model.save(path)
    model.save_weights(path.replace(".keras", ".weights.h5"))
    return model.predict(x[:4], verbose=0)


def second_day(x, y, path, expected):
    model = keras.models.load_model(path)
    difference = np.abs(model.predict(x[:4], verbose=0) - expected).max()
    print("same predictions after loading:", bool(difference < 1e-5))
    print("optimizer has done", int(np.array(model.optimizer.iterations)), "steps")
    history = model.fit(
        x, y, initial_epoch=3, epochs=6, batch_size=30, shuffle=False, verbose=0
    )
    print("day two:", np.round(history.history["loss"], 4), "epochs", history.epoch)
    return model


def main():
    os.makedirs(FOLDER, exist_ok=True)
    try:
        path = os.path.join(FOLDER, "model.keras")
        x, y = make_data()
        expected = first_day(x, y, path)
        trained = second_day(x, y, path, expected)

        # Back to the first evening, with nothing but the weights.
        fresh = build_model()
        fresh.load_weights(path.replace(".keras", ".weights.h5"))
        print("first day:", np.round(fresh.evaluate(x, y, verbose=0), 4))
        print("second day:", np.round(trained.evaluate(x, y, verbose=0), 4))
    finally:
        shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()
