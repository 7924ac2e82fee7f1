"""Triggers applied to what a program does: which of them hold, where, and how surely.

What ``code`` names has to be seen in the program; what ``where`` asks may stay unknown, and so may
whether an object is one of Keras' at all: then the finding is possible, not certain.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, ClassVar

from krepro.upgrade import api, calls, facts, keras_objects, values
from krepro.upgrade.events import Event, Place
from krepro.upgrade.trigger import (
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
    dotted,
    plain_class,
)
from krepro.upgrade.values import (
    Const,
    Either,
    Foreign,
    Function,
    Name,
    Object,
    Sequence,
    Tensor,
    Unknown,
    UserClass,
    Value,
)
from krepro.upgrade.values import (
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
        for trigger in triggers:
            for key in dict.fromkeys(k for p in trigger.code for k in keys_of_pattern(p)):
                self.needing[key].append(trigger)
                self.wanted.add(key)
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
        for trigger in self.needing[key]:
            seen = all(
                pattern.negated or any(k in self.events for k in keys_of_pattern(pattern))
                for pattern in trigger.code
            )
            for last in trigger.code[-1].steps if seen else ():
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
        self.known: dict[tuple[str, tuple[int, ...]], bool | None] = {}

    def of(self, condition: Condition, way: Way) -> bool | None:
        """Return whether a condition holds; None: the program's text does not tell."""
        key = (condition.text, tuple(id(way.bound[name]) for name in condition.variables))
        if key not in self.known:
            self.known[key] = facts.truth(self.asker.ask(condition.tree, way.bound))
        return self.known[key]

    def refute(self, trigger: Trigger, way: Way) -> bool:
        """Whether a condition is known to fail by what is bound so far."""
        return any(
            condition.variables <= way.bound.keys() and self.of(condition, way) is False
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
    doubt = False
    if variable.kind is not None:
        of_kind = facts.kind_is(value, variable.kind)
        if of_kind is False:
            return
        doubt = of_kind is None
    bound = way.binding(variable.name, value)
    if bound is not None:
        yield bound.doubted() if doubt else bound


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


def means(value: Value, path: str) -> bool | None:
    """Return whether a value is an instance of a class, the class, or its name in a string."""
    if isinstance(value, Const):
        return isinstance(value.value, str) and api.by_string(value.value, path)
    if isinstance(value, Name):
        named = api.flat(value.path.rpartition(".")[2]) == api.flat(path.rpartition(".")[2])
        return path in api.ancestors(value.path) or (api.is_keras(value.path) and named)
    if isinstance(value, UserClass):
        return any(isinstance(e, str) and path in api.ancestors(e) for e in value.line())
    if isinstance(value, Object | Unknown | Either):
        return facts.is_instance(value, path)
    return False


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


# --- where --------------------------------------------------------------------------------


class NotGiven(Value):
    """What an attribute is that nobody set: its default."""

    __slots__ = ()


NOT_GIVEN = NotGiven()


class Asker:
    """Answers the expressions of ``where``."""

    def __init__(self, event: Event) -> None:
        """Remember at which step they are asked."""
        self.event = event

    def ask(self, node: ast.expr, bound: Mapping[str, Value]) -> Value:
        """Return what an expression comes to."""
        return self.ASKED[type(node)](self, node, bound)

    def _constant(self, node: ast.Constant, _: Mapping[str, Value]) -> Value:
        return Const(node.value)

    def _name(self, node: ast.Name, bound: Mapping[str, Value]) -> Value:
        return bound[node.id]

    def _attribute(self, node: ast.Attribute, bound: Mapping[str, Value]) -> Value:
        return attribute(self.ask(node.value, bound), node.attr)

    def _list(self, node: ast.List | ast.Tuple, bound: Mapping[str, Value]) -> Value:
        kind = type(node).__name__.lower()
        return values.sequence((self.ask(e, bound) for e in node.elts), kind)

    def _binary(self, node: ast.BinOp, bound: Mapping[str, Value]) -> Value:
        return calls.operate(
            node.op, self.ask(node.left, bound), self.ask(node.right, bound)
        )

    def _item(self, node: ast.Subscript, bound: Mapping[str, Value]) -> Value:
        return item(self.ask(node.value, bound), self.ask(node.slice, bound))

    def boolean(self, node: ast.BoolOp, bound: Mapping[str, Value]) -> Value:
        """Return what ``and`` or ``or`` comes to."""
        truths = (facts.truth(self.ask(part, bound)) for part in node.values)
        if isinstance(node.op, ast.Or):
            return answer(facts.any_of(truths))
        return answer(facts.opposite(facts.any_of(facts.opposite(t) for t in truths)))

    def unary(self, node: ast.UnaryOp, bound: Mapping[str, Value]) -> Value:
        """Return what ``not x`` or ``-x`` comes to."""
        value = self.ask(node.operand, bound)
        if isinstance(node.op, ast.Not):
            return answer(facts.opposite(facts.truth(value)))
        number = value.value if isinstance(value, Const) else None
        return Const(-number) if isinstance(number, int | float) else Unknown()

    def compare(self, node: ast.Compare, bound: Mapping[str, Value]) -> Value:
        """Return what a comparison comes to; ``layer in model``: whether it is part of it."""
        left = self.ask(node.left, bound)
        truths: list[bool | None] = []
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.ask(part, bound)
            if isinstance(left, NotGiven) or isinstance(right, NotGiven):
                truths.append(None)
            elif isinstance(op, ast.In | ast.NotIn) and isinstance(right, Object | Unknown):
                found = facts.is_inside(left, right)
                truths.append(facts.opposite(found) if isinstance(op, ast.NotIn) else found)
            else:
                truths.append(calls.compare(op, left, right))
            left = right
        return answer(facts.opposite(facts.any_of(facts.opposite(t) for t in truths)))

    def call(self, node: ast.Call, bound: Mapping[str, Value]) -> Value:
        """Return what a function of the vocabulary answers."""
        if isinstance(node.func, ast.Attribute):
            owner = self.ask(node.func.value, bound)
            given = [self.ask(a, bound) for a in node.args]
            known = [owner, *given]
            if all(isinstance(v, Const) and isinstance(v.value, str) for v in known):
                texts = [v.value for v in known if isinstance(v, Const)]
                return Const(getattr(texts[0], node.func.attr)(texts[1]))
            return Unknown()
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in {"any", "all"}:
            return self.quantify(name, node.args[0], bound)
        if name in {"isinstance", "means"}:
            return self.kind(name, node, bound)
        given = [self.ask(argument, bound) for argument in node.args]
        if name == "during":
            text = given[0].value if isinstance(given[0], Const) else ""
            return answer(any(fnmatchcase(hook, text) for hook in self.event.hooks))
        return WORDS_OF_WHERE[name](*given)

    def quantify(self, name: str, node: ast.expr, bound: Mapping[str, Value]) -> Value:
        """Return what ``any`` or ``all`` comes to."""
        truths: list[bool | None] = []
        if isinstance(node, ast.GeneratorExp):
            part = node.generators[0]
            several = self.ask(part.iter, bound)
            assert isinstance(part.target, ast.Name)
            for value in items_of(several):
                inner = {**bound, part.target.id: value}
                kept = [facts.truth(self.ask(test, inner)) for test in part.ifs]
                if False not in kept:
                    found = facts.truth(self.ask(node.elt, inner))
                    truths.append(None if None in kept else found)
        else:
            several = self.ask(node, bound)
            truths = [facts.truth(value) for value in items_of(several)]
        if not (isinstance(several, Sequence | Dict) and several.exact):
            truths.append(None)
        if name == "any":
            return answer(facts.any_of(truths))
        return answer(facts.opposite(facts.any_of(facts.opposite(t) for t in truths)))

    def kind(self, name: str, node: ast.Call, bound: Mapping[str, Value]) -> Value:
        """Return what ``isinstance`` or ``means`` answers."""
        value = self.ask(node.args[0], bound)
        wanted = (
            node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
        )
        paths = [dotted(each) for each in wanted]
        function = means if name == "means" else facts.is_instance
        return answer(
            facts.any_of(
                function(
                    value, api.canonical(p) if p.startswith("keras.") else plain_class(p)
                )
                for p in paths
            )
        )

    ASKED: ClassVar[
        dict[type[ast.expr], Callable[[Any, Any, Mapping[str, Value]], Value]]
    ] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.List: _list,
        ast.Tuple: _list,
        ast.BoolOp: boolean,
        ast.UnaryOp: unary,
        ast.Compare: compare,
        ast.BinOp: _binary,
        ast.Subscript: _item,
        ast.Call: call,
    }


def answer(truth: bool | None) -> Value:
    """Return what is known of a question as a value."""
    return Unknown() if truth is None else Const(truth)


def attribute(owner: Value, name: str) -> Value:
    """Return an attribute of a value as ``where`` sees it."""
    if not isinstance(owner, Object):
        return Unknown()
    found = keras_objects.attribute(owner, name)
    if found is not None:
        return found
    complete = not owner.open and not owner.told and name not in OF_STRUCTURE
    return NOT_GIVEN if complete else Unknown()


# Attributes that are something even if nobody set them.
OF_STRUCTURE = {
    "outputs",
    "output",
    "inputs",
    "input",
    "output_names",
    "layers",
    "optimizer",
}


def item(owner: Value, key: Value) -> Value:
    """Return an item of a list or a dict."""
    at = key.value if isinstance(key, Const) else None
    if isinstance(owner, Sequence) and owner.exact and type(at) is int:
        return owner.items[at] if -len(owner.items) <= at < len(owner.items) else Unknown()
    if isinstance(owner, Dict):
        return next((v for k, v in owner.items if k == key), Unknown())
    return Unknown()


def items_of(several: Value) -> list[Value]:
    """Return the known items of a list, or the keys of a dict."""
    if isinstance(several, Sequence):
        return list(several.items)
    return [key for key, _ in several.items] if isinstance(several, Dict) else []


def state_of(value: Value, name: str) -> Value:
    """Return whether something happened to an object, by what was noted of it."""
    if not isinstance(value, Object):
        return Unknown()
    held = value.state.get(name)
    if isinstance(held, Value):
        return answer(facts.truth(held))
    vague = value.told or value.open or value.state.get("loaded") is not None
    return Unknown() if vague else Const(False)


def of_layers(model: Value) -> Value:
    """Return all layers of a model."""
    found, complete = facts.all_layers(model)
    return values.sequence(found, exact=complete)


def of_masked(value: Value) -> Value:
    """Return whether a tensor, or an output of a model, carries a mask."""
    structure = facts.outputs(value) if isinstance(value, Object) else value
    if structure is None:
        return Unknown()
    found = [t.masked if isinstance(t, Tensor) else None for t in values.leaves(structure)]
    return answer(facts.any_of(found))


def of_given(value: Value) -> Value:
    """Return whether an attribute was set, or given when its object was built."""
    if isinstance(value, NotGiven):
        return Const(False)
    return Unknown() if isinstance(value, Unknown) else Const(True)


def of_flat(value: Value) -> Value:
    """Return what is in a structure, at all depths."""
    return values.sequence(values.leaves(value), exact=values.whole(value))


def of_keys(value: Value) -> Value:
    """Return the keys of a dict."""
    if not isinstance(value, Dict):
        return Unknown()
    return values.sequence((key for key, _ in value.items), exact=value.exact)


def of_len(value: Value) -> Value:
    """Return how many there are."""
    if isinstance(value, Sequence | Dict) and value.exact:
        return Const(len(value.items))
    return Unknown()


def of_sorted(value: Value) -> Value:
    """Return the items in order."""
    items = items_of(value)
    known = [i.value for i in items if isinstance(i, Const)]
    exact = isinstance(value, Sequence | Dict) and value.exact
    if not exact or len(known) != len(items):
        return Unknown()
    try:
        return values.sequence(map(Const, sorted(known)))
    except TypeError:
        return Unknown()


def of_set(value: Value) -> Value:
    """Return the items without what is there twice, in order."""
    ordered = of_sorted(value)
    if not isinstance(ordered, Sequence):
        return Unknown()
    return values.sequence(dict.fromkeys(ordered.items))


WORDS_OF_WHERE: dict[str, Callable[..., Value]] = {
    "perhaps": lambda _: Unknown(),
    "compiled": lambda value: state_of(value, "compiled"),
    "built": lambda value: state_of(value, "built"),
    "trained": lambda value: state_of(value, "trained"),
    "overrides": lambda value, name: answer(facts.overrides(value, name.value)),
    "layers": of_layers,
    "masked": of_masked,
    "given": of_given,
    "flat": of_flat,
    "keys": of_keys,
    "len": of_len,
    "sorted": of_sorted,
    "set": of_set,
}
