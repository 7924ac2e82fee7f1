"""Search over a predicate that is good, bad or cannot be told. Pure.

Nothing here measures. A step function looks at what is known and says what to ask next, and a
Minimizer says it in batches, so the caller may measure several at once, remember answers and
resume by telling them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Generic, TypeVar

from packaging.version import Version

from krepro.release import line_of, lines

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")
_Asking = Generator[tuple[frozenset[T], ...], None, R]

# By how much a Minimizer's blocks shrink from pass to pass: not by 2, so that the borders of
# blocks move and changes that need each other do not stay apart.
SHRINK = 1.6


class Answer(Enum):
    """What one measurement says."""

    GOOD = "good"
    BAD = "bad"
    UNRESOLVED = "unresolved"


_OPPOSITE = {Answer.GOOD: Answer.BAD, Answer.BAD: Answer.GOOD}


def flipped(known: Mapping[T, Answer]) -> dict[T, Answer]:
    """Return answers with good and bad swapped: the first fixed is then the first bad."""
    return {item: _OPPOSITE.get(answer, answer) for item, answer in known.items()}


def vote(answers: Sequence[T]) -> T | None:
    """Return what more than half of repeated measurements say, or None."""
    for answer, count in Counter(answers).items():
        if 2 * count > len(answers):
            return answer
    return None


def flips(answers: Sequence[Answer]) -> int:
    """Return how often repeated measurements change between good and bad."""
    decided = [answer for answer in answers if answer is not Answer.UNRESOLVED]
    return sum(a is not b for a, b in pairwise(decided))


@dataclass(frozen=True)
class Step(Generic[T]):
    """Where a bisection stands.

    Attributes:
        ask: what to measure next, in order; empty when done.
        last_good: measured to be good. With flipped answers, the last bad.
        first_bad: measured to be bad. With flipped answers, the first good.
        open: the unresolved items between the two. When done, the first bad item is one of
            these or ``first_bad``.
        turns: every neighbouring pair of measured items that differ, in order. More than one
            is a contradiction: the line goes back and forth.
        rounds_left: how many more rounds of this width are expected, holes aside.
    """

    ask: tuple[T, ...]
    last_good: T
    first_bad: T
    open: tuple[T, ...]
    turns: tuple[tuple[T, T], ...]
    rounds_left: int

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.ask

    @property
    def turn(self) -> tuple[T, T]:
        """The two measured items between which it turns, whichever way."""
        return self.last_good, self.first_bad


def bisect_step(line: Sequence[T], known: Mapping[T, Answer], width: int = 1) -> Step[T]:
    """Return the next step of a bisection.

    What is asked lies in the middle of what is unmeasured, so an unresolved item moves the
    question to its nearest neighbour and costs one question. Where known answers turn more
    than once, the search settles on the last turn from good to bad.

    Args:
        line: distinct items in order, from one that is good to one that is bad.
        known: what was measured; other items may be in it.
        width: how many to ask at once; the unmeasured are cut in ``width + 1`` parts.

    Raises:
        ValueError: the ends are not known to be good and bad.
    """
    if not line or (known.get(line[0]), known.get(line[-1])) != (Answer.GOOD, Answer.BAD):
        raise ValueError("a bisection begins with a known good and a known bad end")
    decided = [n for n, item in enumerate(line) if known.get(item) in _OPPOSITE]
    turns = [(a, b) for a, b in pairwise(decided) if known[line[a]] is not known[line[b]]]
    good, bad = turns[-1]
    between = line[good + 1 : bad]
    unmeasured = [item for item in between if item not in known]
    count = min(max(width, 1), len(unmeasured))
    return Step(
        ask=tuple(
            unmeasured[n * len(unmeasured) // (count + 1)] for n in range(1, count + 1)
        ),
        last_good=line[good],
        first_bad=line[bad],
        open=tuple(item for item in between if item in known),
        turns=tuple((line[a], line[b]) for a, b in turns),
        rounds_left=_rounds(len(unmeasured), max(width, 1)),
    )


def _rounds(unmeasured: int, width: int) -> int:
    rounds = 0
    while unmeasured > 0:
        unmeasured = -(-(unmeasured - width) // (width + 1))
        rounds += 1
    return rounds


@dataclass(frozen=True)
class Ends(Generic[T]):
    """What is known of the ends of a search.

    Attributes:
        ask: what to measure next, most telling first; empty when done.
        onset: the last good item that has a bad one after it, and that one; None if unknown.
        fix: the last bad item that has a good one after it, and that one; None if unknown.
    """

    ask: tuple[T, ...]
    onset: tuple[T, T] | None
    fix: tuple[T, T] | None

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask; with neither pair, no two answers differ."""
        return not self.ask


def end_step(line: Sequence[T], known: Mapping[T, Answer], width: int = 1) -> Ends[T]:
    """Return what to measure to find one good and one bad item soon.

    The newest is asked first, then the oldest, then the middle of the widest gap, the newer of
    equal ones. It is done when both kinds are known or everything is measured.

    Args:
        line: distinct items in order.
        known: what was measured.
        width: how many to ask at once.
    """
    decided = [item for item in line if known.get(item) in _OPPOSITE]
    turns = [(a, b) for a, b in pairwise(decided) if known[a] is not known[b]]
    onsets = [turn for turn in turns if known[turn[1]] is Answer.BAD]
    fixes = [turn for turn in turns if known[turn[1]] is Answer.GOOD]
    ask: list[T] = []
    places = {n for n, item in enumerate(line) if item in known}
    while not turns and len(ask) < max(width, 1) and len(places) < len(line):
        place = _most_telling(places, len(line))
        places.add(place)
        ask.append(line[place])
    return Ends(
        ask=tuple(ask),
        onset=onsets[-1] if onsets else None,
        fix=fixes[-1] if fixes else None,
    )


def _most_telling(places: set[int], count: int) -> int:
    for end in (count - 1, 0):
        if end not in places:
            return end
    below, above = max(pairwise(sorted(places)), key=lambda gap: (gap[1] - gap[0], gap))
    return (below + above) // 2


@dataclass(frozen=True)
class TreeStep:
    """Where a search over the release tree stands.

    Attributes:
        ask: what to measure next; empty when done.
        trunk: the bisection from release line to release line. Only its ``turn`` is named for
            either direction.
        patches: the bisection of each patch line at the turn, or None where the line does not
            turn as far as is known. Empty until the trunk is done.
        rounds_left: how many more rounds are expected.
    """

    ask: tuple[Version, ...]
    trunk: Step[Version]
    patches: dict[str, Step[Version] | None]
    rounds_left: int

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.ask


def tree_step(
    releases: Iterable[Version],
    known: Mapping[Version, Answer],
    start: Version,
    end: Version,
    width: int = 1,
) -> TreeStep:
    """Return the next step of a search over release lines and the patch releases on them.

    A patch release may come later than the next minor and hold a backport, so versions in
    order are no line. The trunk is: the start, the first release of each line, the end. Where
    the first of a line is unresolved, the next of that line stands in. When it is known where
    the trunk turns, the patch line before the turn and the one after it are searched apart:
    one question each, to their newest, says whether they turn, and a bisection where.

    A line that turns and turns back is missed, as in any bisection.

    Args:
        releases: all releases; only those from ``start`` to ``end`` are looked at.
        known: what was measured.
        start: good, to find where it turned bad, or bad, to find where it was fixed.
        end: a later release that is known to be the opposite.
        width: how many to ask at once.

    Raises:
        ValueError: the ends are out of order or not known to be opposites.
    """
    if not start < end or known.get(start) not in _OPPOSITE:
        raise ValueError("a search goes from a known release to a later one")
    table = lines({start, end, *(r for r in releases if start < r < end)})
    trunk = {start, end}
    for line in table.values():
        for release in line:
            trunk.add(release)
            if known.get(release) is not Answer.UNRESOLVED:
                break
    step = _turn_step(sorted(trunk), known, width)
    if not step.done:
        return TreeStep(step.ask, step, {}, step.rounds_left + 1)

    before, after = step.turn
    if line_of(before) == line_of(after):
        ends = {before: after}
    else:
        ends = {first: table[line_of(first)][-1] for first in step.turn}
    patches: dict[str, Step[Version] | None] = {}
    ask: list[Version] = []
    rounds = 0
    for first, last in ends.items():
        name = line_of(first)
        line = [release for release in table[name] if first <= release <= last]
        asked, patches[name] = _patch_step(line, known, width)
        ask += asked
        patch = patches[name]
        rounds = max(rounds, patch.rounds_left if patch else len(asked))
    return TreeStep(tuple(ask[: max(width, 1)]), step, patches, rounds)


def _patch_step(
    line: Sequence[Version], known: Mapping[Version, Answer], width: int
) -> tuple[tuple[Version, ...], Step[Version] | None]:
    for release in reversed(line):
        if release not in known:
            return (release,), None
        if known[release] is not Answer.UNRESOLVED:
            break
    turned = [r for r in line if known.get(r) is _OPPOSITE[known[line[0]]]]
    if not turned:
        return (), None
    step = _turn_step(line[: line.index(turned[-1]) + 1], known, width)
    return step.ask, step


def _turn_step(
    line: Sequence[Version], known: Mapping[Version, Answer], width: int
) -> Step[Version]:
    if known[line[0]] is Answer.BAD:
        known = flipped(known)
    return bisect_step(line, known, width)


class Minimizer(Generic[T]):
    """Finds a small set of changes that is still bad, out of many that together are.

    Ask about every configuration in ``batch``, ``tell`` the answers in the same order, until
    ``done``. To resume, make the same Minimizer and tell it the same answers.

    It takes out block after block, of ever smaller blocks, and keeps what is left whenever
    that is still bad. As long as blocks shrink, what lies within a configuration that was
    good is not asked. In the end single changes are taken out until none can go. Like ddmin,
    the result is 1-minimal: taking out any one change was asked and is not bad. No
    configuration is asked twice, and none without any change, which is taken to be good.

    In a batch the first bad one in order decides; the answers to others are kept for later.
    So the result depends neither on the width nor on what is measured first.

    Attributes:
        batch: the configurations to ask about, ``width`` at most; empty when done.
        result: the smallest bad set as far as is known.
        asked: how many configurations were answered.
        block: how many changes (or groups) are being taken out at once.
    """

    def __init__(
        self,
        items: Iterable[T],
        *,
        width: int = 1,
        hints: Iterable[Iterable[T]] = (),
        group: Callable[[T], Hashable] | None = None,
        closure: Callable[[frozenset[T]], frozenset[T]] | None = None,
    ) -> None:
        """Begin a search.

        Args:
            items: the changes, related ones near each other. All of them together are bad.
            width: how many configurations to ask at once.
            hints: sets of changes that may be enough alone, tried first, in order.
            group: what a change belongs to, such as its file. Whole groups are taken out
                first, then single changes.
            closure: adds to a configuration the changes it cannot do without; a superset
                never gets less. Changes that need each other are taken out together, and
                1-minimal is meant among closed configurations.
        """
        self._items = tuple(items)
        self._width = max(width, 1)
        self._group = group
        self._close = closure or (lambda configuration: configuration)
        self._answers: dict[frozenset[T], Answer] = {}
        self._good: list[frozenset[T]] = []
        self.result = frozenset(self._items)
        self.batch: tuple[frozenset[T], ...] = ()
        self.block = len(self.result)
        self._search = self._run([frozenset(hint) for hint in hints])
        self._advance()

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.batch

    @property
    def left(self) -> int:
        """How many changes the result has."""
        return len(self.result)

    @property
    def asked(self) -> int:
        """How many configurations were answered."""
        return len(self._answers)

    def tell(self, answers: Sequence[Answer]) -> None:
        """Take the answers to the batch and make the next one.

        Raises:
            ValueError: there are not as many answers as questions.
        """
        self._answers.update(zip(self.batch, answers, strict=True))
        self._advance()

    def _advance(self) -> None:
        self.batch = next(self._search, ())

    def _run(self, hints: Sequence[frozenset[T]]) -> _Asking[T, None]:
        guesses = (self._closed(hint) for hint in hints)
        found = yield from self._first_bad(
            guess for guess in guesses if self._smaller(guess)
        )
        self.result = found or self.result
        if self._group is not None:
            yield from self._shrink(self._units(self._group))
        # Changes that need each other have the same closure.
        units = self._units(lambda item: self._closed(frozenset((item,))))
        yield from self._shrink(units)
        while (yield from self._take_out(units, 1, thorough=True)):
            pass

    def _units(self, key: Callable[[T], Hashable]) -> list[frozenset[T]]:
        units: dict[Hashable, list[T]] = {}
        for item in self._items:
            if item in self.result:
                units.setdefault(key(item), []).append(item)
        return [frozenset(unit) for unit in units.values()]

    def _closed(self, configuration: frozenset[T]) -> frozenset[T]:
        return self._close(configuration) & self.result

    def _smaller(self, configuration: frozenset[T]) -> bool:
        return bool(configuration) and configuration < self.result

    def _shrink(self, units: list[frozenset[T]]) -> _Asking[T, None]:
        size = float(len(units))
        while size > 1:
            size = min(size, len(units)) / SHRINK
            yield from self._take_out(units, max(1, round(size)))

    def _take_out(
        self, units: list[frozenset[T]], size: int, *, thorough: bool = False
    ) -> _Asking[T, bool]:
        """Take out what can go, block by block from the end; return whether anything went."""
        self.block = size
        before, end = self.result, len(units)
        while end:
            ends: dict[frozenset[T], int] = {}
            found = yield from self._first_bad(
                self._without(units, range(end, 0, -size), size, ends, thorough=thorough)
            )
            if found is None:
                break
            self.result = found
            end = max(ends[found] - size, 0)
            units[end:] = [unit for unit in units[end:] if unit & found]
        return self.result != before

    def _without(
        self,
        units: Sequence[frozenset[T]],
        ends: Iterable[int],
        size: int,
        found: dict[frozenset[T], int],
        *,
        thorough: bool,
    ) -> Iterable[frozenset[T]]:
        for end in ends:
            rest = self.result.difference(*units[max(end - size, 0) : end])
            rest = self._closed(rest)
            if self._smaller(rest) and (
                thorough or not any(rest <= good for good in self._good)
            ):
                found.setdefault(rest, end)
                yield rest

    def _first_bad(
        self, candidates: Iterable[frozenset[T]]
    ) -> _Asking[T, frozenset[T] | None]:
        """Return the first that is bad, and ask about no more than it takes."""
        waiting: list[frozenset[T]] = []
        unasked = 0
        for candidate in candidates:
            waiting.append(candidate)
            unasked += candidate not in self._answers
            if unasked == self._width or self._answers.get(candidate) is Answer.BAD:
                found = yield from self._settle(waiting)
                if found is not None:
                    return found
                waiting, unasked = [], 0
        return (yield from self._settle(waiting))

    def _settle(self, waiting: Sequence[frozenset[T]]) -> _Asking[T, frozenset[T] | None]:
        if unasked := tuple(dict.fromkeys(c for c in waiting if c not in self._answers)):
            yield unasked
        for candidate in waiting:
            if self._answers[candidate] is Answer.BAD:
                return candidate
            if self._answers[candidate] is Answer.GOOD:
                self._good.append(candidate)
        return None
