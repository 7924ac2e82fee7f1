"""Classify short texts with one transformer block that leaves the padding out."""

import keras
import numpy as np
from keras import layers

VOCABULARY = 50
LENGTH = 14


class TokenAndPosition(layers.Layer):
    def __init__(self, length, vocabulary, size, **kwargs):
        super().__init__(**kwargs)
        self.tokens = layers.Embedding(vocabulary, size, mask_zero=True)
        self.positions = layers.Embedding(length, size)

    def compute_mask(self, inputs, mask=None):
        return self.tokens.compute_mask(inputs, mask)

    def call(self, inputs):
        positions = keras.ops.arange(0, keras.ops.shape(inputs)[-1])
        return self.tokens(inputs) + self.positions(positions)


def build_model(size=12, heads=2):
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = TokenAndPosition(LENGTH, VOCABULARY, size)(inputs)
    attention = layers.MultiHeadAttention(num_heads=heads, key_dim=size // heads)(x, x)
    x = layers.LayerNormalization()(x + layers.Dropout(0.1)(attention))
    feed_forward = layers.Dense(24, activation="relu")(x)
    x = layers.LayerNormalization()(x + layers.Dense(size)(feed_forward))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def make_texts(samples, seed):
    rng = np.random.default_rng(seed)
    texts = np.zeros((samples, LENGTH), "int32")
    topics = rng.integers(0, 3, size=samples)
    for text, topic in zip(texts, topics, strict=True):
        length = rng.integers(4, LENGTH + 1)
        text[:length] = rng.integers(1, VOCABULARY, size=length)
        text[: length // 2] = rng.integers(
            1 + 10 * topic, 11 + 10 * topic, size=length // 2
        )
    return texts, topics


def main():
    keras.utils.set_random_seed(19)
    x, y = make_texts(200, 0)
    x_test, y_test = make_texts(60, 1)
    model = build_model()
    model.compile(
        keras.optimizers.AdamW(0.01, weight_decay=0.01),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size=40, epochs=3, validation_data=(x_test, y_test), verbose=2)
    print("test:", model.evaluate(x_test, y_test, verbose=0, return_dict=True))
    print(
        "first texts:",
        model.predict(x_test[:3], verbose=0).argmax(axis=1),
        "real",
        y_test[:3],
    )


if __name__ == "__main__":
    main()
