"""What hunts keep: findings, how far each hunt came, and hypothesis' examples."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from krepro.fuzz import program as programs
from krepro.fuzz import source, strategy
from krepro.fuzz.compare import Divergence
from krepro.fuzz.hunt import Finding, Tally
from krepro.fuzz.write import name_of, repro_text
from krepro.home import Home
from krepro.matrix import Cell, Matrix
from krepro.result import write_atomically

SCHEMA = 1


class Sight(msgspec.Struct, frozen=True):
    """What a program did otherwise in a cell."""

    cell: Cell
    divergence: Divergence


class Kept(msgspec.Struct, frozen=True):
    """A finding as a file."""

    schema: int
    program: programs.Program
    sights: tuple[Sight, ...]
    confirmed: bool


@dataclass(frozen=True)
class Store:
    """The folder of one hunt: of some cells, with a seed, by programs drawn in one way."""

    folder: Path
    examples: Path

    @classmethod
    def of(cls, home: Home, cells: Sequence[Cell], seed: int) -> Store:
        """Return the store of a hunt.

        A hunt whose programs are drawn or written in another way than before starts anew.
        """
        way = hashlib.sha256()
        for module in (programs, strategy, source):
            way.update(Path(str(module.__file__)).read_bytes())
        what = f"{sorted(map(str, cells))} {seed} {way.hexdigest()}"
        name = hashlib.sha256(what.encode()).hexdigest()[:12]
        return cls(home.fuzz / f"hunt-{name}", home.fuzz / "examples")

    @property
    def database(self) -> ExampleDatabase:
        """The examples that hunts found, which they share."""
        return DirectoryBasedExampleDatabase(self.examples)

    def keep(self, finding: Finding, matrix: Matrix) -> Path:
        """Keep a finding, with a repro of it, and return the repro's path."""
        name = name_of(finding)
        sights = tuple(Sight(cell, found) for cell, found in finding.sights.items())
        kept = Kept(SCHEMA, finding.program, sights, finding.confirmed)
        findings = self.folder / "findings"
        write_atomically(findings / f"{name}.json", msgspec.json.encode(kept))
        path = findings / f"{name}.py"
        write_atomically(path, repro_text(finding, matrix).encode())
        return path

    def path_of(self, finding: Finding) -> Path:
        """Return the path of a finding's repro."""
        return self.folder / "findings" / f"{name_of(finding)}.py"

    def findings(self) -> list[Finding]:
        """Return what was found before."""
        found = []
        for path in sorted((self.folder / "findings").glob("*.json")):
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
            if kept.schema == SCHEMA:
                sights = {sight.cell: sight.divergence for sight in kept.sights}
                found.append(Finding(kept.program, sights, kept.confirmed))
        return found

    def progress(self) -> tuple[int, Tally, float]:
        """Return the next round, what was done before it, and how long that took, in seconds."""
        try:
            table = json.loads((self.folder / "state.json").read_bytes())
        except (OSError, ValueError):
            return 0, Tally(), 0.0
        return int(table["round"]), tally_from(table["tally"]), float(table["seconds"])

    def note(self, number: int, tally: Tally, seconds: float) -> None:
        """Keep how far a hunt came."""
        table = {
            "schema": SCHEMA,
            "round": number,
            "tally": tally_data(tally),
            "seconds": seconds,
        }
        write_atomically(self.folder / "state.json", json.dumps(table, indent=1).encode())


def tally_data(tally: Tally) -> dict[str, Any]:
    """Return a tally as plain data."""
    return {
        "programs": tally.programs,
        "cells": [
            {
                "release": cell.release,
                "stack": cell.stack,
                "plays": tally.plays[cell],
                "seconds": round(tally.seconds[cell], 3),
                "not applicable": tally.not_applicable[cell],
                "untestable": tally.untestable.get(cell, ""),
            }
            for cell in sorted({*tally.plays, *tally.untestable})
        ],
        "known": dict(tally.known.most_common()),
        "seen again": dict(tally.seen_again.most_common()),
        "invariants": dict(tally.invariants.most_common()),
        "rules": dict(tally.rules.most_common()),
        "silent": dict(tally.silent.most_common()),
    }


def tally_from(table: dict[str, Any]) -> Tally:
    """Read what ``tally_data`` returned, but for cells that were untestable: they may not be now."""
    tally = Tally(
        programs=table["programs"],
        known=Counter(table["known"]),
        seen_again=Counter(table["seen again"]),
        rules=Counter(table["rules"]),
        invariants=Counter(table["invariants"]),
        silent=Counter(table["silent"]),
    )
    for entry in table["cells"]:
        cell = Cell(entry["stack"], entry["release"])
        tally.plays[cell] = entry["plays"]
        tally.seconds[cell] = entry["seconds"]
        tally.not_applicable[cell] = entry["not applicable"]
    return tally
