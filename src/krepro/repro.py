"""A repro: one script that shows one behaviour, with its metadata in a PEP 723 block.

Imported inside cells too, so it needs nothing but the standard library and ``packaging``
(which pytest brings).
"""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from krepro.verdict import Verdict

BACKENDS = ("tensorflow", "jax", "torch")
# By what a search on them costs.
CHEAPEST = ("jax", "torch", "tensorflow")
KINDS = ("crash", "silent", "change", "divergence")
KERAS_2_VERDICTS = tuple(v.value for v in Verdict if v.known)

# The regular expression of PEP 723, "Reference Implementation".
BLOCK = re.compile(
    r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
)


class ReproError(ValueError):
    """A repro that does not parse: which file, which line, what to do."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        """Compose the one line that a user reads."""
        super().__init__(f"{path}:{line}: {message}")


@dataclass(frozen=True)
class Range:
    """A set of releases per backend: a union of PEP 440 specifier sets."""

    by_backend: Mapping[str, tuple[SpecifierSet, ...]]

    def holds(self, release: Version, backend: str) -> bool:
        """Whether a release lies in the range on a backend."""
        return any(
            specifiers.contains(release, prereleases=True)
            for specifiers in self.by_backend.get(backend, ())
        )

    @classmethod
    def everywhere(cls) -> Range:
        """Return the range that holds every release on every backend."""
        return cls({backend: (SpecifierSet(),) for backend in BACKENDS})


@dataclass(frozen=True)
class Repro:
    """One repro file: its identity, its metadata and what is expected of it."""

    id: str
    path: Path
    title: str
    kind: str
    area: str
    affected: Range
    source_hash: str
    dependencies: tuple[str, ...]
    docstring: str
    tests: tuple[str, ...]
    workarounds: tuple[str, ...]
    issues: tuple[int, ...] = ()
    introduced: int | str | None = None
    fixed: int | str | None = None
    docs: tuple[str, ...] = ()
    announced: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()
    applies: Range = field(default_factory=Range.everywhere)
    works: Mapping[str, Range] = field(default_factory=dict)
    keras2: str | None = None
    timeout_s: float | None = None
    memory_mb: int | None = None
    # As written; scan/trigger.py reads what they say.
    triggers: tuple[Mapping[str, Any], ...] = ()

    def expected(self, release: Version, backend: str) -> Verdict:
        """Return the verdict that the metadata declares for a cell."""
        if release.major < 3:
            return Verdict(self.keras2) if self.keras2 else Verdict.NOT_APPLICABLE
        if not self.applies.holds(release, backend):
            return Verdict.NOT_APPLICABLE
        if self.affected.holds(release, backend):
            return Verdict.AFFECTED
        return Verdict.UNAFFECTED

    def workaround_as_declared(
        self, name: str, release: Version, backend: str, found: Verdict
    ) -> bool:
        """Whether a workaround said what the metadata declares: by default, that it works.

        Nothing is declared for Keras 2, nor where the repro itself does not apply. A workaround
        that says of itself that it is not applicable contradicts nothing.
        """
        declared = release.major >= 3 and self.applies.holds(release, backend)
        if not declared or found is Verdict.NOT_APPLICABLE:
            return True
        works = self.works.get(name)
        expected = works is None or works.holds(release, backend)
        return found is (Verdict.UNAFFECTED if expected else Verdict.AFFECTED)


def metadata_block(source: str) -> re.Match[str] | None:
    """Return the match of the file's ``script`` block, or None where it has none."""
    return next((m for m in BLOCK.finditer(source) if m["type"] == "script"), None)


def block_toml(block: re.Match[str]) -> str:
    """Return the TOML text inside a ``script`` block, its comment marks taken off."""
    return "".join(
        line[2:] if line.startswith("# ") else line[1:]
        for line in block["content"].splitlines(keepends=True)
    )


def is_repro(path: Path) -> bool:
    """Whether a file carries krepro's metadata; cheap, for collection."""
    try:
        with path.open(encoding="utf-8") as file:
            return re.search(r"(?m)^# \[tool\.krepro\]$", file.read(8192)) is not None
    except (OSError, UnicodeDecodeError):
        return False


def read_repro(path: Path) -> Repro:
    """Read a repro file.

    Raises:
        ReproError: the file cannot be read, has no metadata block, or has a mistake in it.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReproError(path, 1, f"cannot be read: {error}") from None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = getattr(error, "msg", None) or str(error)
        raise ReproError(path, line, f"is not valid Python: {message}") from None
    block = metadata_block(source)
    if block is None:
        raise ReproError(
            path, 1, "has no '# /// script' metadata block: see 'krepro new NAME'"
        )
    first_line = source.count("\n", 0, block.start()) + 2
    try:
        table = tomllib.loads(block_toml(block))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = first_line + int(found[1]) - 1 if found else first_line
        raise ReproError(path, line, f"metadata is not valid TOML: {error}") from None
    tool = table.get("tool")
    fields = tool.get("krepro") if isinstance(tool, dict) else None
    if not isinstance(fields, dict):
        raise ReproError(path, first_line, "metadata lacks the table [tool.krepro]")
    dependencies = table.get("dependencies", [])
    if not isinstance(dependencies, list):
        raise ReproError(path, first_line, "dependencies must be a list of requirements")
    reader = _Fields(path, source, first_line, fields)
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    tests = tuple(name for name in functions if name.startswith("test_"))
    if not tests:
        raise ReproError(path, 1, "defines no test_* function, so it asks nothing")
    repro = Repro(
        id=path.stem,
        path=path,
        title=reader.text("title", required=True),
        kind=reader.choice("kind", KINDS),
        area=reader.text("area", required=True),
        affected=reader.range("affected", required=True),
        source_hash=source_hash(source, tree, block, fields),
        dependencies=tuple(map(str, dependencies)),
        docstring=ast.get_docstring(tree) or "",
        tests=tests,
        workarounds=tuple(n for n in functions if n.startswith("workaround_")),
        issues=reader.numbers("issues"),
        introduced=reader.change("introduced"),
        fixed=reader.change("fixed"),
        docs=reader.texts("docs"),
        announced=reader.texts("announced"),
        related=reader.texts("related"),
        symptoms=reader.texts("symptom"),
        applies=reader.range("applies"),
        works=reader.ranges("works"),
        keras2=reader.optional_choice("keras2", KERAS_2_VERDICTS),
        timeout_s=reader.number("timeout_s"),
        memory_mb=reader.number("memory_mb"),
        triggers=reader.tables("trigger"),
    )
    reader.check(repro)
    return repro


def source_hash(
    source: str, tree: ast.Module, block: re.Match[str], fields: Mapping[str, Any]
) -> str:
    """Return a hash of all that can change a verdict: the code, the symptom, the limits.

    The story (docstring) and the expectations can be rewritten without a new measurement.
    """
    lines = source.splitlines(keepends=True)
    first = tree.body[0] if tree.body else None
    if ast.get_docstring(tree) is not None and first is not None:
        for number in range(first.lineno - 1, first.end_lineno or first.lineno):
            lines[number] = ""
    start = source.count("\n", 0, block.start())
    end = source.count("\n", 0, block.end())
    for number in range(start, end + 1):
        lines[number] = ""
    code = "".join(line for line in lines if line.strip())
    decisive = [fields.get(name) for name in ("symptom", "timeout_s", "memory_mb")]
    return hashlib.sha256(f"{decisive!r}\n{code}".encode()).hexdigest()[:16]


def find_repros(folder: Path) -> list[Path]:
    """Return the repro files directly inside a folder, sorted by name."""
    return sorted(path for path in folder.glob("*.py") if is_repro(path))


def parse_specifiers(text: str | list[str]) -> tuple[SpecifierSet, ...]:
    """Return a union of specifier sets from a string or a list of strings.

    Raises:
        InvalidSpecifier: one of them is not a PEP 440 specifier.
    """
    return tuple(SpecifierSet(part) for part in ([text] if isinstance(text, str) else text))


class _Fields:
    """Typed access to ``[tool.krepro]`` with errors that name file and line."""

    def __init__(
        self, path: Path, source: str, first_line: int, fields: dict[str, Any]
    ) -> None:
        self._path = path
        self._lines = source.splitlines()
        self._first_line = first_line
        self._fields = fields
        self._asked: set[str] = set()

    def fail(self, name: str, message: str) -> None:
        pattern = re.compile(
            rf"# *{re.escape(name)}(\.\w+)? *=|# *\[\[tool\.krepro\.{re.escape(name)}\]\]"
        )
        line = next(
            (n for n, text in enumerate(self._lines, 1) if pattern.match(text)),
            self._first_line,
        )
        raise ReproError(self._path, line, f"{name} {message}")

    def _get(self, name: str, types: type | tuple[type, ...], wanted: str) -> Any:
        self._asked.add(name)
        value = self._fields.get(name)
        if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
            self.fail(name, f"must be {wanted}, not {value!r}")
        return value

    def text(self, name: str, *, required: bool = False) -> str:
        value = self._get(name, str, "a string")
        if not value and required:
            self.fail(name, "is missing from [tool.krepro]")
        return value or ""

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, required=True)
        if value not in choices:
            self.fail(name, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def optional_choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        return self.choice(name, choices) if name in self._fields else None

    def number(self, name: str) -> int | None:
        value = self._get(name, int, "a whole number")
        return None if value is None else int(value)

    def change(self, name: str) -> int | str | None:
        """Return an upstream change: a pull request's number or a short commit hash."""
        wanted = "a pull request's number or a commit's hash of 7 to 12 digits"
        value = self._get(name, (int, str), wanted)
        if isinstance(value, str) and not re.fullmatch(r"[0-9a-f]{7,12}", value):
            self.fail(name, f"must be {wanted}, not {value!r}")
        return value if value is None or isinstance(value, str) else int(value)

    def numbers(self, name: str) -> tuple[int, ...]:
        value = self._get(name, list, "a list of whole numbers") or []
        if not all(isinstance(item, int) for item in value):
            self.fail(name, f"must be a list of whole numbers, not {value!r}")
        return tuple(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._get(name, (str, list), "a string or a list of strings") or []
        items = [value] if isinstance(value, str) else value
        if not all(isinstance(item, str) for item in items):
            self.fail(name, f"must be a string or a list of strings, not {value!r}")
        return tuple(items)

    def tables(self, name: str) -> tuple[Mapping[str, Any], ...]:
        wanted = f"an array of tables: [[tool.krepro.{name}]]"
        found = self._get(name, list, wanted) or []
        if not all(isinstance(item, dict) for item in found):
            self.fail(name, f"must be {wanted}, not {found!r}")
        return tuple(found)

    def range(self, name: str, *, required: bool = False) -> Range:
        wanted = "a PEP 440 specifier, a list of them, or a table by backend"
        value = self._get(name, (str, list, dict), wanted)
        if value is None:
            if required:
                self.fail(name, "is missing from [tool.krepro]")
            return Range.everywhere()
        return self._to_range(name, value)

    def ranges(self, name: str) -> dict[str, Range]:
        value = self._get(name, dict, "a table of ranges by workaround") or {}
        return {key: self._to_range(name, item) for key, item in value.items()}

    def _to_range(self, name: str, value: str | list[str] | dict[str, Any]) -> Range:
        table = value if isinstance(value, dict) else dict.fromkeys(BACKENDS, value)
        for backend in table:
            if backend not in BACKENDS:
                self.fail(name, f"names {backend!r}: use {', '.join(BACKENDS)}")
        try:
            return Range({b: parse_specifiers(text) for b, text in table.items()})
        except (InvalidSpecifier, TypeError) as error:
            self.fail(name, f"is not a PEP 440 specifier: {error}")
            raise

    def check(self, repro: Repro) -> None:
        """Refuse fields that do not fit together, and unknown ones."""
        for name in repro.works:
            if name not in repro.workarounds:
                self.fail("works", f"names {name!r}, which the file does not define")
        if repro.kind == "change" and not repro.announced:
            self.fail("kind", 'is "change": announced must name the release note')
        if repro.kind != "change" and repro.announced:
            self.fail(
                "announced", 'names the release note of a kind = "change", of no other'
            )
        for name in self._fields:
            if name not in self._asked:
                known = ", ".join(sorted(self._asked))
                self.fail(name, f"is not a field of [tool.krepro]: {known}")
