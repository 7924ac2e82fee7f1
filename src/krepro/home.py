"""The one folder that holds everything krepro makes: environments, overlays, results."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps a prune from a run's folders.
    fcntl = None  # type: ignore[assignment]

VARIABLE = "KREPRO_HOME"


class InUse(Exception):
    """The cache folder is used by another run."""


@dataclass(frozen=True)
class Home:
    """``KREPRO_HOME``: the rooms of krepro's cache folder."""

    path: Path

    @classmethod
    def find(cls) -> Home:
        """Return the folder that the environment names, else the user's cache folder."""
        named = os.environ.get(VARIABLE)
        default = platformdirs.user_cache_path("krepro", appauthor=False)
        return cls(Path(named).expanduser().absolute() if named else default)

    @property
    def stacks(self) -> Path:
        """One virtual environment per stack and lock."""
        return self.path / "stacks"

    @property
    def overlays(self) -> Path:
        """One folder per release."""
        return self.path / "overlays"

    @property
    def results(self) -> Path:
        """One JSON file per cell."""
        return self.path / "results"

    @property
    def sightings(self) -> Path:
        """How runs of searches ended, by what was run and where."""
        return self.path / "sightings"

    @property
    def recordings(self) -> Path:
        """What scripts trained, as upgrade checks recorded it."""
        return self.path / "recordings"

    @property
    def fuzz(self) -> Path:
        """What hunts found, and how far they came."""
        return self.path / "fuzz"

    @property
    def gan(self) -> Path:
        """What GANs were trained, a folder each."""
        return self.path / "gan"

    @property
    def downloads(self) -> Path:
        """What uv downloaded, hard-linked into the environments."""
        return self.path / "uv"

    @property
    def scratch(self) -> Path:
        """Working folders of repros; empty between runs."""
        return self.path / "scratch"

    @property
    def rooms(self) -> tuple[Path, ...]:
        """Every folder in here."""
        return (
            self.stacks,
            self.overlays,
            self.results,
            self.sightings,
            self.recordings,
            self.fuzz,
            self.gan,
            self.downloads,
            self.scratch,
        )

    def lock(self, name: str) -> FileLock:
        """Return a lock that runs of krepro share, by name."""
        folder = self.path / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name}.lock")

    @contextlib.contextmanager
    def used(self, *, alone: bool = False) -> Iterator[None]:
        """Hold the folder in use: with others, or alone, which nobody else may be then.

        Raises:
            InUse: somebody uses it, and it was asked for alone (or the other way round).
        """
        if fcntl is None:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "in-use").open("ab") as file:
            try:
                kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(
                    f"{self.path} is in use by "
                    + ("a run: wait for its end" if alone else "krepro prune: try again")
                ) from None
            yield


def sizes_bytes(folders: tuple[Path, ...]) -> dict[Path, int]:
    """Return what folders take, a file they share counted for the first of them, in bytes."""
    seen: set[tuple[int, int]] = set()
    return {folder: _size_bytes(folder, seen) for folder in folders}


def _size_bytes(folder: Path, seen: set[tuple[int, int]]) -> int:
    total = 0
    pending = [folder]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            key = (status.st_dev, status.st_ino)
            if key not in seen:
                seen.add(key)
                total += status.st_blocks * 512
    return total


def touch(folder: Path) -> None:
    """Note that a folder was used now: ``krepro prune`` lets the longest unused go first."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def remove(folder: Path) -> None:
    """Remove a folder if it is there: renamed first, so that nobody sees half of it."""
    doomed = folder.with_name(f".{folder.name}.{os.getpid()}.doomed")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    shutil.rmtree(doomed, ignore_errors=True)
