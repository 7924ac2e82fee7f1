"""A variational autoencoder whose KL term is added by a layer."""

import keras
import numpy as np
from keras import layers, ops


class Sampling(layers.Layer):
    """Draws from the posterior, and adds the KL divergence to the loss."""

    def __init__(self, weight=0.01, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs, training=False):
        mean, log_var = inputs
        kl = -0.5 * ops.mean(1 + log_var - ops.square(mean) - ops.exp(log_var))
        self.add_loss(self.weight * kl)
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise


def build_vae(features, latent):
    inputs = keras.Input((features,))
    x = layers.Dense(24, activation="relu")(inputs)
    mean = layers.Dense(latent, name="mean")(x)
    log_var = layers.Dense(latent, name="log_var", kernel_initializer="zeros")(x)
    code = Sampling()([mean, log_var])
    x = layers.Dense(24, activation="relu")(code)
    outputs = layers.Dense(features)(x)
    return keras.Model(inputs, outputs, name="vae"), keras.Model(
        inputs, mean, name="encoder"
    )


def make_curves(samples):
    rng = np.random.default_rng(55)
    grid = np.linspace(-1, 1, 16)
    a, b = rng.normal(size=(2, samples, 1))
    return (a * grid + b * grid**2).astype("float32")


def main():
    keras.utils.set_random_seed(55)
    curves = make_curves(256)
    vae, encoder = build_vae(16, 2)
    vae.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    history = vae.fit(
        curves, curves, epochs=4, batch_size=64, validation_split=0.125, verbose=2
    )
    print("loss:", np.round(history.history["loss"], 4))
    print("validation:", np.round(history.history["val_loss"], 4))

    codes = encoder.predict(curves[:100], verbose=0)
    print("spread of the codes:", np.round(codes.std(axis=0), 3))
    error = np.mean((vae.predict(curves[:100], verbose=0) - curves[:100]) ** 2)
    print("error:", round(float(error), 4))


if __name__ == "__main__":
    main()
