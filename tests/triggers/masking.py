"""Padded sequences: what becomes of their mask."""

from __future__ import annotations

from tests.triggers import HEAD, Cases


def tagger(body: str, compiled: str = 'metrics=["accuracy"]', zero: bool = True) -> str:
    """A functional model over padded words; ``body`` makes an output of ``x``."""
    return (
        HEAD
        + f"""
words = keras.Input((None,), dtype="int32")
x = embedded = layers.Embedding(5000, 32, mask_zero={zero})(words)
{body}
model = keras.Model(words, x)
model.compile("adam", "sparse_categorical_crossentropy", {compiled})
"""
    )


STEPS = "x = layers.LSTM(32, return_sequences=True)(x)\nx = layers.Dense(9, activation='softmax')(x)"
LAST = "x = layers.LSTM(32)(x)\nx = layers.Dense(9, activation='softmax')(x)"
NORM = "x = layers.BatchNormalization()(x)\nx = layers.LSTM(32)(x)\nx = layers.Dense(9)(x)"
NORM_LAST = (
    "x = layers.LSTM(32)(x)\nx = layers.BatchNormalization()(x)\nx = layers.Dense(9)(x)"
)
FIT = "history = model.fit(x, y, epochs=3, validation_split=0.1)\n"
WEIGHTED = "model.fit(x, y, sample_weight=np.load('weights.npy'), epochs=3)\n"
SERIES = (
    HEAD
    + """
model = keras.Sequential()
model.add(layers.Masking(mask_value=-1.0, input_shape=(50, {features})))
model.add(layers.{norm}())
model.add(layers.LSTM(16, return_sequences=True))
model.add(layers.TimeDistributed(layers.Dense(1)))
model.compile(optimizer="adam", loss="mse")
model.fit(x, y, epochs=10)
"""
)


def merged(how: str) -> str:
    """Two masked branches put together."""
    return f"""
forward = layers.LSTM(32, return_sequences=True)(x)
backward = layers.LSTM(32, return_sequences=True, go_backwards=True)(x)
x = {how}
x = layers.Dense(9, activation="softmax")(layers.GlobalAveragePooling1D()(x))
"""


BLOCKS = (
    HEAD
    + """
def residual(x, filters):
    y = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return layers.Add()([x, y])

inputs = keras.Input((32, 32, 8))
x = residual(residual(inputs, 8), 8)
both = layers.Concatenate()([x, x])
model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(both)))
"""
)
OTHER = """
other = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
other.compile("adam", "mse", metrics=["mae"])
other.fit(x, y, epochs=3)
"""
# Nobody knows what an operation does to a mask; here nothing makes one.
NO_MASK = (
    tagger(
        "x = keras.ops.tanh(layers.LSTM(32, return_sequences=True)(x))\nx = layers.Dense(9)(x)",
        zero=False,
    )
    + FIT
)
UNMASKED_FIRST = (
    HEAD
    + """
series = keras.Input((50, 3))
x = layers.Masking(-1.0)(series)
both = {}
model = keras.Model(series, layers.Dense(1)(layers.LSTM(8)(both)))
"""
)

CASES: Cases = {
    "batchnorm_counts_masked_steps": [
        (tagger(NORM) + FIT, "certain"),
        (SERIES.format(features=3, norm="BatchNormalization"), "certain"),
        (tagger(NORM_LAST) + FIT, None),
        (tagger(NORM, zero=False) + FIT, None),
        (SERIES.format(features=3, norm="LayerNormalization"), None),
        (tagger(NORM) + OTHER, None),
        (
            SERIES.format(features=1, norm="BatchNormalization")
            .replace("Masking", "Dense")
            .replace("mask_value=-1.0", "units=4"),
            None,
        ),
        (
            SERIES.format(features=1, norm="BatchNormalization").replace(
                "model.fit(x, y, epochs=10)", OTHER
            ),
            None,
        ),
        (
            tagger(
                "numbers = keras.Input((None, 32))\nx = layers.Add()([x, layers.BatchNormalization()(numbers)])\n"
                + STEPS
            ).replace("Model(words", "Model([words, numbers]")
            + FIT,
            None,
        ),
        (
            "from keras.layers import BatchNormalization, Dense\nfrom keras import Sequential\n"
            "plain = Sequential([Dense(8), BatchNormalization()])\n" + tagger(STEPS) + FIT,
            None,
        ),
        (HEAD + "encoded = layers.LSTM(8)(x, mask=x > 0)", None),
    ],
    "batchnorm_mask_of_one_feature_raises": [
        (SERIES.format(features=1, norm="BatchNormalization"), "possible"),
        (SERIES.format(features=1, norm="LayerNormalization"), None),
        (tagger(NORM_LAST) + FIT, None),
        (tagger(NORM) + "model.predict(x)", None),
        (tagger(NORM) + OTHER, None),
        (
            SERIES.format(features=1, norm="BatchNormalization")
            .replace("Masking", "Dense")
            .replace("mask_value=-1.0", "units=4"),
            None,
        ),
        (
            SERIES.format(features=1, norm="BatchNormalization").replace(
                "model.fit(x, y, epochs=10)", OTHER
            ),
            None,
        ),
        (tagger(NORM) + FIT, "possible"),
        (
            tagger(
                "numbers = keras.Input((None, 32))\nx = layers.Add()([x, layers.BatchNormalization()(numbers)])\n"
                + STEPS
            ).replace("Model(words", "Model([words, numbers]")
            + FIT,
            None,
        ),
        (
            "from keras.layers import BatchNormalization, Dense\nfrom keras import Sequential\n"
            "plain = Sequential([Dense(8), BatchNormalization()])\n" + tagger(STEPS) + FIT,
            None,
        ),
        (HEAD + "encoded = layers.LSTM(8)(x, mask=x > 0)", None),
    ],
    "concatenate_of_masked_inputs_raises": [
        (tagger(merged("layers.Concatenate()([forward, backward])")), "certain"),
        (tagger(merged("layers.concatenate([forward, backward])")), "certain"),
        (tagger(merged("layers.Add()([forward, backward])")), None),
        (tagger(merged("layers.Concatenate()([forward, backward])"), zero=False), None),
        (
            tagger(
                "x = layers.Concatenate()([layers.LSTM(8)(x), layers.LSTM(8)(x)])\nx = layers.Dense(9)(x)"
            ),
            None,
        ),
        (BLOCKS, None),
        (UNMASKED_FIRST.format("layers.concatenate([x, x])"), "certain"),
        (UNMASKED_FIRST.format("layers.concatenate([series, series])"), None),
        (NO_MASK + "merged = layers.concatenate([x, x])", None),
        (UNMASKED_FIRST.format("layers.Concatenate()([series, series])"), None),
        (
            tagger("x = keras.ops.tanh(x)\nx = layers.Concatenate()([x, x])", zero=False),
            None,
        ),
    ],
    "merge_layers_drop_masks": [
        (tagger(merged("layers.Add()([forward, backward])")), "certain"),
        (tagger(merged("layers.multiply([forward, backward])")), "certain"),
        (tagger(merged("layers.Add()([forward, backward])"), zero=False), None),
        (tagger(merged("layers.Dot(axes=2)([forward, backward])")), None),
        (
            tagger(
                "x = layers.Add()([layers.LSTM(8)(x), layers.LSTM(8)(x)])\nx = layers.Dense(9)(x)"
            ),
            None,
        ),
        (BLOCKS, None),
        (UNMASKED_FIRST.format("layers.add([x, x])"), "certain"),
        (UNMASKED_FIRST.format("layers.add([series, series])"), None),
        (NO_MASK + "merged = layers.add([x, x])", None),
        (UNMASKED_FIRST.format("layers.Add()([series, series])"), None),
        (tagger("x = keras.ops.tanh(x)\nx = layers.Add()([x, x])", zero=False), None),
    ],
    "jitted_loss_ignores_mask_on_jax": [
        (tagger(STEPS) + FIT, "certain"),
        (SERIES.format(features=3, norm="LayerNormalization"), "certain"),
        (tagger(LAST) + FIT, None),
        (tagger(STEPS, "run_eagerly=True") + FIT, None),
        (tagger(STEPS, zero=False) + FIT, None),
        (NO_MASK, None),
    ],
    "training_metrics_count_padding_on_jax": [
        (tagger(STEPS) + FIT, "certain"),
        (tagger(STEPS, 'weighted_metrics=["accuracy"]') + FIT, "certain"),
        (tagger(STEPS, "") + FIT, None),
        (tagger(LAST) + FIT, None),
        (tagger(STEPS) + "model.evaluate(x, y)", None),
        (NO_MASK, None),
        (tagger(STEPS) + WEIGHTED, None),
    ],
    "weighted_metrics_ignore_masks": [
        (tagger(STEPS) + FIT, "certain"),
        (
            tagger(STEPS, 'weighted_metrics=["accuracy"]') + "model.evaluate(x, y)",
            "certain",
        ),
        (tagger(STEPS) + WEIGHTED, None),
        (tagger(LAST) + FIT, None),
        (tagger(STEPS, "") + FIT, None),
        (NO_MASK, None),
    ],
    "rmse_counts_masked_steps": [
        (
            tagger(STEPS, "metrics=[keras.metrics.RootMeanSquaredError()]") + FIT,
            "certain",
        ),
        (
            tagger(STEPS, 'weighted_metrics=["root_mean_squared_error"]')
            + "model.evaluate(x, y)",
            "certain",
        ),
        (tagger(STEPS, "metrics=[keras.metrics.MeanSquaredError()]") + FIT, None),
        (
            tagger(STEPS, "metrics=[keras.metrics.RootMeanSquaredError()]") + WEIGHTED,
            None,
        ),
        (tagger(LAST, "metrics=[keras.metrics.RootMeanSquaredError()]") + FIT, None),
    ],
    "weight_column_with_mask_raises_on_torch": [
        (tagger(STEPS) + WEIGHTED, "possible"),
        (
            HEAD
            + """
masked = layers.Masking(0.0)(x)
loss_fn = keras.losses.MeanSquaredError()
loss = loss_fn(y, masked, sample_weight=np.load("weights.npy"))
""",
            "possible",
        ),
        (tagger(STEPS) + FIT, None),
        (tagger(LAST) + WEIGHTED, None),
        (
            HEAD
            + 'loss_fn = keras.losses.MeanSquaredError()\nprint(loss_fn(y, x, sample_weight=np.load("w.npy")))',
            None,
        ),
        (NO_MASK + WEIGHTED, None),
        (
            SERIES.format(features=3, norm="LayerNormalization")
            + "model.evaluate(x, y, sample_weight=np.ones((9, 1)))",
            "possible",
        ),
        (
            tagger(STEPS)
            + "accuracy = keras.metrics.Accuracy()\naccuracy(y, x, sample_weight=np.ones(9))",
            None,
        ),
        (
            tagger(STEPS)
            + "loss_fn = keras.losses.MeanSquaredError()\nprint(loss_fn(y, model(x)))",
            None,
        ),
    ],
}
