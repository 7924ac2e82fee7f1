"""The command line: reads what is asked, calls what does it, ends with a documented code."""

from __future__ import annotations

import click

from krepro import __version__
from krepro.cli import (
    hunting,
    measuring,
    paging,
    reporting,
    training,
    upgrading,
    upkeep,
    widely,
)

# A command's first sentence is shown whole, over two lines where it has to be.
LONGEST_HELP = 200
SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Who is affected": (
        measuring.matrix,
        measuring.show,
        paging.page_command,
        measuring.search,
        measuring.explain,
        measuring.run_one,
    ),
    "Your code": (
        upgrading.upgrade_command,
        hunting.bisect_command,
        hunting.culprit_command,
        reporting.report_command,
        training.gan_command,
        hunting.fuzz_command,
    ),
    "Several machines": (
        widely.merge_command,
        widely.workflow_command,
    ),
    "The catalogue": (
        upkeep.new,
        upkeep.audit_command,
        upkeep.update_expectations,
        upkeep.publish,
        upkeep.adopt,
        upkeep.lock_command,
    ),
    "The machine": (
        upkeep.releases,
        upkeep.doctor_command,
        upkeep.prune,
        upkeep.schema,
        upkeep.completion_command,
    ),
}


class Sections(click.Group):
    """A group whose help lists commands under what they are for."""

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        widest = max(map(len, self.commands))
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                rows = [
                    (
                        f"{command.name or '':<{widest}}",
                        command.get_short_help_str(LONGEST_HELP),
                    )
                    for command in commands
                ]
                formatter.write_dl(rows)


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Which Keras 3 releases have which bug, on which backend: found out by running them.

    \b
    Examples:
      krepro matrix                           the catalogue, on seven releases and three backends
      krepro search "loss is nan"             which entry is mine?
      krepro upgrade --from 3.5.0 train.py    what changes for this script
      krepro bisect train.py                  which release broke it
      krepro report my_entry                  tell upstream

    Exit codes: 0 as expected, 1 findings, 2 bad input, 3 incomplete. Each command's --help has
    examples; krepro completion has a shell complete commands and entries.
    """  # noqa: D301  Click wants the character itself.


for section in SECTIONS.values():
    for command in section:
        main.add_command(command)
