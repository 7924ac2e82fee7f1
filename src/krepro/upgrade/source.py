"""What a program does with Keras, from its text alone: nothing of it is run.

An interpreter that walks through a module the way Python would, with values of which as much is
known as the text tells. It tells a listener of every step that may matter (an object built, a
method called, an attribute read or set), while the values are as they are at that step.
``world.py`` is what it keeps in mind, ``expressions.py`` what it does with expressions,
``calls.py`` and ``keras_objects.py`` what calls come to.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from collections.abc import Sequence as Many
from typing import Any, ClassVar

from krepro.upgrade import api, calls, facts
from krepro.upgrade.events import Arguments, Arms, Ending, Enough, Frame, Names
from krepro.upgrade.expressions import MOST_STEPS, Expressions
from krepro.upgrade.values import (
    NONE,
    Foreign,
    Function,
    Module,
    Name,
    Object,
    Partial,
    Scope,
    Sequence,
    Unknown,
    UserClass,
    Value,
)
from krepro.upgrade.world import is_list


class Interpreter(Expressions):
    """Walks through modules and tells of what they do."""

    def run(self, module: Module, arms: Arms = ()) -> None:
        """Walk through a module's own lines, apart from what is going on."""
        if module.tree is None:
            return
        body = module.tree.body
        self.apart(module, arms, lambda: self.block(body))

    def apart(self, module: Module, arms: Arms, action: Callable[[], Any]) -> None:
        """Do something in a module's name, at its own cost."""
        held = (self.steps, self.arms, self.frames, self.journals, self.hooks, self.sure)
        self.steps, self.arms, self.frames = 0, arms, [Frame(module, module.scope)]
        self.journals, self.hooks, self.sure = [], (), True
        try:
            action()
        except (Enough, RecursionError):
            self.cut.add(module.path)
        finally:
            self.steps, self.arms, self.frames, self.journals, self.hooks, self.sure = held

    def look_at_uncalled(self, module: Module, arms: Arms = ()) -> None:
        """Call once, with unknown arguments, what no line of the program called.

        What nothing mentions comes first: it may call the others, and with what is known.
        """
        for cls in [c for c in self.classes if c.module is module]:
            if cls.node not in self.instances:
                own = self.root(cls.node, arms)
                self.apart(module, own, lambda c=cls: self.build_unknown(c))  # type: ignore[misc]
        mentioned = mentions(module.tree) if module.tree else set()
        for last in (False, True):
            number = 0
            while number < len(self.created):
                function = self.created[number]
                number += 1
                if function.module is not module or function.node in self.called:
                    continue
                if last or (function.name and function.name not in mentioned):
                    own = self.root((function.owner or function).node, arms)
                    self.apart(module, own, lambda f=function: self.call_unknown(f))  # type: ignore[misc]

    def root(self, node: ast.AST, arms: Arms) -> Arms:
        """Return the way to something that nothing calls: apart from other such things."""
        return (*arms, (0, self.roots.setdefault(node, len(self.roots))))

    def build_unknown(self, cls: UserClass) -> Object:
        """Build an object of a class of which nobody knows what it is given."""
        return calls.construct_user(self, cls, Arguments([], {}, open=True), cls.node)

    def call_unknown(self, function: Function) -> None:
        """Call a function of which nobody knows what it is given."""
        receiver: Value | None = None
        if function.owner is not None:
            receiver = self.instances.get(function.owner.node) or Unknown("self")
        self.call_function(function, Arguments([], {}, open=True), receiver)

    def block(self, body: Many[ast.stmt]) -> Ending:
        """Walk through statements; return how they end before their end, if they do."""
        for statement in body:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise Enough
            handler = self.STATEMENTS.get(type(statement))
            if handler is None:
                continue
            try:
                ending = handler(self, statement)
            except RecursionError:
                if len(self.frames) > 1:
                    raise
                continue
            if ending:
                return ending
        return None

    def _on_expr(self, node: ast.Expr) -> Ending:
        self.eval(node.value)
        return None

    def _on_assign(self, node: ast.Assign) -> Ending:
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value)
        return None

    def _on_annotated(self, node: ast.AnnAssign) -> Ending:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value))
        return None

    def _on_augmented(self, node: ast.AugAssign) -> Ending:
        load = ast.copy_location(ast.BinOp(as_load(node.target), node.op, node.value), node)
        held = self.eval(load.left)
        added = self.eval(node.value)
        if isinstance(node.op, ast.Add) and is_list(held) and isinstance(held, Sequence):
            self.extend(held, added)
            return None
        self.assign(node.target, self.operate(node.op, held, added))
        return None

    def _on_if(self, node: ast.If) -> Ending:
        decided = facts.truth(self.eval(node.test))
        if decided is not None:
            return self.block(node.body if decided else node.orelse)
        return self.branch([lambda: self.block(node.body), lambda: self.block(node.orelse)])

    def _on_for(self, node: ast.For | ast.AsyncFor) -> Ending:
        items, complete = self.rounds(self.eval(node.iter))

        def once(item: Value) -> Ending:
            self.assign(node.target, item)
            return self.block(node.body)

        ending = self.loop([lambda i=i: once(i) for i in items], complete=complete)  # type: ignore[misc]
        return ending or self.block(node.orelse)

    def _on_while(self, node: ast.While) -> Ending:
        if facts.truth(self.eval(node.test)) is False:
            return self.block(node.orelse)

        def once() -> Ending:
            ending = self.block(node.body)
            if not ending:
                self.eval(node.test)
            return ending

        return self.loop([once, once], complete=False) or self.block(node.orelse)

    def _on_with(self, node: ast.With | ast.AsyncWith) -> Ending:
        for item in node.items:
            held = self.eval(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, held)
        return self.block(node.body)

    def _on_try(self, node: ast.Try | ast.TryStar) -> Ending:
        ending = self.branch([lambda: self.block(node.body)])
        if node.handlers:
            runs: list[Callable[[], Ending]] = [
                lambda h=h: self.handle(h)  # type: ignore[misc]
                for h in node.handlers
            ]
            if ending != "raise":
                runs.insert(0, lambda: ending)
            ending = self.branch(runs)
        if not ending:
            ending = self.block(node.orelse)
        return self.block(node.finalbody) or ending

    def handle(self, handler: ast.ExceptHandler) -> Ending:
        """Walk through an ``except`` clause."""
        if handler.name:
            self.bind(handler.name, Foreign("builtins.Exception"))
        return self.block(handler.body)

    def _on_match(self, node: ast.Match) -> Ending:
        self.eval(node.subject)

        def run(case: ast.match_case) -> Ending:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if name:
                    self.bind(name, Unknown(name))
            return self.block(case.body)

        runs: list[Callable[[], Ending]] = [lambda c=c: run(c) for c in node.cases]  # type: ignore[misc]
        return self.branch([*runs, lambda: None])

    def _on_return(self, node: ast.Return) -> Ending:
        self.frames[-1].results.append(self.eval(node.value) if node.value else NONE)
        return "return"

    def _on_raise(self, node: ast.Raise) -> Ending:
        if node.exc:
            self.eval(node.exc)
        return "raise"

    def _on_break(self, _: ast.Break) -> Ending:
        return "break"

    def _on_continue(self, _: ast.Continue) -> Ending:
        return "continue"

    def _on_assert(self, node: ast.Assert) -> Ending:
        self.eval(node.test)
        return None

    def _on_global(self, node: ast.Global) -> Ending:
        frame = self.frames[-1]
        for name in node.names:
            frame.scope.elsewhere[name] = frame.module.scope
        return None

    def _on_nonlocal(self, node: ast.Nonlocal) -> Ending:
        own = self.frames[-1].scope
        for name in node.names:
            scope = own.parent
            while scope is not None and name not in scope.names:
                scope = scope.parent
            if scope is not None:
                own.elsewhere[name] = scope
        return None

    def _on_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Ending:
        function = self.make_function(node)
        value: Value = function
        marks = set()
        for decorator in reversed(node.decorator_list):
            known = self.eval(decorator)
            if isinstance(known, Name):
                marks.add(known.path.rpartition(".")[2])
            if isinstance(known, Function | Partial):
                wrapped = self.call(known, Arguments([value], {}), decorator)
                value = wrapped if isinstance(wrapped, Function) else value
        function.marks = frozenset(marks)
        self.bind(node.name, value)
        return None

    def _on_class(self, node: ast.ClassDef) -> Ending:
        bases = tuple(self.eval(base) for base in node.bases)
        frame = self.frames[-1]
        scope = Scope(Names(), frame.scope)
        cls = UserClass(node.name, node, bases, scope, frame.module)
        scope.names["__class__"] = cls
        self.frames.append(Frame(frame.module, scope))
        try:
            self.block(node.body)
        finally:
            self.frames.pop()
        self.classes.append(cls)
        self.bind(node.name, cls)
        return None

    def _on_import(self, node: ast.Import) -> Ending:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            if alias.asname:
                self.bind(alias.asname, self.imported(alias.name, 0))
            else:
                self.imported(alias.name, 0)
                self.bind(root, self.imported(root, 0))
        return None

    def _on_import_from(self, node: ast.ImportFrom) -> Ending:
        name = node.module or ""
        module = self.imported(name, node.level)
        for alias in node.names:
            if alias.name == "*":
                self.import_all(module, name)
                continue
            value = self.attribute(module, alias.name, node, quiet=True)
            if isinstance(module, Module) and alias.name not in module.scope.names:
                dotted = f"{name}.{alias.name}" if name else alias.name
                value = self.imported(dotted, node.level)
            self.bind(alias.asname or alias.name, value)
        return None

    def imported(self, name: str, level: int) -> Value:
        """Return a module by its name: the user's own, or another's by name alone."""
        found = self.find(name, level, self.frames[-1].module)
        if found is not None:
            return found
        return Unknown(name) if level else Name(api.canonical(name))

    def import_all(self, module: Value, name: str) -> None:
        """Do what ``from module import *`` does."""
        if isinstance(module, Module):
            for key, value in tuple(module.scope.names.items()):
                if not key.startswith("_"):
                    self.bind(key, value)
            return
        prefix = api.canonical(name)
        for path in (
            *api.table()["classes"],
            *api.table()["functions"],
            *api.table()["aliases"],
        ):
            if path.rpartition(".")[0] == prefix:
                self.bind(path.rpartition(".")[2], Name(api.canonical(path)))

    STATEMENTS: ClassVar[dict[type[ast.AST], Callable[[Any, Any], Ending]]] = {
        ast.Expr: _on_expr,
        ast.Assign: _on_assign,
        ast.AnnAssign: _on_annotated,
        ast.AugAssign: _on_augmented,
        ast.If: _on_if,
        ast.For: _on_for,
        ast.AsyncFor: _on_for,
        ast.While: _on_while,
        ast.With: _on_with,
        ast.AsyncWith: _on_with,
        ast.Try: _on_try,
        ast.TryStar: _on_try,
        ast.Match: _on_match,
        ast.Return: _on_return,
        ast.Raise: _on_raise,
        ast.Break: _on_break,
        ast.Continue: _on_continue,
        ast.Assert: _on_assert,
        ast.Global: _on_global,
        ast.Nonlocal: _on_nonlocal,
        ast.FunctionDef: _on_function,
        ast.AsyncFunctionDef: _on_function,
        ast.ClassDef: _on_class,
        ast.Import: _on_import,
        ast.ImportFrom: _on_import_from,
    }


def as_load(target: ast.expr) -> ast.expr:
    """Return a target as an expression."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    if isinstance(target, ast.Attribute):
        return ast.copy_location(
            ast.Attribute(target.value, target.attr, ast.Load()), target
        )
    if isinstance(target, ast.Subscript):
        return ast.copy_location(
            ast.Subscript(target.value, target.slice, ast.Load()), target
        )
    return target


def mentions(tree: ast.Module) -> set[str]:
    """Return the names that a module's text uses."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found
