"""Triggers applied to what a program does: which of them hold, where, and how surely.

What ``code`` names has to be seen in the program; what ``where`` asks may stay unknown, and so may
whether an object is one of Keras' at all: then the finding is possible, not certain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from krepro.scan import api, facts, values
from krepro.scan.conditions import Asker, means
from krepro.scan.events import Event, Place
from krepro.scan.trigger import (
    Absent,
    Anything,
    Condition,
    Entries,
    Has,
    Items,
    Literal,
    Named,
    Not,
    OneOf,
    Pattern,
    Step,
    Thing,
    Trigger,
    ValuePattern,
    Variable,
    Word,
)
from krepro.scan.values import (
    Const,
    Either,
    Foreign,
    Function,
    Object,
    Sequence,
    Unknown,
    Value,
)
from krepro.scan.values import (
    Mapping as Dict,
)

# Earlier steps that are looked at to put a trigger together at one place.
MOST_TRIES = 3_000


class Sureness(StrEnum):
    """How sure it is that a trigger holds."""

    CERTAIN = "certain"
    POSSIBLE = "possible"


@dataclass(frozen=True)
class Way:
    """What the variables are, and whether something had to be assumed to get here."""

    bound: Mapping[str, Value] = field(default_factory=dict)
    doubt: bool = False

    def doubted(self, *, doubt: bool = True) -> Way:
        """Return it with a doubt."""
        return Way(self.bound, doubt=True) if doubt else self

    def binding(self, name: str, value: Value) -> Way | None:
        """Return it with a variable bound, or None if that is another thing already."""
        held = self.bound.get(name)
        if held is None:
            return Way({**self.bound, name: value}, self.doubt)
        return (
            self if held is value or (isinstance(held, Const) and held == value) else None
        )


@dataclass(frozen=True)
class Match:
    """A trigger that holds: at the place of its last step; ``steps`` are those of all."""

    trigger: Trigger
    place: Place
    sureness: Sureness
    steps: tuple[Place, ...]


Key = tuple[str, str]


class Matcher:
    """Listens to what programs do and keeps the triggers that hold."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        """Index triggers by their steps."""
        self.needing: dict[Key, list[Trigger]] = defaultdict(list)
        self.wanted: set[Key] = set()
        self.asked: dict[Key, bool] = {}
        # One for each step that several triggers end with.
        self.steps: dict[str, Step] = {}
        self.found: dict[tuple[Trigger, Place], Match] = {}
        # The patterns that must be seen, each as the names any of which is one of its steps.
        self.needs: dict[Trigger, list[frozenset[Key]]] = {}
        for trigger in triggers:
            for key in dict.fromkeys(k for p in trigger.code for k in keys_of_pattern(p)):
                self.needing[key].append(trigger)
                self.wanted.add(key)
            self.needs[trigger] = [
                frozenset(keys_of_pattern(p)) for p in trigger.code if not p.negated
            ]
        self.forget()

    def forget(self) -> None:
        """Forget the steps of a program, keeping what was found."""
        self.events: dict[Key, list[Event]] = {}
        # The triggers whose steps were all seen, by their last ones.
        self.ready: dict[Key, dict[Step, dict[Trigger, None]]] = defaultdict(dict)
        self.tries = 0

    def wants(self, kind: str, name: str) -> bool:
        """Whether any trigger asks about such steps."""
        key = (kind, name)
        if key not in self.asked:
            names = api.ancestors(name) if kind == "new" else (name,)
            self.asked[key] = any((kind, each) in self.wanted for each in names)
        return self.asked[key]

    def listen(self, event: Event) -> None:
        """Take note of a step; see which triggers it completes."""
        truths: Truths | None = None
        for key in keys_of(event):
            if key not in self.wanted:
                continue
            if key not in self.events:
                self.events[key] = []
                self.get_ready(key)
            self.events[key].append(event)
            for step, triggers in self.ready.get(key, {}).items():
                ways = list(match_step(step, event, Way()))
                if ways:
                    truths = truths or Truths(event)
                    for trigger in triggers:
                        self.try_at(trigger, truths, ways)

    def get_ready(self, key: Key) -> None:
        """Take up the triggers whose steps were all seen, now that this one was."""
        seen = self.events.keys()
        for trigger in self.needing[key]:
            if any(seen.isdisjoint(names) for names in self.needs[trigger]):
                continue
            for last in trigger.code[-1].steps:
                step = self.steps.setdefault(last.text, last)
                self.ready[last.kind, last.name].setdefault(step, {})[trigger] = None

    def try_at(self, trigger: Trigger, truths: Truths, ways: list[Way]) -> None:
        """Note a trigger if an event completes it."""
        place = truths.event.place
        known = self.found.get((trigger, place))
        if known is not None and known.sureness is Sureness.CERTAIN:
            return
        self.tries = 0
        for way, steps in self.ways(trigger, truths, ways):
            answers = [truths.of(condition, way) for condition in trigger.where]
            if False in answers:
                continue
            sure = not way.doubt and None not in answers
            if sure or known is None:
                sureness = Sureness.CERTAIN if sure else Sureness.POSSIBLE
                known = Match(trigger, place, sureness, tuple(s.place for s in steps))
                self.found[trigger, place] = known
            if sure:
                return

    def ways(
        self, trigger: Trigger, truths: Truths, last: list[Way]
    ) -> Iterator[tuple[Way, tuple[Event, ...]]]:
        """Yield the ways in which the steps up to an event are those of a trigger."""
        for way in last:
            if not truths.refute(trigger, way):
                yield from self.before(trigger.code[:-1], (truths.event,), way)

    def before(
        self, code: tuple[Pattern, ...], steps: tuple[Event, ...], way: Way
    ) -> Iterator[tuple[Way, tuple[Event, ...]]]:
        """Yield the ways in which earlier steps are the rest of a trigger."""
        cut = len(code)
        while cut and code[cut - 1].negated:
            cut -= 1
        barred = code[cut:]
        if not cut:
            if not self.seen(barred, None, steps, way):
                yield way, steps
            return
        for event, step in self.candidates(code[cut - 1], steps):
            for extended in match_step(step, event, way):
                if not self.seen(barred, event, steps, extended):
                    yield from self.before(code[: cut - 1], (event, *steps), extended)

    def candidates(
        self, pattern: Pattern, steps: tuple[Event, ...]
    ) -> Iterator[tuple[Event, Step]]:
        """Yield earlier events of the kind of a pattern, the latest first."""
        for step in pattern.steps:
            for event in reversed(self.events.get((step.kind, step.name), ())):
                self.tries += 1
                if self.tries > MOST_TRIES:
                    return
                if event.number < steps[0].number and all(
                    together(event.arms, later.arms) for later in steps
                ):
                    yield event, step

    def seen(
        self,
        barred: tuple[Pattern, ...],
        start: Event | None,
        steps: tuple[Event, ...],
        way: Way,
    ) -> bool:
        """Whether something that a trigger bars stands between two of its steps."""
        for pattern in barred:
            for event, step in self.candidates(pattern, steps):
                if start is not None and event.number <= start.number:
                    break
                if any(
                    not found.doubt or way.doubt for found in match_step(step, event, way)
                ):
                    return True
        return False


class Truths:
    """The answers to conditions at one event, each asked once."""

    def __init__(self, event: Event) -> None:
        """Start with nothing asked."""
        self.event = event
        self.asker = Asker(event)
        # The answers, with what they are about: it must outlive them, or another thing may get its id.
        self.known: dict[tuple[str, tuple[int, ...]], tuple[bool | None, list[Value]]] = {}

    def of(self, condition: Condition, way: Way) -> bool | None:
        """Return whether a condition holds; None: the program's text does not tell."""
        about = [way.bound[name] for name in condition.variables]
        key = (condition.text, tuple(map(id, about)))
        if key not in self.known:
            truth = facts.truth(self.asker.ask(condition.tree, way.bound))
            self.known[key] = truth, about
        return self.known[key][0]

    def refute(self, trigger: Trigger, way: Way) -> bool:
        """Whether a condition is known to fail by what is bound so far."""
        return any(
            all(name in way.bound for name in condition.variables)
            and self.of(condition, way) is False
            for condition in trigger.where
        )


@cache
def keys_of_pattern(pattern: Pattern) -> tuple[Key, ...]:
    """Return under which names the steps of a pattern are known."""
    return tuple((step.kind, step.name) for step in pattern.steps)


def keys_of(event: Event) -> Iterator[tuple[str, str]]:
    """Yield under which names an event is known: an object's also under those of its bases."""
    if event.kind == "new" and isinstance(event.result, Object):
        for path in dict.fromkeys(facts.lineage(event.result)):
            yield "new", path
    else:
        yield event.kind, event.name


def together(
    first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...]
) -> bool:
    """Whether two ways through the branches of a program can be one."""
    for (number, arm), (other_number, other_arm) in zip(first, second, strict=False):
        if number != other_number:
            return True
        if arm != other_arm:
            return False
    return True


# --- code ---------------------------------------------------------------------------------


def match_step(step: Step, event: Event, way: Way) -> Iterator[Way]:
    """Yield the ways in which an event is a step."""
    if not event.sure:
        way = way.doubted()
    started: Iterable[Way] = [way]
    if step.receiver is not None:
        subject = event.result if event.kind == "new" else event.receiver
        started = bind(step.receiver, subject, way) if subject is not None else []
    for start in started:
        yield from match_arguments(list(step.arguments.items()), event, start)


def match_arguments(
    wanted: list[tuple[str, ValuePattern]], event: Event, way: Way
) -> Iterator[Way]:
    """Yield the ways in which an event was given what a step wants."""
    if not wanted:
        yield way
        return
    (name, pattern), *rest = wanted
    value = event.arguments.get(name)
    if value is None and event.open:
        # It may well have been given, in a way that cannot be followed.
        if not allows_absent(pattern):
            return
        way = way.doubted()
    for extended in match_value(pattern, value, way):
        yield from match_arguments(rest, event, extended)


def allows_absent(pattern: ValuePattern) -> bool:
    """Whether a pattern matches where nothing is given."""
    if isinstance(pattern, OneOf):
        return any(map(allows_absent, pattern.options))
    return isinstance(pattern, Absent)


def bind(variable: Variable, value: Value, way: Way) -> Iterator[Way]:
    """Yield the way in which a variable is a value, if it can be."""
    if isinstance(value, Either) and variable.kind is not None:
        for option in value.options:
            for found in bind(variable, option, way):
                yield found.doubted()
        return
    bound = way.binding(variable.name, value)
    if bound is None:
        return
    of_kind = True if variable.kind is None else facts.kind_is(value, variable.kind)
    if of_kind is not False:
        yield bound.doubted() if of_kind is None else bound


def match_value(pattern: ValuePattern, value: Value | None, way: Way) -> Iterator[Way]:
    """Yield the ways in which a value is like a pattern; None: nothing was given."""
    if isinstance(pattern, OneOf):
        for option in pattern.options:
            yield from match_value(option, value, way)
        return
    if isinstance(pattern, Absent):
        if value is None:
            yield way
        return
    if value is None:
        return
    if isinstance(value, Either) and not isinstance(pattern, Anything):
        for each in value.options:
            for found in match_value(pattern, each, way):
                yield found.doubted()
        return
    handler: Callable[[Any, Value, Way], Iterator[Way]] = HANDLERS[type(pattern)]
    yield from handler(pattern, value, way)


def _match_anything(_: Anything, __: Value, way: Way) -> Iterator[Way]:
    yield way


def _match_literal(pattern: Literal, value: Value, way: Way) -> Iterator[Way]:
    if isinstance(value, Const):
        wanted = Const(pattern.value)
        numbers = all(type(v) in {int, float} for v in (value.value, pattern.value))
        if value == wanted or (numbers and value.value == pattern.value):
            yield way


def _match_word(pattern: Word, value: Value, way: Way) -> Iterator[Way]:
    known = value.value if isinstance(value, Const) else None
    path = value.path if isinstance(value, Foreign) else ""
    if pattern.word == "string":
        fits = isinstance(known, str) or path == "builtins.str?"
    elif pattern.word == "number":
        fits = type(known) in {int, float} or path in {"builtins.int?", "builtins.float?"}
    else:
        fits = isinstance(value, Function | values.Method | values.Partial)
    if fits:
        yield way


def _match_items(pattern: Items, value: Value, way: Way) -> Iterator[Way]:
    if not isinstance(value, Sequence) or value.kind == "set":
        return
    if pattern.items is None:
        yield way
        return
    if not value.exact and None not in pattern.items:
        way = way.doubted()
    yield from in_order(pattern.items, value.items, way)


def in_order(
    wanted: tuple[ValuePattern | None, ...], items: tuple[Value, ...], way: Way
) -> Iterator[Way]:
    """Yield the ways in which items are those that a list is to have, None for any number."""
    if not wanted:
        if not items:
            yield way
        return
    first, *rest = wanted
    if first is None:
        for skipped in range(len(items) + 1):
            yield from in_order(tuple(rest), items[skipped:], way)
    elif items:
        for found in match_value(first, items[0], way):
            yield from in_order(tuple(rest), items[1:], found)


def _match_entries(pattern: Entries, value: Value, way: Way) -> Iterator[Way]:
    if isinstance(value, Dict):
        yield from entries_in(list(pattern.entries), value, way)


def entries_in(
    wanted: list[tuple[ValuePattern, ValuePattern]], value: Dict, way: Way
) -> Iterator[Way]:
    """Yield the ways in which a dict has what it is to have."""
    if not wanted:
        yield way
        return
    (key_pattern, value_pattern), *rest = wanted
    for key, item in value.items:
        for found in match_value(key_pattern, key, way):
            for extended in match_value(value_pattern, item, found):
                yield from entries_in(rest, value, extended)


def _match_has(pattern: Has, value: Value, way: Way) -> Iterator[Way]:
    yield from match_value(pattern.inner, value, way)
    inner: Iterable[Value] = ()
    if isinstance(value, Sequence):
        inner = value.items
    elif isinstance(value, Dict):
        inner = (item for _, item in value.items)
    for each in inner:
        yield from match_value(pattern, each, way)


def _match_not(pattern: Not, value: Value, way: Way) -> Iterator[Way]:
    if isinstance(value, Unknown):
        # What is given is hardly None, but may be anything else.
        yield way if pattern.inner == Literal(None) else way.doubted()
    elif not any(True for _ in match_value(pattern.inner, value, way)):
        yield way


def _match_thing(pattern: Thing, value: Value, way: Way) -> Iterator[Way]:
    if pattern.arguments is not None:
        if isinstance(value, Object) and facts.is_instance(value, pattern.path):
            made = Event("new", value.cls, Place("", 0, 0, 0, 0), None, value.arguments)
            made.open = value.open
            yield from match_arguments(list(pattern.arguments.items()), made, way)
    elif means(value, pattern.path):
        yield way


def _match_named(pattern: Named, value: Value, way: Way) -> Iterator[Way]:
    for found in match_value(pattern.inner, value, way):
        yield from bind(pattern.variable, value, found)


def _match_variable(pattern: Variable, value: Value, way: Way) -> Iterator[Way]:
    yield from bind(pattern, value, way)


HANDLERS: dict[type, Callable[[Any, Value, Way], Iterator[Way]]] = {
    Anything: _match_anything,
    Literal: _match_literal,
    Word: _match_word,
    Items: _match_items,
    Entries: _match_entries,
    Has: _match_has,
    Not: _match_not,
    Named: _match_named,
    Thing: _match_thing,
    Variable: _match_variable,
}
