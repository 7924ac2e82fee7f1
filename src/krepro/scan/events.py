"""The steps of a program as they are told, and what a run of one keeps in mind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from krepro.scan.values import Function, Module, Scope, Value

MISSING = object()
# The branches that lead to a step: which one, and which of its ways.
Arms = tuple[tuple[int, int], ...]
# What was changed on a way: the dict, the key, and what it is now.
Changes = dict[tuple[int, str], tuple[dict[str, Any], str, Any]]
# How statements end before their end: "return", "raise", "break", "continue".
Ending = str | None


class Names(dict[str, Any]):
    """The names of a scope: where only one branch sets one, it is what that branch set."""


class Enough(Exception):
    """The file costs too much: it is looked at only so far."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a file something is: lines and columns from 1."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(eq=False, slots=True)
class Event:
    """One step of the program.

    ``kind`` is ``new``, ``call``, ``function``, ``set`` or ``get``; ``name`` is the class, method,
    function or attribute. ``arms`` are the branches that led here, ``hooks`` the functions that
    were being run, ``sure`` tells that nothing had to be assumed about the object.
    """

    kind: str
    name: str
    place: Place
    receiver: Value | None = None
    arguments: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    result: Value | None = None
    arms: Arms = ()
    sure: bool = True
    hooks: tuple[str, ...] = ()
    number: int = 0


@dataclass(eq=False, slots=True)
class Frame:
    """A run of a function, or of a module's own lines."""

    module: Module
    scope: Scope
    function: Function | None = None
    receiver: Value | None = None
    results: list[Value] = field(default_factory=list)
    left: list[Changes] = field(default_factory=list)


@dataclass(slots=True)
class Arguments:
    """What a call was given; ``open``: there may be more."""

    positional: list[Value]
    keywords: dict[str, Value]
    open: bool = False

    @property
    def all(self) -> list[Value]:
        """All of them."""
        return [*self.positional, *self.keywords.values()]
