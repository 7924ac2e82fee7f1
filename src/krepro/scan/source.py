"""What a program does with Keras, from its text alone: nothing of it is run.

An interpreter that walks through a module the way Python would, with values of which as much is
known as the text tells. It tells a listener of every step that may matter (an object built, a
method called, an attribute read or set), while the values are as they are at that step.
``world.py`` is what it keeps in mind, ``expressions.py`` what it does with expressions,
``calls.py`` and ``keras_objects.py`` what calls come to.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from functools import partial
from typing import Any, ClassVar

from krepro.scan import api, calls, facts
from krepro.scan.events import Arguments, Arms, Ending, Enough, Frame, Names
from krepro.scan.expressions import Expressions, foreign_root
from krepro.scan.values import (
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
from krepro.scan.world import is_list

# The steps that a file's own lines may cost, all that nothing calls in it, and each of these.
MOST_STEPS, MOST_UNCALLED = 60_000, 15_000


class Interpreter(Expressions):
    """Walks through modules and tells of what they do."""

    def run(self, module: Module, arms: Arms = ()) -> None:
        """Walk through a module's own lines, apart from what is going on."""
        if module.tree is None:
            return
        body = module.tree.body
        self.apart(module, arms, lambda: self.block(body), MOST_STEPS)

    def apart(
        self, module: Module, arms: Arms, action: Callable[[], Any], most_steps: int
    ) -> int:
        """Do something in a module's name; return at how many steps, at most so many."""
        held = (self.steps, self.most_steps, self.arms, self.frames, self.journals)
        outer = self.hooks, self.sure
        self.steps, self.most_steps, self.arms = 0, most_steps, arms
        self.frames, self.journals = [Frame(module, module.scope)], []
        self.hooks, self.sure = (), True
        try:
            action()
        except (Enough, RecursionError):
            self.cut.add(module.path)
        finally:
            taken = self.steps
            self.steps, self.most_steps, self.arms, self.frames, self.journals = held
            self.hooks, self.sure = outer
        return taken

    def look_at_uncalled(self, module: Module, arms: Arms = ()) -> None:
        """Call once, with unknown arguments, what no line of the program called.

        What nothing mentions comes first: it may call the others, and with what is known.
        """
        left = MOST_STEPS
        for action, node in self.uncalled(module):
            if left <= 0:
                self.cut.add(module.path)
                return
            own = self.root(node, arms)
            left -= self.apart(module, own, action, min(left, MOST_UNCALLED))

    def uncalled(self, module: Module) -> Iterator[tuple[Callable[[], Any], ast.AST]]:
        """Yield how to call what was not called so far, and what it belongs to."""
        for cls in self.classes[module]:
            if cls.node not in self.instances:
                yield partial(self.build_unknown, cls), cls.node
        mentioned = mentioned_twice(module.text)
        for last in (False, True):
            # Calling one may make others.
            for function in self.created[module]:
                alone = function.name and function.name not in mentioned
                if function.node not in self.called and (last or alone):
                    yield (
                        partial(self.call_unknown, function),
                        (function.owner or function).node,
                    )

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
            if self.steps > self.most_steps:
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
        self.classes[cls.module].append(cls)
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
            if isinstance(module, Unknown):
                value = self.part(module, alias.name)
            if isinstance(module, Module) and alias.name not in module.scope.names:
                dotted = f"{name}.{alias.name}" if name else alias.name
                value = self.imported(dotted, node.level)
            self.bind(alias.asname or alias.name, value)
        return None

    def imported(self, name: str, level: int) -> Value:
        """Return a module by its name: the user's own, Keras', or one known not to be Keras'.

        Of others nothing is known: what they hold may be Keras' models.
        """
        found = self.find(name, level, self.frames[-1].module)
        if found is not None:
            return found
        path = api.canonical(name)
        if not level and (api.is_keras(path) or foreign_root(path)):
            return Name(path)
        return self.part(self.outside, name)

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


def mentioned_twice(text: str) -> set[str]:
    """Return the words that a text has more than once: what is defined and used."""
    return {word for word, count in Counter(re.findall(r"\w+", text)).items() if count > 1}
