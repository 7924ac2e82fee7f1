"""What several commands share: options, what they select, reports, errors and exit codes."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
from click.core import ParameterSource
from packaging.version import Version
from rich.console import Console

from krepro import checkout, engine
from krepro.board import watcher_for
from krepro.checkout import Checkout
from krepro.cli import completion
from krepro.comparison import Comparison
from krepro.engine import Engine, NotKept, Options, Plan
from krepro.executor.worker import Unfit
from krepro.home import Home, InUse
from krepro.hunt.symptom import SymptomError
from krepro.installer import InstallError
from krepro.matrix import Cell, MatrixError
from krepro.project import Project, SelectionError
from krepro.release import UnknownRelease, at_or_below
from krepro.render import comparison as comparisons
from krepro.render import data, github, junit, markdown, text
from krepro.report import Exit, Report
from krepro.repro import BACKENDS, Repro, ReproError

BAD_INPUT = (MatrixError, ReproError, SelectionError, SymptomError, UnknownRelease)
FORMATS = ("text", "json", "markdown", "junit", "github")
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
        except (InstallError, InUse, NotKept, Unfit) as error:
            fail(error, Exit.INCOMPLETE)
        except BrokenPipeError:
            # Whoever read the output has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(Exit.AS_EXPECTED)
        except OSError as error:
            fail(error, Exit.INCOMPLETE)
        raise AssertionError

    # In a raw docstring, what keeps click from filling a paragraph is written out.
    wrapped.__doc__ = (command.__doc__ or "").replace("\\b\n", "\b\n")
    return wrapped


def selecting(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say which repros and cells are meant."""
    options: list[Callable[[Callable[P, R]], Callable[P, R]]] = [
        click.argument(
            "repros", nargs=-1, metavar="[REPRO]...", shell_complete=completion.repros
        ),
        click.option(
            "-t",
            "--tier",
            default="quick",
            help="Tier of releases: quick, minor, all.",
            shell_complete=completion.tiers,
        ),
        click.option(
            "-r",
            "--releases",
            multiple=True,
            metavar="SELECTOR",
            help="A version, a specifier ('>=3.5,<3.7'), A..B or newest, instead of a tier.",
            shell_complete=completion.releases,
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
            shell_complete=completion.stacks,
        ),
        click.option("-k", "keyword", default="", help="Ids that match, as in pytest."),
        click.option("-m", "mark", default="", help="Kinds and areas, as in pytest."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def comparing(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that name a checkout or a release, and what it is compared with."""
    command = click.option(
        "--against",
        default="",
        metavar="PATH|RELEASE",
        help="What the subject is compared with.  [default: the newest known release at or below "
        "its version]",
    )(command)
    return click.option(
        "--subject",
        default="",
        metavar="PATH|RELEASE",
        help="A local checkout of Keras (clone, unpacked sdist or wheel) or a release, compared "
        "with another instead of a tier.",
    )(command)


def in_cells(backends: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return what adds the options that say in which cells; ``backends`` tells the default."""

    def adding(command: Callable[P, R]) -> Callable[P, R]:
        command = click.option(
            "-b",
            "--backend",
            "backends",
            multiple=True,
            type=click.Choice(BACKENDS),
            help=backends,
        )(command)
        return click.option(
            "-r",
            "--release",
            "releases",
            multiple=True,
            metavar="SELECTOR",
            help="A version, a specifier, A..B or newest.  [default: newest]",
            shell_complete=completion.releases,
        )(command)

    return adding


def writing(*forms: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return what adds the options that say in which of some formats, the first by default, and where."""

    def adding(command: Callable[P, R]) -> Callable[P, R]:
        command = click.option(
            "-o", "--output", type=click.Path(dir_okay=False, path_type=Path)
        )(command)
        return click.option(
            "-f",
            "--format",
            "form",
            type=click.Choice(forms),
            default=forms[0],
            show_default=True,
        )(command)

    return adding


def require(command: str, *names: str) -> None:
    """Refuse a command whose optional dependencies are not there.

    Raises:
        SelectionError: one of the modules is not installed.
    """
    lacks = [name for name in names if not importlib.util.find_spec(name)]
    if lacks:
        raise SelectionError(
            f"{command} needs {', '.join(lacks)}: pip install 'krepro[{command}]' first"
        )


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
        subject: str = "",
        against: str = "",
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
        self.checkouts: list[Checkout] = []
        self.ends: tuple[Version, Version] | None = None
        if subject:
            context = click.get_current_context()
            tiered = context.get_parameter_source("tier") is ParameterSource.COMMANDLINE
            beside = self.versions if releases or tiered else []
            new = self._end(subject, "--subject")
            old = self._end(against, "--against") if against else self._below(new)
            self.ends = old, new
            self.versions = sorted({*beside, *self.ends})
            self.stacks = [stack for stack in self.stacks if not stack.subject]
        elif against:
            raise SelectionError(
                "--against is what a subject is compared with: give --subject"
            )
        self.cells = self.project.cells(self.versions, self.stacks)

    def _end(self, name: str, option: str) -> Version:
        """Return the one release, or checkout, that a name means."""
        if Path(name).exists():
            found = checkout.read(Path(name))
            self.checkouts.append(found)
            return found.release
        try:
            meant = self.project.versions("", [name])
        except UnknownRelease:
            raise SelectionError(
                f"{option} {name}: no such folder, and no known release either"
            ) from None
        if len(meant) != 1:
            raise SelectionError(f"{option} {name}: means {len(meant)} releases: name one")
        return meant[0]

    def _below(self, new: Version) -> Version:
        """Return what a release or a checkout is compared with, unless it is said."""
        others = [release for release in self.matrix.versions if release != new]
        found = at_or_below(new, others)
        if found is None:
            raise SelectionError(
                f"no known release is below Keras {new}: name one, --against"
            )
        return found

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
        put(renderers[form](report), output)
    elif output:
        with output.open("w", encoding="utf-8") as file:
            Console(file=file, width=100).print(text.render(report, 100))
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=100 if len(report.releases) > text.MOST_COLUMNS else 80)
        console.print(text.render(report, console.width), highlight=False)


def show_comparison(
    report: Report, found: Comparison, place: str, form: str, output: Path | None
) -> None:
    """Print how two releases compare, with the report that it was read from, or write it to a file."""
    if form == "github":
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(comparisons.as_markdown(found, place))
        put(comparisons.as_commands(found, report), output)
    elif form == "junit":
        put(comparisons.as_junit(found, report), output)
    elif form == "json":
        table = data.to_data(report) | {"comparison": comparisons.to_data(found)}
        table["exit_code"] = int(found.exit_code())
        put(json.dumps(table, indent=1) + "\n", output)
    elif form == "markdown":
        folded = f"<details>\n<summary>Verdicts</summary>\n\n{markdown.render(report)}\n</details>\n"
        put(f"{comparisons.as_markdown(found, place)}\n{folded}", output)
    else:
        show_report(report, form, output)
        said = "\n" + comparisons.as_text(found, place)
        if output:
            with output.open("a", encoding="utf-8") as file:
                file.write(said)
        else:
            click.echo(said, nl=False)


def put(rendered: str, output: Path | None) -> None:
    """Print a text, or write it to a file."""
    if output:
        output.write_text(rendered, encoding="utf-8")
    else:
        click.echo(rendered, nl=False)


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
