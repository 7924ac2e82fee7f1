"""Rank customer tickets: a functional model with two outputs and a dict for everything."""

import keras
import numpy as np
from keras import layers

NUM_TAGS = 12
NUM_WORDS = 40
NUM_DEPARTMENTS = 4


def build_model():
    title = keras.Input(shape=(NUM_WORDS,), name="title")
    tags = keras.Input(shape=(NUM_TAGS,), name="tags")
    features = layers.concatenate([layers.Dense(16, activation="relu")(title), tags])
    features = layers.Dense(16, activation="relu")(features)
    priority = layers.Dense(1, name="priority")(features)
    department = layers.Dense(NUM_DEPARTMENTS, name="department")(features)
    return keras.Model(
        inputs=[title, tags], outputs={"priority": priority, "department": department}
    )


def make_tickets(samples, rng):
    titles = rng.integers(0, 2, size=(samples, NUM_WORDS)).astype("float32")
    tags = rng.integers(0, 2, size=(samples, NUM_TAGS)).astype("float32")
    urgent = (titles[:, :5].sum(axis=1) > 2).astype("float32").reshape(-1, 1)
    department = tags[:, :NUM_DEPARTMENTS].argmax(axis=1)
    return (
        {"title": titles, "tags": tags},
        {"priority": urgent, "department": keras.utils.to_categorical(department, 4)},
    )


def main():
    rng = np.random.default_rng(0)
    inputs, targets = make_tickets(192, rng)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss={
            "priority": keras.losses.BinaryCrossentropy(from_logits=True),
            "department": keras.losses.CategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"priority": 1.0, "department": 0.2},
    )
    history = model.fit(inputs, targets, epochs=3, batch_size=32, verbose=0)
    for name, values in history.history.items():
        print(f"{name}: {values[0]:.4f} -> {values[-1]:.4f}")

    new_inputs, new_targets = make_tickets(32, rng)
    print("evaluate:", model.evaluate(new_inputs, new_targets, verbose=0, return_dict=True))
    predictions = model.predict(new_inputs, verbose=0)
    for name, values in predictions.items():
        print(name, values.shape)


if __name__ == "__main__":
    main()
