"""What data is given as: generators, datasets, tensors, and how many steps of it."""

from __future__ import annotations

from tests.triggers import HEAD, ONE, Cases

COMPILED = ONE + 'model.compile("adam", "mse", metrics=["mae"])\n'
GENERATOR = """
def batches(path, size=32):
    while True:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]
"""
PAIRS = "((x[i : i + 8], y[i : i + 8]) for i in range(0, 800, 8))"
WINDOWS = """
class Windows(keras.utils.PyDataset):
    def __init__(self, x, y, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y = x, y
        self.order = np.arange(len(x))
    def __len__(self):
        return len(self.x) // 32
    def __getitem__(self, index):
        chosen = self.order[index * 32 : index * 32 + 32]
        return self.x[chosen], self.y[chosen]
"""
SHUFFLED = WINDOWS + "    def on_epoch_end(self):\n        np.random.shuffle(self.order)\n"
TAGGER = (
    HEAD
    + """
model = keras.Sequential([
    layers.Embedding(5000, 32, mask_zero=True),
    layers.Bidirectional(layers.LSTM(32, return_sequences=True)),
    layers.Dense(12, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy")
"""
)
WEIGHTED = "model.fit(x, y, class_weight={0: 0.1, 1: 2.0})"


def generated(call: str) -> str:
    """A compiled model, and a generator to feed it."""
    return HEAD + GENERATOR + COMPILED.replace(HEAD, "") + call


def tensors(made: str, more: str = ", validation_split=0.2") -> str:
    """A fit on torch's tensors, say."""
    return (
        COMPILED
        + f"import torch\ninputs, targets = {made}, {made}\nmodel.fit(inputs, targets{more})"
    )


TF_DATA = (
    COMPILED
    + """
import tensorflow as tf
train = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(100).batch(32)
valid = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
"""
)
CASES: Cases = {
    "end_of_data_counts_as_a_step_on_tf": [
        (
            ONE + 'model.compile(keras.optimizers.AdamW(1e-3), "mse")\nmodel.fit(data)',
            "possible",
        ),
        (
            ONE + 'model.compile(keras.optimizers.SGD(0.1, weight_decay=1e-4), "mse")'
            "\nmodel.fit(batches())",
            "possible",
        ),
        (
            ONE
            + 'model.compile(keras.optimizers.SGD(gradient_accumulation_steps=4), "mse")'
            "\nmodel.fit(data)\nmodel.fit(data)",
            "possible",
        ),
        (
            ONE
            + 'rate = keras.optimizers.schedules.CosineDecay(1e-3, 100)\nmodel.compile(keras.optimizers.Adam(rate), "mse")'
            "\nfor _ in range(3):\n    model.fit(data)",
            "possible",
        ),
        (
            ONE
            + 'model.compile(keras.optimizers.SGD(gradient_accumulation_steps=4), "mse")'
            "\nmodel.fit(data, epochs=10)",
            "possible",
        ),
        (
            ONE
            + 'model.compile(keras.optimizers.SGD(gradient_accumulation_steps=4), "mse")'
            "\nmodel.fit(data)",
            None,
        ),
        (ONE + 'model.compile(keras.optimizers.Adam(1e-3), "mse")\nmodel.fit(data)', None),
        (
            ONE + 'model.compile(keras.optimizers.AdamW(1e-3), "mse")\nmodel.predict(x)',
            None,
        ),
    ],
    "class_weight_on_sequences_raises": [
        (TAGGER + WEIGHTED, "possible"),
        (
            TAGGER.replace(", mask_zero=True", "")
            .replace("layers.Dense(12", "layers.TimeDistributed(layers.Dense(12")
            .replace('"softmax"),', '"softmax")),')
            + WEIGHTED,
            "possible",
        ),
        (TAGGER + "model.fit(x, y)", None),
        (TAGGER.replace("return_sequences=True", "") + WEIGHTED, None),
        (COMPILED + WEIGHTED, None),
        (TAGGER + "model.train_on_batch(x, y, class_weight={0: 0.1, 1: 2.0})", "possible"),
        (TAGGER + "model.train_on_batch(x, y)", None),
    ],
    "exhausted_generator_is_replayed": [
        (generated('model.fit(batches("train"), epochs=10)'), "certain"),
        (COMPILED + f"model.fit({PAIRS}, epochs=10)", "possible"),
        (COMPILED + "def train(data):\n    model.fit(data, epochs=10)", "possible"),
        (generated('model.fit(batches("train"), epochs=10, steps_per_epoch=25)'), None),
        (generated('model.fit(batches("train"))'), None),
        (COMPILED + "model.fit([x, x], y, epochs=10)", None),
        (TF_DATA + "model.fit(train, epochs=10)", None),
        (
            COMPILED + "def train(data, labels):\n    model.fit(data, labels, epochs=10)",
            None,
        ),
        (COMPILED + f"model.fit({PAIRS})", None),
        (COMPILED + f"model.fit({PAIRS}, epochs=10, steps_per_epoch=10)", None),
        (COMPILED + "model.fit([(x, x), (x, x)], y, epochs=10)", None),
    ],
    "first_batch_of_a_generator_is_lost": [
        (
            generated('model.fit(batches("train"), epochs=10, steps_per_epoch=25)'),
            "certain",
        ),
        (generated('print(model.evaluate(batches("test"), steps=5))'), "certain"),
        (COMPILED + f"model.fit({PAIRS})", "possible"),
        (
            generated('model.fit(x, y)\nmodel.fit(batches("train"), steps_per_epoch=25)'),
            None,
        ),
        (COMPILED + "model.fit(x, y)", None),
        (TF_DATA + "model.fit(train, epochs=10)", None),
        (HEAD + WINDOWS + COMPILED + "model.fit(Windows(x, y))", None),
        (COMPILED + f"print(model.evaluate({PAIRS}))", "possible"),
        (
            generated(
                'model.fit(x, y)\nmodel.compile("sgd", "mse")\nmodel.fit(batches("train"), steps_per_epoch=25)'
            ),
            "certain",
        ),
        (COMPILED + f"model.fit(x, y)\nmodel.fit({PAIRS})", None),
        (COMPILED + "def train(data, labels):\n    model.fit(data, labels)", None),
        (COMPILED + "def test(data, labels):\n    model.evaluate(data, labels)", None),
        (COMPILED + "model.fit([(x, x), (x, x)], y)", None),
        (COMPILED + "model.evaluate([(x, x), (x, x)], y)", None),
    ],
    "on_epoch_end_before_the_first_epoch": [
        (
            COMPILED + SHUFFLED + "train = Windows(x, y)\nmodel.fit(train, epochs=9)",
            "certain",
        ),
        (
            COMPILED
            + SHUFFLED.replace("PyDataset", "Sequence")
            + "class Augmented(Windows):\n    pass\nmodel.fit(Augmented(x, y, workers=4), epochs=9)",
            "certain",
        ),
        (COMPILED + WINDOWS + "train = Windows(x, y)\nmodel.fit(train, epochs=9)", None),
        (
            COMPILED
            + SHUFFLED
            + "train = Windows(x, y)\nfor epoch in range(9):\n    model.train_on_batch(*train[0])\n    train.on_epoch_end()",
            None,
        ),
        (
            COMPILED
            + "class Shuffle(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None):\n        np.random.shuffle(x)\nmodel.fit(x, y, callbacks=[Shuffle()])",
            None,
        ),
        (COMPILED + SHUFFLED + "model.evaluate(Windows(x, y))", "certain"),
        (COMPILED + SHUFFLED + "model.fit(x, y, validation_data=Windows(x, y))", None),
        (COMPILED + SHUFFLED + "model.predict(Windows(x, y))\nmodel.evaluate(x, y)", None),
        (COMPILED + "def train(data):\n    model.fit(data, epochs=10)", None),
    ],
    "predict_rejects_generator_of_arrays": [
        (
            COMPILED
            + "def images():\n    for each in x:\n        yield each[None]\nmodel.predict(images(), steps=100)",
            "possible",
        ),
        (COMPILED + "model.predict(x, batch_size=32)", None),
        (TF_DATA + "model.predict(valid, steps=3)", None),
        (COMPILED + "model.predict(np.zeros((8, 8)), steps=1)", None),
        (COMPILED + "def answers(data):\n    return model.predict(data)", None),
    ],
    "validation_split_rejects_torch_tensors": [
        (tensors("torch.rand(100, 8)"), "certain"),
        (tensors("torch.tensor(np.zeros((100, 8)))"), "certain"),
        (tensors("torch.rand(100, 8)", ""), None),
        (tensors("np.random.rand(100, 8)"), None),
        (tensors("torch.rand(100, 8)", ", validation_split=0.0"), None),
    ],
    "steps_per_epoch_leaves_an_empty_epoch": [
        (TF_DATA + "model.fit(train, epochs=30, steps_per_epoch=20)", "possible"),
        (
            COMPILED
            + "model.fit(x, y, batch_size=10, steps_per_epoch=len(x) // 10, epochs=3)",
            "possible",
        ),
        (generated('model.fit(batches("train"), epochs=10, steps_per_epoch=25)'), None),
        (TF_DATA + "model.fit(train, epochs=30)", None),
        (TF_DATA + "model.fit(train, steps_per_epoch=20)", None),
    ],
    "validation_steps_go_on_next_epoch": [
        (
            TF_DATA
            + "model.fit(train, epochs=9, validation_data=valid, validation_steps=10)",
            "possible",
        ),
        (
            COMPILED
            + "model.fit(x, y, epochs=9, validation_data=(x, y), validation_steps=10)",
            "possible",
        ),
        (
            generated(
                'model.fit(x, y, epochs=9, validation_data=batches("v"), validation_steps=10)'
            ),
            None,
        ),
        (TF_DATA + "model.fit(train, epochs=9, validation_data=valid)", None),
        (TF_DATA + "model.fit(train, validation_data=valid, validation_steps=10)", None),
    ],
}
