"""Tag every word of a padded sentence: masked loss, masked accuracy, a GRU."""

import keras
import numpy as np
from keras import layers

VOCABULARY = 25
LENGTH = 10
TAGS = 3


def make_sentences(samples, seed):
    """The tag of a word depends on the word and on whether the one before was even."""
    rng = np.random.default_rng(seed)
    words = rng.integers(1, VOCABULARY, size=(samples, LENGTH))
    before = np.pad(words, ((0, 0), (1, 0)))[:, :-1] % 2
    tags = (words + before) % TAGS
    for row, (sentence, its_tags) in enumerate(zip(words, tags, strict=True)):
        end = 3 + row % (LENGTH - 2)
        sentence[end:] = 0
        its_tags[end:] = 0
    return words.astype("int32"), tags.astype("int32")


def build_model():
    words = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 10, mask_zero=True)(words)
    x = layers.GRU(12, return_sequences=True)(x)
    # Let the word itself through, beside what was read so far.
    x = layers.Add()([x, layers.Dense(12, activation="tanh")(x)])
    return keras.Model(words, layers.Dense(TAGS, activation="softmax")(x))


def main():
    x, y = make_sentences(160, 3)
    x_test, y_test = make_sentences(48, 4)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(0.02),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_crossentropy"],
    )
    history = model.fit(
        x, y, epochs=3, batch_size=32, validation_data=(x_test, y_test), verbose=2
    )
    for name, values in history.history.items():
        print(name, np.round(values, 4))

    tags = model.predict(x_test, verbose=0).argmax(axis=-1)
    real = x_test != 0
    print("accuracy of real words:", round(float((tags == y_test)[real].mean()), 4))


if __name__ == "__main__":
    main()
