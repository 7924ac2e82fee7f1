"""Callbacks: what they monitor, set, read and keep; and those that raise."""

from __future__ import annotations

from tests.triggers import HEAD, ONE, TWO, Cases

COMPILED = ONE + 'model.compile("adam", "mse", metrics=["mae"])\n'
BOTH = TWO + 'model.compile("adam", ["mse", "mae"], metrics=[["mae"], ["mse"]])\n'


def fit(callback: str, more: str = "", model: str = COMPILED, method: str = "fit") -> str:
    """A training with one callback."""
    made = f"cb = keras.callbacks.{callback}\n"
    return f"{model}{made}model.{method}(x, y, callbacks=[cb]{more})\n"


def own(body: str, first: str = "batch", hook: str = "on_train_batch_end") -> str:
    """A training with a callback of the user's own."""
    return (
        COMPILED
        + f"""
class Own(keras.callbacks.Callback):
    def __init__(self, peak):
        super().__init__()
        self.peak = peak
        self.step = 0

    def {hook}(self, {first}, logs=None):
        self.step += 1
        {body}

model.fit(x, y, epochs=3, callbacks=[Own(1e-3)])
"""
    )


def lent(hook: str, body: str) -> str:
    """A training with a function of the user's own, in a callback of Keras'."""
    return (
        COMPILED
        + f"""
def watch(index, logs):
    {body}
model.fit(x, y, callbacks=[keras.callbacks.LambdaCallback({hook}=watch)])
"""
    )


def logged(how: str) -> str:
    """A training with a step of the user's own, which writes a summary."""
    return (
        HEAD
        + f"""
import tensorflow as tf
class Logged(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(1)
    def call(self, inputs):
        return self.head(inputs)
    def train_step(self, data):
        logs = super().train_step(data)
        tf.summary.scalar("loss", logs["loss"])
        return logs
model = Logged()
model.compile("adam", "mse")
model.fit(x, y, callbacks=[keras.callbacks.TensorBoard("logs", {how})])
"""
    )


SET = "self.model.optimizer.learning_rate = self.peak * self.step"
SET_LENT = "model.optimizer.learning_rate = 1e-3 * (index + 1)"
CHECKPOINT = 'ModelCheckpoint("best.keras"{})'
BEST = CHECKPOINT.format(", save_best_only=True")
SPLIT = ", validation_split=0.2"
PROFIT = CHECKPOINT.format(', monitor="val_profit"')
VAL_MAE = CHECKPOINT.format(', monitor="val_mae", mode="min", save_best_only=True')
GROWING = (
    *("precision", "recall", "top_5_recall", "mean_iou", "cosine_similarity", "r2_score"),
    *("sensitivity_at_specificity", "specificity_at_sensitivity"),
)
USES = (
    *("model.fit(x, y)", "model.evaluate(x, y)", "model.predict(x)", "model.get_weights()"),
    'model.save_weights("last.weights.h5")',
)
CUSTOM = (
    HEAD
    + """
class Trader(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.profit = keras.metrics.Mean(name="profit")
    def call(self, inputs):
        return self.dense(inputs)
    def train_step(self, data):
        return {"loss": 0.0, "profit": 1.0}
model = Trader()
model.compile("adam")
"""
)
PRUNING = """
class Prune(keras.callbacks.Callback):
    def {hook}(self, batch, logs=None):
        if logs["loss"] > 10:
            raise RuntimeError("pruned")
"""


def stopped(method: str, hook: str, then: str = 'model.save("m.keras")') -> str:
    """A call that a callback may end."""
    return COMPILED + PRUNING.format(hook=hook) + f"model.{method}\n{then}\n"


CASES: Cases = {
    "backup_restarts_from_the_first_epoch": [
        (fit('BackupAndRestore("backup")', ", epochs=100"), "possible"),
        (fit(BEST, ", epochs=100"), None),
        (COMPILED + "model.fit(x, y, epochs=100, initial_epoch=20)", None),
    ],
    "fit_after_restore_skips_epochs": [
        (
            fit('BackupAndRestore("backup")', ", epochs=15")
            + 'model.compile("sgd", "mse")\nmodel.fit(x, y, epochs=10)',
            "possible",
        ),
        (fit('BackupAndRestore("backup")', ", epochs=15") + "model.evaluate(x, y)", None),
        (
            COMPILED
            + 'model.fit(x, y)\nmodel.fit(x, y, callbacks=[keras.callbacks.BackupAndRestore("backup")])',
            None,
        ),
        (
            fit('BackupAndRestore("backup")', ", epochs=15")
            + 'other = keras.Sequential([layers.Dense(1)])\nother.compile("sgd", "mse")\nother.fit(x, y)',
            None,
        ),
    ],
    "batch_callback_rate_is_lost_on_jax": [
        (own(SET), "certain"),
        (own(SET, hook="on_train_batch_begin"), "certain"),
        (
            own("self.model.set_weights([0.9 * w for w in self.model.get_weights()])"),
            "certain",
        ),
        (own(SET, hook="on_epoch_begin"), None),
        (lent("on_train_batch_end", SET_LENT), None),
        (own("self.rate = self.model.optimizer.learning_rate"), None),
        (own(SET, hook="on_batch_end"), "certain"),
        (
            own('self.model.load_weights("start.weights.h5")', hook="on_batch_end"),
            "certain",
        ),
        (own('self.model.load_weights("best.weights.h5")', "epoch", "on_epoch_end"), None),
        (own('model.load_weights("start.weights.h5")'), None),
    ],
    "lambda_callback_rate_is_lost_on_jax": [
        (lent("on_train_batch_end", SET_LENT), "certain"),
        (own("model.optimizer.learning_rate = self.peak * self.step"), "certain"),
        (lent("on_epoch_begin", SET_LENT), None),
        (own(SET), None),
        (lent("on_train_batch_end", "print(model.optimizer.learning_rate)"), None),
        (own("model.optimizer.learning_rate = self.peak", hook="on_batch_end"), "certain"),
        (
            own("model.optimizer.learning_rate = self.peak").replace(
                "callbacks=[Own(1e-3)]", "verbose=2"
            ),
            None,
        ),
    ],
    "lambda_callback_reads_no_weights_on_jax": [
        (
            lent("on_train_batch_end", "print(model.layers[0].get_weights()[0].mean())"),
            "certain",
        ),
        (
            lent("on_train_batch_end", 'model.save_weights(f"{index}.weights.h5")'),
            "certain",
        ),
        (own("print(model.predict(x[:4]))"), "certain"),
        (lent("on_epoch_end", "print(model.layers[0].get_weights()[0].mean())"), None),
        (own("print(self.model.get_weights()[0].mean())"), None),
        (
            "other = None\n"
            + COMPILED
            + "other = keras.Sequential([keras.Input((8,)), layers.Dense(1)])\nmodel.fit(x, y, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: print(other.predict(x)))])",
            None,
        ),
        (own('model.save("m.keras")', hook="on_batch_end"), "certain"),
        (own("print(model.evaluate(x, y))"), "certain"),
        (lent("on_train_batch_begin", "print(model.predict_on_batch(x[:4]))"), "certain"),
        (
            own("print(model.evaluate(x, y))").replace(
                "callbacks=[Own(1e-3)]", "verbose=2"
            ),
            None,
        ),
    ],
    "batch_end_index_of_first_executed_step": [
        (
            own("print(batch)", hook="on_test_batch_end").replace(
                'metrics=["mae"]', "steps_per_execution=16"
            )
            + "model.evaluate(x, y, callbacks=[Own(1)])",
            "certain",
        ),
        (
            lent("on_train_batch_end", "print(index)").replace(
                'metrics=["mae"]', "steps_per_execution=16"
            ),
            "certain",
        ),
        (own("print(batch)", hook="on_test_batch_end"), None),
        (
            lent("on_epoch_end", "print(index)").replace(
                'metrics=["mae"]', "steps_per_execution=16"
            ),
            None,
        ),
        (
            own("print(batch)").replace('metrics=["mae"]', "steps_per_execution=16"),
            "certain",
        ),
    ],
    "best_checkpoint_saved_without_monitor": [
        (fit(BEST), "certain"),
        (fit(BEST, SPLIT + ", validation_freq=5"), "certain"),
        (
            fit(CHECKPOINT.format(', monitor="val_mae", mode="min", save_best_only=True')),
            "certain",
        ),
        (fit(BEST, SPLIT), None),
        (fit(BEST, ", validation_data=(x[:100], y[:100])"), None),
        (fit(CHECKPOINT.format(', monitor="loss", save_best_only=True')), None),
        (
            fit(
                CHECKPOINT.format(', monitor="loss", save_best_only=True'),
                ", validation_freq=2, validation_split=0.1",
            ),
            None,
        ),
        (fit(CHECKPOINT.format("")), None),
        (fit(VAL_MAE, SPLIT + ", validation_freq=2"), "certain"),
        (fit(VAL_MAE, SPLIT), None),
        (fit(VAL_MAE, ", validation_data=(x, y)"), None),
        (fit(CHECKPOINT.format(', monitor="val_mae"')), None),
        (
            fit(CHECKPOINT.format(', monitor="val_mae"'), SPLIT + ", validation_freq=2"),
            None,
        ),
        (fit(CHECKPOINT.format(""), SPLIT + ", validation_freq=2"), None),
    ],
    "checkpoint_of_each_epoch_rejects_metric": [
        (fit(PROFIT, model=CUSTOM), "certain"),
        (
            BOTH
            + 'save = keras.callbacks.ModelCheckpoint("{epoch}.keras", monitor="val_price_mae")\nmodel.fit(x, [prices, areas], callbacks=save)',
            "certain",
        ),
        (fit(CHECKPOINT.format(', monitor="val_profit", mode="max"'), model=CUSTOM), None),
        (
            fit(
                CHECKPOINT.format(', monitor="val_profit", save_best_only=True'),
                model=CUSTOM,
            ),
            None,
        ),
        (fit(CHECKPOINT.format(', monitor="val_loss"'), model=CUSTOM), None),
        (fit(CHECKPOINT.format(""), model=CUSTOM), None),
        (fit(CHECKPOINT.format(', monitor="val_mae"')), None),
        (fit(PROFIT, model=CUSTOM + 'model.compile("adam", metrics=["mae"])\n'), None),
        (
            fit(
                PROFIT,
                model=CUSTOM.replace(
                    'compile("adam"', 'compile("adam", weighted_metrics=["mae"]'
                ),
            ),
            None,
        ),
        (fit(CHECKPOINT.format(', monitor="val_loss"'), model=BOTH), None),
        (fit(CHECKPOINT.format(', monitor="val_price_mae", mode="min"'), model=BOTH), None),
        (
            fit(
                CHECKPOINT.format(', monitor="val_price_mae", save_best_only=True'),
                model=BOTH,
            ),
            None,
        ),
    ],
    "predict_leaves_ema_weights_in_the_model": [
        (
            ONE
            + """
model.compile(keras.optimizers.Adam(1e-3, use_ema=True), "mse")
swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
model.fit(x, y, epochs=5, callbacks=[swap])
predicted = model.predict(x, callbacks=[keras.callbacks.SwapEMAWeights()])
""",
            "certain",
        ),
        (fit("SwapEMAWeights()"), None),
        (fit("SwapEMAWeights()", method="evaluate"), None),
        (COMPILED + "model.predict(x, callbacks=[keras.callbacks.ProgbarLogger()])", None),
    ],
    "reduce_lr_auto_mode_minimizes_auc": [
        (fit('ReduceLROnPlateau(monitor="val_auc", factor=0.5, patience=2)'), "certain"),
        (
            HEAD
            + "def callbacks(metric):\n    return [keras.callbacks.EarlyStopping(metric), keras.callbacks.ReduceLROnPlateau(metric)]\n"
            + COMPILED.replace(HEAD, "")
            + 'model.fit(x, y, callbacks=callbacks("val_f1_score"))',
            "certain",
        ),
        (fit('ReduceLROnPlateau(monitor="val_auc", mode="max")'), None),
        (fit('ReduceLROnPlateau(monitor="val_accuracy")'), None),
        (fit('ReduceLROnPlateau(monitor="val_loss")'), None),
        (fit("ReduceLROnPlateau(patience=2)"), None),
        (fit('EarlyStopping(monitor="val_auc")'), None),
        *((fit(f'ReduceLROnPlateau("val_{name}")'), "certain") for name in GROWING),
    ],
    "stopped_fit_loses_weights_on_jax": [
        (stopped("fit(x, y, callbacks=[Prune()])", "on_train_batch_end"), "possible"),
        (stopped("fit(x, y, callbacks=[Prune()])", "on_train_batch_end", ""), None),
        (stopped("fit(x, y, callbacks=[Prune()])", "on_train_end"), None),
        (fit(BEST) + "model.get_weights()", None),
        *(
            (
                stopped("fit(x, y, callbacks=[Prune()])", "on_train_batch_begin", then),
                "possible",
            )
            for then in USES
        ),
    ],
    "stopped_evaluate_loses_weights_on_jax": [
        (stopped("evaluate(x, y, callbacks=[Prune()])", "on_test_batch_end"), "possible"),
        (stopped("evaluate(x, y, callbacks=[Prune()])", "on_test_batch_end", ""), None),
        (stopped("evaluate(x, y, callbacks=[Prune()])", "on_test_end"), None),
        (stopped("evaluate(x, y)", "on_test_batch_end"), None),
        *(
            (
                stopped("evaluate(x, y, callbacks=[Prune()])", "on_test_batch_begin", then),
                "possible",
            )
            for then in USES
        ),
    ],
    "stopped_predict_loses_weights_on_jax": [
        (stopped("predict(x, callbacks=[Prune()])", "on_predict_batch_end"), "possible"),
        (stopped("predict(x, callbacks=[Prune()])", "on_predict_batch_end", ""), None),
        (stopped("predict(x, callbacks=[Prune()])", "on_predict_begin"), None),
        (stopped("predict(x)", "on_predict_batch_end"), None),
        *(
            (
                stopped("predict(x, callbacks=[Prune()])", "on_predict_batch_begin", then),
                "possible",
            )
            for then in USES
        ),
    ],
    "tensorboard_batches_are_all_step_zero": [
        (fit('TensorBoard("logs", update_freq="batch")'), "certain"),
        (fit('TensorBoard("logs", update_freq=100)'), "certain"),
        (fit('TensorBoard("logs")'), None),
        (fit('TensorBoard("logs", update_freq="epoch")'), None),
        (COMPILED + "keras.callbacks.TensorBoard(update_freq=1)\nmodel.fit(x, y)", None),
    ],
    "tensorboard_histograms_share_a_tag": [
        (fit('TensorBoard("logs", 1)'), "certain"),
        (fit('TensorBoard("logs", histogram_freq=5)'), "certain"),
        (fit('TensorBoard("logs")'), None),
        (fit('TensorBoard("logs", histogram_freq=0)'), None),
    ],
    "tensorboard_update_freq_is_ignored": [
        (fit('TensorBoard("logs", update_freq=100)'), "certain"),
        (fit('TensorBoard("logs", update_freq="batch")'), None),
        (fit('TensorBoard("logs", update_freq=1)'), None),
        (fit('TensorBoard("logs")'), None),
    ],
    "tensorboard_own_summaries_share_a_step": [
        (logged("update_freq=1"), "possible"),
        (logged("update_freq='batch'"), "possible"),
        (logged("histogram_freq=1"), None),
        (logged("update_freq='epoch'"), None),
        (fit('TensorBoard("logs", update_freq=1)'), None),
    ],
}
