# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "trainable: a frozen twin model on the discriminator's layers freezes both"
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
#   "inner.compile()",
#   "model = keras.Model(inputs=_, outputs=_)",
#   "model.trainable = False",
#   "not inner.trainable = True",
#   "trains(inner)",
# ]
# where = [
#   "any(x in inner for x in layers(model))",
#   "model not in inner",
#   "inner not in model",
# ]
# shows = ["trains", "weights"]
# ///
"""`twin = Model(D.inputs, D.outputs); twin.trainable = False` freezes D too.

A second model on the same layers, frozen and built into the GAN in place of D, is an
old way to keep D itself trainable (issue 8585). Setting the flag of a model sets it
on its layers, as the guide says, and the twin shares them with D. That did no harm
where a compiled model kept its flags, in Keras 2. In Keras 3 D follows the flags of
its layers and its own step trains nothing, in any release, on any backend, though
`D.trainable` still reads True.
"""

import unittest

import keras
import numpy as np

X = np.array([[1.0, 0.5], [0.25, 1.0]], "float32")
NOISE = np.array([[1.0, -1.0], [0.5, 0.25]], "float32")
REAL = np.ones((2, 1), "float32")
FAKE = np.zeros((2, 1), "float32")


def networks():
    dense = keras.layers.Dense
    generator = keras.Sequential(
        [keras.Input((2,)), dense(2, use_bias=False, kernel_initializer="ones")]
    )
    discriminator = keras.Sequential(
        [keras.Input((2,)), dense(1, use_bias=False, kernel_initializer="ones")]
    )
    return generator, discriminator


def compiled_gan(generator, judge):
    judge.trainable = False
    noise = keras.Input((2,))
    combined = keras.Model(noise, judge(generator(noise)))
    combined.compile(optimizer="sgd", loss="mse")
    return combined


def trained_by(model, x, y, *parts):
    """Train a step; tell which of the parts changed."""
    before = [part.get_weights() for part in parts]
    model.train_on_batch(x, y)
    return [
        any(map(np.any, map(np.not_equal, part.get_weights(), weights)))
        for part, weights in zip(parts, before, strict=True)
    ]


def test_discriminator_learns_beside_its_twin():
    """D was trainable when it was compiled, so its own step trains it."""
    generator, discriminator = networks()
    discriminator.compile(optimizer="sgd", loss="mse")
    twin = keras.Model(discriminator.inputs, discriminator.outputs)
    compiled_gan(generator, twin)
    (learned,) = trained_by(discriminator, X, REAL, discriminator)
    assert learned, "the discriminator's own step left it as it was"


def workaround_clone_with_copied_weights():
    """Build a frozen clone into the GAN; copy D's weights to it before G's step."""
    generator, discriminator = networks()
    discriminator.compile(optimizer="sgd", loss="mse")
    clone = keras.models.clone_model(discriminator)
    combined = compiled_gan(generator, clone)
    for _ in range(2):
        (learned,) = trained_by(discriminator, X, REAL, discriminator)
        assert learned, "the discriminator's own step left it as it was"
        clone.set_weights(discriminator.get_weights())
        learned = trained_by(combined, NOISE, REAL, generator, discriminator, clone)
        assert learned == [True, False, False], f"[G, D, clone] changed: {learned}"


class ReverseGradient(keras.layers.Layer):
    """Hand on the values; turn the gradient round."""

    def call(self, x):
        return keras.ops.stop_gradient(2 * x) - x


def workaround_gradient_reversal():
    """One model, one step, no flag: G gets D's loss with the sign changed."""
    if not hasattr(keras, "ops"):
        raise unittest.SkipTest("Keras 2 has no keras.ops")
    generator, discriminator = networks()
    real, noise = keras.Input((2,)), keras.Input((2,))
    fake = ReverseGradient()(generator(noise))
    gan = keras.Model([real, noise], [discriminator(real), discriminator(fake)])
    gan.compile(optimizer="sgd", loss=["mse", "mse"])
    learned = trained_by(gan, [X, NOISE], [REAL, FAKE], generator, discriminator)
    assert learned == [True, True], f"the step trained [G, D]: {learned}"


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
