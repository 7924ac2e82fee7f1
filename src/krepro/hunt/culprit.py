"""From two releases to the few changes of Keras that tell them apart for one target."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import Version

from krepro import overlay
from krepro.engine import Engine
from krepro.hunt import changes as cutting
from krepro.hunt import hybrid, symptom
from krepro.hunt.changes import Change, Kind, Run, Tree
from krepro.hunt.dependence import Dependences
from krepro.hunt.prober import Place, Prober
from krepro.hunt.search import Answer, Minimizer
from krepro.hunt.symptom import Failure, Sighting, Symptom
from krepro.hunt.target import Target
from krepro.installer import InstallError, cause_of
from krepro.matrix import Cell, Stack
from krepro.project import SelectionError
from krepro.result import write_atomically
from krepro.verdict import Verdict

SCHEMA = 1
# Of what is kept of a trace.
TRACES = 1
# Below the catalogue.
FOLDER = "culprits"
INTRODUCED, FIXED = DIRECTIONS = ("introduced", "fixed")
# A hybrid may loop for ever or hang while it is imported; it gets a few times what the
# releases themselves took, and not less than this.
TIMES, LEAST_TIMEOUT_S = 5, 10.0
# Files that are tried alone before the search begins.
MOST_HINTS = 6
# Where a hybrid or a commit lies differs from run to run, and says nothing.
FOLDER_OF_RUN = re.compile(r"/[^\s'\"()]*/(?:hybrid-[0-9a-f]{20}|own-[^/\s]+)/")


class NotTwoSided(SelectionError):
    """The two releases do not say what was claimed."""


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

    ``only`` are the functions of a repro that are run; ``failure`` is how the bad side fails,
    ``slowest_s`` how long the slower of the two sides took that came to an end.
    """

    only: tuple[str, ...]
    answer: Callable[[Sighting], Answer]
    text: str
    failure: Failure | None = None
    slowest_s: float = 0.0


@dataclass
class Investigator:
    """Finds the changes that turn a target between two releases on one stack."""

    engine: Engine
    target: Target
    scratch: Path
    stack: Stack
    expect: Symptom | None = None
    watcher: Watcher = field(default_factory=Watcher)
    timeout_s: float | None = None

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
            NotTwoSided: the releases are not good and bad.
            Unexplained: they say different things twice, or cannot be run, or even all changes
                together do not turn the base.
            InstallError: the machine lacks something: space, or a network.
            Stopped, NotKept: as for the prober.
        """
        started = time.perf_counter()
        good, bad = self._own(good), self._own(bad)
        base, other = (good, bad) if direction == INTRODUCED else (bad, good)
        wanted = self._wanted(good, bad, direction)
        original = base.sources()
        before = hybrid.state_of(original)
        old, new = cutting.load_tree(original), cutting.load_tree(other.sources())
        everything = cutting.cut(old, new)
        lively = [change for change in everything if not change.inert]
        ran, reached = self._reached(lively, base, other, wanted)
        experiment = Experiment(
            prober=self._prober(wanted.only, wanted.slowest_s),
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
        needs = tuple(experiment.needs(found))
        if hybrid.state_of(original) != before:
            self.watcher.note(
                f"{base.name}: the run writes into Keras' own folder (into a copy of it here), "
                "so one run may have changed what another one said"
            )
        return Culprit(
            target=self.target.name,
            digest=self.target.digest,
            direction=direction,
            base=base.name,
            other=other.name,
            stack=self.stack.name,
            symptom=without_folders(wanted.text),
            names=tuple(dict.fromkeys(map(title, found))),
            diff=cutting.unified_diff(old, experiment.compose(found)),
            changes=len(everything),
            reached=len(reached),
            tried=experiment.tried,
            seconds=round(time.perf_counter() - started, 1),
            needs=needs,
        )

    def verify(self, culprit: Culprit, good: Side, bad: Side) -> str:
        """Return what the base says on this stack with the patch applied by git: a verdict.

        Raises:
            NotTwoSided: the two sides do not differ on this stack.
            Unexplained: they cannot be run here.
            InstallError: the patch does not fit.
        """
        good, bad = self._own(good), self._own(bad)
        introduced = culprit.direction == INTRODUCED
        wanted = self._wanted(good, bad, culprit.direction)
        prober = self._prober((), None)
        sighting = verify(culprit, prober, good if introduced else bad)
        answer = wanted.answer(sighting)
        if answer is Answer.UNRESOLVED:
            known = sighting.verdict not in ("", Verdict.AFFECTED.value)
            return sighting.verdict if known else Verdict.ERROR.value
        turned = answer is Answer.BAD
        found = Verdict.AFFECTED if turned == introduced else Verdict.UNAFFECTED
        return found.value

    def _own(self, side: Side) -> Side:
        """Return a side with a copy of its sources, which the target may write into.

        An overlay's files are linked to those of other overlays.
        """
        folder = self.scratch / f"own-{side.name}"
        if not folder.is_dir():
            whole = folder.with_name(f".{folder.name}.new")
            try:
                shutil.copytree(side.sources(), whole, symlinks=True, dirs_exist_ok=True)
                whole.rename(folder)
            except shutil.Error as error:
                text = str(error.args[0][0][-1])
                raise InstallError(cause_of(text), text) from None
            except OSError as error:
                raise InstallError(cause_of(str(error)), str(error)) from None
        place = dataclasses.replace(side.place, overlay=lambda: folder)
        return Side(side.name, place, lambda: folder)

    # --- what counts --------------------------------------------------------------------------

    def _wanted(self, good: Side, bad: Side, direction: str) -> Wanted:
        """Run both sides twice, and return what a hybrid must show."""
        prober = self._prober((), None)
        places = list(dict.fromkeys([good.place, bad.place]))
        seen = dict(prober.see_all(places, repeat=2))
        goods, bads = seen[good.place], seen[bad.place]
        for side, sightings in ((good, goods), (bad, bads)):
            for sighting in sightings:
                if sighting.verdict and Verdict(sighting.verdict).passing_cause:
                    raise Unexplained(f"{side} cannot be run: {sighting.summary}")
        if self.target.repro:
            wanted = self._wanted_of_repro((good, goods), (bad, bads), direction)
        else:
            wanted = self._wanted_of_script((good, goods), (bad, bads), direction)
        ended = [s for s in (*goods, *bads) if s.verdict != Verdict.TIMEOUT.value]
        wanted.slowest_s = max((sighting.seconds for sighting in ended), default=0.0)
        return wanted

    def _wanted_of_script(
        self,
        good: tuple[Side, Sequence[Sighting]],
        bad: tuple[Side, Sequence[Sighting]],
        direction: str,
    ) -> Wanted:
        shown = self.expect or next(filter(None, map(symptom.of, bad[1])), None)
        if shown is None:
            raise NotTwoSided(f"{bad[0]} is not bad: {bad[1][0].summary}")
        for side, sightings in (good, bad):
            said = {shown.verdict(s)[0]: s.summary for s in sightings}
            if len(said) > 1:
                raise Unexplained(f"{side} is flaky: {', then '.join(said.values())}")
        verdict, why = shown.verdict(bad[1][0])
        if verdict is not Verdict.AFFECTED:
            raise NotTwoSided(f"{bad[0]} is not bad: {why or bad[1][0].summary}")
        verdict, why = shown.verdict(good[1][0])
        if verdict is not Verdict.UNAFFECTED:
            raise NotTwoSided(f"{good[0]} is not good: {verdict.value} {why}".rstrip())
        failure = bad[1][0].failure
        if direction == FIXED:
            return Wanted((), functools.partial(_good_script, shown), str(shown), failure)
        return Wanted((), self._same_as(shown, bad[1]), str(shown), failure)

    def _same_as(
        self, shown: Symptom, bads: Sequence[Sighting]
    ) -> Callable[[Sighting], Answer]:
        failures = [s.failure for s in bads if s.failure]
        noise = noise_of(failures)

        def answer(sighting: Sighting) -> Answer:
            if failures and shown.kind in (symptom.EXCEPTION, symptom.ASSERTION):
                failure = sighting.failure
                if failure and symptom.same(failure, failures[0], noise):
                    return Answer.BAD
            elif shown.seen_in(sighting) and (
                # By the same signal, and not while it was imported.
                shown.kind != symptom.CRASH or sighting.message == bads[0].message
            ):
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
        name = next(
            n
            for n, t in bad[1][0].tests.items()
            if t.verdict is Verdict.AFFECTED and t.failure
        )
        again = [s.tests[name].failure for s in bad[1] if name in s.tests]
        failures = [failure for failure in again if failure]
        if len(failures) < len(bad[1]):
            raise Unexplained(f"{bad[0]} is flaky: {name} does not fail each time")
        failure, noise = failures[0], noise_of(failures)
        assert self.target.repro is not None
        function = name.partition("[")[0]
        text = f"{name}: {failure}"
        if direction == FIXED:
            return Wanted(self.target.repro.tests, _good_repro, text, failure)

        def answer(sighting: Sighting) -> Answer:
            test = sighting.tests.get(name)
            if test is None:
                return Answer.UNRESOLVED
            if test.failure and symptom.same(test.failure, failure, noise):
                return Answer.BAD
            good = test.verdict is Verdict.UNAFFECTED
            return Answer.GOOD if good else Answer.UNRESOLVED

        return Wanted((function,), answer, text, failure)

    # --- what may matter ----------------------------------------------------------------------

    def _reached(
        self, candidates: Sequence[Change], base: Side, other: Side, wanted: Wanted
    ) -> tuple[list[Change], list[Change]]:
        """Return the changes in functions that ran, and those that the run can reach.

        By a trace of either release. A run that is killed leaves none; then what the other
        one ran is all that is known, and where there is none at all, every change counts.
        """
        tables = [self._trace(side, wanted) for side in (base, other)]
        for side, table in zip((base, other), tables, strict=True):
            if table is None:
                self.watcher.note(f"{side}: what it runs could not be traced")
        if not any(tables):
            return list(candidates), list(candidates)
        every, quiet = [], []
        for table in tables:
            ran = table["functions"] if table else {}
            early = table["importing"] if table else {}
            both = {p: [*ran.get(p, ()), *early.get(p, ())] for p in {*ran, *early}}
            every.append(Run(both, table["imported"] if table else ()))
            quiet.append(Run(ran, ()))
        reached = cutting.reachable(candidates, old=every[0], new=every[1])
        inside = cutting.reachable(candidates, old=quiet[0], new=quiet[1])
        return [change for change in inside if change.path.endswith(".py")], reached

    def _trace(self, side: Side, wanted: Wanted) -> dict[str, Any] | None:
        """Return what a side runs, from an earlier search if there was one; None: unknown."""
        lock = self.engine.lock_hash(self.stack)
        folder = (
            self.engine.home.sightings / self.target.digest / f"{self.stack.name}-{lock}"
        )
        output = folder / f"traces-{TRACES}" / "-".join([side.place.name, *wanted.only])
        if not output.exists():
            output.parent.mkdir(parents=True, exist_ok=True)
            self._prober(wanted.only, None, trace=output, confirm=False).look(side.place)
        try:
            found: dict[str, Any] = json.loads(output.read_bytes())
        except (OSError, ValueError):
            output.unlink(missing_ok=True)
            return None
        return found

    def _prober(
        self, only: tuple[str, ...], slowest_s: float | None, **changes: Any
    ) -> Prober:
        """Return what runs the target: as ever, or (given a pace) with little patience."""
        timeout_s = self.timeout_s
        # A verdict that is not the declared one is what is looked for, not to be doubted.
        changes = {"retries": 0, "batch": False, "only": only, **changes}
        patience_s = 0.0
        if slowest_s is not None:
            limit_s = timeout_s or self.engine.matrix.limits.timeout_s
            # In whole seconds: what is kept of a run goes by its limits.
            timeout_s = min(limit_s, max(LEAST_TIMEOUT_S, math.ceil(TIMES * slowest_s)))
            import_s = min(
                self.engine.matrix.limits.import_timeout_s, 2 * LEAST_TIMEOUT_S + timeout_s
            )
            changes |= {"confirm": False, "import_timeout_s": import_s}
            patience_s = timeout_s + import_s
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
        for candidates in dict.fromkeys(tuple(circle) for circle in circles if circle):
            (whole,) = experiment.ask([frozenset(candidates)])
            if whole is Answer.BAD:
                break
            self.watcher.note(f"{len(candidates)} changes together do not show it")
        else:
            raise Unexplained(
                f"all changes to {experiment.base.name} together do not show it: it depends on "
                "something else than the sources of Keras"
            )
        self.watcher.narrowed(len(candidates), experiment.tried, 0)
        found = self._search(experiment, candidates, hints, dependences, path_of)
        hunks = [
            h
            for c in found
            for h in ([c] if is_removal(c) else cutting.refine(c, *experiment.trees))
        ]
        if len(hunks) > len(found):
            self.watcher.note(f"{len(found)} changes cut to {len(hunks)} hunks")
            lively = [hunk for hunk in hunks if not hunk.inert]
            inner = Dependences.within(found, hunks, experiment.old)
            found = self._search(experiment, hunks, [lively], inner)
        return self._one_by_one(experiment, found)

    def _search(
        self,
        experiment: Experiment,
        candidates: Sequence[Change],
        hints: Sequence[Iterable[Change]],
        dependences: Dependences,
        group: Callable[[Change], str] | None = None,
    ) -> list[Change]:
        """Return the fewest candidates found, among sets with all that their members need."""
        minimizer = Minimizer(
            candidates,
            width=max(1, self.engine.options.jobs),
            hints=hints,
            group=group,
            closure=dependences.close,
        )
        while minimizer.batch:
            minimizer.tell(experiment.ask(minimizer.batch))
            self.watcher.narrowed(minimizer.left, experiment.tried, experiment.seconds)
        return sorted(minimizer.result)

    def _one_by_one(self, experiment: Experiment, found: list[Change]) -> list[Change]:
        """Return what is left when each change was tried without, whatever it seemed to need.

        Changes without which the run only breaks may be there for each other's sake; so those
        that the answer turns on are tried alone.
        """
        width = max(1, self.engine.options.jobs)
        again = True
        while again:
            again, left = False, found
            for start in range(len(found), 0, -width):
                some = [c for c in found[max(start - width, 0) : start] if c in left]
                rests = [frozenset(left) - {change} for change in some]
                for change, answer in zip(some, experiment.ask(rests), strict=True):
                    if answer is Answer.BAD:
                        left = [other for other in left if other != change]
                        self.watcher.narrowed(
                            len(left), experiment.tried, experiment.seconds
                        )
                        again = True
                        break
            found = left
            if again:
                continue
            found, again = self._name_by_name(experiment, found)
            if again:
                continue
            answers = experiment.ask([frozenset(found) - {change} for change in found])
            core = [c for c, a in zip(found, answers, strict=True) if a is Answer.GOOD]
            if 0 < len(core) < len(found):
                (alone,) = experiment.ask([frozenset(core)])
                if alone is Answer.BAD:
                    found, again = core, True
        return found

    @staticmethod
    def _name_by_name(
        experiment: Experiment, found: list[Change]
    ) -> tuple[list[Change], bool]:
        """Return what is left when all changes of one name were tried without, and whether any went.

        A property and its setter, or the parts of a new function, cannot do without each other.
        """
        groups: dict[str, set[Change]] = {}
        for change in found:
            groups.setdefault(str(change), set()).add(change)
        several = [group for group in groups.values() if 1 < len(group) < len(found)]
        left, gone = frozenset(found), False
        for group in several:
            (answer,) = experiment.ask([left - group])
            if answer is Answer.BAD:
                left, gone = left - group, True
        return sorted(left), gone


@dataclass
class Experiment:
    """Hybrids of one release with changes of another, and what they say.

    ``base`` is where the release itself runs, ``original`` its sources.
    """

    prober: Prober
    base: Place
    original: Path
    old: Tree
    new: Tree
    answer: Callable[[Sighting], Answer]
    started: float = field(default_factory=time.perf_counter)
    _asked: set[str] = field(default_factory=set)

    @property
    def trees(self) -> tuple[Tree, Tree]:
        """The sources of the base and of the other release."""
        return self.old, self.new

    @property
    def tried(self) -> int:
        """How many hybrids were asked about, each counted once."""
        return len(self._asked)

    @property
    def seconds(self) -> float:
        """How long ago this began."""
        return time.perf_counter() - self.started

    def compose(self, found: Collection[Change]) -> dict[str, str | None]:
        """Return the files that differ from the base once changes are applied."""
        return cutting.compose(self.old, self.new, found)

    def see(self, configurations: Sequence[Collection[Change]]) -> list[Sighting | None]:
        """Return how the target ends with each of several sets of changes; None: no Python.

        Raises:
            InstallError: the machine lacks something, which says nothing of the hybrid.
        """
        places: list[Place | None] = []
        for configuration in configurations:
            composed = self.compose(configuration)
            places.append(self._place(composed) if is_python(composed) else None)
        asked = list(dict.fromkeys(place for place in places if place))
        seen = {place: found[0] for place, found in self.prober.see_all(asked)}
        for place in asked:
            if place != self.base:
                self._asked.add(place.key)
                hybrid.remove(self.prober.scratch / place.key)
        for sighting in seen.values():
            verdict = Verdict(sighting.verdict) if sighting.verdict else Verdict.ERROR
            if verdict.passing_cause and verdict is not Verdict.IMPORT:
                raise InstallError(verdict, sighting.message)
        return [seen[place] if place else None for place in places]

    def _place(self, composed: dict[str, str | None]) -> Place:
        if not composed:
            return self.base
        key = hybrid.key_of(self.base.name, composed)
        folder = self.prober.scratch / key
        # Made when it is run, which may be never: what it says may be known.
        build = functools.partial(hybrid.build, self.original, composed, folder)
        return dataclasses.replace(self.base, key=key, overlay=build, release="")

    def ask(self, configurations: Sequence[Collection[Change]]) -> list[Answer]:
        """Return whether each of several sets of changes shows what is wanted."""
        return [
            self.answer(sighting) if sighting else Answer.UNRESOLVED
            for sighting in self.see(configurations)
        ]

    def needs(self, found: Sequence[Change]) -> Iterator[Need]:
        """Yield what the target says without each of the changes found.

        Hunks of one change that are no Python without each other are taken as one.
        """
        parts: list[list[Change]] = []
        for change in found:
            rest = self.compose([other for other in found if other != change])
            last = parts[-1][-1] if parts else None
            beside = last and (last.path, last.position) == (change.path, change.position)
            if beside and not is_python(rest):
                parts[-1].append(change)
            else:
                parts.append([change])
        rests = [[other for other in found if other not in part] for part in parts]
        for part, sighting in zip(parts, self.see(rests), strict=True):
            yield Need(
                named(part),
                said_by(sighting) if sighting else "the rest is no valid Python",
            )


def is_python(composed: Mapping[str, str | None]) -> bool:
    """Whether all modules of a hybrid parse."""
    return all(
        cutting.parses(text)
        for path, text in composed.items()
        if text and path.endswith(".py")
    )


def is_removal(change: Change) -> bool:
    """Whether a change takes away a definition or a file: half of that is nothing."""
    defines = re.match(r"\s*(@|def\b|class\b|async\b)", without_remarks(change.old_text))
    whole = change.kind is Kind.REMOVED and defines is not None
    return whole or change.kind is Kind.FILE_REMOVED


def without_remarks(text: str) -> str:
    """Return code without the comments above it."""
    return re.sub(r"\A(\s*#[^\n]*\n)*", "", text)


def named(part: Sequence[Change]) -> str:
    """Return what is needed, for people: the name of a change and the lines it has or had."""
    spans: list[tuple[int, int]] = []
    for a, b in sorted(span for change in part for span in change.new_lines):
        if spans and a <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(b, spans[-1][1]))
        else:
            spans.append((a, b))
    name = title(part[0])
    if not spans:
        return name if part[0].kind is Kind.RENAMED else f"{name} (removed)"
    lines = ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in spans)
    word = "line" if len(spans) == 1 and spans[0][0] == spans[0][1] else "lines"
    return f"{name} ({word} {lines})"


def title(change: Change) -> str:
    """Return the name of a change; a hunk of a renamed file goes by the old name too."""
    if change.kind is Kind.RENAMED or change.path == change.old_path:
        return str(change)
    return f"{change} (was {change.old_path})"


def noise_of(failures: Sequence[Failure]) -> frozenset[str]:
    """Return the names whose values are not the same in all of several failures."""
    return frozenset().union(*(symptom.noise(failures[0], other) for other in failures[1:]))


def without_folders(text: str) -> str:
    """Return a message without the folders of this run."""
    return FOLDER_OF_RUN.sub("", text)


def path_of(change: Change) -> str:
    """Return the file of a change."""
    return change.path


def said_by(sighting: Sighting) -> str:
    """Return what a run said, in a line: of a repro, its first function that failed."""
    for name, test in sighting.tests.items():
        if test.failure:
            return without_folders(f"{name}: {test.failure}")
    return without_folders(sighting.summary)


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
    each of a few files in which changed functions ran, the one with the most of them first.
    """
    frames = set()
    for frame in failure.keras if failure else ():
        file, _, function = frame.partition(": ")
        frames.add((file, function.partition(".<locals>")[0]))
    inside = [
        c
        for c in ran
        if any(c.path == f"keras/{f}" and n in c.functions for f, n in frames)
    ]
    files = {f"keras/{file}" for file, _ in frames}
    counts = Counter(change.path for change in ran)
    hints = [inside, [change for change in candidates if change.path in files]]
    for path, _ in counts.most_common(MOST_HINTS):
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
        place = dataclasses.replace(base.place, key=key, overlay=lambda: folder, release="")
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

    again = {key(culprit) for culprit in culprits}
    kept = [c for c in read_stored(folder, name) if key(c) not in again]
    # What brought it in comes first, and of one turn the culprits as they were found.
    merged = sorted([*kept, *culprits], key=lambda c: c.direction, reverse=True)
    found = Stored(SCHEMA, tuple(merged))
    path = folder / f"{name}.json"
    write_atomically(path, msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return path
