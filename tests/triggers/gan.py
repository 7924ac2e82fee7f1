"""GANs, and models within models."""

from __future__ import annotations

from tests.triggers import GAN, HEAD, NESTED, Cases

CLASSIC = (
    GAN
    + """
discriminator.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
discriminator.trainable = False
combined = keras.Model(z, discriminator(generator(z)))
combined.compile(loss="binary_crossentropy", optimizer="adam")
"""
)
TRAIN = """
for epoch in range(1000):
    discriminator.train_on_batch(x, real)
    discriminator.train_on_batch(generator.predict(noise), fake)
    combined.train_on_batch(noise, real)
"""
FLAGGED = """
for epoch in range(1000):
    discriminator.trainable = True
    discriminator.train_on_batch(x, real)
    discriminator.trainable = False
    combined.train_on_batch(noise, real)
"""
IN_A_CLASS = (
    HEAD
    + """
class GAN:
    def __init__(self):
        self.discriminator = self.build_discriminator()
        self.discriminator.compile(loss="binary_crossentropy", optimizer="adam")
        self.generator = self.build_generator()
        z = keras.Input(shape=(100,))
        self.discriminator.trainable = False
        self.combined = keras.models.Model(z, self.discriminator(self.generator(z)))
        self.combined.compile(loss="binary_crossentropy", optimizer="adam")

    def build_generator(self):
        model = keras.Sequential()
        model.add(layers.Dense(256, input_dim=100))
        model.add(layers.Dense(784))
        noise = keras.Input(shape=(100,))
        return keras.models.Model(noise, model(noise))

    def build_discriminator(self):
        model = keras.Sequential()
        model.add(layers.Dense(1, input_dim=784))
        img = keras.Input(shape=(784,))
        return keras.models.Model(img, model(img))

    def train(self, epochs, valid):
        for epoch in range(epochs):
            self.discriminator.train_on_batch(x, valid)
            self.combined.train_on_batch(y, valid)

if __name__ == "__main__":
    GAN().train(4000, np.ones((32, 1)))
"""
)
STEP = """
class GAN(keras.Model):
    def __init__(self, discriminator, generator):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
{more}
    def train_step(self, data):
        fakes = self.generator(data)
        loss = self.compute_loss(data, fakes)
        return {logs}

gan = GAN(discriminator, generator)
gan.compile(optimizer="adam")
gan.fit(x, epochs=3)
"""
CALL = "    def call(self, inputs):\n        return self.generator(inputs)\n"
TWO_LOGS = '{"d_loss": loss, "g_loss": loss}'
RAN = """
encoder.compile("adam", "mse")
encoder.{}(x, y)
outer.compile("adam", "mse")
encoder.{}(x, y)
"""
ENCODER = 'encoder.compile("adam", "mse"{more})\nouter.compile("adam", "mse")\n'

CASES: Cases = {
    "gan_classic_discriminator_never_learns": [
        (CLASSIC + TRAIN, "certain"),
        (IN_A_CLASS, "certain"),
        (CLASSIC + FLAGGED, None),
        (CLASSIC + "combined.train_on_batch(noise, real)", None),
        (CLASSIC + 'discriminator.compile("adam", "mse")' + TRAIN, None),
    ],
    "gan_compile_breaks_discriminator_step": [
        (CLASSIC + TRAIN, "certain"),
        (IN_A_CLASS, "certain"),
        (CLASSIC + 'discriminator.compile("adam", "mse")' + TRAIN, None),
        (
            GAN
            + 'discriminator.compile("adam", "mse")\ndiscriminator.trainable = False\ndiscriminator.train_on_batch(x, real)',
            None,
        ),
    ],
    "gan_combined_first_trains_both": [
        (
            GAN
            + """
discriminator.trainable = False
combined = keras.Model(z, discriminator(generator(z)))
combined.compile("adam", "binary_crossentropy")
discriminator.trainable = True
discriminator.compile("adam", "binary_crossentropy")
"""
            + TRAIN,
            "certain",
        ),
        (CLASSIC + TRAIN, None),
        (CLASSIC + FLAGGED, None),
    ],
    "gan_frozen_twin_freezes_discriminator": [
        (
            GAN
            + """
discriminator.compile("adam", "binary_crossentropy")
frozen = keras.Model(discriminator.inputs, discriminator.outputs)
frozen.trainable = False
combined = keras.Model(z, frozen(generator(z)))
combined.compile("adam", "binary_crossentropy")
"""
            + TRAIN,
            "certain",
        ),
        (
            GAN
            + """
discriminator.compile("adam", "binary_crossentropy")
frozen = keras.models.clone_model(discriminator)
frozen.trainable = False
combined = keras.Model(z, frozen(generator(z)))
combined.compile("adam", "binary_crossentropy")
"""
            + TRAIN,
            None,
        ),
        (CLASSIC + TRAIN, None),
    ],
    "gan_train_step_without_call_raises": [
        (GAN + STEP.format(more="", logs=TWO_LOGS), "certain"),
        (GAN + STEP.format(more="        self.built = True", logs=TWO_LOGS), None),
        (GAN + STEP.format(more=CALL, logs=TWO_LOGS), None),
    ],
    "train_step_logs_dropped_from_history": [
        (GAN + STEP.format(more=CALL, logs=TWO_LOGS), "certain"),
        (GAN + STEP.format(more=CALL, logs='{"loss": loss}'), None),
        (GAN + 'generator.compile("adam", "mse")\ngenerator.fit(x, x)', None),
    ],
    "train_step_loss_logged_as_zero": [
        (GAN + STEP.format(more=CALL, logs='{"loss": loss}'), "possible"),
        (GAN + STEP.format(more=CALL, logs=TWO_LOGS), None),
        (
            GAN
            + STEP.format(
                more=CALL + "    @property\n    def metrics(self):\n        return []\n",
                logs='{"loss": loss}',
            ),
            None,
        ),
    ],
    "outer_compile_drops_inner_loss_tracker": [
        (NESTED + ENCODER.format(more="") + "encoder.fit(x, y)", "certain"),
        (CLASSIC + TRAIN, "certain"),
        (NESTED + ENCODER.format(more="") + "outer.fit(x, x)", None),
        (NESTED + ENCODER.format(more="") + "encoder.predict(x)", None),
        (
            NESTED
            + ENCODER.format(more="")
            + 'encoder.compile("adam", "mse")\nencoder.fit(x, y)',
            None,
        ),
    ],
    "outer_compile_stops_inner_metric_reset": [
        (NESTED + RAN.format("fit", "fit"), "certain"),
        (NESTED + RAN.format("evaluate", "evaluate"), "certain"),
        # What was not traced before raises: outer_compile_drops_inner_loss_tracker.
        (NESTED + RAN.format("fit", "evaluate"), None),
        (NESTED + RAN.format("train_on_batch", "fit"), None),
        (NESTED + ENCODER.format(more="") + "encoder.fit(x, y)", None),
        (
            NESTED
            + 'encoder.compile("adam", "mse")\nencoder.fit(x, y)\nencoder.evaluate(x, y)',
            None,
        ),
        (NESTED + RAN.format("evaluate", "fit"), None),
        *(
            (
                NESTED
                + RAN.format(first, f"{between}(x, y)\nencoder.{first}").replace(
                    "encoder.compile(x, y)", 'encoder.compile("adam", "mse")'
                ),
                None,
            )
            for first, between in (
                ("fit", "compile"),
                ("fit", "evaluate"),
                ("fit", "train_on_batch"),
                ("fit", "test_on_batch"),
                ("evaluate", "compile"),
                ("evaluate", "train_on_batch"),
                ("evaluate", "test_on_batch"),
            )
        ),
        *(
            (
                NESTED
                + RAN.format(way, way).replace(
                    "outer.", "keras.Sequential([layers.Dense(1)])."
                ),
                None,
            )
            for way in ("fit", "evaluate")
        ),
        (
            NESTED
            + RAN.format("fit", "evaluate").replace(
                "fit(x, y", "fit(x, y, validation_data=(x, y)"
            ),
            "certain",
        ),
    ],
    "outer_model_reports_inner_loss": [
        (NESTED + ENCODER.format(more="") + "outer.fit(x, x)", "certain"),
        (
            NESTED
            + 'outer.compile("adam", "mse")\nencoder.compile("adam", "mse")\nouter.fit(x, x)',
            "certain",
        ),
        (NESTED + 'outer.compile("adam", "mse")\nouter.fit(x, x)', None),
        (NESTED + ENCODER.format(more="") + "encoder.fit(x, y)", None),
        (NESTED + 'encoder.compile("adam", "mse")\nouter.fit(x, x)', None),
        (
            NESTED
            + ENCODER.format(more="")
            + "keras.Sequential([layers.Dense(1)]).fit(x, y)",
            None,
        ),
        (
            NESTED
            + 'outer.compile("adam", "mse")\nother = keras.Sequential([layers.Dense(1)])\nother.compile("adam", "mse", metrics=["mae"])\nouter.fit(x, x)',
            None,
        ),
        (
            NESTED
            + 'other = keras.Sequential([layers.Dense(1)])\nother.compile("adam", "mse", metrics=["mae"])\nouter.compile("adam", "mse")\nouter.fit(x, x)',
            None,
        ),
    ],
    "inner_metrics_break_outer_training": [
        (NESTED + ENCODER.format(more=', metrics=["mae"]') + "outer.fit(x, x)", "certain"),
        (NESTED + ENCODER.format(more="") + "outer.fit(x, x)", None),
        (NESTED + ENCODER.format(more=', metrics=["mae"]') + "outer.predict(x)", None),
        (
            NESTED
            + 'encoder.compile("adam", "mse", metrics=["mae"])\nencoder.fit(x, y)\nouter.compile("adam", "mse")\nouter.fit(x, x)',
            None,
        ),
        (
            NESTED
            + 'outer.compile("adam", "mse")\nencoder.compile("adam", "mse", metrics=["mae"])\nouter.fit(x, x)',
            "certain",
        ),
        (
            NESTED
            + 'outer.compile("adam", "mse")\nencoder.compile("adam", "mse", metrics=["mae"])\nencoder.fit(x, y)\nouter.fit(x, x)',
            None,
        ),
        (
            NESTED
            + ENCODER.format(more=', metrics=["mae"]')
            + "encoder.fit(x, y)\nouter.fit(x, x)",
            None,
        ),
        (
            NESTED
            + 'outer.compile("adam", "mse")\nencoder.compile("adam", "mse")\nouter.fit(x, x)',
            None,
        ),
        (
            NESTED
            + ENCODER.format(more=', metrics=["mae"]')
            + 'other = keras.Sequential([layers.Dense(1)])\nother.compile("adam", "mse")\nother.fit(x, y)',
            None,
        ),
        (
            NESTED
            + 'outer.compile("adam", "mse")\nother = keras.Sequential([layers.Dense(1)])\nother.compile("adam", "mse", metrics=["mae"])\nouter.fit(x, x)',
            None,
        ),
        (
            NESTED
            + 'other = keras.Sequential([layers.Dense(1)])\nother.compile("adam", "mse", metrics=["mae"])\nouter.compile("adam", "mse")\nouter.fit(x, x)',
            None,
        ),
    ],
}
