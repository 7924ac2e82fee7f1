"""Train a GAN and write down what happens: a script that stands alone.

    python training.py settings.json

It needs Keras (2 or 3), NumPy and the files that the settings name, nothing of krepro. Losses and accuracies
are computed here, from what the discriminator says just before each update, not by the metrics of
Keras: those are part of what may be wrong.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

Settings = dict[str, Any]
Array = Any  # of NumPy

# What is told of an iteration, in this order.
COLUMNS = (
    "iteration",
    "real_loss",
    "generated_loss",
    "generator_loss",
    "real_accuracy",
    "generated_accuracy",
    "discriminator_change",
    "generator_change",
    "discriminator_change_in_generator_step",
    "reported_real_loss",
    "reported_generated_loss",
    "reported_generator_loss",
)
# Keras keeps a probability so far from 0 and 1.
EPSILON = 1e-7
SLOPE = 0.2
# Stands where an iteration's number stands, for what is drawn once.
FOR_SAMPLES = 2**31
STATE, HISTORY, FACTS, FINAL = "state.npz", "history.csv", "facts.json", "final.npz"
# How many images the generator makes in the end, to be judged by.
MOST_FINAL = 500
KERAS_2 = keras.__version__.startswith("2.")


# --- networks -----------------------------------------------------------------------------


def leaky() -> Any:
    """Return the activation of both networks."""
    if KERAS_2:
        return keras.layers.LeakyReLU(alpha=SLOPE)
    return keras.layers.LeakyReLU(negative_slope=SLOPE)


def near_zero() -> Any:
    """Return the initializer of the large networks."""
    return keras.initializers.RandomNormal(stddev=0.02)


def large_discriminator() -> Any:
    """Return the published discriminator of images of 28 x 28."""
    layers = [keras.Input((28, 28, 1))]
    for _ in range(2):
        convolution = keras.layers.Conv2D(
            64, 4, strides=2, padding="same", kernel_initializer=near_zero()
        )
        layers += [convolution, leaky()]
    last = keras.layers.Dense(1, activation="sigmoid", kernel_initializer=near_zero())
    return keras.Sequential([*layers, keras.layers.Flatten(), last], name="discriminator")


def large_generator(latent: int, width: float) -> Any:
    """Return the published generator of images of 28 x 28; ``width`` scales its filters."""
    filters = max(1, round(128 * width))
    layers = [
        keras.Input((latent,)),
        keras.layers.Dense(filters * 49, kernel_initializer=near_zero()),
        leaky(),
        keras.layers.Reshape((7, 7, filters)),
    ]
    for _ in range(2):
        convolution = keras.layers.Conv2DTranspose(
            filters, 4, strides=2, padding="same", kernel_initializer=near_zero()
        )
        layers += [convolution, leaky()]
    last = keras.layers.Conv2D(
        1, 7, padding="same", activation="tanh", kernel_initializer=near_zero()
    )
    return keras.Sequential([*layers, last], name="generator")


def small_discriminator() -> Any:
    """Return a discriminator of images of 8 x 8."""
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten()]
    for _ in range(2):
        layers += [keras.layers.Dense(64), leaky()]
    last = keras.layers.Dense(1, activation="sigmoid")
    return keras.Sequential([*layers, last], name="discriminator")


def small_generator(latent: int, width: float) -> Any:
    """Return a generator of images of 8 x 8; ``width`` scales its hidden layers."""
    layers = [keras.Input((latent,))]
    for _ in range(2):
        layers += [keras.layers.Dense(max(1, round(64 * width))), leaky()]
    layers += [keras.layers.Dense(64, activation="tanh"), keras.layers.Reshape((8, 8, 1))]
    return keras.Sequential(layers, name="generator")


def networks(settings: Settings) -> tuple[Any, Any]:
    """Return the discriminator and the generator, as they are before training."""
    latent, width = settings["latent"], settings["generator_width"]
    if settings["size"] == "small":
        return small_discriminator(), small_generator(latent, width)
    if keras.backend.backend() == "jax" and not KERAS_2:
        quicken_jax()
    return large_discriminator(), large_generator(latent, width)


def quicken_jax() -> None:
    """Have JAX compute a transposed convolution as plain ones, one for each phase of its strides.

    The sums are the same. On a CPU, its own takes up to a hundred times as long for the gradient for the
    kernel (https://github.com/jax-ml/jax/issues/23783). Where a phase would have another shape than
    the images, it is left as it is.
    """
    from jax import lax, numpy  # noqa: PLC0415

    given = lax.conv_transpose

    def conv_transpose(
        images: Any, kernel: Any, strides: Any, padding: Any, **named: Any
    ) -> Any:
        more = dict(named)
        dimensions = more.pop("dimension_numbers")
        dilated = np.any(np.asarray(more.pop("rhs_dilation")) != 1)
        transposed = more.pop("transpose_kernel")
        axes = lax.conv_dimension_numbers(images.shape, kernel.shape, dimensions)
        sides, others = axes.lhs_spec[2:], axes.rhs_spec[2:]
        usual = transposed and not dilated and sides == (1, 2)
        if (
            isinstance(padding, str)
            or not usual
            or any(
                (images.shape[side] - 1) * stride + 1 + sum(pads) - kernel.shape[other] + 1
                != images.shape[side] * stride
                for side, other, stride, pads in zip(
                    sides, others, strides, padding, strict=True
                )
            )
        ):
            return given(images, kernel, strides, padding, **named)
        kernel = lax.rev(kernel, others).swapaxes(*axes.rhs_spec[:2])
        phases = []
        for phase in itertools.product(*map(range, strides)):
            # The taps of the kernel that meet an image's point, not a zero between two of them.
            taps, pads = kernel, []
            for other, at, stride, (low, _) in zip(
                others, phase, strides, padding, strict=True
            ):
                first_tap = (low - at) % stride
                taps = lax.slice_in_dim(taps, first_tap, kernel.shape[other], stride, other)
                before = (low - at - first_tap) // stride
                pads.append((before, taps.shape[other] - 1 - before))
            phases.append(
                lax.conv_general_dilated(
                    images, taps, (1, 1), pads, dimension_numbers=axes, **more
                )
            )
        count, high, wide, channels = phases[0].shape
        apart = numpy.stack(phases).reshape(*strides, count, high, wide, channels)
        shape = (count, high * strides[0], wide * strides[1], channels)
        return apart.transpose(2, 3, 0, 4, 1, 5).reshape(shape)

    lax.conv_transpose = conv_transpose


# --- recipes ------------------------------------------------------------------------------


class Recipe:
    """Trains the discriminator and the generator in turn: the published recipe.

    The discriminator is compiled, then frozen, then built into the combined model, which is
    compiled: in Keras 2 the first went on to learn by itself, and stayed as it was in the other.
    """

    def __init__(self, settings: Settings) -> None:
        """Build and compile the models."""
        self.settings = settings
        self.discriminator, self.generator = networks(settings)
        self.discriminator.compile(
            optimizer=self.adam("discriminator_rate"),
            loss="binary_crossentropy",
            metrics=["accuracy"],
        )
        self.combined = self.combine()

    def adam(self, rate: str) -> Any:
        """Return an optimizer; ``rate`` is the setting that has its learning rate."""
        return keras.optimizers.Adam(
            learning_rate=self.settings[rate], beta_1=self.settings["beta_1"]
        )

    def judge(self) -> Any:
        """Return the discriminator as it stands in the combined model."""
        return self.discriminator

    def combine(self) -> Any:
        """Return the model that trains the generator."""
        judge = self.judge()
        judge.trainable = False
        self.generator.trainable = not self.settings["generator_frozen"]
        combined = keras.Sequential([self.generator, judge], name="combined")
        combined.compile(optimizer=self.adam("generator_rate"), loss="binary_crossentropy")
        return combined

    def optimizers(self) -> dict[str, Any]:
        """Return the optimizers, built for what they are to train, by name."""
        found = {}
        for name, model in (
            ("discriminator", self.discriminator),
            ("combined", self.combined),
        ):
            self.before(name)
            if not getattr(model.optimizer, "built", False):
                model.optimizer.build(model.trainable_variables)
            found[name] = model.optimizer
        return found

    def before(self, step: str) -> None:
        """Do what the recipe does before a step of "discriminator" or "combined"."""

    def train_discriminator(self, real: Array, generated: Array) -> list[float]:
        """Take the steps of the discriminator; return the losses that Keras reports."""
        self.before("discriminator")
        if self.settings["stacked"]:
            images = np.concatenate([real, generated])
            labels = np.concatenate([ones(real), zeros(generated)])
            return [first(self.discriminator.train_on_batch(images, labels))] * 2
        return [
            first(self.discriminator.train_on_batch(real, ones(real))),
            first(self.discriminator.train_on_batch(generated, zeros(generated))),
        ]

    def train_generator(self, noise: Array) -> float:
        """Take the step of the generator; return the loss that Keras reports."""
        self.before("combined")
        return first(self.combined.train_on_batch(noise, ones(noise)))


class FlagPerStep(Recipe):
    """Sets ``discriminator.trainable`` before each step."""

    def before(self, step: str) -> None:
        """Let the discriminator learn in its own steps only."""
        self.discriminator.trainable = step == "discriminator"


class FrozenTwin(Recipe):
    """Builds a second, frozen model of the discriminator's layers into the combined one."""

    def judge(self) -> Any:
        """Return a second model of the same layers."""
        return keras.Model(self.discriminator.inputs, self.discriminator.outputs)


class FrozenClone(Recipe):
    """Builds a frozen clone into the combined model, and copies weights to it before its step."""

    def judge(self) -> Any:
        """Return a model like it, with layers of its own."""
        self.clone = keras.models.clone_model(self.discriminator)
        return self.clone

    def before(self, step: str) -> None:
        """Have the clone judge as the discriminator does."""
        if step == "combined":
            self.clone.set_weights(self.discriminator.get_weights())


class Both(keras.optimizers.Optimizer):
    """Two optimizers as one: of the discriminator's variables, and of the generator's.

    JAX hands a model's ``train_step`` the variables of its one optimizer.
    """

    def __init__(self, discriminator: Any, generator: Any) -> None:
        """Take the optimizers, each with its variables."""
        super().__init__(**({"name": "both"} if KERAS_2 else {"learning_rate": 0.0}))
        self.parts = (discriminator, generator)

    @property
    def variables(self) -> list[Any]:
        """Return the variables of both."""
        return [each for optimizer, _ in self.parts for each in optimizer.variables]

    def build(self, variables: list[Any]) -> None:  # noqa: ARG002
        """Build both; ``variables`` are those of the model."""
        for optimizer, own in self.parts:
            optimizer.build(own)
        self.built = True


class Gan(keras.Model):
    """A discriminator and a generator with a ``train_step`` of their own."""

    def __init__(self, discriminator: Any, generator: Any) -> None:
        """Take the networks."""
        super().__init__(name="gan")
        self.discriminator = discriminator
        self.generator = generator
        self.loss_of = keras.losses.BinaryCrossentropy()

    def call(self, inputs: Any) -> Any:
        """Return what the discriminator says of what the generator makes of noise."""
        return self.discriminator(self.generator(inputs[1]))

    def judged(self, said: Any, label: float) -> Any:
        """Return the loss of what the discriminator says of images of one kind."""
        return self.loss_of(0.0 * said + label, said)


class TensorflowGan(Gan):
    """Of TensorFlow, with gradient tapes."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train the discriminator on both kinds of images, then the generator."""
        import tensorflow as tf  # noqa: PLC0415

        (real, noise, *halves), *_ = data
        other_noise = tf.concat(halves, axis=0)
        (discriminator, own), (generator, others) = self.optimizer.parts

        def step(optimizer: Any, variables: list[Any], loss_of: Callable[[], Any]) -> Any:
            with tf.GradientTape() as tape:
                loss = loss_of()
            gradients = tape.gradient(loss, variables)
            if KERAS_2:
                optimizer.apply_gradients(zip(gradients, variables, strict=True))
            else:
                optimizer.apply(gradients, variables)
            return loss

        generated = self.generator(noise)

        def made() -> Any:
            return self.discriminator(self.generator(other_noise))

        step(discriminator, own, lambda: self.judged(self.discriminator(real), 1.0))
        step(discriminator, own, lambda: self.judged(self.discriminator(generated), 0.0))
        loss = step(generator, others, lambda: self.judged(made(), 1.0))
        return {"loss": loss}


class TorchGan(Gan):
    """Of PyTorch, with its own gradients."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train the discriminator on both kinds of images, then the generator."""
        import torch  # noqa: PLC0415

        (real, noise, *halves), *_ = data
        other_noise = torch.cat([torch.as_tensor(half) for half in halves])
        (discriminator, own), (generator, others) = self.optimizer.parts

        def step(optimizer: Any, variables: list[Any], loss: Any) -> Any:
            gradients = torch.autograd.grad(loss, [each.value for each in variables])
            with torch.no_grad():
                optimizer.apply(list(gradients), variables)
            return loss

        with torch.no_grad():
            generated = self.generator(noise)
        step(discriminator, own, self.judged(self.discriminator(real), 1.0))
        step(discriminator, own, self.judged(self.discriminator(generated), 0.0))
        made = self.discriminator(self.generator(other_noise))
        loss = step(generator, others, self.judged(made, 1.0))
        return {"loss": loss.detach()}


class JaxGan(Gan):
    """Of JAX: a function of the state."""

    def train_step(self, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        """Train the discriminator on both kinds of images, then the generator."""
        import jax  # noqa: PLC0415

        (real, noise, *halves), *_ = data
        other_noise = jax.numpy.concatenate(halves)
        trainable, others, optimized, measured = state
        (discriminator, own), (generator, _) = self.optimizer.parts
        weights, making = trainable[: len(own)], trainable[len(own) :]
        cut = len(discriminator.variables)
        memory, memory_of_maker = optimized[:cut], optimized[cut:]

        def generate(making: Any, noise: Any) -> Any:
            return self.generator.stateless_call(making, [], noise)[0]

        def loss_of(weights: Any, images: Any, label: float) -> Any:
            said = self.discriminator.stateless_call(weights, [], images)[0]
            return self.judged(said, label)

        generated = generate(making, noise)
        for images, label in ((real, 1.0), (generated, 0.0)):
            gradients = jax.grad(loss_of)(weights, images, label)
            weights, memory = discriminator.stateless_apply(memory, gradients, weights)
        loss, gradients = jax.value_and_grad(
            lambda making: loss_of(weights, generate(making, other_noise), 1.0)
        )(making)
        making, memory_of_maker = generator.stateless_apply(
            memory_of_maker, gradients, making
        )
        state = (
            [*weights, *making],
            others,
            [*memory, *memory_of_maker],
            measured,
        )
        return {"loss": loss}, state


class TrainStep(Recipe):
    """One model with a ``train_step`` of its own: no flags, nothing compiled twice."""

    def __init__(self, settings: Settings) -> None:
        """Build and compile the one model."""
        self.settings = settings
        self.discriminator, self.generator = networks(settings)
        kinds = {"tensorflow": TensorflowGan, "torch": TorchGan, "jax": JaxGan}
        self.combined = kinds[keras.backend.backend()](self.discriminator, self.generator)
        both = Both(
            (self.adam("discriminator_rate"), self.discriminator.trainable_variables),
            (self.adam("generator_rate"), self.generator.trainable_variables),
        )
        self.combined.compile(optimizer=both)

    def optimizers(self) -> dict[str, Any]:
        """Return the one optimizer."""
        self.combined.optimizer.build([])
        return {"combined": self.combined.optimizer}

    def train_both(self, real: Array, noise: Array, other_noise: Array) -> float:
        """Take all steps at once; return the generator's loss."""
        # Keras wants as many of each.
        halves = np.split(other_noise, 2)
        return first(self.combined.train_on_batch([real, noise, *halves]))


RECIPES = {
    "classic": Recipe,
    "flag-per-step": FlagPerStep,
    "frozen-twin": FrozenTwin,
    "frozen-clone": FrozenClone,
    "train-step": TrainStep,
}


def ones(like: Array) -> Array:
    """Return labels of real images."""
    return np.ones((len(like), 1), "float32")


def zeros(like: Array) -> Array:
    """Return labels of generated images."""
    return np.zeros((len(like), 1), "float32")


def first(reported: Any) -> float:
    """Return the loss among what Keras reports."""
    values = np.ravel(np.asarray(reported, float))
    return float(values[0]) if len(values) else float("nan")


# --- training -----------------------------------------------------------------------------


def crossentropy(said: Array, label: int) -> float:
    """Return the binary crossentropy of probabilities for one label, in float64."""
    said = np.clip(np.asarray(said, float), EPSILON, 1 - EPSILON)
    return float(-np.mean(np.log(said if label else 1 - said)))


def accuracy(said: Array, label: int) -> float:
    """Return how many of some probabilities are on the side of a label."""
    return float(np.mean((np.asarray(said) > 0.5) == bool(label)))


def change(before: list[Array], after: list[Array]) -> float:
    """Return how far weights moved, relative to their size."""
    moved = sum(float(np.sum((b - a) ** 2)) for a, b in zip(before, after, strict=True))
    size = sum(float(np.sum(a.astype(float) ** 2)) for a in before)
    return float((moved / size) ** 0.5 if size else moved**0.5)


class Training:
    """A GAN in training, in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        """Build the networks, or go on where a training was."""
        self.settings = settings
        self.folder = Path(settings["folder"])
        self.images = np.load(settings["data"])["x"].astype("float32")
        keras.utils.set_random_seed(settings["seed"])
        self.recipe = RECIPES[settings["recipe"]](settings)
        self.start = self.weights()
        self.done = 0
        self.resume()

    def draw(self, number: int) -> np.random.Generator:
        """Return the random numbers of an iteration: the same ones whenever it is taken."""
        return np.random.default_rng((self.settings["seed"], number))

    def noise(self, draw: np.random.Generator, count: int) -> Array:
        """Return points of the latent space."""
        return draw.standard_normal((count, self.settings["latent"])).astype("float32")

    def generated(self, noise: Array) -> Array:
        """Return images."""
        return np.asarray(self.recipe.generator.predict_on_batch(noise))

    def said(self, images: Array) -> Array:
        """Return what the discriminator says."""
        return np.asarray(self.recipe.discriminator.predict_on_batch(images))

    def weights(self) -> list[list[Array]]:
        """Return copies of the weights of both networks."""
        recipe = self.recipe
        return [
            [np.array(weight) for weight in network.get_weights()]
            for network in (recipe.discriminator, recipe.generator)
        ]

    def iterate(self) -> tuple[float, ...]:
        """Take one iteration; return its row."""
        draw, half = self.draw(self.done), self.settings["batch"] // 2
        real = self.images[draw.integers(len(self.images), size=half)]
        noise, other_noise = self.noise(draw, half), self.noise(draw, 2 * half)
        # All three are of the networks as they are before either learns.
        images = self.generated(np.concatenate([noise, other_noise]))
        generated = images[:half]
        said = self.said(np.concatenate([real, images]))
        of_real, of_generated, of_other = np.split(said, [half, 2 * half])
        before = self.weights()
        between = None
        if isinstance(self.recipe, TrainStep):
            reported = [float("nan")] * 2
            reported.append(self.recipe.train_both(real, noise, other_noise))
        else:
            reported = list(self.recipe.train_discriminator(real, generated))
            between = self.weights()
            reported.append(self.recipe.train_generator(other_noise))
        after = self.weights()
        self.done += 1
        return (
            self.done,
            crossentropy(of_real, 1),
            crossentropy(of_generated, 0),
            crossentropy(of_other, 1),
            accuracy(of_real, 1),
            accuracy(of_generated, 0),
            change(before[0], (between or after)[0]),
            change(before[1], after[1]),
            change(between[0], after[0]) if between else float("nan"),
            *reported,
        )

    def run(self) -> None:
        """Train to the end."""
        settings = self.settings
        with (self.folder / HISTORY).open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not self.done:
                writer.writerow(COLUMNS)
                self.keep_samples()
            while self.done < settings["iterations"]:
                writer.writerow([f"{value:.9g}" for value in self.iterate()])
                file.flush()
                last = self.done == settings["iterations"]
                if self.done % settings["checkpoint"] == 0 or last:
                    os.fsync(file.fileno())
                    self.keep_samples()
                    self.keep_state()
        self.keep_final()
        self.recipe.generator.save(self.folder / "generator.keras")

    def keep_samples(self) -> None:
        """Write images from always the same points."""
        noise = self.noise(self.draw(FOR_SAMPLES), self.settings["samples"])
        written(
            self.folder / f"samples-{self.done:05d}.npy", np.save, self.generated(noise)
        )

    def keep_final(self) -> None:
        """Write what the networks came to: what D says of all images, and of new ones."""
        samples = self.generated(self.noise(self.draw(FOR_SAMPLES + 1), MOST_FINAL))
        moved = {
            f"{name}_moved": np.array(
                max(
                    float(np.max(np.abs(b - a))) for a, b in zip(before, after, strict=True)
                )
            )
            for name, before, after in zip(
                ("discriminator", "generator"), self.start, self.weights(), strict=True
            )
        }
        arrays = {
            "samples": samples,
            "of_real": self.said(self.images),
            "of_generated": self.said(samples),
            **moved,
        }
        written(self.folder / FINAL, lambda file, held: np.savez(file, **held), arrays)

    def finite(self) -> bool:
        """Whether all weights, and what the discriminator says, are finite numbers."""
        arrays = [array for network in self.weights() for array in network]
        arrays.append(self.said(self.images))
        return all(bool(np.isfinite(array).all()) for array in arrays)

    # --- going on -------------------------------------------------------------------------

    def keep_state(self) -> None:
        """Write all that the next iteration depends on."""
        arrays = {"done": np.array(self.done)}
        for name, weights in zip(("d", "g"), self.weights(), strict=True):
            arrays |= {f"{name}-{number}": each for number, each in enumerate(weights)}
        for name, optimizer in self.recipe.optimizers().items():
            for number, variable in enumerate(optimizer.variables):
                arrays[f"{name}-{number}"] = numbers_of(variable)
        written(self.folder / STATE, lambda file, held: np.savez(file, **held), arrays)

    def resume(self) -> None:
        """Go on from what was written, if anything was."""
        path, history = self.folder / STATE, self.folder / HISTORY
        if not path.exists():
            # It may have been killed before anything could be kept.
            history.unlink(missing_ok=True)
            return
        held = dict(np.load(path))
        recipe = self.recipe
        for name, network in (("d", recipe.discriminator), ("g", recipe.generator)):
            network.set_weights(numbered(held, name))
        for name, optimizer in recipe.optimizers().items():
            for variable, value in zip(
                optimizer.variables, numbered(held, name), strict=True
            ):
                variable.assign(value)
        self.done = int(held["done"])
        lines = history.read_text(encoding="utf-8").splitlines(keepends=True)
        history.write_text("".join(lines[: self.done + 1]), encoding="utf-8")


def numbers_of(variable: Any) -> Array:
    """Return the value of a variable."""
    if KERAS_2:
        return variable.numpy()
    return keras.ops.convert_to_numpy(variable.value)


def numbered(held: dict[str, Array], name: str) -> list[Array]:
    """Return the arrays of a name, in their order."""
    count = sum(key.rpartition("-")[0] == name for key in held)
    return [held[f"{name}-{number}"] for number in range(count)]


def written(path: Path, write: Callable[[Any, Any], None], value: Any) -> None:
    """Write a file whole, or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        write(file, value)
    unfinished.replace(path)


def main() -> None:
    """Train by the settings in a file, and write down how it ended."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    facts = {
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "error": "",
        "finite": True,
    }
    training = None
    try:
        training = Training(settings)
        training.run()
    except OSError:  # A disk that is full says nothing of Keras.
        raise
    except Exception as error:  # noqa: BLE001  Whatever Keras raises is a result.
        facts["error"] = f"{type(error).__name__}: {error}"
        facts["finite"] = training is None or training.finite()
        traceback.print_exc()
    facts["iterations"] = training.done if training else 0
    text = json.dumps(facts, indent=1)
    (Path(settings["folder"]) / FACTS).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
