"""The commands that search, from their options to their exit code: ``krepro bisect``, ``culprit``."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
from packaging.version import Version
from rich.console import Console

from krepro import release
from krepro.engine import Engine, Options, Stopped, default_isolation
from krepro.home import Home
from krepro.hunt import culprit as culprits
from krepro.hunt import symptom
from krepro.hunt import target as targets
from krepro.hunt.bisect import (
    Asked,
    Bisector,
    Seen,
    Track,
    Unanswered,
    Unavailable,
    Watcher,
    flaky,
    served,
)
from krepro.hunt.commits import Clone, CommitSearch, CommitTurn, turns_of
from krepro.hunt.culprit import Culprit, Investigator, NotTwoSided, Side, Unexplained
from krepro.hunt.prober import Place, Prober
from krepro.hunt.symptom import Symptom
from krepro.hunt.target import Target
from krepro.installer import InstallError
from krepro.matrix import Cell, Stack
from krepro.project import Project, SelectionError, check_writable
from krepro.recorded.differing import DifferenceProber
from krepro.render import bisection
from krepro.render import culprit as culprit_text
from krepro.render.bisection import Bisection
from krepro.report import Exit
from krepro.repro import CHEAPEST
from krepro.verdict import Verdict

DIFFERS_NEEDS = (
    "--expect differs needs --good RELEASE, which the others are compared with; --git and "
    "culprit cannot do it"
)


@dataclass
class Lines(Watcher):
    """Tells of a search on stderr, a line at a time."""

    console: Console

    def seen(self, stack: Stack, release: Version, seen: Seen, left: str) -> None:
        """Say what a release said, and what may be left."""
        # Until it is known what to look for, a failure is only a failure.
        said = f"{seen.verdict.value} {seen.message}".rstrip()
        if seen.verdict is Verdict.ERROR:
            another = seen.message.startswith(symptom.ANOTHER_WAY)
            said = seen.message if another else f"fails: {seen.message}"
        if len(said) > 100:
            said = said[:99] + "…"
        self.note(f"{stack.backend} {release}: {said} [{left}]")

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)


@contextlib.contextmanager
def stoppable(engine: Engine) -> Iterator[None]:
    """Have Ctrl-C end what runs; what was seen is kept. A second one waits for nothing."""

    def stop(*_: object) -> None:
        if engine.stop.is_set():
            os._exit(Exit.INCOMPLETE)
        engine.stop.set()
        engine.end_all()

    before = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class AtWork:
    """What a search works with."""

    engine: Engine
    target: Target
    scratch: Path
    lines: Lines


@contextlib.contextmanager
def opened(
    project: Project, name: str, *, jobs: int, expect: Symptom | None, **options: Any
) -> Iterator[AtWork]:
    """Yield what a search works with; a search that is stopped ends with a line, and exit 3.

    Args:
        project: where the catalogue is.
        name: the script or repro to run.
        jobs: how many runs at a time.
        expect: what counts, where that was said.
        options: what a script needs: see ``target.find``.

    Raises:
        SelectionError: there is no such target, or what counts was said of a repro.
    """
    options_ = Options(default_isolation(), jobs)
    engine = Engine(Home.find(), project.folder, project.matrix, options=options_)
    lines = Lines(Console(stderr=True))
    with stoppable(engine), engine.room() as scratch:
        found = targets.find(project, name, scratch, **options)
        if found.repro and expect:
            raise SelectionError(
                f"--expect: {name} is a repro, which declares what counts itself"
            )
        if found.note:
            lines.note(found.note)
        try:
            yield AtWork(engine, found, scratch, lines)
        except Stopped:
            lines.note(
                "krepro: stopped; what was seen is kept: run the same command to go on"
            )
            sys.exit(Exit.INCOMPLETE)


def bisect(
    *,
    target: str,
    arguments: Sequence[str],
    expect: str | None,
    backends: Sequence[str],
    stack_names: Sequence[str],
    requirements: Sequence[str],
    data: Sequence[Path],
    timeout: float | None,
    jobs: int,
    good: Sequence[str],
    bad: Sequence[str],
    find_fix: bool,
    sweep: bool | None,
    releases: Sequence[str],
    repeat: int,
    clone: Path | None,
    form: str,
    output: Path | None,
) -> None:
    """Run ``krepro bisect``."""
    check_writable(output)
    project = Project.find(Path.cwd())
    known = project.matrix.versions
    chosen = release.select_all(releases, known) if releases else known
    asked = Asked(
        releases=tuple(chosen),
        good=tuple(nearest(good, known)),
        bad=tuple(nearest(bad, known)),
        expect=symptom.parse(expect) if expect else None,
        sweep=sweep,
        repeat=repeat,
        find_fix=find_fix,
    )
    both = set(asked.good) & set(asked.bad)
    if both:
        raise SelectionError(
            f"{', '.join(map(str, sorted(both)))}: said to be good and bad at once"
        )
    stacks = [
        stack
        for stack in project.stacks(backends, stack_names)
        if not stack.subject and served(project.matrix, stack, asked.releases)
    ]
    if not stacks:
        raise SelectionError("no stack that is meant serves any release that is meant")
    turns: list[CommitTurn] = []
    with opened(
        project,
        target,
        jobs=jobs,
        expect=asked.expect,
        arguments=arguments,
        data=data,
        requirements=requirements,
        left_out=[output] if output else [],
    ) as at_work:
        engine = at_work.engine
        prober = Prober(engine, at_work.target, at_work.scratch, timeout)
        if asked.expect and asked.expect.kind == symptom.DIFFERS:
            if not asked.good or clone:
                raise SelectionError(DIFFERS_NEEDS)
            prober = DifferenceProber.beside(prober, asked.expect, asked.good[0])
        bisector = Bisector(engine, prober, asked, at_work.lines)
        if clone:
            Clone(clone).check()
        tracks = run_each(bisector, stacks)
        if clone:
            turns = CommitSearch(bisector, Clone(clone)).run(tracks)
        result = Bisection(
            target=at_work.target,
            command=shlex.join(["krepro", *sys.argv[1:]]),
            tracks=tuple(tracks),
            identities={s.name: identity_of(engine, s) for s in stacks},
            commits=tuple(turns),
        )
    show(result, form, output)
    sys.exit(exit_code(result))


def run_each(bisector: Bisector, stacks: Sequence[Stack]) -> list[Track]:
    """Return what is known on each stack; one that cannot be searched does not stop the others.

    Raises:
        Unanswered: none could be searched, as asked.
        Stopped: the search is to end; what was seen is kept.
    """
    tracks: list[Track] = []
    failures: list[Unanswered] = []
    for stack in stacks:
        try:
            tracks.append(bisector.run(stack))
        except Unanswered as error:
            failures.append(error)
            tracks.append(error.track)
    if len(failures) == len(stacks) and not any(
        isinstance(error, Unavailable) for error in failures
    ):
        raise SelectionError("; ".join(dict.fromkeys(map(str, failures))))
    for track in tracks:
        if track.trouble:
            bisector.watcher.note(f"krepro: {track.stack.backend}: {track.trouble}")
    return tracks


def nearest(selectors: Sequence[str], known: Sequence[Version]) -> list[Version]:
    """Return the two ends of each range that was claimed."""
    found: set[Version] = set()
    for selector in selectors:
        meant = release.select(selector, known)
        found |= {meant[0], meant[-1]}
    return sorted(found)


def identity_of(engine: Engine, stack: Stack) -> dict[str, str]:
    """Return the versions that a stack runs; none where it could not be made."""
    try:
        environment = engine.environment(stack)
    except InstallError:
        return {}
    return {
        "python": environment.stamp.python,
        stack.backend: environment.stamp.backend_version,
        "numpy": environment.lock.pins.get("numpy", "unknown"),
    }


def show(found: Bisection, form: str, output: Path | None) -> None:
    """Print a bisection, or write it to a file."""
    if form == "json":
        text = bisection.as_json(found)
        if output:
            output.write_text(text, encoding="utf-8")
        else:
            click.echo(text, nl=False)
    elif output:
        with output.open("w", encoding="utf-8") as file:
            Console(file=file, soft_wrap=True).print(
                bisection.render(found), highlight=False
            )
    else:
        console = Console(soft_wrap=True)
        console.print(bisection.render(found), highlight=False)


def exit_code(found: Bisection) -> Exit:
    """Return 1 where the bug was found (of a repro: where it was not declared so)."""
    unstable = flaky(found.tracks)
    if unstable:
        more = 2 * max(s.runs for t in found.tracks for s in t.verdicts().values()) + 1
        click.echo(
            f"krepro: flaky: {'; '.join(unstable)}: vote with --repeat {more}", err=True
        )
        return Exit.INCOMPLETE
    if any(not answered(track) for track in found.tracks):
        return Exit.INCOMPLETE
    if any(turn.commit is None for turn in found.commits):
        return Exit.INCOMPLETE
    repro = found.target.repro
    if repro is None:
        return Exit.FINDINGS if any(t.intervals for t in found.tracks) else Exit.AS_EXPECTED
    differing = any(
        seen.verdict.known and seen.verdict is not repro.expected(each, track.stack.backend)
        for track in found.tracks
        for each, seen in track.verdicts().items()
    )
    return Exit.FINDINGS if differing else Exit.AS_EXPECTED


def answered(track: Track) -> bool:
    """Whether a backend has an answer: where nothing bad was seen, nothing may be unknown."""
    known = any(seen.verdict.known for seen in track.verdicts().values())
    return known and not track.trouble and bool(track.intervals or not track.unknown)


@dataclass
class Narrowing(culprits.Watcher):
    """Tells of a search for a culprit on stderr, a line whenever less is left."""

    lines: Lines
    left: int = 0

    def note(self, text: str) -> None:
        """Print a line."""
        self.lines.note(text)

    def narrowed(self, left: int, tried: int, seconds: float) -> None:
        """Say how many changes are left, where that changed."""
        if left != self.left:
            self.left = left
            self.note(f"{left} changes left after {tried} runs, {seconds:.0f} s")


@dataclass
class Hunt:
    """A search for culprits, from the options of ``krepro culprit``."""

    project: Project
    engine: Engine
    target: Target
    scratch: Path
    lines: Lines
    expect: Symptom | None
    timeout_s: float | None
    clone: Clone | None = None

    def investigator(self, stack: Stack) -> Investigator:
        """Return who searches on a stack."""
        return Investigator(
            self.engine,
            self.target,
            self.scratch,
            stack,
            self.expect,
            Narrowing(self.lines),
            self.timeout_s,
        )

    def side(self, investigator: Investigator, name: str) -> Side:
        """Return the release, or the commit of the clone, that a name means.

        Raises:
            SelectionError: the clone has no such commit, or several releases are meant.
            UnknownRelease: no such release is known.
        """
        known = self.project.matrix.versions
        if self.clone is None:
            found = release.select(name, known)
            if len(found) > 1:
                raise SelectionError(f"{name!r} means {len(found)} releases: name one")
            return investigator.release(found[0])
        commit = self.clone.commit(name)
        cell = Cell(investigator.stack.name, str(known[-1]))
        export = functools.partial(self.clone.export, commit, self.engine.home)
        place = Place(cell, key=f"git-{commit.hash[:12]}", overlay=export, release="")
        return Side(commit.short, place, export)

    def serves(self, stack: Stack, *names: str) -> bool:
        """Whether a stack runs all of some releases; of commits it is not known."""
        known = self.project.matrix.versions
        return bool(self.clone) or all(
            stack.serves(each) for name in names for each in release.select(name, known)
        )

    def tracks(self, stacks: Sequence[Stack]) -> list[Track]:
        """Return what every release says, by backend."""
        prober = Prober(self.engine, self.target, self.scratch, self.timeout_s)
        asked = Asked(tuple(self.project.matrix.versions), expect=self.expect, sweep=True)
        bisector = Bisector(self.engine, prober, asked, self.lines)
        return run_each(bisector, stacks)

    def verified(self, culprit: Culprit, pair: Pair) -> Culprit:
        """Return a culprit with what the patched base says on each stack of a pair."""
        said = {}
        for stack in pair.alike:
            investigator = self.investigator(stack)
            sides = [self.side(investigator, name) for name in (pair.good, pair.bad)]
            try:
                said[stack.name] = investigator.verify(culprit, *sides)
            except (NotTwoSided, Unexplained) as error:
                self.lines.note(f"not verified on {stack.name}: {error}")
        return msgspec.structs.replace(culprit, verified=said)


def culprit(
    *,
    target: str,
    arguments: Sequence[str],
    expect: str | None,
    backends: Sequence[str],
    stack_names: Sequence[str],
    requirements: Sequence[str],
    data: Sequence[Path],
    timeout: float | None,
    jobs: int,
    good: str,
    bad: str,
    directions: Sequence[str],
    clone: Path | None,
    store: bool,
    explain: bool,
    form: str,
    output: Path | None,
) -> None:
    """Run ``krepro culprit``."""
    check_writable(output)
    if bool(good) != bool(bad):
        raise SelectionError("--good and --bad go together: name both, or neither")
    if clone and not good:
        raise SelectionError("--git needs --good and --bad: the two commits")
    project = Project.find(Path.cwd())
    stacks = [s for s in project.stacks(backends, stack_names) if not s.subject]
    expected = symptom.parse(expect) if expect else None
    if expected and expected.kind == symptom.DIFFERS:
        raise SelectionError(DIFFERS_NEEDS)
    found: list[Culprit] = []
    missing: list[str] = []
    with opened(
        project,
        target,
        jobs=jobs,
        expect=expected,
        arguments=arguments,
        data=data,
        requirements=requirements,
        left_out=[output] if output else [],
    ) as at_work:
        what, lines = at_work.target, at_work.lines
        if store and not what.repro:
            raise SelectionError("--store keeps the culprits of catalogue entries only")
        hunt = Hunt(
            project,
            at_work.engine,
            what,
            at_work.scratch,
            lines,
            expected,
            timeout,
            Clone(clone) if clone else None,
        )
        try:
            pairs = pairs_of(hunt, stacks, good, bad, directions)
            find_all(hunt, pairs, found, missing, claimed=bool(good))
        except Unexplained as error:
            missing.append(str(error))
    if not found and not missing:
        missing.append(
            f"{what.name}: no two neighbours are good and bad: nothing to explain"
        )
    if store and found and what.repro:
        path = culprits.store(project.repros_folder / culprits.FOLDER, what.repro.id, found)
        lines.note(f"stored in {path.relative_to(project.folder)}")
    show_culprits(found, form, output, explain=explain)
    for message in missing:
        click.echo(f"krepro: {' '.join(message.split())}", err=True)
    sys.exit(Exit.INCOMPLETE if missing else culprit_code(found))


@dataclass(frozen=True)
class Pair:
    """Two neighbours that differ, and which way; ``alike`` are the stacks where they do too."""

    direction: str
    good: str
    bad: str
    stack: Stack
    alike: tuple[Stack, ...]


def pairs_of(
    hunt: Hunt, stacks: Sequence[Stack], good: str, bad: str, directions: Sequence[str]
) -> list[Pair]:
    """Return what is to be explained: what was named, else every turn of the releases.

    A turn that several backends share is searched on the one that runs fastest.

    Raises:
        SelectionError: nothing turns.
        Unexplained: nothing turns as far as could be tested.
    """
    wanted = tuple(directions) or culprits.DIRECTIONS
    ordered = sorted(stacks, key=lambda stack: CHEAPEST.index(stack.backend))
    if good:
        if good == bad:
            raise SelectionError(f"--good and --bad are both {good}: name two")
        serving = tuple(stack for stack in ordered if hunt.serves(stack, good, bad))
        if not serving:
            raise SelectionError(
                f"none of {', '.join(s.name for s in ordered)} runs both {good} and {bad}"
            )
        return [Pair(d, good, bad, serving[0], serving) for d in wanted]
    shared: dict[tuple[str, Version, Version], list[Stack]] = {}
    tracks = hunt.tracks(ordered)
    for track in tracks:
        for direction, before, after in turns_of(track):
            shared.setdefault((direction, before, after), []).append(track.stack)
    found = []
    for (direction, before, after), alike in sorted(
        shared.items(), key=lambda item: item[0][1]
    ):
        names = (str(before), str(after))
        if direction in wanted:
            good_bad = names if direction == culprits.INTRODUCED else names[::-1]
            found.append(Pair(direction, *good_bad, alike[0], tuple(alike)))
    if not found:
        if not all(map(answered, tracks)):
            raise Unexplained(f"{hunt.target.name}: not all releases could be run")
        raise SelectionError(f"{hunt.target.name}: no release turns it: nothing to explain")
    return found


def find_all(
    hunt: Hunt,
    pairs: Sequence[Pair],
    found: list[Culprit],
    missing: list[str],
    *,
    claimed: bool,
) -> None:
    """Find the culprit of each pair, or why there is none; one does not stop the others.

    Code that only one backend runs turns only that backend: those that a patch does not turn
    are searched on their own.

    Raises:
        NotTwoSided: the releases were claimed to differ, and do not.
        Stopped: the search is to end.
    """
    waiting = list(pairs)
    while waiting:
        pair = waiting.pop(0)
        try:
            culprit = find_one(hunt, pair)
            found.append(culprit)
            left = [s for s in pair.alike if culprit_text.turned(culprit, s.name) is False]
            if left and pair.stack not in left:
                names = ", ".join(stack.name for stack in left)
                hunt.lines.note(f"it does not turn {names}: looking there too")
                more = dataclasses.replace(pair, stack=left[0], alike=tuple(left))
                waiting.insert(0, more)
        except (Unexplained, InstallError) as error:
            if hunt.engine.stop.is_set():
                raise Stopped from None
            missing.append(f"{pair.direction}: {error}")
        except NotTwoSided as error:
            if claimed:
                raise
            hunt.lines.note(f"left out: {error}")


def find_one(hunt: Hunt, pair: Pair) -> Culprit:
    """Return the culprit of one pair, verified on every stack where it turns the same way.

    Raises:
        Unexplained: there is none.
    """
    investigator = hunt.investigator(pair.stack)
    sides = [hunt.side(investigator, name) for name in (pair.good, pair.bad)]
    hunt.lines.note(
        f"{pair.direction}: good {pair.good}, bad {pair.bad}, on {pair.stack.name}"
    )
    found = investigator.investigate(sides[0], sides[1], pair.direction)
    return hunt.verified(found, pair)


def show_culprits(
    found: Sequence[Culprit], form: str, output: Path | None, *, explain: bool
) -> None:
    """Print culprits, or write them to a file."""
    if form == "json":
        table = {"schema": culprits.SCHEMA, "culprits": found}
        text = msgspec.json.format(msgspec.json.encode(table)).decode() + "\n"
    elif form == "diff":
        text = "".join(culprit.diff for culprit in found)
    else:
        text = culprit_text.render(found, explain=explain)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


def culprit_code(found: Sequence[Culprit]) -> Exit:
    """Return 0 where on each backend a patch does what it should."""
    if not all(culprit.verified for culprit in found):
        return Exit.INCOMPLETE
    turned: dict[tuple[str, str, str, str], bool] = {}
    for culprit in found:
        for stack in culprit.verified:
            key = (culprit.direction, culprit.base, culprit.other, stack)
            turned[key] = turned.get(key, False) or bool(
                culprit_text.turned(culprit, stack)
            )
    return Exit.AS_EXPECTED if all(turned.values()) else Exit.FINDINGS
