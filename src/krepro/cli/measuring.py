"""Commands that measure repros on cells, show what was measured, and find entries."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from krepro import engine, finder, published, result, schemas
from krepro.cli import completion
from krepro.cli.common import (
    Selection,
    build_report,
    comparing,
    fail,
    reporting,
    run,
    selecting,
    show_comparison,
    show_report,
    showing,
)
from krepro.cli.widely import Sharding, executor_at, sharding
from krepro.comparison import compare
from krepro.engine import NotKept, Options
from krepro.installer import InstallError
from krepro.project import Project, SelectionError, check_writable
from krepro.render import story, text
from krepro.report import Exit, Report
from krepro.repro import BACKENDS
from krepro.verdict import Verdict

ALONE = {Verdict.UNAFFECTED: 0, Verdict.AFFECTED: 1}
UNTESTABLE_ALONE = 125


@click.command()
@selecting
@comparing
@showing
@click.option("--list", "only_list", is_flag=True, help="List the cells; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --list: as JSON.")
@click.option(
    "--isolation",
    type=click.Choice(engine.ISOLATIONS),
    default=engine.default_isolation,
    help="batch: one after the other in a warm fork, alone where a verdict is not the declared "
    "one; fork: each in a fork of its own; process: each in a fresh process.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("--repeat", type=click.IntRange(1), default=1, help="Runs of each repro.")
@click.option("--rerun", is_flag=True, help="Measure again what is stored, and compare.")
@sharding
@reporting
def matrix(
    *,
    form: str,
    output: Path | None,
    only_list: bool,
    as_json: bool,
    isolation: str,
    jobs: int,
    repeat: int,
    rerun: bool,
    shard: str,
    executor: str,
    **selected: Any,
) -> None:
    r"""Run repros on releases and backends; print who is affected.

    Without arguments: the whole catalogue on the quick tier, all backends. What is stored is
    not run again. A pre-release is meant by its name: '-r 3.16.0rc0'.

    With --subject: a checkout of Keras, or a pre-release, against a release; exit 1 if it has
    a bug that the other has not.

    \b
    Examples:
      krepro matrix
      krepro matrix --tier all -b jax
      krepro matrix path/to/my_repro.py -r '>=3.5,<3.8'
      krepro matrix --tier all --shard 2/4
      krepro matrix --tier all --executor dask://10.0.0.1:8786
      krepro matrix --subject path/to/keras
    """
    selection = Selection(**selected)
    check_writable(output)
    if (selection.checkouts and executor) or (selection.ends and shard):
        raise SelectionError(
            "--subject is measured whole, and a checkout on this machine: leave "
            "--shard and --executor out"
        )
    cut = Sharding.of(selection, shard) if shard else None
    if only_list:
        list_cells(selection, cut, as_json=as_json)
        return
    machine = selection.engine(Options(isolation, jobs, repeat, rerun))
    if executor:
        machine.executor = executor_at(executor)
    if cut:
        click.echo(f"krepro: {cut}", err=True)
        cut.leave_manifest(machine)
    for each in selection.checkouts:
        each.keep(machine.home)
    plan = machine.plan(selection.cells, selection.repros)
    stopped = run(machine, plan)
    report = build_report(machine, selection.cells, selection.repros)
    code = show_selected(selection, report, form, output)
    sys.exit(Exit.INCOMPLETE if stopped else code)


def show_selected(
    selection: Selection, report: Report, form: str, output: Path | None
) -> Exit:
    """Print a report, of a subject with what it is compared with; return the exit code."""
    if selection.ends is None:
        show_report(report, form, output)
        return report.exit_code()
    found = compare(report, *selection.ends, selection.stacks)
    place = "; against ".join(each.place for each in selection.checkouts)
    show_comparison(report, found, place, form, output)
    return found.exit_code()


def list_cells(selection: Selection, cut: Sharding | None, *, as_json: bool) -> None:
    """Print the cells and repros that are meant, and for a shard how even the cut is."""
    table = [
        {
            "release": cell.release,
            "stack": cell.stack,
            "backend": selection.matrix.find_stack(cell.stack).backend,
        }
        for cell in selection.cells
    ]
    left_out = selection.matrix.left_out(selection.versions, selection.stacks)
    if as_json:
        ids = [repro.id for repro in selection.repros]
        excluded = [{"cell": str(cell), "reason": reason} for cell, reason in left_out]
        found = {"schema": result.SCHEMA, "cells": table, "repros": ids}
        shard = {"shard": cut.to_data()} if cut else {}
        click.echo(json.dumps({**found, "excluded": excluded, **shard}))
        return
    for repro in selection.repros:
        click.echo(f"{repro.id}  [{repro.kind}, {repro.area}] {repro.title}")
    click.echo("")
    for cell in selection.cells:
        click.echo(str(cell))
    for cell, reason in left_out:
        click.echo(f"{cell} is left out: {reason}")
    if cut:
        click.echo(f"\n{cut}")


@click.command()
@selecting
@comparing
@showing
@click.option("-v", "--verbose", is_flag=True, help="Everything stored, with output.")
@reporting
def show(form: str, output: Path | None, verbose: bool, **selected: Any) -> None:
    r"""Show stored results; run nothing.

    \b
    Examples:
      krepro show --tier all
      krepro show -v -k dict_loss -r 3.5.0 -b jax
      krepro show --subject path/to/keras
    """
    selection = Selection(**selected)
    machine = selection.engine(Options())
    for line in schemas.foreign(machine, selection.project, selection.cells):
        click.echo(f"krepro: {line}", err=True)
    report = build_report(machine, selection.cells, selection.repros)
    if verbose:
        show_evidence(report)
        sys.exit(report.exit_code())
    sys.exit(show_selected(selection, report, form, output))


def show_evidence(report: Report) -> None:
    """Print all that is stored of each verdict."""
    for cell, repro, found in report.measured():
        click.echo(f"{repro.id} on {cell}: {found.verdict.value} {found.message}".rstrip())
        click.echo(
            f"  {found.runs} run(s), {found.seconds:.2f} s, measured {found.measured}"
        )
        for name, outcome in {**found.tests, **found.workarounds}.items():
            click.echo(f"  {name}: {outcome.verdict.value} {outcome.message}".rstrip())
        for line in found.output.splitlines():
            click.echo(f"  | {line}")


@click.command()
@click.argument("words", nargs=-1)
@click.option("--symptom", default="", help="The last lines of a crash, or a message.")
@click.option("-n", "--limit", type=click.IntRange(1), default=8, show_default=True)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def search(words: Sequence[str], symptom: str, limit: int, form: str) -> None:
    r"""Find the entries that fit a description or a traceback; "-" reads standard input.

    Exit code 1 where nothing fits.

    \b
    Examples:
      krepro search gan discriminator frozen
      krepro search --symptom "AttributeError: 'NoneType' object has no attribute 'update_state'"
      python train.py 2>&1 | krepro search -
    """
    asked = sys.stdin.read() if list(words) == ["-"] else " ".join(words)
    asked = f"{asked}\n{symptom}".strip()
    if not asked:
        raise SelectionError("search needs words, --symptom TEXT or '-'")
    project = Project.find(Path.cwd())
    hits = finder.search(project.repros(), asked, limit=limit)
    report = published.for_people(project)
    if form == "json":
        table = [
            {"id": h.repro.id, "title": h.repro.title, "score": h.score, "why": h.why}
            for h in hits
        ]
        click.echo(json.dumps({"schema": 1, "hits": table}))
    for hit in hits if form == "text" else ():
        sure = " (sure: its symptom)" if hit.score >= finder.CERTAIN else ""
        click.echo(f"{hit.repro.id}{sure}")
        click.echo(f"    {hit.repro.title}")
        click.echo(f"    affected: {text.range_text(report, hit.repro)}")
    if hits and form == "text":
        click.echo(f"\nkrepro explain {hits[0].repro.id} tells the whole story")
    if not hits:
        fail("nothing in the catalogue fits", Exit.FINDINGS)


@click.command()
@click.argument("repro", shell_complete=completion.repros)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def explain(repro: str, form: str) -> None:
    r"""Tell the story of one entry: what you see, why, who is affected, what to do.

    \b
    Example:
      krepro explain dict_losses_applied_alphabetically
    """
    project = Project.find(Path.cwd())
    (entry,) = project.repros([repro])[:1]
    report = published.for_people(project, [entry])
    found = published.stored_culprits(project).get(entry.id, [])
    if form == "json":
        click.echo(json.dumps(story.to_data(report, entry, found), indent=1))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    console.print(story.render(report, entry, found), highlight=False)


@click.command(name="run")
@click.argument("repro", shell_complete=completion.repros)
@click.option(
    "-r",
    "--release",
    "selector",
    default="newest",
    show_default=True,
    shell_complete=completion.releases,
)
@click.option("-b", "--backend", type=click.Choice(BACKENDS), default="tensorflow")
@click.option(
    "-s",
    "--stack",
    "stack_name",
    default="",
    help="A stack instead of a backend.",
    shell_complete=completion.stacks,
)
@click.option(
    "--isolation", type=click.Choice(engine.ISOLATIONS), default=engine.default_isolation
)
@reporting
def run_one(
    repro: str, selector: str, backend: str, stack_name: str, isolation: str
) -> None:
    r"""Run one repro in one cell and print what it printed.

    Exit code as git bisect wants it: 0 unaffected, 1 affected, 125 for all that says nothing
    about the release.

    \b
    Example:
      krepro run outer_compile_drops_inner_loss_tracker -r 3.6.0 -b torch
    """
    selection = Selection(
        repros=[repro],
        tier="quick",
        releases=[selector],
        backends=[backend],
        stack_names=[stack_name] if stack_name else [],
        keyword="",
        mark="",
    )
    if len(selection.repros) != 1:
        raise SelectionError(f"{repro!r} means {len(selection.repros)} repros: name one")
    if len(selection.cells) != 1:
        raise SelectionError(
            f"{selector!r} means {len(selection.cells)} releases: name one"
        )
    machine = selection.engine(Options(isolation, 1, rerun=True))
    try:
        stopped = run(machine, machine.plan(selection.cells, selection.repros))
    except (InstallError, NotKept, OSError) as error:
        fail(error, UNTESTABLE_ALONE)
    report = build_report(machine, selection.cells, selection.repros)
    show_evidence(report)
    verdict = report.verdict(selection.cells[0], selection.repros[0])
    known = verdict is not None and not stopped
    sys.exit(
        ALONE.get(verdict, UNTESTABLE_ALONE) if known and verdict else UNTESTABLE_ALONE
    )
