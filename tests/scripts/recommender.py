"""Recommend films: embeddings of users and films, in a subclassed model."""

import keras
import numpy as np
from keras import layers, ops
from recommender_data import FILMS, USERS, load_ratings, scale


class RecommenderNet(keras.Model):
    def __init__(self, num_users, num_films, embedding_size, **kwargs):
        super().__init__(**kwargs)
        self.user_embedding = layers.Embedding(
            num_users,
            embedding_size,
            embeddings_initializer="he_normal",
            embeddings_regularizer=keras.regularizers.l2(1e-4),
        )
        self.user_bias = layers.Embedding(num_users, 1)
        self.film_embedding = layers.Embedding(
            num_films,
            embedding_size,
            embeddings_initializer="he_normal",
            embeddings_regularizer=keras.regularizers.l2(1e-4),
        )
        self.film_bias = layers.Embedding(num_films, 1)

    def call(self, inputs):
        users, films = inputs[:, 0], inputs[:, 1]
        user_vector = self.user_embedding(users)
        film_vector = self.film_embedding(films)
        dot = ops.sum(user_vector * film_vector, axis=1, keepdims=True)
        x = dot + self.user_bias(users) + self.film_bias(films)
        return ops.sigmoid(x)


def pairs(users, films):
    return np.stack([users, films], axis=1)


def main():
    users, films, ratings = load_ratings(400)
    x, y = pairs(users, films), scale(ratings)
    split = 320

    model = RecommenderNet(USERS, FILMS, embedding_size=6)
    model.compile(
        loss=keras.losses.BinaryCrossentropy(),
        optimizer=keras.optimizers.Adam(learning_rate=0.02),
        metrics=["mae"],
    )
    history = model.fit(
        x=x[:split],
        y=y[:split],
        batch_size=64,
        epochs=4,
        verbose=2,
        validation_data=(x[split:], y[split:]),
    )
    print("validation:", [round(float(loss), 4) for loss in history.history["val_loss"]])

    # What shall the first user see next?
    seen = set(films[users == 0].tolist())
    unseen = [film for film in range(FILMS) if film not in seen]
    scores = model.predict(pairs([0] * len(unseen), unseen), verbose=0).flatten()
    best = scores.argsort()[-3:][::-1]
    print("for the first user:", [unseen[i] for i in best])


if __name__ == "__main__":
    main()
