"""Published results: the verdicts kept in the repository, and the README's table made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from packaging.version import Version

from krepro import stack as stacks
from krepro import timing
from krepro.hunt import culprit
from krepro.hunt.culprit import Culprit
from krepro.matrix import Cell
from krepro.project import Project, SelectionError
from krepro.render import culprits_page, markdown, picture
from krepro.render.culprits_page import Check, Checks
from krepro.report import Report, troubles
from krepro.repro import Repro
from krepro.result import (
    SCHEMA,
    Measurement,
    Outcome,
    is_foreign,
    schema_of,
    write_atomically,
)
from krepro.verdict import Verdict

FOLDER = "results"
README = "README.md"
PICTURE = "docs/matrix.png"
COUNTS = "docs/releases.png"
FINDINGS = "docs/findings.md"
CULPRITS = "docs/culprits.md"
# What was found out by hand of the culprits' upstream changes.
CHECKS = "upstream.toml"
BEGIN = "<!-- krepro publish: begin -->\n"
END = "<!-- krepro publish: end -->\n"


class Published(msgspec.Struct, frozen=True):
    """The verdicts on one stack.

    ``sources`` has the source hash of each repro; ``verdicts`` has, per release and repro, the
    verdict; ``workarounds`` the verdicts of workarounds, ``repro.function`` to verdict.
    """

    stack: str
    lock: str
    platform: str
    backend_version: str
    python: str
    sources: dict[str, str]
    verdicts: dict[str, dict[str, Verdict]]
    workarounds: dict[str, dict[str, Verdict]]
    schema: int = SCHEMA


def path_of(project: Project, stack_name: str) -> Path:
    """Return the file of a stack's published results."""
    return project.folder / FOLDER / f"{stack_name}.json"


def write(project: Project, report: Report) -> Iterable[Path]:
    """Write what a report knows into the repository, a file per stack, and the README's table.

    What a report does not know is taken from what is published, where that was measured in the same
    environment with the same source. Stacks that are not known in full on the releases they serve
    even so are left out, and what an earlier call wrote for them stays.

    Yields:
        The files that were written.
    """
    known, report = report, filled(project, report)
    for stack in report.matrix.stack:
        cells = [cell for cell in report.cells if cell.stack == stack.name]
        measured = [
            (cell, repro, m) for cell, repro, m in report.measured() if cell in cells
        ]
        gaps = {cell for cell, _ in report.unmeasured()}
        gaps |= {cell for cell, _, _ in report.untestable()}
        if not measured or gaps & set(cells):
            continue
        content = to_published(report, cells, measured)
        path = path_of(project, stack.name)
        write_atomically(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
        yield path
    yield timing.write(project, known)
    shown = for_people(project)
    drawing = project.folder / PICTURE
    drawing.parent.mkdir(exist_ok=True)
    picture.write(shown, drawing)
    yield drawing
    counts = project.folder / COUNTS
    picture.write_counts(shown, counts)
    yield counts
    page = project.folder / FINDINGS
    write_atomically(page, markdown.findings(shown).encode())
    yield page
    page = project.folder / CULPRITS
    write_atomically(page, culprits_text(project).encode())
    yield page
    readme = project.folder / README
    if readme.exists():
        text = with_table(readme.read_text(encoding="utf-8"), table(project))
        write_atomically(readme, text.encode())
        yield readme


def to_published(
    report: Report, cells: list[Cell], measured: list[tuple[Cell, Repro, Measurement]]
) -> Published:
    """Return the verdicts of one stack's cells in the form that is kept."""
    identity = next(report.identities[c] for c in cells if c in report.identities)
    verdicts: dict[str, dict[str, Verdict]] = {cell.release: {} for cell in cells}
    workarounds: dict[str, dict[str, Verdict]] = {cell.release: {} for cell in cells}
    for cell, repro, found in measured:
        verdicts[cell.release][repro.id] = found.verdict
        for name, outcome in sorted(found.workarounds.items()):
            workarounds[cell.release][f"{repro.id}.{name}"] = outcome.verdict
    return Published(
        stack=cells[0].stack,
        lock=identity.lock,
        platform=identity.platform,
        backend_version=identity.identity.get("backend_version", ""),
        python=identity.identity.get("python", ""),
        sources={repro.id: found.source for _, repro, found in measured},
        verdicts=verdicts,
        workarounds=workarounds,
    )


def of_another_schema(path: Path) -> str:
    """Return what is to be said of published results that this krepro cannot read."""
    return (
        f"its results have schema {schema_of(path)}, this krepro reads {SCHEMA}: use the krepro "
        "that wrote them, or measure again and run krepro publish"
    )


def read(project: Project, stack_name: str) -> Published | None:
    """Return the published results of a stack, or None where there are none of this schema."""
    path = path_of(project, stack_name)
    if is_foreign(path):
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Published)
    except (OSError, msgspec.DecodeError):
        return None


def to_report(project: Project, repros: Sequence[Repro] | None = None) -> Report:
    """Return the report on what is published, for the repros as they are now.

    Args:
        project: where it is published.
        repros: the catalogue, for callers that have read it.
    """
    catalogue = tuple(project.repros() if repros is None else repros)
    cells: list[Cell] = []
    found: dict[Cell, dict[str, Measurement]] = {}
    for stack in project.matrix.stack:
        kept = read(project, stack.name)
        for release in kept.verdicts if kept else ():
            assert kept is not None
            cell = Cell(stack.name, release)
            cells.append(cell)
            found[cell] = _measurements(kept, release)
    return Report(project.matrix, tuple(cells), catalogue, found)


def filled(project: Project, report: Report) -> Report:
    """Return a report with what is published where it knows nothing, and nothing has changed since.

    So who adds a repro measures that repro, not the whole catalogue.
    """
    found = dict(report.found)
    sources = {repro.id: repro.source_hash for repro in report.repros}
    for stack in report.matrix.stack:
        kept = read(project, stack.name)
        cells = [cell for cell in report.cells if cell.stack == stack.name]
        locks = {report.identities[c].lock for c in cells if c in report.identities}
        if kept is None or locks != {kept.lock}:
            continue
        for cell in cells:
            mine = found.get(cell, {})
            found[cell] = {
                **{
                    name: measurement
                    for name, measurement in _measurements(kept, cell.release).items()
                    if measurement.source == sources.get(name)
                },
                **{name: m for name, m in mine.items() if not m.verdict.untestable},
            }
    return replace(report, found=found)


def _measurements(kept: Published, release: str) -> dict[str, Measurement]:
    """Return what is published of a release on a stack, by repro."""
    workarounds = _by_repro(kept.workarounds.get(release, {}))
    return {
        name: Measurement(
            kept.sources.get(name, ""), verdict, workarounds=workarounds.get(name, {})
        )
        for name, verdict in kept.verdicts.get(release, {}).items()
    }


def _by_repro(table: Mapping[str, Verdict]) -> dict[str, dict[str, Outcome]]:
    """Return verdicts of workarounds, kept as "repro.workaround", by repro."""
    found: dict[str, dict[str, Outcome]] = {}
    for key, verdict in table.items():
        repro, _, name = key.partition(".")
        found.setdefault(repro, {})[name] = Outcome(verdict)
    return found


def for_people(project: Project, repros: Sequence[Repro] | None = None) -> Report:
    """Return what is published on the primary and reference stacks.

    Raises:
        SelectionError: it is of another schema, or in part.
    """
    for path in (path_of(project, stack.name) for stack in project.matrix.stack):
        if is_foreign(path):
            raise SelectionError(f"{path}: {of_another_schema(path)}")
    report = to_report(project, repros)
    shown = {s.name for s in report.stacks if s.primary or s.subject}
    cells = tuple(cell for cell in report.cells if cell.stack in shown)
    return Report(report.matrix, cells, report.repros, report.found)


def stored_culprits(project: Project) -> dict[str, list[Culprit]]:
    """Return the culprits beside the catalogue, by entry."""
    folder = project.repros_folder / culprit.FOLDER
    return {
        path.stem: culprit.read_stored(folder, path.stem)
        for path in sorted(folder.glob("*.json"))
    }


def read_checks(project: Project) -> Sequence[Check]:
    """Return what is noted of upstream's changes.

    Raises:
        msgspec.ValidationError: the file has a mistake.
    """
    path = project.repros_folder / culprit.FOLDER / CHECKS
    if not path.exists():
        return ()
    return msgspec.toml.decode(path.read_bytes(), type=Checks).check


def culprits_text(project: Project) -> str:
    """Return the page on the culprits."""
    return culprits_page.render(stored_culprits(project), read_checks(project))


def culprit_troubles(project: Project, repros: Iterable[Repro]) -> list[str]:
    """Return what does not hold together of the stored culprits."""
    current = {repro.id: repro.source_hash for repro in repros}
    wrong = []
    for name, found in stored_culprits(project).items():
        if not found:
            wrong.append(f"culprits/{name}.json: cannot be read")
        wrong += [
            f"culprits/{name}.json: was found with another version of the repro"
            for each in found
            if each.digest != current.get(name)
        ]
    page = project.folder / CULPRITS
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if text != culprits_text(project):
        wrong.append(f"{CULPRITS}: is not made from culprits/: run krepro publish")
    return wrong


def table(project: Project) -> str:
    """Return the README's table: affected ranges by repro and stack, folded by area."""
    return markdown.folded_tables(for_people(project))


def with_table(text: str, content: str) -> str:
    """Return a README's text with the table between its marks replaced."""
    return re.sub(
        f"(?s){re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}{content}{END}",
        text,
    )


def check(project: Project) -> list[str]:
    """Return what does not hold together: repros, published results, README's table."""
    paths = [path_of(project, stack.name) for stack in project.matrix.stack]
    wrong = [
        f"results/{path.name}: {of_another_schema(path)}"
        for path in paths
        if is_foreign(path)
    ]
    if wrong:  # The rest is made of what cannot be read.
        return wrong
    report = to_report(project)
    current = {repro.id: repro.source_hash for repro in report.repros}
    for stack in report.matrix.stack:
        kept = read(project, stack.name)
        if kept is None:
            if stack.primary or stack.subject:
                wrong.append(f"results/{stack.name}.json: is not there: run krepro publish")
            continue
        wrong += [
            f"results/{stack.name}.json: {name} was measured on another version of the file"
            for name, source in kept.sources.items()
            if current.get(name) != source
        ]
        lock = stacks.read_lock(project.folder, report.matrix, report.matrix.base(stack))
        if lock and lock.hash != kept.lock:
            wrong.append(f"results/{stack.name}.json: was measured with another lock")
        served = {c.release for c in report.matrix.cells(report.matrix.versions, [stack])}
        wrong += [
            f"results/{stack.name}.json: lacks release {release}"
            for release in sorted(served - set(kept.verdicts), key=Version)
        ]
    wrong += [
        f"results/{cell.stack}.json: lacks {repro.id} on {cell.release}"
        for cell, repro in report.unmeasured()
    ]
    wrong += [
        f"results: untestable is not to be published: {t}"
        for t in troubles(report.untestable())
    ]
    wrong += [f"declared otherwise: {difference}" for difference in report.differences()]
    readme = project.folder / README
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    if with_table(text, table(project)) != text or BEGIN not in text:
        wrong.append(f"{README}: its table is not made from results/: run krepro publish")
    page = project.folder / FINDINGS
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if text != markdown.findings(for_people(project)):
        wrong.append(f"{FINDINGS}: is not made from results/: run krepro publish")
    return wrong + culprit_troubles(project, report.repros)
