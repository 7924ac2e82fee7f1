"""Losses and their weights, by output."""

from __future__ import annotations

from tests.triggers import AS_DICT, HEAD, IN_ORDER, ONE, TWO, Cases

FIT = "\nmodel.fit(x, [prices, areas], epochs=3)\n"
BY_NAME = '\nmodel.compile("adam", loss={"price": "mse", "area": "mae"})\n'
IN_A_LIST = '\nmodel.compile(optimizer="adam", loss=["mse", "mae"])\n'
DICT_TARGETS = '\nmodel.fit(x, {"price": prices, "area": areas}, epochs=3)\n'
FROM_ELSEWHERE = """
import keras
from my_models import build_model
model = build_model()
"""
SPARSE = (
    HEAD
    + """
model = keras.Sequential([
    keras.Input((784,)),
    layers.Dense(32, activation="relu", {penalty}=keras.regularizers.l1(1e-5){more}),
    layers.Dense(784),
])
model.compile("adam", "mse")
"""
)
FIT_ONE = "\nmodel.fit(x, y, epochs=3)\n"
WEIGHTED = '\nmodel.fit(x, y, sample_weight=np.load("weights.npy"), epochs=3)\n'
SIAMESE = (
    HEAD
    + """
left, right = keras.Input((8,)), keras.Input((8,))
{shared}
both = layers.Subtract()([{first}(left), {second}(right)])
model = keras.Model([left, right], layers.Dense(1)(both))
model.compile("adam", "mse")
model.fit([x, x], y)
"""
)
PENALIZED = 'tower = layers.Dense(4, activity_regularizer="l2")\nother = layers.Dense(4)'
ADDS = """
class Tower(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)
    def call(self, inputs):
        outputs = self.dense(inputs)
        {adds}
        return outputs
tower = Tower()
"""
SEQUENCES = (
    HEAD
    + """
model = keras.Sequential([
    keras.Input((30, 4)),
    layers.{first},
    layers.{last},
])
model.compile("adam", "mse")
"""
)
STEPS = {
    "first": "LSTM(16, return_sequences=True)",
    "last": "TimeDistributed(layers.Dense(1))",
}
ONE_STEP = {"first": "LSTM(16)", "last": "Dense(1)"}
PADDED = {"first": "Masking(0.0)", "last": "LSTM(1, return_sequences=True)"}
PER_SAMPLE: list[tuple[str, str | None]] = [
    (SEQUENCES.format(**STEPS) + WEIGHTED, "possible"),
    (SEQUENCES.format(**PADDED) + WEIGHTED, "possible"),
    (SEQUENCES.format(**STEPS) + FIT_ONE, None),
    (SEQUENCES.format(**ONE_STEP) + WEIGHTED, None),
    (
        SEQUENCES.format(first="TimeDistributed(layers.Dense(8))", last="LSTM(1)")
        + WEIGHTED,
        None,
    ),
]

CASES: Cases = {
    "output_losses_average_batches_on_tf": [
        (TWO + IN_A_LIST + FIT, "possible"),
        (
            AS_DICT
            + BY_NAME
            + 'model.evaluate(x, {"price": prices, "area": areas}, batch_size=128)',
            "possible",
        ),
        (ONE + 'model.compile("adam", "mse")' + FIT_ONE, None),
        (
            TWO
            + 'model.compile("adam", ["mse", "mae"], run_eagerly=True)\nmodel.fit(x, [prices, areas])',
            None,
        ),
        (TWO + IN_A_LIST + "model.evaluate(x, [prices, areas], batch_size=64)", "possible"),
        (TWO + IN_A_LIST + "model.evaluate(x, [prices, areas], batch_size=1)", None),
        (TWO + IN_A_LIST + "model.train_on_batch(x, [prices, areas])", None),
    ],
    "activity_regularizer_grows_with_batch": [
        (SPARSE.format(penalty="activity_regularizer", more="") + FIT_ONE, "certain"),
        (
            ONE + "model.add(layers.ActivityRegularization(l1=1e-3))" + FIT_ONE,
            "certain",
        ),
        (SPARSE.format(penalty="kernel_regularizer", more="") + FIT_ONE, None),
        (ONE + 'model.compile("adam", "mse")' + FIT_ONE, None),
        (HEAD + 'layer = layers.SimpleRNN(8, activity_regularizer="l2")', None),
    ],
    "simple_rnn_ignores_activity_regularizer": [
        (
            HEAD + 'layer = layers.SimpleRNN(8, activity_regularizer="l2")',
            "certain",
        ),
        (HEAD + 'layer = layers.LSTM(8, activity_regularizer="l2")', None),
        (HEAD + 'layer = layers.SimpleRNN(8, kernel_regularizer="l2")', None),
    ],
    "flat_targets_average_sample_weights": [
        (ONE + 'model.compile("adam", "mse")' + WEIGHTED, "possible"),
        (
            ONE
            + 'model.compile("adam", "binary_crossentropy")\nmodel.fit(x, y, class_weight={0: 1.0, 1: 9.0})',
            "possible",
        ),
        (ONE + 'model.compile("adam", "mse")' + FIT_ONE, None),
        (ONE + 'model.compile("adam", "sparse_categorical_crossentropy")' + WEIGHTED, None),
    ],
    "frozen_layer_loses_its_penalty": [
        (
            SPARSE.format(penalty="kernel_regularizer", more="")
            + 'model.fit(x, y)\nmodel.layers[0].trainable = False\nmodel.compile("adam", "mse")'
            + FIT_ONE,
            "certain",
        ),
        (
            SPARSE.format(penalty="kernel_regularizer", more=", trainable=False") + FIT_ONE,
            "certain",
        ),
        (SPARSE.format(penalty="kernel_regularizer", more="") + FIT_ONE, None),
        (
            SPARSE.format(penalty="kernel_regularizer", more="")
            + "model.layers[1].trainable = False"
            + FIT_ONE,
            None,
        ),
        (
            SPARSE.format(penalty="kernel_regularizer", more="")
            + "model.trainable = False\nmodel.trainable = True"
            + FIT_ONE,
            None,
        ),
        (
            SPARSE.format(penalty="bias_constraint", more=", trainable=False") + FIT_ONE,
            None,
        ),
        (
            SPARSE.format(penalty="kernel_regularizer", more="")
            + "model.layers[0].trainable = False\nother = keras.Sequential([layers.Dense(1)])\nother.fit(x, y)",
            None,
        ),
        (
            SPARSE.format(penalty="kernel_regularizer", more="")
            + "model.trainable = False\nmodel.trainable = False"
            + FIT_ONE,
            "certain",
        ),
    ],
    "ignore_class_with_label_column_raises": [
        (
            ONE
            + 'model.compile("adam", keras.losses.SparseCategoricalCrossentropy(ignore_class=255))',
            "possible",
        ),
        (
            ONE
            + 'model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))',
            None,
        ),
        (ONE + 'model.compile("adam", "sparse_categorical_crossentropy")', None),
    ],
    "regularizer_counted_twice_on_jax": [
        (SPARSE.format(penalty="kernel_regularizer", more="") + FIT_ONE, "certain"),
        (SPARSE.format(penalty="activity_regularizer", more="") + FIT_ONE, None),
        (SPARSE.format(penalty="kernel_regularizer", more=""), None),
        (
            SPARSE.format(penalty="kernel_constraint", more="") + FIT_ONE,
            None,
        ),
        (SPARSE.format(penalty="bias_regularizer", more="") + FIT_ONE, "certain"),
        (
            HEAD
            + 'model = keras.Sequential([layers.Embedding(9, 4, embeddings_regularizer="l2"), layers.LSTM(1)])'
            + FIT_ONE,
            "certain",
        ),
        *(
            (
                SPARSE.format(penalty=penalty, more="")
                + 'table = layers.Embedding(9, 4, embeddings_regularizer="l2")\nother = keras.Sequential([layers.Dense(1)])\nother.fit(x, y)',
                None,
            )
            for penalty in ("kernel_regularizer", "bias_regularizer")
        ),
    ],
    "repeated_layer_loss_counted_once_on_jax": [
        (SIAMESE.format(shared=PENALIZED, first="tower", second="tower"), "certain"),
        (
            SIAMESE.format(
                shared='tower = keras.Sequential([keras.Input((8,)), layers.Dense(4, activity_regularizer="l2")])',
                first="tower",
                second="tower",
            ),
            "certain",
        ),
        (
            SIAMESE.format(
                shared=ADDS.format(adds="self.add_loss(1e-3 * keras.ops.sum(outputs**2))"),
                first="tower",
                second="tower",
            ),
            "certain",
        ),
        (
            SIAMESE.format(
                shared=ADDS.format(adds="self.add_loss(1.0)")
                + "\ntower = keras.Sequential([keras.Input((8,)), tower])",
                first="tower",
                second="tower",
            ),
            "certain",
        ),
        (
            SIAMESE.format(
                shared=ADDS.format(adds="self.add_loss(1.0)")
                + "\ninner = keras.Sequential([keras.Input((8,)), tower])",
                first="inner",
                second="layers.Dense(4)",
            ),
            None,
        ),
        (SIAMESE.format(shared=PENALIZED, first="tower", second="other"), None),
        (SIAMESE.format(shared=PENALIZED, first="other", second="other"), None),
        (
            SIAMESE.format(shared=ADDS.format(adds=""), first="tower", second="tower"),
            None,
        ),
        (
            SIAMESE.format(shared=PENALIZED, first="tower", second="tower").replace(
                "model.fit([x, x], y)", "keras.Sequential([layers.Dense(1)]).fit(x, y)"
            ),
            None,
        ),
        (
            SIAMESE.format(
                shared=ADDS.format(adds="self.add_loss(1.0)"), first="tower", second="tower"
            ).replace(
                "model.fit([x, x], y)", "keras.Sequential([layers.Dense(1)]).fit(x, y)"
            ),
            None,
        ),
        (
            SIAMESE.format(shared=PENALIZED, first="other", second="other").replace(
                "(both)", "(tower(both))"
            ),
            None,
        ),
        (
            SIAMESE.format(
                shared=ADDS.format(adds="self.add_loss(1.0)"),
                first="tower",
                second="layers.Dense(4)",
            ),
            None,
        ),
    ],
    "sample_weights_of_sequences_raise": PER_SAMPLE,
    "sample_weights_weigh_time_steps": PER_SAMPLE,
    "dict_losses_applied_alphabetically": [
        (TWO + BY_NAME, "certain"),
        (
            TWO
            + 'losses = dict(price="mse")\nlosses["area"] = "mae"\nmodel.compile("adam", losses)',
            "certain",
        ),
        (FROM_ELSEWHERE + BY_NAME, "possible"),
        (
            TWO
            + 'model.compile("adam", {"price": "mse", "area": "mse"}, {"price": 9.0, "area": 1.0})',
            "certain",
        ),
        (TWO + 'model.compile("adam", {"price": "mse", "area": "mse"})', None),
        (IN_ORDER + BY_NAME, None),
        (AS_DICT + BY_NAME, None),
        (TWO + IN_A_LIST, None),
        (
            'import re, keras\nre.compile("x")\nclass Job:\n    def compile(self, loss): pass\nJob().compile(loss={"a": 1, "b": 2})',
            None,
        ),
        *(
            (
                start
                + f'model.compile("adam", {{"price": "mse", "area": "mse"}}, {weights})',
                None,
            )
            for start, weights in (
                (TWO, '{"price": 2.0, "area": 2.0}'),
                (IN_ORDER, '{"price": 9.0, "area": 1.0}'),
                (AS_DICT, '{"price": 9.0, "area": 1.0}'),
            )
        ),
        (TWO + 'model.compile("adam", ["mse", "mse"], {"price": 9.0, "area": 1.0})', None),
    ],
    "dict_losses_alphabetical_shape_crash": [
        (TWO + BY_NAME + FIT, "possible"),
        (IN_ORDER + BY_NAME + FIT, None),
        (TWO + IN_A_LIST + FIT, None),
    ],
    "dict_targets_matched_alphabetically": [
        (TWO + IN_A_LIST + DICT_TARGETS, "certain"),
        (
            TWO + IN_A_LIST + 'model.evaluate(x, y={"price": prices, "area": areas})',
            "certain",
        ),
        (TWO + IN_A_LIST + FIT, None),
        (IN_ORDER + IN_A_LIST + DICT_TARGETS, None),
        (AS_DICT + 'model.compile("adam", "mse")' + DICT_TARGETS, None),
    ],
    "dict_loss_for_some_outputs_rejected": [
        (TWO + 'model.compile("adam", loss={"price": "mse"})', "certain"),
        (TWO + BY_NAME, None),
        (TWO + 'model.compile("adam", loss=["mse", None])', None),
        (AS_DICT + 'model.compile("adam", loss={"price": "mse"})', None),
    ],
    "dict_loss_weights_applied_alphabetically": [
        (
            TWO + 'model.compile("adam", ["mse", "mae"], {"price": 10.0, "area": 1.0})',
            "certain",
        ),
        (TWO + 'model.compile("adam", ["mse", "mae"], loss_weights=[10.0, 1.0])', None),
        (
            IN_ORDER
            + 'model.compile("adam", ["mse", "mae"], {"price": 10.0, "area": 1.0})',
            None,
        ),
        (
            TWO
            + 'model.compile("adam", {"price": "mse", "area": "mae"}, {"price": 9.0, "area": 1.0})',
            None,
        ),
    ],
    "dict_sample_weight_keyerror": [
        (
            TWO
            + IN_A_LIST
            + 'model.fit(x, [prices, areas], sample_weight={"price": y, "area": y})',
            "certain",
        ),
        (
            TWO
            + IN_A_LIST
            + 'held = (x, [prices, areas], {"price": y, "area": y})\n'
            + "model.fit(x, [prices, areas], validation_data=held)",
            "certain",
        ),
        (
            TWO
            + IN_A_LIST
            + "model.fit(x, [prices, areas], validation_data=(x, y, [y, y]))",
            None,
        ),
        (TWO + IN_A_LIST + "model.fit(x, [prices, areas], sample_weight=[y, y])", None),
        (
            TWO
            + IN_A_LIST
            + 'model.fit(x, {"price": prices, "area": areas}, sample_weight=y)',
            "certain",
        ),
        (
            TWO
            + IN_A_LIST
            + 'model.train_on_batch(x, {"price": prices, "area": areas}, sample_weight=y)',
            None,
        ),
        (
            ONE + 'model.compile(loss="mse")\nmodel.fit(x, y, sample_weight={"dense": y})',
            None,
        ),
    ],
    "per_output_losses_not_logged": [
        (TWO + IN_A_LIST + FIT, "certain"),
        (
            HEAD
            + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.left, self.right = layers.Dense(1), layers.Dense(1)
    def call(self, inputs):
        return self.left(inputs), self.right(inputs)
model = Net()
model.compile("adam", "mse")
model.fit(x, (y, y))
""",
            "certain",
        ),
        (ONE + 'model.compile(loss="mse")\nmodel.fit(x, y)', None),
        (TWO + IN_A_LIST + "model.predict(x)", None),
        (
            HEAD
            + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
    def call(self, inputs):
        return self.dense(inputs)
model = Net()
model.compile("adam", "mse")
model.fit(x, y)
""",
            None,
        ),
    ],
    "per_output_loss_logged_after_weight": [
        (
            TWO + 'model.compile("adam", ["mse", "mae"], loss_weights=[10, 1])' + FIT,
            "certain",
        ),
        (TWO + IN_A_LIST + FIT, None),
        (TWO + 'model.compile("adam", ["mse", "mae"], loss_weights=None)' + FIT, None),
        (TWO + 'model.compile("adam", ["mse", "mae"], loss_weights=[1, 1.0])' + FIT, None),
        (ONE + 'model.compile("adam", "mse", loss_weights=[10.0])' + FIT, None),
    ],
    "loss_weights_of_a_single_output_rejected": [
        (ONE + 'model.compile("adam", "mse", loss_weights=[2.0])', "certain"),
        (ONE + 'model.compile("adam", "mse", loss_weights=2.0)', None),
        (TWO + 'model.compile("adam", "mse", loss_weights=[2.0, 1.0])', None),
    ],
    "loss_weights_with_one_loss_rejected": [
        (TWO + 'model.compile("adam", "mse", loss_weights=[10.0, 1.0])', "certain"),
        (
            TWO + 'model.compile("adam", keras.losses.Huber(), loss_weights=[9.0, 1.0])',
            "certain",
        ),
        (
            TWO + 'model.compile("adam", "mse", loss_weights={"price": 10.0, "area": 1.0})',
            "certain",
        ),
        (TWO + 'model.compile("adam", ["mse", "mae"], loss_weights=[10.0, 1.0])', None),
        (ONE + 'model.compile("adam", "mse", loss_weights=[2.0])', None),
    ],
    "list_of_losses_uses_the_first": [
        (ONE + 'model.compile("adam", loss=["mse", "mae"])', "certain"),
        (ONE + 'model.compile("adam", loss=["mse"])', None),
        (TWO + IN_A_LIST, None),
    ],
    "none_loss_moves_loss_to_other_output": [
        (TWO + 'model.compile("adam", loss=[None, "mse"])' + FIT, "certain"),
        (TWO + 'model.compile("adam", loss=["mse", None])' + FIT, None),
        (TWO + IN_A_LIST + FIT, None),
        (ONE + 'model.compile("adam", [None, "mse"])\nmodel.fit(x, y)', None),
    ],
    "misspelled_loss_weight_is_applied": [
        (
            TWO + 'model.compile("adam", "mse", loss_weights={"prize": 5.0, "area": 1.0})',
            "certain",
        ),
        (
            TWO + 'model.compile("adam", "mse", loss_weights={"price": 5.0, "area": 1.0})',
            None,
        ),
        (TWO + 'model.compile("adam", "mse", loss_weights=[5.0, 1.0])', None),
    ],
    "loss_weights_for_some_outputs_rejected": [
        (TWO + 'model.compile("adam", "mse", loss_weights={"price": 5.0})', "certain"),
        (
            TWO + 'weights = {"area": 0.5}\nmodel.compile("adam", loss_weights=weights)',
            "certain",
        ),
        (
            TWO + 'model.compile("adam", "mse", loss_weights={"price": 5.0, "area": 1.0})',
            None,
        ),
        (TWO + 'model.compile("adam", "mse", loss_weights=[5.0, 1.0])', None),
        (ONE + 'model.compile("adam", "mse", loss_weights={"price": 5.0})', None),
    ],
    "huber_delta_lost_on_reload": [
        (
            ONE
            + 'model.compile("adam", keras.losses.Huber(delta=0.25))\nmodel.save("m.keras")',
            "certain",
        ),
        (ONE + 'model.compile("adam", keras.losses.Huber())\nmodel.save("m.keras")', None),
        (
            ONE
            + 'model.compile("adam", keras.losses.Huber(delta=0.25))\nmodel.save_weights("m.weights.h5")',
            None,
        ),
    ],
}
