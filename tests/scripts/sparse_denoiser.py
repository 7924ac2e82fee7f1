"""A denoising autoencoder with a sparse code; nothing is compiled but the whole."""

import keras
import numpy as np
from keras import layers


class Denoiser(keras.Model):
    """Encoder and decoder as parts of a subclassed model."""

    def __init__(self, code_size=12):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                layers.Dense(32, activation="relu"),
                layers.Dense(
                    code_size,
                    activation="relu",
                    activity_regularizer=keras.regularizers.L1(1e-3),
                ),
            ],
            name="encoder",
        )
        self.decoder = keras.Sequential(
            [layers.Dense(32, activation="relu"), layers.Dense(20)], name="decoder"
        )

    def call(self, inputs):
        return self.decoder(self.encoder(inputs))


def make_series(samples):
    rng = np.random.default_rng(12)
    start = rng.uniform(-1, 1, size=(samples, 1))
    slope = rng.uniform(-0.1, 0.1, size=(samples, 1))
    clean = start + slope * np.arange(20)
    noisy = clean + rng.normal(scale=0.2, size=clean.shape)
    return noisy.astype("float32"), clean.astype("float32")


def main():
    noisy, clean = make_series(220)
    model = Denoiser()
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse")
    history = model.fit(
        noisy[:180],
        clean[:180],
        validation_data=(noisy[180:], clean[180:]),
        epochs=4,
        batch_size=64,
        verbose=2,
    )
    print("validation:", np.round(history.history["val_loss"], 4))

    codes = model.encoder.predict(noisy[180:], verbose=0)
    print("share of zeros in the code:", round(float((codes == 0).mean()), 3))
    restored = model.predict(noisy[180:], verbose=0)
    before = float(np.mean((noisy[180:] - clean[180:]) ** 2))
    after = float(np.mean((restored - clean[180:]) ** 2))
    print(f"error {before:.4f} -> {after:.4f}")


if __name__ == "__main__":
    main()
