"""What a program should do, with how far float32 may be from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from krepro.fuzz.compare import Expected, value_of, with_tolerance
from krepro.fuzz.program import Program
from krepro.fuzz.reference import predict
from krepro.fuzz.reference.words import ByRounding

# Rounding of a float32, in each operation of a noisy prediction.
FLOAT32_ROUNDING = 2.0**-24
NOISY_RUNS = 3


@dataclass(frozen=True)
class Expectation:
    """What the steps of a program should do.

    ``ended`` is why there is no more of it; ``by_rounding`` says that what comes next depends on
    how float32 rounds.
    """

    steps: tuple[Expected, ...]
    ended: str = ""
    by_rounding: bool = False


def expect(program: Program, noisy_runs: int = NOISY_RUNS) -> Expectation:
    """Return what documentation says that a program does.

    Args:
        program: the program.
        noisy_runs: how many predictions with rounding errors say how far float32 may be from
            it. With none, tolerances are the least there are: what holds within them, holds.
    """
    exact = predict(program)
    noisy = [predict(program, FLOAT32_ROUNDING, seed) for seed in range(noisy_runs)]
    steps = []
    for number, wanted in enumerate(exact):
        if any(len(each) <= number for each in noisy):
            break
        others = [each[number] for each in noisy]
        steps.append(
            Expected(
                with_tolerance(wanted.result, [other.result for other in others]),
                {
                    path: value_of(value, [other.weights[path] for other in others])
                    for path, value in wanted.weights.items()
                },
                wanted.raises,
                wanted.rules,
            )
        )
    by_rounding = isinstance(exact.ended, ByRounding)
    return Expectation(tuple(steps), str(exact.ended or ""), by_rounding)
