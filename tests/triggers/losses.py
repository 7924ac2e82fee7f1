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

CASES: Cases = {
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
        (TWO + IN_A_LIST + "model.fit(x, [prices, areas], sample_weight=[y, y])", None),
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
