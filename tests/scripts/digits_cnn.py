"""Recognise handwritten digits with convolutions, batch normalization and dropout."""

import argparse

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.3)
    return parser.parse_args()


def build_model(dropout):
    def block(x, filters):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x)

    inputs = keras.Input((8, 8, 1))
    x = block(inputs, 8)
    x = layers.MaxPooling2D()(x)
    x = block(x, 16)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(99)

    digits = load_digits()
    images = (digits.images[..., None] / 16.0).astype("float32")
    labels = keras.utils.to_categorical(digits.target, 10)
    x_train, x_test, y_train, y_test = train_test_split(
        images[:600], labels[:600], test_size=0.25, random_state=0
    )

    model = build_model(arguments.dropout)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(k=3, name="top3")],
    )
    history = model.fit(
        x_train,
        y_train,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        validation_data=(x_test, y_test),
        verbose=2,
    )
    print("accuracy:", np.round(history.history["val_accuracy"], 3))
    scores = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    print({name: round(score, 4) for name, score in scores.items()})


if __name__ == "__main__":
    main()
