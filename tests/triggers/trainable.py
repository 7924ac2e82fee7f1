"""Flags of layers, set before and after ``compile``."""

from __future__ import annotations

from tests.triggers import HEAD, NESTED, ONE, Cases

BASE = (
    HEAD
    + """
base = keras.applications.MobileNetV2(include_top=False, weights="imagenet")
inputs = keras.Input((96, 96, 3))
hidden = layers.GlobalAveragePooling2D()(base(inputs, training=False))
model = keras.Model(inputs, layers.Dense(2, "softmax")(hidden))
"""
)
COMPILE = '\nmodel.compile(optimizer="adam", loss="sparse_categorical_crossentropy")\n'
FIT = "\nmodel.fit(x, y, epochs=2)\n"
SIZED = "\nmodel.fit(x, y, batch_size=64)\n"
WEIGHED = "model.fit(x, y, class_weight={0: 1.0, 1: 2.0})\n"
ON_BATCH = "\nmodel.train_on_batch(x[:32], y[:32])\n"
EVALUATE = "\nmodel.evaluate(x, y)\n"
FREEZE, THAW = "\nbase.trainable = False\n", "\nbase.trainable = True\n"
THAW_ALL = "\nmodel.trainable = True\n"
THAW_SOME = "\nfor layer in base.layers[-20:]:\n    layer.trainable = True\n"
OTHER = "\nother = keras.Sequential([layers.Dense(2)])\nother.trainable = False\n"
NORM = (
    HEAD
    + """
norm = layers.BatchNormalization()
model = keras.Sequential([keras.Input((8,)), layers.Dense(4), norm, layers.Dense(1)])
"""
)
CALLBACK = (
    ONE
    + """
class Unfreeze(keras.callbacks.Callback):
    def {hook}(self, {first}, logs=None):
        self.model.layers[0].trainable = {flag}
model.compile("adam", "mse")
model.fit(x, y, callbacks=[Unfreeze()])
"""
)
AFTER_STEP = [
    (BASE + COMPILE + FIT + FREEZE + FIT, "certain"),
    (BASE + COMPILE + FIT + FREEZE + COMPILE + FIT, None),
    (BASE + FREEZE + COMPILE + FIT + FIT, None),
    (BASE + COMPILE + FIT + OTHER + FIT, None),
]

CASES: Cases = {
    "flip_before_first_step_takes_effect": [
        (BASE + COMPILE + FREEZE + FIT, "certain"),
        (BASE + FREEZE + COMPILE + FIT, None),
        (BASE + COMPILE + FREEZE + COMPILE + FIT, None),
        (BASE + COMPILE + FIT + FREEZE + FIT, None),
    ],
    "flip_warning_is_never_shown": [
        (BASE + COMPILE + FREEZE + FIT, "certain"),
        (BASE + FREEZE + COMPILE + FIT, None),
        (BASE + COMPILE + OTHER + FIT, None),
    ],
    "freeze_after_step_raises_on_jax": [
        *AFTER_STEP,
        (BASE + COMPILE + EVALUATE + FREEZE + FIT, "certain"),
    ],
    "flip_takes_effect_where_tf_traces_again": [
        (BASE + COMPILE + ON_BATCH + FREEZE + FIT, "certain"),
        (BASE + COMPILE + ON_BATCH + FREEZE + COMPILE + FIT, None),
        (BASE + COMPILE + FIT + FREEZE + FIT, None),
        (BASE + COMPILE + FIT + FREEZE + ON_BATCH, "certain"),
        (BASE + COMPILE + FIT + ON_BATCH + FREEZE + ON_BATCH, None),
        (BASE + COMPILE + FIT + FREEZE + COMPILE + ON_BATCH, None),
        (BASE + COMPILE + FIT + FREEZE + WEIGHED, "certain"),
        (BASE + COMPILE + FIT + FREEZE + COMPILE + WEIGHED, None),
        (BASE + COMPILE + WEIGHED + FREEZE + WEIGHED, None),
        (BASE + COMPILE + SIZED + FREEZE + SIZED.replace("64", "32"), "certain"),
        (BASE + COMPILE + SIZED + FREEZE + SIZED, None),
        (
            BASE + COMPILE + SIZED + SIZED.replace("64", "32") + FREEZE + COMPILE + SIZED,
            None,
        ),
    ],
    "unfreezing_a_model_is_ignored_on_tf": [
        (
            BASE + "for layer in base.layers[:-4]:\n    layer.trainable = False" + THAW,
            "possible",
        ),
        (
            NORM + 'norm.trainable = False\nmodel.compile("adam", "mse")' + FIT + THAW_ALL,
            "certain",
        ),
        (BASE + FREEZE + THAW, None),
        (NORM + "norm.trainable = False\nnorm.trainable = True" + COMPILE + FIT, None),
        (NORM + "norm.trainable = False\nmodel.trainable = False" + THAW_ALL, None),
    ],
    "freeze_after_step_is_obeyed_on_torch": AFTER_STEP,
    "failed_fit_loses_weights_on_jax": AFTER_STEP,
    "unfreeze_after_step_raises": [
        (BASE + FREEZE + COMPILE + FIT + THAW + FIT, "certain"),
        (BASE + FREEZE + COMPILE + EVALUATE + THAW + FIT, "certain"),
        (BASE + FREEZE + COMPILE + FIT + THAW_SOME + FIT, "certain"),
        (BASE + FREEZE + COMPILE + FIT + THAW + COMPILE + FIT, None),
        (BASE + COMPILE + FIT + FREEZE + FIT, None),
    ],
    "batchnorm_obeys_flip_after_compile": [
        (NORM + COMPILE + "norm.trainable = False" + FIT, "certain"),
        (NORM + "norm.trainable = False" + COMPILE + FIT, None),
        (NORM + COMPILE + "model.layers[0].trainable = False" + FIT, None),
    ],
    "batchnorm_obeys_flip_after_step": [
        (NORM + COMPILE + FIT + "norm.trainable = False" + FIT, "certain"),
        (NORM + COMPILE + FIT + "model.layers[0].trainable = False" + FIT, None),
        (NORM + COMPILE + FIT + "norm.trainable = False" + COMPILE + FIT, None),
    ],
    "recompile_with_same_optimizer_raises": [
        (
            NORM
            + 'opt = keras.optimizers.Adam()\nmodel.compile(opt, "mse")'
            + FIT
            + 'norm.trainable = False\nmodel.compile(opt, "mse")'
            + FIT,
            "certain",
        ),
        (
            NORM
            + COMPILE
            + FIT
            + 'norm.trainable = False\nmodel.compile(model.optimizer, "mse")'
            + FIT,
            "certain",
        ),
        (
            NORM
            + COMPILE
            + FIT
            + 'norm.trainable = False\nmodel.compile(keras.optimizers.Adam(), "mse")'
            + FIT,
            None,
        ),
        (NORM + COMPILE + FIT + "norm.trainable = False" + COMPILE + FIT, None),
    ],
    "batch_callback_freeze_loses_weights": [
        (CALLBACK.format(hook="on_train_batch_end", first="batch", flag=False), "certain"),
        (CALLBACK.format(hook="on_epoch_end", first="epoch", flag=False), None),
        (CALLBACK.format(hook="on_train_batch_end", first="batch", flag=True), None),
    ],
    "epoch_callback_freeze_overwrites_weights": [
        (CALLBACK.format(hook="on_epoch_end", first="epoch", flag=False), "certain"),
        (CALLBACK.format(hook="on_train_batch_end", first="batch", flag=False), None),
        (CALLBACK.format(hook="on_epoch_begin", first="epoch", flag=False), None),
    ],
    "layer_frozen_before_build_still_learns": [
        (
            HEAD
            + "first = layers.Dense(8, trainable=False)\nmodel = keras.Sequential([first])",
            "certain",
        ),
        (
            HEAD
            + "first = layers.Dense(8)\nfirst.trainable = False\nmodel = keras.Sequential([first])",
            "certain",
        ),
        (ONE + "model.layers[0].trainable = False", None),
        (NESTED + "encoder.trainable = False", None),
        (
            HEAD
            + "first = layers.Dense(8)\nfirst.build((None, 4))\nfirst.trainable = False",
            None,
        ),
    ],
}
