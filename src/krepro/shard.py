"""Shards: the cells of a run in parts that take about as long, the same on every machine. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

import msgspec
from packaging.version import Version

from krepro import __version__
from krepro.matrix import Cell, Matrix, applicable
from krepro.project import SelectionError
from krepro.repro import Repro
from krepro.timing import MAKE_S, Timings

SCHEMA = 1
# Beside the results, so that it travels with them.
FOLDER = "shards"


@dataclass(frozen=True)
class Shard:
    """Which part is meant: the ``number``-th, from 1, ``of`` so many."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what ``K/N`` means.

        Raises:
            SelectionError: it means nothing.
        """
        found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text, re.ASCII)
        if found and 1 <= int(found[1]) <= int(found[2]):
            return cls(int(found[1]), int(found[2]))
        raise SelectionError(
            f"{text!r} is no shard: say K/N with K from 1 to N, such as 2/4 for the second of four"
        )


@dataclass(frozen=True)
class Item:
    """A cell, the stack whose environment it runs in, and what it takes, in milliseconds.

    Whole numbers: a sum of them is the same in any order and on any machine.
    """

    cell: Cell
    base: str
    cost_ms: int


@dataclass(frozen=True)
class Part:
    """The cells of one shard, the stacks that they need, and what both take, in seconds."""

    cells: tuple[Cell, ...]
    stacks: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Cut:
    """A run in parts. ``plan`` stands for what is run and how it is cut."""

    parts: tuple[Part, ...]
    plan: str

    @property
    def unevenness(self) -> float:
        """How much longer the longest part takes than the mean: 0.1 is a tenth."""
        times = [part.seconds for part in self.parts]
        return max(times) * len(times) / sum(times) - 1 if sum(times) else 0.0


class Manifest(msgspec.Struct, frozen=True):
    """What a sharded run leaves beside its results, so that a merge knows what is missing.

    ``parts`` has the cells of every shard, ``sources`` the source hash of each repro,
    ``unasked`` by stack the repros that have no meaning there.
    """

    plan: str
    number: int
    of: int
    parts: tuple[tuple[Cell, ...], ...]
    sources: dict[str, str]
    unasked: dict[str, tuple[str, ...]] = {}
    krepro: str = __version__
    schema: int = SCHEMA

    @property
    def place(self) -> str:
        """Where it is kept, below the folder of results."""
        return f"{FOLDER}/{self.plan}/{self.number}-of-{self.of}.json"

    def asked(self, cell: Cell) -> list[str]:
        """Return the repros that the run has in a cell."""
        without = set(self.unasked.get(cell.stack, ()))
        return [name for name in self.sources if name not in without]


def cut(
    matrix: Matrix,
    cells: Sequence[Cell],
    repros: Sequence[Repro],
    timings: Timings,
    of: int,
) -> Cut:
    """Cut a run into parts.

    A cell stays whole: it is one file of results, and what it costs to import Keras twice is
    more than what evener parts would save. The cells of a stack stay together as far as they
    can, since each machine makes the stacks that it needs. Neither the order of what was asked
    for nor what is stored on a machine matters.
    """
    cost_ms = {
        name: round(1000 * timings.cell_s(matrix.find_stack(name), repros))
        for name in {cell.stack for cell in cells}
    }
    items = [
        Item(cell, matrix.base(matrix.find_stack(cell.stack)).name, cost_ms[cell.stack])
        for cell in cells
    ]
    items.sort(key=lambda i: (i.base, i.cell.stack, Version(i.cell.release)))
    pieces = divide(items, round(1000 * MAKE_S), of)
    parts = tuple(
        Part(
            tuple(item.cell for item in piece),
            stacks_of(piece),
            load_ms(piece, round(1000 * MAKE_S)) / 1000,
        )
        for piece in pieces
    )
    return Cut(parts, plan_hash(parts, repros))


def plan_hash(parts: Sequence[Part], repros: Sequence[Repro]) -> str:
    """Return a hash of what is run and how it is cut."""
    content = [
        [[str(cell) for cell in part.cells] for part in parts],
        sorted([repro.id, repro.source_hash] for repro in repros),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def manifest(matrix: Matrix, found: Cut, repros: Sequence[Repro], number: int) -> Manifest:
    """Return what a run of one part leaves beside its results."""
    names = {cell.stack for part in found.parts for cell in part.cells}
    unasked: Mapping[str, tuple[str, ...]] = {
        name: tuple(r.id for r in repros if not applicable(r, matrix.find_stack(name)))
        for name in sorted(names)
    }
    return Manifest(
        plan=found.plan,
        number=number,
        of=len(found.parts),
        parts=tuple(part.cells for part in found.parts),
        sources={repro.id: repro.source_hash for repro in repros},
        unasked={name: ids for name, ids in unasked.items() if ids},
    )


def stacks_of(piece: Sequence[Item]) -> tuple[str, ...]:
    """Return the stacks that have to be made for a piece of the line."""
    return tuple(name for name, _ in groupby(item.base for item in piece))


def load_ms(piece: Sequence[Item], make_ms: int) -> int:
    """Return what a piece of the line takes: its cells, and the stacks that they need."""
    return sum(item.cost_ms for item in piece) + make_ms * len(stacks_of(piece))


def divide(line: Sequence[Item], make_ms: int, of: int) -> list[list[Item]]:
    """Divide a line of cells, those of a stack beside each other, into so many pieces.

    No division of the line has a longest piece that takes less. Where there are fewer cells
    than pieces, the last ones are empty.
    """
    if not line:
        return [[] for _ in range(of)]
    longest = max(item.cost_ms for item in line) + make_ms
    limit = _least(
        longest, load_ms(line, make_ms), lambda ms: len(_within(line, make_ms, ms)) <= of
    )
    pieces = _within(line, make_ms, limit)
    # A machine that would stand idle takes half of what takes longest: never more than the limit.
    while len(pieces) < min(of, len(line)):
        where = max(
            (n for n, piece in enumerate(pieces) if len(piece) > 1),
            key=lambda n: load_ms(pieces[n], make_ms),
        )
        pieces[where : where + 1] = _halves(pieces[where], make_ms)
    return pieces + [[] for _ in range(of - len(pieces))]


def _least(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the least number from ``low`` to ``high`` for which something holds, as for ``high``."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _within(line: Sequence[Item], make_ms: int, limit_ms: int) -> list[list[Item]]:
    """Return the fewest pieces of a line none of which takes longer than a limit."""
    pieces: list[list[Item]] = []
    load = limit_ms + 1
    for item in line:
        new_stack = not pieces or pieces[-1][-1].base != item.base
        added = item.cost_ms + (make_ms if new_stack else 0)
        if load + added > limit_ms:
            pieces.append([])
            load, added = 0, item.cost_ms + make_ms
        pieces[-1].append(item)
        load += added
    return pieces


def _halves(piece: Sequence[Item], make_ms: int) -> list[list[Item]]:
    at = min(
        range(1, len(piece)),
        key=lambda n: max(load_ms(piece[:n], make_ms), load_ms(piece[n:], make_ms)),
    )
    return [list(piece[:at]), list(piece[at:])]
