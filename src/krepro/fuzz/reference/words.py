"""What a prediction is made of, and what goes with every computation."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from krepro.fuzz.reference.rule import Rule

Array = Any  # of NumPy, or what autograd puts in its place


class Silent(enum.Enum):
    """What stands where the documentation does not say."""

    SILENT = "silent"

    def __repr__(self) -> str:
        return "SILENT"


SILENT = Silent.SILENT


class Undefined(Exception):
    """The documentation does not say what happens."""

    @property
    def reason(self) -> str:
        """Return what it does not say."""
        return str(self)


class ByRounding(Undefined):
    """What happens depends on how float32 rounds: no two backends need agree."""


class Raised(Exception):
    """The step is documented to raise."""


@dataclass(frozen=True)
class Prediction:
    """What one step must do.

    ``result`` is encoded as a run's is. SILENT stands for what the documentation does not say;
    ``"partial": True`` in a dictionary or a list says that there may be more entries than those
    given, in a dictionary anywhere, in a list after them.
    """

    result: object
    weights: dict[str, Any]
    rules: tuple[str, ...]
    raises: bool = False


class Predictions(list[Prediction]):
    """Predictions of the first steps; ``ended`` is why there is none of the next one."""

    ended: Undefined | None = None


@dataclass
class Computation:
    """Rounding, as noise, and the rules that were used."""

    noise: float = 0.0
    random: np.random.Generator = field(default_factory=np.random.default_rng)
    used: dict[str, None] = field(default_factory=dict)

    def use(self, *rules: Rule) -> None:
        """Note that rules were used."""
        for rule in rules:
            self.used[rule.id] = None

    def rounded(self, value: Array) -> Array:
        """Return a value as if it had been rounded; 0 stays 0."""
        if not self.noise:
            return value
        return value * (1.0 + self.noise * self.random.standard_normal(np.shape(value)))
