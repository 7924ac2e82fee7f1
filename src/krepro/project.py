"""Where a matrix and its repros are, and which of them are meant."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from krepro import release
from krepro.matrix import FILE_NAME, Cell, Matrix, Stack, read_matrix
from krepro.repro import BACKENDS, Repro, ReproError, find_repros, read_repro

REPROS_FOLDER = "repros"
# What a wheel ships; an editable installation has the checkout that it lies in.
PACKAGED = Path(__file__).parent / "data"
CHECKOUT = Path(__file__).parent.parent.parent


class SelectionError(ValueError):
    """Something was asked for that is not there."""


@dataclass(frozen=True)
class Project:
    """A folder with a ``matrix.toml``, repros and locks."""

    folder: Path

    @classmethod
    def find(cls, start: Path) -> Project:
        """Return the project that a folder belongs to, else the one that krepro ships.

        Raises:
            SelectionError: there is neither.
        """
        for folder in (start, *start.parents):
            if (folder / FILE_NAME).is_file():
                return cls(folder)
        for folder in (PACKAGED, CHECKOUT):
            if (folder / FILE_NAME).is_file():
                return cls(folder)
        raise SelectionError(
            f"no {FILE_NAME} in {start} or above: run krepro in a checkout"
        )

    @functools.cached_property
    def matrix(self) -> Matrix:
        """The matrix.

        Raises:
            MatrixError: it has a mistake.
        """
        return read_matrix(self.folder / FILE_NAME)

    @property
    def repros_folder(self) -> Path:
        """Where the catalogue is."""
        return self.folder / REPROS_FOLDER

    def repros(
        self, names: Sequence[str] = (), keyword: str = "", mark: str = ""
    ) -> list[Repro]:
        """Return the repros that are meant.

        Args:
            names: ids, paths of files or folders; none means the catalogue.
            keyword: an expression as pytest's ``-k`` takes, matched against ids.
            mark: an expression as pytest's ``-m`` takes, over kinds and areas.

        Raises:
            SelectionError: nothing is meant, or an expression does not parse.
            ReproError: a repro does not parse.
        """
        paths = [path for name in names for path in self._paths(name)]
        if not names:
            paths = find_repros(self.repros_folder)
        found = narrowed([read_repro(path) for path in dict.fromkeys(paths)], keyword, mark)
        by_id: dict[str, Repro] = {}
        for repro in found:
            other = by_id.setdefault(repro.id, repro)
            if other is not repro:
                raise ReproError(repro.path, 1, f"has the same name as {other.path}")
        return found

    def _paths(self, name: str) -> list[Path]:
        path = Path(name)
        if path.is_dir():
            found = find_repros(path)
            if not found:
                raise SelectionError(f"{name}: no repro in this folder")
            return [normal(each) for each in found]
        if path.suffix == ".py":
            if not path.is_file():
                raise SelectionError(f"{name}: no such file")
            return [normal(path)]
        path = self.repros_folder / f"{name}.py"
        if not path.is_file():
            raise SelectionError(f"no repro {name!r}: 'krepro matrix --list' lists them")
        return [path]

    def stacks(self, backends: Sequence[str], names: Sequence[str]) -> list[Stack]:
        """Return the stacks that are meant: named ones, else the primary ones of backends.

        The reference stacks come along where nothing is named.

        Raises:
            SelectionError: a backend is unknown.
            MatrixError: a stack is unknown.
        """
        if names:
            return [self.matrix.find_stack(name) for name in dict.fromkeys(names)]
        for backend in backends:
            if backend not in BACKENDS:
                raise SelectionError(f"no backend {backend!r}: use {', '.join(BACKENDS)}")
        chosen = list(dict.fromkeys(backends)) or [
            stack.backend for stack in self.matrix.stack if stack.primary
        ]
        primary = [self.matrix.primary(backend) for backend in chosen]
        return primary if backends else primary + self.matrix.reference_stacks()

    def versions(self, tier: str, selectors: Sequence[str]) -> list[Version]:
        """Return the releases that are meant: selected ones, else those of a tier.

        A pre-release or a checkout is meant by its name, though no matrix lists it.

        Raises:
            UnknownRelease: a selector selects nothing.
            MatrixError: the tier is unknown.
        """
        if selectors:
            named = {s: release.unlisted(s) for s in selectors}
            listed = [s for s, version in named.items() if version is None]
            known = release.select_all(listed, self.matrix.versions)
            return sorted({*known, *filter(None, named.values())})
        return self.matrix.tier(tier)

    def cells(self, versions: Sequence[Version], stacks: Sequence[Stack]) -> list[Cell]:
        """Return the cells of releases on stacks.

        Raises:
            SelectionError: there are none.
        """
        found = self.matrix.cells(versions, stacks)
        if not found:
            names = ", ".join(stack.name for stack in stacks)
            raise SelectionError(f"no release that is meant runs on {names}")
        return found


def check_writable(output: Path | None) -> None:
    """Refuse an output that cannot be written, before work is done for it.

    Raises:
        SelectionError: its folder is not there, or not to be written to.
    """
    if output and not os.access(output.parent, os.W_OK):
        raise SelectionError(f"{output}: its folder cannot be written to")


def normal(path: Path) -> Path:
    """Return a path as pytest names it: absolute, without ``..``, links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100  Path.absolute keeps '..'.


def narrowed(repros: Sequence[Repro], keyword: str = "", mark: str = "") -> list[Repro]:
    """Return the repros whose ids match a keyword, and whose kinds and areas a mark.

    Raises:
        SelectionError: nothing is meant, or an expression does not parse.
    """
    found = list(repros)
    if keyword:
        found = [repro for repro in found if _matches(keyword, [repro.id], part=True)]
    if mark:
        found = [r for r in found if _matches(mark, [r.kind, r.area], part=False)]
    if not found:
        raise SelectionError("no repro is meant: 'krepro matrix --list' lists them")
    return found


def _matches(expression: str, names: Sequence[str], *, part: bool) -> bool:
    # Only here: pytest takes longer to import than most commands to answer.
    from _pytest.mark.expression import Expression  # noqa: PLC0415

    try:
        compiled = Expression.compile(expression)
    except Exception as error:  # noqa: BLE001  Its type differs between releases of pytest.
        raise SelectionError(f"{expression!r} is not an expression: {error}") from None

    def holds(name: str, /, **_: object) -> bool:
        return any(name.lower() in own.lower() if part else name == own for own in names)

    return compiled.evaluate(holds)
