"""What an expression of a user's program may be, as far as reading it tells.

A value that can change (a list, an object) keeps what changes in its ``state``: a plain dict, so
that one journal can take back what a branch did, whatever it did it to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

# What a name may be at the same time, at most; beyond that nothing is known of it.
MOST_OPTIONS = 4


class Value:
    """Anything."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class Unknown(Value):
    """Something of which nothing is known but what it is the same as."""

    hint: str = ""


@dataclass(frozen=True, slots=True)
class Const(Value):
    """A literal: a string, a number, True, False, None, or a piece of an f-string."""

    value: Any

    def __eq__(self, other: object) -> bool:
        """Whether type and value are the same: 1 is neither True nor 1.0 here."""
        return (
            isinstance(other, Const)
            and type(self.value) is type(other.value)
            and bool(self.value == other.value)
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Name(Value):
    """A thing that is imported, by its canonical dotted name: a module, a class, a function."""

    path: str


@dataclass(eq=False, slots=True)
class Foreign(Value):
    """What something other than Keras returned, or an attribute of it: not Keras' own."""

    path: str
    sources: tuple[Value, ...] = ()


@dataclass(eq=False, slots=True)
class Sequence(Value):
    """A list, a tuple or a set; ``exact`` unless there may be other items."""

    kind: str
    state: dict[str, Any]

    @property
    def items(self) -> tuple[Value, ...]:
        """The items that are known."""
        found: tuple[Value, ...] = self.state["items"]
        return found

    @property
    def exact(self) -> bool:
        """Whether these are all the items, in this order."""
        return bool(self.state["exact"])


@dataclass(eq=False, slots=True)
class Mapping(Value):
    """A dict; ``exact`` unless there may be other entries."""

    state: dict[str, Any]

    @property
    def items(self) -> tuple[tuple[Value, Value], ...]:
        """The entries that are known, in order."""
        found: tuple[tuple[Value, Value], ...] = self.state["items"]
        return found

    @property
    def exact(self) -> bool:
        """Whether these are all the entries."""
        return bool(self.state["exact"])

    def get(self, key: str) -> Value | None:
        """Return what is known to be under a string."""
        return next((v for k, v in self.items if k == Const(key)), None)


@dataclass(eq=False, slots=True)
class Scope:
    """The names of a module, a function's run, or a class body."""

    names: dict[str, Any]
    parent: Scope | None = None
    # Which of its names are another scope's: by ``global`` and ``nonlocal``.
    elsewhere: dict[str, Scope] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Module(Value):
    """A module of the user's own."""

    path: str
    scope: Scope
    tree: ast.Module | None = None
    text: str = ""


@dataclass(eq=False, slots=True)
class Function(Value):
    """A function of the user's own, or a lambda."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    module: Module
    owner: UserClass | None = None
    defaults: dict[str, Value] = field(default_factory=dict)
    # "property", "staticmethod", "classmethod"
    marks: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Its name, empty for a lambda."""
        return "" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(eq=False, slots=True)
class Method(Value):
    """A method of an object: a function of the user's own, or the name of one of Keras' or Python's."""

    receiver: Value
    name: str
    function: Function | None = None


@dataclass(eq=False, slots=True)
class Partial(Value):
    """What ``functools.partial`` returns."""

    callee: Value
    arguments: tuple[Value, ...]
    keywords: dict[str, Value]


@dataclass(eq=False, slots=True)
class Super(Value):
    """What ``super()`` is in a method."""

    receiver: Value
    owner: UserClass


@dataclass(eq=False, slots=True)
class UserClass(Value):
    """A class of the user's own."""

    name: str
    node: ast.ClassDef
    bases: tuple[Value, ...]
    scope: Scope
    module: Module

    def line(self) -> Iterator[UserClass | str]:
        """Yield the class and its ancestors, the nearest first: others by their dotted name."""
        seen: list[UserClass] = []
        pending: list[Value] = [self]
        while pending:
            each = pending.pop(0)
            if isinstance(each, UserClass):
                if each not in seen:
                    seen.append(each)
                    yield each
                    pending[:0] = each.bases
            else:
                yield each.path if isinstance(each, Name) else ""

    def find(self, name: str) -> Value | None:
        """Return what a name is in the class or the user's own ancestors of it."""
        for each in self.line():
            if isinstance(each, UserClass) and name in each.scope.names:
                found: Value = each.scope.names[name]
                return found
        return None


@dataclass(eq=False, slots=True)
class Object(Value):
    """An object that was built: of one of Keras' classes, or of one of the user's own.

    ``arguments`` are what it was built with, ``open`` tells that there may have been others.
    """

    cls: str
    user: UserClass | None = None
    arguments: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    # That it is of this class is known from an annotation or from where it came, not from a call.
    told: bool = False


@dataclass(eq=False, slots=True)
class Tensor(Value):
    """A symbolic tensor: what a layer returned when a model was put together."""

    producer: Object | None
    parents: tuple[Value, ...] = ()
    masked: bool | None = False
    rank: int | None = None
    # Which of several outputs of an inner model it is.
    index: int | None = None


@dataclass(eq=False, slots=True)
class Either(Value):
    """One of several values, depending on where the program went."""

    options: tuple[Value, ...]


NONE = Const(None)
TRUE = Const(value=True)


def sequence(items: Iterable[Value], kind: str = "list", *, exact: bool = True) -> Sequence:
    """Return a list, a tuple or a set."""
    return Sequence(kind, {"items": tuple(items), "exact": exact})


def mapping(items: Iterable[tuple[Value, Value]], *, exact: bool = True) -> Mapping:
    """Return a dict: of entries with one key the last one counts, in the first one's place."""
    found: list[tuple[Value, Value]] = []
    for key, value in items:
        place = next((n for n, (k, _) in enumerate(found) if k == key), None)
        if place is None:
            found.append((key, value))
        else:
            found[place] = (key, value)
    return Mapping({"items": tuple(found), "exact": exact})


def options(value: Value) -> tuple[Value, ...]:
    """Return what a value may be."""
    return value.options if isinstance(value, Either) else (value,)


def join(first: Value, second: Value) -> Value:
    """Return what is either of two values."""
    found: list[Value] = []
    for each in (*options(first), *options(second)):
        if not any(each is known or each == known for known in found):
            found.append(each)
    if len(found) == 1:
        return found[0]
    return Either(tuple(found)) if len(found) <= MOST_OPTIONS else Unknown()


def leaves(value: Value) -> Iterator[Value]:
    """Yield what is in a structure of lists, tuples and dicts: the dict by its order."""
    if isinstance(value, Sequence):
        for item in value.items:
            yield from leaves(item)
    elif isinstance(value, Mapping):
        for _, item in value.items:
            yield from leaves(item)
    else:
        yield value


def whole(value: Value) -> bool:
    """Whether all of a structure is known: no list or dict in it may hold more."""
    if isinstance(value, Sequence):
        return value.exact and all(map(whole, value.items))
    if isinstance(value, Mapping):
        return value.exact and all(whole(item) for _, item in value.items)
    return not isinstance(value, Unknown | Either)
