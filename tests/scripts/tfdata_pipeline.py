"""Feed a convolutional network from tf.data, with augmentation and a limited epoch."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH_SIZE = 16


def make_images(samples, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=samples)
    images = rng.normal(scale=0.2, size=(samples, 12, 12, 1))
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] += 1.0
    return images.astype("float32"), labels.astype("int32")


def augment(image, label):
    return tf.reverse(image, axis=[1]), label


def make_dataset(samples, seed, training):
    dataset = tf.data.Dataset.from_tensor_slices(make_images(samples, seed))
    if training:
        dataset = dataset.concatenate(dataset.map(augment))
        dataset = dataset.shuffle(64, seed=seed)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def build_model():
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Rescaling(0.5),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def main():
    keras.utils.set_random_seed(42)
    train = make_dataset(100, 1, training=True)
    validation = make_dataset(70, 2, training=False)

    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(5e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    # 13 batches, the last one half full; look at a part of the validation data only.
    history = model.fit(
        train, epochs=3, validation_data=validation, validation_steps=3, verbose=2
    )
    print("validation:", np.round(history.history["val_loss"], 4))

    # An epoch of 5 steps, on data that repeat.
    history = model.fit(train.repeat(), epochs=2, steps_per_epoch=5, verbose=2)
    print("short epochs:", np.round(history.history["loss"], 4))

    # And 8 steps of data that end after 13 batches.
    history = model.fit(train, epochs=3, steps_per_epoch=8, verbose=2)
    print("epochs of 8 steps:", np.round(history.history["loss"], 4))
    print(model.evaluate(validation, verbose=0, return_dict=True))


if __name__ == "__main__":
    main()
