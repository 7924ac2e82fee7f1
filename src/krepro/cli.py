"""The command line: reads what is asked, calls what does it, ends with a documented code."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import msgspec
from rich.console import Console

from krepro import (
    __version__,
    audit,
    doctor,
    engine,
    expectation,
    finder,
    index,
    published,
    result,
    scaffold,
)
from krepro import stack as stacks
from krepro.board import watcher_for
from krepro.engine import Engine, NotKept, Options, Plan
from krepro.home import Home, InUse
from krepro.hunt import commands as searches
from krepro.hunt import culprit as culprits
from krepro.hunt.symptom import SymptomError
from krepro.installer import InstallError
from krepro.matrix import Cell, MatrixError, Stack
from krepro.project import Project, SelectionError, check_writable
from krepro.release import UnknownRelease
from krepro.render import data, github, junit, markdown, story, text
from krepro.report import Exit, Report
from krepro.repro import BACKENDS, Repro, ReproError, read_repro
from krepro.upgrade import command as upgrades
from krepro.verdict import Verdict

BAD_INPUT = (MatrixError, ReproError, SelectionError, SymptomError, UnknownRelease)
FORMATS = ("text", "json", "markdown", "junit", "github")
ALONE = {Verdict.UNAFFECTED: 0, Verdict.AFFECTED: 1}
UNTESTABLE_ALONE = 125

P = ParamSpec("P")
R = TypeVar("R")


def errors() -> Console:
    """Return the console for progress and errors."""
    return Console(stderr=True)


def fail(message: object, code: int) -> None:
    """Say one clear line and end."""
    click.echo(f"krepro: {' '.join(str(message).split())}", err=True)
    sys.exit(code)


def reporting(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that users meet into one line and the documented exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BAD_INPUT as error:
            fail(error, Exit.BAD_INPUT)
        except (InstallError, InUse, NotKept) as error:
            fail(error, Exit.INCOMPLETE)
        except BrokenPipeError:
            # Whoever read the output has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(Exit.AS_EXPECTED)
        except OSError as error:
            fail(error, Exit.INCOMPLETE)
        raise AssertionError

    return wrapped


def selecting(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say which repros and cells are meant."""
    options: list[Callable[[Callable[P, R]], Callable[P, R]]] = [
        click.argument("repros", nargs=-1, metavar="[REPRO]..."),
        click.option(
            "-t", "--tier", default="quick", help="Tier of releases: quick, minor, all."
        ),
        click.option(
            "-r",
            "--releases",
            multiple=True,
            metavar="SELECTOR",
            help="A version, a specifier ('>=3.5,<3.7'), A..B or newest, instead of a tier.",
        ),
        click.option(
            "-b", "--backend", "backends", multiple=True, type=click.Choice(BACKENDS)
        ),
        click.option(
            "-s",
            "--stack",
            "stack_names",
            multiple=True,
            help="Stacks instead of backends.",
        ),
        click.option("-k", "keyword", default="", help="Ids that match, as in pytest."),
        click.option("-m", "mark", default="", help="Kinds and areas, as in pytest."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def searching(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say what a search runs, where, and what counts as the bug."""
    options: list[Callable[[Callable[P, R]], Callable[P, R]]] = [
        click.option(
            "-e",
            "--expect",
            metavar="SYMPTOM",
            help="exception[:REGEX], assertion, output:REGEX, exit:N, hang, crash or "
            "differs[:KIND[:SUBJECT]] (from what the script trains on --good).",
        ),
        click.option(
            "-b",
            "--backend",
            "backends",
            multiple=True,
            type=click.Choice(BACKENDS),
            help="Several may be given; all by default.",
        ),
        click.option(
            "-s",
            "--stack",
            "stack_names",
            multiple=True,
            help="Stacks instead of backends.",
        ),
        click.option(
            "--with",
            "requirements",
            multiple=True,
            metavar="PACKAGE",
            help="A package that the script imports and the stacks lack.",
        ),
        click.option(
            "--data",
            multiple=True,
            type=click.Path(path_type=Path),
            help="A file or folder that the script reads.",
        ),
        click.option(
            "--timeout", type=click.FloatRange(min=1), help="Seconds for one run."
        ),
        click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def showing(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say how a report is shown."""
    command = click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the report to this file.",
    )(command)
    return click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
    )(command)


class Selection:
    """What the options mean in the project at hand."""

    def __init__(
        self,
        *,
        repros: Sequence[str],
        tier: str,
        releases: Sequence[str],
        backends: Sequence[str],
        stack_names: Sequence[str],
        keyword: str,
        mark: str,
    ) -> None:
        """Look everything up.

        Raises:
            MatrixError, ReproError, SelectionError, UnknownRelease: something is not there.
        """
        self.project = Project.find(Path.cwd())
        self.matrix = self.project.matrix
        self.repros = self.project.repros(repros, keyword, mark)
        self.stacks = self.project.stacks(backends, stack_names)
        self.versions = self.project.versions(tier, releases)
        self.cells = self.project.cells(self.versions, self.stacks)

    def engine(self, options: Options) -> Engine:
        """Return an engine for the project."""
        return Engine(Home.find(), self.project.folder, self.matrix, options=options)


def build_report(engine_: Engine, cells: Sequence[Cell], repros: Sequence[Repro]) -> Report:
    """Return the report on what is stored for cells and repros as they are now."""
    found, identities = {}, {}
    for cell in cells:
        known = engine_.known(cell)
        if known:
            identities[cell] = known
            found[cell] = {
                repro.id: known.repros[repro.id]
                for repro in repros
                if repro.id in known.repros
                and known.repros[repro.id].source == repro.source_hash
            }
    return Report(engine_.matrix, tuple(cells), tuple(repros), found, identities)


def show_report(report: Report, form: str, output: Path | None) -> None:
    """Print a report, or write it to a file."""
    if form == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown.render(report))
    renderers: dict[str, Callable[[Report], str]] = {
        "json": data.render,
        "markdown": markdown.render,
        "junit": junit.render,
        "github": github.render,
    }
    if form in renderers:
        rendered = renderers[form](report)
        if output:
            output.write_text(rendered, encoding="utf-8")
        else:
            click.echo(rendered, nl=False)
    elif output:
        with output.open("w", encoding="utf-8") as file:
            Console(file=file, width=100).print(text.render(report, 100))
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=100 if len(report.releases) > text.MOST_COLUMNS else 80)
        console.print(text.render(report, console.width), highlight=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Which Keras 3 releases have which bug, on which backend: found out by running them.

    Exit codes: 0 as expected, 1 findings, 2 bad input, 3 incomplete.
    """


@main.command()
@selecting
@showing
@click.option("--list", "only_list", is_flag=True, help="List the cells; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --list: as JSON.")
@click.option(
    "--isolation",
    type=click.Choice(engine.ISOLATIONS),
    default=engine.default_isolation,
    help="batch: one after the other in a warm fork, alone where a verdict is not the declared "
    "one; fork: each in a fork of its own; process: each in a fresh process.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("--repeat", type=click.IntRange(1), default=1, help="Runs of each repro.")
@click.option("--rerun", is_flag=True, help="Measure again what is stored, and compare.")
@reporting
def matrix(
    *,
    form: str,
    output: Path | None,
    only_list: bool,
    as_json: bool,
    isolation: str,
    jobs: int,
    repeat: int,
    rerun: bool,
    **selected: Any,
) -> None:
    r"""Run repros on releases and backends; print who is affected.

    Without arguments: the whole catalogue on the quick tier, all backends. What is stored is
    not run again.

    \b
    Examples:
      krepro matrix
      krepro matrix --tier all -b jax
      krepro matrix path/to/my_repro.py -r '>=3.5,<3.8'
    """
    selection = Selection(**selected)
    check_writable(output)
    if only_list:
        list_cells(selection, as_json=as_json)
        return
    machine = selection.engine(Options(isolation, jobs, repeat, rerun))
    plan = machine.plan(selection.cells, selection.repros)
    stopped = run(machine, plan)
    report = build_report(machine, selection.cells, selection.repros)
    show_report(report, form, output)
    sys.exit(Exit.INCOMPLETE if stopped else report.exit_code())


def run(machine: Engine, plan: Plan) -> bool:
    """Run a plan with progress on stderr; return whether it was stopped before its end.

    Raises:
        NotKept: a result could not be written.
    """
    if not plan.missing:
        return False

    def stop(*_: object) -> None:
        machine.stop.set()

    before = signal.signal(signal.SIGINT, stop), signal.signal(signal.SIGTERM, stop)
    console = errors()
    cached = plan.total - plan.to_measure
    console.print(
        f"{plan.to_measure} verdicts to measure in {len(plan.missing)} cells, "
        f"{cached} known or not asked",
        highlight=False,
    )
    watcher = watcher_for(console, plan)
    machine.watcher = watcher
    try:
        with watcher:
            machine.run(plan)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    left = plan.to_measure - watcher.measured_count
    if left:
        console.print(
            f"krepro: stopped; {watcher.measured_count} new verdicts are kept, {left} are left: "
            "run the same command to go on",
            highlight=False,
        )
    return bool(left)


def list_cells(selection: Selection, *, as_json: bool) -> None:
    """Print the cells and repros that are meant."""
    table = [
        {
            "release": cell.release,
            "stack": cell.stack,
            "backend": selection.matrix.find_stack(cell.stack).backend,
        }
        for cell in selection.cells
    ]
    left_out = selection.matrix.left_out(selection.versions, selection.stacks)
    if as_json:
        ids = [repro.id for repro in selection.repros]
        excluded = [{"cell": str(cell), "reason": reason} for cell, reason in left_out]
        found = {"schema": result.SCHEMA, "cells": table, "repros": ids}
        click.echo(json.dumps({**found, "excluded": excluded}))
        return
    for repro in selection.repros:
        click.echo(f"{repro.id}  [{repro.kind}, {repro.area}] {repro.title}")
    click.echo("")
    for cell in selection.cells:
        click.echo(str(cell))
    for cell, reason in left_out:
        click.echo(f"{cell} is left out: {reason}")


@main.command()
@selecting
@showing
@click.option("-v", "--verbose", is_flag=True, help="Everything stored, with output.")
@reporting
def show(form: str, output: Path | None, verbose: bool, **selected: Any) -> None:
    r"""Show stored results; run nothing.

    \b
    Examples:
      krepro show --tier all
      krepro show -v -k dict_loss -r 3.5.0 -b jax
    """
    selection = Selection(**selected)
    report = build_report(selection.engine(Options()), selection.cells, selection.repros)
    if verbose:
        show_evidence(report)
    else:
        show_report(report, form, output)
    sys.exit(report.exit_code())


def show_evidence(report: Report) -> None:
    """Print all that is stored of each verdict."""
    for cell, repro, found in report.measured():
        click.echo(f"{repro.id} on {cell}: {found.verdict.value} {found.message}".rstrip())
        click.echo(
            f"  {found.runs} run(s), {found.seconds:.2f} s, measured {found.measured}"
        )
        for name, outcome in {**found.tests, **found.workarounds}.items():
            click.echo(f"  {name}: {outcome.verdict.value} {outcome.message}".rstrip())
        for line in found.output.splitlines():
            click.echo(f"  | {line}")


@main.command()
@click.argument("words", nargs=-1)
@click.option("--symptom", default="", help="The last lines of a crash, or a message.")
@click.option("-n", "--limit", type=click.IntRange(1), default=8, show_default=True)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def search(words: Sequence[str], symptom: str, limit: int, form: str) -> None:
    r"""Find the entries that fit a description or a traceback; "-" reads standard input.

    Exit code 1 where nothing fits.

    \b
    Examples:
      krepro search gan discriminator frozen
      krepro search --symptom "AttributeError: 'NoneType' object has no attribute 'update_state'"
      python train.py 2>&1 | krepro search -
    """
    asked = sys.stdin.read() if list(words) == ["-"] else " ".join(words)
    asked = f"{asked}\n{symptom}".strip()
    if not asked:
        raise SelectionError("search needs words, --symptom TEXT or '-'")
    project = Project.find(Path.cwd())
    hits = finder.search(project.repros(), asked, limit=limit)
    report = published.for_people(project)
    if form == "json":
        table = [
            {"id": h.repro.id, "title": h.repro.title, "score": h.score, "why": h.why}
            for h in hits
        ]
        click.echo(json.dumps({"schema": 1, "hits": table}))
    for hit in hits if form == "text" else ():
        sure = " (sure: its symptom)" if hit.score >= finder.CERTAIN else ""
        click.echo(f"{hit.repro.id}{sure}")
        click.echo(f"    {hit.repro.title}")
        click.echo(f"    affected: {text.range_text(report, hit.repro)}")
    if hits and form == "text":
        click.echo(f"\nkrepro explain {hits[0].repro.id} tells the whole story")
    if not hits:
        fail("nothing in the catalogue fits", Exit.FINDINGS)


@main.command()
@click.argument("repro")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def explain(repro: str, form: str) -> None:
    """Tell the story of one entry: what you see, why, who is affected, what to do."""
    project = Project.find(Path.cwd())
    (entry,) = project.repros([repro])[:1]
    report = story.of_one(published.for_people(project), entry)
    found = published.stored_culprits(project).get(entry.id, [])
    if form == "json":
        click.echo(json.dumps(story.to_data(report, entry, found), indent=1))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    console.print(story.render(report, entry, found), highlight=False)


@main.command(name="run")
@click.argument("repro")
@click.option("-r", "--release", "selector", default="newest", show_default=True)
@click.option("-b", "--backend", type=click.Choice(BACKENDS), default="tensorflow")
@click.option(
    "-s", "--stack", "stack_name", default="", help="A stack instead of a backend."
)
@click.option(
    "--isolation", type=click.Choice(engine.ISOLATIONS), default=engine.default_isolation
)
@reporting
def run_one(
    repro: str, selector: str, backend: str, stack_name: str, isolation: str
) -> None:
    r"""Run one repro in one cell and print what it printed.

    Exit code as git bisect wants it: 0 unaffected, 1 affected, 125 for all that says nothing
    about the release.

    \b
    Example:
      krepro run outer_compile_drops_inner_loss_tracker -r 3.6.0 -b torch
    """
    selection = Selection(
        repros=[repro],
        tier="quick",
        releases=[selector],
        backends=[backend],
        stack_names=[stack_name] if stack_name else [],
        keyword="",
        mark="",
    )
    if len(selection.repros) != 1:
        raise SelectionError(f"{repro!r} means {len(selection.repros)} repros: name one")
    if len(selection.cells) != 1:
        raise SelectionError(
            f"{selector!r} means {len(selection.cells)} releases: name one"
        )
    machine = selection.engine(Options(isolation, 1, rerun=True))
    try:
        stopped = run(machine, machine.plan(selection.cells, selection.repros))
    except (InstallError, NotKept, OSError) as error:
        fail(error, UNTESTABLE_ALONE)
    report = build_report(machine, selection.cells, selection.repros)
    show_evidence(report)
    verdict = report.verdict(selection.cells[0], selection.repros[0])
    known = verdict is not None and not stopped
    sys.exit(
        ALONE.get(verdict, UNTESTABLE_ALONE) if known and verdict else UNTESTABLE_ALONE
    )


@main.command()
@click.option("--refresh", is_flag=True, help="Look on the package index for new ones.")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@reporting
def releases(refresh: bool, form: str) -> None:
    """List the releases of Keras 3 that matrix.toml knows.

    With --refresh, also those on the package index that it lacks, as text to paste into the
    file; exit 1 if there are any.
    """
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
        for entry in missing:
            click.echo(f"\n{entry}", nl=False)
        if missing:
            fail(f"{len(missing)} releases are not in matrix.toml yet", Exit.FINDINGS)
        click.echo("krepro: matrix.toml knows every release on the index", err=True)


@main.command(name="doctor")
@reporting
def doctor_command() -> None:
    """Say what is there, what is missing, how large it is, and what to do about it."""
    project = Project.find(Path.cwd())
    healthy = doctor.examine(Home.find(), project, Console())
    sys.exit(Exit.AS_EXPECTED if healthy else Exit.INCOMPLETE)


@main.command()
@click.option("--max-size", required=True, metavar="SIZE", help="Such as 5GB, 800MB or 0.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@reporting
def prune(max_size: str, dry_run: bool) -> None:
    """Shrink the cache folder: what was not used for longest goes first.

    Results are never removed.
    """
    try:
        limit = doctor.parse_size(max_size)
    except ValueError as error:
        raise SelectionError(str(error)) from None
    for path, size in doctor.prune(Home.find(), limit, dry_run=dry_run):
        click.echo(
            f"{'would remove' if dry_run else 'removed'} {path} ({doctor.human(size)})"
        )


@main.command(name="lock")
@click.argument("names", nargs=-1, metavar="[STACK]...")
@reporting
def lock_command(names: Sequence[str]) -> None:
    """Resolve the stacks anew and keep their locks beside matrix.toml."""
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


@main.command()
@click.argument("name")
@click.option("--kind", default="silent", help="crash, silent, change or divergence.")
@click.option("--area", default="trainer")
@reporting
def new(name: str, kind: str, area: str) -> None:
    """Write a new repro, repros/NAME.py, to start from."""
    project = Project.find(Path.cwd())
    path = scaffold.write(project, name, kind, area)
    click.echo(f"{path}: edit it, then: krepro matrix {name} --tier all")


@main.command(name="update-expectations")
@click.argument("repros", nargs=-1, metavar="[REPRO]...")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@reporting
def update_expectations(repros: Sequence[str], dry_run: bool) -> None:
    """Write the measured ranges into the metadata of repros.

    Only from complete knowledge: a repro that is unknown anywhere on the primary stacks is
    left as it is, and said so (exit 3).
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


@main.command()
@click.option("--check", is_flag=True, help="Only compare; exit 1 if something differs.")
@reporting
def publish(check: bool) -> None:
    """Write what is stored for all releases into results/ and the README's table."""
    project = Project.find(Path.cwd())
    machine = Engine(Home.find(), project.folder, project.matrix)
    if not check:
        if importlib.util.find_spec("matplotlib") is None:
            raise SelectionError(
                "publish draws a picture: pip install 'krepro[picture]' first"
            )
        cells = project.cells(project.matrix.versions, list(project.matrix.stack))
        for path in published.write(
            project, build_report(machine, cells, project.repros())
        ):
            click.echo(f"wrote {path.relative_to(project.folder)}")
    wrong = published.check(project)
    for line in wrong:
        click.echo(line, err=True)
    sys.exit(Exit.FINDINGS if wrong else Exit.AS_EXPECTED)


@main.command(name="audit")
@click.argument("repros", nargs=-1, metavar="[REPRO]...")
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


@main.command(name="bisect")
@click.argument("target")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@searching
@click.option("--good", multiple=True, metavar="SELECTOR", help="Said to be good.")
@click.option("--bad", multiple=True, metavar="SELECTOR", help="Said to be bad.")
@click.option("--find-fix", is_flag=True, help="Only where it was fixed.")
@click.option(
    "--sweep/--no-sweep",
    default=None,
    help="Measure every release; by default where that takes less than a minute.",
)
@click.option(
    "-r",
    "--releases",
    multiple=True,
    metavar="SELECTOR",
    help="Only among these: a version, a specifier, A..B.",
)
@click.option("--repeat", type=click.IntRange(1), default=1, help="Runs that vote.")
@click.option(
    "--git",
    "clone",
    type=click.Path(path_type=Path),
    help="A clone of Keras: go on to the commit.",
)
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def bisect_command(**options: Any) -> None:
    r"""Find the releases that a script or repro misbehaves on: first bad, first fixed.

    What counts is a named symptom: --expect, or by default what the bad end shows. Everything
    measured is kept: the same command goes on where it was stopped.

    \b
    Examples:
      krepro bisect train.py
      krepro bisect train.py --bad 3.6.0 -b jax -- --epochs 1
      krepro bisect train.py --expect 'output:loss: nan' --good 3.3.3 --bad 3.8.0
      krepro bisect outer_compile_drops_inner_loss_tracker --git ~/keras
    """
    searches.bisect(**options)


@main.command(name="culprit")
@click.argument("target")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@searching
@click.option("--good", default="", metavar="RELEASE", help="Without the symptom.")
@click.option("--bad", default="", metavar="RELEASE", help="With it.")
@click.option(
    "--direction",
    "directions",
    multiple=True,
    type=click.Choice(culprits.DIRECTIONS),
    help="What brought it in, or what took it out; both by default.",
)
@click.option(
    "--git",
    "clone",
    type=click.Path(path_type=Path),
    help="A clone of Keras: --good and --bad are commits of it.",
)
@click.option("--store", is_flag=True, help="Keep the answer beside the catalogue entry.")
@click.option("--explain", is_flag=True, help="Say what each hunk is needed for.")
@click.option(
    "-f", "--format", "form", type=click.Choice(["text", "json", "diff"]), default="text"
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def culprit_command(**options: Any) -> None:
    r"""Find the few lines of Keras that brought a bug in, and the few that took it out.

    Between two releases (by default, every two neighbours that differ) a smallest set of
    changes is searched that turns the one into the other, by running mixtures of both. The
    second answer is a backport: a patch that mends the bad release.

    Exit code: 0 found, and the patch does what it should on every backend that turns there;
    1 it does not on one of them; 3 nothing was found.

    \b
    Examples:
      krepro culprit train.py --good 3.5.0 --bad 3.6.0 -b jax
      krepro culprit outer_compile_drops_inner_loss_tracker --explain
      krepro culprit train.py --format diff -o backport.patch --direction fixed
    """
    searches.culprit(**options)


@main.command(name="upgrade")
@click.argument("script", default="")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENT...]")
@click.option("--from", "old", required=True, metavar="RELEASE[@BACKEND]")
@click.option("--to", "new", default="", metavar="RELEASE[@BACKEND]")
@click.option("--any", "every", is_flag=True, help="Rank every release as a goal.")
@click.option("--module", is_flag=True, help="SCRIPT is a module, as with python -m.")
@click.option(
    "--scan",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Files, folders and notebooks to look at; by default the script and its modules.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=None,
    help="End each training early, after so many steps.",
)
@click.option(
    "--with",
    "requirements",
    multiple=True,
    metavar="PACKAGE",
    help="A package that the script imports and the stacks lack.",
)
@click.option(
    "--requirements",
    "requirement_files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that lists such packages.",
)
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file or folder that the script reads.",
)
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for one run.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("-k", "keyword", default="", help="Only entries that match, as in pytest.")
@click.option("-m", "mark", default="", help="Only these kinds and areas, as in pytest.")
@click.option("-v", "--verbose", is_flag=True, help="Say all of everything.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(upgrades.FORMATS),
    default="text",
    show_default=True,
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the losses on both ends into this file (.png, .svg, .pdf).",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def upgrade_command(**options: Any) -> None:
    r"""Say what changes for your code from one release to another, before you upgrade.

    Without a script: what is known, from the published verdicts. With one: it is run, unchanged,
    on both releases with the same initial weights and seeds, and what training did is compared;
    its text is searched for what known bugs depend on (--scan does only that). Exit code 0 where
    nothing changes, 1 for consequences, 3 where that could not be found out.

    \b
    Examples:
      krepro upgrade --from 3.5.0 --to 3.7.0@jax
      krepro upgrade --from 3.5.0 --to 3.7.0 train.py -- --epochs 1
      krepro upgrade --from 3.5.0 --to newest --scan src/ --format sarif -o keras.sarif
      krepro upgrade --from 3.15.1@tensorflow --to 3.15.1@torch train.py --steps 50
      krepro upgrade --from 3.5.0 --any
    """
    options["steps"] = options["steps"] or 0
    sys.exit(upgrades.upgrade(upgrades.Asked(**options)))


@main.command(name="fuzz")
@click.option(
    "-r",
    "--release",
    "releases",
    multiple=True,
    metavar="SELECTOR",
    help="A version, a specifier, A..B or newest.  [default: newest]",
)
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(BACKENDS),
    help="By default, all of them.",
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long.")
@click.option("--examples", type=click.IntRange(1), help="How many programs.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--profile",
    type=click.Choice(["smoke", "ci", "deep"]),
    default="ci",
    show_default=True,
    help="smoke: 60 programs; ci: 5 minutes; deep: 30 minutes.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds for one program.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=engine.default_jobs)
@click.option("--anew", is_flag=True, help="Start from the first program again.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@reporting
def fuzz_command(**options: Any) -> None:
    r"""Look for bugs that nobody wrote down: draw programs, and hold Keras to its documentation.

    Each program builds models, compiles, trains, saves. What it does is predicted from the
    documentation, in float64, and compared. What the catalogue knows is counted; what it does
    not is made as small as it goes and written as a repro. The same command goes on where it was.

    Exit code: 0 nothing new; 1 findings; 3 a cell could not be tested, or it was stopped.

    \b
    Examples:
      krepro fuzz --profile smoke -b torch
      krepro fuzz -r 3.5.0 -r 3.6.0 --minutes 5
      krepro fuzz --seed 7 --examples 2000 -f json -o hunt.json
    """
    lacks = [
        n for n in ("autograd", "hypothesis", "numpy") if not importlib.util.find_spec(n)
    ]
    if lacks:
        raise SelectionError(
            f"fuzz needs {', '.join(lacks)}: pip install 'krepro[fuzz]' first"
        )
    from krepro.fuzz import command as hunts  # noqa: PLC0415  Its dependencies are optional.

    sys.exit(hunts.fuzz(hunts.Asked(**options)))


@main.command()
def schema() -> None:
    """Print the JSON Schema of a cell's result file."""
    click.echo(json.dumps(result.json_schema(), indent=1))


if __name__ == "__main__":
    main()
