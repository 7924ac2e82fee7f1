"""Commands that keep the machine, the matrix and the catalogue in order."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from click.shell_completion import get_completion_class
from rich.console import Console

from krepro import (
    adoption,
    audit,
    doctor,
    expectation,
    index,
    overlay,
    published,
    result,
    scaffold,
)
from krepro import stack as stacks
from krepro.adoption import Adoption
from krepro.cli import completion
from krepro.cli.common import build_report, fail, reporting, run
from krepro.engine import Engine, Options, default_isolation, default_jobs
from krepro.home import Home
from krepro.installer import InstallError
from krepro.matrix import Release, Stack
from krepro.project import Project, SelectionError, check_writable
from krepro.render import comparison as comparisons
from krepro.report import Exit, troubles
from krepro.repro import read_repro
from krepro.verdict import Verdict


@click.command()
@click.option("--refresh", is_flag=True, help="Look on the package index for new ones.")
@click.option("--pre", is_flag=True, help="With --refresh: newer pre-releases as well.")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def releases(refresh: bool, form: str, *, pre: bool) -> None:
    r"""List the releases of Keras 3 that matrix.toml knows.

    With --refresh, also those on the package index that it lacks, as text to paste into the
    file; exit 1 if there are any. 'krepro adopt' measures them and writes them into it.
    matrix.toml lists no pre-releases: they are measured by name.

    \b
    Examples:
      krepro releases
      krepro releases --refresh --pre
    """
    if pre and not refresh:
        raise SelectionError("--pre is about the package index: give --refresh too")
    known = Project.find(Path.cwd()).matrix
    if form == "json":
        if refresh:
            raise SelectionError("--refresh prints TOML: leave --format json out")
        click.echo(msgspec.json.encode(known.release).decode())
    else:
        for line, versions in index.by_line(known).items():
            click.echo(f"{line:<5} {'  '.join(versions)}")
    if refresh:
        missing = index.missing_releases(known)
        for early in index.pre_releases(known) if pre else ():
            click.echo(
                f"{early.version}  {early.uploaded or ''}  krepro matrix -r {early.version}"
            )
        for entry in missing:
            click.echo(f"\n{entry}", nl=False)
        if missing:
            fail(f"{len(missing)} releases are not in matrix.toml yet", Exit.FINDINGS)
        click.echo("krepro: matrix.toml knows every release on the index", err=True)


@click.command()
@click.argument("version", default="")
@click.option("--dry-run", is_flag=True, help="Everything but writing into the project.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what changed to this file, as Markdown: the body of an issue.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=default_jobs)
@reporting
def adopt(version: str, output: Path | None, jobs: int, *, dry_run: bool) -> None:
    r"""Take a new Keras release into the project: measure, compare, write.

    Without VERSION, every final release on the package index that matrix.toml lacks. The whole
    catalogue is measured on it and compared with the newest known release below it; what changed
    is listed, and matrix.toml, results/, the declared ranges and the pages made of them are
    written. What is measured is kept: a run that was stopped goes on.

    Exit codes: 0 nothing new, or nothing changed; 1 something changed; 3 something could not be
    measured, and nothing is written.

    \b
    Examples:
      krepro adopt
      krepro adopt 3.16.0 --dry-run --output new-release.md
    """
    project = Project.find(Path.cwd())
    known = project.matrix.versions
    if version and adoption.parsed(version) in known:
        click.echo(f"Keras {version} is known already: krepro matrix -r {version}")
        return
    check_drawing()
    check_writable(output)
    if not dry_run:
        adoption.check_writable(project)
    if wrong := published.check(project):
        raise SelectionError(
            f"{wrong[0]} (krepro publish --check: {len(wrong)} to mend first)"
        )
    found = adoption.wanted(version, known, index.offered(index.files_on_index("keras")))
    if not found:
        click.echo("krepro: matrix.toml knows every release on the index", err=True)
        return
    with adoption.staged(project, found) as copy:
        options = Options(default_isolation(), jobs)
        machine = Engine(Home.find(), project.folder, copy.matrix, options=options)
        stacks_ = adoption.stacks_of(copy)
        check_requirements(machine, found, stacks_)
        cells = copy.cells([release.parsed for release in found], stacks_)
        repros = project.repros()
        stopped = run(machine, machine.plan(cells, repros))
        report = build_report(machine, cells, repros)
        if stopped or report.untestable() or report.unmeasured():
            for line in troubles(report.untestable()):
                click.echo(f"untestable: {line}", err=True)
            gaps = len(report.untestable()) + len(report.unmeasured())
            fail(f"{gaps} verdicts are not known: nothing is written", Exit.INCOMPLETE)
        adopted = adoption.adopt(project, copy, report, found)
    show_adoption(adopted, found, output)
    if not dry_run:
        adoption.write(project, adopted)
    for name in adopted.files:
        click.echo(f"{'would write' if dry_run else 'wrote'} {name}")
    for line in adopted.left:
        click.echo(f"left to do: {line}")
    sys.exit(Exit.FINDINGS if adopted.news else Exit.AS_EXPECTED)


def check_requirements(
    machine: Engine, found: Sequence[Release], stacks_: Sequence[Stack]
) -> None:
    """Refuse releases that require what a stack lacks: its lock is to be made anew first.

    Raises:
        InstallError: one does, or cannot be installed.
    """
    for stack in stacks_:
        environment = machine.environment(stack)
        for release in found:
            folder = overlay.prepare(machine.home, f"keras=={release.version}", environment)
            lacks = adoption.lacking(folder, environment.lock.pins, stack.python)
            if lacks:
                raise InstallError(
                    Verdict.INSTALL,
                    f"Keras {release.version} requires {', '.join(lacks)}, and the lock of "
                    f"{stack.name} lacks it: put it into matrix.toml with the release (krepro "
                    "releases --refresh), then krepro lock, krepro matrix --tier all, krepro publish",
                )


def show_adoption(adopted: Adoption, found: Sequence[Release], output: Path | None) -> None:
    """Print what new releases bring, and write it to a file as Markdown."""
    entry = adoption.changelog(adopted, found)
    for comparison in adopted.comparisons:
        click.echo(comparisons.as_text(comparison))
    for name, change in adopted.expectations.items():
        click.echo(f"{name}: {'; '.join(change)}")
    click.echo(f"\nFor the changelog:\n\n{entry}")
    if output:
        parts = [comparisons.as_markdown(each) for each in adopted.comparisons]
        parts.append(f"## For the changelog\n\n```markdown\n{entry}```\n")
        output.write_text("\n".join(parts), encoding="utf-8")


@click.command(name="doctor")
@reporting
def doctor_command() -> None:
    r"""Say what is there, what is missing, how large it is, and what to do about it.

    \b
    Example:
      krepro doctor
    """
    project = Project.find(Path.cwd())
    healthy = doctor.examine(Home.find(), project, Console())
    sys.exit(Exit.AS_EXPECTED if healthy else Exit.INCOMPLETE)


@click.command()
@click.option("--max-size", required=True, metavar="SIZE", help="Such as 5GB, 800MB or 0.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@reporting
def prune(max_size: str, dry_run: bool) -> None:
    r"""Shrink the cache folder: what was not used for longest goes first.

    Results are never removed.

    \b
    Examples:
      krepro prune --max-size 5GB --dry-run
      krepro prune --max-size 0
    """
    try:
        limit = doctor.parse_size(max_size)
    except ValueError as error:
        raise SelectionError(str(error)) from None
    for path, size in doctor.prune(Home.find(), limit, dry_run=dry_run):
        click.echo(
            f"{'would remove' if dry_run else 'removed'} {path} ({doctor.human(size)})"
        )


@click.command(name="lock")
@click.argument("names", nargs=-1, metavar="[STACK]...", shell_complete=completion.stacks)
@reporting
def lock_command(names: Sequence[str]) -> None:
    r"""Resolve the stacks anew and keep their locks beside matrix.toml.

    \b
    Examples:
      krepro lock
      krepro lock jax-0.4
    """
    project = Project.find(Path.cwd())
    chosen: list[Stack] = (
        [project.matrix.find_stack(name) for name in names]
        if names
        else [stack for stack in project.matrix.stack if not stack.uses]
    )
    for stack in chosen:
        content = stacks.resolve(Home.find(), project.matrix, stack)
        path = stacks.lock_file(project.folder, stack)
        result.write_atomically(path, content.encode())
        click.echo(
            f"{path.relative_to(project.folder)} {stacks.lock_of(stack, content).hash}"
        )


@click.command()
@click.argument("name")
@click.option("--kind", default="silent", help="crash, silent, change or divergence.")
@click.option("--area", default="trainer")
@reporting
def new(name: str, kind: str, area: str) -> None:
    r"""Write a new repro, repros/NAME.py, to start from.

    \b
    Example:
      krepro new metric_lost_after_reload --kind silent --area metrics
    """
    project = Project.find(Path.cwd())
    path = scaffold.write(project, name, kind, area)
    click.echo(f"{path}: edit it, then: krepro matrix {name} --tier all")


@click.command(name="update-expectations")
@click.argument("repros", nargs=-1, metavar="[REPRO]...", shell_complete=completion.repros)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@reporting
def update_expectations(repros: Sequence[str], dry_run: bool) -> None:
    r"""Write the measured ranges into the metadata of repros.

    Only from complete knowledge: a repro that is unknown anywhere on the primary stacks is
    left as it is, and said so (exit 3).

    \b
    Examples:
      krepro update-expectations --dry-run
      krepro update-expectations metric_in_both_lists_comes_twice
    """
    project = Project.find(Path.cwd())
    machine = Engine(Home.find(), project.folder, project.matrix)
    stacks_ = project.stacks((), ())
    cells = project.cells(project.matrix.versions, stacks_)
    incomplete = False
    for repro in project.repros(repros):
        report = build_report(machine, cells, [repro])
        change = expectation.update(report, repro, write=not dry_run)
        if change is None:
            incomplete = True
            click.echo(f"{repro.id}: not known everywhere: run it with --tier all first")
        elif change:
            click.echo(f"{repro.id}: " + "; ".join(change))
            read_repro(repro.path)
    sys.exit(Exit.INCOMPLETE if incomplete else Exit.AS_EXPECTED)


def check_drawing() -> None:
    """Refuse to publish where pictures cannot be drawn.

    Raises:
        SelectionError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SelectionError("publish draws a picture: pip install 'krepro[picture]' first")


@click.command()
@click.option("--check", is_flag=True, help="Only compare; exit 1 if something differs.")
@reporting
def publish(check: bool) -> None:
    r"""Write what is stored for all releases into results/ and the README's table.

    \b
    Examples:
      krepro publish
      krepro publish --check
    """
    project = Project.find(Path.cwd())
    machine = Engine(Home.find(), project.folder, project.matrix)
    if not check:
        check_drawing()
        cells = project.cells(project.matrix.versions, list(project.matrix.stack))
        for path in published.write(
            project, build_report(machine, cells, project.repros())
        ):
            click.echo(f"wrote {path.relative_to(project.folder)}")
    wrong = published.check(project)
    for line in wrong:
        click.echo(line, err=True)
    sys.exit(Exit.FINDINGS if wrong else Exit.AS_EXPECTED)


@click.command(name="audit")
@click.argument("repros", nargs=-1, metavar="[REPRO]...", shell_complete=completion.repros)
@click.option(
    "--since", metavar="COMMIT", help="Only entries that differ from this commit."
)
@click.option("--stored", is_flag=True, help="Only what stored verdicts tell; run nothing.")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def audit_command(repros: Sequence[str], since: str, form: str, *, stored: bool) -> None:
    r"""Prove entries two-sided, stable, independent of each other, and as declared.

    Stable: five fresh processes and ten runs in one say the same, on an affected and on an
    unaffected release. What is not measured yet is measured first. Independent: the whole catalogue in one process, in several orders,
    says what each entry says alone. Where Keras has one side only, a patch in
    repros/patches/ must supply the other. What is proved is kept, and proved again when the entry
    changes.

    \b
    Examples:
      krepro audit --since origin/main
      krepro audit dict_losses_applied_alphabetically
    """
    project = Project.find(Path.cwd())
    catalogue = project.repros()
    chosen = project.repros(repros)
    if since:
        try:
            chosen = audit.changed_since(project.folder, since, chosen)
        except ValueError as error:
            raise SelectionError(str(error)) from None
    machine = Engine(Home.find(), project.folder, project.matrix)
    cells = project.cells(project.matrix.versions, project.stacks((), ()))
    if not stored:
        runner = Engine(Home.find(), project.folder, project.matrix)
        if run(runner, runner.plan(cells, chosen)):
            sys.exit(Exit.INCOMPLETE)
    report = build_report(machine, cells, catalogue)
    patches = project.repros_folder / audit.PATCHES
    findings = list(audit.read_stored(report, chosen, patches))
    if not stored and chosen:
        progress = functools.partial(click.echo, err=True)
        auditor = audit.Auditor(machine, report, patches, progress)
        findings += auditor.run(chosen)
    if form == "json":
        click.echo(json.dumps(audit.to_data(findings, len(chosen))))
    else:
        for finding in findings:
            click.echo(finding)
        click.echo(f"{len(chosen)} entries audited, {len(findings)} findings")
    certain = [finding for finding in findings if not finding.open]
    if certain:
        sys.exit(Exit.FINDINGS)
    sys.exit(Exit.INCOMPLETE if findings else Exit.AS_EXPECTED)


@click.command()
@reporting
def schema() -> None:
    r"""Print the JSON Schema of a cell's result file.

    \b
    Example:
      krepro schema > result.schema.json
    """
    click.echo(json.dumps(result.json_schema(), indent=1))


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@reporting
def completion_command(context: click.Context, shell: str) -> None:
    r"""Print the script that has a shell complete commands, entries, releases and stacks.

    \b
    Examples:
      eval "$(krepro completion bash)"
      krepro completion fish > ~/.config/fish/completions/krepro.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "krepro", "_KREPRO_COMPLETE").source())
