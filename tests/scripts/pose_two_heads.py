"""Regress speed and angle of a ball from noisy sensors, with one model of two heads."""

import keras
import numpy as np
from keras import layers


def simulate(samples, seed):
    rng = np.random.default_rng(seed)
    speed = rng.uniform(0, 5, size=(samples, 1))
    angle = rng.uniform(-1, 1, size=(samples, 1))
    sensors = np.concatenate(
        [speed * np.cos(angle), speed * np.sin(angle), speed**2], axis=1
    )
    sensors += rng.normal(scale=0.05, size=sensors.shape)
    return sensors.astype("float32"), speed.astype("float32"), angle.astype("float32")


def build_model():
    sensors = keras.Input((3,), name="sensors")
    hidden = layers.Dense(32, activation="tanh")(sensors)
    hidden = layers.Dense(32, activation="tanh")(hidden)
    return keras.Model(
        sensors,
        [layers.Dense(1, name="speed")(hidden), layers.Dense(1, name="angle")(hidden)],
    )


def main():
    keras.utils.set_random_seed(11)
    x, speed, angle = simulate(240, seed=1)
    x_val, speed_val, angle_val = simulate(60, seed=2)

    model = build_model()
    # A wrong angle does little harm, a very wrong speed does a lot.
    model.compile(
        optimizer="adam",
        loss={"speed": "mse", "angle": "mae"},
        loss_weights={"speed": 0.1, "angle": 1.0},
        metrics={"speed": ["mae"], "angle": ["mse"]},
    )
    history = model.fit(
        x,
        {"speed": speed, "angle": angle},
        validation_data=(x_val, {"speed": speed_val, "angle": angle_val}),
        batch_size=40,
        epochs=4,
        verbose=0,
    )
    for name, values in history.history.items():
        print(f"{name:>16}:", " ".join(f"{value:.4f}" for value in values))

    scores = model.evaluate(x_val, {"speed": speed_val, "angle": angle_val}, verbose=0)
    print("scores in order:", [round(float(score), 4) for score in scores])
    speeds, angles = model.predict(x_val[:3], verbose=0)
    print("speed", speeds.ravel(), "angle", angles.ravel())


if __name__ == "__main__":
    main()
