"""A custom train_step on PyTorch, with a metric of its own."""

import keras
import numpy as np
import torch
from keras import layers


class CustomModel(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae_metric = keras.metrics.MeanAbsoluteError(name="mae")
        self.loss_fn = keras.losses.MeanSquaredError()

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.loss_fn(y, y_pred)
        loss.backward()
        trainable_weights = list(self.trainable_weights)
        gradients = [v.value.grad for v in trainable_weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, trainable_weights)
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred)
        return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

    @property
    def metrics(self):
        # Listed here, so that fit() resets them at the start of each epoch.
        return [self.loss_tracker, self.mae_metric]


def main():
    keras.utils.set_random_seed(0)
    x = np.random.random((150, 16)).astype("float32")
    y = x.mean(axis=1, keepdims=True)

    inputs = keras.Input(shape=(16,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    outputs = layers.Dense(1)(hidden)
    model = CustomModel(inputs, outputs)
    # No loss or metrics here: train_step knows what to do.
    model.compile(optimizer="adam")
    history = model.fit(x, y, epochs=4, batch_size=32, verbose=2)
    print("loss:", [round(float(v), 5) for v in history.history["loss"]])
    print("mae:", [round(float(v), 5) for v in history.history["mae"]])

    error = float(np.abs(model.predict(x, verbose=0) - y).mean())
    print(f"error after training: {error:.4f}")


if __name__ == "__main__":
    main()
