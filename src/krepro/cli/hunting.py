"""Commands that hunt: for the release, the change, and for bugs nobody wrote down."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from krepro import engine
from krepro.cli import completion
from krepro.cli.common import in_cells, reporting, require, searching, writing
from krepro.hunt import commands as searches
from krepro.hunt import culprit as culprits


@click.command(name="bisect")
@click.argument("target", shell_complete=completion.repros)
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@searching
@click.option("--good", multiple=True, metavar="SELECTOR", help="Said to be good.")
@click.option("--bad", multiple=True, metavar="SELECTOR", help="Said to be bad.")
@click.option("--find-fix", is_flag=True, help="Only where it was fixed.")
@click.option(
    "--sweep/--no-sweep",
    default=None,
    help="Measure every release; by default where that takes less than a minute.",
)
@click.option(
    "-r",
    "--releases",
    multiple=True,
    metavar="SELECTOR",
    help="Only among these: a version, a specifier, A..B.",
)
@click.option("--repeat", type=click.IntRange(1), default=1, help="Runs that vote.")
@click.option(
    "--git",
    "clone",
    type=click.Path(path_type=Path),
    help="A clone of Keras: go on to the commit.",
)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def bisect_command(**options: Any) -> None:
    r"""Find the releases that a script or repro misbehaves on: first bad, first fixed.

    What counts is a named symptom: --expect, or by default what the bad end shows. Everything
    measured is kept: the same command goes on where it was stopped.

    \b
    Examples:
      krepro bisect train.py
      krepro bisect train.py --bad 3.6.0 -b jax -- --epochs 1
      krepro bisect train.py --expect 'output:loss: nan' --good 3.3.3 --bad 3.8.0
      krepro bisect outer_compile_drops_inner_loss_tracker --git ~/keras
    """
    searches.bisect(**options)


@click.command(name="culprit")
@click.argument("target", shell_complete=completion.repros)
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@searching
@click.option("--good", default="", metavar="RELEASE", help="Without the symptom.")
@click.option("--bad", default="", metavar="RELEASE", help="With it.")
@click.option(
    "--direction",
    "directions",
    multiple=True,
    type=click.Choice(culprits.DIRECTIONS),
    help="What brought it in, or what took it out; both by default.",
)
@click.option(
    "--git",
    "clone",
    type=click.Path(path_type=Path),
    help="A clone of Keras: --good and --bad are commits of it.",
)
@click.option("--store", is_flag=True, help="Keep the answer beside the catalogue entry.")
@click.option("--explain", is_flag=True, help="Say what each hunk is needed for.")
@click.option(
    "-f", "--format", "form", type=click.Choice(["text", "json", "diff"]), default="text"
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def culprit_command(**options: Any) -> None:
    r"""Find the few lines of Keras that brought a bug in, and the few that took it out.

    Between two releases (by default, every two neighbours that differ) a smallest set of
    changes is searched that turns the one into the other, by running mixtures of both. The
    second answer is a backport: a patch that mends the bad release.

    Exit code: 0 found, and the patch does what it should on every backend that turns there;
    1 it does not on one of them; 3 nothing was found.

    \b
    Examples:
      krepro culprit train.py --good 3.5.0 --bad 3.6.0 -b jax
      krepro culprit outer_compile_drops_inner_loss_tracker --explain
      krepro culprit train.py --format diff -o backport.patch --direction fixed
    """
    searches.culprit(**options)


@click.command(name="fuzz")
@in_cells("By default, all of them.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long.")
@click.option("--examples", type=click.IntRange(1), help="How many programs.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--profile",
    type=click.Choice(["smoke", "ci", "deep"]),
    default="ci",
    show_default=True,
    help="smoke: 60 programs; ci: 5 minutes; deep: 30 minutes.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds for one program.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("--anew", is_flag=True, help="Start from the first program again.")
@writing("text", "json", "markdown")
@reporting
def fuzz_command(**options: Any) -> None:
    r"""Look for bugs that nobody wrote down: draw programs, and hold Keras to its documentation.

    Each program builds models, compiles, trains, saves. What it does is predicted from the
    documentation, in float64, and compared. What the catalogue knows is counted; what it does
    not is made as small as it goes and written as a repro. The same command goes on where it was.

    Exit code: 0 nothing new; 1 findings; 3 a cell could not be tested, or it was stopped.

    \b
    Examples:
      krepro fuzz --profile smoke -b torch
      krepro fuzz -r 3.5.0 -r 3.6.0 --minutes 5
      krepro fuzz --seed 7 --examples 2000 -f json -o hunt.json
    """
    require("fuzz", "autograd", "hypothesis", "numpy")
    from krepro.fuzz import command as hunts  # noqa: PLC0415  Its dependencies are optional.

    sys.exit(hunts.fuzz(hunts.Asked(**options)))
