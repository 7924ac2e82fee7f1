"""Callbacks, data, metrics, optimizers and files."""

from __future__ import annotations

from tests.triggers import HEAD, IN_ORDER, ONE, TWO, Cases

COMPILED = ONE + 'model.compile("adam", "mse", metrics=["mae"])\n'
IN_EXECUTIONS = ONE + 'model.compile("adam", "mse", steps_per_execution=10)\n'
BOTH = TWO + 'model.compile("adam", ["mse", "mae"], metrics=[["mae"], ["mse"]])\n'
FOLDS = (
    HEAD
    + """
def build():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
    model.compile("adam", "mse")
    return model
{before}
for fold in range(5):
    {inside}
    model = build()
    model.fit(x, y, validation_split=0.2, callbacks=[stop])
"""
)


def twice(made: str) -> list[tuple[str, str | None]]:
    """A callback that two calls of ``fit`` share, and one for each."""
    return [
        (FOLDS.format(before=f"stop = keras.callbacks.{made}", inside="pass"), "certain"),
        (
            COMPILED
            + f"cb = keras.callbacks.{made}\nfor lr in (1e-3, 1e-4):\n    model.fit(x, y, callbacks=[keras.callbacks.TerminateOnNaN(), cb])",
            "certain",
        ),
        (FOLDS.format(before="", inside=f"stop = keras.callbacks.{made}"), None),
        (
            COMPILED
            + f"model.fit(x, y, callbacks=[keras.callbacks.{made}])\nmodel.fit(x, y)",
            None,
        ),
    ]


DATASET = (
    COMPILED
    + """
class Batches(keras.utils.{base}):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return x[index * 8 : index * 8 + 8], y[index * 8 : index * 8 + 8]
"""
)

CASES: Cases = {
    "early_stopping_reuse_stops_at_once": twice("EarlyStopping(patience=3)"),
    "reduce_lr_reuse_cuts_at_once": twice("ReduceLROnPlateau(factor=0.5)"),
    "csv_logger_reuse_drops_columns": [
        (
            COMPILED
            + 'log = keras.callbacks.CSVLogger("log.csv")\nmodel.fit(x, y, callbacks=[log])\nmodel.fit(x, y, callbacks=[log])',
            "possible",
        ),
        (
            COMPILED
            + 'log = keras.callbacks.CSVLogger("log.csv", append=True)\nmodel.fit(x, y, callbacks=[log])\nmodel.fit(x, y, callbacks=[log])',
            None,
        ),
        (
            COMPILED
            + 'model.fit(x, y, callbacks=[keras.callbacks.CSVLogger("a.csv")])\nmodel.fit(x, y, callbacks=[keras.callbacks.CSVLogger("b.csv")])',
            None,
        ),
    ],
    "early_stopping_rejects_output_metric": [
        (
            BOTH
            + 'model.fit(x, [prices, areas], callbacks=[keras.callbacks.EarlyStopping("val_price_mae")])',
            "certain",
        ),
        (
            BOTH
            + 'model.fit(x, [prices, areas], callbacks=[keras.callbacks.EarlyStopping("val_price_mae", mode="min")])',
            None,
        ),
        (
            BOTH
            + 'model.fit(x, [prices, areas], callbacks=[keras.callbacks.EarlyStopping("val_price_loss")])',
            None,
        ),
        (
            COMPILED
            + 'model.fit(x, y, callbacks=[keras.callbacks.EarlyStopping("val_mae")])',
            None,
        ),
    ],
    "checkpoint_rejects_output_metric": [
        (
            BOTH
            + 'best = keras.callbacks.ModelCheckpoint("m.keras", monitor="val_price_mae")\nmodel.fit(x, [prices, areas], callbacks=best)',
            "certain",
        ),
        (
            BOTH
            + 'best = keras.callbacks.ModelCheckpoint("m.keras", monitor="val_price_mae", mode="min")\nmodel.fit(x, [prices, areas], callbacks=best)',
            None,
        ),
        (
            BOTH
            + 'best = keras.callbacks.ModelCheckpoint("m.keras", monitor="val_loss")\nmodel.fit(x, [prices, areas], callbacks=best)',
            None,
        ),
    ],
    "best_checkpoint_by_batch_crashes": [
        (
            HEAD
            + 'cb = keras.callbacks.ModelCheckpoint("m.keras", save_best_only=True, save_freq=100)',
            "certain",
        ),
        (
            HEAD
            + 'cb = keras.callbacks.ModelCheckpoint("m.keras", save_best_only=True, save_freq="epoch")',
            None,
        ),
        (HEAD + 'cb = keras.callbacks.ModelCheckpoint("m.keras", save_freq=100)', None),
    ],
    "class_weight_ignored_with_pydataset": [
        (
            DATASET.format(base="PyDataset")
            + "model.fit(Batches(), class_weight={0: 1.0, 1: 9.0})",
            "certain",
        ),
        (
            DATASET.format(base="Sequence")
            + "train = Batches()\nmodel.fit(train, epochs=2, class_weight={0: 1.0, 1: 9.0})",
            "certain",
        ),
        (DATASET.format(base="PyDataset") + "model.fit(Batches())", None),
        (
            DATASET.format(base="PyDataset")
            + "model.fit(x, y, class_weight={0: 1.0, 1: 9.0})",
            None,
        ),
    ],
    "metrics_swapped_by_dict_targets": [
        (BOTH + 'model.fit(x, {"price": prices, "area": areas})', "certain"),
        (BOTH + "model.fit(x, [prices, areas])", None),
        (
            IN_ORDER
            + 'model.compile("adam", "mse", metrics=["mae"])\nmodel.fit(x, {"price": prices, "area": areas})',
            None,
        ),
    ],
    "misspelled_metric_output_is_accepted": [
        (
            HEAD
            + 'model = keras.Sequential([keras.Input((4,)), layers.Dense(1, name="price")])\nmodel.compile("adam", "mse", metrics={"prize": ["mae"]})',
            "certain",
        ),
        (
            HEAD
            + 'model = keras.Sequential([keras.Input((4,)), layers.Dense(1, name="price")])\nmodel.compile("adam", "mse", metrics={"price": ["mae"]})',
            None,
        ),
        (COMPILED, None),
    ],
    "outputs_metrics_in_alphabetical_order": [
        (BOTH + "loss, *rest = model.evaluate(x, [prices, areas])", "certain"),
        (BOTH + "logs = model.evaluate(x, [prices, areas], return_dict=True)", None),
        (COMPILED + "loss, mae = model.evaluate(x, y)", None),
        (
            IN_ORDER
            + 'model.compile("adam", "mse", metrics=["mae"])\nmodel.evaluate(x, [areas, prices])',
            None,
        ),
    ],
    "metrics_names_miss_the_metrics": [
        (
            COMPILED
            + "for name, value in zip(model.metrics_names, model.evaluate(x, y)):\n    print(name, value)",
            "certain",
        ),
        (ONE + 'model.compile("adam", "mse")\nprint(model.metrics_names)', None),
        (COMPILED + "print(model.evaluate(x, y, return_dict=True))", None),
    ],
    "train_on_batch_returns_running_mean": [
        (
            COMPILED
            + "for step in range(100):\n    loss, mae = model.train_on_batch(x, y)\n    print(loss)",
            "certain",
        ),
        (
            COMPILED
            + "for step in range(100):\n    model.reset_metrics()\n    loss = model.train_on_batch(x, y)",
            None,
        ),
        (COMPILED + "model.fit(x, y)\nloss = model.train_on_batch(x, y)", "certain"),
        (
            COMPILED
            + "model.evaluate(x, y)\nmodel.reset_metrics()\nmodel.test_on_batch(x, y)",
            None,
        ),
        (COMPILED + "loss = model.train_on_batch(x, y)", None),
    ],
    "steps_per_execution_overruns_the_epoch": [
        (IN_EXECUTIONS + "model.fit(data, steps_per_epoch=25)", "possible"),
        (IN_EXECUTIONS + "model.evaluate(data, steps=25)", "possible"),
        (IN_EXECUTIONS + "model.fit(data)", None),
        (COMPILED + "model.fit(data, steps_per_epoch=25)", None),
    ],
    "steps_per_execution_drops_the_rest": [
        (
            ONE + 'model.compile("adam", "mse", steps_per_execution=10)\nmodel.fit(x, y)',
            "possible",
        ),
        (
            ONE + 'model.compile("adam", "mse", steps_per_execution=1)\nmodel.fit(x, y)',
            None,
        ),
        (COMPILED + "model.fit(x, y)", None),
    ],
    "ema_zeroes_weights_after_training": [
        (
            HEAD + "from keras.optimizers import AdamW\nopt = AdamW(1e-3, use_ema=True)",
            "certain",
        ),
        (HEAD + "opt = keras.optimizers.AdamW(1e-3, use_ema=False)", None),
        (HEAD + "opt = keras.optimizers.AdamW(1e-3)", None),
    ],
    "h5_load_ignores_compile_false": [
        (HEAD + 'model = keras.models.load_model("model.h5", compile=False)', "certain"),
        (
            HEAD
            + "import sys\nmodel = keras.models.load_model(sys.argv[1], compile=False)",
            "possible",
        ),
        (HEAD + 'model = keras.models.load_model("model.keras", compile=False)', None),
        (HEAD + 'model = keras.models.load_model("model.h5")', None),
    ],
    "h5_model_with_mse_cannot_be_loaded": [
        (COMPILED + 'model.save("model.h5")', "certain"),
        (COMPILED + 'model.save("model.keras")', None),
        (
            ONE
            + 'model.compile("adam", keras.losses.MeanSquaredError())\nmodel.save("model.h5")',
            None,
        ),
        (
            ONE + 'model.compile("adam", "binary_crossentropy")\nmodel.save("model.h5")',
            None,
        ),
    ],
    "load_weights_of_unbuilt_model_is_no_op": [
        (
            HEAD
            + "class Net(keras.Model):\n    def __init__(self):\n        super().__init__()\n        self.dense = layers.Dense(1)\n    def call(self, inputs):\n        return self.dense(inputs)\nnet = Net()\nnet.load_weights('net.weights.h5')",
            "certain",
        ),
        (ONE + "model.load_weights('net.weights.h5')", None),
        (
            HEAD
            + "class Net(keras.Model):\n    def __init__(self):\n        super().__init__()\n        self.dense = layers.Dense(1)\n    def call(self, inputs):\n        return self.dense(inputs)\nnet = Net()\nnet.build((None, 4))\nnet.load_weights('net.weights.h5')",
            None,
        ),
    ],
}
