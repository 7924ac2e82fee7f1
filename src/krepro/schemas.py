"""Results of another schema: where they lie, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from krepro.engine import Engine
from krepro.matrix import Cell
from krepro.project import Project
from krepro.published import path_of
from krepro.result import SCHEMA


class Header(msgspec.Struct, frozen=True):
    """All that is asked of a file whose shape is not known."""

    schema: int = 0


def schema_of(path: Path) -> int | None:
    """Return the schema that a file of results says it has, or None where it says none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Header).schema or None
    except (OSError, msgspec.DecodeError):
        return None


def is_foreign(path: Path) -> bool:
    """Whether a file has results of a schema that is not this krepro's."""
    return schema_of(path) not in (None, SCHEMA)


def foreign(machine: Engine, project: Project, cells: Iterable[Cell]) -> Iterator[str]:
    """Yield a line for each place with results of another schema, which are not read.

    Looked at are the result store, for the cells that matter, and the published results.
    """
    store = machine.home.results
    for folder in sorted(store.glob("v*")):
        found = re.fullmatch(r"v(\d+)", folder.name)
        if found and int(found[1]) != SCHEMA and any(folder.rglob("*.json")):
            yield _line(folder, int(found[1]), "measure again with krepro matrix")
    hashes = {stack.name: machine.lock_hash(stack) for stack in machine.matrix.stack}
    for cell in cells:
        path = machine.store.path(cell, hashes[cell.stack])
        if is_foreign(path):
            yield _line(path, schema_of(path), "remove it and measure again")
    for stack in project.matrix.stack:
        path = path_of(project, stack.name)
        if is_foreign(path):
            yield _line(path, schema_of(path), "measure again and run krepro publish")


def _line(path: Path, schema: int | None, way_out: str) -> str:
    return (
        f"{path}: not read: its results have schema {schema}, this krepro reads {SCHEMA}: "
        f"use the krepro that wrote them, or {way_out}"
    )
