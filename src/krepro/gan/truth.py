"""How often the diagnosis is right: trainings judged by a rule of its own, which was written first.

The rule looks at what the networks are in the end (``final.npz``: answers to all real images and to
500 new samples, and whether weights moved since the start), not at curves, and not at the samples
that the diagnosis sees:

1. ``diverged``: a sample or an answer is not finite, or at least 95 % of all answers are within
   1e-6 of 0 or 1, where float32 leaves no gradient.
2. ``discriminator-frozen``, ``generator-frozen``: no weight differs from what it was at first.
3. ``convergence-failure``: the answers tell real images from samples (AUC of 0.99 or more), and the
   generator's loss on the new samples is 3 or more.
4. ``mode-collapse``: by the birthday paradox (Arora and Zhang, 2017), the samples come from less
   than half as many images as there are real ones. A pair is one image if it is closer than a
   quarter of the real images' median distance to their nearest one; the share of such pairs is 1 /
   the number of images behind them.
5. ``stable``: they come from more than twice as many, and at least half of the samples are as near
   to a real image as its fifth-nearest real one is (the precision of Kynkäänniemi et al., 2019).
6. Otherwise the truth is not known, and the run counts for nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt

from krepro.engine import Engine
from krepro.gan.diagnosis import VARIETY, Diagnosis, plain
from krepro.gan.history import ASIDE, LOSSES
from krepro.gan.images import digits, distances, flat
from krepro.gan.run import Run, Trained, Trainer, history_of
from krepro.gan.settings import RECIPES, SCENARIOS, SIZES, settings_of
from krepro.hunt.commands import stoppable
from krepro.project import Project
from krepro.repro import BACKENDS

Array = npt.NDArray[Any]


class Case(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """One training with what it truly is (None: not known), and what the diagnosis says.

    ``losses`` are the discriminator's and the generator's over the last third; ``variety`` is that
    of the samples; both as the diagnosis sees them, empty or None where there are none. ``last`` are
    the losses before the last iteration (D on real and on generated images, G), ``aside`` is the
    share of iterations in which the generator's step changed the discriminator.
    """

    size: str
    scenario: str
    recipe: str
    release: str
    stack: str
    seed: int
    iterations: int
    truth: str | None
    diagnosis: str
    losses: tuple[float, ...] = ()
    variety: float | None = None
    last: tuple[float, ...] = ()
    aside: float = 0.0


def truth_of(final: dict[str, Array], real: Array) -> Diagnosis | None:
    """Return what a training truly came to, by the rule above.

    Args:
        final: the arrays of ``final.npz``.
        real: the real images, shape (count, side, side, 1).
    """
    return by_answers(final) or by_samples(flat(final["samples"]), flat(real))


def by_answers(final: dict[str, Array]) -> Diagnosis | None:
    """Return what the weights and the discriminator's answers tell: points 1 to 3."""
    samples = final["samples"]
    of_real, of_generated = (
        np.ravel(final[name]).astype(float) for name in ("of_real", "of_generated")
    )
    answers = np.concatenate([of_real, of_generated])
    if not np.isfinite(answers).all() or not np.isfinite(samples).all():
        return Diagnosis.DIVERGED
    if np.mean(np.minimum(answers, 1 - answers) < 1e-6) >= 0.95:
        return Diagnosis.DIVERGED
    if final["discriminator_moved"] == 0:
        return Diagnosis.DISCRIMINATOR_FROZEN
    if final["generator_moved"] == 0:
        return Diagnosis.GENERATOR_FROZEN
    loss = -np.mean(np.log(np.clip(of_generated, 1e-7, 1)))
    if auc(of_real, of_generated) >= 0.99 and loss >= 3:
        return Diagnosis.CONVERGENCE_FAILURE
    return None


def by_samples(samples: Array, images: Array) -> Diagnosis | None:
    """Return what the samples tell: points 4 and 5."""
    within = np.sort(distances(images, images), axis=1)[:, 1:]
    apart = distances(samples, samples)[np.triu_indices(len(samples), 1)]
    same = float(np.mean(apart < 0.25 * np.median(within[:, 0])))
    if same * len(images) > 2:
        return Diagnosis.MODE_COLLAPSE
    near = (distances(samples, images) <= within[:, 4]).any(axis=1)
    varied = same * len(images) < 0.5
    return Diagnosis.STABLE if varied and near.mean() >= 0.5 else None


def auc(of_real: Array, of_generated: Array) -> float:
    """Return how often a real image is taken for real rather than a generated one."""
    above = (of_real[:, None] > of_generated).mean()
    return float(above + 0.5 * (of_real[:, None] == of_generated).mean())


def case_of(trained: Trained) -> Case:
    """Return a training as a case."""
    settings, cell = trained.run.settings, trained.run.cell
    final = trained.folder / "final.npz"
    truth: Diagnosis | None = None
    if final.is_file():
        with np.load(final) as held:
            truth = truth_of(dict(held), trained.run.images)
    elif trained.error and trained.finding.diagnosis == Diagnosis.DIVERGED:
        truth = Diagnosis.DIVERGED
    signals = {signal.name: round(signal.value, 3) for signal in trained.finding.signals}
    losses = [signals.get(plain(name)) for name in ("discriminator", "generator_loss")]
    told = history_of(trained) if trained.finding.iterations else None
    moved = told.columns.get(ASIDE) if told else None
    return Case(
        settings.size,
        settings.scenario,
        settings.recipe,
        cell.release,
        cell.stack,
        settings.seed,
        trained.finding.iterations,
        truth and truth.value,
        trained.outcome,
        tuple(loss for loss in losses if loss is not None),
        signals.get(VARIETY),
        tuple(float(f"{told[name][-1]:.6g}") for name in LOSSES) if told else (),
        0.0 if moved is None else round(float(np.mean(moved > 0)), 3),
    )


def confusion(cases: Sequence[Case]) -> list[list[str]]:
    """Return how often which truth was called what, as rows of text with a header."""
    known = [case for case in cases if case.truth]
    counts = Counter((case.truth, case.diagnosis) for case in known)
    names = [d.value for d in Diagnosis if any(d.value in pair for pair in counts)]
    names += sorted({said for _, said in counts} - set(names))
    truths = [name for name in names if any(truth == name for truth, _ in counts)]
    rows = [["truth", *names]]
    rows += [
        [truth, *(str(counts[truth, said] or "") for said in names)] for truth in truths
    ]
    return rows


def agreement(cases: Sequence[Case]) -> float:
    """Return the share of cases of known truth that are called what they are."""
    known = [case for case in cases if case.truth]
    return sum(case.truth == case.diagnosis for case in known) / max(1, len(known))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, and print the confusion table; return 1 where the diagnosis is not good."""
    parser = argparse.ArgumentParser(
        prog="python -m krepro.gan.truth", description=main.__doc__
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--recipe", action="append", choices=list(RECIPES))
    parser.add_argument("--stack", action="append", help="By default, the primary ones.")
    parser.add_argument("--release", action="append", help="A selector.  [default: newest]")
    parser.add_argument("--iterations", type=int)
    parser.add_argument(
        "--seeds", default="0-9", help="FIRST-LAST; thresholds were fixed on 100-109"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, help="Add the cases to this JSON file.")
    asked = parser.parse_args(arguments)
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    project = Project.find(Path.cwd())
    stacks = project.stacks(BACKENDS, asked.stack or ())
    versions = project.versions("quick", asked.release or ("newest",))
    cells = project.cells(versions, stacks)
    images = digits(asked.size, 8)
    kinds = list(
        itertools.product(asked.scenario or SCENARIOS, asked.recipe or ["frozen-clone"])
    )
    if not asked.scenario and not asked.recipe:
        kinds.append(("stable", "classic"))
    runs = [
        Run(
            settings_of(
                scenario,
                size=asked.size,
                recipe=recipe,
                seed=seed,
                iterations=asked.iterations,
            ),
            cell,
            images,
        )
        for scenario, recipe in kinds
        for seed in seeds
        for cell in cells
    ]
    engine = Engine.of(project, asked.jobs)
    cases: list[Case] = []
    with stoppable(engine), engine.room() as scratch:
        trainer = Trainer(engine, scratch, engine.home.gan)
        for trained in trainer.train_all(runs, asked.jobs):
            if trained.trouble:
                click.echo(f"? {trained.run}: {trained.trouble}", err=True)
                continue
            case = case_of(trained)
            cases.append(case)
            mark = "  " if case.truth in {None, case.diagnosis} else "! "
            told = f"{mark}{trained.run}: {case.diagnosis}, truly {case.truth}"
            click.echo(told, err=True)
    if asked.output:
        held = read_cases(asked.output) if asked.output.is_file() else []
        fresh = {identity(case): case for case in [*held, *cases]}
        write_cases(asked.output, sorted(fresh.values()))
    for row in confusion(cases):
        click.echo("  ".join(f"{text:>20}" for text in row))
    share = agreement(cases)
    click.echo(f"{share:.1%} of {sum(case.truth is not None for case in cases)} agree")
    return 0 if share >= 0.95 else 1


def identity(case: Case) -> tuple[str, str, str, str, str, int]:
    """Return what a case is a case of."""
    return case.size, case.scenario, case.recipe, case.release, case.stack, case.seed


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file."""
    return msgspec.convert(
        json.loads(path.read_text(encoding="utf-8"))["cases"], list[Case]
    )


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write cases, a line each."""
    lines = ",\n".join(json.dumps(msgspec.to_builtins(case)) for case in cases)
    path.write_text(f'{{"schema": 1, "cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
