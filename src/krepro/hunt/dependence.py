"""Which changes cannot do without which: a new name and its users, a name that is gone. Pure.

Told from names alone, so it is a guess: it spares a search most of the mixtures that would
only fail on a name that is not there. What it misses the search finds out by running.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from krepro.hunt.changes import Change, Kind, Tree

WORD = re.compile(r"[^\W\d]\w*")
# The head of a definition, or of another statement with a body.
HEAD = re.compile(r":\s*(#[^\n]*)?\s*\Z")


@dataclass(frozen=True)
class Names:
    """The names that a piece of code defines, and those that it uses."""

    defined: frozenset[str]
    used: frozenset[str]


NOTHING = Names(frozenset(), frozenset())


def names_in(text: str) -> Names:
    """Return the names in a piece of code; all of them as used where it does not parse."""
    if not text.strip():
        return NOTHING
    tree = _parsed(textwrap.dedent(text))
    if tree is None:
        return Names(frozenset(), frozenset(WORD.findall(text)))
    defined, used = set(), set()
    for node in ast.walk(tree):
        defined |= set(_defined(node))
        used |= set(_used(node))
    return Names(frozenset(defined), frozenset(used))


def _parsed(text: str) -> ast.Module | None:
    """Return the syntax tree of a piece of code, which may be the head of a statement."""
    margin = re.findall(r"^[ \t]*(?=\S)", text, re.MULTILINE)[-1]
    for whole in (text, f"{text.rstrip()}\n{margin}    pass\n"):
        try:
            return ast.parse(whole)
        except (SyntaxError, ValueError):
            continue
    return None


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).rpartition(".")[2]


def _used(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        yield node.attr
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg
    elif isinstance(node, ast.alias):
        yield from node.name.split(".")
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from node.module.split(".")


@dataclass
class Dependences:
    """What each of some changes needs.

    A change that uses a name which OLD has nowhere needs the changes that define it; one that
    takes away the last definition of a name needs the changes that stop using it.
    """

    needs: Mapping[Change, frozenset[Change]] = field(default_factory=dict)

    @classmethod
    def between(cls, old: Tree, new: Tree, changes: Iterable[Change]) -> Dependences:
        """Work out what changes from OLD to NEW need of each other."""
        changes = list(changes)
        touched = {change.old_path for change in changes} | {c.path for c in changes}
        olds = {c: names_in(c.old_text) for c in changes}
        news = {c: _with_file(c, names_in(c.new_text)) for c in changes}
        kept = set[str]()
        for path in old.keys() & new.keys() - touched:
            kept |= set(WORD.findall(old[path]))
        in_old = kept | {w for p in touched & old.keys() for w in WORD.findall(old[p])}
        in_new = kept | {w for p in touched & new.keys() for w in WORD.findall(new[p])}
        makers, users = defaultdict(set), defaultdict(set)
        for change in changes:
            for name in news[change].defined - in_old:
                makers[name].add(change)
            for name in olds[change].used - in_new:
                users[name].add(change)
        needs = {}
        for change in changes:
            wanted = set[Change]()
            for name in news[change].used:
                if name in makers:
                    wanted |= makers[name]
            for name in olds[change].defined - in_new:
                wanted |= users[name]
            needs[change] = frozenset(wanted - {change})
        return cls(needs)

    @classmethod
    def within(
        cls, changes: Iterable[Change], hunks: Iterable[Change], old: Tree
    ) -> Dependences:
        """Work out what hunks of changes need of each other, name by name.

        A hunk that uses a name which its function, or else its file, had nowhere in OLD needs
        the first hunk that defines it there; one that takes a name away needs those that stop
        using it. What is inside a new function needs its head.
        """
        whole = {(change.path, change.position): change for change in changes}
        hunks = sorted(hunks)
        olds = {hunk: names_in(hunk.old_text) for hunk in hunks}
        news = {hunk: names_in(hunk.new_text) for hunk in hunks}
        needs: dict[Change, frozenset[Change]] = {}
        had: dict[str | Change, frozenset[str]] = {}
        for hunk in hunks:
            change = whole.get((hunk.path, hunk.position), hunk)
            if change not in had:
                had[change] = names_in(change.old_text).defined
            if hunk.path not in had:
                had[hunk.path] = names_in(old.get(hunk.old_path, "")).defined
            beside = [h for h in hunks if h.path == hunk.path and h != hunk]
            own = [h for h in beside if h.position == hunk.position]
            wanted = set[Change]()
            for name in news[hunk].used - news[hunk].defined:
                for known, others in ((had[change], own), (had[hunk.path], beside)):
                    makers = [h for h in others if name in news[h].defined]
                    if name not in known and makers:
                        wanted.add(makers[0])
                        break
            kept = names_in(change.new_text).defined
            for name in olds[hunk].defined - kept:
                wanted |= {h for h in own if name in olds[h].used}
            if hunk.hunk and not change.old_text.strip() and own and own[0] < hunk:
                wanted |= {own[0]} if HEAD.search(own[0].new_text) else set()
            needs[hunk] = frozenset(wanted)
        return cls(needs)

    def close(self, changes: frozenset[Change]) -> frozenset[Change]:
        """Return changes with all that they need, and what those need."""
        found = set(changes)
        pending = list(changes)
        while pending:
            more = self.needs.get(pending.pop(), frozenset()) - found
            found |= more
            pending += more
        return frozenset(found)


def _with_file(change: Change, names: Names) -> Names:
    """Return the names of a change; a new file defines the name it is imported by."""
    if change.kind not in (Kind.FILE_ADDED, Kind.RENAMED):
        return names
    path = PurePosixPath(change.path)
    modules = {path.stem, path.parent.name}
    return Names(names.defined | modules, names.used)
