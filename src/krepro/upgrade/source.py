"""What a program does with Keras, from its text alone: nothing of it is run.

An interpreter that walks through a module the way Python would, with values of which as much is
known as the text tells. It tells a listener of every step that may matter (an object built, a
method called, an attribute read or set), while the values are as they are at that step.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Many
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from krepro.upgrade import api, calls, facts, values
from krepro.upgrade.values import (
    NONE,
    Const,
    Either,
    Foreign,
    Function,
    Mapping,
    Module,
    Name,
    Object,
    Partial,
    Scope,
    Sequence,
    Tensor,
    Unknown,
    UserClass,
    Value,
    join,
)

# Calls within calls, and the steps that one file may cost: beyond these, nothing is followed.
DEEPEST, MOST_STEPS = 14, 60_000
# Rounds of a loop that are gone: over numbers and strings, and over anything else.
UNROLLED, MOST_ITEMS = 6, 64
LONGEST = 2_000
MISSING = object()
# The branches that lead to a step: which one, and which of its ways.
Arms = tuple[tuple[int, int], ...]


class Names(dict[str, Any]):
    """The names of a scope: where only one branch sets one, it is what that branch set."""


class Enough(Exception):
    """The file costs too much: it is looked at only so far."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a file something is: lines and columns from 1."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(eq=False, slots=True)
class Event:
    """One step of the program.

    ``kind`` is ``new``, ``call``, ``function``, ``set`` or ``get``; ``name`` is the class, method,
    function or attribute. ``arms`` are the branches that led here, ``hooks`` the functions that
    were being run, ``sure`` tells that nothing had to be assumed about the object.
    """

    kind: str
    name: str
    place: Place
    receiver: Value | None = None
    arguments: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    result: Value | None = None
    arms: Arms = ()
    sure: bool = True
    hooks: tuple[str, ...] = ()
    number: int = 0


@dataclass(eq=False, slots=True)
class Frame:
    """A run of a function, or of a module's own lines."""

    module: Module
    scope: Scope
    function: Function | None = None
    receiver: Value | None = None
    results: list[Value] = field(default_factory=list)
    left: list[dict[tuple[int, str], tuple[dict[str, Any], str, Any]]] = field(
        default_factory=list
    )


@dataclass(slots=True)
class Arguments:
    """What a call was given; ``open``: there may be more."""

    positional: list[Value]
    keywords: dict[str, Value]
    open: bool = False

    @property
    def all(self) -> list[Value]:
        """All of them."""
        return [*self.positional, *self.keywords.values()]


Ending = str | None
Importer = Callable[[str, int, Module], Module | None]


class Interpreter:
    """Walks through modules and tells of what they do.

    Args:
        find: returns a module of the user's own by name, level and importing module.
        listen: is told of every step.
    """

    def __init__(self, find: Importer, listen: Callable[[Event], None]) -> None:
        """Start with nothing known."""
        self.find = find
        self.listen = listen
        self.frames: list[Frame] = []
        self.arms: Arms = ()
        self.journals: list[list[tuple[dict[str, Any], str, Any]]] = []
        self.created: list[Function] = []
        self.classes: list[UserClass] = []
        self.called: set[ast.AST] = set()
        self.instances: dict[ast.AST, Object] = {}
        # Files that cost too much to be walked through to their end.
        self.cut: set[str] = set()
        self.roots: dict[ast.AST, int] = {}
        self.steps = 0
        self.sure = True
        self.hooks: tuple[str, ...] = ()
        self._count = 0
        self._parts: dict[tuple[int, str], tuple[Value, dict[str, Any]]] = {}

    # --- running ---------------------------------------------------------------------------

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

    def place(self, node: ast.AST, module: Module | None = None) -> Place:
        """Return where a node is; of a function or a class, where its name is."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end_line = getattr(node, "end_lineno", None) or line
        end_column = getattr(node, "end_col_offset", None) or column
        return Place(
            self.frames[-1].module.path, line, column + 1, end_line, end_column + 1
        )

    def tell(
        self,
        kind: str,
        name: str,
        node: ast.AST,
        receiver: Value | None = None,
        arguments: dict[str, Value] | None = None,
        *,
        open_: bool = False,
        result: Value | None = None,
        module: Module | None = None,
    ) -> None:
        """Tell the listener of a step: in the module that is running, or in another."""
        self._count += 1
        self.listen(
            Event(
                kind,
                name,
                self.place(node, module),
                receiver,
                arguments or {},
                open_,
                result,
                self.arms,
                self.sure,
                (*self.hooks, *(f.function.name for f in self.frames if f.function)),
                self._count,
            )
        )

    @contextmanager
    def hooked(self, name: str) -> Iterator[None]:
        """Do something as a method of that name does."""
        before = self.hooks
        self.hooks = (*before, name)
        try:
            yield
        finally:
            self.hooks = before

    # --- what changes ----------------------------------------------------------------------

    def write(self, where: dict[str, Any], key: str, value: Any) -> None:
        """Change something so that a branch can take it back."""
        if self.journals:
            self.journals[-1].append((where, key, where.get(key, MISSING)))
        where[key] = value

    def branch(self, runs: Many[Callable[[], Ending]]) -> Ending:
        """Go each of several ways from here, then on with what either left."""
        self._count += 1
        number, before = self._count, self.arms
        live: list[tuple[int, dict[tuple[int, str], tuple[dict[str, Any], str, Any]]]] = []
        ending: Ending = None
        for arm, run in enumerate(runs):
            self.arms = (*before, (number, arm))
            self.journals.append([])
            try:
                ending = run()
            finally:
                journal = self.journals.pop()
                final = {(id(w), k): (w, k, w.get(k, MISSING)) for w, k, _ in journal}
                for where, key, old in reversed(journal):
                    restore(where, key, old)
            if ending == "return" and self.frames:
                self.frames[-1].left.append(final)
            if ending not in {"return", "raise"}:
                live.append((arm, final))
        self.arms = before
        if not live:
            return ending
        if len(live) == 1 and len(runs) > 1:
            self.arms = (*before, (number, live[0][0]))
        self.settle([final for _, final in live])
        return None

    def settle(
        self, finals: Many[dict[tuple[int, str], tuple[dict[str, Any], str, Any]]]
    ) -> None:
        """Let what was changed in one branch or another be either."""
        touched = {key: entry for final in finals for key, entry in final.items()}
        for identity, (where, key, _) in touched.items():
            found = MISSING
            for number, final in enumerate(finals):
                entry = final.get(identity)
                value = entry[2] if entry else where.get(key, MISSING)
                found = value if number == 0 else merged(where, found, value)
            if found is not MISSING:
                self.write(where, key, found)
                if key == "items" and any(
                    (f[identity][2] if identity in f else where.get(key)) != found
                    for f in finals
                ):
                    self.write(where, "exact", value=False)

    def lookup(self, name: str) -> Value | None:
        """Return what a name is here."""
        scope: Scope | None = self.frames[-1].scope
        while scope is not None:
            scope_of = scope.elsewhere.get(name, scope)
            if name in scope_of.names:
                found: Value = scope_of.names[name]
                return found
            scope = scope.parent
        return None

    def bind(self, name: str, value: Value) -> None:
        """Give a name a value."""
        scope = self.frames[-1].scope
        self.write(scope.elsewhere.get(name, scope).names, name, value)

    def part(self, owner: Value, name: str) -> Value:
        """Return an attribute or an item of something unknown: the same thing each time."""
        key = (id(owner), name)
        if key not in self._parts:
            self._parts[key] = (owner, {"value": Unknown(name)})
        found: Value = self._parts[key][1]["value"]
        return found

    def set_part(self, owner: Value, name: str, value: Value) -> None:
        """Set an attribute of something unknown."""
        self.part(owner, name)
        self.write(self._parts[id(owner), name][1], "value", value)

    # --- statements ------------------------------------------------------------------------

    def block(self, body: Many[ast.stmt]) -> Ending:
        """Walk through statements; return how they end before their end, if they do."""
        for statement in body:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise Enough
            handler = STATEMENTS.get(type(statement))
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

    def on_expr(self, node: ast.Expr) -> Ending:
        self.eval(node.value)
        return None

    def on_assign(self, node: ast.Assign) -> Ending:
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value)
        return None

    def on_annotated(self, node: ast.AnnAssign) -> Ending:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value))
        return None

    def on_augmented(self, node: ast.AugAssign) -> Ending:
        load = ast.copy_location(ast.BinOp(as_load(node.target), node.op, node.value), node)
        held = self.eval(load.left)
        added = self.eval(node.value)
        if isinstance(node.op, ast.Add) and is_list(held) and isinstance(held, Sequence):
            self.extend(held, added)
            return None
        self.assign(node.target, self.operate(node.op, held, added))
        return None

    def on_if(self, node: ast.If) -> Ending:
        decided = facts.truth(self.eval(node.test))
        if decided is not None:
            return self.block(node.body if decided else node.orelse)
        return self.branch([lambda: self.block(node.body), lambda: self.block(node.orelse)])

    def on_for(self, node: ast.For | ast.AsyncFor) -> Ending:
        items, complete = self.rounds(self.eval(node.iter))

        def once(item: Value) -> Ending:
            self.assign(node.target, item)
            return self.block(node.body)

        ending = self.loop([lambda i=i: once(i) for i in items], complete=complete)  # type: ignore[misc]
        return ending or self.block(node.orelse)

    def on_while(self, node: ast.While) -> Ending:
        if facts.truth(self.eval(node.test)) is False:
            return self.block(node.orelse)

        def once() -> Ending:
            ending = self.block(node.body)
            if not ending:
                self.eval(node.test)
            return ending

        return self.loop([once, once], complete=False) or self.block(node.orelse)

    def loop(self, rounds: Many[Callable[[], Ending]], *, complete: bool) -> Ending:
        """Go round a loop; what grew in it may grow more where not every round is gone."""
        before = self.arms
        self.journals.append([])
        ending: Ending = None
        try:
            for once in rounds:
                ending = once()
                if ending in {"return", "raise", "break"}:
                    break
        finally:
            journal = self.journals.pop()
            if self.journals:
                self.journals[-1].extend(journal)
        if not complete:
            for where, key, _ in journal:
                if key == "items":
                    self.write(where, "exact", value=False)
        if ending in {"return", "raise"}:
            return ending
        self.arms = before
        return None

    def on_with(self, node: ast.With | ast.AsyncWith) -> Ending:
        for item in node.items:
            held = self.eval(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, held)
        return self.block(node.body)

    def on_try(self, node: ast.Try | ast.TryStar) -> Ending:
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

    def on_match(self, node: ast.Match) -> Ending:
        self.eval(node.subject)

        def run(case: ast.match_case) -> Ending:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if name:
                    self.bind(name, Unknown(name))
            return self.block(case.body)

        runs: list[Callable[[], Ending]] = [lambda c=c: run(c) for c in node.cases]  # type: ignore[misc]
        return self.branch([*runs, lambda: None])

    def on_return(self, node: ast.Return) -> Ending:
        self.frames[-1].results.append(self.eval(node.value) if node.value else NONE)
        return "return"

    def on_raise(self, node: ast.Raise) -> Ending:
        if node.exc:
            self.eval(node.exc)
        return "raise"

    def on_break(self, _: ast.Break) -> Ending:
        return "break"

    def on_continue(self, _: ast.Continue) -> Ending:
        return "continue"

    def on_assert(self, node: ast.Assert) -> Ending:
        self.eval(node.test)
        return None

    def on_global(self, node: ast.Global) -> Ending:
        frame = self.frames[-1]
        for name in node.names:
            frame.scope.elsewhere[name] = frame.module.scope
        return None

    def on_nonlocal(self, node: ast.Nonlocal) -> Ending:
        own = self.frames[-1].scope
        for name in node.names:
            scope = own.parent
            while scope is not None and name not in scope.names:
                scope = scope.parent
            if scope is not None:
                own.elsewhere[name] = scope
        return None

    def on_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Ending:
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
        self.created.append(function)
        return function

    def on_class(self, node: ast.ClassDef) -> Ending:
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

    def on_import(self, node: ast.Import) -> Ending:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            if alias.asname:
                self.bind(alias.asname, self.imported(alias.name, 0))
            else:
                self.imported(alias.name, 0)
                self.bind(root, self.imported(root, 0))
        return None

    def on_import_from(self, node: ast.ImportFrom) -> Ending:
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

    # --- assignment ------------------------------------------------------------------------

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
        elif isinstance(owner, UserClass) or isinstance(owner, Module):
            self.write(owner.scope.names, name, value)
        elif isinstance(owner, Unknown):
            self.set_part(owner, name, value)

    def for_each(self, owner: Either, action: Callable[[Value], Any]) -> list[Any]:
        """Do something with each that a value may be, none of it for sure."""
        before, self.sure = self.sure, False
        found: list[Any] = []

        def run(each: Value) -> Ending:
            found.append(action(each))
            return None

        try:
            self.branch([lambda each=each: run(each) for each in owner.options])  # type: ignore[misc]
        finally:
            self.sure = before
        return found

    def set_item(self, owner: Value, key: Value, value: Value) -> None:
        """Do what ``owner[key] = value`` does."""
        if isinstance(owner, Mapping):
            entries = values.mapping([*owner.items, (key, value)])
            self.write(owner.state, "items", entries.items)
            if not isinstance(key, Const):
                self.write(owner.state, "exact", value=False)
        elif isinstance(owner, Sequence) and isinstance(key, Const):
            items = list(owner.items)
            if isinstance(key.value, int) and -len(items) <= key.value < len(items):
                items[key.value] = value
                self.write(owner.state, "items", tuple(items))
        elif isinstance(owner, Unknown) and isinstance(key, Const):
            self.set_part(owner, f"[{key.value!r}]", value)

    def extend(self, owner: Sequence, added: Value) -> None:
        """Do what ``owner += added`` does to a list."""
        if isinstance(added, Sequence) and len(owner.items) + len(added.items) < LONGEST:
            self.write(owner.state, "items", (*owner.items, *added.items))
            if not added.exact:
                self.write(owner.state, "exact", value=False)
        else:
            self.write(owner.state, "exact", value=False)

    # --- expressions -----------------------------------------------------------------------

    def eval(self, node: ast.expr) -> Value:
        """Return what an expression is, and tell of what it does."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Enough
        handler = EXPRESSIONS.get(type(node))
        if handler is not None:
            found: Value = handler(self, node)
            return found
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.eval(part)
        return Unknown()

    def of_constant(self, node: ast.Constant) -> Value:
        return Const(node.value)

    def of_name(self, node: ast.Name) -> Value:
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

    def of_attribute(self, node: ast.Attribute) -> Value:
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

    def of_call(self, node: ast.Call) -> Value:
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
        if yields(function.node):
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

    def of_list(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
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

    def of_dict(self, node: ast.Dict) -> Value:
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

    def of_lambda(self, node: ast.Lambda) -> Value:
        return self.make_function(node)

    def of_conditional(self, node: ast.IfExp) -> Value:
        decided = facts.truth(self.eval(node.test))
        if decided is not None:
            return self.eval(node.body if decided else node.orelse)
        found: list[Value] = []

        def run(part: ast.expr) -> Ending:
            found.append(self.eval(part))
            return None

        self.branch([lambda: run(node.body), lambda: run(node.orelse)])
        return either(found)

    def of_boolean(self, node: ast.BoolOp) -> Value:
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

    def of_unary(self, node: ast.UnaryOp) -> Value:
        value = self.eval(node.operand)
        if isinstance(node.op, ast.Not):
            decided = facts.truth(value)
            return Unknown() if decided is None else Const(not decided)
        if isinstance(value, Const) and isinstance(value.value, int | float):
            return Const(-value.value if isinstance(node.op, ast.USub) else value.value)
        return value if isinstance(value, Tensor | Foreign) else Unknown()

    def of_binary(self, node: ast.BinOp) -> Value:
        return self.operate(node.op, self.eval(node.left), self.eval(node.right))

    def operate(self, op: ast.operator, left: Value, right: Value) -> Value:
        """Return what an operator makes of two values."""
        return calls.operate(op, left, right)

    def of_compare(self, node: ast.Compare) -> Value:
        left = self.eval(node.left)
        found: bool | None = True
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.eval(part)
            each = calls.compare(op, left, right)
            found = False if each is False or found is False else (found and each)
            left = right
        return Unknown() if found is None else Const(found)

    def of_joined(self, node: ast.JoinedStr) -> Value:
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

    def of_subscript(self, node: ast.Subscript) -> Value:
        owner = self.eval(node.value)
        if isinstance(node.slice, ast.Slice):
            bounds = [
                None if part is None else self.eval(part)
                for part in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return sliced(owner, bounds)
        return self.item(owner, self.eval(node.slice))

    def item(self, owner: Value, key: Value) -> Value:
        """Return what ``owner[key]`` is."""
        if isinstance(owner, Sequence):
            if isinstance(key, Const) and isinstance(key.value, int):
                known = -len(owner.items) <= key.value < len(owner.items)
                if known and (owner.exact or key.value >= 0):
                    return owner.items[key.value]
            if "element" in owner.state:
                return self.fresh(owner.state["element"])
            return either(owner.items) if owner.items and owner.exact else Unknown()
        if isinstance(owner, Mapping):
            if isinstance(key, Const):
                for known, value in owner.items:
                    if known == key:
                        return value
                return Unknown()
            return either([v for _, v in owner.items]) if owner.exact else Unknown()
        if isinstance(owner, Tensor):
            return Tensor(None, (owner,), masked=None)
        if isinstance(owner, Foreign):
            return owner
        if isinstance(owner, Either):
            return either([self.item(each, key) for each in owner.options])
        if isinstance(owner, Unknown) and isinstance(key, Const):
            return self.part(owner, f"[{key.value!r}]")
        return Unknown()

    def rounds(self, several: Value) -> tuple[list[Value], bool]:
        """Return what a loop's target is in each round that is gone, and whether these are all."""
        if isinstance(several, Either):
            several = next((o for o in several.options if isinstance(o, Sequence)), several)
        if isinstance(several, Sequence | Mapping):
            items = [i[0] if isinstance(i, tuple) else i for i in several.items]
            element = several.state.get("element")
            if isinstance(element, Value):
                items = [*items, element]
            if items or several.exact:
                most = UNROLLED if all(isinstance(i, Const) for i in items) else MOST_ITEMS
                return items[:most], several.exact and len(items) <= most
        if isinstance(several, Foreign | Tensor):
            return [several, several], False
        return [self.part(several, "each"), self.part(several, "each again")], False

    def fresh(self, element: Value) -> Value:
        """Return one of several alike that are not known one by one."""
        if isinstance(element, Object):
            return Object(element.cls, open=True, told=True, state=dict(element.state))
        return element

    def of_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> Value:
        kind = {ast.SetComp: "set"}.get(type(node), "list")
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

    def of_named(self, node: ast.NamedExpr) -> Value:
        value = self.eval(node.value)
        self.assign(node.target, value)
        return value

    def of_await(self, node: ast.Await | ast.YieldFrom) -> Value:
        return self.eval(node.value)

    def of_starred(self, node: ast.Starred) -> Value:
        return self.eval(node.value)


def restore(where: dict[str, Any], key: str, old: Any) -> None:
    """Put something back to what it was."""
    if old is MISSING:
        where.pop(key, None)
    else:
        where[key] = old


def merged(where: dict[str, Any], first: Any, second: Any) -> Any:
    """Return what is left of something that is one thing or another."""
    if first is second:
        return first
    if MISSING in (first, second):
        present = second if first is MISSING else first
        if isinstance(where, Names) or not isinstance(present, Value):
            return present
        return join(present, Unknown())
    if isinstance(first, Value) and isinstance(second, Value):
        return join(first, second)
    if isinstance(first, tuple) and isinstance(second, tuple):
        longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
        return (*longer, *(x for x in shorter if not any(x == y for y in longer)))
    return first if first == second else False


def either(found: Iterable[Value]) -> Value:
    """Return what is one of several values."""
    result: Value | None = None
    for each in found:
        result = each if result is None else join(result, each)
    return result if result is not None else Unknown()


def is_list(value: Value) -> bool:
    """Whether a value is a list, which can grow."""
    return isinstance(value, Sequence) and value.kind == "list"


def sliced(owner: Value, bounds: Many[Value | None]) -> Value:
    """Return what a slice of a value is."""
    if isinstance(owner, Foreign | Tensor):
        return owner
    if isinstance(owner, Sequence):
        known = [b.value if isinstance(b, Const) else b for b in bounds]
        if owner.exact and all(b is None or type(b) is int for b in known):
            step = slice(*known)
            if step.step != 0:
                return values.sequence(owner.items[step], owner.kind)
        rest = values.sequence((), owner.kind, exact=False)
        if "element" in owner.state:
            rest.state["element"] = owner.state["element"]
        return rest
    if isinstance(owner, Const) and isinstance(owner.value, str):
        return Foreign("builtins.str?")
    return Unknown()


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


def foreign_root(path: str) -> bool:
    """Whether a dotted name is of a package whose objects are never Keras' own."""
    root = path.partition(".")[0]
    return root in facts.FOREIGN or root == "builtins"


_YIELDS: dict[ast.AST, bool] = {}


def yields(node: ast.AST) -> bool:
    """Whether a function is a generator."""
    if node not in _YIELDS:
        pending = list(ast.iter_child_nodes(node))
        found = False
        while pending and not found:
            each = pending.pop()
            if isinstance(each, ast.Yield | ast.YieldFrom):
                found = True
            elif not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                pending.extend(ast.iter_child_nodes(each))
        _YIELDS[node] = found
    return _YIELDS[node]


BUILTINS = frozenset(
    dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__
)
STATEMENTS: dict[type[ast.AST], Callable[[Interpreter, Any], Ending]] = {
    ast.Expr: Interpreter.on_expr,
    ast.Assign: Interpreter.on_assign,
    ast.AnnAssign: Interpreter.on_annotated,
    ast.AugAssign: Interpreter.on_augmented,
    ast.If: Interpreter.on_if,
    ast.For: Interpreter.on_for,
    ast.AsyncFor: Interpreter.on_for,
    ast.While: Interpreter.on_while,
    ast.With: Interpreter.on_with,
    ast.AsyncWith: Interpreter.on_with,
    ast.Try: Interpreter.on_try,
    ast.TryStar: Interpreter.on_try,
    ast.Match: Interpreter.on_match,
    ast.Return: Interpreter.on_return,
    ast.Raise: Interpreter.on_raise,
    ast.Break: Interpreter.on_break,
    ast.Continue: Interpreter.on_continue,
    ast.Assert: Interpreter.on_assert,
    ast.Global: Interpreter.on_global,
    ast.Nonlocal: Interpreter.on_nonlocal,
    ast.FunctionDef: Interpreter.on_function,
    ast.AsyncFunctionDef: Interpreter.on_function,
    ast.ClassDef: Interpreter.on_class,
    ast.Import: Interpreter.on_import,
    ast.ImportFrom: Interpreter.on_import_from,
}
EXPRESSIONS: dict[type[ast.AST], Callable[[Interpreter, Any], Value]] = {
    ast.Constant: Interpreter.of_constant,
    ast.Name: Interpreter.of_name,
    ast.Attribute: Interpreter.of_attribute,
    ast.Call: Interpreter.of_call,
    ast.List: Interpreter.of_list,
    ast.Tuple: Interpreter.of_list,
    ast.Set: Interpreter.of_list,
    ast.Dict: Interpreter.of_dict,
    ast.Lambda: Interpreter.of_lambda,
    ast.IfExp: Interpreter.of_conditional,
    ast.BoolOp: Interpreter.of_boolean,
    ast.UnaryOp: Interpreter.of_unary,
    ast.BinOp: Interpreter.of_binary,
    ast.Compare: Interpreter.of_compare,
    ast.JoinedStr: Interpreter.of_joined,
    ast.Subscript: Interpreter.of_subscript,
    ast.ListComp: Interpreter.of_comprehension,
    ast.SetComp: Interpreter.of_comprehension,
    ast.GeneratorExp: Interpreter.of_comprehension,
    ast.DictComp: Interpreter.of_comprehension,
    ast.NamedExpr: Interpreter.of_named,
    ast.Await: Interpreter.of_await,
    ast.YieldFrom: Interpreter.of_await,
    ast.Starred: Interpreter.of_starred,
}
