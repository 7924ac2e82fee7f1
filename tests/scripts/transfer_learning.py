"""Train a small network on one task, reuse its body for another, then fine-tune it all."""

import keras
import numpy as np
from keras import layers


def make_images(samples, seed, kind):
    """Noise with a bar: its direction is the first task, its half of the image the second."""
    rng = np.random.default_rng(seed)
    images = rng.normal(scale=0.3, size=(samples, 10, 10, 1)).astype("float32")
    direction = rng.integers(0, 2, samples)
    place = rng.integers(0, 10, samples)
    for image, way, at in zip(images, direction, place, strict=True):
        if way:
            image[at] += 1.0
        else:
            image[:, at] += 1.0
    labels = direction if kind == "direction" else (place >= 5)
    return images, labels.astype("float32").reshape(-1, 1)


def build_body():
    inputs = keras.Input((10, 10, 1))
    x = layers.Conv2D(6, 3, use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    return keras.Model(inputs, layers.Flatten()(x), name="body")


def add_head(body, training=None):
    inputs = keras.Input((10, 10, 1))
    features = body(inputs, training=training)
    features = layers.Dropout(0.2)(features)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(features))


def main():
    keras.utils.set_random_seed(3)
    body = build_body()

    source = add_head(body)
    source.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x, y = make_images(160, 0, "direction")
    source.fit(x, y, epochs=2, batch_size=32, verbose=2)

    # Keep what the body has learned, train a new head only.
    body.trainable = False
    model = add_head(body, training=False)
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", metrics=["accuracy"])
    print("weights to train:", len(model.trainable_weights), "of", len(model.weights))
    x, y = make_images(160, 1, "place")
    x_val, y_val = make_images(48, 2, "place")
    model.fit(x, y, epochs=2, batch_size=32, validation_data=(x_val, y_val), verbose=2)

    # Now fine-tune everything, slowly.
    body.trainable = True
    model.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy", metrics=["accuracy"])
    print("weights to train:", len(model.trainable_weights), "of", len(model.weights))
    model.fit(x, y, epochs=2, batch_size=32, validation_data=(x_val, y_val), verbose=2)
    print("final:", model.evaluate(x_val, y_val, verbose=0))


if __name__ == "__main__":
    main()
