"""What a program has made so far, and how branches and loops change it.

All that can change lies in plain dicts (names of a scope, the state of an object), and every change
goes through ``World.write``: so a branch can be taken back, and two ways be joined.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Many
from contextlib import contextmanager
from typing import Any

from krepro.scan import values
from krepro.scan.events import (
    MISSING,
    Arms,
    Ending,
    Event,
    Frame,
    Names,
    Place,
)
from krepro.scan.values import (
    Const,
    Either,
    Foreign,
    Function,
    Mapping,
    Module,
    Object,
    Scope,
    Sequence,
    Tensor,
    Unknown,
    UserClass,
    Value,
    join,
)

# Rounds of a loop that are gone: over numbers and strings, and over anything else.
UNROLLED, MOST_ITEMS = 6, 64
LONGEST = 2_000
Importer = Callable[[str, int, Module], Module | None]


class World:
    """What is so at one step of a program.

    Args:
        find: returns a module of the user's own by name, level and importing module.
        listen: is told of every step.
        wants: whether it is to be told of steps of a kind and a name.
    """

    def __init__(
        self,
        find: Importer,
        listen: Callable[[Event], None],
        wants: Callable[[str, str], bool] = lambda _kind, _name: True,
    ) -> None:
        """Start with nothing known."""
        self.find = find
        self.wants = wants
        self.listen = listen
        self.frames: list[Frame] = []
        self.arms: Arms = ()
        self.journals: list[list[tuple[dict[str, Any], str, Any]]] = []
        self.created: dict[Module, list[Function]] = defaultdict(list)
        self.classes: dict[Module, list[UserClass]] = defaultdict(list)
        self.called: set[ast.AST] = set()
        self.instances: dict[ast.AST, Object] = {}
        # Files that cost too much to be walked through to their end.
        self.cut: set[str] = set()
        self.roots: dict[ast.AST, int] = {}
        self.steps = self.most_steps = 0
        self.sure = True
        self.hooks: tuple[str, ...] = ()
        # What holds all modules of which nothing is known.
        self.outside = Unknown("elsewhere")
        self._count = 0
        self._parts: dict[tuple[int, str], tuple[Value, dict[str, Any]]] = {}

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
        if not self.wants(kind, name):
            return
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

    def place(self, node: ast.AST, module: Module | None = None) -> Place:
        """Return where a node is; of a function or a class, where its name is."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end_line = getattr(node, "end_lineno", None) or line
        end_column = getattr(node, "end_col_offset", None) or column
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            end_line, end_column = line, column + len(f"def {node.name}")
        path = (module or self.frames[-1].module).path
        return Place(path, line, column + 1, end_line, end_column + 1)

    @contextmanager
    def hooked(self, name: str) -> Iterator[None]:
        """Do something as a method of that name does."""
        before = self.hooks
        self.hooks = (*before, name)
        try:
            yield
        finally:
            self.hooks = before

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
            if found is MISSING:
                continue
            if key == "items" and any(
                (final[identity][2] if identity in final else where.get(key)) != found
                for final in finals
            ):
                self.write(where, "exact", value=False)
            self.write(where, key, found)

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

    def extend(self, owner: Sequence, added: Value) -> None:
        """Do what ``owner += added`` does to a list."""
        if isinstance(added, Sequence) and len(owner.items) + len(added.items) < LONGEST:
            self.write(owner.state, "items", (*owner.items, *added.items))
            if not added.exact:
                self.write(owner.state, "exact", value=False)
        else:
            self.write(owner.state, "exact", value=False)

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

    def item(self, owner: Value, key: Value) -> Value:
        """Return what ``owner[key]`` is."""
        if isinstance(owner, Sequence):
            return self.item_of_list(owner, key)
        if isinstance(owner, Mapping):
            return item_of_dict(owner, key)
        if isinstance(owner, Tensor):
            return Tensor(None, (owner,), masked=None)
        if isinstance(owner, Either):
            return either([self.item(each, key) for each in owner.options])
        if isinstance(owner, Unknown) and isinstance(key, Const):
            return self.part(owner, f"[{key.value!r}]")
        return owner if isinstance(owner, Foreign) else Unknown()

    def item_of_list(self, owner: Sequence, key: Value) -> Value:
        """Return what ``owner[key]`` is of a list."""
        if isinstance(key, Const) and isinstance(key.value, int):
            inside = -len(owner.items) <= key.value < len(owner.items)
            if inside and (owner.exact or key.value >= 0):
                return owner.items[key.value]
        if "element" in owner.state:
            return self.fresh(owner.state["element"])
        known = owner.items and owner.exact and not isinstance(key, Const)
        return either(owner.items) if known else Unknown()

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


def item_of_dict(owner: Mapping, key: Value) -> Value:
    """Return what ``owner[key]`` is of a dict."""
    if isinstance(key, Const):
        return next((value for known, value in owner.items if known == key), Unknown())
    return either([value for _, value in owner.items]) if owner.exact else Unknown()
