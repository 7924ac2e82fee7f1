"""What fit, evaluate and the methods for one batch do, whatever the data."""

from __future__ import annotations

from tests.triggers import HEAD, ONE, Cases

COMPILED = ONE + 'model.compile("adam", "mse", metrics=["mae"])\n'
OWN_STEP = (
    HEAD
    + """
class Contrastive(keras.Model):
    def call(self, inputs):
        return inputs
    def {step}(self, data):
        return {{"loss": 0.0}}
model = Contrastive()
"""
)
BY_HAND = """
for epoch in range(10):
    {first}
    for start in range(0, 1000, 100):
        model.train_on_batch(x[start : start + 100], y[start : start + 100])
    print(model.test_on_batch(x, y))
"""
OWN_CALL = (
    HEAD
    + """
class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(8, 3)
        self.norm = layers.{layer}
        self.head = layers.Dense(10)
    def call(self, inputs{taken}):
        return self.head(self.norm(self.conv(inputs){handed}))
model = Classifier()
model.compile("adam", "mse")
{use}
"""
)


def own_call(
    layer: str = "BatchNormalization()",
    taken: str = "",
    handed: str = "",
    use: str = "model.fit(x, y)",
) -> str:
    """A model of the user's own class, and how its call treats the argument training."""
    return OWN_CALL.format(layer=layer, taken=taken, handed=handed, use=use)


TAKEN, HANDED = ", training=None", ", training=training"
# The base is functional, and its Dropout is told of training; or nothing tells it.
OWN_BASE = (
    HEAD
    + """
class Tuned(keras.Model):
    def __init__(self):
        super().__init__()
        self.base = keras.Sequential([layers.Dense(8), layers.Dropout(0.2)])
        self.head = layers.Dense(1)
    def call(self, inputs, training=False):
        return self.head(self.base(inputs{handed}))
model = Tuned()
model.compile("adam", "mse")
model.fit(x, y)
"""
)

CASES: Cases = {
    "call_without_training_drops_nothing": [
        (own_call(), "possible"),
        (own_call("Dropout(0.5)", use="model.train_on_batch(x, y)"), "possible"),
        (own_call("LayerNormalization()"), None),
        (own_call(taken=TAKEN, handed=HANDED), None),
        (own_call(use="model.predict(x)"), None),
        (
            ONE.replace("layers.Dense(16", "layers.Dropout(0.5), layers.Dense(16")
            + 'model.compile("adam", "mse")\nmodel.fit(x, y)',
            None,
        ),
    ],
    "training_not_handed_on_is_lost_on_jax": [
        (own_call(taken=TAKEN), "certain"),
        (own_call("Dropout(0.5)", taken=", training=False"), "certain"),
        (OWN_BASE.format(handed=""), "certain"),
        (OWN_BASE.format(handed=", training=training"), None),
        (own_call(taken=TAKEN, handed=HANDED), None),
        (own_call("LayerNormalization()", taken=TAKEN), None),
        (own_call(taken=TAKEN, use="model.evaluate(x, y)"), None),
    ],
    "failed_fit_brings_back_old_weights": [
        (
            COMPILED
            + 'model.train_on_batch(x[:1], y[:1])\nmodel.load_weights("best.weights.h5")\nmodel.fit(x, y)',
            "possible",
        ),
        (COMPILED + 'model.load_weights("best.weights.h5")\nmodel.fit(x, y)', None),
        (COMPILED + "model.train_on_batch(x[:1], y[:1])\nmodel.fit(x, y)", None),
    ],
    "first_test_on_batch_stopiteration": [
        (
            COMPILED
            + BY_HAND.format(first="if epoch == 0: print(model.test_on_batch(x, y))"),
            "certain",
        ),
        (COMPILED + "before = model.test_on_batch(x, y, return_dict=True)", "certain"),
        (
            COMPILED
            + 'model.fit(x, y)\nmodel.compile("sgd", "mse", metrics=["mae"])\nmodel.test_on_batch(x, y)',
            "certain",
        ),
        (COMPILED + BY_HAND.format(first="pass"), None),
        (COMPILED + "model.evaluate(x, y)\nmodel.test_on_batch(x, y)", None),
        (ONE + 'model.compile("adam", "mse")\nmodel.test_on_batch(x, y)', None),
        (
            ONE
            + 'model.compile("adam", "mse", weighted_metrics=["mae"])\nmodel.test_on_batch(x, y)',
            "certain",
        ),
    ],
    "fit_with_no_epoch_left_raises": [
        (
            COMPILED
            + "import json\ndone = json.load(open('state.json'))['epoch']\nmodel.fit(x, y, epochs=50, initial_epoch=done)",
            "possible",
        ),
        (COMPILED + "model.fit(x, y, epochs=10, initial_epoch=10)", "certain"),
        (
            COMPILED
            + "first = 10\nmodel.fit(x, y, epochs=first)\nmodel.fit(x, y, epochs=first + 10, initial_epoch=first)",
            None,
        ),
        (COMPILED + "model.fit(x, y, epochs=50)", None),
    ],
    "model_without_loss_cannot_be_evaluated": [
        (
            ONE
            + 'model.load_weights("w.weights.h5")\nmodel.compile(metrics=["accuracy"])\nmodel.evaluate(x, y)',
            "certain",
        ),
        (
            HEAD
            + 'model = keras.models.load_model("m.keras", compile=False)\nmodel.compile(metrics=["accuracy"])\nprint(model.evaluate(x, y))',
            "possible",
        ),
        (
            HEAD
            + 'model = keras.models.load_model("m.keras", compile=False)\nmodel.compile(loss="mse", metrics=["mae"])\nprint(model.evaluate(x, y))',
            None,
        ),
        (
            ONE
            + 'model.compile(metrics=["accuracy"])\nmodel.compile("adam", "mse", metrics=["accuracy"])\nmodel.evaluate(x, y)',
            None,
        ),
        (ONE + 'model.compile(metrics=["accuracy"])\nmodel.predict(x)', None),
        (
            OWN_STEP.format(step="test_step")
            + 'model.compile(metrics=["accuracy"])\nmodel.evaluate(x, y)',
            None,
        ),
        (ONE + 'model.compile(metrics=["accuracy"])\nmodel.test_on_batch(x, y)', "certain"),
        (
            OWN_STEP.format(step="compute_loss")
            + 'model.compile(metrics=["accuracy"])\nmodel.evaluate(x, y)',
            None,
        ),
        (ONE + 'model.compile("adam")\nmodel.evaluate(x, y)', None),
    ],
    "on_batch_traces_each_call_on_tf": [
        (COMPILED + BY_HAND.format(first="pass"), "certain"),
        (
            COMPILED
            + "for part in np.array_split(np.arange(len(x)), 9):\n    print(model.test_on_batch(x[part], y[part]))",
            "certain",
        ),
        # Once; twice, but compiled between them; eagerly.
        (COMPILED + "model.train_on_batch(x, y)\nmodel.test_on_batch(x, y)", None),
        (
            ONE
            + "for rate in (0.1, 0.01):\n    model.compile(keras.optimizers.Adam(rate), 'mse')\n    model.train_on_batch(x, y)",
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", run_eagerly=True)\n'
            + BY_HAND.format(first="pass"),
            None,
        ),
        (COMPILED + "for epoch in range(9):\n    model.fit(x, y)", None),
    ],
    "small_last_batch_counts_as_a_full_one": [
        (COMPILED + "model.fit(x, y, batch_size=64, epochs=5)", "possible"),
        (COMPILED + "print(model.evaluate(x, y))", "possible"),
        (COMPILED + "model.fit(x, y, batch_size=1)", None),
        (COMPILED + "model.train_on_batch(x, y)", None),
        (
            OWN_STEP.format(step="train_step") + 'model.compile("adam")\nmodel.fit(x, y)',
            None,
        ),
        (COMPILED + "model.evaluate(x, y, batch_size=1)", None),
    ],
}
