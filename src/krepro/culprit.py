"""From two releases to the few changes of Keras that tell them apart for one target."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import Version

from krepro import changes as cutting
from krepro import hybrid, overlay, symptom
from krepro.changes import Change, Run, Tree
from krepro.dependence import Dependences
from krepro.engine import Engine
from krepro.matrix import Cell, Stack
from krepro.prober import Place, Prober
from krepro.project import SelectionError
from krepro.result import write_atomically
from krepro.search import Answer, Minimizer
from krepro.symptom import Failure, Sighting, Symptom
from krepro.target import Target
from krepro.verdict import Verdict

SCHEMA = 1
# Below the catalogue.
FOLDER = "culprits"
INTRODUCED, FIXED = DIRECTIONS = ("introduced", "fixed")
# A hybrid may loop for ever or hang while it is imported; it gets a few times what the
# release itself took, and not less than this.
LEAST_TIMEOUT_S, IMPORT_TIMEOUT_S = 10.0, 40.0


class NotTwoSided(SelectionError):
    """The two releases do not say what was claimed, or not twice."""


class Unexplained(Exception):
    """No set of changes shows what the other release shows."""


@dataclass(frozen=True)
class Side:
    """A release or a commit on one stack: where it runs, and the sources it has."""

    name: str
    place: Place
    sources: Callable[[], Path]

    def __str__(self) -> str:
        return f"{self.name}@{self.place.cell.stack}"


class Need(msgspec.Struct, frozen=True):
    """What a hunk is needed for: what the run says without it."""

    change: str
    without: str


class Culprit(msgspec.Struct, frozen=True):
    """The changes found between two releases, in one direction.

    ``base`` is the release that the patch applies to, ``other`` the one whose changes it has.
    ``direction`` is "introduced": ``base`` is good and the patch turns it bad with the symptom
    of ``other``; or "fixed": ``base`` is bad and the patch turns it good. ``changes`` counts
    the differences between the two, ``reached`` those that the run can reach, ``tried``
    the hybrids run. The set is 1-minimal: without any one of its hunks the symptom is not
    seen, and ``needs`` has what is seen then. ``verified`` has what the patched release says,
    by stack.
    """

    target: str
    digest: str
    direction: str
    base: str
    other: str
    stack: str
    symptom: str
    names: tuple[str, ...]
    diff: str
    changes: int
    reached: int
    tried: int
    seconds: float
    verified: dict[str, str] = {}
    needs: tuple[Need, ...] = ()

    @property
    def hunks(self) -> int:
        """How many places the patch touches."""
        return sum(line.startswith("@@") for line in self.diff.splitlines())


@dataclass
class Watcher:
    """Is told what happens; does nothing."""

    def note(self, text: str) -> None:
        """Something is worth knowing."""

    def narrowed(self, left: int, tried: int, seconds: float) -> None:
        """So many changes are left after so many runs."""


@dataclass
class Wanted:
    """What a hybrid must show to count, and how that is asked.

    ``only`` are the functions of a repro that are run.
    """

    only: tuple[str, ...]
    answer: Callable[[Sighting], Answer]
    text: str
    failure: Failure | None = None


@dataclass
class Investigator:
    """Finds the changes that turn a target between two releases on one stack."""

    engine: Engine
    target: Target
    scratch: Path
    stack: Stack
    expect: Symptom | None = None
    watcher: Watcher = field(default_factory=Watcher)

    def release(self, version: Version) -> Side:
        """Return a release as a side."""
        cell = Cell(self.stack.name, str(version))

        def sources() -> Path:
            environment = self.engine.environment(self.stack)
            subject = self.engine.matrix.subject(cell)
            return overlay.prepare(self.engine.home, subject, environment)

        return Side(cell.release, Place(cell), sources)

    def investigate(self, good: Side, bad: Side, direction: str) -> Culprit:
        """Return the smallest set of changes that was found.

        Args:
            good: a release or commit without the symptom.
            bad: one with it.
            direction: "introduced": changes that turn the good side bad; "fixed": changes that
                turn the bad one good.

        Raises:
            NotTwoSided: the releases are not good and bad, or say different things twice.
            Unexplained: even all changes together do not turn the base.
            Stopped, NotKept: as for the prober.
        """
        started = time.perf_counter()
        base, other = (good, bad) if direction == INTRODUCED else (bad, good)
        wanted = self._wanted(good, bad, direction)
        original = base.sources()
        old, new = cutting.load_tree(original), cutting.load_tree(other.sources())
        everything = cutting.cut(old, new)
        lively = [change for change in everything if not change.inert]
        ran, reached = self._reached(lively, base, other, wanted)
        experiment = Experiment(
            prober=self._prober(wanted.only, self._pace(base, other, wanted)),
            base=base.place,
            original=original,
            old=old,
            new=new,
            answer=wanted.answer,
        )
        self.watcher.note(
            f"{len(everything)} changes from {base.name} to {other.name}, {len(reached)} of them within "
            f"reach of the run, {len(ran)} in functions that ran"
        )
        dependences = Dependences.between(old, new, lively)
        files = {change.path for change in ran}
        around = [change for change in reached if change.path in files]
        circles = [
            sorted(dependences.close(frozenset(c))) for c in (around, reached, lively)
        ]
        hints = likely(around, ran, wanted.failure)
        found = self._minimize(experiment, [*circles, everything], hints, dependences)
        return Culprit(
            target=self.target.name,
            digest=self.target.digest,
            direction=direction,
            base=base.name,
            other=other.name,
            stack=self.stack.name,
            symptom=wanted.text,
            names=tuple(cutting.functions_of(found)),
            diff=cutting.unified_diff(old, experiment.compose(found)),
            changes=len(everything),
            reached=len(reached),
            tried=experiment.tried,
            seconds=round(time.perf_counter() - started, 1),
            needs=tuple(experiment.needs(found)),
        )

    # --- what counts --------------------------------------------------------------------------

    def _wanted(self, good: Side, bad: Side, direction: str) -> Wanted:
        """Run both sides twice, and return what a hybrid must show."""
        prober = self._prober((), None)
        seen = dict(prober.see_all([good.place, bad.place], repeat=2))
        goods, bads = seen[good.place], seen[bad.place]
        if self.target.repro:
            return self._wanted_of_repro((good, goods), (bad, bads), direction)
        shown = self.expect or symptom.of(bads[0])
        if shown is None:
            raise NotTwoSided(f"{bad} is not bad: {bads[0].summary}")
        for sighting in bads:
            if shown.verdict(sighting)[0] is not Verdict.AFFECTED:
                raise Unexplained(f"{bad} is flaky: {shown}, then {sighting.summary}")
        for sighting in goods:
            verdict, why = shown.verdict(sighting)
            if verdict is not Verdict.UNAFFECTED:
                raise NotTwoSided(f"{good} is not good: {verdict.value} {why}".rstrip())
        if direction == FIXED:
            return Wanted((), functools.partial(_good_script, shown), str(shown))
        return Wanted((), self._same_as(shown, bads), str(shown), bads[0].failure)

    def _same_as(
        self, shown: Symptom, bads: Sequence[Sighting]
    ) -> Callable[[Sighting], Answer]:
        failures = [s.failure for s in bads if s.failure]
        noise = symptom.noise(failures[0], failures[-1]) if failures else frozenset()

        def answer(sighting: Sighting) -> Answer:
            if failures and shown.kind in (symptom.EXCEPTION, symptom.ASSERTION):
                failure = sighting.failure
                if failure and symptom.same(failure, failures[0], noise):
                    return Answer.BAD
            elif shown.seen_in(sighting):
                return Answer.BAD
            return Answer.GOOD if sighting.ended_well else Answer.UNRESOLVED

        return answer

    def _wanted_of_repro(
        self,
        good: tuple[Side, Sequence[Sighting]],
        bad: tuple[Side, Sequence[Sighting]],
        direction: str,
    ) -> Wanted:
        for (side, sightings), wanted in (
            (good, Verdict.UNAFFECTED),
            (bad, Verdict.AFFECTED),
        ):
            said = [sighting.verdict for sighting in sightings]
            if len(set(said)) > 1:
                raise Unexplained(f"{side} is flaky: {', then '.join(said)}")
            if said[0] != wanted.value:
                message = f"{side} is {said[0]}, not {wanted.value}: {sightings[0].message}"
                raise NotTwoSided(message.rstrip(": "))
        first, second = bad[1][0], bad[1][-1]
        name = next(n for n, t in first.tests.items() if t.verdict is Verdict.AFFECTED)
        failure, again = first.tests[name].failure, second.tests[name].failure
        assert failure is not None
        assert again is not None
        noise = symptom.noise(failure, again)
        assert self.target.repro is not None
        function = name.partition("[")[0]
        if direction == FIXED:
            return Wanted(self.target.repro.tests, _good_repro, f"{name}: {failure}")

        def answer(sighting: Sighting) -> Answer:
            test = sighting.tests.get(name)
            if test is None:
                return Answer.UNRESOLVED
            if test.failure and symptom.same(test.failure, failure, noise):
                return Answer.BAD
            good = test.verdict is Verdict.UNAFFECTED
            return Answer.GOOD if good else Answer.UNRESOLVED

        return Wanted((function,), answer, f"{name}: {failure}", failure)

    # --- what may matter ----------------------------------------------------------------------

    def _reached(
        self, candidates: Sequence[Change], base: Side, other: Side, wanted: Wanted
    ) -> tuple[list[Change], list[Change]]:
        """Return the changes in functions that ran, and those that the run can reach.

        By a trace of either release; where that fails, every change.
        """
        runs = []
        for side in (base, other):
            output = self.scratch / f"trace-{side}.json"
            prober = self._prober(wanted.only, None, trace=output)
            prober.look(side.place)
            try:
                table = json.loads(output.read_bytes())
            except (OSError, ValueError):
                self.watcher.note(f"{side}: what it runs could not be traced")
                return list(candidates), list(candidates)
            runs.append(Run(table["functions"], table["imported"]))
        reached = cutting.reachable(candidates, old=runs[0], new=runs[1])
        quiet = [Run(run.functions, ()) for run in runs]
        ran = cutting.reachable(candidates, old=quiet[0], new=quiet[1])
        return [change for change in ran if change.path.endswith(".py")], reached

    def _pace(self, base: Side, other: Side, wanted: Wanted) -> float:
        """Return how long the slower side takes, in seconds."""
        seen = self._prober(wanted.only, None).see_all([base.place, other.place])
        return max(sighting.seconds for _, found in seen for sighting in found)

    def _prober(
        self, only: tuple[str, ...], pace_s: float | None, **changes: Any
    ) -> Prober:
        timeout_s = None
        # A verdict that is not the declared one is what is looked for, not to be doubted.
        changes = {"retries": 0, "batch": False, "only": only, **changes}
        patience_s = 0.0
        if pace_s is not None:
            timeout_s = max(LEAST_TIMEOUT_S, 5 * pace_s)
            changes |= {"confirm": False, "import_timeout_s": IMPORT_TIMEOUT_S}
            patience_s = timeout_s + IMPORT_TIMEOUT_S
        return Prober(
            self.engine, self.target, self.scratch, timeout_s, changes, patience_s
        )

    # --- the search ---------------------------------------------------------------------------

    def _minimize(
        self,
        experiment: Experiment,
        circles: Sequence[Sequence[Change]],
        hints: Sequence[Iterable[Change]],
        dependences: Dependences,
    ) -> list[Change]:
        """Return the fewest changes found, cut to lines where that still shows it.

        The first of the circles that shows it with all its changes is searched.
        """
        for candidates in circles:
            (whole,) = experiment.ask([frozenset(candidates)])
            if whole is Answer.BAD:
                break
            self.watcher.note(f"{len(candidates)} changes together do not show it")
        else:
            raise Unexplained(
                f"all changes to {experiment.base.name} together do not show it: it depends on "
                "something else than the sources of Keras"
            )
        found = self._search(experiment, candidates, hints, dependences)
        hunks = [
            h for c in found for h in cutting.refine(c, experiment.old, experiment.new)
        ]
        if len(hunks) > len(found):
            (whole,) = experiment.ask([frozenset(hunks)])
            if whole is Answer.BAD:
                return self._search(experiment, hunks, ())
        return found

    def _search(
        self,
        experiment: Experiment,
        candidates: Sequence[Change],
        hints: Sequence[Iterable[Change]],
        dependences: Dependences | None = None,
    ) -> list[Change]:
        started = time.perf_counter()
        minimizer = Minimizer(
            candidates,
            width=max(1, self.engine.options.jobs),
            hints=hints,
            group=path_of if dependences else None,
            closure=dependences.close if dependences else None,
        )
        while minimizer.batch:
            minimizer.tell(experiment.ask(minimizer.batch))
            seconds = time.perf_counter() - started
            self.watcher.narrowed(minimizer.left, minimizer.asked, seconds)
        return sorted(minimizer.result)


@dataclass
class Experiment:
    """Hybrids of one release with changes of another, and what they say.

    ``base`` is where the release itself runs, ``original`` its sources; ``tried`` counts the
    hybrids run.
    """

    prober: Prober
    base: Place
    original: Path
    old: Tree
    new: Tree
    answer: Callable[[Sighting], Answer]
    tried: int = 0

    def compose(self, found: Collection[Change]) -> dict[str, str | None]:
        """Return the files that differ from the base once changes are applied."""
        return cutting.compose(self.old, self.new, found)

    def see(self, configurations: Sequence[Collection[Change]]) -> list[Sighting | None]:
        """Return how the target ends with each of several sets of changes; None: no Python."""
        places: list[Place | None] = []
        for configuration in configurations:
            composed = self.compose(configuration)
            modules = (t for p, t in composed.items() if t and p.endswith(".py"))
            whole = all(map(cutting.parses, modules))
            places.append(self._place(composed) if whole else None)
        asked = list(dict.fromkeys(place for place in places if place))
        seen = {place: found[0] for place, found in self.prober.see_all(asked)}
        self.tried += len(asked)
        for place in asked:
            if place != self.base:
                hybrid.remove(self.prober.scratch / place.key)
        return [seen[place] if place else None for place in places]

    def _place(self, composed: dict[str, str | None]) -> Place:
        if not composed:
            return self.base
        key = hybrid.key_of(self.base.name, composed)
        folder = self.prober.scratch / key
        # Made when it is run, which may be never: what it says may be known.
        build = functools.partial(hybrid.build, self.original, composed, folder)
        return dataclasses.replace(self.base, key=key, overlay=build)

    def ask(self, configurations: Sequence[Collection[Change]]) -> list[Answer]:
        """Return whether each of several sets of changes shows what is wanted."""
        return [
            self.answer(sighting) if sighting else Answer.UNRESOLVED
            for sighting in self.see(configurations)
        ]

    def needs(self, found: Sequence[Change]) -> Iterator[Need]:
        """Yield what the target says without each of the changes found."""
        rests = [[other for other in found if other != change] for change in found]
        for change, sighting in zip(found, self.see(rests), strict=True):
            lines = ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in change.new_lines)
            name = f"{change} (lines {lines})" if lines else f"{change} (removal)"
            yield Need(name, said_by(sighting) if sighting else "is no Python")


def path_of(change: Change) -> str:
    """Return the file of a change."""
    return change.path


def said_by(sighting: Sighting) -> str:
    """Return what a run said, in a line: of a repro, its first function that failed."""
    for name, test in sighting.tests.items():
        if test.failure:
            return f"{name}: {test.failure}"
    return sighting.summary


def _good_repro(sighting: Sighting) -> Answer:
    """Whether a patched release shows the promised behaviour: what a fix is looked for by."""
    if sighting.verdict == Verdict.UNAFFECTED.value:
        return Answer.BAD
    affected = sighting.verdict == Verdict.AFFECTED.value
    return Answer.GOOD if affected else Answer.UNRESOLVED


def _good_script(shown: Symptom, sighting: Sighting) -> Answer:
    """Whether a patched release runs a script well: what a fix is looked for by."""
    verdict, _ = shown.verdict(sighting)
    if verdict is Verdict.UNAFFECTED:
        return Answer.BAD
    return Answer.GOOD if verdict is Verdict.AFFECTED else Answer.UNRESOLVED


def likely(
    candidates: Sequence[Change], ran: Sequence[Change], failure: Failure | None
) -> list[list[Change]]:
    """Return sets of changes to try first: most bugs come with the changes of one file.

    Those in the functions on the way to the failure, then those in their files, then those of
    each file in which changed functions ran, the one with the most of them first.
    """
    frames = {frame.partition(": ")[::2] for frame in (failure.keras if failure else ())}
    inside = [
        c
        for c in ran
        if any(c.path == f"keras/{f}" and n in c.functions for f, n in frames)
    ]
    files = {f"keras/{file}" for file, _ in frames}
    counts = Counter(change.path for change in ran)
    hints = [inside, [change for change in candidates if change.path in files]]
    for path, _ in counts.most_common():
        hints.append([change for change in candidates if change.path == path])
    return [hint for hint in hints if hint]


def verify(culprit: Culprit, prober: Prober, base: Side) -> Sighting:
    """Return what a target says on a copy of the base with the patch applied by git.

    Raises:
        InstallError: the patch does not fit.
    """
    patch = prober.scratch / f"{culprit.direction}-{base}.patch"
    patch.write_text(culprit.diff, encoding="utf-8")
    key = hybrid.key_of(culprit.base, {"patch": culprit.diff}).replace("hybrid", "patched")
    with overlay.patched(base.sources(), patch, prober.scratch) as folder:
        place = dataclasses.replace(base.place, key=key, overlay=lambda: folder)
        ((_, sightings),) = prober.see_all([place])
    return sightings[0]


def read_stored(folder: Path, name: str) -> list[Culprit]:
    """Return the culprits that are stored for an entry of the catalogue."""
    try:
        table = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Stored)
    except (OSError, msgspec.DecodeError):
        return []
    return list(table.culprits) if table.schema == SCHEMA else []


class Stored(msgspec.Struct, frozen=True):
    """What is stored beside an entry."""

    schema: int
    culprits: tuple[Culprit, ...]


def store(folder: Path, name: str, culprits: Sequence[Culprit]) -> Path:
    """Store culprits beside an entry; those of the same releases and direction are replaced.

    Raises:
        OSError: they could not be written.
    """

    def key(culprit: Culprit) -> tuple[str, str, str]:
        return culprit.direction, culprit.base, culprit.other

    merged = {key(c): c for c in (*read_stored(folder, name), *culprits)}
    found = Stored(SCHEMA, tuple(merged[k] for k in sorted(merged, reverse=True)))
    path = folder / f"{name}.json"
    write_atomically(path, msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return path
