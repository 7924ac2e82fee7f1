"""Where documentation is silent: what cells did, held to what another cell did. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from packaging.version import Version

from krepro.fuzz.compare import Divergence, Expected, Value, first_divergence
from krepro.fuzz.program import Step
from krepro.matrix import Cell

# Two float32 computations of a few steps, in other orders of summation.
RELATIVE, ABSOLUTE = 1e-3, 1e-4
# Of two backends, the one that the other is held to.
BACKENDS = ("tensorflow", "torch", "jax")


def disagreements(
    steps: Sequence[Step], seen: Mapping[Cell, Sequence[Mapping[str, Any]]], known: int
) -> dict[Cell, Divergence]:
    """Return where cells did otherwise than the one they are held to: the newest release.

    Args:
        steps: those of the program.
        seen: what each cell told, for the building and each step.
        known: of how many of these documentation tells what happens; those are left out.
    """
    if len(seen) < 2:
        return {}
    base = min(seen, key=order)
    expected = [expected_from(told) for told in seen[base]]
    found = {}
    for cell, told in seen.items():
        if cell == base:
            continue
        divergence = first_divergence(steps, expected, told)
        if divergence is not None and divergence.step + 1 >= known:
            found[cell] = replace(divergence, oracle=str(base))
    return found


def order(cell: Cell) -> tuple[Any, ...]:
    """Return the order in which cells are what others are held to."""
    release = Version(cell.release)
    backend = next((b for b in BACKENDS if cell.stack.startswith(b)), cell.stack)
    number = BACKENDS.index(backend) if backend in BACKENDS else len(BACKENDS)
    return tuple(-part for part in release.release), number


def expected_from(told: Mapping[str, Any]) -> Expected:
    """Return what one cell told of a step as what another one should."""
    if told["ending"] == "raised":
        return Expected(None, {}, raises=True)
    weights = {
        path: value(np.asarray(held["array"], float))
        for path, held in told["weights"].items()
    }
    return Expected(leaves_as_values(told["result"]), weights)


def leaves_as_values(seen: Any) -> Any:
    """Return a result with a ``Value`` at each number and array."""
    if isinstance(seen, int | float) and not isinstance(seen, bool):
        return value(np.asarray(seen, float))
    if not isinstance(seen, dict) or "other" in seen:
        return seen
    (form, held), *_ = seen.items()
    if form == "array":
        return {form: value(np.asarray(held, float))}
    if form == "dict":
        return {form: [[key, leaves_as_values(item)] for key, item in held]}
    return {form: [leaves_as_values(item) for item in held]}


def value(array: Any) -> Value:
    """Return an array with how far another cell's may be from it."""
    return Value(array, RELATIVE * np.abs(array) + ABSOLUTE)
