"""Which known bugs a program's text touches: files in, findings out. Nothing of it is run."""

from __future__ import annotations

import ast
import gc
import textwrap
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from krepro.hunt.target import beside, imported
from krepro.project import SelectionError
from krepro.repro import Repro
from krepro.scan import program
from krepro.scan.events import Names, Place
from krepro.scan.match import Match, Matcher, Sureness
from krepro.scan.program import File, Library
from krepro.scan.source import Interpreter
from krepro.scan.trigger import Trigger, all_triggers
from krepro.scan.values import Module, Scope

PROGRAMS = {".py", ".ipynb"}
SNIPPET_LINES = 6


@dataclass(frozen=True, order=True)
class Spot:
    """A place in a file as a person finds it: lines and columns from 1, in a notebook by cell."""

    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None

    def __str__(self) -> str:
        cell = f"cell {self.cell}:" if self.cell is not None else ""
        return f"{self.path}:{cell}{self.line}"


@dataclass(frozen=True)
class Hit:
    """A place in a program that a known bug may matter to.

    ``why`` is the entry's title, ``shows`` how a run would differ, ``steps`` where each step of
    the trigger is, the last one here; ``ignored``: a comment silences it.
    """

    repro: str
    spot: Spot
    snippet: str
    why: str
    sureness: Sureness
    shows: tuple[str, ...]
    steps: tuple[Spot, ...]
    ignored: bool = False


@dataclass(frozen=True)
class Note:
    """What a person should know of a file besides: why it was not read, a comment without use.

    ``unread``: there is more in the file than was looked at.
    """

    spot: Spot
    message: str
    unread: bool = False

    def __str__(self) -> str:
        return f"{self.spot}: {self.message}"


@dataclass(frozen=True)
class Scan:
    """What was found: ``files`` are all that were looked at."""

    hits: tuple[Hit, ...]
    notes: tuple[Note, ...]
    files: tuple[Path, ...]

    @property
    def whole(self) -> bool:
        """Whether all that was given was read."""
        return not any(note.unread for note in self.notes)

    @property
    def active(self) -> tuple[Hit, ...]:
        """The hits that no comment silences."""
        return tuple(hit for hit in self.hits if not hit.ignored)

    def of(self, repro: str) -> tuple[Hit, ...]:
        """Return the hits of one entry that no comment silences."""
        return tuple(hit for hit in self.active if hit.repro == repro)


def scan(paths: Iterable[Path], repros: Sequence[Repro]) -> Scan:
    """Return which entries' triggers hold in some files.

    Args:
        paths: scripts (with the modules beside them that they import), folders, notebooks.
        repros: the catalogue; all of it, so that an ignore of any entry is known.

    Raises:
        SelectionError: a path is not there.
        ReproError: a trigger has a mistake in it.
    """
    return scan_with(paths, repros, all_triggers(repros))


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep the garbage collector from going through syntax trees again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@without_collection()
def scan_with(
    paths: Iterable[Path], repros: Sequence[Repro], triggers: Sequence[Trigger]
) -> Scan:
    """Return where triggers hold in some files, for callers that have read them.

    Raises:
        SelectionError: a path is not there.
    """
    given = list(paths)
    files = files_of(given)
    library = Library(dict.fromkeys(p if p.is_dir() else p.parent for p in given))
    matcher = Matcher(triggers)
    matches: dict[tuple[str, Place], Match] = {}
    for group in program.groups(files, library):
        look_at(group, library, matcher)
    for match in matcher.found.values():
        key = (match.trigger.repro, match.place)
        matches[key] = surer(matches.get(key), match)
    titles = {repro.id: repro.title for repro in repros}
    hits = [as_hit(match, library, titles) for match in matches.values()]
    wanted = set(files)
    hits = [hit for hit in hits if hit.spot.path in wanted]
    silenced, notes = apply_ignores(hits, files, library, titles)
    silenced.sort(key=lambda hit: (hit.spot, hit.repro))
    notes = [*unread(files, library), *notes]
    return Scan(tuple(silenced), tuple(sorted(notes, key=lambda n: n.spot)), tuple(files))


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths mean, each once.

    Raises:
        SelectionError: a path is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(p for p in beside(path) if p.suffix in PROGRAMS)
        elif path.is_file():
            found[path] = None
            if path.suffix == ".py":
                found |= dict.fromkeys(imported(path))
        else:
            raise SelectionError(f"{path}: no such file or folder")
    return list(found)


def surer(first: Match | None, second: Match) -> Match:
    """Return the surer of two matches of one entry at one place, with what either shows."""
    if first is None:
        return second
    best = second if second.sureness is Sureness.CERTAIN else first
    shows = dict.fromkeys((*first.trigger.shows, *second.trigger.shows))
    return replace(best, trigger=replace(best.trigger, shows=tuple(shows)))


class Walk:
    """One walk through files that import each other."""

    def __init__(self, library: Library, matcher: Matcher) -> None:
        """Start with nothing loaded."""
        self.library = library
        self.interpreter = Interpreter(self.find, matcher.listen, matcher.wants)
        self.modules: dict[Path, Module] = {}

    def find(self, name: str, level: int, importer: Module) -> Module | None:
        """Return a module of the user's own, walked through the first time it is asked for."""
        path = self.library.find(name, level, Path(importer.path))
        if path is None:
            return None
        module = self.load(path)
        parent, _, last = name.rpartition(".")
        if parent:
            above = self.find(parent, level, importer)
            if above is not None:
                above.scope.names.setdefault(last, module)
        return module

    def load(self, path: Path) -> Module:
        """Return a module that another imports."""
        if path not in self.modules:
            self.modules[path] = self.made(path)
            self.interpreter.run(self.modules[path])
        return self.modules[path]

    def made(self, path: Path) -> Module:
        """Return a module that was not walked through yet."""
        tree = self.library.tree(path) if self.library.is_file(path) else None
        # What has no file of its own is as if it had an empty one.
        place = path if self.library.is_file(path) else path / "__init__.py"
        file = self.library.files.get(path)
        return Module(str(place), Scope(Names()), tree, file.text if file else "")

    def start(self, path: Path, number: int) -> None:
        """Walk through a file as Python does when it is run."""
        if path not in self.modules:
            self.modules[path] = self.made(path)
            self.interpreter.run(self.modules[path], ((-1, number),))


def look_at(group: Sequence[Path], library: Library, matcher: Matcher) -> None:
    """Walk through files that import each other."""
    matcher.forget()
    walk = Walk(library, matcher)
    for number, path in enumerate(group):
        walk.start(path, number)
    for number, path in enumerate(group):
        walk.interpreter.look_at_uncalled(walk.modules[path], ((-1, number),))
    library.cut |= walk.interpreter.cut


# --- places -------------------------------------------------------------------------------


def as_hit(match: Match, library: Library, titles: dict[str, str]) -> Hit:
    """Return a match as a person reads it."""
    place = match.place
    file = library.file(Path(place.path))
    assert file is not None
    lines = file.lines[place.line - 1 : place.end_line][:SNIPPET_LINES]
    return Hit(
        match.trigger.repro,
        spot_of(place, library),
        textwrap.dedent("\n".join(lines)).strip(),
        titles[match.trigger.repro],
        match.sureness,
        match.trigger.shows,
        tuple(spot_of(step, library) for step in match.steps),
    )


def spot_of(place: Place, library: Library) -> Spot:
    """Return a place with columns in characters, in a notebook by cell."""
    path = Path(place.path)
    file = library.file(path)
    assert file is not None
    column = characters(file, place.line, place.column)
    end_column = characters(file, place.end_line, place.end_column)
    return in_cell(file, Spot(path, place.line, column, place.end_line, end_column))


def characters(file: File, line: int, column: int) -> int:
    """Return a column in characters where Python gives it in bytes of UTF-8."""
    text = file.lines[line - 1] if line <= len(file.lines) else ""
    if text.isascii():
        return column
    return len(text.encode()[: column - 1].decode(errors="ignore")) + 1


def in_cell(file: File, spot: Spot) -> Spot:
    """Return a spot in a notebook by its cell."""
    if not file.cells:
        return spot
    cell, line = file.cells[min(spot.line, len(file.cells)) - 1]
    _, end_line = file.cells[min(spot.end_line, len(file.cells)) - 1]
    return replace(spot, cell=cell, line=line, end_line=end_line)


def unread(files: Iterable[Path], library: Library) -> Iterator[Note]:
    """Yield a note on each file, and each cell, that is no program."""
    for path in files:
        error = library.unreadable.get(path)
        if error is not None:
            yield Note(Spot(path, error.line, 1, error.line, 1), str(error), unread=True)
        if str(path) in library.cut:
            spot = Spot(path, 1, 1, 1, 1)
            yield Note(spot, "is long: only a part of it was looked at", unread=True)
        file = library.files.get(path)
        for cell, line, message in file.broken if file else ():
            yield Note(Spot(path, line, 1, line, 1, cell), message, unread=True)


# --- ignores ------------------------------------------------------------------------------


def apply_ignores(
    hits: Sequence[Hit], files: Iterable[Path], library: Library, known: Collection[str]
) -> tuple[list[Hit], list[Note]]:
    """Return the hits with those silenced that a comment silences, and what no comment was for."""
    notes: list[Note] = []
    silenced: set[Hit] = set()
    by_path: dict[Path, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_path[hit.spot.path].append(hit)
    for path in files:
        file = library.files.get(path)
        if file is None:
            continue
        own = by_path[path]
        for line, ids in file.ignores():
            spot = in_cell(file, Spot(path, line, 1, line, 1))
            here = [
                hit
                for hit in own
                if spot.cell == hit.spot.cell and reaches(file, line, hit)
            ]
            for each in ids if ids is not None else [None]:
                meant = [hit for hit in here if each in {None, hit.repro}]
                silenced.update(meant)
                if each is not None and each not in known:
                    notes.append(
                        Note(spot, f"ignore[{each}]: there is no entry of this name")
                    )
                elif not meant:
                    what = "ignore" if each is None else f"ignore[{each}]"
                    notes.append(
                        Note(spot, f"{what} has nothing to silence here: remove it")
                    )
    return [replace(hit, ignored=hit in silenced) for hit in hits], notes


def reaches(file: File, line: int, hit: Hit) -> bool:
    """Whether a comment on a line is on a hit, or where its statement starts or ends."""
    start, end = hit.spot.line, hit.spot.end_line
    if hit.spot.cell is not None:
        first = file.cells.index((hit.spot.cell, 1))
        start, end = start + first, end + first
    return line in {start, end, *statement(file.tree, start)}


def statement(tree: ast.Module, line: int) -> tuple[int, int]:
    """Return where the innermost statement on a line starts and ends; of a block, its head."""
    found = (line, line)
    smallest = None
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            end = node.end_lineno or node.lineno
            body = getattr(node, "body", None)
            if isinstance(body, list) and body:
                end = max(node.lineno, body[0].lineno - 1)
                if line > end:
                    continue
            if smallest is None or end - node.lineno <= smallest:
                smallest, found = end - node.lineno, (node.lineno, end)
    return found
