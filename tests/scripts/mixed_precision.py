"""Mixed precision: compute in float16, keep the weights in float32."""

import keras
import numpy as np
from keras import layers

keras.mixed_precision.set_global_policy("mixed_float16")


def make_spots(samples, rng):
    """Images with a bright spot; the label says in which quarter."""
    images = rng.normal(scale=0.3, size=(samples, 8, 8, 1)).astype("float32")
    rows, columns = rng.integers(0, 8, size=(2, samples))
    images[np.arange(samples), rows, columns] += 4.0
    return images, ((rows >= 4) * 2 + (columns >= 4)).astype("int32")


def build_model():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, activation="relu", padding="same")(inputs)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(24, activation="relu")(x)
    x = layers.Dense(4)(x)
    # The softmax shall not be computed in half precision.
    outputs = layers.Activation("softmax", dtype="float32", name="predictions")(x)
    return keras.Model(inputs, outputs)


def main():
    keras.utils.set_random_seed(4)
    rng = np.random.default_rng(4)
    x, y = make_spots(192, rng)

    model = build_model()
    print("compute in", model.layers[1].compute_dtype, "variables", model.layers[1].dtype)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01, clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    print("optimizer:", model.optimizer.__class__.__name__)

    history = model.fit(x, y, batch_size=32, epochs=4, validation_split=0.25, verbose=2)
    print("losses:", np.round(history.history["loss"], 3))
    print("steps:", int(np.array(model.optimizer.iterations)))

    x_test, y_test = make_spots(48, rng)
    probabilities = model.predict(x_test, verbose=0)
    print("output dtype:", probabilities.dtype)
    print(
        "correct:", int((probabilities.argmax(axis=1) == y_test).sum()), "of", len(y_test)
    )


if __name__ == "__main__":
    main()
