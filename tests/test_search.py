"""Searches over a predicate that is good, bad or cannot be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from krepro.hunt.search import (
    Answer,
    Minimizer,
    Step,
    TreeStep,
    bisect_step,
    end_step,
    flipped,
    flips,
    tree_step,
    vote,
)

GOOD, BAD, OPEN = Answer.GOOD, Answer.BAD, Answer.UNRESOLVED
MARKS = {".": GOOD, "X": BAD, "?": OPEN}
Config = frozenset[int]


def row(marks: str) -> dict[int, Answer]:
    return {n: MARKS[mark] for n, mark in enumerate(marks) if mark in MARKS}


# Bisection.


def bisect(truth: Sequence[Answer], width: int) -> tuple[Step[int], int, int]:
    """Return the last step, and how many rounds and questions it took."""
    line = range(len(truth))
    known = {n: truth[n] for n in (0, len(truth) - 1)}
    rounds = 0
    while not (step := bisect_step(line, known, width)).done:
        assert not set(step.ask) & known.keys()
        assert len(set(step.ask)) == len(step.ask) <= width
        known.update((n, truth[n]) for n in step.ask)
        rounds += 1
    return step, rounds, len(known) - 2


@st.composite
def monotone(draw: st.DrawFn, most: int = 200) -> tuple[list[Answer], int]:
    count = draw(st.integers(2, most))
    turn = draw(st.integers(1, count - 1))
    holes = draw(st.sets(st.integers(1, max(count - 2, 1)), max_size=count // 2))
    truth = [BAD if n >= turn else GOOD for n in range(count)]
    for hole in holes - {0, count - 1}:
        truth[hole] = OPEN
    return truth, turn


@given(monotone(), st.integers(1, 5))
def test_bisection(line: tuple[list[Answer], int], width: int) -> None:
    truth, turn = line
    step, _, questions = bisect(truth, width)
    between = range(step.last_good + 1, step.first_bad)
    assert truth[step.last_good] is GOOD
    assert truth[step.first_bad] is BAD
    assert all(truth[n] is OPEN for n in between)
    assert step.open == tuple(between)
    assert step.last_good < turn <= step.first_bad
    assert step.turns == (step.turn,)
    assert step.rounds_left == 0
    if width == 1:
        assert questions <= math.ceil(math.log2(len(truth))) + truth.count(OPEN) + 1


@given(st.integers(2, 300), st.data(), st.integers(1, 6))
def test_bisection_without_holes_keeps_its_promise(count, data, width) -> None:
    turn = data.draw(st.integers(1, count - 1))
    truth = [BAD if n >= turn else GOOD for n in range(count)]
    step = bisect_step(range(count), {0: GOOD, count - 1: BAD}, width)
    _, rounds, _ = bisect(truth, width)
    assert rounds <= step.rounds_left <= math.log(count, width + 1) + 1


@given(monotone(60), st.integers(1, 3))
def test_first_fixed_is_the_mirror(line: tuple[list[Answer], int], width: int) -> None:
    truth, _ = line
    known = {n: answer for n, answer in enumerate(truth) if answer is OPEN or n % 3 == 0}
    known |= {0: truth[0], len(truth) - 1: truth[-1]}
    assert flipped(flipped(known)) == known
    mirrored = {n: {GOOD: BAD, BAD: GOOD, OPEN: OPEN}[a] for n, a in known.items()}
    assert flipped(known) == mirrored
    assert bisect_step(range(len(truth)), flipped(mirrored), width) == bisect_step(
        range(len(truth)), known, width
    )


@pytest.mark.parametrize(
    ("marks", "width", "ask", "turn", "holes"),
    [
        (".X", 1, (), (0, 1), ()),
        (".   X", 1, (2,), (0, 4), ()),
        # The nearest neighbour of a hole.
        (". ?  X", 1, (3,), (0, 5), (2,)),
        (".  ?   X", 1, (4,), (0, 7), (3,)),
        (".  ?  X", 1, (4,), (0, 6), (3,)),
        (".    ?.X", 1, (), (6, 7), ()),
        (".???X", 1, (), (0, 4), (1, 2, 3)),
        (".       X", 3, (2, 4, 6), (0, 8), ()),
        (".  X", 5, (1, 2), (0, 3), ()),
        # What is known beyond the turn is not asked about.
        (".  X   X", 1, (2,), (0, 3), ()),
    ],
)
def test_what_a_bisection_asks(marks, width, ask, turn, holes) -> None:
    step = bisect_step(range(len(marks)), row(marks), width)
    assert (step.ask, step.turn, step.open) == (ask, turn, holes)


def test_contradictions_are_told_and_the_last_turn_is_taken() -> None:
    step = bisect_step(range(9), row(". X?. ?XX"))
    assert step.turns == ((0, 2), (2, 4), (4, 7))
    assert step.turn == (4, 7)
    assert step.ask == (5,)
    assert step.open == (6,)


@pytest.mark.parametrize("marks", ["", ".", "X", "..", "XX", "X.", " X", ". ", "?X"])
def test_a_bisection_needs_its_ends(marks: str) -> None:
    with pytest.raises(ValueError, match="known good and a known bad end"):
        bisect_step(range(len(marks)), row(marks))


# Missing ends.


@pytest.mark.parametrize(
    ("marks", "width", "ask"),
    [
        ("         ", 1, (8,)),
        ("         ", 4, (8, 0, 4, 6)),
        ("        .", 1, (0,)),
        (".       .", 1, (4,)),
        (".   .   .", 2, (6, 2)),
        ("?       ?", 1, (4,)),
        ("X        ", 1, (8,)),
        ("X   .", 1, ()),
        ("....", 1, ()),
        ("????", 1, ()),
        ("", 1, ()),
        (" ", 3, (0,)),
    ],
)
def test_what_is_asked_for_missing_ends(marks, width, ask) -> None:
    assert end_step(range(len(marks)), row(marks), width).ask == ask


@given(st.text(".X?", max_size=40), st.integers(1, 4))
def test_missing_ends(marks: str, width: int) -> None:
    line, known = range(len(marks)), {}
    while not (ends := end_step(line, known, width)).done:
        assert not set(ends.ask) & known.keys()
        known.update((n, MARKS[marks[n]]) for n in ends.ask)
    assert (ends.onset or ends.fix) or len(known) == len(marks)
    assert bool(ends.onset or ends.fix) == ("." in marks and "X" in marks)
    for pair, wanted in ((ends.onset, ".X"), (ends.fix, "X.")):
        if pair:
            assert pair[0] < pair[1]
            assert marks[pair[0]] + marks[pair[1]] == wanted


def test_ends_are_the_last_pair_of_each_kind() -> None:
    ends = end_step(range(9), row(". X ?. X."))
    assert ends.onset == (5, 7)
    assert ends.fix == (7, 8)
    assert end_step(range(3), row("X .")).onset is None


# The release tree.


def versions(text: str) -> list[Version]:
    return [Version(v) for v in text.split()]


TREE = versions("3.4.0 3.4.1 3.5.0 3.5.1 3.5.2 3.5.3 3.6.0 3.7.0 3.7.1 3.7.2 3.8.0")


def climb(
    releases: Sequence[Version], truth: Mapping[Version, Answer], width: int = 1
) -> tuple[TreeStep, set[Version]]:
    start, end = min(releases), max(releases)
    known = {release: truth[release] for release in (start, end)}
    while not (step := tree_step(releases, known, start, end, width)).done:
        assert not set(step.ask) & known.keys()
        assert len(set(step.ask)) == len(step.ask) <= width
        assert step.rounds_left > 0
        known.update((r, truth[r]) for r in step.ask)
    return step, set(known)


def state(bad: str, unresolved: str = "") -> dict[Version, Answer]:
    table = dict.fromkeys(TREE, GOOD) | dict.fromkeys(versions(bad), BAD)
    return table | dict.fromkeys(versions(unresolved), OPEN)


def turns(step: TreeStep) -> dict[str, str | None]:
    """Return the trunk's turn and those of the patch lines as text."""
    found = {"trunk": step.trunk, **step.patches}
    return {name: s and "{} {}".format(*s.turn) for name, s in found.items()}


@pytest.mark.parametrize(
    ("bad", "unresolved", "expected"),
    [
        (
            "3.6.0 3.7.0 3.7.1 3.7.2 3.8.0",
            "",
            {"trunk": "3.5.0 3.6.0", "3.5": None, "3.6": None},
        ),
        # A backport brought it to an older line.
        (
            "3.5.2 3.5.3 3.6.0 3.7.0 3.7.1 3.7.2 3.8.0",
            "",
            {"trunk": "3.5.0 3.6.0", "3.5": "3.5.1 3.5.2", "3.6": None},
        ),
        # A later patch release fixed it, the next minor has it.
        (
            "3.7.0 3.7.1 3.8.0",
            "",
            {"trunk": "3.6.0 3.7.0", "3.6": None, "3.7": "3.7.1 3.7.2"},
        ),
        # The first of a line cannot be told: the next one stands in.
        (
            "3.5.1 3.5.2 3.5.3 3.6.0 3.7.0 3.7.1 3.7.2 3.8.0",
            "3.5.0",
            {"trunk": "3.4.0 3.5.1", "3.4": None, "3.5": None},
        ),
        # Nor can the newest of one.
        (
            "3.5.2 3.6.0 3.7.0 3.7.1 3.7.2 3.8.0",
            "3.5.3",
            {"trunk": "3.5.0 3.6.0", "3.5": "3.5.1 3.5.2", "3.6": None},
        ),
    ],
)
def test_tree(bad: str, unresolved: str, expected: dict[str, str | None]) -> None:
    for width in (1, 2, 5):
        step, _ = climb(TREE, state(bad, unresolved), width)
        assert turns(step) == expected


def test_tree_tells_what_stays_open() -> None:
    step, known = climb(TREE, state("3.7.0 3.7.1 3.7.2 3.8.0", "3.5.0 3.6.0"))
    assert step.trunk.turn == tuple(versions("3.5.1 3.7.0"))
    assert step.trunk.open == tuple(versions("3.6.0"))
    assert Version("3.4.1") not in known


def test_tree_finds_a_fix_too() -> None:
    step, _ = climb(TREE, state("3.4.0 3.4.1 3.5.0 3.5.1"))
    assert turns(step) == {"trunk": "3.5.0 3.6.0", "3.5": "3.5.1 3.5.2", "3.6": None}


def test_tree_stays_between_its_ends() -> None:
    truth = state("3.5.2 3.5.3")
    start, end = versions("3.5.0 3.5.2")
    known = {start: GOOD, end: BAD}
    step = tree_step(TREE, known, start, end, 3)
    assert step.ask == tuple(versions("3.5.1"))
    known[step.ask[0]] = truth[step.ask[0]]
    step = tree_step(TREE, known, start, end, 3)
    assert turns(step) == {"trunk": "3.5.0 3.5.2", "3.5": "3.5.1 3.5.2"}
    assert step.done


def test_tree_takes_the_last_turn_of_a_patch_line() -> None:
    truth = state("3.5.1 3.5.3 3.6.0 3.7.0 3.7.1 3.7.2 3.8.0")
    step = tree_step(TREE, truth, TREE[0], TREE[-1])
    assert turns(step)["3.5"] == "3.5.2 3.5.3"
    assert len(step.patches["3.5"].turns) == 3


def test_tree_needs_its_ends() -> None:
    a, b = TREE[0], TREE[-1]
    for known, start, end in (
        ({a: GOOD, b: GOOD}, a, b),
        ({a: GOOD}, a, b),
        ({a: GOOD, b: BAD}, b, a),
        ({a: OPEN, b: BAD}, a, b),
    ):
        with pytest.raises(ValueError, match="known"):
            tree_step(TREE, known, start, end)


@given(st.data(), st.lists(st.integers(1, 6), min_size=2, max_size=20), st.integers(1, 4))
def test_any_tree(data: st.DataObject, sizes: list[int], width: int) -> None:
    """A change on the trunk, with a backport or none, or on the newest patch line."""
    releases = [
        Version(f"3.{minor}.{patch}")
        for minor, size in enumerate(sizes)
        for patch in range(size)
    ]
    before, after = data.draw(st.sampled_from([(GOOD, BAD), (BAD, GOOD)]))
    minor = data.draw(st.integers(1, len(sizes)))
    backport = data.draw(st.integers(1, 6))
    if minor == len(sizes):
        sizes[-1] = max(sizes[-1], 2)
        backport = data.draw(st.integers(1, sizes[-1] - 1))
        releases = sorted({*releases, Version(f"3.{minor - 1}.1")})
    truth = {
        r: after
        if r.minor >= minor or (r.minor, r.micro) >= (minor - 1, backport)
        else before
        for r in releases
    }
    holes = data.draw(st.sets(st.sampled_from(releases)))
    truth |= {r: OPEN for r in holes if r not in (min(releases), max(releases))}
    step, known = climb(releases, truth, width)
    assert truth[step.trunk.last_good] is before
    assert truth[step.trunk.first_bad] is after
    for found in (step.trunk, *filter(None, step.patches.values())):
        low, high = found.turn
        assert truth[low] is not truth[high]
        assert all(truth[r] is OPEN for r in found.open)
    older = [r for r in releases if r.minor == minor - 1]
    decided = [r for r in older if truth[r] is not OPEN]
    patch = step.patches.get(f"3.{minor - 1}")
    if decided and truth[decided[0]] is before:
        assert (patch is not None) == any(truth[r] is after for r in decided)
    if patch:
        low, high = patch.turn
        assert {truth[r] for r in releases if low < r < high} <= {OPEN}
        assert low.micro < backport <= high.micro
    if not holes:
        asked = math.log2(len(sizes)) + math.log2(max(sizes)) + 8
        assert width > 1 or len(known) <= asked


# Votes.


@pytest.mark.parametrize(
    ("answers", "said", "changes"),
    [
        ("", None, 0),
        ("X", BAD, 0),
        ("X.", None, 1),
        ("X.X", BAD, 2),
        ("..X", GOOD, 1),
        (".?X", None, 1),
        ("??.", OPEN, 0),
        (".?.", GOOD, 0),
        ("XX..", None, 1),
    ],
)
def test_votes(answers: str, said: Answer | None, changes: int) -> None:
    measured = [MARKS[mark] for mark in answers]
    assert vote(measured) is said
    assert flips(measured) == changes


# Minimizing.


def minimize(
    minimizer: Minimizer[int], truth: Callable[[Config], Answer], width: int = 1
) -> list[Config]:
    """Run to the end and return what was asked, in order."""
    asked: list[Config] = []
    whole = minimizer.result
    while not minimizer.done:
        assert 0 < len(minimizer.batch) <= width
        asked += minimizer.batch
        minimizer.tell([truth(config) for config in minimizer.batch])
    assert len(asked) == len(set(asked)) == minimizer.asked
    assert not {frozenset(), whole} & set(asked)
    return asked


def planted(culprits: Iterable[int], needs: Iterable[tuple[int, int]]):
    wanted = frozenset(culprits)

    def truth(config: Config) -> Answer:
        if any(a in config and b not in config for a, b in needs):
            return OPEN
        return BAD if wanted <= config else GOOD

    return truth


@st.composite
def instances(draw: st.DrawFn, most: int = 40):
    count = draw(st.integers(1, most))
    one = st.integers(0, count - 1)
    culprits = draw(st.sets(one, min_size=1, max_size=5))
    needs = draw(st.lists(st.tuples(one, one), max_size=count // 2))
    return count, planted(culprits, needs)


def is_minimal(result: Config, asked: Iterable[Config], truth) -> bool:
    rests = [result - {item} for item in result if len(result) > 1]
    return set(rests) <= set(asked) and all(truth(rest) is not BAD for rest in rests)


@given(instances(), st.integers(1, 7))
def test_minimal(instance, width: int) -> None:
    count, truth = instance
    one = Minimizer(range(count))
    asked = minimize(one, truth)
    assert truth(one.result) is BAD
    assert is_minimal(one.result, asked, truth)
    assert len(asked) <= count**2 + 3 * count
    several = Minimizer(range(count), width=width)
    more = minimize(several, truth, width)
    assert several.result == one.result
    assert set(asked) <= set(more)


@given(st.integers(1, 12), st.randoms(use_true_random=False), st.integers(1, 4))
def test_minimal_whatever_the_answers(count: int, random, width: int) -> None:
    table: dict[Config, Answer] = {}

    def truth(config: Config) -> Answer:
        if config not in table:
            table[config] = random.choice([GOOD, BAD, OPEN])
        return table[config]

    minimizer = Minimizer(range(count), width=width)
    asked = minimize(minimizer, truth, width)
    assert minimizer.result in (set(asked), frozenset(range(count))) or (
        truth(minimizer.result) is BAD
    )
    assert is_minimal(minimizer.result, asked, truth)
    if width == 1:
        assert len(asked) <= count**2 + 3 * count
        again = Minimizer(range(count), width=3)
        minimize(again, truth, 3)
        assert again.result == minimizer.result


@given(st.integers(1, 1000), st.data())
@settings(max_examples=50)
def test_one_culprit_takes_few_questions(count: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, count - 1))
    minimizer = Minimizer(range(count))
    asked = minimize(minimizer, planted({culprit}, []))
    assert minimizer.result == {culprit}
    assert len(asked) <= 3 * math.log2(count) + 2


@pytest.mark.parametrize("count", [2, 10, 64, 100])
def test_one_culprit_takes_about_twice_the_logarithm(count: int) -> None:
    asked = 0
    for culprit in range(count):
        asked += len(minimize(Minimizer(range(count)), planted({culprit}, [])))
    assert asked / count <= 2 * math.log2(count)


def test_what_lies_within_a_good_configuration_is_not_asked() -> None:
    truth = planted({100, 300}, [])
    asked = minimize(Minimizer(range(500)), truth)
    good = [config for config in asked if truth(config) is GOOD]
    repeats = sum(
        any(later < earlier for earlier in good[:n]) for n, later in enumerate(good)
    )
    assert repeats <= 2
    assert len(asked) <= 40


def test_what_lies_within_an_unresolved_configuration_is_asked() -> None:
    good, unresolved = Minimizer(range(50)), Minimizer(range(50))
    fewer = minimize(good, lambda _: GOOD)
    assert set(fewer) < set(minimize(unresolved, lambda _: OPEN))


def test_worst_case_is_within_the_bound() -> None:
    """Nothing can go but one at a time, and only the first of what is left."""
    count = 30
    minimizer = Minimizer(range(count))

    def truth(config: Config) -> Answer:
        return BAD if config == frozenset(range(min(config), count)) else OPEN

    asked = minimize(minimizer, truth)
    assert minimizer.result == {count - 1}
    assert len(asked) <= count**2 + 3 * count


def test_hints_come_first() -> None:
    truth = planted({3, 4}, [])
    hints = [{7}, (), {3, 4, 99}, {5, 6}]
    minimizer = Minimizer(range(50), hints=hints)
    assert minimizer.batch == (frozenset({7}),)
    asked = minimize(minimizer, truth)
    assert asked == [{7}, {3, 4}, {3}, {4}]
    assert minimizer.result == {3, 4}
    wrong = Minimizer(range(50), hints=[{1}, {2}, range(50)])
    minimize(wrong, truth)
    assert wrong.result == {3, 4}


@given(instances(), st.integers(1, 6), st.integers(1, 4))
def test_groups(instance, size: int, width: int) -> None:
    count, truth = instance
    minimizer = Minimizer(range(count), width=width, group=lambda item: item // size)
    asked = minimize(minimizer, truth, width)
    assert truth(minimizer.result) is BAD
    assert is_minimal(minimizer.result, asked, truth)
    assert len(asked) <= width * (count**2 + 4 * count)


def test_groups_are_taken_out_whole() -> None:
    """A change needs all others in its file, so only whole files can go."""
    size, count = 10, 200
    needs = [(a, b) for a in range(count) for b in range(count) if a // size == b // size]
    truth = planted({42}, needs)
    flat = Minimizer(range(count))
    spread = minimize(flat, truth)
    by_file = Minimizer(range(count), group=lambda item: item // size)
    asked = minimize(by_file, truth)
    assert len(asked[0]) == 80  # 12 of 20 files taken out
    assert by_file.result == set(range(40, 50))
    assert by_file.result <= flat.result
    assert len(asked) < len(spread)


@given(instances(20), st.data(), st.integers(1, 3))
def test_closure(instance, data: st.DataObject, width: int) -> None:
    count, truth = instance
    one = st.integers(0, count - 1)
    needs = data.draw(st.lists(st.tuples(one, one), max_size=count))

    def closure(config: Config) -> Config:
        while True:
            added = frozenset(b for a, b in needs if a in config) - config
            if not added:
                return config
            config |= added

    minimizer = Minimizer(range(count), width=width, closure=closure, hints=[{0}])
    asked = minimize(minimizer, truth, width)
    result = minimizer.result
    assert all(closure(config) == config for config in [*asked, result])
    assert truth(result) is BAD
    for item in result:
        same = {other for other in result if closure({other} & result) == closure({item})}
        rest = closure(result - same)
        assert rest == result or not rest or (rest in asked and truth(rest) is not BAD)


def test_changes_that_need_each_other_go_together() -> None:
    def closure(config: Config) -> Config:
        return config | {item ^ 1 for item in config}

    minimizer = Minimizer(range(64), closure=closure)
    minimize(minimizer, planted({9, 30}, []))
    assert minimizer.result == {8, 9, 30, 31}


def test_the_first_bad_one_of_a_batch_decides() -> None:
    minimizer = Minimizer(range(4), width=4)
    first = minimizer.batch
    assert len(first) > 1
    minimizer.tell([BAD] * len(first))
    assert minimizer.result == first[0]


def test_nothing_is_asked_that_a_kept_answer_makes_idle() -> None:
    minimizer = Minimizer(range(50), width=2, hints=[{3, 4}, {3}])
    assert minimize(minimizer, planted({3}, []), 2) == [{3, 4}, {3}]


def test_resuming_is_telling_again() -> None:
    truth = planted({3, 17}, [(17, 5)])
    whole = Minimizer(range(40), width=2)
    asked = minimize(whole, truth, 2)
    assert whole.result == {3, 5, 17}
    for stop in range(len(asked)):
        cache = {config: truth(config) for config in asked[:stop]}
        again = Minimizer(range(40), width=2)
        while not again.done and set(again.batch) <= cache.keys():
            again.tell([cache[config] for config in again.batch])
        assert asked[again.asked :] == minimize_on(again, truth)


def minimize_on(minimizer: Minimizer[int], truth) -> list[Config]:
    asked: list[Config] = []
    while not minimizer.done:
        asked += minimizer.batch
        minimizer.tell([truth(config) for config in minimizer.batch])
    return asked


def test_progress() -> None:
    minimizer = Minimizer([1, 2, 2, 1, 3])
    assert (minimizer.left, minimizer.asked, minimizer.block) == (3, 0, 2)
    with pytest.raises(ValueError, match="zip"):
        minimizer.tell([])
    minimize(minimizer, planted({2}, []))
    assert (minimizer.left, minimizer.block, minimizer.done) == (1, 1, True)
    nothing: Minimizer[int] = Minimizer([])
    assert nothing.done
    assert nothing.result == frozenset()
    single = Minimizer([5])
    assert single.done
    assert single.result == {5}
