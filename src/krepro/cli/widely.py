"""What concerns runs on more machines than one: shards and executors, merging, the workflow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click
import msgspec

from krepro import merge as merging
from krepro import timing, workflow
from krepro.cli.common import P, R, Selection, fail, reporting, require
from krepro.engine import UNRESOLVED, Engine, Executor, NotKept
from krepro.home import Home
from krepro.merge import Merged
from krepro.project import Project, SelectionError
from krepro.report import Exit
from krepro.result import write_atomically
from krepro.shard import Cut, Shard, cut, manifest


def sharding(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say which part of a run is meant, and where it runs."""
    command = click.option(
        "--executor",
        default="",
        metavar="dask://HOST:PORT",
        help="Measure on the workers of a Dask cluster; their threads are its jobs.",
    )(command)
    return click.option(
        "--shard",
        default="",
        metavar="K/N",
        help="Only the K-th of N parts of the cells, which take about as long.",
    )(command)


@dataclass(frozen=True)
class Sharding:
    """One shard of a selection."""

    selection: Selection
    shard: Shard
    cut: Cut

    @classmethod
    def of(cls, selection: Selection, text: str) -> Self:
        """Cut a selection, and leave in it only the cells of the shard.

        Raises:
            SelectionError: it means no shard, or the timings cannot be read.
        """
        shard = Shard.parse(text)
        timings = timing.read(selection.project)
        found = cut(selection.matrix, selection.cells, selection.repros, timings, shard.of)
        mine = set(found.parts[shard.number - 1].cells)
        selection.cells = [cell for cell in selection.cells if cell in mine]
        return cls(selection, shard, found)

    def __str__(self) -> str:
        """Say what the shard is, and how even the cut."""
        part = self.cut.parts[self.shard.number - 1]
        if not part.cells:
            return f"{self.shard} is empty: there are fewer cells than shards"
        minutes = [part.seconds / 60 for part in self.cut.parts]
        return (
            f"{self.shard}: {len(part.cells)} cells on {', '.join(part.stacks)}, about "
            f"{part.seconds / 60:.1f} of {sum(minutes):.1f} min with one cell at a time; the shards take "
            f"{min(minutes):.1f} to {max(minutes):.1f} min, the longest "
            f"{self.cut.unevenness:.0%} more than the mean"
        )

    def to_data(self) -> dict[str, Any]:
        """Return the shard and the whole cut as plain data, times in seconds."""
        parts = [
            {
                "number": number,
                "cells": len(part.cells),
                "stacks": list(part.stacks),
                "seconds": round(part.seconds, 1),
            }
            for number, part in enumerate(self.cut.parts, 1)
        ]
        return {
            "number": self.shard.number,
            "of": self.shard.of,
            "plan": self.cut.plan,
            "unevenness": round(self.cut.unevenness, 3),
            "parts": parts,
        }

    def leave_manifest(self, machine: Engine) -> None:
        """Write beside the results what the whole run is, for whoever merges them.

        Raises:
            NotKept: it could not be written.
        """
        content = manifest(
            self.selection.matrix, self.cut, self.selection.repros, self.shard.number
        )
        path = machine.home.results / content.place
        try:
            write_atomically(path, msgspec.json.format(msgspec.json.encode(content)))
        except OSError as error:
            raise NotKept(f"{path}: could not be written ({error})") from None


def executor_at(address: str) -> Executor:
    """Return what measures on the cluster at an address.

    Raises:
        SelectionError: it is no address, or what it needs is not installed.
    """
    require("dask", "distributed")
    from krepro.executor.dask import Cluster  # noqa: PLC0415  Its dependencies are optional.

    return Cluster(address)


@click.command(name="merge")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="DIR...",
    type=click.Path(path_type=Path),
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The cache folder they go into; by default krepro's own.",
)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def merge_command(folders: Sequence[Path], into: Path | None, form: str) -> None:
    r"""Merge results of several machines into one store.

    DIR is a folder that KREPRO_HOME named, its 'results', or a folder of such, as a CI's
    artifacts. Nothing is overwritten: where two machines say otherwise of the same, both are told
    and what was there is kept. Exit code 1 for such conflicts, 3 where a shard, a cell or a file
    is missing.

    \b
    Examples:
      krepro merge artifacts
      krepro merge one/results two/results --into all
    """
    project = Project.find(Path.cwd())
    home = Home(into.absolute()) if into else Home.find()
    found = [root for folder in folders for root in merging.roots(folder)]
    distinct = {root.resolve(): root for root in found}
    if home.results.resolve() in distinct:
        raise SelectionError(
            f"{home.results}: is where they go, and cannot be merged into itself"
        )
    check_home(home)
    machine = Engine(home, project.folder, project.matrix)
    hashes = {stack.name: machine.lock_hash(stack) for stack in project.matrix.stack}
    locks = {name: found_ for name, found_ in hashes.items() if found_ != UNRESOLVED}
    current = {repro.id: repro.source_hash for repro in project.repros()}
    merged = merging.merge(machine.store, list(distinct.values()), current, locks)
    if form == "json":
        click.echo(json.dumps(merge_data(merged), indent=1))
    else:
        show_merge(merged, home)
    sys.exit(merged.exit_code())


def check_home(home: Home) -> None:
    """Refuse a cache folder that cannot be written to, before anything is done.

    Raises:
        SelectionError: it cannot.
    """
    try:
        home.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SelectionError(f"{home.path}: cannot be written to: {error}") from None
    if not os.access(home.results, os.W_OK):
        raise SelectionError(f"{home.results}: cannot be written to: choose another --into")


def show_merge(merged: Merged, home: Home) -> None:
    """Print what a merge did."""
    for conflict in merged.conflicts:
        click.echo(f"conflict: {conflict}")
    for line in merged.gaps:
        click.echo(f"incomplete: {line}")
    for line in merged.notes:
        click.echo(line)
    others = f", {merged.other_sources} of other versions of repros left out"
    click.echo(
        f"{merged.new} verdicts merged into {home.results}, {merged.same} were there, "
        f"{len(merged.conflicts)} conflicts" + (others if merged.other_sources else "")
    )


def merge_data(merged: Merged) -> dict[str, Any]:
    """Return what a merge did as plain data."""
    conflicts = [
        {
            "repro": conflict.repro,
            "stack": conflict.cell.stack,
            "release": conflict.cell.release,
            "kept": conflict.kept.said,
            "other": conflict.other.said,
            "source": str(conflict.source),
        }
        for conflict in merged.conflicts
    ]
    return {
        "schema": 1,
        "new": merged.new,
        "same": merged.same,
        "other_sources": merged.other_sources,
        "conflicts": conflicts,
        "incomplete": merged.gaps,
        "notes": merged.notes,
        "exit_code": int(merged.exit_code()),
    }


@click.command(name="workflow")
@click.option(
    "--shards",
    type=click.IntRange(1, 256),
    default=workflow.SHARDS,
    show_default=True,
    help="Machines that share a run.",
)
@click.option("--check", is_flag=True, help="Only compare; exit 1 if the file differs.")
@reporting
def workflow_command(shards: int, *, check: bool) -> None:
    r"""Write a GitHub workflow for the project into .github/workflows/matrix.yml.

    Each night every release, in shards whose results are merged and published as the page; on a
    pull request the quick tier; for a new release of Keras the draft of an issue that says what
    changed.

    \b
    Examples:
      krepro workflow --shards 8
      krepro workflow --check
    """
    project = Project.find(Path.cwd())
    own = workflow.is_own(project.folder)
    text = workflow.render(project.matrix, shards=shards, own=own)
    path = project.folder / workflow.PLACE
    if not check:
        write_atomically(path, text.encode())
        click.echo(f"wrote {path}")
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        fail(
            f"{path}: is not what 'krepro workflow --shards {shards}' writes: run it",
            Exit.FINDINGS,
        )
