"""Overlays: one release of Keras in a folder, to be put first on a stack's path."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from krepro import installer
from krepro.home import Home, remove, touch
from krepro.installer import InstallError
from krepro.release import is_checkout
from krepro.stack import Environment
from krepro.verdict import Verdict


def path_of(home: Home, subject: str) -> Path:
    """Return where the overlay of a pinned requirement is kept."""
    requirement = Requirement(subject)
    version = str(requirement.specifier).removeprefix("==")
    return home.overlays / f"{requirement.name}-{version}"


def prepare(home: Home, subject: str, environment: Environment) -> Path:
    """Return the overlay of a subject, installing it if it is not there.

    Args:
        home: where overlays are kept.
        subject: a pinned requirement such as ``keras==3.6.0``.
        environment: a stack whose interpreter compiles it.

    Raises:
        InstallError: it could not be installed.
    """
    path = path_of(home, subject)
    (pin,) = Requirement(subject).specifier
    if is_checkout(Version(pin.version)) and not path.is_dir():
        raise InstallError(
            Verdict.INSTALL,
            f"{pin.version} is a checkout whose snapshot is gone: name its folder, --subject PATH",
        )

    def install(folder: Path) -> None:
        installer.run_uv(
            home,
            "pip",
            "install",
            f"--python={environment.python}",
            "--no-deps",
            "--compile-bytecode",
            f"--target={folder}",
            subject,
        )

    return made_once(home, path, install)


def made_once(home: Home, path: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, filled by a function if it is not there.

    Whoever else wants it waits; a half-filled one is never seen.

    Args:
        home: whose lock is taken.
        path: the folder.
        fill: is given the folder to fill, which it makes.

    Raises:
        InstallError: it could not be filled.
    """
    if path.is_dir():
        touch(path)
        return path
    with home.lock(path.name):
        if path.is_dir():
            return path
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        remove(temporary)
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            fill(temporary)
            temporary.rename(path)
        except OSError as error:
            raise InstallError(installer.cause_of(str(error)), str(error)) from None
        finally:
            remove(temporary)
    return path


@contextlib.contextmanager
def patched(original: Path, patch: Path, scratch: Path) -> Iterator[Path]:
    """Yield a copy of an overlay with a patch applied to it by git.

    Raises:
        InstallError: the patch does not fit.
    """
    folder = scratch / f"patched-{original.name}-{patch.stem}"
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["git", "apply", "--recount", str(patch.absolute())]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise InstallError(Verdict.INSTALL, f"{patch.name}: {done.stderr.strip()}")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
