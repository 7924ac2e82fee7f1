"""Find rare fraud: class weights first, then the amounts of money as sample weights."""

import keras
import numpy as np
from keras import layers


def make_transactions(samples, rng):
    features = rng.normal(size=(samples, 8)).astype("float32")
    fraud = (features[:, 0] + 0.5 * features[:, 1] > 1.4).astype("int32")
    amount = rng.lognormal(sigma=0.7, size=samples).astype("float32")
    return features, fraud, amount


def build_model():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(5e-3),
        loss="binary_crossentropy",
        metrics=[keras.metrics.Precision(name="precision"), keras.metrics.AUC(name="auc")],
        weighted_metrics=["accuracy"],
    )
    return model


def main():
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    x, y, amount = make_transactions(320, rng)
    x_val, y_val, amount_val = make_transactions(100, rng)

    negatives, positives = np.bincount(y)
    class_weight = {0: 1.0, 1: negatives / positives}
    print(f"{positives} of {len(y)} are fraud, class weights {class_weight}")

    model = build_model()
    model.fit(x, y, epochs=3, batch_size=64, class_weight=class_weight, verbose=2)
    print("plain:", model.evaluate(x_val, y_val, verbose=0, return_dict=True))

    # Large amounts hurt more.
    model = build_model()
    model.fit(
        x,
        y,
        sample_weight=amount,
        validation_data=(x_val, y_val, amount_val),
        epochs=3,
        batch_size=64,
        verbose=2,
    )
    scores = model.evaluate(x_val, y_val, sample_weight=amount_val, verbose=0)
    print("weighted:", [round(float(score), 4) for score in scores])
    flagged = model.predict(x_val, verbose=0)[:, 0] > 0.5
    print("missed amount:", round(float(amount_val[(y_val == 1) & ~flagged].sum()), 2))


if __name__ == "__main__":
    main()
