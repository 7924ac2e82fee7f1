"""What the expressions of a program are, as far as its text tells."""

from __future__ import annotations

import ast
from collections.abc import Callable
from collections.abc import Sequence as Many
from functools import lru_cache
from typing import Any, ClassVar

from krepro.scan import api, calls, facts, values
from krepro.scan.events import Arguments, Ending, Enough, Frame, Names
from krepro.scan.values import (
    NONE,
    Const,
    Either,
    Foreign,
    Function,
    Mapping,
    Module,
    Name,
    Object,
    Scope,
    Sequence,
    Tensor,
    Unknown,
    UserClass,
    Value,
)
from krepro.scan.world import World, either

# Calls within calls; beyond this, nothing is followed.
DEEPEST = 14
# Runs of one function within each other.
MOST_NESTED = 2


class Expressions(World):
    """Evaluates expressions and calls functions."""

    def block(self, body: Many[ast.stmt]) -> Ending:
        """Walk through statements; return how they end before their end, if they do."""
        raise NotImplementedError

    def eval(self, node: ast.expr) -> Value:
        """Return what an expression is, and tell of what it does."""
        self.steps += 1
        if self.steps > self.most_steps:
            raise Enough
        handler = self.EXPRESSIONS.get(type(node))
        if handler is not None:
            found: Value = handler(self, node)
            return found
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.eval(part)
        return Unknown()

    def _of_constant(self, node: ast.Constant) -> Value:
        return Const(node.value)

    def _of_name(self, node: ast.Name) -> Value:
        found = self.lookup(node.id)
        if found is not None:
            return found
        if node.id == "__name__":
            return Const("__main__")
        if node.id in BUILTINS:
            return Name(f"builtins.{node.id}")
        found = Unknown(node.id)
        if node.id.isidentifier():
            # The same unknown thing each time: from a star import, or from another cell.
            self.frames[-1].module.scope.names.setdefault(node.id, found)
        return found

    def _of_attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.eval(node.value), node.attr, node)

    def attribute(
        self, owner: Value, name: str, node: ast.AST, *, quiet: bool = False
    ) -> Value:
        """Return an attribute; unless ``quiet``, tell of it where it may be a Keras object's."""
        if isinstance(owner, Either):
            found = self.for_each(
                owner, lambda each: self.attribute(each, name, node, quiet=quiet)
            )
            return either(found)
        return calls.attribute(self, owner, name, node, quiet=quiet)

    def _of_call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            owner = self.eval(node.func.value)
            callee = self.attribute(owner, node.func.attr, node.func, quiet=True)
        else:
            callee = self.eval(node.func)
        if isinstance(callee, Name) and callee.path == "builtins.super":
            return calls.super_of(self, [self.eval(a) for a in node.args])
        return self.call(callee, self.given(node), node)

    def given(self, node: ast.Call) -> Arguments:
        """Return what a call gives."""
        found = Arguments([], {})
        for part in node.args:
            if not isinstance(part, ast.Starred):
                found.positional.append(self.eval(part))
                continue
            several = self.eval(part.value)
            if isinstance(several, Sequence) and several.exact:
                found.positional.extend(several.items)
            else:
                found.open = True
                break
        for keyword in node.keywords:
            value = self.eval(keyword.value)
            if keyword.arg is not None:
                found.keywords[keyword.arg] = value
            elif isinstance(value, Mapping):
                found.open = found.open or not value.exact
                for key, each in value.items:
                    if isinstance(key, Const) and isinstance(key.value, str):
                        found.keywords[key.value] = each
            else:
                found.open = True
        return found

    def call(self, callee: Value, given: Arguments, node: ast.AST) -> Value:
        """Return what a call returns."""
        if isinstance(callee, Either):
            return either(self.for_each(callee, lambda each: self.call(each, given, node)))
        return calls.call(self, callee, given, node)

    def call_function(
        self, function: Function, given: Arguments, receiver: Value | None = None
    ) -> Value:
        """Walk through a function of the user's own; return what it returns."""
        self.called.add(function.node)
        running = sum(
            f.function is not None and f.function.node is function.node for f in self.frames
        )
        if running >= 2 or len(self.frames) > DEEPEST:
            return Unknown(function.name)
        scope = Scope(Names(), function.scope)
        frame = Frame(function.module, scope, function, receiver)
        self.take(function, given, receiver, scope)
        before = self.arms
        self.frames.append(frame)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.eval(function.node.body)
            ending = self.block(function.node.body)
        finally:
            self.frames.pop()
            self.arms = before
        if frame.left:
            self.settle([*frame.left, {}] if ending != "raise" else frame.left)
        if may_yield(function) and yields(function.node):
            return Foreign(facts.GENERATOR)
        if ending is None:
            frame.results.append(NONE)
        return either(frame.results)

    def take(
        self, function: Function, given: Arguments, receiver: Value | None, scope: Scope
    ) -> None:
        """Give a function's parameters what a call gives."""
        taken = function.node.args
        names = [a.arg for a in (*taken.posonlyargs, *taken.args)]
        positional = list(given.positional)
        if receiver is not None and "staticmethod" not in function.marks:
            positional.insert(0, receiver)
        scope.names.update(zip(names, positional, strict=False))
        if taken.vararg:
            scope.names[taken.vararg.arg] = values.sequence(
                positional[len(names) :], "tuple", exact=not given.open
            )
        keywords = dict(given.keywords)
        for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs):
            if each.arg in keywords:
                scope.names[each.arg] = keywords.pop(each.arg)
            elif each.arg not in scope.names:
                default = function.defaults.get(each.arg)
                scope.names[each.arg] = (
                    default if default is not None else self.unknown_parameter(each)
                )
        if taken.kwarg:
            scope.names[taken.kwarg.arg] = values.mapping(
                ((Const(k), v) for k, v in keywords.items()), exact=not given.open
            )

    def unknown_parameter(self, parameter: ast.arg) -> Value:
        """Return what is known of a parameter that nobody gave: its annotation."""
        if parameter.annotation is not None:
            try:
                known = self.eval(parameter.annotation)
            except RecursionError:
                known = NONE
            if isinstance(known, Name) and api.is_class(known.path):
                return Object(known.path, open=True, told=True)
            if isinstance(known, UserClass):
                return self.instances.get(known.node) or Unknown(parameter.arg)
            if isinstance(known, Name) and foreign_root(known.path):
                return Foreign(known.path)
        return Unknown(parameter.arg)

    def make_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    ) -> Function:
        """Return a function, its defaults as they are now."""
        taken = node.args
        positional = [*taken.posonlyargs, *taken.args]
        defaults = {}
        if taken.defaults:
            for name, default in zip(
                positional[-len(taken.defaults) :], taken.defaults, strict=True
            ):
                defaults[name.arg] = self.eval(default)
        for name, given in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
            if given is not None:
                defaults[name.arg] = self.eval(given)
        frame = self.frames[-1]
        owner = frame.scope.names.get("__class__")
        scope = frame.scope
        if isinstance(owner, UserClass):
            # A class's names are not seen from its methods.
            scope = frame.scope.parent or frame.scope
        function = Function(
            node,
            scope,
            frame.module,
            owner if isinstance(owner, UserClass) else None,
            defaults,
        )
        self.created[frame.module].append(function)
        return function

    def _of_list(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        kind = type(node).__name__.lower()
        items: list[Value] = []
        exact = True
        for part in node.elts:
            if not isinstance(part, ast.Starred):
                items.append(self.eval(part))
                continue
            several = self.eval(part.value)
            if isinstance(several, Sequence):
                items.extend(several.items)
                exact = exact and several.exact
            else:
                exact = False
        return values.sequence(items, kind, exact=exact)

    def _of_dict(self, node: ast.Dict) -> Value:
        entries: list[tuple[Value, Value]] = []
        exact = True
        for key, part in zip(node.keys, node.values, strict=True):
            value = self.eval(part)
            if key is not None:
                entries.append((self.eval(key), value))
            elif isinstance(value, Mapping):
                entries.extend(value.items)
                exact = exact and value.exact
            else:
                exact = False
        exact = exact and all(isinstance(key, Const) for key, _ in entries)
        return values.mapping(entries, exact=exact)

    def _of_lambda(self, node: ast.Lambda) -> Value:
        return self.make_function(node)

    def _of_conditional(self, node: ast.IfExp) -> Value:
        decided = facts.truth(self.eval(node.test))
        if decided is not None:
            return self.eval(node.body if decided else node.orelse)
        found: list[Value] = []

        def run(part: ast.expr) -> Ending:
            found.append(self.eval(part))
            return None

        self.branch([lambda: run(node.body), lambda: run(node.orelse)])
        return either(found)

    def _of_boolean(self, node: ast.BoolOp) -> Value:
        is_or = isinstance(node.op, ast.Or)
        found: list[Value] = []
        for part in node.values:
            value = self.eval(part)
            decided = facts.truth(value)
            if decided is is_or:
                found.append(value)
                break
            if decided is None or part is node.values[-1]:
                found.append(value)
        return either(found)

    def _of_unary(self, node: ast.UnaryOp) -> Value:
        value = self.eval(node.operand)
        if isinstance(node.op, ast.Not):
            decided = facts.truth(value)
            return Unknown() if decided is None else Const(not decided)
        if isinstance(value, Const) and isinstance(value.value, int | float):
            return Const(-value.value if isinstance(node.op, ast.USub) else value.value)
        return value if isinstance(value, Tensor | Foreign) else Unknown()

    def _of_binary(self, node: ast.BinOp) -> Value:
        return self.operate(node.op, self.eval(node.left), self.eval(node.right))

    def operate(self, op: ast.operator, left: Value, right: Value) -> Value:
        """Return what an operator makes of two values."""
        return calls.operate(op, left, right)

    def _of_compare(self, node: ast.Compare) -> Value:
        left = self.eval(node.left)
        found: bool | None = True
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.eval(part)
            each = calls.compare(op, left, right)
            found = False if each is False or found is False else (found and each)
            left = right
        return Unknown() if found is None else Const(found)

    def _of_joined(self, node: ast.JoinedStr) -> Value:
        parts = [
            self.eval(p.value if isinstance(p, ast.FormattedValue) else p)
            for p in node.values
        ]
        if all(isinstance(p, Const) for p in parts) and not any(
            isinstance(p, ast.FormattedValue) and (p.format_spec or p.conversion != -1)
            for p in node.values
        ):
            return Const("".join(str(p.value) for p in parts if isinstance(p, Const)))
        return Foreign("builtins.str?")

    def _of_subscript(self, node: ast.Subscript) -> Value:
        owner = self.eval(node.value)
        if isinstance(node.slice, ast.Slice):
            bounds = [
                None if part is None else self.eval(part)
                for part in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return sliced(owner, bounds)
        return self.item(owner, self.eval(node.slice))

    def _of_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> Value:
        kind = "set" if isinstance(node, ast.SetComp) else "list"
        found: list[Value] = []
        entries: list[tuple[Value, Value]] = []
        frame = self.frames[-1]
        inner = Scope(Names(), frame.scope)
        self.frames[-1] = Frame(
            frame.module, inner, frame.function, frame.receiver, frame.results, frame.left
        )

        def body() -> None:
            if isinstance(node, ast.DictComp):
                entries.append((self.eval(node.key), self.eval(node.value)))
            else:
                found.append(self.eval(node.elt))

        try:
            exact = self.comprehend(node.generators, body)
        finally:
            self.frames[-1] = frame
        if isinstance(node, ast.DictComp):
            exact = exact and all(isinstance(k, Const) for k, _ in entries)
            return values.mapping(entries, exact=exact)
        return values.sequence(found, kind, exact=exact)

    def comprehend(
        self, generators: Many[ast.comprehension], body: Callable[[], None]
    ) -> bool:
        """Do what the ``for`` and ``if`` of a comprehension do; return whether all is known."""
        if not generators:
            body()
            return True
        first, *rest = generators
        several = self.eval(first.iter)
        items, exact = self.rounds(several)
        for item in items if exact else items[:1]:
            self.assign(first.target, item)
            decided = [facts.truth(self.eval(test)) for test in first.ifs]
            if False in decided:
                continue
            exact = None not in decided and exact
            exact = self.comprehend(rest, body) and exact
        return exact

    def _of_named(self, node: ast.NamedExpr) -> Value:
        value = self.eval(node.value)
        self.assign(node.target, value)
        return value

    def _of_await(self, node: ast.Await | ast.YieldFrom) -> Value:
        return self.eval(node.value)

    def _of_starred(self, node: ast.Starred) -> Value:
        return self.eval(node.value)

    def assign(self, target: ast.expr, value: Value) -> None:
        """Give a target a value."""
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.eval(target.value), target.attr, value, target)
        elif isinstance(target, ast.Subscript):
            self.set_item(self.eval(target.value), self.eval(target.slice), value)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self.unpack(target.elts, value)

    def unpack(self, targets: Many[ast.expr], value: Value) -> None:
        """Give several targets the items of a value."""
        starred = next(
            (n for n, t in enumerate(targets) if isinstance(t, ast.Starred)), None
        )
        items = value.items if isinstance(value, Sequence) and value.exact else None
        if items is not None and starred is not None and len(items) >= len(targets) - 1:
            after = len(targets) - starred - 1
            middle = items[starred : len(items) - after]
            rest = items[len(items) - after :]
            parts = [*items[:starred], values.sequence(middle), *rest]
        elif items is not None and starred is None and len(items) == len(targets):
            parts = list(items)
        elif isinstance(value, Foreign | Tensor):
            parts = [value] * len(targets)
        else:
            parts = [self.part(value, f"[{n}]") for n in range(len(targets))]
        for target, part in zip(targets, parts, strict=True):
            self.assign(target, part)

    def set_attribute(self, owner: Value, name: str, value: Value, node: ast.AST) -> None:
        """Set an attribute, and tell of it where it may be a Keras object's."""
        if isinstance(owner, Either):
            self.for_each(owner, lambda each: self.set_attribute(each, name, value, node))
            return
        if isinstance(owner, Object | Unknown):
            self.tell("set", name, node, owner, {"value": value})
        if isinstance(owner, Object):
            self.write(owner.state, name, value)
        elif isinstance(owner, UserClass | Module):
            self.write(owner.scope.names, name, value)
        elif isinstance(owner, Unknown):
            self.set_part(owner, name, value)

    EXPRESSIONS: ClassVar[dict[type[ast.AST], Callable[[Any, Any], Value]]] = {
        ast.Constant: _of_constant,
        ast.Name: _of_name,
        ast.Attribute: _of_attribute,
        ast.Call: _of_call,
        ast.List: _of_list,
        ast.Tuple: _of_list,
        ast.Set: _of_list,
        ast.Dict: _of_dict,
        ast.Lambda: _of_lambda,
        ast.IfExp: _of_conditional,
        ast.BoolOp: _of_boolean,
        ast.UnaryOp: _of_unary,
        ast.BinOp: _of_binary,
        ast.Compare: _of_compare,
        ast.JoinedStr: _of_joined,
        ast.Subscript: _of_subscript,
        ast.ListComp: _of_comprehension,
        ast.SetComp: _of_comprehension,
        ast.GeneratorExp: _of_comprehension,
        ast.DictComp: _of_comprehension,
        ast.NamedExpr: _of_named,
        ast.Await: _of_await,
        ast.YieldFrom: _of_await,
        ast.Starred: _of_starred,
    }


def sliced(owner: Value, bounds: Many[Value | None]) -> Value:
    """Return what a slice of a value is."""
    if isinstance(owner, Foreign | Tensor):
        return owner
    if not isinstance(owner, Sequence):
        text = isinstance(owner, Const) and isinstance(owner.value, str)
        return Foreign("builtins.str?") if text else Unknown()
    numbers = [b.value if isinstance(b, Const) else b for b in bounds]
    known = [n for n in numbers if n is None or type(n) is int]
    if owner.exact and len(known) == len(bounds) and known[-1] != 0:
        return values.sequence(owner.items[slice(*known)], owner.kind)
    rest = values.sequence((), owner.kind, exact=False)
    if "element" in owner.state:
        rest.state["element"] = owner.state["element"]
    return rest


def foreign_root(path: str) -> bool:
    """Whether a dotted name is of a package whose objects are never Keras' own."""
    root = path.partition(".")[0]
    return root in facts.FOREIGN or root == "builtins"


@lru_cache(maxsize=64)
def yield_lines(module: Module) -> tuple[int, ...]:
    """Return the lines of a module that have the word, most modules none."""
    if "yield" not in module.text:
        return ()
    lines = enumerate(module.text.splitlines(), 1)
    return tuple(number for number, line in lines if "yield" in line)


def may_yield(function: Function) -> bool:
    """Whether the word is in a function at all: quick, since most have none."""
    first, last = function.node.lineno, function.node.end_lineno or function.node.lineno
    return any(first <= line <= last for line in yield_lines(function.module))


@lru_cache(maxsize=4096)
def yields(node: ast.AST) -> bool:
    """Whether a function is a generator."""
    pending = list(ast.iter_child_nodes(node))
    while pending:
        each = pending.pop()
        if isinstance(each, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(each))
    return False


BUILTINS = frozenset(
    dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__
)
