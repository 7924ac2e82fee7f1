"""Checkouts: a local tree of Keras' sources as a cell like any other, under a name of its content."""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.version import InvalidVersion, Version

from krepro import overlay
from krepro.home import Home
from krepro.hunt.commits import Clone, Commit
from krepro.project import SelectionError
from krepro.release import of_checkout

PACKAGE = "keras"
# Where a tree says its version: in this order, since a release made of sources moves it.
VERSION_FILES = ("src/version.py", "version.py", "__init__.py")
ASSIGNED = re.compile(r"(?m)^__version__\s*(?::[^=\n]+)?=\s*(?P<value>[\"'][^\"'\n]+[\"'])")
DIGITS = 12


@dataclass(frozen=True)
class Checkout:
    """A tree of Keras' sources as it was when it was read.

    ``files`` has the content of the package's files by their path in it; tests and compiled files,
    which no run needs, are not among them. ``commit`` is where a clone stood, its edits aside.
    """

    path: Path
    version: Version
    files: Mapping[str, bytes]
    commit: Commit | None = None

    @cached_property
    def release(self) -> Version:
        """The name that it goes by, such as ``3.16.0+local.ab12cd34ef56``.

        Other content is another name, so no result is ever taken for that of other sources.
        """
        digest = hashlib.sha256()
        for name in sorted(self.files):
            content = hashlib.sha256(self.files[name]).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
        return of_checkout(self.version, digest.hexdigest()[:DIGITS])

    @property
    def place(self) -> str:
        """Where it is, for people: its folder, and the commit that it is at or was edited from."""
        return f"{self.path} (on {self.commit.short})" if self.commit else str(self.path)

    def keep(self, home: Home) -> Path:
        """Return the overlay with these files, made if it is not there.

        Raises:
            InstallError: it could not be written.
        """

        def fill(folder: Path) -> None:
            for name, content in self.files.items():
                place = folder / PACKAGE / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)

        path = overlay.path_of(home, f"{PACKAGE}=={self.release}")
        return overlay.made_once(home, path, fill)


def read(path: Path) -> Checkout:
    """Read a checkout: a clone, an unpacked sdist or wheel, or the package folder in one.

    Raises:
        SelectionError: it is none that krepro can run.
        OSError: a file cannot be read.
    """
    package = path / PACKAGE
    if not (package / "__init__.py").is_file() and (path / "src" / "__init__.py").is_file():
        package = path
    if not (package / "__init__.py").is_file():
        what = "a file: unpack it first" if path.is_file() else "no checkout of Keras"
        raise SelectionError(f"{path}: is {what}; expected {PACKAGE}/__init__.py in it")
    files = {
        file.relative_to(package).as_posix(): file.read_bytes()
        for file in sorted(_sources(package))
    }
    version = _version(path, files)
    if version.major < 3:
        raise SelectionError(f"{path}: is Keras {version}; expected Keras 3")
    if not any(name.startswith("src/") for name in files):
        raise SelectionError(
            f"{path}: is a source tree of before 3.3, whose public names are made when it is "
            "built; name the folder of its unpacked wheel"
        )
    # A folder inside somebody else's repository has nothing to do with its commits.
    clone = Clone(path) if (path / ".git").exists() else None
    return Checkout(path, version, files, _head(clone) if clone else None)


def _head(clone: Clone) -> Commit | None:
    try:
        return clone.commit("HEAD")
    except SelectionError:
        # No git here, or no commit yet: it is only shown.
        return None


def _sources(package: Path) -> list[Path]:
    """Return the files that a run may need, by what ``git archive`` and an editor leave about."""
    found = []
    for folder, below, names in os.walk(package):
        below[:] = [name for name in below if name[0] != "." and name != "__pycache__"]
        found += [
            place
            for name in names
            if name[0] != "." and not name.endswith((".pyc", "_test.py"))
            if (place := Path(folder, name)).is_file()
        ]
    return found


def _version(path: Path, files: Mapping[str, bytes]) -> Version:
    """Return the version that a tree says it is, without running anything of it.

    Raises:
        SelectionError: it says none, or none that PEP 440 knows.
    """
    for name in VERSION_FILES:
        found = ASSIGNED.search(files.get(name, b"").decode("utf-8", "replace"))
        if not found:
            continue
        said = ast.literal_eval(found["value"])
        try:
            return Version(said)
        except InvalidVersion:
            raise SelectionError(
                f"{path}: says it is Keras {said!r}, which is no PEP 440 version"
            ) from None
    raise SelectionError(
        f'{path}: says no version; expected __version__ = "..." in {PACKAGE}/src/version.py'
    )
