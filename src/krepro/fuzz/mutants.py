"""Releases with a fault planted in them, which show whether the fuzzer finds faults."""

from __future__ import annotations

import functools
import os
from enum import StrEnum
from pathlib import Path

import msgspec

from krepro.hunt import hybrid
from krepro.hunt.prober import Place
from krepro.matrix import Cell
from krepro.recorded.difference import Kind


class MutantError(ValueError):
    """Mutants that cannot be read, or that do not fit a release."""


class Fault(StrEnum):
    """The kinds of mistake."""

    ORDER = "wrong order"
    WEIGHT = "dropped weight"
    STALE = "stale cache"
    RESET = "missing reset"
    COUNT = "off by one"
    DEFAULT = "wrong default"
    SWAPPED = "swapped arguments"
    CONDITION = "forgotten condition"


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault: ``old``, which is once in a file of a release, becomes ``new``.

    ``sees`` says what a user of it would see, ``shows`` what differs in a run that shows it,
    ``area`` what it has to do with. It can be reached on ``backends``. ``script`` is a program
    whose output differs with it, on each of them.
    """

    id: str
    area: str
    fault: Fault
    file: str
    old: str
    new: str
    sees: str
    shows: tuple[Kind, ...]
    backends: tuple[str, ...]
    script: str

    def applied(self, text: str) -> str:
        """Return the text of the file with the fault in it.

        Raises:
            MutantError: what it changes is not there, or there more than once.
        """
        times = text.count(self.old)
        if times != 1:
            raise MutantError(f"{self.id}: its old text is {times} times in {self.file}")
        return text.replace(self.old, self.new)


class Mutants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of mutants, all for one release."""

    release: str
    mutant: tuple[Mutant, ...]


def read(path: Path) -> list[Mutant]:
    """Return the mutants of a file, or of all files of a folder by name.

    Raises:
        MutantError: they cannot be read, two have one id, or they are of several releases.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    found: list[Mutant] = []
    releases = set()
    for file in files:
        read_one = _read(file)
        releases.add(read_one.release)
        found += read_one.mutant
    ids = [mutant.id for mutant in found]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise MutantError(f"{path}: more than one mutant of the id {', '.join(twice)}")
    if len(releases) != 1:
        raise MutantError(f"{path}: mutants of {len(releases)} releases, not one")
    return found


def release_of(path: Path) -> str:
    """Return the release that the mutants of a file or folder are for.

    Raises:
        MutantError: it cannot be read.
    """
    file = min(path.glob("*.toml"), default=path) if path.is_dir() else path
    return _read(file).release


def _read(file: Path) -> Mutants:
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Mutants)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise MutantError(f"{file}: {error}") from None


def plant(mutant: Mutant, release_overlay: Path, folder: Path) -> Path:
    """Return a folder with a release's overlay and one fault in it, made if it is not there.

    It is used as an overlay is, and removed by ``hybrid.remove``. Nothing is written to the
    release's own overlay, compiled files included.

    Raises:
        MutantError: the mutant does not fit, or something else is in the folder.
        OSError: it could not be written.
    """
    composed = _composed(mutant, release_overlay)
    if folder.exists():
        text = composed[mutant.file]
        place = folder / mutant.file
        if not place.is_file() or place.read_bytes().decode() != text:
            raise MutantError(f"{mutant.id}: {folder} holds something else")
        return folder
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        hybrid.build(release_overlay, composed, temporary)
        temporary.rename(folder)
    finally:
        hybrid.remove(temporary)
    return folder


def place_of(mutant: Mutant, cell: Cell, release_overlay: Path, room: Path) -> Place:
    """Return where a target runs with a fault: planted below a room when it first does.

    Raises:
        MutantError: the mutant does not fit.
    """
    composed = _composed(mutant, release_overlay)
    key = hybrid.key_of(cell.release, composed).replace("hybrid", f"mutant-{mutant.id}")
    planted = functools.partial(plant, mutant, release_overlay, room / key)
    return Place(cell, key, planted, release="")


def _composed(mutant: Mutant, release_overlay: Path) -> dict[str, str | None]:
    path = release_overlay / mutant.file
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise MutantError(f"{mutant.id}: {path}: {error.strerror}") from None
    return {mutant.file: mutant.applied(text)}
