# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "trainable: a GAN compiled in the other order trains D in G's step too"
# kind = "silent"
# area = "gan"
# issues = [8585]
# docs = [
#   "https://keras.io/getting_started/faq/",
#   "https://keras.io/guides/transfer_learning/",
# ]
# affected = ">=3.0.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "inner.trainable = False",
#   "model.compile()",
#   "not model.compile()",
#   "inner.trainable = True",
#   "not inner.trainable = False",
#   "not model.compile()",
#   "trains(model)",
# ]
# where = ["inner in model"]
# shows = ["trains", "weights"]
# ///
"""Compile G+D with D frozen, then unfreeze and compile D: G's step trains D as well.

It is the classic recipe in the other order, tried as a way around
gan_classic_discriminator_never_learns, and D does learn in its own step. But
the combined model follows the flag of today, not the one it was compiled with: the
generator's step, whose labels call fakes real, trains the discriminator to believe
it. The FAQ promises that both models keep the flags of their own `compile()`.
Measured: every release of Keras 3, all backends; Keras 2 keeps the promise.
"""

import keras
import numpy as np

X = np.array([[1.0, 0.5], [0.25, 1.0]], "float32")
NOISE = np.array([[1.0, -1.0], [0.5, 0.25]], "float32")
REAL = np.ones((2, 1), "float32")


def build():
    dense = keras.layers.Dense
    generator = keras.Sequential([keras.Input((2,)), dense(2, kernel_initializer="ones")])
    discriminator = keras.Sequential(
        [keras.Input((2,)), dense(1, "sigmoid", kernel_initializer="ones")]
    )
    noise = keras.Input((2,))
    combined = keras.Model(noise, discriminator(generator(noise)))
    return generator, discriminator, combined


def compile_with_flag(model, discriminator, trainable, optimizer="sgd"):
    discriminator.trainable = trainable
    model.compile(optimizer=optimizer, loss="binary_crossentropy")


def trained_by(model, x, *parts):
    """Train a step; tell which of the parts changed."""
    before = [part.get_weights() for part in parts]
    model.train_on_batch(x, REAL)
    return [
        any(map(np.any, map(np.not_equal, part.get_weights(), weights)))
        for part, weights in zip(parts, before, strict=True)
    ]


def test_generator_step_leaves_discriminator_alone():
    """D was frozen when G+D was compiled, so G's step changes G only."""
    generator, discriminator, combined = build()
    compile_with_flag(combined, discriminator, trainable=False)
    compile_with_flag(discriminator, discriminator, trainable=True)
    learned = trained_by(combined, NOISE, generator, discriminator)
    assert learned == [True, False], f"G's step trained [G, D]: {learned}"


def workaround_compile_before_each_step():
    """Set the flag and compile anew each time; the optimizer in use may stay."""
    generator, discriminator, combined = build()
    d_optimizer = keras.optimizers.SGD()
    compile_with_flag(discriminator, discriminator, True, d_optimizer)
    assert trained_by(discriminator, X, discriminator) == [True]
    compile_with_flag(combined, discriminator, trainable=False)
    learned = trained_by(combined, NOISE, generator, discriminator)
    assert learned == [True, False], f"G's step trained [G, D]: {learned}"
    compile_with_flag(discriminator, discriminator, True, d_optimizer)
    assert trained_by(discriminator, X, discriminator) == [True]


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
