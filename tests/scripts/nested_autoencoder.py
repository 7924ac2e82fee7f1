"""An autoencoder made of an encoder and a decoder; the encoder is a classifier as well."""

import keras
import numpy as np
from keras import layers


def make_signals(samples, seed):
    rng = np.random.default_rng(seed)
    frequency = rng.integers(1, 4, size=samples)
    time = np.linspace(0, 2 * np.pi, 24)
    phase = rng.uniform(0, np.pi, size=(samples, 1))
    signals = np.sin(frequency[:, None] * time + phase)
    signals += rng.normal(scale=0.1, size=signals.shape)
    return signals.astype("float32"), (frequency - 1).astype("int32")


def build_encoder():
    signal = keras.Input((24,), name="signal")
    hidden = layers.Dense(24, activation="relu")(signal)
    return keras.Model(signal, layers.Dense(3)(hidden), name="encoder")


def build_decoder():
    code = keras.Input((3,), name="code")
    hidden = layers.Dense(24, activation="relu")(code)
    return keras.Model(code, layers.Dense(24)(hidden), name="decoder")


def main():
    signals, labels = make_signals(192, seed=4)

    # The code shall tell the frequency: train the encoder to do so.
    encoder = build_encoder()
    encoder.compile(
        keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = encoder.fit(signals, labels, epochs=3, batch_size=32, verbose=0)
    print(
        "encoder:", {key: round(values[-1], 4) for key, values in history.history.items()}
    )

    decoder = build_decoder()
    decoder.compile("adam", loss="mse")

    # Both together reproduce the signal.
    signal = keras.Input((24,))
    autoencoder = keras.Model(signal, decoder(encoder(signal)), name="autoencoder")
    autoencoder.compile("adam", loss="mse")
    history = autoencoder.fit(signals, signals, epochs=3, batch_size=32, verbose=0)
    print("autoencoder:", np.round(history.history["loss"], 4), list(history.history))

    # Does the encoder still know the frequencies? Refresh it a little.
    print("before:", encoder.evaluate(signals, labels, verbose=0))
    encoder.fit(signals, labels, epochs=1, batch_size=32, verbose=0)
    print("after:", encoder.evaluate(signals, labels, verbose=0))

    codes = encoder.predict(signals[:2], verbose=0)
    print(
        "error of two:",
        float(np.mean((decoder.predict(codes, verbose=0) - signals[:2]) ** 2)),
    )


if __name__ == "__main__":
    main()
