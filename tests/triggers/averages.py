"""Optimizers: averages of the gradients' squares, and of the weights."""

from __future__ import annotations

from tests.triggers import HEAD, ONE, Cases

FIT = "\nmodel.fit(x, y, epochs=5)\n"
WORDS = (
    HEAD
    + """
model = keras.Sequential([
    layers.Embedding(5000, 32),
    layers.GlobalAveragePooling1D(),
    layers.Dense(1, activation="sigmoid"),
])
"""
)


def optimizer(made: str) -> str:
    """A model that is trained with one of Keras' optimizers."""
    return f'{ONE}model.compile(keras.optimizers.{made}, "mse")' + FIT


CASES: Cases = {
    "embedding_gradient_squared_by_row": [
        (WORDS + 'model.compile("adam", "binary_crossentropy")' + FIT, "certain"),
        (
            WORDS
            + 'model.compile(keras.optimizers.AdamW(1e-3), "binary_crossentropy")'
            + FIT,
            "certain",
        ),
        (
            WORDS + 'model.compile("sgd", "binary_crossentropy")' + FIT,
            None,
        ),
        (
            WORDS
            + 'model.layers[0].trainable = False\nmodel.compile("adam", "binary_crossentropy")'
            + FIT,
            None,
        ),
        (ONE + 'model.compile("adam", "mse")' + FIT, None),
    ],
    "ema_with_nothing_to_train_raises": [
        (
            ONE
            + """
model.trainable = False
model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
model.fit(x, y)
""",
            "certain",
        ),
        (
            ONE
            + """
model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
model.trainable = False
model.fit(x, y)
""",
            "certain",
        ),
        (
            ONE
            + """
model.trainable = False
model.compile(keras.optimizers.SGD(0.1), "mse")
model.fit(x, y)
""",
            None,
        ),
        (
            ONE
            + """
model.layers[0].trainable = False
model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
model.fit(x, y)
""",
            "possible",
        ),
        (optimizer("SGD(0.1, use_ema=True)") + FIT, None),
    ],
    "second_fit_with_ema_raises_on_jax": [
        (
            ONE
            + """
opt = keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.999)
model.compile(opt, "mse", metrics=["mae"])
for epoch in range(10):
    model.fit(x, y)
    print(model.evaluate(x, y))
""",
            "certain",
        ),
        (optimizer("SGD(0.1, use_ema=True)") + FIT, "certain"),
        (optimizer("SGD(0.1, use_ema=True)"), None),
        (optimizer("SGD(0.1)") + FIT, None),
        (
            optimizer("SGD(0.1, use_ema=True)")
            + 'model.compile(keras.optimizers.SGD(0.01), "mse")'
            + FIT,
            None,
        ),
        (
            ONE
            + 'model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse", run_eagerly=True)'
            + FIT * 2,
            None,
        ),
        (
            optimizer("SGD(0.1, use_ema=True)")
            + 'model.load_weights("best.weights.h5")'
            + FIT,
            None,
        ),
    ],
    "ema_of_another_layer_after_freezing": [
        (
            ONE
            + """
model.compile(keras.optimizers.AdamW(1e-3, use_ema=True, ema_momentum=0.99), "mse")
model.fit(x, y, epochs=3)
model.layers[0].trainable = False
model.fit(x, y, epochs=3)
""",
            "certain",
        ),
        (
            ONE
            + """
model.compile(keras.optimizers.AdamW(1e-3, use_ema=True), "mse")
model.train_on_batch(x[:8], y[:8])
model.trainable = False
model.fit(x, y, epochs=3)
""",
            "certain",
        ),
        (
            ONE
            + """
model.compile(keras.optimizers.AdamW(1e-3, use_ema=True), "mse")
model.fit(x, y, epochs=3)
model.layers[0].trainable = False
model.compile(keras.optimizers.AdamW(1e-4, use_ema=True), "mse")
model.fit(x, y, epochs=3)
""",
            None,
        ),
        (
            ONE
            + """
model.layers[0].trainable = False
model.compile(keras.optimizers.AdamW(1e-3, use_ema=True), "mse")
model.fit(x, y, epochs=3)
""",
            None,
        ),
        (
            ONE
            + """
model.compile("adamw", "mse")
model.fit(x, y, epochs=3)
model.layers[0].trainable = False
model.fit(x, y, epochs=3)
""",
            None,
        ),
    ],
}
