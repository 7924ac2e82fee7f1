"""The command that makes the matrix a page to look at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from krepro import published, schemas
from krepro.cli.common import Selection, build_report, errors, reporting, selecting
from krepro.doctor import human
from krepro.engine import Options


# All releases: a page has room for them.
@click.command(name="page", context_settings={"default_map": {"tier": "all"}})
@selecting
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("page"),
    show_default=True,
    help="The folder to write; a page that is there is replaced.",
)
@reporting
def page_command(folder: Path, **selected: Any) -> None:
    r"""Write the matrix as static pages, to be opened from a disk or put on any server.

    Shown is what is stored, and what is published where nothing is stored; nothing is run. All
    releases by default. The exit code is that of `krepro show`; the page is written whatever
    it says.

    \b
    Examples:
      krepro page
      krepro page --output site -b jax -m losses
      krepro page -r '>=3.5,<3.9'
    """
    # Pygments and templates take a tenth of a second that no other command needs.
    from krepro.page import data, site  # noqa: PLC0415

    site.check_folder(folder)
    selection = Selection(**selected)
    machine = selection.engine(Options())
    for line in schemas.foreign(machine, selection.project, selection.cells):
        click.echo(f"krepro: {line}", err=True)
    kept = {
        stack.name: results
        for stack in selection.stacks
        if (results := published.read(selection.project, stack.name))
    }
    stored = build_report(machine, selection.cells, selection.repros)
    told = published.to_report(selection.project, selection.repros).found
    report = data.merged(stored, {c: m for c, m in told.items() if c.stack in kept})
    hidden = {
        str(machine.home.path): "$KREPRO_HOME",
        str(selection.project.folder): ".",
    }
    culprits = published.stored_culprits(selection.project)
    # A few seconds for the whole catalogue.
    with errors().status(f"writing {len(report.repros)} repros"):
        size_bytes = site.write(site.Site(report, kept, culprits, hidden), folder)
    found = sum(report.counts().values())
    click.echo(
        f"wrote {folder / site.INDEX}: {len(report.repros)} repros, {len(report.cells)} cells, "
        f"{found} verdicts, {human(size_bytes)}"
    )
    if gaps := report.unmeasured():
        names = list(dict.fromkeys(repro.id for _, repro in gaps))
        click.echo(
            f"krepro: {len(gaps)} verdicts are not known, and empty on the page: krepro matrix "
            f"--tier all {names[0] if len(names) == 1 else ''}".rstrip(),
            err=True,
        )
    sys.exit(report.exit_code())
