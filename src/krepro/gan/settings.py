"""What a training of a GAN is: the published experiment, and scenarios that depart from it."""

from __future__ import annotations

from typing import Literal

import msgspec

from krepro.project import SelectionError

Size = Literal["full", "small"]
SIZES: tuple[Size, ...] = ("full", "small")
RECIPES = {
    "classic": "compile D, freeze it, compile G and D combined: as published for Keras 2",
    "flag-per-step": "classic, with D.trainable set before each step",
    "frozen-twin": "the combined model has a second, frozen model of D's own layers",
    "frozen-clone": "the combined model has a frozen clone of D, with its weights copied",
    "train-step": "one Model subclass with a train_step of its own",
}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a training depends on besides its cell and its images.

    Rates are Adam's learning rates. ``batch`` images train the discriminator in an iteration, half
    of them real; ``stacked``: in one step instead of one for each half. ``generator_width`` scales
    the generator's hidden layers. ``samples`` images are kept every ``checkpoint`` iterations.
    """

    scenario: str = "stable"
    recipe: str = "frozen-clone"
    size: Size = "full"
    seed: int = 0
    iterations: int = 450
    checkpoint: int = 50
    batch: int = 128
    latent: int = 50
    discriminator_rate: float = 2e-4
    generator_rate: float = 2e-4
    beta_1: float = 0.5
    stacked: bool = False
    generator_width: float = 1.0
    generator_frozen: bool = False
    samples: int = 100


SMALL = {
    "size": "small",
    "iterations": 800,
    "checkpoint": 100,
    "batch": 64,
    "latent": 10,
    "discriminator_rate": 1e-3,
    "generator_rate": 1e-3,
}


class Scenario(msgspec.Struct, frozen=True):
    """A way to depart from the experiment; ``small`` says what is other for small images.

    The rates are factors of the experiment's.
    """

    about: str
    changes: dict[str, float | bool] = {}
    small: dict[str, float | bool] = {}


SCENARIOS = {
    "stable": Scenario("the published experiment"),
    "mode-collapse": Scenario("a latent space of one dimension", {"latent": 1}),
    "convergence-failure": Scenario(
        "real and generated images in one batch of the discriminator", {"stacked": True}
    ),
    "aggressive": Scenario(
        "Adam as it is by default",
        {"discriminator_rate": 5.0, "generator_rate": 5.0, "beta_1": 0.9},
        {"discriminator_rate": 1.0, "generator_rate": 1.0},
    ),
    "slow-discriminator": Scenario(
        "a discriminator that learns twenty times slower than the generator",
        {"discriminator_rate": 0.1, "generator_rate": 2.0},
    ),
    "fast-discriminator": Scenario(
        "a discriminator that learns thirty times faster than the generator",
        {"discriminator_rate": 3.0, "generator_rate": 0.1},
    ),
    "starved-generator": Scenario(
        "a generator with one unit, or filter, in each hidden layer",
        {"generator_width": 0.001},
    ),
    "frozen-generator": Scenario(
        "a generator that was frozen by mistake", {"generator_frozen": True}
    ),
    "huge-rates": Scenario(
        "learning rates that are a thousand times too high",
        {"discriminator_rate": 1e3, "generator_rate": 1e3},
    ),
}


def settings_of(
    scenario: str = "stable",
    *,
    size: Size = "full",
    recipe: str = "frozen-clone",
    seed: int = 0,
    iterations: int | None = None,
) -> Settings:
    """Return the settings of a scenario.

    Args:
        scenario: one of ``SCENARIOS``.
        size: "full" (28 x 28, convolutions) or "small" (8 x 8, dense).
        recipe: one of ``RECIPES``.
        seed: of all that is drawn.
        iterations: how many; by default, those of the experiment.

    Raises:
        SelectionError: there is no such scenario or recipe, or the recipe cannot show it.
    """
    for kind, name, known in (
        ("scenario", scenario, SCENARIOS),
        ("recipe", recipe, RECIPES),
    ):
        if name not in known:
            raise SelectionError(f"unknown {kind} {name!r}: one of {', '.join(known)}")
    entry = SCENARIOS[scenario]
    found = Settings() if size == "full" else msgspec.convert(SMALL, Settings)
    changes = {**entry.changes, **(entry.small if size == "small" else {})}
    for name, value in changes.items():
        held = getattr(found, name)
        changed = held * value if name.endswith("_rate") else value
        found = msgspec.structs.replace(found, **{name: changed})
    if found.generator_frozen and recipe == "train-step":
        raise SelectionError(
            f"{scenario} is a mistake with a flag, and the recipe train-step has none: "
            "take another recipe"
        )
    return msgspec.structs.replace(
        found,
        scenario=scenario,
        recipe=recipe,
        seed=seed,
        iterations=found.iterations if iterations is None else iterations,
    )
