"""The command line: reads what is asked, calls what does it, ends with a documented code."""

from __future__ import annotations

import click

from krepro import __version__
from krepro.cli import hunting, measuring, paging, training, upgrading, upkeep


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Which Keras 3 releases have which bug, on which backend: found out by running them.

    Exit codes: 0 as expected, 1 findings, 2 bad input, 3 incomplete.
    """


for command in (
    measuring.matrix,
    measuring.show,
    measuring.search,
    measuring.explain,
    measuring.run_one,
    upkeep.releases,
    upkeep.doctor_command,
    upkeep.prune,
    upkeep.lock_command,
    upkeep.new,
    upkeep.update_expectations,
    upkeep.publish,
    upkeep.audit_command,
    hunting.bisect_command,
    hunting.culprit_command,
    upgrading.upgrade_command,
    hunting.fuzz_command,
    training.gan_command,
    paging.page_command,
    upkeep.schema,
):
    main.add_command(command)
