"""Hybrids: a release with some of the changes that another one made."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# Imported first and asked for its place: must lie in the hybrid itself, not behind a link.
OWN = "keras/__init__.py"


def key_of(release: str, composed: Mapping[str, str | None]) -> str:
    """Return a name for the content of a hybrid."""
    digest = hashlib.sha256(release.encode())
    for path in sorted(composed):
        digest.update(repr((path, composed[path])).encode())
    return f"hybrid-{digest.hexdigest()[:20]}"


def build(original: Path, composed: Mapping[str, str | None], folder: Path) -> Path:
    """Make a hybrid in a new folder: links to a release, but for the files that differ.

    Folders without a difference are linked whole, compiled files and all; Python sees by a
    source's time and size that a compiled file is not its own.

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
    pending = [Path()]
    while pending:
        here = pending.pop()
        (folder / here).mkdir(parents=True, exist_ok=True)
        if not (original / here).is_dir():
            continue
        for entry in os.scandir(original / here):
            path = here / entry.name
            if path.as_posix() in own:
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


def remove(folder: Path) -> None:
    """Remove a hybrid; what its links lead to stays."""
    shutil.rmtree(folder, ignore_errors=True)
