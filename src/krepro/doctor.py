"""What is in the cache folder: is it whole, how large is it, what can go."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from krepro import installer, overlay
from krepro import stack as stacks
from krepro.home import Home, remove, sizes_bytes
from krepro.project import Project
from krepro.release import LOCAL
from krepro.result import Store, read_result

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
STALE_AFTER_S = 24 * 3600.0
NEEDED_BYTES = 6 * 10**9


def parse_size(text: str) -> int:
    """Return a size such as ``5GB``, ``800 MB``, ``1.5G`` or ``0`` in bytes.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not found:
        raise ValueError(f"{text!r} is no size: write 5GB, 800MB or 0")
    return int(float(found[1]) * UNITS[found[2].upper()])


def human(size_bytes: float) -> str:
    """Return a size in bytes for people."""
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def examine(home: Home, project: Project, console: Console) -> bool:
    """Print what is there and what is missing; return whether a run could start at once."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    healthy = True

    def line(good: bool, what: str, state: str, fix: str = "") -> None:
        nonlocal healthy
        healthy = healthy and good
        mark = Text("ok", "green") if good else Text("no", "bold red")
        table.add_row(mark, what, state, Text(fix, "yellow"))

    sizes = sizes_bytes(home.rooms)
    line(True, "cache folder", f"{home.path}, {human(sum(sizes.values()))}")
    for room, size in sizes.items():
        line(True, f"  {room.name}", human(size))
    line(True, "uv", installer.find_uv())
    line(True, "isolation", "fork" if stacks.fork_is_safe() else "process")
    home.path.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home.path).free
    line(
        free > NEEDED_BYTES,
        "free disk",
        human(free),
        "" if free > NEEDED_BYTES else "free some, or: krepro prune --max-size 3GB",
    )
    for stack in project.matrix.stack:
        if stack.uses:
            continue
        lock = stacks.current_lock(home, project.folder, project.matrix, stack)
        found = stacks.find(home, project.folder, project.matrix, stack)
        if found:
            state = f"{stack.backend} {found.stamp.backend_version}"
            line(True, f"stack {stack.name}", f"{state}, Python {found.stamp.python}")
        else:
            half = bool(lock and stacks.path_of(home, stack, lock).exists())
            line(
                not stack.primary,
                f"stack {stack.name}",
                "half-made, will be made anew" if half else "not made yet",
                f"krepro matrix -s {stack.name}" if stack.primary else "",
            )
    paths = {
        r.version: overlay.path_of(home, f"keras=={r.version}")
        for r in project.matrix.release
    }
    missing = [version for version, path in paths.items() if not path.is_dir()]
    line(
        True,
        "releases",
        f"{len(paths) - len(missing)} of {len(paths)} there",
        "the rest is installed when needed" if missing else "",
    )
    checkouts = [path for path in _folders(home.overlays) if f"+{LOCAL}" in path.name]
    if checkouts:
        line(True, "checkouts", f"{len(checkouts)} snapshots, their results apart")
    stored = list(Store(home).files())
    broken = [path for path in stored if read_result(path) is None]
    line(
        not broken,
        "results",
        f"{len(stored)} cells",
        f"cut short, will be measured anew: {broken[0]}" if broken else "",
    )
    console.print(table, highlight=False, soft_wrap=True)
    return healthy


def prune(home: Home, max_bytes: int, *, dry_run: bool) -> Iterator[tuple[Path, int]]:
    """Remove what was not used for longest until the cache folder is small enough.

    Leftovers of killed runs go first, then downloads, which can be had again, then recordings of
    scripts and trained GANs, then overlays and stacks. Results stay.

    Yields:
        Each folder that was removed (or would be), and its size in bytes.

    Raises:
        InUse: a run uses the cache folder.
    """
    with home.used(alone=True):
        yield from _prune(home, max_bytes, dry_run=dry_run)


def _prune(home: Home, max_bytes: int, *, dry_run: bool) -> Iterator[tuple[Path, int]]:
    sizes = sizes_bytes(home.rooms)
    total = sum(sizes.values())
    for path, stale in candidates(home):
        if total <= max_bytes and not stale:
            continue
        # A file that another folder shares is gone only with its last folder.
        size = _exclusive_bytes(path)
        if not dry_run:
            remove(path)
        total -= size
        yield path, size


def candidates(home: Home) -> Iterator[tuple[Path, bool]]:
    """Yield what may go, in the order in which it should, and whether it should in any case."""
    now = time.time()
    for folder in _folders(home.scratch):
        if now - folder.stat().st_mtime > STALE_AFTER_S:
            yield folder, True
    for room in (home.stacks, home.overlays):
        for folder in _folders(room):
            if folder.name.startswith(".") and now - folder.stat().st_mtime > STALE_AFTER_S:
                yield folder, True
    if home.downloads.is_dir():
        yield home.downloads, False
    made = [path for room in (home.recordings, home.gan) for path in _folders(room)]
    yield from ((path, False) for path in sorted(made, key=lambda p: p.stat().st_mtime))
    both = [
        p
        for room in (home.overlays, home.stacks)
        for p in _folders(room)
        if p.name[0] != "."
    ]
    yield from ((path, False) for path in sorted(both, key=lambda p: p.stat().st_mtime))


def _folders(room: Path) -> list[Path]:
    if not room.is_dir():
        return []
    # Resolved locks lie beside the stacks; they are small, and results hang on them.
    return sorted(p for p in room.iterdir() if p.is_dir() and p.name != stacks.LOCKS_FOLDER)


def _exclusive_bytes(folder: Path) -> int:
    """Return the size of the files in a folder that no other folder links to, in bytes."""
    return sum(
        status.st_blocks * 512
        for path in folder.rglob("*")
        if (status := path.lstat()).st_nlink == 1 or path.is_dir()
    )
