"""Two prices of a house with lists of losses, weights and targets, and its own report."""

import os

import keras
import numpy as np
from keras import layers

# The table lies beside this script, wherever that is.
os.chdir(os.path.dirname(os.path.abspath(__file__)))


def load_table(path):
    table = np.genfromtxt(path, delimiter=",", names=True)
    features = np.stack([table[name] for name in ("rooms", "area", "age")], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return features.astype("float32"), table["sale"], table["rent"]


def build_model():
    features = keras.Input((3,))
    hidden = layers.Dense(12, activation="relu")(features)
    sale = layers.Dense(1, name="a_sale")(hidden)
    rent = layers.Dense(1, name="b_rent")(hidden)
    return keras.Model(features, [sale, rent])


def main():
    features, sale, rent = load_table("data/houses.csv")
    sale = (sale / 100.0).reshape(-1, 1)
    rent = rent.reshape(-1, 1)
    split = 96

    model = build_model()
    model.compile(
        optimizer=keras.optimizers.SGD(0.02, momentum=0.9),
        loss=["mse", "mae"],
        loss_weights=[1.0, 0.5],
    )
    history = model.fit(
        features[:split],
        [sale[:split], rent[:split]],
        validation_data=(features[split:], [sale[split:], rent[split:]]),
        epochs=5,
        batch_size=20,
        verbose=0,
    )
    print("columns:", list(history.history))
    print("total loss:", np.round(history.history["loss"], 4))

    scores = model.evaluate(features[split:], [sale[split:], rent[split:]], verbose=0)
    print("test loss:", np.round(scores, 4))
    sales, rents = model.predict(features[:2], verbose=0)
    print("sale", sales.ravel().round(2), "rent", rents.ravel().round(2))


if __name__ == "__main__":
    main()
