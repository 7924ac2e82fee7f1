"""From a script that misbehaves to the releases that make it do so."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import Version

from krepro import ranges, search, symptom
from krepro.engine import Engine
from krepro.matrix import Cell, Stack
from krepro.prober import Place, Prober
from krepro.project import SelectionError
from krepro.ranges import Interval
from krepro.search import Answer
from krepro.symptom import Sighting, Symptom
from krepro.target import Target
from krepro.verdict import Verdict

# Up to here every release is measured: a search between two ends cannot see a bug that came
# and went between them.
SWEEP_S = 60.0


class ClaimError(SelectionError):
    """An end that is not as it was said to be."""


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
        winner = majority(verdicts)
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
        known = [r for r in self.releases if r in self.sightings]
        found: dict[Version, Verdict] = {}
        facts = {r: s.verdict for r, s in self.verdicts().items() if s.verdict.known}
        for before, after in itertools.pairwise(known):
            if before in facts and facts.get(before) is facts.get(after):
                between = (r for r in self.releases if before < r < after)
                found |= dict.fromkeys(between, facts[before])
        return found

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


def majority(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return what more than half of the runs say, or None."""
    best = max(dict.fromkeys(verdicts), key=verdicts.count)
    return best if 2 * verdicts.count(best) > len(verdicts) else None


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

        Raises:
            ClaimError: an end is not as it was said to be.
            SelectionError: the stack serves none of the releases.
        """
        releases = [r for r in self.asked.releases if stack.serves(r)]
        if not releases:
            raise SelectionError(f"{stack.name} serves none of the releases asked for")
        track = Track(stack, releases, self.asked.expect)
        started = time.monotonic()
        self._prove_ends(track)
        if not track.sightings:
            self._measure(track, [releases[-1], releases[0]])
        self._name_symptom(track)
        pace_s = (time.monotonic() - started) / max(1, len(track.sightings))
        sweep = self.asked.sweep
        if sweep is None:
            sweep = pace_s * (len(releases) - len(track.sightings)) <= SWEEP_S
        if sweep:
            self._measure(track, [r for r in releases if r not in track.sightings])
            track.swept = True
        else:
            self._search(track)
        self._name_symptom(track)
        self._confirm(track)
        return track

    # --- what is claimed ----------------------------------------------------------------------

    def _prove_ends(self, track: Track) -> None:
        """Measure the ends that were named, and hold them to what was said of them."""
        for wanted in (self.asked.bad, self.asked.good):
            served = [release for release in wanted if release in track.releases]
            if wanted and not served:
                names = ", ".join(map(str, wanted))
                raise ClaimError(
                    f"{names}: not among the releases that {track.stack.name} serves"
                )
            self._measure(track, [r for r in served if r not in track.sightings])
        for release in self.asked.bad:
            if release in track.sightings:
                self._prove_bad(track, release)
        for release in self.asked.good:
            if release in track.sightings:
                seen = track.seen(release)
                if seen.verdict not in (Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE):
                    raise ClaimError(
                        f"{release}@{track.stack.name} was said to be good, but says: "
                        f"{seen.verdict.value} {seen.message}".rstrip()
                    )

    def _prove_bad(self, track: Track, release: Version) -> None:
        if not self.target.repro and track.symptom is None:
            track.symptom = symptom.of(track.sightings[release][0])
        seen = track.seen(release)
        if seen.verdict is not Verdict.AFFECTED:
            said = f"{seen.verdict.value} {seen.message}".strip()
            raise ClaimError(
                f"{release}@{track.stack.name} was said to be bad, but says: {said}"
            )

    def _name_symptom(self, track: Track) -> None:
        """Where nothing says what counts: what the newest failing release shows."""
        if self.target.repro or track.symptom is not None:
            return
        for release in sorted(track.sightings, reverse=True):
            found = symptom.of(track.sightings[release][0])
            if found is not None:
                track.symptom = found
                self.watcher.note(
                    f"{track.stack.backend}: looking for what {release} shows: {found}"
                )
                return

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
            said = left or f"{more} releases left"
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
                left = f"{len(between)} releases left, about {step.rounds_left} rounds"
                self._measure(track, step.ask, left)

    def _confirm(self, track: Track) -> None:
        """Run the releases at every turn once more: a verdict that flips there is no end."""
        if self.target.repro or self.asked.repeat > 1:
            return
        known = [r for r in track.releases if r in track.sightings]
        turns = {
            release
            for pair in itertools.pairwise(known)
            if track.seen(pair[0]).verdict is not track.seen(pair[1]).verdict
            for release in pair
            if len(track.sightings[release]) < 2
        }
        self._measure(track, sorted(turns), again=True)


def flaky(tracks: Iterable[Track]) -> list[str]:
    """Return a line for every release that says one thing and then another."""
    return [
        f"{release}@{track.stack.name}: {seen.message}"
        for track in tracks
        for release, seen in track.verdicts().items()
        if seen.verdict is Verdict.FLAKY
    ]
