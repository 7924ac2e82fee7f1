"""``krepro upgrade``, from its options to its exit code."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from krepro import published, release
from krepro.hunt.commands import opened
from krepro.project import Project, SelectionError, check_writable, narrowed
from krepro.recorded.check import DEFAULT_TIMEOUT_S, Checked, Checker
from krepro.render import sarif, upgrade_data, upgrade_picture
from krepro.render import upgrade as rendering
from krepro.report import Exit
from krepro.repro import BACKENDS, Repro
from krepro.scan.scan import Scan, scan
from krepro.upgrade import known
from krepro.upgrade.known import End
from krepro.upgrade.outcome import Upgrade

DEFAULT_BACKEND = "tensorflow"
PICTURES = (".png", ".svg", ".pdf")
FORMATS = ("text", "json", "markdown", "sarif", "github")


@dataclass(frozen=True)
class Asked:
    """What the options of ``krepro upgrade`` ask for."""

    old: str
    new: str
    every: bool
    script: str
    arguments: tuple[str, ...]
    module: bool
    scan: tuple[Path, ...]
    steps: int
    requirements: tuple[str, ...]
    requirement_files: tuple[Path, ...]
    data: tuple[Path, ...]
    timeout: float | None
    jobs: int
    keyword: str
    mark: str
    verbose: bool
    form: str
    output: Path | None
    picture: Path | None

    def check(self) -> None:
        """See whether the options go together.

        Raises:
            SelectionError: they do not.
        """
        if bool(self.new) == self.every:
            raise SelectionError("upgrade needs --to RELEASE, or --any")
        if self.every and self.form != "text":
            raise SelectionError("--any prints text")
        if self.module and not self.script:
            raise SelectionError("--module needs the name of a module")
        if self.form == "sarif" and not (self.script or self.scan):
            raise SelectionError("--format sarif needs a script, or --scan PATH")
        for option, given in (("--steps", self.steps), ("--picture", self.picture)):
            if given and not self.script:
                raise SelectionError(f"{option} needs a script to run")
        if self.picture and not importlib.util.find_spec("matplotlib"):
            raise SelectionError("--picture draws: pip install 'krepro[picture]' first")
        if self.picture and self.picture.suffix not in PICTURES:
            raise SelectionError(f"--picture {self.picture}: use {', '.join(PICTURES)}")
        for path in (self.output, self.picture):
            check_writable(path)


def upgrade(asked: Asked) -> Exit:
    """Run ``krepro upgrade``; return its exit code.

    Raises:
        SelectionError: the options do not go together, or name what is not there.
        UnknownRelease: a release is unknown.
        InstallError: an end has no environment.
    """
    asked.check()
    project = Project.find(Path.cwd())
    # A backend that is named for one end is that of both.
    start = end_of(
        project, asked.old, (asked.new or "").partition("@")[2] or DEFAULT_BACKEND
    )
    catalogue = project.repros()
    repros = narrowed(catalogue, asked.keyword, asked.mark)
    report = published.for_people(project, catalogue)
    if asked.every:
        touched = scanned(asked, catalogue)
        if touched is not None:
            repros = [repro for repro in repros if touched.of(repro.id)]
        ranked = known.ranking(report, start, repros)
        click.echo(rendering.ranking_text(ranked, start, touched), nl=False)
        return Exit.AS_EXPECTED
    goal = end_of(project, asked.new, start.stack.backend)
    found = Upgrade(
        report,
        start,
        goal,
        tuple(known.consequences(report, start, goal, repros)),
        script=asked.script,
        scan=scanned(asked, catalogue),
        checked=run(asked, project, start, goal) if asked.script else None,
    )
    show(asked, found, repros)
    return found.exit


def scanned(asked: Asked, repros: Sequence[Repro]) -> Scan | None:
    """Return what the code touches, or None where there is no code to look at."""
    paths = list(asked.scan)
    if not paths and asked.script:
        paths = [module_file(asked.script) if asked.module else Path(asked.script)]
    return scan(paths, repros) if paths else None


def module_file(name: str) -> Path:
    """Return the file of a module, or of a package's ``__main__``, as seen from here.

    Raises:
        SelectionError: there is none.
    """
    base = Path(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__main__.py"):
        if path.is_file():
            return path
    raise SelectionError(f"no module {name} here: {base}.py or {base}/__main__.py")


def run(asked: Asked, project: Project, start: End, goal: End) -> Checked:
    """Run the script on both ends, and return what it did."""
    name = str(module_file(asked.script)) if asked.module else asked.script
    with opened(
        project,
        name,
        jobs=asked.jobs,
        expect=None,
        module=asked.script if asked.module else "",
        arguments=asked.arguments,
        data=asked.data,
        requirements=[*asked.requirements, *listed(asked.requirement_files)],
        left_out=[path for path in (asked.output, asked.picture) if path],
    ) as at_work:
        if at_work.target.repro:
            raise SelectionError(f"{name} is a repro: krepro run or krepro bisect runs it")
        checker = Checker(
            at_work.engine,
            at_work.target,
            at_work.scratch,
            steps=asked.steps,
            timeout_s=asked.timeout or DEFAULT_TIMEOUT_S,
            tell=at_work.lines.note,
        )
        return checker.check(start, goal)


def listed(files: Sequence[Path]) -> list[str]:
    """Return the requirements that files list, as pip reads them, without options.

    Raises:
        SelectionError: a file cannot be read, or holds an option.
    """
    found = []
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SelectionError(
                f"--requirements {file}: cannot be read: {error}"
            ) from None
        for number, line in enumerate(lines, 1):
            text = line.partition(" #")[0].strip()
            if text.startswith("-"):
                raise SelectionError(f"{file}:{number}: options are not read: {text}")
            if text and not text.startswith("#"):
                found.append(text)
    return found


def show(asked: Asked, found: Upgrade, repros: Sequence[Repro]) -> None:
    """Print what was found, or write it to a file."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if asked.form == "github" and summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(upgrade_data.as_markdown(found))
    if asked.picture and found.checked:
        upgrade_picture.write(found, found.checked, asked.picture)
    text = rendered(asked, found, repros)
    if asked.output:
        asked.output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


def rendered(asked: Asked, found: Upgrade, repros: Sequence[Repro]) -> str:
    """Return what was found in the format that was asked for."""
    if asked.form == "json":
        return upgrade_data.as_json(found)
    if asked.form == "markdown":
        return upgrade_data.as_markdown(found)
    if asked.form == "github":
        return upgrade_data.as_github(found)
    if asked.form == "sarif" and found.scan is not None:
        return sarif.as_sarif(found.changing, repros, Path.cwd())
    return rendering.as_text(found, verbose=asked.verbose)


def end_of(project: Project, text: str, backend: str) -> End:
    """Return the release and backend that ``3.7.0@jax`` means.

    Raises:
        SelectionError: the backend is unknown, or several releases are meant.
        UnknownRelease: the release is unknown.
    """
    name, _, given = text.partition("@")
    backend = given or backend
    if backend not in BACKENDS:
        raise SelectionError(f"no backend {backend!r}: use {', '.join(BACKENDS)}")
    meant = release.select(name, project.matrix.versions)
    if len(meant) != 1:
        raise SelectionError(f"{name!r} means {len(meant)} releases: name one")
    return End(meant[0], project.matrix.primary(backend))
