"""What the scripts in ``tests/scripts`` met: attention, inputs by name, files, test steps."""

from __future__ import annotations

from tests.triggers import HEAD, ONE, Cases

COMPILED = ONE + 'model.compile("adam", "mse", metrics=["mae"])\n'


def attention(query: str, end: str, heads: str = "", zero: bool = True) -> str:
    """A transformer block over padded texts; ``end`` makes an output of its ``x``."""
    return (
        HEAD
        + f"""
words = keras.Input((20,), dtype="int32")
embedded = layers.Embedding(100, 16, mask_zero={zero})(words)
x = layers.MultiHeadAttention(2, 8{heads})({query}, embedded)
{end}
model = keras.Model(words, layers.Dense(3, activation="softmax")(x))
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y, batch_size=32)
"""
    )


MEAN = "x = keras.ops.mean(layers.LayerNormalization()(x), axis=1)"
UNPADDED = (attention("embedded", MEAN, zero=False), None)
UNTRAINED = (
    HEAD
    + """
words = keras.Input((20,), dtype="int32")
embedded = layers.Embedding(100, 16, mask_zero=True)(words)
attended = layers.MultiHeadAttention(2, 8)(embedded, embedded)
print(keras.Model(words, attended).predict(x))
""",
    None,
)


def decoder(
    attention: str = "layers.MultiHeadAttention(2, 8)(x, encoded)",
    blocks: str = "range(2)",
    zero: bool = True,
) -> str:
    """A decoder of some blocks that attend to one encoded, padded text."""
    return (
        HEAD
        + f"""
words = keras.Input((20,), dtype="int32")
x = keras.Input((5, 16))
encoded = layers.Embedding(100, 16, mask_zero={zero})(words)
queries = x
for _ in {blocks}:
    attended = {attention}
    x = layers.LayerNormalization()(layers.add([x, attended]))
model = keras.Model([words, queries], layers.Dense(1)(x))
model.compile("adam", "mse")
model.fit([words_in, queries_in], y, epochs=2)
"""
    )


BY_HAND = "layers.MultiHeadAttention(2, 8)(x, encoded, attention_mask=mask)"


def tickets(names: tuple[str, str], inputs: str, feed: str) -> str:
    """A model of two inputs with these names, fed somehow."""
    first, second = names
    return (
        HEAD
        + f"""
first = keras.Input(shape=(40,), name="{first}")
second = keras.Input(shape=(12,), name="{second}")
features = layers.concatenate([layers.Dense(16)(first), second])
model = keras.Model(inputs={inputs}, outputs=layers.Dense(1)(features))
model.compile("adam", "mse")
titles, tags = np.load("titles.npy"), np.load("tags.npy")
{feed}
"""
    )


BY_NAME = 'model.fit({"title": titles, "tags": tags}, y, epochs=3)'
INPUTS_BY_NAME: list[tuple[str, str | None]] = [
    (tickets(("title", "tags"), "[first, second]", BY_NAME), "possible"),
    (
        tickets(("title", "tags"), "[first, second]", 'model({"title": x, "tags": y})'),
        "possible",
    ),
    (tickets(("title", "tags"), "[first, second]", "model.fit([titles, tags], y)"), None),
    (
        tickets(("title", "tags"), '{"title": first, "tags": second}', BY_NAME),
        None,
    ),
    (
        tickets(
            ("body", "tags"),
            "[first, second]",
            'model.fit({"body": titles, "tags": tags}, y)',
        ),
        None,
    ),
]


def files(weights: str, then: str) -> str:
    """A training that saves weights of the best epoch, and goes on with something."""
    return (
        COMPILED
        + f"""
best = keras.callbacks.ModelCheckpoint("{weights}", save_best_only=True, save_weights_only=True)
model.fit(x, y, callbacks=[best])
{then}
"""
    )


LOAD = 'again = keras.models.load_model("model.keras")\n'
SAVE = 'model.save("model.keras")\n'


def stepping(test_step: str, metrics: str = ', metrics=["mae"]') -> str:
    """A model with its own ``test_step``."""
    return (
        HEAD
        + f"""
class Model(keras.Model):
    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        loss = self.compute_loss(y=y, y_pred=y_pred)
{test_step}

inputs = keras.Input((8,))
model = Model(inputs, layers.Dense(1)(inputs))
model.compile("adam", "mse"{metrics})
model.fit(x, y, validation_split=0.2)
"""
    )


EACH = "        return {m.name: m.result() for m in self.metrics}"


def tagger(layer: str, zero: bool = True, eager: str = "") -> str:
    """A recurrent network for padded sequences."""
    return (
        HEAD
        + f"""
words = keras.Input((20,), dtype="int32")
h = layers.Embedding(100, 16, mask_zero={zero})(words)
h = layers.LSTM(8, return_sequences=True)(h)
h = {layer}(h)
model = keras.Model(words, h)
model.compile("adam", "sparse_categorical_crossentropy"{eager})
model.fit(x, y)
"""
    )


TIMED = 'layers.TimeDistributed(layers.Dense(4, activation="softmax"))'

CASES: Cases = {
    "attention_padding_gradients_on_torch": [
        (attention("embedded", MEAN), "possible"),
        (
            attention("embedded", "x = layers.GlobalMaxPooling1D()(x)", ", dropout=0.0"),
            "possible",
        ),
        (attention("embedded", MEAN, ", dropout=0.1"), None),
        UNPADDED,
        UNTRAINED,
    ],
    "attention_dropout_changes_predictions": [
        (attention("embedded", MEAN, ", dropout=0.1"), "possible"),
        (
            attention("embedded", "x = layers.GlobalMaxPooling1D()(x)", ", dropout=0.5"),
            "possible",
        ),
        (attention("embedded", MEAN), None),
        (attention("embedded", MEAN, ", dropout=0.0"), None),
        (attention("embedded", MEAN, ", dropout=0.1", zero=False), None),
    ],
    "attention_takes_the_mask_off_its_input": [
        (decoder(), "certain"),
        (
            decoder("layers.MultiHeadAttention(2, 8)(x, value=encoded, key=encoded)"),
            "certain",
        ),
        (decoder(zero=False), None),
        (decoder(BY_HAND), None),
        (decoder(blocks="range(1)"), None),
        (decoder("layers.Dense(16)(x)"), None),
    ],
    "padding_trains_query_and_key": [
        (attention("embedded", MEAN), "possible"),
        (attention("embedded", MEAN, ", dropout=0.1"), "possible"),
        UNPADDED,
        UNTRAINED,
    ],
    "dict_inputs_swapped_alphabetically": INPUTS_BY_NAME,
    "dict_inputs_alphabetical_shape_crash": INPUTS_BY_NAME,
    "load_model_deletes_weights_beside_it": [
        (
            COMPILED + 'model.save_weights("run/model.weights.h5")\n' + LOAD,
            "certain",
        ),
        (files("model.weights.h5", LOAD), "certain"),
        (COMPILED + LOAD + 'model.load_weights("model.weights.h5")', "certain"),
        (COMPILED + 'model.save_weights("best.weights.h5")\n' + LOAD, None),
        (files("model.weights.h5", 'model.load_weights("model.weights.h5")'), None),
        (files("best.weights.h5", LOAD), None),
    ],
    "save_destroys_weights_beside_it": [
        (COMPILED + 'model.save_weights("model.weights.h5")\n' + SAVE, "certain"),
        (files("model.weights.h5", SAVE), "certain"),
        (COMPILED + SAVE + 'model.save_weights("model.weights.h5")', None),
        (COMPILED + 'model.save_weights("last.weights.h5")\n' + SAVE, None),
        (files("best.weights.h5", SAVE), None),
    ],
    "test_step_metrics_replace_training_ones": [
        (stepping(EACH), "possible"),
        (stepping(EACH.replace("test_step", "train_step"), metrics=""), None),
        (stepping("        return self.get_metrics_result()"), None),
        (stepping(EACH).replace("def test_step", "def train_step"), None),
    ],
    "auc_after_another_metric_fails_on_torch": [
        (
            ONE
            + 'model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")])\nmodel.fit(x, y)',
            "certain",
        ),
        (
            ONE
            + 'model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.Precision(), keras.metrics.Recall(), "AUC"])\nmodel.train_on_batch(x, y)',
            "certain",
        ),
        (
            ONE
            + 'model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC(), "accuracy"])\nmodel.fit(x, y)',
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.Precision()])\nmodel.fit(x, y)',
            None,
        ),
    ],
    "time_distributed_mask_raises_on_tf": [
        (tagger(TIMED), "certain"),
        (
            HEAD
            + """
model = keras.Sequential([
    keras.Input((20,), dtype="int32"),
    layers.Embedding(100, 16, mask_zero=True),
    layers.Bidirectional(layers.LSTM(8, return_sequences=True)),
    layers.TimeDistributed(layers.Dense(4)),
])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, y)
""",
            "certain",
        ),
        (tagger(TIMED, zero=False), None),
        (tagger(TIMED, eager=", run_eagerly=True"), None),
        (tagger('layers.Dense(4, activation="softmax")'), None),
    ],
    "optimizer_counts_a_step_without_data": [
        (COMPILED + "model.fit(x, y, epochs=5, steps_per_epoch=100)", "possible"),
        (COMPILED + "model.fit(x, y, epochs=5)", None),
        (COMPILED + "model.fit(x, y, epochs=5, steps_per_epoch=None)", None),
        (COMPILED + "model.evaluate(x, y, steps=100)", None),
    ],
}
