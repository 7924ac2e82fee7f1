"""Metrics: compiled, by hand, and of layers."""

from __future__ import annotations

from tests.triggers import AS_DICT, HEAD, ONE, TWO, Cases

CLASSIFIER = (
    HEAD
    + """
model = keras.Sequential([keras.Input((8,)), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")])
"""
)
WEIGHTED = 'model.fit(x, y, sample_weight=np.load("weights.npy"), epochs=3)'
FIT = "\nmodel.fit(x, y, epochs=3)\n"
UNNAMED = (
    HEAD
    + """
inputs = keras.Input((8,))
heads = {"price": layers.Dense(1)(inputs), "area": layers.Dense(1)(inputs)}
model = keras.Model(inputs, heads)
"""
)
OTHER_NAMES = UNNAMED.replace(
    "layers.Dense(1)(inputs), ", 'layers.Dense(1, name="head_price")(inputs), '
).replace("layers.Dense(1)(inputs)}", 'layers.Dense(1, name="head_area")(inputs)}')
BY_KEY = '\nmodel.compile("adam", "mse", metrics={"price": ["mae"], "area": ["mse"]})\n'
WATCHING = (
    HEAD
    + """
class Gate(keras.{base}):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(8, "sigmoid")
        self.open = keras.metrics.Mean(name="open")

    def call(self, inputs):
        gate = self.dense(inputs)
        {update}
        return inputs * gate

model = keras.Sequential([keras.Input((8,)), Gate(), layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, y)
"""
)
GATED = """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.gate = Gate()
    def call(self, inputs):
        return self.gate(inputs)

"""
UPDATE = "self.open.update_state(gate)"
HALF = (
    HEAD
    + """
keras.mixed_precision.set_global_policy("{policy}")
model = keras.Sequential([keras.Input((8,)), layers.Dense(64, "relu"), layers.Dense(1{last})])
model.compile("adam", "mse", metrics=["{metric}"])
model.fit(x, y, epochs=3)
"""
)
BY_HAND = HEAD + "metric = keras.metrics.{made}\nmetric.update_state({given})\n"

CASES: Cases = {
    "accuracy_divides_by_all_samples": [
        (
            BY_HAND.format(made="BinaryAccuracy()", given="y, x, sample_weight=[1, 0]"),
            "possible",
        ),
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", weighted_metrics=["accuracy"])\n'
            + WEIGHTED,
            "possible",
        ),
        (BY_HAND.format(made="BinaryAccuracy()", given="y, x"), None),
        (BY_HAND.format(made="AUC()", given="y, x, [1, 0]"), None),
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", metrics=["accuracy"])\n'
            + WEIGHTED,
            None,
        ),
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", weighted_metrics=["accuracy"])'
            + FIT,
            None,
        ),
        (
            HEAD
            + "def count(metric):\n    metric.update_state(y, x, sample_weight=[1, 0])",
            None,
        ),
        (
            CLASSIFIER
            + 'model.compile("adam", "mse", weighted_metrics=["accuracy"])\n'
            + WEIGHTED,
            None,
        ),
        (BY_HAND.format(made="Accuracy()", given="y, x, [1, 0]"), "possible"),
    ],
    "compile_again_keeps_old_metrics": [
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mae", keras.metrics.R2Score()])
model.fit(x, y, epochs=3)
model.layers[0].trainable = False
model.compile(keras.optimizers.Adam(1e-5), "mse")
model.fit(x, y, epochs=3)
""",
            "certain",
        ),
        (
            ONE
            + """
def prepare(metrics=None):
    model.compile("adam", loss="mse", metrics=metrics)
prepare(["mae"])
prepare()
print(model.evaluate(x, y))
""",
            "certain",
        ),
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mae"])
model.compile("adam", "mse", metrics=[])
model.evaluate(x, y)
""",
            None,
        ),
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mae"])
model.fit(x, y)
model.compile("sgd", "mse", metrics=["mae"])
model.fit(x, y)
""",
            None,
        ),
        (
            ONE
            + """
model.compile("adam", "mse")
model.fit(x, y)
model.compile("sgd", "mse")
model.fit(x, y)
""",
            None,
        ),
    ],
    "binary_accuracy_threshold_of_logits": [
        (
            ONE
            + 'model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)])',
            "certain",
        ),
        (
            HEAD
            + "def accuracy(threshold):\n    return keras.metrics.BinaryAccuracy(threshold=threshold)",
            "possible",
        ),
        (
            ONE + 'model.compile("adam", metrics=[keras.metrics.BinaryAccuracy()])',
            None,
        ),
        (HEAD + "metric = keras.metrics.BinaryAccuracy(threshold=0.7)", None),
        (HEAD + "metric = keras.metrics.Precision(thresholds=0.0)", None),
    ],
    "layer_metrics_missing_from_model": [
        (WATCHING.format(base="layers.Layer", update=UPDATE), "certain"),
        (WATCHING.format(base="Model", update=UPDATE), None),
        (WATCHING.format(base="layers.Layer", update="pass"), None),
        (
            ONE
            + "seen = keras.metrics.Mean()\nfor batch in x:\n    seen.update_state(model.train_on_batch(batch, y))",
            None,
        ),
        (
            WATCHING.format(base="layers.Layer", update="pass")
            + "loss = keras.metrics.Mean()\nfor batch in x:\n    loss.update_state(model.test_on_batch(batch, y))",
            None,
        ),
        (
            WATCHING.format(base="layers.Layer", update=UPDATE)
            .replace(
                "keras.Sequential([keras.Input((8,)), Gate(), layers.Dense(1)])", "Net()"
            )
            .replace("model =", GATED + "model ="),
            "possible",
        ),
    ],
    "nested_model_own_metric_is_dropped": [
        (WATCHING.format(base="Model", update=UPDATE), "certain"),
        (WATCHING.format(base="layers.Layer", update=UPDATE), None),
        (WATCHING.format(base="Model", update="pass"), None),
        (
            WATCHING.format(base="Model", update="pass")
            + "loss = keras.metrics.Mean()\nfor batch in x:\n    loss.update_state(model.test_on_batch(batch, y))",
            None,
        ),
        (
            WATCHING.format(base="Model", update=UPDATE)
            .replace(
                "keras.Sequential([keras.Input((8,)), Gate(), layers.Dense(1)])", "Net()"
            )
            .replace("model =", GATED + "model ="),
            "possible",
        ),
    ],
    "log_cosh_metric_of_integers": [
        (
            BY_HAND.format(
                made="LogCoshError()", given="[[0, 1], [0, 0]], [[1, 1], [0, 0]]"
            ),
            "certain",
        ),
        (
            BY_HAND.format(made="LogCoshError()", given="y, np.array([1, 2])"),
            "possible",
        ),
        (BY_HAND.format(made="LogCoshError()", given="[0.0, 1.0], [1.0, 1.0]"), None),
        (BY_HAND.format(made="MeanSquaredError()", given="[0, 1], [1, 1]"), None),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=[keras.metrics.LogCoshError()])'
            + FIT,
            None,
        ),
        (BY_HAND.format(made="LogCoshError()", given="y_true=[0], y_pred=[1]"), "certain"),
    ],
    "mean_iou_label_out_of_range": [
        (
            ONE + 'model.compile("adam", metrics=[keras.metrics.MeanIoU(num_classes=21)])',
            "possible",
        ),
        (
            ONE
            + 'model.compile("adam", metrics=[keras.metrics.MeanIoU(num_classes=21, ignore_class=255)])',
            None,
        ),
        (ONE + 'model.compile("adam", metrics=[keras.metrics.Accuracy()])', None),
    ],
    "mean_iou_truncates_sample_weights": [
        (
            BY_HAND.format(
                made="MeanIoU(num_classes=2)",
                given="[0, 0, 1, 1], [0, 1, 0, 1], sample_weight=[0.3, 0.3, 0.3, 0.1]",
            ),
            "certain",
        ),
        (
            ONE
            + 'model.compile("adam", "mse", weighted_metrics=[keras.metrics.MeanIoU(num_classes=21)])\n'
            + WEIGHTED,
            "possible",
        ),
        (
            BY_HAND.format(
                made="MeanIoU(num_classes=2)", given="y, x, sample_weight=[1, 2, 0, 1]"
            ),
            None,
        ),
        (
            BY_HAND.format(
                made='MeanIoU(num_classes=2, dtype="float32")',
                given="y, x, sample_weight=[0.3, 0.7]",
            ),
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=[keras.metrics.MeanIoU(num_classes=21)])\n'
            + WEIGHTED,
            None,
        ),
        (
            BY_HAND.format(made="MeanIoU(num_classes=2)", given="y, x, [0.5, 0.5]"),
            "certain",
        ),
        (
            ONE
            + 'model.compile("adam", "mse", weighted_metrics=[keras.metrics.MeanIoU(num_classes=21, dtype="float32")])\n'
            + WEIGHTED,
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", weighted_metrics=[keras.metrics.MeanIoU(num_classes=21)])'
            + FIT,
            None,
        ),
    ],
    "mean_of_negative_weights": [
        (
            BY_HAND.format(made="Mean()", given="[1.0, 3.0], sample_weight=[-1.0, -0.5]"),
            "certain",
        ),
        (
            BY_HAND.format(
                made="Mean()", given="rewards, sample_weight=advantages"
            ).replace(
                "metric =",
                "rewards, advantages = np.load('r.npy'), np.load('a.npy')\nmetric =",
            ),
            "possible",
        ),
        (BY_HAND.format(made="Mean()", given="[1.0], sample_weight=[1.0]"), None),
        (BY_HAND.format(made="Mean()", given="[-1.0, -3.0]"), None),
        (BY_HAND.format(made="Sum()", given="[1.0], sample_weight=[-1.0]"), None),
    ],
    "metric_in_both_lists_comes_twice": [
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mae", "mape"], weighted_metrics=["mae"])
loss, mae, mape, weighted = model.evaluate(x, y, sample_weight=np.load("weights.npy"))
""",
            "certain",
        ),
        (
            ONE
            + """
watched = ["mae"]
model.compile("adam", "mse", metrics=watched, weighted_metrics=watched)
for start in range(0, 1000, 100):
    print(model.train_on_batch(x[start : start + 100], y[start : start + 100]))
""",
            "certain",
        ),
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mape"], weighted_metrics=["mae"])
print(model.evaluate(x, y))
""",
            None,
        ),
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mae"], weighted_metrics=["mae"])
print(model.evaluate(x, y, return_dict=True))
""",
            None,
        ),
        (
            ONE
            + """
model.compile("adam", "mse", metrics=["mae"], weighted_metrics=["mae"])
model.fit(x, y, epochs=3)
""",
            None,
        ),
    ],
    "metrics_by_output_key_rejected": [
        (OTHER_NAMES + BY_KEY, "certain"),
        (UNNAMED + BY_KEY, "possible"),
        (AS_DICT + BY_KEY, None),
        (TWO + BY_KEY, None),
        (UNNAMED + 'model.compile("adam", "mse", metrics=["mae"])', None),
        (
            OTHER_NAMES
            + 'model.compile("adam", "mse", metrics={"head_price": ["mae"], "rent": ["mse"]})',
            None,
        ),
        (OTHER_NAMES + BY_KEY.replace("metrics=", "weighted_metrics="), "certain"),
        (
            HEAD
            + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(1), layers.Dense(1)
    def call(self, inputs):
        return {"price": self.first(inputs), "area": self.second(inputs)}
model = Net()
"""
            + BY_KEY,
            None,
        ),
        (TWO + BY_KEY.replace("price", "prize"), None),
    ],
    "metrics_computed_in_float16": [
        (HALF.format(policy="mixed_float16", last="", metric="mae"), "certain"),
        (
            HALF.format(policy="mixed_float16", last=', dtype="float32"', metric="mae"),
            None,
        ),
        (HALF.format(policy="mixed_bfloat16", last="", metric="mae"), None),
        (HALF.format(policy="mixed_float16", last="", metric="accuracy"), None),
    ],
    "results_in_alphabetical_order": [
        (
            ONE
            + 'model.compile("adam", "mse", metrics=["mse", "mae"])\nloss, mse, mae = model.evaluate(x, y)',
            "certain",
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=[keras.metrics.Recall(), keras.metrics.Precision()])\nloss, recall, precision = model.evaluate(x, y)',
            "possible",
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=["mae", "mse"])\nloss, mae, mse = model.evaluate(x, y)',
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=["mse", "mae"])\nlogs = model.evaluate(x, y, return_dict=True)',
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=["mse"])\nloss, mse = model.evaluate(x, y)',
            None,
        ),
        (
            TWO
            + 'model.compile("adam", "mse", metrics=["mse", "mae"])\nmodel.evaluate(x, [prices, areas])',
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=[keras.metrics.Recall()])\nloss, recall = model.evaluate(x, y)',
            None,
        ),
    ],
    "sensitivity_metric_fails_in_fit": [
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.SensitivityAtSpecificity(0.9)])'
            + FIT,
            "certain",
        ),
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.RecallAtPrecision(0.8)])'
            + FIT,
            "certain",
        ),
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.SensitivityAtSpecificity(0.9)], run_eagerly=True)'
            + FIT,
            None,
        ),
        (
            CLASSIFIER
            + 'model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.Recall()])'
            + FIT,
            None,
        ),
        (
            BY_HAND.format(made="SensitivityAtSpecificity(0.9)", given="y, x"),
            None,
        ),
        *(
            (
                CLASSIFIER
                + f'model.compile("adam", "binary_crossentropy", weighted_metrics=[keras.metrics.PrecisionAtRecall(0.8)]{more})'
                + FIT,
                expected,
            )
            for more, expected in (("", "certain"), (", run_eagerly=True", None))
        ),
    ],
    "sparse_crossentropy_metric_of_lists": [
        (
            BY_HAND.format(
                made="SparseCategoricalCrossentropy()",
                given="[1, 2], [[0.1, 0.9], [0.5, 0.5]]",
            ),
            "certain",
        ),
        (
            BY_HAND.format(
                made="SparseCategoricalCrossentropy()", given="y_true=[1, 2], y_pred=x"
            ),
            "certain",
        ),
        (BY_HAND.format(made="SparseCategoricalCrossentropy()", given="y, x"), None),
        (
            BY_HAND.format(
                made="SparseCategoricalCrossentropy()",
                given="np.array([1, 2]), [[0.1, 0.9]]",
            ),
            None,
        ),
        (BY_HAND.format(made="CategoricalCrossentropy()", given="[1, 2], x"), None),
    ],
}
