"""From a script that misbehaves to the releases that make it do so."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import Version

from krepro import ranges
from krepro.engine import Engine
from krepro.hunt import search, symptom
from krepro.hunt.prober import Place, Prober
from krepro.hunt.search import Answer
from krepro.hunt.symptom import Sighting, Symptom
from krepro.hunt.target import SUPPLIED, Target
from krepro.installer import InstallError
from krepro.matrix import Cell, Matrix, Stack
from krepro.project import SelectionError
from krepro.ranges import Interval
from krepro.verdict import Verdict

# Up to here every release is measured: a search between two ends cannot see a bug that came
# and went between them.
SWEEP_S = 60.0
# The exit status of argparse, click and the like for arguments that they cannot use.
USAGE = 2


@dataclass(frozen=True)
class Seen:
    """What a target said on one release: the verdict that its runs agree on, and why."""

    verdict: Verdict
    message: str = ""
    runs: int = 1
    seconds: float = 0.0
    first: Sighting | None = None


@dataclass
class Watcher:
    """Is told what happens; does nothing."""

    def seen(self, stack: Stack, release: Version, seen: Seen, left: str) -> None:
        """A release was measured; ``left`` says what may be left."""

    def note(self, text: str) -> None:
        """Something is worth knowing."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a search.

    ``good`` and ``bad`` are the releases that are said to be so (none: to be found). ``sweep``:
    measure every release (None: where that takes less than a minute). ``repeat`` runs of each
    release vote.
    """

    releases: tuple[Version, ...]
    good: tuple[Version, ...] = ()
    bad: tuple[Version, ...] = ()
    expect: Symptom | None = None
    sweep: bool | None = None
    repeat: int = 1
    find_fix: bool = False


@dataclass
class Track:
    """One backend's releases, and what is known of them."""

    stack: Stack
    releases: list[Version]
    symptom: Symptom | None = None
    sightings: dict[Version, list[Sighting]] = field(default_factory=dict)
    swept: bool = False
    trouble: str = ""

    def verdicts(self) -> dict[Version, Seen]:
        """Return what each measured release says."""
        return {release: self.seen(release) for release in sorted(self.sightings)}

    def seen(self, release: Version) -> Seen:
        """Return what a measured release says."""
        return self.judged(self.sightings[release])

    def judged(self, found: Sequence[Sighting]) -> Seen:
        """Return what runs in one place say together; those that disagree vote, or are flaky."""
        said = [self._verdict(sighting) for sighting in found]
        verdicts = [verdict for verdict, _ in said]
        seconds = sum(sighting.seconds for sighting in found)
        winner = search.vote(verdicts)
        if winner is None:
            counts = ", ".join(
                f"{verdicts.count(v)} of {len(verdicts)} {v.value}"
                for v in dict.fromkeys(verdicts)
            )
            return Seen(Verdict.FLAKY, counts, len(found), seconds, found[0])
        message = next(text for verdict, text in said if verdict is winner)
        return Seen(winner, message, len(found), seconds, found[0])

    def _verdict(self, sighting: Sighting) -> tuple[Verdict, str]:
        if sighting.tests or (sighting.verdict and self.symptom is None):
            return Verdict(sighting.verdict), sighting.message
        if self.symptom is None:
            failed = symptom.of(sighting) is not None
            verdict = Verdict.ERROR if failed else Verdict.UNAFFECTED
            return verdict, sighting.summary if failed else ""
        return self.symptom.verdict(sighting)

    def answers(self) -> dict[Version, Answer]:
        """Return what is known, as a search wants it."""
        return {release: answer_of(seen) for release, seen in self.verdicts().items()}

    @property
    def presumed(self) -> dict[Version, Verdict]:
        """Releases that were not measured, between two neighbours that say the same."""
        found: dict[Version, Verdict] = {}
        facts = {r: s.verdict for r, s in self.verdicts().items() if s.verdict.known}
        for before, after in itertools.pairwise(sorted(facts)):
            if facts[before] is facts[after]:
                between = (r for r in self.releases if before < r < after)
                unrun = [r for r in between if r not in self.sightings]
                found |= dict.fromkeys(unrun, facts[before])
        return found

    @property
    def everywhere(self) -> bool:
        """Whether every release that says anything shows the symptom."""
        facts = [s.verdict for s in self.verdicts().values() if s.verdict.known]
        return bool(facts) and all(v is Verdict.AFFECTED for v in facts)

    @property
    def advice(self) -> str:
        """What to try where a script fails the same way everywhere, or an empty string."""
        if not self.everywhere or self.symptom is None:
            return ""
        failure = self.symptom.like
        text = "the same on every release: nothing tells which one is to blame"
        if failure and not failure.keras:
            if failure.type == "FileNotFoundError":
                return f"{text}; does it read a file? name it with --data"
            if failure.type == "EOFError":
                return f"{text}; does it read standard input? that is empty here"
            if "argv" in failure.where.statement:
                return f"{text}; does it need arguments? put them behind --"
        if self.symptom.kind == symptom.EXIT and self.symptom.status == USAGE:
            return f"{text}; does it need arguments? put them behind --"
        return text

    @property
    def intervals(self) -> list[Interval]:
        """Where the symptom is seen, several intervals where it came back."""
        return ranges.intervals(self._facts(), self.releases)

    @property
    def range(self) -> str:
        """The intervals in a few words."""
        return ranges.describe(self._facts(), self.releases)

    def _facts(self) -> Mapping[Version, Verdict | None]:
        return {**self.presumed, **{r: s.verdict for r, s in self.verdicts().items()}}

    @property
    def unknown(self) -> dict[Version, Seen]:
        """Measured releases that say nothing about the bug."""
        return {r: seen for r, seen in self.verdicts().items() if not seen.verdict.known}


class Unanswered(SelectionError):
    """A backend whose releases could not be searched; what was seen is in the track."""

    def __init__(self, message: str, track: Track) -> None:
        """Note in the track what the trouble is."""
        super().__init__(message)
        track.trouble = message
        self.track = track


class ClaimError(Unanswered):
    """An end that is not as it was said to be."""


class Unavailable(Unanswered):
    """An end that cannot be tested here and now."""


class LacksPackage(Unanswered):
    """A script that imports what its stack lacks."""


def answer_of(seen: Seen) -> Answer:
    """Return a verdict as a search wants it."""
    if seen.verdict is Verdict.AFFECTED:
        return Answer.BAD
    return Answer.GOOD if seen.verdict.known else Answer.UNRESOLVED


@dataclass
class Bisector:
    """Searches the releases of one target, backend by backend."""

    engine: Engine
    prober: Prober
    asked: Asked
    watcher: Watcher = field(default_factory=Watcher)

    @property
    def target(self) -> Target:
        """What is run."""
        return self.prober.target

    def run(self, stack: Stack) -> Track:
        """Search the releases that a stack serves.

        Returns:
            What is known; with ``trouble`` where the stack cannot be had.

        Raises:
            ClaimError: an end is not as it was said to be.
            LacksPackage: the script needs a package that the stack lacks.
            Unavailable: an end could not be tested.
            SelectionError: the stack serves none of the releases.
            Stopped: the search is to end; what was seen is kept.
        """
        releases = served(self.engine.matrix, stack, self.asked.releases)
        if not releases:
            raise SelectionError(f"{stack.name} serves none of the releases asked for")
        track = Track(stack, releases, self.asked.expect)
        ends = self._claims(track)
        try:
            self.prober.prepare(Cell(stack.name, str(releases[-1])))
        except InstallError as error:
            track.trouble = f"{stack.name} cannot be had: {error}"
            return track
        self._prove_ends(track, ends)
        # Whatever is claimed: without these, where the bug begins or ends stays open.
        newest_and_oldest = dict.fromkeys([releases[-1], releases[0]])
        self._measure(track, [r for r in newest_and_oldest if r not in track.sightings])
        self._name_symptom(track)
        sweep = self.asked.sweep
        if sweep is None:
            sweep = self._cost_s(track) <= SWEEP_S
        if sweep:
            self._measure(track, [r for r in releases if r not in track.sightings])
            track.swept = True
        else:
            self._search(track)
        self._name_symptom(track)
        self._confirm(track)
        return track

    # --- what is claimed ----------------------------------------------------------------------

    def _claims(self, track: Track) -> tuple[list[Version], list[Version]]:
        """Return the releases of a backend that are said to be bad, and those said to be good."""
        ends = []
        for wanted in (self.asked.bad, self.asked.good):
            there = [release for release in wanted if release in track.releases]
            if wanted and not there:
                names = ", ".join(map(str, wanted))
                raise ClaimError(
                    f"{names}: not among the releases asked for that {track.stack.name} serves",
                    track,
                )
            ends.append(there)
        return ends[0], ends[1]

    def _prove_ends(
        self, track: Track, ends: tuple[Sequence[Version], Sequence[Version]]
    ) -> None:
        """Measure the ends that were named, and hold them to what was said of them."""
        bad, good = ends
        self._measure(track, bad)
        if bad and not self.target.repro and track.symptom is None:
            self._take_symptom(track, reversed(bad))
        self._measure(track, [r for r in good if r not in track.sightings])
        for release in (*bad, *good):
            seen = track.seen(release)
            claim = "bad" if release in bad else "good"
            as_said = (
                seen.verdict is Verdict.AFFECTED
                if claim == "bad"
                else seen.verdict in (Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE)
            )
            if as_said:
                continue
            said = f"is {seen.verdict.value} {seen.message}".rstrip()
            if seen.verdict is Verdict.ERROR:
                said = seen.message if track.symptom else f"fails: {seen.message}"
            kind = Unavailable if seen.verdict.passing_cause else ClaimError
            raise kind(
                f"{release}@{track.stack.name} was said to be {claim}, but {said}", track
            )

    def _take_symptom(self, track: Track, releases: Iterable[Version]) -> None:
        """Look from now on for what the first of some releases that fails shows.

        Raises:
            LacksPackage: it lacks a package.
        """
        for release in releases:
            found = symptom.of(track.sightings[release][0])
            if found is None:
                continue
            failure = found.like
            name = failure.missing_module if failure else ""
            if name.partition(".")[0] not in ("", "keras"):
                way = "" if name in SUPPLIED else f": add --with {name}"
                raise LacksPackage(
                    f"{self.target.name} imports {name}, which {track.stack.name} lacks{way}",
                    track,
                )
            track.symptom = found
            self.watcher.note(
                f"{track.stack.backend}: looking for what {release} shows: {found}"
            )
            return

    def _name_symptom(self, track: Track) -> None:
        """Where nothing says what counts: what the newest failing release shows."""
        if self.target.repro or track.symptom is not None:
            return
        self._take_symptom(track, sorted(track.sightings, reverse=True))

    def _cost_s(self, track: Track) -> float:
        """Return about how long all releases take that were not measured when this began.

        It goes by what is kept of the first runs, so the same command decides the same way again.
        """
        costs = [s.cost_s for found in track.sightings.values() for s in found[:1]]
        runs = self.asked.repeat * (len(track.releases) - len(costs))
        return runs * min(costs, default=0.0) / max(1, self.engine.options.jobs)

    # --- measuring ----------------------------------------------------------------------------

    def _measure(
        self,
        track: Track,
        releases: Sequence[Version],
        left: str = "",
        *,
        again: bool = False,
    ) -> None:
        places = {Place(Cell(track.stack.name, str(r))): r for r in releases}
        done = self.prober.see_all(list(places), repeat=self.asked.repeat, again=again)
        for place, sightings in done:
            release = places[place]
            track.sightings[release] = sightings
            more = len(track.releases) - len(track.sightings)
            said = left or count(more, "release") + " left"
            self.watcher.seen(track.stack, release, track.seen(release), said)

    def _search(self, track: Track) -> None:
        """Find the turns without measuring every release."""
        width = max(1, self.engine.options.jobs)
        while ask := (ends := search.end_step(track.releases, track.answers(), width)).ask:
            self._measure(track, ask, f"looking for both ends among {len(track.releases)}")
            self._name_symptom(track)
        turns = [ends.fix] if self.asked.find_fix else [ends.onset, ends.fix]
        for turn in turns:
            while turn:
                step = search.tree_step(track.releases, track.answers(), *turn, width)
                if step.done:
                    break
                between = [
                    r
                    for r in track.releases
                    if turn[0] < r < turn[1] and r not in track.sightings
                ]
                runs = min(len(between), step.rounds_left * width)
                left = f"{count(len(between), 'release')} left, about {count(runs, 'run')}"
                self._measure(track, step.ask, left)

    def _confirm(self, track: Track) -> None:
        """Run the releases at every turn once more: a verdict that flips there is no end."""
        if self.target.repro or self.asked.repeat > 1:
            return
        verdicts = {r: s.verdict for r, s in track.verdicts().items()}
        told = [r for r, verdict in verdicts.items() if not verdict.untestable]
        turns = {
            release
            for pair in itertools.pairwise(told)
            if verdicts[pair[0]] is not verdicts[pair[1]]
            for release in pair
            # A crash or a hang has come again already.
            if len(track.sightings[release]) < 2 and not track.sightings[release][0].verdict
        }
        self._measure(track, sorted(turns), "once more, to be sure", again=True)


def served(matrix: Matrix, stack: Stack, releases: Iterable[Version]) -> list[Version]:
    """Return the releases that a stack serves and that no exclusion leaves out."""
    return [
        release
        for release in releases
        if stack.serves(release) and not matrix.excluded(Cell(stack.name, str(release)))
    ]


def count(number: int, noun: str) -> str:
    """Return ``1 release``, ``2 releases``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def flaky(tracks: Iterable[Track]) -> list[str]:
    """Return a line for every release that says one thing and then another."""
    return [
        f"{release}@{track.stack.name}: {seen.message}"
        for track in tracks
        for release, seen in track.verdicts().items()
        if seen.verdict is Verdict.FLAKY
    ]
