"""A training loop by hand: train_on_batch, test_on_batch, and patience of its own."""

import keras
import numpy as np
from keras import layers

BATCH_SIZE = 30


def make_rings(samples, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, size=samples)
    radius = 1.0 + label + rng.normal(scale=0.15, size=samples)
    angle = rng.uniform(0, 2 * np.pi, size=samples)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return x.astype("float32"), label.astype("float32").reshape(-1, 1)


def batches(x, y, rng):
    order = rng.permutation(len(x))
    for start in range(0, len(x), BATCH_SIZE):
        chosen = order[start : start + BATCH_SIZE]
        yield x[chosen], y[chosen]


def main():
    keras.utils.set_random_seed(31)
    rng = np.random.default_rng(31)
    x, y = make_rings(200, 1)
    x_val, y_val = make_rings(60, 2)

    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    print("at first:", model.test_on_batch(x_val, y_val, return_dict=True))

    best, patience = np.inf, 0
    for epoch in range(5):
        losses = []
        for x_batch, y_batch in batches(x, y, rng):
            logs = model.train_on_batch(x_batch, y_batch, return_dict=True)
            losses.append(float(logs["loss"]))
        val_loss, val_accuracy = model.test_on_batch(x_val, y_val)
        print(
            f"epoch {epoch}: first batch {losses[0]:.4f}, last batch {losses[-1]:.4f}, "
            f"validation {val_loss:.4f}, accuracy {val_accuracy:.3f}"
        )
        if val_loss < best - 1e-3:
            best, patience = float(val_loss), 0
        else:
            patience += 1
            if patience == 2:
                print("no progress, stopping")
                break

    certainty = np.abs(model.predict_on_batch(x_val) - 0.5).mean()
    print("mean distance from 0.5:", round(float(certainty), 4))


if __name__ == "__main__":
    main()
