"""Optimizers: accumulation, clipping, decay, scaled losses, rates."""

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
FLOAT16 = 'keras.mixed_precision.set_global_policy("{policy}")\n'
TUNED = (
    HEAD
    + """
base = keras.applications.EfficientNetB0(include_top=False)
model = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(5, "softmax")])
opt = keras.optimizers.AdamW(1e-4, weight_decay=0.01)
"""
)


def compiled(optimizer: str, model: str = ONE) -> str:
    """A model that is trained with an optimizer."""
    return f'{model}opt = {optimizer}\nmodel.compile(opt, "mse")' + FIT


def optimizer(made: str) -> str:
    """A model that is trained with one of Keras' optimizers."""
    return compiled(f"keras.optimizers.{made}")


def half(optimizer: str = '"adam"', policy: str = "mixed_float16") -> str:
    """A model that is trained under a policy."""
    return (
        HEAD
        + FLOAT16.format(policy=policy)
        + ONE.replace(HEAD, "")
        + f'model.compile(optimizer={optimizer}, loss="mse")'
        + FIT
    )


ACCUMULATED = (
    HEAD
    + """
def make_optimizer(rate, clip=1.0, accumulate=4):
    return keras.optimizers.Adam(rate, global_clipnorm=clip, gradient_accumulation_steps=accumulate)
model = keras.Sequential([layers.Dense(1)])
model.compile(make_optimizer(1e-3), "mse")
model.fit(x, y)
"""
)
CASES: Cases = {
    "accumulation_ema_counts_idle_steps": [
        (optimizer("AdamW(3e-4, use_ema=True, gradient_accumulation_steps=4)"), "certain"),
        (
            optimizer(
                "SGD(0.1, use_ema=True, ema_overwrite_frequency=9, gradient_accumulation_steps=4)"
            ),
            "certain",
        ),
        (optimizer("AdamW(3e-4, gradient_accumulation_steps=4)"), None),
        (optimizer("AdamW(3e-4, use_ema=True)"), None),
        (optimizer("Adam(use_ema=True, gradient_accumulation_steps=None)"), None),
        (optimizer("Adam(use_ema=False, gradient_accumulation_steps=2)"), None),
    ],
    "accumulation_clips_each_batch": [
        (ACCUMULATED, "certain"),
        (optimizer("SGD(0.1, clipvalue=0.5, gradient_accumulation_steps=8)"), "certain"),
        (optimizer("SGD(0.1, gradient_accumulation_steps=8)"), None),
        (optimizer("SGD(0.1, clipnorm=1.0)"), None),
        (optimizer("SGD(0.1, clipnorm=None, gradient_accumulation_steps=8)"), None),
        (optimizer("SGD(0.1, clipnorm=1.0, gradient_accumulation_steps=None)"), None),
        (optimizer("SGD(0.1, clipnorm=1.0, gradient_accumulation_steps=8)"), "certain"),
        (optimizer("SGD(0.1, clipvalue=1.0)"), None),
        (optimizer("SGD(0.1, global_clipnorm=1.0)"), None),
    ],
    "accumulation_decays_weights_each_batch": [
        (optimizer("AdamW(3e-4, gradient_accumulation_steps=4)"), "certain"),
        (
            optimizer("Lion(3e-4, weight_decay=0.1, gradient_accumulation_steps=4)"),
            "certain",
        ),
        (optimizer("AdamW(3e-4, weight_decay=0.1)"), None),
        (optimizer("Adam(3e-4, gradient_accumulation_steps=4)"), None),
        (
            optimizer("AdamW(3e-4, weight_decay=0.0, gradient_accumulation_steps=4)"),
            None,
        ),
        (optimizer("AdamW(3e-4)"), None),
    ],
    "accumulation_ema_moves_idle_weights": [
        (
            optimizer(
                "AdamW(3e-4, use_ema=True, ema_overwrite_frequency=100, gradient_accumulation_steps=4)"
            ),
            "certain",
        ),
        (optimizer("AdamW(3e-4, use_ema=True, gradient_accumulation_steps=4)"), None),
        (optimizer("AdamW(3e-4, use_ema=True, ema_overwrite_frequency=100)"), None),
        (
            optimizer(
                "AdamW(3e-4, ema_overwrite_frequency=9, gradient_accumulation_steps=4)"
            ),
            None,
        ),
    ],
    "accumulation_weakens_first_adam_steps": [
        (ACCUMULATED, "certain"),
        (optimizer("AdamW(3e-4, gradient_accumulation_steps=4)"), "certain"),
        # Here it shows in optimizer.iterations only.
        (optimizer("SGD(0.1, gradient_accumulation_steps=4)"), "certain"),
        (optimizer("Adam(3e-4)"), None),
        (optimizer("Adam(3e-4, gradient_accumulation_steps=None)"), None),
    ],
    "accumulation_without_a_gradient_crashes": [
        (ACCUMULATED, "possible"),
        (optimizer("Adam(3e-4, gradient_accumulation_steps=None)"), None),
        (optimizer("Adam(3e-4, clipnorm=1.0)"), None),
    ],
    "adafactor_fails_on_matrices": [
        (optimizer("Adafactor(1e-3)"), "certain"),
        (ONE + 'model.compile(optimizer="adafactor", loss="mse")' + FIT, "certain"),
        (optimizer("Adagrad(1e-3)"), None),
        (ONE + 'model.compile(optimizer="adam", loss="mse")' + FIT, None),
    ],
    "callable_learning_rate_gets_an_argument": [
        (
            HEAD
            + "rate = 1e-3\ndef current_rate():\n    return rate\nopt = keras.optimizers.Adam(learning_rate=current_rate)",
            "certain",
        ),
        (optimizer("SGD(lambda: 0.1, momentum=0.9)"), "certain"),
        (optimizer("SGD(0.1, momentum=0.9)"), None),
        (
            optimizer("SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9))"),
            None,
        ),
        (
            HEAD
            + "class WarmUp(keras.optimizers.schedules.LearningRateSchedule):\n    def __call__(self, step):\n        return 0.1\nopt = keras.optimizers.Adam(WarmUp())",
            None,
        ),
    ],
    "embedding_gradient_clipped_by_row": [
        (compiled("keras.optimizers.Adam(1e-3, clipvalue=0.5)", WORDS), "certain"),
        (
            WORDS
            + 'def train(net):\n    net.compile(keras.optimizers.Adam(clipvalue=0.5), "mse")',
            "possible",
        ),
        (compiled("keras.optimizers.Adam(1e-3, clipvalue=0.5)"), None),
        (compiled("keras.optimizers.Adam(1e-3)", WORDS), None),
        (
            WORDS.replace("32)", "32, trainable=False)")
            + 'model.compile(keras.optimizers.Adam(clipvalue=0.5), "mse")',
            None,
        ),
    ],
    "embedding_norm_clipped_by_row": [
        (compiled("keras.optimizers.Adam(1e-3, clipnorm=1.0)", WORDS), "certain"),
        (compiled("keras.optimizers.SGD(0.1, global_clipnorm=1.0)", WORDS), "certain"),
        (compiled("keras.optimizers.Adam(1e-3, clipvalue=0.5)", WORDS), None),
        (compiled("keras.optimizers.Adam(1e-3, clipnorm=1.0)"), None),
        (
            WORDS.replace("32)", "32, trainable=False)")
            + 'model.compile(keras.optimizers.Adam(clipnorm=1.0), "mse")',
            None,
        ),
    ],
    "inner_loss_scale_applied_twice": [
        (
            optimizer(
                "LossScaleOptimizer(keras.optimizers.Adam(1e-3, loss_scale_factor=128.0))"
            ),
            "certain",
        ),
        (half("keras.optimizers.Adam(1e-3, loss_scale_factor=128.0)"), "certain"),
        (half("keras.optimizers.Adam(1e-3)"), None),
        (
            half("keras.optimizers.Adam(1e-3, loss_scale_factor=128.0)", "mixed_bfloat16"),
            None,
        ),
        (optimizer("LossScaleOptimizer(keras.optimizers.Adam(1e-3))"), None),
        (optimizer("Adam(1e-3, loss_scale_factor=128.0)"), None),
        (
            half("keras.optimizers.Adam(loss_scale_factor=128.0)").replace(
                'loss="mse"', 'loss="mse", auto_scale_loss=False'
            ),
            None,
        ),
        (
            half("keras.optimizers.Adam(loss_scale_factor=128.0)").replace(
                "model = ", FLOAT16.format(policy="float32") + "model = "
            ),
            None,
        ),
    ],
    "layer_name_does_not_stop_weight_decay": [
        (
            TUNED
            + 'opt.exclude_from_weight_decay(var_names=["LayerNorm", "layer_norm", "bias"])\nmodel.compile(opt, "mse")',
            "certain",
        ),
        (
            "import tensorflow as tf\nopt = tf.keras.optimizers.AdamW(weight_decay=0.1)\nopt.exclude_from_weight_decay(var_names=['head'])",
            "certain",
        ),
        (
            TUNED + 'opt.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])',
            None,
        ),
        (
            TUNED
            + "opt.exclude_from_weight_decay(var_list=model.layers[-1].trainable_variables)",
            None,
        ),
    ],
    "loss_scale_fails_with_embedding": [
        (compiled("keras.optimizers.Adam(loss_scale_factor=1024.0)", WORDS), "certain"),
        (compiled("keras.optimizers.Adam(loss_scale_factor=1024.0)"), None),
        (compiled("keras.optimizers.Adam()", WORDS), None),
        (
            compiled(
                "keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=1024.0)",
                WORDS,
            ),
            None,
        ),
    ],
    "loss_scale_optimizer_counts_no_steps": [
        (half(), "certain"),
        (
            """
import tensorflow as tf
from tensorflow.keras import mixed_precision
mixed_precision.set_global_policy("mixed_float16")
def build():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model
model = build()
model.fit(data, targets)
""",
            "certain",
        ),
        (
            HEAD
            + 'policy = keras.mixed_precision.Policy("mixed_float16")\nkeras.mixed_precision.set_global_policy(policy)\nmodel = keras.Sequential([layers.Dense(1)])\nmodel.compile("sgd", "mse")\nmodel.train_on_batch(x, y)',
            "certain",
        ),
        (optimizer("LossScaleOptimizer(keras.optimizers.Adam(1e-3))"), "certain"),
        (half(policy="mixed_bfloat16"), None),
        (half(policy="float32"), None),
        (half().replace('loss="mse"', 'loss="mse", auto_scale_loss=False'), None),
        (half().replace(FIT, "\nmodel.evaluate(x, y)\n"), None),
        (optimizer("Adam(1e-3)"), None),
        (half().replace("model = ", FLOAT16.format(policy="float32") + "model = "), None),
        (
            HEAD
            + 'keras.mixed_precision.set_global_policy(keras.mixed_precision.Policy("float32"))\nmodel = keras.Sequential([layers.Dense(1)])\nmodel.compile("sgd", "mse")\nmodel.train_on_batch(x, y)',
            None,
        ),
    ],
    "loss_scale_optimizer_ignores_clipping": [
        (
            optimizer("LossScaleOptimizer(keras.optimizers.Adam(1e-3), clipnorm=1.0)"),
            "certain",
        ),
        (
            optimizer("LossScaleOptimizer(keras.optimizers.Adam(1e-3), use_ema=True)"),
            "certain",
        ),
        (
            optimizer("LossScaleOptimizer(keras.optimizers.Adam(1e-3, clipnorm=1.0))"),
            None,
        ),
        (
            optimizer("LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale=256)"),
            None,
        ),
        (
            optimizer("LossScaleOptimizer(keras.optimizers.SGD(), global_clipnorm=1.0)"),
            "certain",
        ),
        (
            optimizer("LossScaleOptimizer(keras.optimizers.SGD(), weight_decay=0.1)"),
            "certain",
        ),
    ],
    "no_weight_left_to_decay_crashes_on_torch": [
        (
            TUNED
            + """
for layer in model.layers:
    if not isinstance(layer, layers.BatchNormalization):
        layer.trainable = False
opt.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
model.compile(opt, "sparse_categorical_crossentropy")
""",
            "possible",
        ),
        (
            TUNED
            + 'opt.exclude_from_weight_decay(var_names=["bias"])\nbase.trainable = False\nmodel.compile(opt, "mse")',
            "possible",
        ),
        (TUNED + 'opt.exclude_from_weight_decay(var_names=["bias"])', None),
        (TUNED + 'base.trainable = False\nmodel.compile(opt, "mse")', None),
        (TUNED + 'opt.exclude_from_weight_decay(var_names=["kernel", "bias"])', "possible"),
    ],
    "schedule_set_later_is_not_saved_with": [
        (
            ONE
            + """
model.compile(keras.optimizers.Adam(1e-3), "mse")
model.fit(x, y)
model.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(1e-3, 1000)
model.fit(x, y)
model.save("model.keras")
""",
            "certain",
        ),
        (
            ONE
            + 'model.compile(keras.optimizers.Adam(1e-3), "mse")\nmodel.optimizer.learning_rate = 1e-4\nmodel.fit(x, y)\nmodel.save("model.keras")',
            None,
        ),
        (
            ONE
            + 'model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 1000)), "mse")\nmodel.fit(x, y)\nmodel.save("model.keras")',
            None,
        ),
        (
            ONE
            + 'other = keras.optimizers.Adam(1e-3)\nother.learning_rate = keras.optimizers.schedules.CosineDecay(1e-3, 1000)\nmodel.compile("adam", "mse")\nmodel.save("model.keras")',
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse")\nmodel.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(1e-3, 1000)\nkeras.saving.save_model(model, "model.keras")',
            "certain",
        ),
        (
            ONE
            + 'model.compile("adam", "mse")\nmodel.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(1e-3, 1000)\nother = keras.models.clone_model(model)\nkeras.saving.save_model(other, "model.keras")',
            None,
        ),
    ],
}
