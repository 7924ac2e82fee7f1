# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "trainable: the classic GAN recipe never trains its discriminator"
# kind = "silent"
# area = "gan"
# issues = [8585, 20474]
# docs = [
#   "https://keras.io/getting_started/faq/",
#   "https://keras.io/guides/transfer_learning/",
# ]
# symptom = "AttributeError: 'NoneType' object has no attribute 'update_state'"
# affected = ">=3.0.0"
# keras2 = "unaffected"
# works = {workaround_set_the_flag_before_each_step = [">=3.0.0,<3.6.0", ">=3.8.0"]}
#
# [[tool.krepro.trigger]]
# code = [
#   "inner.compile()",
#   "inner.trainable = False",
#   "model.compile()",
#   "not inner.compile()",
#   "not inner.trainable = True",
#   "trains(inner)",
# ]
# where = ["inner in model"]
# shows = ["raises", "trains", "weights"]
# ///
"""Compile D, freeze D, compile G+D, train in turn: D does not learn in Keras 3.

The FAQ explains this very recipe (the page was written for Keras 2; the transfer
learning guide of Keras 3 has the same rule): each model keeps the flags it was
compiled with, so D learns in its own step and stands still in the generator's step.
Existing GANs rely on it (eriklindernoren/Keras-GAN, issues 22 and 73). Measured: in no
release of Keras 3, on no backend, does D's step change D: it follows the flag, which
is False. Losses come out finite, the generator learns against a discriminator that
stays as it was initialized, nothing warns. In 3.6.0 and 3.7.0 D's step raises instead,
because compiling the outer model dropped D's loss tracker (issue 20474). In Keras 2
the recipe works.
"""

import keras
import numpy as np

X = np.array([[1.0, 0.5], [0.25, 1.0]], "float32")
NOISE = np.array([[1.0, -1.0], [0.5, 0.25]], "float32")
REAL = np.ones((2, 1), "float32")


def classic_recipe():
    dense = keras.layers.Dense
    generator = keras.Sequential([keras.Input((2,)), dense(2, kernel_initializer="ones")])
    discriminator = keras.Sequential(
        [keras.Input((2,)), dense(1, "sigmoid", kernel_initializer="ones")]
    )
    discriminator.compile(optimizer="sgd", loss="binary_crossentropy")
    discriminator.trainable = False
    noise = keras.Input((2,))
    combined = keras.Model(noise, discriminator(generator(noise)))
    combined.compile(optimizer="sgd", loss="binary_crossentropy")
    return generator, discriminator, combined


def trained_by(model, x, y, *parts):
    """Train a step; tell which of the parts changed."""
    before = [part.get_weights() for part in parts]
    model.train_on_batch(x, y)
    return [
        any(map(np.any, map(np.not_equal, part.get_weights(), weights)))
        for part, weights in zip(parts, before, strict=True)
    ]


def test_discriminator_learns_in_its_own_step():
    """D was trainable when it was compiled, so its step trains it."""
    _, discriminator, _ = classic_recipe()
    (learned,) = trained_by(discriminator, X, REAL, discriminator)
    assert learned, "the discriminator's own step left it as it was"


def workaround_set_the_flag_before_each_step():
    """D.trainable = True before each step of D, False before each step of G+D."""
    generator, discriminator, combined = classic_recipe()
    for _ in range(2):
        discriminator.trainable = True
        (learned,) = trained_by(discriminator, X, REAL, discriminator)
        assert learned, "the discriminator's own step left it as it was"
        discriminator.trainable = False
        learned = trained_by(combined, NOISE, REAL, generator, discriminator)
        assert learned == [True, False], f"G's step trained [G, D]: {learned}"


if __name__ == "__main__":
    import sys
    import unittest

    for name, function in list(globals().items()):
        if name.startswith("test_"):
            try:
                function()
            except unittest.SkipTest as reason:
                sys.exit(print(f"{name}: not applicable: {reason}") or 125)
            print(f"{name}: as promised")
