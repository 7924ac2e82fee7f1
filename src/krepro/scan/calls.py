"""What calls and attributes come to: Python's own, Keras', the user's, and others'."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from collections.abc import Sequence as Many
from typing import TYPE_CHECKING, Any

from krepro.scan import api, facts, keras_objects, values
from krepro.scan.events import Arguments
from krepro.scan.values import (
    NONE,
    Const,
    Either,
    Foreign,
    Function,
    Mapping,
    Method,
    Module,
    Name,
    Object,
    Partial,
    Sequence,
    Super,
    Tensor,
    Unknown,
    UserClass,
    Value,
)

if TYPE_CHECKING:
    from krepro.scan.expressions import Expressions

MOST_REPEATED = 64
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


# --- attributes ---------------------------------------------------------------------------


def attribute(
    run: Expressions, owner: Value, name: str, node: ast.AST, *, quiet: bool
) -> Value:
    """Return an attribute of a value; ``quiet``: it is about to be called."""
    if isinstance(owner, Object):
        return of_object(run, owner, name, node, quiet=quiet)
    if isinstance(owner, Unknown):
        return of_unknown(run, owner, name, node, quiet=quiet)
    simple = SIMPLE.get(type(owner))
    return simple(owner, name) if simple else run.part(owner, name)


def of_unknown(
    run: Expressions, owner: Unknown, name: str, node: ast.AST, *, quiet: bool
) -> Value:
    """Return an attribute of something unknown, telling of it in case it is Keras'."""
    held = run.part(owner, name)
    if isinstance(held, Unknown) and quiet:
        return Method(owner, name)
    if isinstance(held, Unknown):
        run.tell("get", name, node, owner)
    return held


def of_name(owner: Name, name: str) -> Value:
    """Return an attribute of something imported."""
    return Name(api.canonical(f"{owner.path}.{name}"))


def of_module(owner: Module, name: str) -> Value:
    """Return a name of a module of the user's own."""
    found = owner.scope.names.get(name)
    return found if isinstance(found, Value) else Unknown(name)


def of_foreign(owner: Foreign, name: str) -> Value:
    """Return an attribute of what another package returned."""
    return Foreign(f"{owner.path}.{name}", (owner,))


def of_class(owner: UserClass, name: str) -> Value:
    """Return an attribute of a class of the user's own."""
    found = owner.find(name)
    if isinstance(found, Function) and "classmethod" in found.marks:
        return Method(owner, name, found)
    if found is not None:
        return found
    base = next((each for each in owner.line() if isinstance(each, str)), "")
    return Name(f"{base}.{name}") if api.is_keras(base) else Unknown(name)


def of_super(owner: Super, name: str) -> Value:
    """Return an attribute as ``super()`` finds it."""
    line = list(owner.owner.line())[1:]
    for each in line:
        if isinstance(each, UserClass) and name in each.scope.names:
            found = each.scope.names[name]
            return (
                Method(owner.receiver, name, found)
                if isinstance(found, Function)
                else found
            )
    return Method(owner, name)


SIMPLE: dict[type[Value], Callable[[Any, str], Value]] = {
    Name: of_name,
    Module: of_module,
    UserClass: of_class,
    Super: of_super,
    Foreign: of_foreign,
    Sequence: Method,
    Mapping: Method,
    Const: Method,
}


def super_of(run: Expressions, given: Many[Value]) -> Value:
    """Return what ``super()`` is here."""
    frame = run.frames[-1]
    function = frame.function
    owner = given[0] if given and isinstance(given[0], UserClass) else None
    if owner is None and function is not None:
        owner = function.owner
    receiver = given[1] if len(given) > 1 else frame.receiver
    if owner is None or receiver is None:
        return Unknown("super")
    return Super(receiver, owner)


def of_object(
    run: Expressions, owner: Object, name: str, node: ast.AST, *, quiet: bool
) -> Value:
    """Return an attribute of an object."""
    if owner.user is not None and name not in owner.state:
        found = owner.user.find(name)
        if isinstance(found, Function):
            return of_method(run, owner, name, found)
        if found is not None:
            return found
    method = is_method(owner, name)
    if not quiet and not method:
        run.tell("get", name, node, owner)
    found = keras_objects.attribute(owner, name)
    if found is not None:
        return found
    if method or quiet:
        return Method(owner, name)
    return run.part(owner, name)


def of_method(run: Expressions, owner: Object, name: str, found: Function) -> Value:
    """Return a method of the user's own, or what a property of his returns."""
    if found.marks & {"property", "cached_property"}:
        return run.call_function(found, Arguments([], {}), owner)
    if "staticmethod" in found.marks:
        return found
    return Method(owner, name, found)


def is_method(owner: Object, name: str) -> bool:
    """Whether a name is one of Keras' methods of an object."""
    return api.method_parameters(owner.cls, name) is not None


# --- calls --------------------------------------------------------------------------------


def call(run: Expressions, callee: Value, given: Arguments, node: ast.AST) -> Value:
    """Return what a call returns."""
    handler = CALLS.get(type(callee))
    return handler(run, callee, given, node) if handler else of_others("", given)


def call_partial(
    run: Expressions, callee: Partial, given: Arguments, node: ast.AST
) -> Value:
    """Return what a call of ``functools.partial``'s result returns."""
    merged = Arguments(
        [*callee.arguments, *given.positional],
        {**callee.keywords, **given.keywords},
        given.open,
    )
    return run.call(callee.callee, merged, node)


def of_others(path: str, given: Arguments, sources: tuple[Value, ...] = ()) -> Value:
    """Return what a call of something that is not followed returns."""
    tensors = [
        v for each in given.all for v in values.leaves(each) if isinstance(v, Tensor)
    ]
    if tensors:
        masked = None if facts.any_of(t.masked for t in tensors) is not False else False
        return Tensor(None, tuple(tensors), masked=masked)
    if path and (not sources or isinstance(sources[0], Foreign)):
        return Foreign(path, (*sources, *given.all))
    return Unknown(path)


def call_method(run: Expressions, method: Method, given: Arguments, node: ast.AST) -> Value:
    """Return what a call of a method returns."""
    receiver = method.receiver
    if method.function is not None:
        return run.call_function(method.function, given, receiver)
    if isinstance(receiver, Super):
        receiver = receiver.receiver
    if isinstance(receiver, Object):
        return keras_objects.call_method(run, receiver, method.name, given, node)
    handler = METHODS.get(type(receiver))
    if handler is not None:
        return handler(run, receiver, method.name, given)
    return keras_objects.call_unknown(run, receiver, method.name, given, node)


def call_sequence(run: Expressions, owner: Sequence, name: str, given: Arguments) -> Value:
    """Return what a method of a list returns."""
    first = given.positional[0] if given.positional else NONE
    if name in {"append", "add"}:
        run.extend(owner, values.sequence([first]))
    elif name == "extend":
        run.extend(owner, first)
    elif name == "insert" and len(given.positional) == 2:
        items, place = list(owner.items), given.positional[0]
        at = place.value if isinstance(place, Const) and type(place.value) is int else 0
        items.insert(at, given.positional[1])
        run.write(owner.state, "items", tuple(items))
        if not isinstance(place, Const):
            run.write(owner.state, "exact", value=False)
    elif name == "copy":
        return values.sequence(owner.items, owner.kind, exact=owner.exact)
    elif name == "pop" and owner.exact and owner.items:
        found = run.item(owner, first if given.positional else Const(-1))
        run.write(owner.state, "items", tuple(i for i in owner.items if i is not found))
        return found
    elif name in {"remove", "clear", "pop", "reverse", "sort", "update"}:
        run.write(owner.state, "exact", value=False)
    else:
        return Unknown(name)
    return NONE


def call_mapping(run: Expressions, owner: Mapping, name: str, given: Arguments) -> Value:
    """Return what a method of a dict returns."""
    pairs: Many[Value] = ()
    if name == "items":
        pairs = [values.sequence(pair, "tuple") for pair in owner.items]
    elif name in {"keys", "values"}:
        pairs = [pair[name == "values"] for pair in owner.items]
    elif name == "copy":
        return values.mapping(owner.items, exact=owner.exact)
    elif name == "update":
        updated(run, owner, given)
        return NONE
    elif name in {"get", "setdefault", "pop"} and given.positional:
        return taken(run, owner, name, given)
    else:
        run.write(owner.state, "exact", value=False)
        return Unknown(name)
    return values.sequence(pairs, exact=owner.exact)


def taken(run: Expressions, owner: Mapping, name: str, given: Arguments) -> Value:
    """Return what ``get``, ``setdefault`` and ``pop`` of a dict return."""
    key, *rest = given.positional
    missing = rest[0] if rest else NONE
    found = next((value for known, value in owner.items if known == key), None)
    if found is None:
        if name == "setdefault":
            run.set_item(owner, key, missing)
        return missing if owner.exact and isinstance(key, Const) else Unknown(name)
    if name == "pop":
        run.write(owner.state, "items", tuple((k, v) for k, v in owner.items if k != key))
    return found


def updated(run: Expressions, owner: Mapping, given: Arguments) -> None:
    """Do what ``dict.update`` does."""
    for each in given.positional:
        if isinstance(each, Mapping):
            for key, value in each.items:
                run.set_item(owner, key, value)
        if not (isinstance(each, Mapping) and each.exact):
            run.write(owner.state, "exact", value=False)
    for word, value in given.keywords.items():
        run.set_item(owner, Const(word), value)
    if given.open:
        run.write(owner.state, "exact", value=False)


def call_constant(_: Expressions, owner: Const, name: str, given: Arguments) -> Value:
    """Return what a method of a string returns."""
    plain = {"lower", "upper", "strip", "title", "startswith", "endswith", "replace"}
    known = [a.value for a in given.positional if isinstance(a, Const)]
    if isinstance(owner.value, str) and name in plain and len(known) == len(given.all):
        try:
            return Const(getattr(owner.value, name)(*known))
        except (TypeError, ValueError):
            return Unknown(name)
    return Foreign("builtins.str?") if isinstance(owner.value, str) else Unknown(name)


def call_object(run: Expressions, callee: Object, given: Arguments, node: ast.AST) -> Value:
    """Return what a call of an object returns."""
    own = callee.user.find("__call__") if callee.user is not None else None
    if isinstance(own, Function):
        return run.call_function(own, given, callee)
    return keras_objects.call_layer(run, callee, given, node)


def call_name(run: Expressions, callee: Name, given: Arguments, node: ast.AST) -> Value:
    """Return what a call of something imported returns."""
    path = callee.path
    root, _, rest = path.partition(".")
    if root == "builtins":
        return call_builtin(run, rest, given, node)
    if api.is_keras(path):
        return keras_objects.call_keras(run, path, given, node)
    if path == "functools.partial" and given.positional:
        return Partial(given.positional[0], tuple(given.positional[1:]), given.keywords)
    if path in facts.TRANSPARENT:
        # ``tf.function(f)`` and ``@tf.function(...)`` alike leave the function what it is.
        return given.positional[0] if given.positional else Name("builtins.id")
    found = of_others(path if root in facts.FOREIGN else "", given)
    return Unknown(path) if isinstance(found, Unknown) else found


def construct_user(
    run: Expressions, cls: UserClass, given: Arguments, node: ast.AST
) -> Object:
    """Return an object of a class of the user's own."""
    base = next((each for each in cls.line() if isinstance(each, str)), "")
    found = Object(base if api.is_keras(base) else "", cls, open=given.open)
    run.instances[cls.node] = found
    initial = cls.find("__init__")
    if isinstance(initial, Function):
        run.call_function(initial, given, found)
    else:
        keras_objects.initialize(run, found, given)
        if not found.cls:
            found.state.update(given.keywords)
    if found.cls:
        run.tell(
            "new", found.cls, node, found, found.arguments, open_=found.open, result=found
        )
    return found


METHODS: dict[type[Value], Callable[[Expressions, Any, str, Arguments], Value]] = {
    Sequence: call_sequence,
    Mapping: call_mapping,
    Const: call_constant,
}
CALLS: dict[type[Value], Callable[[Expressions, Any, Arguments, ast.AST], Value]] = {
    Function: lambda run, callee, given, _: run.call_function(callee, given),
    Method: call_method,
    Name: call_name,
    UserClass: construct_user,
    Object: call_object,
    Partial: call_partial,
    Foreign: lambda _, callee, given, __: of_others(callee.path, given, (callee,)),
}


# --- Python's own -------------------------------------------------------------------------


def call_builtin(run: Expressions, name: str, given: Arguments, node: ast.AST) -> Value:
    """Return what one of Python's own functions returns."""
    handler, least, most = BUILTIN.get(name, (None, 0, 0))
    if handler is not None and not given.open and least <= len(given.positional) <= most:
        found = handler(run, given, node)
        if found is not None:
            return found
    if name in {"str", "int", "float", "bool", "bytes", "repr", "format", "input"}:
        return Foreign(
            f"builtins.{'str' if name in {'repr', 'format', 'input'} else name}?"
        )
    found = of_others("", given)
    return found if isinstance(found, Tensor) else Unknown(name)


def _of_len(_: Expressions, given: Arguments, __: ast.AST) -> Value | None:
    value = given.positional[0]
    if isinstance(value, Sequence | Mapping) and value.exact:
        return Const(len(value.items))
    if isinstance(value, Const) and isinstance(value.value, str):
        return Const(len(value.value))
    return None


def _of_list(
    run: Expressions, given: Arguments, _: ast.AST, kind: str = "list"
) -> Value | None:
    if not given.positional:
        return values.sequence((), kind)
    value = given.positional[0]
    if isinstance(value, Sequence):
        copied = values.sequence(value.items, kind, exact=value.exact)
        if "element" in value.state:
            copied.state["element"] = value.state["element"]
        return copied
    if isinstance(value, Mapping):
        return values.sequence((k for k, _ in value.items), kind, exact=value.exact)
    return values.sequence(run.rounds(value)[0][:1], kind, exact=False)


def _of_dict(_: Expressions, given: Arguments, __: ast.AST) -> Value:
    entries: list[tuple[Value, Value]] = []
    exact = True
    for each in given.positional:
        if isinstance(each, Mapping):
            entries += each.items
            exact = exact and each.exact
        elif isinstance(each, Sequence) and each.exact:
            for pair in each.items:
                if isinstance(pair, Sequence) and len(pair.items) == 2:
                    entries.append((pair.items[0], pair.items[1]))
                else:
                    exact = False
        else:
            exact = False
    entries += [(Const(k), v) for k, v in given.keywords.items()]
    return values.mapping(entries, exact=exact)


def _of_zip(_: Expressions, given: Arguments, __: ast.AST) -> Value | None:
    several = given.positional
    if not all(isinstance(s, Sequence) and s.exact for s in several):
        return None
    rows = zip(*(s.items for s in several if isinstance(s, Sequence)), strict=False)
    return values.sequence(values.sequence(row, "tuple") for row in rows)


def _of_enumerate(_: Expressions, given: Arguments, __: ast.AST) -> Value | None:
    value = given.positional[0]
    if not isinstance(value, Sequence):
        return None
    rows = (
        values.sequence((Const(n), item), "tuple") for n, item in enumerate(value.items)
    )
    found = values.sequence(rows, exact=value.exact)
    if "element" in value.state:
        pair = values.sequence((Unknown("index"), value.state["element"]), "tuple")
        found.state["element"] = pair
    return found


def _of_range(_: Expressions, given: Arguments, __: ast.AST) -> Value:
    bounds = [a.value for a in given.positional if isinstance(a, Const)]
    if len(bounds) == len(given.positional) and all(type(b) is int for b in bounds):
        try:
            numbers = range(*bounds)
        except ValueError:
            return Foreign("builtins.range")
        if len(numbers) <= MOST_REPEATED:
            return values.sequence(map(Const, numbers), "range")
    return Foreign("builtins.range")


def _of_isinstance(_: Expressions, given: Arguments, __: ast.AST) -> Value | None:
    value, wanted = given.positional
    several = wanted.items if isinstance(wanted, Sequence) else (wanted,)
    found = facts.any_of(
        facts.is_instance(value, each.path)
        if isinstance(each, Name)
        else is_of_user_class(value, each)
        for each in several
    )
    return None if found is None else Const(found)


def is_of_user_class(value: Value, wanted: Value) -> bool | None:
    """Return whether a value is of a class of the user's own."""
    if not isinstance(wanted, UserClass) or isinstance(value, Unknown | Either):
        return None
    return (
        isinstance(value, Object) and value.user is not None and wanted in value.user.line()
    )


def _of_getattr(run: Expressions, given: Arguments, node: ast.AST) -> Value | None:
    name = given.positional[1]
    if isinstance(name, Const) and isinstance(name.value, str):
        return run.attribute(given.positional[0], name.value, node)
    return None


def _of_setattr(run: Expressions, given: Arguments, node: ast.AST) -> Value | None:
    owner, name, value = given.positional
    if isinstance(name, Const) and isinstance(name.value, str):
        run.set_attribute(owner, name.value, value, node)
    return NONE


def _of_map(run: Expressions, given: Arguments, node: ast.AST) -> Value | None:

    function, several = given.positional
    items, exact = run.rounds(several)
    found = [run.call(function, Arguments([item], {}), node) for item in items]
    return values.sequence(found, exact=exact)


def _of_sorted(_: Expressions, given: Arguments, __: ast.AST) -> Value | None:
    value = given.positional[0]
    if isinstance(value, Mapping):
        value = values.sequence((k for k, _ in value.items), exact=value.exact)
    if not isinstance(value, Sequence):
        return None
    items = value.items
    if value.exact and not given.keywords and all(isinstance(i, Const) for i in items):
        constants = [i.value for i in items if isinstance(i, Const)]
        try:
            return values.sequence(map(Const, sorted(constants)))
        except TypeError:
            return None
    return values.sequence(items, exact=False)


def _of_identity(_: Expressions, given: Arguments, __: ast.AST) -> Value:
    return given.positional[0]


def _of_reversed(_: Expressions, given: Arguments, __: ast.AST) -> Value | None:
    value = given.positional[0]
    if isinstance(value, Sequence) and value.exact:
        return values.sequence(reversed(value.items))
    return None


def _of_next(run: Expressions, given: Arguments, _: ast.AST) -> Value:
    items = run.rounds(given.positional[0])[0]
    return items[0] if items else Unknown("next")


# What Python's own functions do, and how many arguments that is about.
BUILTIN: dict[
    str, tuple[Callable[[Expressions, Arguments, ast.AST], Value | None], int, int]
] = {
    "len": (_of_len, 1, 1),
    "list": (_of_list, 0, 1),
    "tuple": (lambda run, given, node: _of_list(run, given, node, "tuple"), 0, 1),
    "set": (lambda run, given, node: _of_list(run, given, node, "set"), 0, 1),
    "dict": (_of_dict, 0, 1),
    "zip": (_of_zip, 1, 9),
    "enumerate": (_of_enumerate, 1, 1),
    "range": (_of_range, 1, 3),
    "isinstance": (_of_isinstance, 2, 2),
    "getattr": (_of_getattr, 2, 3),
    "setattr": (_of_setattr, 3, 3),
    "map": (_of_map, 2, 2),
    "sorted": (_of_sorted, 1, 1),
    "id": (_of_identity, 1, 1),
    "iter": (_of_identity, 1, 1),
    "reversed": (_of_reversed, 1, 1),
    "next": (_of_next, 1, 2),
}


# --- operators ----------------------------------------------------------------------------


def operate(op: ast.operator, left: Value, right: Value) -> Value:
    """Return what an operator makes of two values."""
    tensors = [v for v in (left, right) if isinstance(v, Tensor)]
    if tensors:
        masked = None if any(t.masked is not False for t in tensors) else False
        return Tensor(None, tuple(tensors), masked=masked)
    if isinstance(left, Const) and isinstance(right, Const):
        return of_constants(op, left, right)
    if isinstance(left, Sequence):
        return of_sequences(op, left, right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        exact = left.exact and right.exact
        return values.mapping([*left.items, *right.items], exact=exact)
    foreign = next((v for v in (left, right) if isinstance(v, Foreign)), None)
    return Foreign(foreign.path, (left, right)) if foreign else Unknown()


def of_sequences(op: ast.operator, left: Sequence, right: Value) -> Value:
    """Return what ``+`` and ``*`` make of a list."""
    if isinstance(op, ast.Add) and isinstance(right, Sequence) and left.kind == right.kind:
        exact = left.exact and right.exact
        return values.sequence((*left.items, *right.items), left.kind, exact=exact)
    if isinstance(op, ast.Mult):
        times = right.value if isinstance(right, Const) else None
        if type(times) is int and 0 <= times * len(left.items) <= MOST_REPEATED:
            return values.sequence(left.items * times, left.kind, exact=left.exact)
        return values.sequence(left.items, left.kind, exact=False)
    return Foreign(right.path, (left, right)) if isinstance(right, Foreign) else Unknown()


def of_constants(op: ast.operator, left: Const, right: Const) -> Value:
    """Return what an operator makes of two literals: small ones only."""
    function = ARITHMETIC.get(type(op))
    for each in (left.value, right.value):
        large = isinstance(each, int) and abs(each) > 10**9
        if large or (isinstance(each, str | bytes) and not isinstance(op, ast.Add)):
            return Unknown()
    if function is None:
        return Unknown()
    try:
        return Const(function(left.value, right.value))
    except (TypeError, ValueError, ArithmeticError):
        return Unknown()


def compare(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """Return what a comparison comes to."""
    if isinstance(op, ast.Eq | ast.Is):
        return identical(left, right) if isinstance(op, ast.Is) else facts.same(left, right)
    if isinstance(op, ast.NotEq | ast.IsNot):
        found = (
            identical(left, right) if isinstance(op, ast.IsNot) else facts.same(left, right)
        )
        return facts.opposite(found)
    if isinstance(op, ast.In | ast.NotIn):
        found = contains(right, left)
        return facts.opposite(found) if isinstance(op, ast.NotIn) else found
    if isinstance(left, Const) and isinstance(right, Const):
        try:
            return bool(ORDER[type(op)](left.value, right.value))
        except TypeError:
            return None
    return None


def identical(left: Value, right: Value) -> bool | None:
    """Return whether two values are one thing."""
    for one, other in ((left, right), (right, left)):
        if one == NONE:
            if isinstance(other, Unknown):
                return None
            if isinstance(other, Either):
                found = {identical(option, NONE) for option in other.options}
                return found.pop() if len(found) == 1 else None
            return other == NONE
    if isinstance(left, Const) and isinstance(right, Const):
        return left == right
    if left is right:
        return True
    unsure = (Unknown, Either, Foreign)
    return None if isinstance(left, unsure) or isinstance(right, unsure) else False


def contains(several: Value, item: Value) -> bool | None:
    """Return whether something is in a list, a dict, a string or a model."""
    if isinstance(several, Sequence | Mapping):
        items = [i[0] if isinstance(i, tuple) else i for i in several.items]
        found = facts.any_of(facts.same(i, item) for i in items)
        return found or (False if found is False and several.exact else None)
    if isinstance(several, Const) and isinstance(item, Const):
        if isinstance(several.value, str) and isinstance(item.value, str):
            return item.value in several.value
        return None
    return None
