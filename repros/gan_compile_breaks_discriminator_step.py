# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.train_on_batch: the discriminator of a compiled GAN cannot take a step"
# kind = "crash"
# area = "gan"
# issues = [20474]
# introduced = 20197
# fixed = 20602
# docs = ["https://keras.io/api/models/model_training_apis/"]
# symptom = "AttributeError: 'NoneType' object has no attribute 'update_state'"
# affected = ">=3.6.0,<3.8.0"
# keras2 = "unaffected"
# works = {workaround_set_trainable_last = [">=3.0.0,<3.6.0", ">=3.8.0"]}
#
# [[tool.krepro.trigger]]
# code = [
#   "inner.compile()",
#   "inner.trainable = False",
#   "model.compile()",
#   "not inner.compile()",
#   "inner.train_on_batch()",
# ]
# where = ["inner in model"]
# shows = ["raises"]
# ///
"""The classic GAN recipe stops at the first step of the discriminator.

Compile the discriminator, set its `trainable` to `False`, compile the combined model of
generator and discriminator, then call `train_on_batch` on each in turn: the first call
raises an AttributeError. `compile()` configures the model it is called on (its
docstring says so), so the discriminator should be able to take a step and report its
own loss.

Measured: 3.6.0 and 3.7.0, all backends. Compiling the combined model first is a way
around the crash, on all backends. Setting `trainable` last is said to be one too: it is
not, it fails in the same way, because it is the second `compile()` that does the harm.
This repro is about the crash and the reported loss only; whether the recipe's
discriminator *learns* is another matter.
"""

import keras
import numpy as np

NOISE = np.ones((4, 2), "float32")
REAL = np.ones((4, 2), "float32")
VALID = np.ones((4, 1), "float32")
# The discriminator's kernel and bias are zero: it answers 0.5 to everything.
PROMISED_LOSS = -np.log(0.5)


def parts():
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    discriminator = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(1, activation="sigmoid", kernel_initializer="zeros"),
        ]
    )
    noise = keras.Input((2,))
    combined = keras.Model(noise, discriminator(generator(noise)))
    return discriminator, combined


def assert_discriminator_takes_a_step(discriminator):
    loss = float(discriminator.train_on_batch(REAL, VALID))
    np.testing.assert_allclose(
        loss, PROMISED_LOSS, rtol=1e-5, err_msg="loss of the discriminator's first step"
    )


def test_discriminator_takes_a_step_after_the_combined_model_was_compiled():
    """Both models of a GAN can be trained in turn once both are compiled."""
    discriminator, combined = parts()
    discriminator.compile("sgd", "binary_crossentropy", run_eagerly=True)
    discriminator.trainable = False
    combined.compile("sgd", "binary_crossentropy", run_eagerly=True)
    assert_discriminator_takes_a_step(discriminator)


def workaround_compile_the_combined_model_first():
    """Compile the combined model while D is frozen, then thaw and compile D."""
    discriminator, combined = parts()
    discriminator.trainable = False
    combined.compile("sgd", "binary_crossentropy", run_eagerly=True)
    discriminator.trainable = True
    discriminator.compile("sgd", "binary_crossentropy", run_eagerly=True)
    assert_discriminator_takes_a_step(discriminator)


def workaround_set_trainable_last():
    """Compile both models, and only then set `trainable` (it does not help)."""
    discriminator, combined = parts()
    discriminator.compile("sgd", "binary_crossentropy", run_eagerly=True)
    combined.compile("sgd", "binary_crossentropy", run_eagerly=True)
    discriminator.trainable = False
    assert_discriminator_takes_a_step(discriminator)


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
