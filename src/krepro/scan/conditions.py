"""What ``where`` asks of a program, answered as things are at one step: yes, no or unknown."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from krepro.scan import api, calls, facts, keras_objects, values
from krepro.scan.events import Event
from krepro.scan.trigger import dotted, plain_class
from krepro.scan.values import (
    Const,
    Either,
    Name,
    Object,
    Sequence,
    Tensor,
    Unknown,
    UserClass,
    Value,
)
from krepro.scan.values import Mapping as Dict


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
