"""The command that hands what was found to other people."""

from __future__ import annotations

import sys
from typing import Any

import click

from krepro.cli.common import reporting, searching, writing
from krepro.draft import command as reports


@click.command(name="report")
@click.argument("target", metavar="REPRO|SCRIPT")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@searching
@click.option(
    "-r",
    "--release",
    "releases",
    multiple=True,
    metavar="SELECTOR",
    help="The affected release to show.  [default: the newest one]",
)
@click.option("--title", default="", help="Of the report; starts with what it is about.")
@click.option(
    "--verify/--no-verify",
    default=True,
    help="Run the script as pasted in fresh environments first.  [default: yes]",
)
@click.option(
    "--downstream",
    is_flag=True,
    help="Instead a note for a project that pins Keras: what, why, until when.",
)
@writing("markdown", "text", "json")
@reporting
def report_command(**options: Any) -> None:
    r"""Write a bug report for keras-team/keras: a draft, for a person to read and post.

    It has what is expected, what happens, a script to paste, the affected releases, the change
    where it is known, and the environment. What is not measured yet is measured first. The script
    is taken out of the draft and run in fresh environments, on an affected release and on one that
    is not; if it does not do there what the draft says, nothing is written.

    Exit code: 0 written; 1 a run did not say what the report would; 2 bad input, or nothing is
    affected; 3 it could not be found out.

    \b
    Examples:
      krepro report outer_compile_drops_inner_loss_tracker -o report.md
      krepro report train.py -b jax --expect exception:update_state
      krepro report dict_losses_applied_alphabetically --downstream
    """
    options["expect"] = options["expect"] or None
    sys.exit(reports.report(reports.Asked(**options)))
