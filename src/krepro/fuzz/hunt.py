"""The hunt: hypothesis draws programs, cells play them, and what diverges is shrunk and kept."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import math
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.database import ExampleDatabase

from krepro.engine import Stopped
from krepro.fuzz import source
from krepro.fuzz.agreement import disagreements
from krepro.fuzz.compare import Divergence, first_divergence
from krepro.fuzz.features import features_of
from krepro.fuzz.invariants import (
    Invariant,
    broken,
    invariants,
    named,
    transformed,
)
from krepro.fuzz.known import Catalogue
from krepro.fuzz.oracle import Expectation, expect
from krepro.fuzz.pool import DONE, UNTESTABLE, Played, Pool
from krepro.fuzz.program import Program, from_json, to_json
from krepro.fuzz.reduce import reduced
from krepro.fuzz.strategy import programs
from krepro.matrix import Cell
from krepro.recorded.difference import Kind

# Programs that hypothesis draws in one go. After ten it begins to draw most of them by changing a
# part of the one before: half of a long round had the models of another program.
ROUND = 10
# Rounds that are drawn before the first of them is played.
ROUNDS_AHEAD = 25
# A finding is shrunk for so long, at most.
SHRINK_S = 40.0
# What a program that makes no sense, such as a sum of other shapes, has the reference raise.
NO_PROGRAM = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
# One program in so many is tried for an invariant as well.
EVERY = 4
# Under this key the database has the programs of findings, as JSON.
EXAMPLES = b"krepro.fuzz"
NOT_THERE = (
    "not recognized",
    "unexpected keyword argument",
    "No module named 'tensorflow'",
    "`steps_per_execution` must be 1 with the PyTorch backend",
    "module 'keras",
)


class New(Exception):
    """A program did what nothing known explains."""

    def __init__(self, program: Program, sights: Mapping[Cell, Divergence]) -> None:
        """Carry the program, and what was seen in which cells."""
        super().__init__("a divergence that nothing known explains")
        self.program = program
        self.sights = dict(sights)


class TimeIsUp(KeyboardInterrupt):
    """The hunt is to end; hypothesis lets it pass."""


@dataclass(frozen=True)
class Finding:
    """A program, as small as it was made, and what it does otherwise in which cells.

    ``confirmed``: fresh processes did the same.
    """

    program: Program
    sights: dict[Cell, Divergence]
    confirmed: bool = True

    @property
    def divergence(self) -> Divergence:
        """What was seen first."""
        return next(iter(self.sights.values()))

    @functools.cached_property
    def invariant(self) -> Invariant | None:
        """The invariant that is broken, None where it is not of that sort."""
        return named(self.program, self.divergence.invariant)

    @functools.cached_property
    def shown(self) -> tuple[Program, Divergence]:
        """The program that a script shows, and what is told of its steps."""
        if self.invariant is None:
            return self.program, self.divergence
        return self.invariant.program, transformed(self.invariant, self.divergence)

    @functools.cached_property
    def key(self) -> str:
        """What tells it from other findings: a hash of the program, of 8 hexadecimal digits."""
        return hashlib.sha256(to_json(self.program)).hexdigest()[:8]

    @functools.cached_property
    def features(self) -> frozenset[str]:
        """What the program uses."""
        return features_of(self.program, self.divergence.step)

    def covers(self, program: Program, divergence: Divergence) -> bool:
        """Whether another program, that uses all that this one does, went wrong likewise."""
        own = self.divergence
        alike = own.kind is divergence.kind
        if own.kind is Kind.RAISES:
            alike = own.signature == divergence.signature
        return alike and self.features <= features_of(program, divergence.step)


@dataclass
class Tally:
    """What a hunt has done so far."""

    programs: int = 0
    plays: Counter[Cell] = field(default_factory=Counter)
    seconds: defaultdict[Cell, float] = field(default_factory=lambda: defaultdict(float))
    known: Counter[str] = field(default_factory=Counter)
    seen_again: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    invariants: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    not_applicable: Counter[Cell] = field(default_factory=Counter)
    untestable: dict[Cell, str] = field(default_factory=dict)


@dataclass
class Budget:
    """How long a hunt lasts: by the clock, or by programs (0: no limit)."""

    seconds: float = 0.0
    programs: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def left(self, tally: Tally) -> float:
        """Return how many more programs there may be."""
        return self.programs - tally.programs if self.programs else math.inf

    def spent(self, tally: Tally) -> bool:
        """Whether the hunt has had enough."""
        return bool(
            (self.seconds and self.elapsed_s >= self.seconds) or self.left(tally) <= 0
        )


@dataclass
class Round:
    """What one round has come to.

    ``target`` is the signature that it shrinks, and ``invariant`` the one that is broken, if any;
    ``failed`` are the programs that show it, ``passed`` smaller ones that do not.
    """

    target: tuple[str, ...] = ()
    invariant: str = ""
    failed: dict[bytes, New] = field(default_factory=dict)
    passed: set[bytes] = field(default_factory=set)
    shrink_until: float = 0.0

    def aim(self, sights: Mapping[Cell, Divergence]) -> None:
        """Shrink what was seen first from now on."""
        first = next(iter(sights.values()))
        self.target, self.invariant = first.signature, first.invariant
        self.shrink_until = time.monotonic() + SHRINK_S

    def smallest(self) -> New | None:
        """Return the smallest program that failed."""
        if not self.failed:
            return None
        return self.failed[min(self.failed, key=lambda key: (len(key), key))]


class Ahead:
    """Plays programs before they are asked for, some at a time; a context manager.

    Hypothesis asks for one program after the other, and would have all cells but one wait.
    """

    def __init__(
        self,
        play: Callable[[Program], dict[Cell, Played]],
        drawn: Mapping[bytes, Program],
        width: int,
    ) -> None:
        """Play nothing yet.

        Args:
            play: plays a program.
            drawn: what will be asked for, most likely, in this order, by its JSON.
            width: how many programs to play at a time.
        """
        self._play = play
        # The next one is taken from the end.
        self._waiting = dict(reversed(list(drawn.items())))
        self._depth = 2 * width
        self._hands = concurrent.futures.ThreadPoolExecutor(width)
        self._playing: dict[bytes, concurrent.futures.Future[dict[Cell, Played]]] = {}

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Forget what nobody asked for."""
        self._hands.shutdown(wait=False, cancel_futures=True)

    def playing(self, program: Program) -> concurrent.futures.Future[dict[Cell, Played]]:
        """Return what a program does, once it has been played."""
        key = to_json(program)
        found = self._playing.pop(key, None)
        if found is None:
            expected = self._waiting.pop(key, None) is not None
            if not expected:
                # It is being made small, or comes from the database.
                self._forget()
            found = self._hands.submit(self._play, program)
            if not expected:
                return found
        while self._waiting and len(self._playing) < self._depth - 1:
            following, other = self._waiting.popitem()
            self._playing[following] = self._hands.submit(self._play, other)
        return found

    def _forget(self) -> None:
        """Have nothing wait in front of a program that was not foreseen."""
        for key, future in list(self._playing.items()):
            if future.cancel():
                del self._playing[key]


@dataclass
class Hunt:
    """Draws programs and plays them until a budget is spent.

    ``found`` may hold findings of an earlier run: they are counted, not told again. ``tell`` is
    called with each new finding, ``progress`` after each program. ``at_once`` is how many programs
    the pool plays at a time.
    """

    pool: Pool
    catalogue: Catalogue
    budget: Budget
    seed: int = 0
    database: ExampleDatabase | None = None
    first_round: int = 0
    found: list[Finding] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    tell: Callable[[Finding], None] = lambda _: None
    progress: Callable[[Tally], None] = lambda _: None
    round_ended: Callable[[int], None] = lambda _: None
    at_once: int = 1
    _over: bool = False
    _now: Round = field(default_factory=Round)
    _ahead: Ahead | None = None
    # By their hashes: a long hunt plays many.
    _played: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Hunt until the budget is spent."""
        number = self.first_round
        if not number:
            self._play_examples()
        while not self._over and not self.budget.spent(self.tally):
            rounds = range(number, number + ROUNDS_AHEAD)
            with Ahead(self.play, self._drawn(rounds), self.at_once) as self._ahead:
                new = None
                while number in rounds and not new and not self._over:
                    new = self._round(number)
                    number += 1
                    if new is None:
                        self.round_ended(number)
                if new is not None:
                    new = self._smaller(new)
            if new is not None:
                self._keep(new)
                self.round_ended(number)

    def _play_examples(self) -> None:
        """Play what earlier hunts found, in other cells perhaps."""
        examples: dict[bytes, Program] = {}
        for text in sorted(self.database.fetch(EXAMPLES)) if self.database else ():
            with contextlib.suppress(msgspec.MsgspecError):
                examples[text] = from_json(text)
        with Ahead(self.play, examples, self.at_once) as self._ahead:
            try:
                for program in examples.values():
                    if sights := self.sights(program):
                        self._keep(New(program, sights))
            except TimeIsUp:
                self._over = True

    def _smaller(self, new: New) -> New:
        """Return a finding with all taken out of its program that it does not need."""
        target = next(iter(new.sights.values())).signature
        until = time.monotonic() + SHRINK_S
        smallest = new

        def shows(program: Program) -> bool:
            nonlocal smallest
            if self._over or time.monotonic() > until:
                return False
            try:
                expect(program, noisy_runs=0)
                seen = self.sights(program)
            except TimeIsUp:
                self._over = True
                return False
            except NO_PROGRAM:
                return False
            alike = {cell: d for cell, d in seen.items() if d.signature == target}
            if alike:
                smallest = New(program, alike)
            return bool(alike)

        reduced(new.program, shows)
        return smallest

    def _keep(self, new: New) -> None:
        """Keep and tell a new finding."""
        if self.database:
            self.database.save(EXAMPLES, to_json(new.program))
        finding = self._confirmed(new)
        self.found.append(finding)
        self.tell(finding)

    def play(
        self,
        program: Program,
        *,
        fresh: bool = False,
        cells: Collection[Cell] | None = None,
    ) -> dict[Cell, Played]:
        """Play a program, in every cell or in some."""
        chunks, models = source.chunks(program), source.model_names(program)
        return self.pool.play(chunks, models, fresh=fresh, cells=cells)

    def _given(
        self, test: Callable[[Program], None], number: int, *phases: Phase
    ) -> Callable[[], None]:
        """Return a test of all programs of a round; the same programs for every test."""
        settings = hypothesis.settings(
            max_examples=ROUND,
            phases=phases,
            # With a database, what is drawn depends on what is in it.
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )
        seeded: Callable[[], None] = hypothesis.seed(self.seed * 1_000_003 + number)(
            settings(hypothesis.given(programs())(test))
        )
        return seeded

    def _drawn(self, rounds: range) -> dict[bytes, Program]:
        """Return the programs of rounds, as they will be drawn where none diverges, by JSON."""
        found: dict[bytes, Program] = {}

        def keep(program: Program) -> None:
            key = to_json(program)
            if hash(key) not in self._played:
                found.setdefault(key, program)
            if len(found) >= self.budget.left(self.tally):
                raise TimeIsUp

        with contextlib.suppress(TimeIsUp):
            for number in rounds:
                self._given(keep, number, Phase.generate)()
        return found

    def _round(self, number: int) -> New | None:
        """Draw programs until one diverges; return it, shrunk."""
        self._now = Round()
        try:
            self._given(self._test, number, Phase.generate, Phase.shrink)()
        except New as new:
            return new
        except TimeIsUp:
            self._over = True
            return self._now.smallest()
        except hypothesis.errors.Flaky:
            return self._now.smallest()
        return None

    def _test(self, program: Program) -> None:
        """Play a program; raise where it did what nothing known explains."""
        key, now = to_json(program), self._now
        if key in now.failed:
            raise now.failed[key]
        if hash(key) in self._played or key in now.passed:
            return
        if now.target and time.monotonic() > now.shrink_until:
            return
        if not now.target and self.budget.spent(self.tally):
            raise TimeIsUp
        sights = self.sights(program)
        if sights and not now.target:
            now.aim(sights)
        new = {c: seen for c, seen in sights.items() if seen.signature == now.target}
        if new:
            now.failed[key] = New(program, new)
            raise now.failed[key]
        if now.target:
            now.passed.add(key)
        else:
            self._played.add(hash(key))

    def sights(self, program: Program) -> dict[Cell, Divergence]:
        """Play a program in every cell; return the divergences that nothing known explains."""
        assert self._ahead is not None
        # The cells are other processes: they play while this one predicts.
        playing = self._ahead.playing(program)
        expected = expect(program, noisy_runs=0)
        try:
            played = playing.result()
        except Stopped:
            raise TimeIsUp from None
        if self.pool.stopped:
            # What was playing when the run was stopped says nothing.
            raise TimeIsUp
        self.tally.programs += 1
        for step in expected.steps:
            self.tally.rules.update(step.rules)
        if expected.ended:
            self.tally.silent[expected.ended] += 1
        for cell, play in played.items():
            self.tally.plays[cell] += 1
            self.tally.seconds[cell] += play.seconds
            self.tally.not_applicable[cell] += not_there(play)
        seen = self.judged(program, expected, played)
        if seen:
            # How far float32 may be off is looked at where something is off.
            seen = self.judged(program, expect(program), played)
        else:
            seen = self._breaks(program, played)
        found = {
            cell: divergence
            for cell, divergence in seen.items()
            if not self._explained(program, divergence, cell)
        }
        self.progress(self.tally)
        if self.tally.untestable.keys() >= played.keys():
            raise TimeIsUp
        return found

    def _breaks(
        self, program: Program, played: Mapping[Cell, Played]
    ) -> dict[Cell, Divergence]:
        """Return where a cell breaks an invariant of a program; one is tried, now and then."""
        invariant = self._invariant(program)
        cells = [
            c for c, play in played.items() if play.ending == DONE and not not_there(play)
        ]
        if invariant is None or not cells:
            return {}
        self.tally.invariants[invariant.name] += 1
        return self._held(invariant, program, {cell: played[cell] for cell in cells})

    def _held(
        self,
        invariant: Invariant,
        program: Program,
        played: Mapping[Cell, Played],
        *,
        fresh: bool = False,
    ) -> dict[Cell, Divergence]:
        """Return where what cells did of a program breaks an invariant of it."""
        others = self.play(invariant.program, fresh=fresh, cells=played)
        found = {}
        for cell, other in others.items():
            if other.ending == DONE and not not_there(other):
                seen = broken(invariant, program, played[cell].steps, other.steps)
                if seen is not None:
                    found[cell] = seen
        return found

    def _invariant(self, program: Program) -> Invariant | None:
        """Return the invariant to try: the one that a finding is about, or the program's turn."""
        if self._now.target:
            return named(program, self._now.invariant)
        # Chosen by the program alone, so that a seed does the same each time.
        number = zlib.crc32(to_json(program))
        options = list(invariants(program)) if number % EVERY == 0 else []
        return options[number // EVERY % len(options)] if options else None

    def judged(
        self, program: Program, expected: Expectation, played: Mapping[Cell, Played]
    ) -> dict[Cell, Divergence]:
        """Return what cells did otherwise than documented, or else than each other."""
        found: dict[Cell, Divergence] = {}
        whole: dict[Cell, Sequence[Mapping[str, Any]]] = {}
        for cell, play in played.items():
            divergence = self.judge(program, expected, play, cell)
            if divergence is not None:
                found[cell] = divergence
            elif play.ending == DONE and not not_there(play):
                whole[cell] = play.steps
        if expected.by_rounding:
            return found
        return found | disagreements(program.steps, whole, len(expected.steps))

    def judge(
        self, program: Program, expected: Expectation, play: Played, cell: Cell
    ) -> Divergence | None:
        """Return what a program did otherwise in a cell, or None."""
        if play.ending == UNTESTABLE:
            self.tally.untestable[cell] = play.message
            return None
        if not_there(play):
            return None
        divergence = first_divergence(program.steps, expected.steps, play.steps)
        if (
            divergence is None
            and play.ending != DONE
            and len(play.steps) <= len(expected.steps)
        ):
            said = f"{play.ending}: {play.message}".strip(": ")
            divergence = Divergence(
                Kind.RAISES, len(play.steps) - 1, "process", "process", "an end", said
            )
        return divergence

    def _explained(self, program: Program, divergence: Divergence, cell: Cell) -> bool:
        """Whether the catalogue or an earlier finding explains a divergence; counts it."""
        for finding in self.found:
            if finding.covers(program, divergence):
                self.tally.seen_again[finding.key] += 1
                return True
        entries = self.catalogue.explain(program, divergence, cell)
        invariant = named(program, divergence.invariant)
        if invariant is not None:
            entries += self.catalogue.explain(invariant.program, divergence, cell)
        elif divergence.oracle and not entries:
            # It may well be the other cell that is wrong.
            release, _, stack = divergence.oracle.partition("@")
            entries = self.catalogue.explain(program, divergence, Cell(stack, release))
        self.tally.known.update(entries)
        return bool(entries)

    def _confirmed(self, new: New) -> Finding:
        """Play a new finding once more, in fresh processes."""
        if self.pool.stopped:
            return Finding(new.program, new.sights, confirmed=False)
        played = self.play(new.program, fresh=True)
        seen = self.judged(new.program, expect(new.program), played)
        invariant = named(new.program, next(iter(new.sights.values())).invariant)
        if invariant is not None:
            whole = {cell: played[cell] for cell in new.sights}
            seen = self._held(invariant, new.program, whole, fresh=True) | seen
        again = {
            cell: divergence
            for cell, divergence in seen.items()
            if cell in new.sights and divergence.signature == new.sights[cell].signature
        }
        sights = again or new.sights
        return Finding(new.program, dict(sights), confirmed=bool(again))


def not_there(play: Played) -> bool:
    """Whether a program asked for something that a release or a backend does not have."""
    if not play.steps or play.steps[-1]["ending"] != "raised":
        return False
    message = play.steps[-1]["message"]
    return any(words in message for words in NOT_THERE)
