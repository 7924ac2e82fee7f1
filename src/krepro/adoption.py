"""Adoption: a new release of Keras taken into the project, its matrix, results and expectations."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from krepro import expectation, published
from krepro.comparison import Change, Comparison, Entry, compare, together
from krepro.matrix import FILE_NAME, Release, Stack
from krepro.project import REPROS_FOLDER, Project, SelectionError
from krepro.release import at_or_below
from krepro.report import Report
from krepro.result import CellResult, write_atomically

# All that is read or written; the rest of the project has no part in it.
STAGED = (FILE_NAME, published.README, REPROS_FOLDER, published.FOLDER, "docs")


@dataclass(frozen=True)
class Adoption:
    """What new releases bring: how each compares, and what is to be written.

    ``expectations`` has, by repro, what changed in its metadata; ``files`` the new content of files by
    their path in the project; ``left`` what does not hold together and wants a person.
    """

    comparisons: tuple[Comparison, ...]
    expectations: Mapping[str, list[str]]
    files: Mapping[Path, bytes]
    left: tuple[str, ...]

    @property
    def news(self) -> list[Entry]:
        """What changed, on whatever backend."""
        return [
            e for c in self.comparisons for e in c.entries if e.change is not Change.KEPT
        ]


def wanted(
    version: str, known: Iterable[Version], offered: Sequence[Release]
) -> list[Release]:
    """Return the releases to adopt, in order of version.

    Args:
        version: the one asked for; empty for every one that is not known.
        known: what the matrix lists.
        offered: the final releases on the index.

    Raises:
        SelectionError: the one asked for is not offered.
    """
    if not version:
        listed = set(known)
        return [release for release in offered if release.parsed not in listed]
    asked = parsed(version)
    found = [release for release in offered if release.parsed == asked]
    if not found:
        newest = offered[-1].version if offered else "nothing"
        raise SelectionError(
            f"Keras {asked} is not on the package index, or is yanked: the newest there is {newest}"
        )
    return found


def parsed(version: str) -> Version:
    """Return the version to adopt.

    Raises:
        SelectionError: it is none, or no final one.
    """
    try:
        asked = Version(version)
    except InvalidVersion:
        raise SelectionError(f"{version!r} is no version such as 3.16.0") from None
    if asked.is_prerelease or asked.local:
        raise SelectionError(
            f"{asked} is no final release, and a matrix lists no other: krepro matrix -r {asked}"
        )
    return asked


def lacking(overlay: Path, pins: Mapping[str, str], python: str) -> list[str]:
    """Return what a release requires and a stack lacks.

    Args:
        overlay: where the release is installed.
        pins: the stack's packages, by canonical name.
        python: the stack's Python, such as ``3.11``.
    """
    found = []
    for distribution in importlib.metadata.distributions(path=[str(overlay)]):
        for text in distribution.requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not marker.evaluate({"python_version": python, "extra": ""}):
                continue
            pin = pins.get(canonicalize_name(requirement.name))
            if pin is None or not requirement.specifier.contains(pin, prereleases=True):
                found.append(text)
    return found


def with_releases(text: str, releases: Sequence[Release]) -> str:
    """Return a ``matrix.toml`` with more releases, each at its place; the rest stays as it is."""
    document = tomlkit.parse(text)
    listed: Any = document["release"]
    for release in releases:
        table = tomlkit.table()
        table["version"] = release.version
        if release.uploaded:
            table["uploaded"] = release.uploaded
        table["python"] = release.python
        index = sum(Version(other["version"]) < release.parsed for other in listed)
        # A blank line parts two tables; the last one of a file has none behind it.
        at_the_end = index == len(listed) and not listed[-1].as_string().endswith("\n\n")
        (listed[-1] if at_the_end else table).add(tomlkit.nl())
        listed.insert(index, table)
    return tomlkit.dumps(document)


@contextlib.contextmanager
def staged(project: Project, releases: Sequence[Release]) -> Iterator[Project]:
    """Yield a copy of a project in which more releases are listed.

    What is made of them is made there: an adoption that fails, or is only tried, writes nothing.
    """
    with tempfile.TemporaryDirectory(prefix="krepro-") as folder:
        place = Path(folder)
        for name in STAGED:
            source = project.folder / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, place / name, ignore=ignored)
            elif source.exists():
                shutil.copy2(source, place / name)
        matrix = place / FILE_NAME
        text = matrix.read_text(encoding="utf-8")
        matrix.write_text(with_releases(text, releases), encoding="utf-8")
        yield Project(place)


def stacks_of(project: Project) -> list[Stack]:
    """Return the stacks that a release is measured on: those that a project publishes."""
    return [
        stack
        for stack in project.matrix.stack
        if not stack.subject and (stack.primary or published.read(project, stack.name))
    ]


def adopt(
    project: Project, copy: Project, measured: Report, releases: Sequence[Release]
) -> Adoption:
    """Write new releases into a copy of a project, and return what that changes.

    Args:
        project: the project.
        copy: its copy, from ``staged``.
        measured: the catalogue on the new releases, nothing missing.
        releases: the new releases.
    """
    report = merged(published.to_report(copy), measured, copy)
    shown = {stack.name for stack in report.stacks if stack.primary or stack.subject}
    cells = tuple(cell for cell in report.cells if cell.stack in shown)
    # The others say what they said: a range in other words is nobody's business here.
    outdated = {difference.repro.id for difference in report.differences()}
    expectations = {}
    for repro in report.repros:
        if repro.id not in outdated:
            continue
        change = expectation.update(
            replace(report, cells=cells, repros=(repro,)), repro, write=True
        )
        if change:
            expectations[repro.id] = change
    report = replace(report, repros=tuple(copy.repros()))
    for _ in published.write(copy, report):
        pass
    primary = [stack for stack in copy.matrix.stack if stack.primary]
    comparisons = []
    for release in releases:
        others = [v for v in copy.matrix.versions if v != release.parsed]
        old = at_or_below(release.parsed, others)
        if old:
            comparisons.append(compare(report, old, release.parsed, primary))
    left = tuple(published.check(copy))
    return Adoption(tuple(comparisons), expectations, different(project, copy), left)


def merged(kept: Report, measured: Report, copy: Project) -> Report:
    """Return what is published together with what was measured now."""
    identities = dict(measured.identities)
    for cell in kept.cells:
        stored = published.read(copy, cell.stack)
        assert stored is not None
        identities[cell] = CellResult(
            cell.release,
            cell.stack,
            copy.matrix.find_stack(cell.stack).backend,
            stored.lock,
            platform=stored.platform,
            identity={"backend_version": stored.backend_version, "python": stored.python},
        )
    order = copy.matrix.cells(copy.matrix.versions, copy.matrix.stack)
    found = {**kept.found, **measured.found}
    cells = tuple(cell for cell in order if cell in found)
    return Report(copy.matrix, cells, kept.repros, found, identities)


def different(project: Project, copy: Project) -> dict[Path, bytes]:
    """Return the files of a copy that are not as in the project, by their path in it."""
    found = {}
    for path in sorted(copy.folder.rglob("*")):
        name = path.relative_to(copy.folder)
        original = project.folder / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if not original.is_file() or original.read_bytes() != content:
            found[name] = content
    return found


def check_writable(project: Project) -> None:
    """Refuse a project that cannot be written to, before it is measured for.

    Raises:
        SelectionError: a folder in it cannot be written to.
    """
    for folder in (project.folder, *(project.folder / name for name in STAGED)):
        if folder.is_dir() and not os.access(folder, os.W_OK):
            raise SelectionError(
                f"{folder}: cannot be written to: run in a checkout of your own, or --dry-run"
            )


def write(project: Project, adoption: Adoption) -> None:
    """Write what an adoption changes into the project: all of it, or nothing.

    Raises:
        OSError: something could not be written; what was there before is there again.
    """
    before = {
        name: place.read_bytes() if (place := project.folder / name).is_file() else None
        for name in adoption.files
    }
    try:
        for name, content in adoption.files.items():
            write_atomically(project.folder / name, content)
    except OSError:
        for name, old in before.items():
            with contextlib.suppress(OSError):
                if old is None:
                    (project.folder / name).unlink(missing_ok=True)
                elif (project.folder / name).read_bytes() != old:
                    write_atomically(project.folder / name, old)
        raise


def changelog(adoption: Adoption, releases: Sequence[Release]) -> str:
    """Return the entry of a changelog, in Markdown."""
    by_version = {comparison.new: comparison for comparison in adoption.comparisons}
    lines = []
    for release in releases:
        day = f" ({release.uploaded})" if release.uploaded else ""
        found = by_version.get(release.parsed)
        told = f"* Keras {release.version}{day}"
        if found is None:
            lines.append(f"{told}, which nothing known is older than.")
            continue
        said = [
            f"{change.value} {', '.join(_named(found.of(change)))}"
            for change in Change
            if change is not Change.KEPT and found.of(change)
        ]
        what = f"against {found.old}: {'; '.join(said) or 'nothing changed'}"
        lines.append(f"{told}, {found.asked} verdicts, {what}.")
    return "\n".join(lines) + "\n"


def _named(entries: Sequence[Entry]) -> Iterator[str]:
    for entry, backends in together(entries):
        yield f"`{entry.name}` ({', '.join(backends)})"
