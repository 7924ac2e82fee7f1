"""What a shell is answered that completes a command."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from krepro.matrix import MatrixError
from krepro.project import Project, SelectionError
from krepro.repro import find_repros


def project() -> Project | None:
    """Return the project at hand, or None: a shell that completes shows no errors."""
    try:
        found = Project.find(Path.cwd())
        _ = found.matrix
    except (MatrixError, SelectionError):
        return None
    return found


def beginning(names: Iterable[str], start: str) -> list[CompletionItem]:
    """Return the names that begin so, in their order."""
    return [CompletionItem(name) for name in names if name.startswith(start)]


def repros(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
    """Return scripts and ids of the catalogue; where none begins so, what the shell would say."""
    found = project()
    ids = [path.stem for path in find_repros(found.repros_folder)] if found else []
    scripts = sorted(glob.glob(f"{glob.escape(start)}*.py"))  # noqa: PTH207  Relative, as typed.
    return beginning([*scripts, *ids], start) or [CompletionItem(start, type="file")]


def releases(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
    """Return releases, the newest first."""
    found = project()
    versions = reversed(found.matrix.versions) if found else ()
    return beginning(("newest", *map(str, versions)), start)


def stacks(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
    """Return names of stacks."""
    found = project()
    return beginning((stack.name for stack in found.matrix.stack) if found else (), start)


def tiers(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
    """Return names of tiers."""
    found = project()
    return beginning(found.matrix.tiers if found else (), start)
