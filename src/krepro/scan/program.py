"""Files of Python as programs: read, parsed, and joined by what they import of each other."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

# A file beyond this is data, not a program that a person wrote.
MOST_BYTES = 2_000_000
# Names that are never the user's own, whatever lies beside his script.
NEVER_OWN = {"keras", "tensorflow", "tf_keras", "torch", "jax", "numpy"}
LINE_END = re.compile(r"\r\n|\r|\n")
IMPORT = re.compile(
    r"(?m)^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import\b(.*)|import[ \t]+(.+))"
)
# What a notebook has that Python has not: %magic, !command, ?help, help?, and a cell's %%magic.
NOT_PYTHON = re.compile(r"^(\s*)([%!?]|[\w.]+\?+\s*$)")
ASSIGNED_COMMAND = re.compile(r"^(\s*[\w., ]+=\s*)[%!].*$")
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "python", "python3", "pypy"}


class Unreadable(Exception):
    """A file that is no program: at which line, and why."""

    def __init__(self, line: int, message: str) -> None:
        """Remember where and why."""
        super().__init__(message)
        self.line = line


@dataclass(eq=False)
class File:
    """A script, a module, or a notebook."""

    path: Path
    text: str
    # For each line of a notebook's program: its cell and the line in it, both from 1.
    cells: list[tuple[int, int]] = field(default_factory=list)
    # Cells that are not valid Python: number, line in it, and why.
    broken: list[tuple[int, int, str]] = field(default_factory=list)

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, as Python counts them."""
        return LINE_END.split(self.text)

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree.

        Raises:
            Unreadable: it is not valid Python.
        """
        return parsed(self.text)

    @cached_property
    def names_keras(self) -> bool:
        """Whether Keras is mentioned in it at all."""
        return "keras" in self.text

    @cached_property
    def imports(self) -> set[tuple[int, str]]:
        """What it may import, by level and dotted name: by the looks of its lines."""
        found: set[tuple[int, str]] = set()
        for match in IMPORT.finditer(self.text):
            source, names, plain = match.groups()
            if plain is not None:
                for each in plain.split(","):
                    found.add((0, each.partition("#")[0].split(" as ")[0].strip()))
                continue
            module = source.lstrip(".")
            level = len(source) - len(module)
            found.add((level, module))
            for each in re.findall(r"\w+", names):
                found.add((level, f"{module}.{each}" if module else each))
        return found

    def ignores(self) -> Iterator[tuple[int, list[str] | None]]:
        """Yield lines with ``# krepro: ignore[ID]`` and the ids; None: all of them."""
        if "krepro:" not in self.text:
            return
        for line, comment in comments(self.text):
            found = re.search(r"#\s*krepro:\s*ignore\b(?:\[([^\]]*)\])?", comment)
            if found:
                ids = found[1]
                yield line, None if ids is None else re.findall(r"[^\s,]+", ids)


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a program with their lines."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):
        return


def parsed(text: str) -> ast.Module:
    """Return a syntax tree.

    Raises:
        Unreadable: it is not valid Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise Unreadable(error.lineno or 1, f"is not valid Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        message = str(error) or "it is nested too deeply"
        raise Unreadable(1, f"is not valid Python: {message}") from None


def read(path: Path) -> File:
    """Return a file.

    Raises:
        Unreadable: it cannot be read, or is no notebook though it is called one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(1, f"cannot be read: {error.strerror or error}") from None
    if len(data) > MOST_BYTES:
        raise Unreadable(1, f"is left out: it has {len(data):,} bytes")
    if path.suffix == ".ipynb":
        return notebook(path, data)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return File(path, data.decode(encoding))
    except SyntaxError as error:
        raise Unreadable(1, f"is not valid Python: {error.msg}") from None
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(1, f"is not valid Python: {error}") from None


# --- notebooks ----------------------------------------------------------------------------


def notebook(path: Path, data: bytes) -> File:
    """Return a notebook as a program: its code cells in order, without what is not Python.

    Raises:
        Unreadable: it is no notebook of format 3 or 4.
    """
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise Unreadable(line, f"is not a notebook: {error}") from None
    lines: list[str] = []
    found = File(path, "")
    for number, source in enumerate(code_cells(document), 1):
        if source is None:
            continue
        cell = plain_python(LINE_END.split(source))
        try:
            parsed("\n".join(cell))
        except Unreadable as error:
            found.broken.append((number, error.line, str(error)))
            cell = [""] * len(cell)
        lines += cell
        found.cells += [(number, line) for line in range(1, len(cell) + 1)]
    found.text = "\n".join(lines)
    return found


def code_cells(document: Any) -> Iterator[str | None]:
    """Yield the source of each code cell; None for the other cells.

    Raises:
        Unreadable: it is no notebook of format 3 or 4.
    """
    if not isinstance(document, dict):
        raise Unreadable(1, "is not a notebook: its JSON is no object")
    cells = document.get("cells")
    if cells is None and isinstance(document.get("worksheets"), list):
        sheets = [s for s in document["worksheets"] if isinstance(s, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise Unreadable(1, "is not a notebook: it has no list of cells")
    for cell in cells:
        if not isinstance(cell, dict):
            raise Unreadable(1, "is not a notebook: a cell is no object")
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(map(str, source))
        yield str(source) if cell.get("cell_type") == "code" else None


def plain_python(lines: list[str]) -> list[str]:
    """Return a cell's lines with what only a notebook understands taken out, line for line."""
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%"):
        words = first[2:].split()
        if not words or words[0] not in PYTHON_MAGICS:
            return [""] * len(lines)
        lines = ["" if line is first else line for line in lines]
    found, continued = [], False
    for line in lines:
        if continued:
            continued = line.rstrip().endswith("\\")
            found.append("")
        elif match := NOT_PYTHON.match(line):
            continued = line.rstrip().endswith("\\")
            found.append(of_line_magic(match[1], line))
        elif match := ASSIGNED_COMMAND.match(line):
            found.append(f"{match[1]}None")
        else:
            found.append(line)
    return found


def of_line_magic(indent: str, line: str) -> str:
    """Return what is Python in a line magic: the statement after ``%time``."""
    found = re.match(r"\s*%(time|timeit)\s+(?!-)(.+)$", line)
    return f"{indent}{found[2]}" if found else f"{indent}pass"


# --- modules ------------------------------------------------------------------------------


class Library:
    """The files that a scan knows, and where the modules that they import are."""

    def __init__(self, roots: Iterable[Path]) -> None:
        """Start with the folders that are searched besides the importing file's own."""
        self.roots = [folder for root in roots for folder in (root, root / "src")]
        self.files: dict[Path, File | None] = {}
        self.unreadable: dict[Path, Unreadable] = {}
        # Those that were too much to be walked through to their end.
        self.cut: set[str] = set()
        self._names: dict[Path, dict[str, bool]] = {}

    def file(self, path: Path) -> File | None:
        """Return a file, or None where it is no program."""
        if path not in self.files:
            try:
                self.files[path] = read(path)
            except Unreadable as error:
                self.unreadable[path] = error
                self.files[path] = None
        return self.files[path]

    def tree(self, path: Path) -> ast.Module | None:
        """Return a file's syntax tree, or None where it is no program."""
        file = self.file(path)
        try:
            return file.tree if file is not None else None
        except Unreadable as error:
            self.unreadable[path] = error
            self.files[path] = None
            return None

    def find(self, name: str, level: int, importer: Path) -> Path | None:
        """Return where a module of the user's own is: a file, or a folder without a file of its own."""
        parts = name.split(".") if name else []
        if level:
            folder = importer.parent
            for _ in range(level - 1):
                folder = folder.parent
            return self.inside(folder, parts) if parts else self.package(folder)
        if not parts or parts[0] in NEVER_OWN:
            return None
        searched = [importer.parent, top_of(importer.parent, self.is_file), *self.roots]
        for root in dict.fromkeys(searched):
            held = self.names(root)
            if parts[0] not in held and f"{parts[0]}.py" not in held:
                continue
            found = self.inside(root, parts)
            if found is not None and found != importer:
                return found
        return None

    def inside(self, folder: Path, parts: list[str]) -> Path | None:
        """Return a module by the parts of its name below a folder."""
        for part in parts[:-1]:
            folder = folder / part
            if not self.is_folder(folder):
                return None
        module = folder / f"{parts[-1]}.py"
        return module if self.is_file(module) else self.package(folder / parts[-1])

    def package(self, folder: Path) -> Path | None:
        """Return a package's own file, or its folder."""
        own = folder / "__init__.py"
        if self.is_file(own):
            return own
        return folder if self.is_folder(folder) else None

    def is_file(self, path: Path) -> bool:
        """Whether a path is a file; each folder is listed once."""
        return self.names(path.parent).get(path.name) is True

    def is_folder(self, path: Path) -> bool:
        """Whether a path is a folder; each folder is listed once."""
        return self.names(path.parent).get(path.name) is False

    def names(self, folder: Path) -> dict[str, bool]:
        """Return what is in a folder, and of each whether it is a file."""
        if folder not in self._names:
            try:
                with os.scandir(folder) as entries:
                    self._names[folder] = {e.name: e.is_file() for e in entries}
            except OSError:
                self._names[folder] = {}
        return self._names[folder]

    def imports(self, path: Path) -> list[Path]:
        """Return the files of the user's own that a file may import."""
        file = self.file(path)
        if file is None:
            return []
        found = (self.find(name, level, path) for level, name in sorted(file.imports))
        return [each for each in dict.fromkeys(found) if each and self.is_file(each)]


def top_of(folder: Path, is_file: Any) -> Path:
    """Return the folder above the outermost package that a folder is in."""
    while is_file(folder / "__init__.py") and folder.parent != folder:
        folder = folder.parent
    return folder


def groups(paths: Iterable[Path], library: Library) -> list[list[Path]]:
    """Return files in groups that import nothing of each other; in each the importing ones first.

    A group that does not mention Keras is left out.
    """
    wanted = list(dict.fromkeys(paths))
    edges = {path: library.imports(path) for path in wanted}
    pending = [each for found in edges.values() for each in found]
    while pending:
        path = pending.pop()
        if path not in edges:
            edges[path] = library.imports(path)
            pending += edges[path]
    neighbours: dict[Path, set[Path]] = {path: set(found) for path, found in edges.items()}
    for path, found in edges.items():
        for each in found:
            neighbours.setdefault(each, set()).add(path)
    imported = {each for path, found in edges.items() for each in found if each != path}
    seen: set[Path] = set()
    result = []
    for path in wanted:
        if path in seen:
            continue
        group = connected(path, neighbours)
        seen |= group
        if any(touches_keras(each, library) for each in group):
            mine = [each for each in wanted if each in group]
            result.append(sorted(mine, key=lambda p: p in imported))
    return result


def connected(start: Path, neighbours: dict[Path, set[Path]]) -> set[Path]:
    """Return what can be reached from a file."""
    found, pending = {start}, [start]
    while pending:
        for each in neighbours[pending.pop()]:
            if each not in found:
                found.add(each)
                pending.append(each)
    return found


def touches_keras(path: Path, library: Library) -> bool:
    """Whether a file mentions Keras."""
    file = library.file(path)
    return file is not None and file.names_keras
