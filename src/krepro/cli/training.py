"""The command that trains: GANs, to see what becomes of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import click

from krepro import engine
from krepro.cli.common import P, R, in_cells, reporting, require, writing
from krepro.gan.settings import RECIPES, SCENARIOS, SIZES


def named(
    option: str, names: str, default: str, known: Collection[str]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return an option that takes some of the known names."""
    return click.option(
        option,
        names,
        multiple=True,
        default=[default],
        metavar="NAME",
        show_default=True,
        help=f"One of {', '.join(known)}; several may be given.",
    )


@click.command(name="gan")
@named("--scenario", "scenarios", "stable", SCENARIOS)
@named("--recipe", "recipes", "frozen-clone", RECIPES)
@in_cells("Several may be given.  [default: torch]")
@click.option(
    "-s", "--stack", "stack_names", multiple=True, help="Stacks instead of backends."
)
@click.option(
    "--seed",
    "seeds",
    type=click.IntRange(0),
    multiple=True,
    default=[0],
    show_default=True,
    help="Several may be given.",
)
@click.option(
    "--iterations",
    type=click.IntRange(1),
    help="How many.  [default: 450; 800 with --size small]",
)
@click.option("--size", type=click.Choice(SIZES), default="full", show_default=True)
@click.option(
    "--data",
    default="digits",
    metavar="digits|mnist|PATH.npz",
    show_default=True,
    help="Real images: those of scikit-learn, MNIST by Keras' loader, or your own.",
)
@click.option(
    "--digit", type=int, default=8, show_default=True, help="Which class of them."
)
@click.option(
    "--diagnose",
    "history",
    type=click.Path(path_type=Path),
    metavar="HISTORY",
    help="Train nothing: say what a .csv, .json or .npz file of losses tells.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    help="With --diagnose: generated images (.npy), to be compared with --data PATH.npz.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=6 * 3600.0,
    show_default=True,
    help="Seconds for one training.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("--anew", is_flag=True, help="Train again what was trained before.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the runs' folders are to be; by default in krepro's cache folder.",
)
@click.option("--pictures/--no-pictures", default=True, help="Draw them.  [default: yes]")
@writing("text", "json", "markdown")
@reporting
def gan_command(**options: Any) -> None:
    r"""Train a GAN on a release of Keras, and say what became of it; or judge your own.

    The experiment is the published DCGAN of one digit; a scenario departs from it, a recipe is a
    way to train both networks in turn. The diagnosis has its numbers, curves and samples. The same
    command goes on where it was stopped.

    Exit code: 0 stable; 1 another diagnosis, or Keras raised; 3 undecided, or not at its end.

    \b
    Examples:
      krepro gan --size small --recipe classic
      krepro gan --scenario mode-collapse -r 3.8.0 -b tensorflow
      krepro gan --size small --recipe classic --recipe train-step -b torch -b jax
      krepro gan --diagnose history.csv --samples samples.npy --data images.npz
    """
    needed = ["numpy"]
    if options["history"] is None:
        needed += ["matplotlib"] if options["pictures"] else []
        needed += ["sklearn"] if options["data"] == "digits" else []
    require("gan", *needed)
    from krepro.gan import command as gans  # noqa: PLC0415  Its dependencies are optional.

    sys.exit(gans.gan(gans.Asked(**options)))
