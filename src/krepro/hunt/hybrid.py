"""Hybrids: a release with some of the changes that another one made."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# Imported first and asked for its place: must lie in the hybrid itself, not behind a link.
OWN = "keras/__init__.py"
CACHE = "__pycache__"


def key_of(release: str, composed: Mapping[str, str | None]) -> str:
    """Return a name for the content of a hybrid."""
    digest = hashlib.sha256(release.encode())
    for path in sorted(composed):
        digest.update(repr((path, composed[path])).encode())
    return f"hybrid-{digest.hexdigest()[:20]}"


def build(original: Path, composed: Mapping[str, str | None], folder: Path) -> Path:
    """Make a hybrid in a new folder: links to a release, but for the files that differ.

    Folders without a difference are linked whole, compiled files and all. A module that
    differs has no compiled file: Python would tell by its time (in seconds) and size only
    that it is another's.

    Args:
        original: the overlay of the release.
        composed: the files that differ, by path below the overlay; None for one that is gone.
        folder: where to make it.

    Raises:
        OSError: it could not be written.
    """
    own = dict(composed)
    if OWN not in own and (original / OWN).is_file():
        own[OWN] = (original / OWN).read_bytes().decode()
    touched = {parent for path in own for parent in Path(path).parents}
    stale = {(Path(path).parent / CACHE, Path(path).stem) for path in own}
    touched |= {place for place, _ in stale}
    pending = [Path()]
    while pending:
        here = pending.pop()
        if not (original / here).is_dir():
            continue
        (folder / here).mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(original / here):
            path = here / entry.name
            if path.as_posix() in own or (here, entry.name.partition(".")[0]) in stale:
                continue
            if path in touched:
                pending.append(path)
            else:
                (folder / path).symlink_to(entry.path)
    for name, text in own.items():
        if text is not None:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode())
    return folder


def state_of(folder: Path) -> int:
    """Return a number that changes when something is written below a folder."""
    found = []
    pending = [folder]
    while pending:
        for entry in os.scandir(pending.pop()):
            status = entry.stat(follow_symlinks=False)
            found.append((entry.path, status.st_size, status.st_mtime_ns))
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
    return hash(tuple(sorted(found)))


def remove(folder: Path) -> None:
    """Remove a hybrid; what its links lead to stays."""
    shutil.rmtree(folder, ignore_errors=True)
