"""The command that tells what an upgrade changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from krepro import engine
from krepro.cli.common import reporting
from krepro.upgrade import command as upgrades


@click.command(name="upgrade")
@click.argument("script", default="")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@click.option("--from", "old", required=True, metavar="RELEASE[@BACKEND]")
@click.option("--to", "new", default="", metavar="RELEASE[@BACKEND]")
@click.option("--any", "every", is_flag=True, help="Rank every release as a goal.")
@click.option("--module", is_flag=True, help="SCRIPT is a module, as with python -m.")
@click.option(
    "--scan",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Files, folders and notebooks to look at; by default the script and its modules.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=None,
    help="End each training early, after so many steps.",
)
@click.option(
    "--with",
    "requirements",
    multiple=True,
    metavar="PACKAGE",
    help="A package that the script imports and the stacks lack.",
)
@click.option(
    "--requirements",
    "requirement_files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that lists such packages.",
)
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file or folder that the script reads.",
)
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for one run.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("-k", "keyword", default="", help="Only entries that match, as in pytest.")
@click.option("-m", "mark", default="", help="Only these kinds and areas, as in pytest.")
@click.option("-v", "--verbose", is_flag=True, help="Say all of everything.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(upgrades.FORMATS),
    default="text",
    show_default=True,
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the losses on both ends into this file (.png, .svg, .pdf).",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def upgrade_command(**options: Any) -> None:
    r"""Say what changes for your code from one release to another, before you upgrade.

    Without a script: what is known, from the published verdicts. With one: it is run, unchanged,
    on both releases with the same initial weights and seeds, and what training did is compared;
    its text is searched for what known bugs depend on (--scan does only that). Exit code 0 where
    nothing changes, 1 for consequences, 3 where that could not be found out.

    \b
    Examples:
      krepro upgrade --from 3.5.0 --to 3.7.0@jax
      krepro upgrade --from 3.5.0 --to 3.7.0 train.py -- --epochs 1
      krepro upgrade --from 3.5.0 --to newest --scan src/ --format sarif -o keras.sarif
      krepro upgrade --from 3.15.1@tensorflow --to 3.15.1@torch train.py --steps 50
      krepro upgrade --from 3.5.0 --any
    """
    options["steps"] = options["steps"] or 0
    sys.exit(upgrades.upgrade(upgrades.Asked(**options)))
