"""Sentiment of padded sentences: an embedding with a mask and a bidirectional LSTM."""

import keras
import numpy as np
from keras import layers

VOCABULARY = 30
LENGTH = 12
GOOD, BAD = range(1, 6), range(6, 11)


def make_sentences(samples, seed):
    rng = np.random.default_rng(seed)
    sentences, moods = [], []
    for _ in range(samples):
        words = rng.integers(11, VOCABULARY, size=rng.integers(3, LENGTH + 1))
        mood = int(rng.integers(0, 2))
        words[rng.integers(0, len(words))] = rng.choice(GOOD if mood else BAD)
        sentences.append(words.tolist())
        moods.append(mood)
    padded = keras.utils.pad_sequences(sentences, maxlen=LENGTH, padding="post")
    return padded, np.array(moods, "float32")


def build_model():
    return keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(VOCABULARY, 8, mask_zero=True),
            layers.Bidirectional(layers.LSTM(8)),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def main():
    keras.utils.set_random_seed(13)
    x, y = make_sentences(192, 0)
    x_test, y_test = make_sentences(64, 1)

    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(0.02, clipnorm=1.0),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    model.fit(
        x, y, epochs=3, batch_size=48, validation_split=0.25, callbacks=[stop], verbose=2
    )
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.4f}, accuracy {accuracy:.3f}")
    print("moods:", model.predict(x_test[:4], verbose=0).ravel().round(2))


if __name__ == "__main__":
    main()
