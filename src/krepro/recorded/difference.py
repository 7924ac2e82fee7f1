"""What can differ between two runs of a script, and where in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What differs; triggers of the catalogue use the same words."""

    RAISES = "raises"
    CALLS = "calls"
    TRAINABLE = "trainable"
    STEPS = "steps"
    NAMES = "names"
    STRUCTURE = "structure"
    TRAINS = "trains"
    OPTIMIZER = "optimizer"
    WARNS = "warns"
    LOSS = "loss"
    OUTPUT_LOSSES = "output_losses"
    METRICS = "metrics"
    OUTPUTS = "outputs"
    WEIGHTS = "weights"


VALUES = (Kind.LOSS, Kind.OUTPUT_LOSSES, Kind.METRICS, Kind.OUTPUTS, Kind.WEIGHTS)


@dataclass(frozen=True)
class Place:
    """Where in a run something was seen: a call of the script, and a step inside it.

    ``phase`` is "train", "test" or "epoch", ``step`` the number of the step in its phase;
    ``when`` is its number among all steps of the call (0: the call's end).
    """

    call: int
    method: str = ""
    at: str = ""
    model: str = ""
    phase: str = ""
    step: int = 0
    when: int = 0

    @property
    def order(self) -> tuple[int, float]:
        """When it was, in the first run. A call's end comes after its steps."""
        return self.call, self.when or math.inf


@dataclass
class Difference:
    """One thing that differs; ``times`` counts where it was seen, the first is ``place``.

    ``size`` is the least relative tolerance that would let the values pass; ``follows`` says
    that the models had already come apart before; a ``detail`` is nothing to act on.
    """

    kind: Kind
    subject: str
    place: Place
    before: str
    after: str
    size: float = 0.0
    times: int = 1
    follows: bool = False
    detail: bool = False

    @property
    def of_values(self) -> bool:
        """Whether it is one of values, not of structure."""
        return self.kind in VALUES

    @property
    def order(self) -> tuple[tuple[int, float], int]:
        """Its place in the script, structure before values."""
        return self.place.order, list(Kind).index(self.kind)
