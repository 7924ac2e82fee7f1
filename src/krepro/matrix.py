"""``matrix.toml``: releases, stacks, tiers and exclusions, as data."""

from __future__ import annotations

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from krepro import release as releases_module
from krepro.repro import BACKENDS, Repro

FILE_NAME = "matrix.toml"
SCHEMA = 1


class MatrixError(ValueError):
    """A mistake in ``matrix.toml``: which file, which line, what to do."""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Keras version on the package index.

    ``uploaded`` is the day it came out, if the index told; ``python`` its ``Requires-Python``; ``requires`` are requirements beyond those that
    every release shares.
    """

    version: str
    python: str
    uploaded: dt.date | None = None
    requires: tuple[str, ...] = ()
    notes: str = ""

    @property
    def parsed(self) -> Version:
        """The version, comparable."""
        return Version(self.version)


class Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pinned set of backend packages, a Python version, and the releases it serves.

    A stack with a ``subject`` is a reference stack: it runs that one package under the name
    ``keras`` instead of the releases of Keras 3. A stack that ``uses`` another has that one's
    environment instead of one of its own.
    """

    name: str
    backend: str
    python: str = ""
    requirements: tuple[str, ...] = ()
    uses: str = ""
    releases: str = ""
    primary: bool = False
    subject: str = ""
    environment: dict[str, str] = {}
    notes: str = ""

    def serves(self, release: Version) -> bool:
        """Whether a release of Keras 3 runs on this stack."""
        return not self.subject and SpecifierSet(self.releases).contains(
            release, prereleases=True
        )


class Exclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cells that are left out, and why."""

    stack: str
    releases: str
    reason: str


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a repro may use, unless its metadata says otherwise."""

    timeout_s: float = 60.0
    import_timeout_s: float = 120.0
    memory_mb: int = 4096
    output_kb: int = 64


class Cell(msgspec.Struct, frozen=True, order=True):
    """One release on one stack, by name."""

    stack: str
    release: str

    def __str__(self) -> str:
        return f"{self.release}@{self.stack}"


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``matrix.toml``."""

    schema: int
    requirements: tuple[str, ...]
    tiers: dict[str, tuple[str, ...]]
    limits: Limits
    release: tuple[Release, ...]
    stack: tuple[Stack, ...]
    exclude: tuple[Exclusion, ...] = ()

    @property
    def versions(self) -> list[Version]:
        """All known releases, in order of version."""
        return sorted(release.parsed for release in self.release)

    def find_stack(self, name: str) -> Stack:
        """Return the stack of a name.

        Raises:
            MatrixError: there is none.
        """
        for stack in self.stack:
            if stack.name == name:
                return stack
        known = ", ".join(stack.name for stack in self.stack)
        raise MatrixError(f"no stack {name!r}: use {known}")

    def base(self, stack: Stack) -> Stack:
        """Return the stack whose environment a stack runs in: mostly itself."""
        return self.find_stack(stack.uses) if stack.uses else stack

    def primary(self, backend: str) -> Stack:
        """Return the stack that serves every release on a backend.

        Raises:
            MatrixError: there is none.
        """
        found = {stack.backend: stack for stack in self.stack if stack.primary}
        if backend not in found:
            raise MatrixError(
                f"no primary stack has the backend {backend}: use {', '.join(found)}"
            )
        return found[backend]

    def reference_stacks(self) -> list[Stack]:
        """Return the stacks that run something else under the name of Keras."""
        return [stack for stack in self.stack if stack.subject]

    def tier(self, name: str) -> list[Version]:
        """Return the releases of a tier.

        Raises:
            MatrixError: there is no such tier.
        """
        if name not in self.tiers:
            raise MatrixError(f"no tier {name!r}: use {', '.join(self.tiers)}")
        return releases_module.select_all(self.tiers[name], self.versions)

    def excluded(self, cell: Cell) -> str:
        """Return why a cell is left out, or an empty string."""
        for exclusion in self.exclude:
            specifiers = SpecifierSet(exclusion.releases)
            if exclusion.stack == cell.stack and specifiers.contains(
                cell.release, prereleases=True
            ):
                return exclusion.reason
        return ""

    def cells(self, versions: Iterable[Version], stacks: Sequence[Stack]) -> list[Cell]:
        """Return the cells of releases on stacks, without the excluded ones."""
        return [c for c in self._all_cells(versions, stacks) if not self.excluded(c)]

    def left_out(
        self, versions: Iterable[Version], stacks: Sequence[Stack]
    ) -> list[tuple[Cell, str]]:
        """Return the excluded cells of releases on stacks, each with the reason."""
        cells = self._all_cells(versions, stacks)
        return [(cell, reason) for cell in cells if (reason := self.excluded(cell))]

    def _all_cells(
        self, versions: Iterable[Version], stacks: Sequence[Stack]
    ) -> list[Cell]:
        chosen = list(versions)
        found = []
        for stack in stacks:
            if stack.subject:
                subject_version = str(Requirement(stack.subject).specifier)[2:]
                found.append(Cell(stack.name, subject_version))
            else:
                found += [Cell(stack.name, str(v)) for v in chosen if stack.serves(v)]
        return found

    def subject(self, cell: Cell) -> str:
        """Return the requirement that installs the subject of a cell."""
        package = releases_module.package_of(Version(cell.release))
        return self.find_stack(cell.stack).subject or f"{package}=={cell.release}"

    def requirements_of(self, stack: Stack) -> list[str]:
        """Return what the environment of a stack is made from, sorted."""
        extra = [
            requirement
            for release in self.release
            if stack.serves(release.parsed)
            for requirement in release.requires
        ]
        return sorted({*self.requirements, *stack.requirements, *extra})


def applicable(repro: Repro, stack: Stack) -> bool:
    """Whether a repro has a meaning on a stack: on a reference stack only if it says so."""
    return not stack.subject or repro.keras2 is not None


@functools.cache
def read_matrix(path: Path) -> Matrix:
    """Read and check a ``matrix.toml``.

    Raises:
        MatrixError: with one line that names the file, the line and the fix.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(f"{path}: cannot be read: {error}") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = found[1] if found else str(text.count("\n") + 1)
        raise MatrixError(f"{path}:{line}: not valid TOML: {error}") from None
    try:
        matrix = msgspec.convert(table, Matrix)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        raise MatrixError(f"{path}:{line_of(text, where)}: {message}") from None
    for where, problem in _problems(matrix):
        raise MatrixError(f"{path}:{line_of(text, where)}: {problem}")
    return matrix


def line_of(text: str, where: str) -> int:
    """Return the line of a value in a TOML text.

    Args:
        text: the TOML text.
        where: a path as msgspec writes it, such as ``.stack[2].backend``.
    """
    steps = re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", where)
    names = [name for name, _ in steps if name]
    index = next((int(number) for _, number in steps if number.isdigit()), 0)
    lines = text.splitlines()
    table = names[0] if names else ""
    start, count = 0, -1
    for number, line in enumerate(lines, 1):
        if re.match(rf"\[\[?{re.escape(table)}\]\]?\s*(#.*)?$", line.strip()):
            count += 1
            if count == index:
                start = number
                break
    for number in range(start, len(lines)):
        line = lines[number].strip()
        if start and line.startswith("[") and not re.match(r"\[\s*[\"']", line):
            break
        if names and re.match(rf"{re.escape(names[-1])}\s*=", line):
            return number + 1
    return start or 1


def _problems(matrix: Matrix) -> Iterable[tuple[str, str]]:
    """Yield the mistakes that types do not show, each with where it is."""
    if matrix.schema != SCHEMA:
        yield ".schema", f"schema {matrix.schema} is not known: this krepro reads {SCHEMA}"
    yield from _release_problems(matrix)
    yield from _stack_problems(matrix)
    for name, selectors in matrix.tiers.items():
        try:
            releases_module.select_all(selectors, matrix.versions)
        except releases_module.UnknownRelease as error:
            yield f".tiers.{name}", f"tier {name}: {error}"
    names = {stack.name for stack in matrix.stack}
    for index, exclusion in enumerate(matrix.exclude):
        where = f".exclude[{index}]"
        if exclusion.stack not in names:
            known = ", ".join(sorted(names))
            yield f"{where}.stack", f"no stack {exclusion.stack!r}: use {known}"
        if not exclusion.reason.strip():
            yield f"{where}.reason", "an exclusion needs a reason"
        yield from _specifier_problems(f"{where}.releases", exclusion.releases)


def _release_problems(matrix: Matrix) -> Iterable[tuple[str, str]]:
    seen: set[Version] = set()
    for index, release in enumerate(matrix.release):
        where = f".release[{index}]"
        try:
            version = release.parsed
        except InvalidVersion:
            yield f"{where}.version", f"{release.version!r} is not a PEP 440 version"
            continue
        if version in seen:
            yield f"{where}.version", f"release {version} is listed twice: remove one"
        seen.add(version)
        yield from _specifier_problems(f"{where}.python", release.python)
        yield from _requirement_problems(f"{where}.requires", release.requires)
    if not matrix.release:
        yield ".release", "no [[release]] at all: 'krepro releases --refresh' lists them"


def _stack_problems(matrix: Matrix) -> Iterable[tuple[str, str]]:
    bases = [base.name for base in matrix.stack if not base.uses]
    for index, stack in enumerate(matrix.stack):
        where = f".stack[{index}]"
        earlier = matrix.stack[:index]
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", stack.name):
            problem = f"stack name {stack.name!r} must be lower case letters, digits, . _ -"
            yield f"{where}.name", problem
        if any(other.name == stack.name for other in earlier):
            yield f"{where}.name", f"stack {stack.name!r} is defined twice: rename one"
        if stack.backend not in BACKENDS:
            problem = f"backend {stack.backend!r} is not one of {', '.join(BACKENDS)}"
            yield f"{where}.backend", problem
        if stack.primary and any(o.primary and o.backend == stack.backend for o in earlier):
            problem = f"a second primary stack for {stack.backend}: keep one"
            yield f"{where}.primary", problem
        if stack.uses and stack.uses not in bases:
            problem = f"uses {stack.uses!r}, which is not one of {', '.join(bases)}"
            yield f"{where}.uses", problem
        if not stack.uses and not re.fullmatch(r"3\.\d+", stack.python):
            yield f"{where}.python", "a stack needs a 'python' version such as '3.11'"
        yield from _specifier_problems(f"{where}.releases", stack.releases)
        yield from _requirement_problems(f"{where}.requirements", stack.requirements)
        yield from _subject_problems(where, stack)
    for backend in sorted({stack.backend for stack in matrix.stack if not stack.subject}):
        if not any(stack.primary and stack.backend == backend for stack in matrix.stack):
            yield ".stack", f"no primary stack for {backend}: give one 'primary = true'"


def _subject_problems(where: str, stack: Stack) -> Iterable[tuple[str, str]]:
    if not stack.subject:
        if not stack.releases:
            yield where, "a stack needs 'releases' (a PEP 440 specifier) or a 'subject'"
        return
    yield from _requirement_problems(f"{where}.subject", [stack.subject])
    if "==" not in stack.subject:
        yield f"{where}.subject", "a subject must be pinned with =="


def _specifier_problems(where: str, text: str) -> Iterable[tuple[str, str]]:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        yield where, f"{text!r} is not a PEP 440 specifier such as '>=3.10,<3.12'"


def _requirement_problems(where: str, texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    for text in texts:
        try:
            Requirement(text)
        except InvalidRequirement:
            yield where, f"{text!r} is not a PEP 508 requirement such as 'jax==0.4.30'"
