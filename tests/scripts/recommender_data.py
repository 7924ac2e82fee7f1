"""Ratings of films by users, made up: the data of recommender.py."""

import numpy as np

USERS = 20
FILMS = 30


def load_ratings(samples, seed=0):
    """Return users, films and ratings from 1 to 5."""
    rng = np.random.default_rng(seed)
    taste = np.random.default_rng(1234)
    user_taste = taste.normal(size=(USERS, 3))
    film_style = taste.normal(size=(FILMS, 3))
    users = rng.integers(0, USERS, size=samples)
    films = rng.integers(0, FILMS, size=samples)
    scores = (user_taste[users] * film_style[films]).sum(axis=1)
    ratings = np.clip(np.round(3 + scores), 1, 5)
    return users.astype("int32"), films.astype("int32"), ratings.astype("float32")


def scale(ratings):
    """Map ratings to the range from 0 to 1."""
    return (ratings - 1.0) / 4.0
