"""What concerns runs on more machines than one: shards and executors, merging, the workflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import click
import msgspec

from krepro import timing
from krepro.cli.common import P, R, Selection, require
from krepro.engine import Engine, Executor, NotKept
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
            f"{part.seconds / 60:.1f} of {sum(minutes):.1f} min; the shards take "
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
