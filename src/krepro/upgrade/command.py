"""``krepro upgrade``, from its options to its exit code."""

from __future__ import annotations

from pathlib import Path

import click

from krepro import published, release
from krepro.project import Project, SelectionError
from krepro.render import upgrade as rendering
from krepro.render.upgrade import Upgrade
from krepro.report import Exit
from krepro.repro import BACKENDS
from krepro.upgrade import known
from krepro.upgrade.known import End

DEFAULT_BACKEND = "tensorflow"


def upgrade(
    *, old: str, new: str, every: bool, keyword: str, mark: str, verbose: bool, form: str
) -> Exit:
    """Run ``krepro upgrade``; return its exit code.

    Raises:
        SelectionError: neither a goal nor ``--any`` was given, or a backend is unknown.
        UnknownRelease: a release is unknown.
    """
    if bool(new) == every:
        raise SelectionError("upgrade needs --to RELEASE, or --any")
    project = Project.find(Path.cwd())
    report = published.for_people(project)
    repros = project.repros((), keyword, mark)
    start = end_of(project, old, DEFAULT_BACKEND)
    if every:
        if form != "text":
            raise SelectionError("--any prints text")
        click.echo(
            rendering.ranking_text(known.ranking(report, start, repros), start), nl=False
        )
        return Exit.AS_EXPECTED
    goal = end_of(project, new, start.stack.backend)
    if "@" not in old and "@" in new:
        start = End(start.release, goal.stack)
    found = Upgrade(
        report, start, goal, tuple(known.consequences(report, start, goal, repros))
    )
    if form == "text":
        click.echo(rendering.as_text(found, verbose=verbose), nl=False)
    else:
        render = rendering.as_json if form == "json" else rendering.as_markdown
        click.echo(render(found), nl=False)
    if not found.safe:
        return Exit.FINDINGS
    return Exit.AS_EXPECTED if found.complete else Exit.INCOMPLETE


def end_of(project: Project, text: str, backend: str) -> End:
    """Return the release and backend that ``3.7.0@jax`` means.

    Raises:
        SelectionError: the backend is unknown, or several releases are meant.
        UnknownRelease: the release is unknown.
    """
    name, _, given = text.partition("@")
    if given and given not in BACKENDS:
        raise SelectionError(f"no backend {given!r}: use {', '.join(BACKENDS)}")
    meant = release.select(name, project.matrix.versions)
    if len(meant) != 1:
        raise SelectionError(f"{name!r} means {len(meant)} releases: name one")
    return End(meant[0], project.matrix.primary(given or backend))
