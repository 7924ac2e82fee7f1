"""Try optimizers with their extras on one task: clipping, decay, averages, accumulation."""

import keras
import numpy as np
from keras import layers


def make_data():
    rng = np.random.default_rng(77)
    x = rng.normal(size=(128, 6)).astype("float32")
    return x, (np.abs(x[:, :1]) * 3 + x[:, 1:2]).astype("float32")


def build_model():
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(1)]
    )


def optimizers():
    schedule = keras.optimizers.schedules.CosineDecay(
        0.02, decay_steps=20, warmup_target=0.03, warmup_steps=4
    )
    adamw = keras.optimizers.AdamW(0.01, weight_decay=0.05)
    adamw.exclude_from_weight_decay(var_names=["bias"])
    return {
        "sgd, clipped": keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=0.5),
        "sgd, global clip": keras.optimizers.SGD(0.05, global_clipnorm=1.0),
        "cosine": keras.optimizers.Adam(schedule),
        "adamw": adamw,
        "averaged": keras.optimizers.Adam(
            0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3
        ),
        "accumulated": keras.optimizers.Adam(
            0.02, gradient_accumulation_steps=2, clipnorm=1.0
        ),
        "lion": keras.optimizers.Lion(0.003),
        "nadam": keras.optimizers.Nadam(0.01),
    }


def main():
    keras.utils.set_random_seed(0)
    x, y = make_data()
    initial = build_model().get_weights()

    results = {}
    for name, optimizer in optimizers().items():
        model = build_model()
        model.set_weights(initial)
        model.compile(optimizer, loss="mse")
        history = model.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0)
        results[name] = history.history["loss"]
        rate = float(np.array(optimizer.learning_rate))
        steps = int(np.array(optimizer.iterations))
        print(f"{name:>18}: loss {results[name][-1]:.4f}, rate {rate:.5f}, {steps} steps")

    best = min(results, key=lambda name: results[name][-1])
    print("best:", best)


if __name__ == "__main__":
    main()
