"""Results of another schema: where they lie, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from krepro.engine import Engine
from krepro.matrix import Cell
from krepro.project import Project
from krepro.published import of_another_schema, path_of
from krepro.result import SCHEMA, is_foreign, schema_of


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
            yield f"{path}: not read: {of_another_schema(path)}"


def _line(path: Path, schema: int | None, way_out: str) -> str:
    return (
        f"{path}: not read: its results have schema {schema}, this krepro reads {SCHEMA}: "
        f"use the krepro that wrote them, or {way_out}"
    )
