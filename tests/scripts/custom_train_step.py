"""Train with gradient noise: a custom train_step and test_step (TensorFlow only)."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class NoisyGradients(keras.Model):
    """A functional model that adds noise to its gradients, and logs their norm."""

    def __init__(self, *args, noise=0.01, **kwargs):
        super().__init__(*args, **kwargs)
        self.noise = noise
        self.norm_tracker = keras.metrics.Mean(name="gradient_norm")

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.norm_tracker.update_state(tf.linalg.global_norm(gradients))
        scale = self.noise * loss
        gradients = [gradient * (1.0 + scale) for gradient in gradients]
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            elif metric.name != "gradient_norm":
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            elif metric.name != "gradient_norm":
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics if m.name != "gradient_norm"}


def main():
    rng = np.random.default_rng(21)
    x = rng.normal(size=(200, 12)).astype("float32")
    y = (x[:, :3].sum(axis=1, keepdims=True) + rng.normal(scale=0.1, size=(200, 1))).astype(
        "float32"
    )

    inputs = keras.Input((12,))
    hidden = layers.Dense(24, activation="relu")(inputs)
    hidden = layers.Dropout(0.1)(hidden)
    model = NoisyGradients(inputs, layers.Dense(1)(hidden))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    history = model.fit(x, y, epochs=3, batch_size=32, validation_split=0.2, verbose=2)
    for name in sorted(history.history):
        print(name, [round(float(value), 4) for value in history.history[name]])
    print(model.evaluate(x, y, verbose=0, return_dict=True))


if __name__ == "__main__":
    main()
