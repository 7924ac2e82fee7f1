"""What one release changed since another, cut where code stays whole, to be put together anew.

Everything but ``load_tree`` is pure: trees are mappings of relative posix paths to texts.

Imports follow the code. Of the import statements at module level that only one side has:

- a name that only NEW imports is imported where the composed module uses it and binds it in
  no other way; one that only OLD imports stays on the same terms;
- a name that both import, from different places, belongs to the one change that uses it, or
  is a change of its own where several do or code that did not change does;
- a name that its module does not use, or that code which did not change uses, is content: a
  change of its own. So it is with everything that a re-exporting ``__init__.py`` imports.

All changes of a file give NEW and none gives OLD, byte for byte, whatever these rules say.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from difflib import unified_diff as diff_lines
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import groupby, pairwise
from pathlib import Path

Tree = Mapping[str, str]
Span = tuple[int, int]
# What a leaf belongs to until changes are numbered.
_Key = tuple[str, ...]

MODULE = "<module>"
# Never part of a release's behaviour.
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|[^/]*\.dist-info|\.[^/]*)(/|$)|_test\.py$|\.py[co]$"
)
# What tells the releases apart stays what it is.
VERSION_FILE = re.compile(r"(^|/)keras/(src/)?version\.py$")
# How much of a new file's code must come from a removed one to call it renamed.
SAME_FILE = 0.7
# Where a line ends for Python: str.splitlines() also cuts at form feeds and the like.
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
NOT_CODE = re.compile(r"\s*(#.*)?\s*\Z")
# A clause that cannot stand without the statement before it.
CLAUSE = re.compile(r"(else|elif|except|finally|case)\b|[)\]}]")
# Strings, comments and dotted names of a piece of code, whether it parses or not.
TOKEN = re.compile(
    r"""(?sx)
      (?P<prefix>(?<!\w)[A-Za-z]{0,2})(?P<string>
        \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
        | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | \#[^\r\n]*
    | (?P<dot>\.\s*)? (?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    """
)


class Kind(StrEnum):
    """What a change does."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    FILE_ADDED = "file added"
    FILE_REMOVED = "file removed"
    RENAMED = "renamed"


@dataclass(frozen=True, order=True)
class Change:
    """One difference between two trees that can be applied without the others.

    ``hunk`` is 0 for a whole change; ``refine`` cuts it into hunks, which count from 1.
    ``old_path`` differs from ``path`` where the file was renamed. An ``inert`` change leaves
    the code as it was but for docstrings, comments, layout, or the order of functions.
    ``functions`` are the qualified names whose running reaches the change; where
    ``on_import`` is true, so does importing the module.
    """

    path: str
    position: int
    hunk: int
    kind: Kind
    names: tuple[str, ...]
    old_path: str
    old_lines: tuple[Span, ...]
    new_lines: tuple[Span, ...]
    old_text: str
    new_text: str
    inert: bool
    on_import: bool
    functions: tuple[str, ...]

    def __str__(self) -> str:
        """Return ``keras/src/trainers/trainer.py: Trainer.compile``."""
        if self.kind is Kind.RENAMED:
            return f"{self.old_path}: renamed to {self.path}"
        if self.kind in (Kind.FILE_ADDED, Kind.FILE_REMOVED):
            return f"{self.path}: {self.kind}"
        more = f" and {len(self.names) - 3} more" if len(self.names) > 3 else ""
        return f"{self.path}: {', '.join(self.names[:3])}{more}"


@dataclass(frozen=True)
class Run:
    """What ran in one release: qualified names of functions by path, and imported paths."""

    functions: Mapping[str, Collection[str]]
    imported: Collection[str]


def load_tree(folder: Path) -> dict[str, str]:
    """Read the text files below a folder, line ends as they are, without tests and caches."""
    tree = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if LEFT_OUT.search(name) or not path.is_file():
            continue
        try:
            tree[name] = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
    return tree


def parses(text: str) -> bool:
    """Whether a text is a Python module, without running it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text.removeprefix("\ufeff"), "<text>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def cut(old: Tree, new: Tree) -> list[Change]:
    """Return the changes that make NEW of OLD, in order of path and place."""
    names = {
        name
        for name in {*old, *new}
        if old.get(name) != new.get(name)
        and not LEFT_OUT.search(name)
        and not (name in old and VERSION_FILE.search(name))
    }
    removed = {name: old[name] for name in names if name not in new}
    added = {name: new[name] for name in names if name not in old}
    renamed = _renames(removed, added)
    gone = set(renamed.values())
    return sorted(
        change
        for name in names - gone
        for change in _plan(
            name, renamed.get(name, name), old.get(renamed.get(name, name)), new.get(name)
        ).changes
    )


def compose(old: Tree, new: Tree, changes: Collection[Change]) -> dict[str, str | None]:
    """Return the files of OLD that differ once exactly these changes are applied.

    None stands for a file that is removed. Changes and hunks of them may be mixed.
    """
    chosen: dict[tuple[str, str], dict[int, set[int]]] = defaultdict(dict)
    for change in changes:
        positions = chosen[change.path, change.old_path]
        positions.setdefault(change.position, set()).add(change.hunk)
    composed: dict[str, str | None] = {}
    for (path, old_path), positions in chosen.items():
        before, after = old.get(old_path), new.get(path)
        plan = _plan(path, old_path, before, after)
        text: str | None = plan.compose(positions)
        if old_path != path:
            moved = plan.is_whole(0, positions[0]) or 1 in positions[0]
            if moved:
                composed[old_path] = None
            composed[path if moved else old_path] = text
            continue
        if after is None and plan.is_whole(0, positions[0]):
            text = None
        composed[path] = text
    return {p: text for p, text in composed.items() if text != old.get(p)}


def refine(change: Change, old: Tree, new: Tree) -> list[Change]:
    """Return the hunks of a change, cut between statements where both sides parse.

    A hunk is applied like a change; all hunks of a change are the change. What cannot be
    divided comes back as it is.
    """
    if change.hunk:
        return [change]
    before, after = old.get(change.old_path), new.get(change.path)
    plan = _plan(change.path, change.old_path, before, after)
    return plan.hunks(change.position)


def reachable(changes: Iterable[Change], *, old: Run, new: Run) -> list[Change]:
    """Return the changes that a run can reach, by what ran in either release.

    A function is reached where it ran, and what is inside it with it. What takes effect on
    import is reached where its module was imported: statements, headers of classes,
    decorators and signatures, definitions that are new or gone at module level, new and
    removed and renamed files. Files that are not Python are always kept: nobody sees them
    read. A method that is new or gone without having run is taken for unreachable.
    """
    outer: dict[tuple[bool, str], set[str]] = {}

    def ran(run: Run, path: str) -> set[str]:
        key = (run is new, path)
        if key not in outer:
            names = run.functions.get(path, ())
            outer[key] = {name.partition(".<locals>")[0] for name in names}
        return outer[key]

    def is_reached(change: Change) -> bool:
        if not change.path.endswith(".py"):
            return True
        sides = [(old, change.old_path), (new, change.path)]
        if change.on_import and any(path in run.imported for run, path in sides):
            return True
        return any(not ran(run, path).isdisjoint(change.functions) for run, path in sides)

    return [change for change in changes if is_reached(change)]


def functions_of(changes: Iterable[Change]) -> list[str]:
    """Return what changes touch, in short names for people, each once."""
    return list(dict.fromkeys(map(str, sorted(changes))))


def unified_diff(old: Tree, composed: Mapping[str, str | None]) -> str:
    """Return the difference that ``compose`` returned as a patch that git applies to OLD."""
    parts = []
    for path in sorted(composed):
        before, after = old.get(path), composed[path]
        if before == after:
            continue
        a, b = f"a/{path}", f"b/{path}"
        parts.append(f"diff --git {a} {b}\n")
        if before is None:
            parts.append("new file mode 100644\n")
        if after is None:
            parts.append("deleted file mode 100644\n")
        lines = diff_lines(
            _newline_cut(before or ""),
            _newline_cut(after or ""),
            "/dev/null" if before is None else a,
            "/dev/null" if after is None else b,
        )
        for line in lines:
            whole = line.endswith("\n")
            parts.append(line if whole else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def _newline_cut(text: str) -> list[str]:
    """Return lines as git sees them: they end at a line feed only."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def _lines(text: str) -> list[str]:
    """Return lines as Python counts them, with their ends."""
    return LINE.findall(text)


def _tree_of(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _renames(removed: Tree, added: Tree) -> dict[str, str]:
    """Return the removed path that each renamed file had, by its new path."""
    weights = {path: _code_lines(text) for path, text in {**removed, **added}.items()}
    holders: dict[str, list[str]] = defaultdict(list)
    for path in removed:
        for line in weights[path]:
            holders[line].append(path)
    scores = []
    for path in added:
        total = weights[path].total()
        # A line that many files have tells nothing, unless a file has no other.
        rare = [line for line in weights[path] if len(holders.get(line, ())) <= 20]
        for other in {holder for line in rare for holder in holders.get(line, ())}:
            if Path(path).suffix != Path(other).suffix:
                continue
            common = (weights[path] & weights[other]).total()
            score = 2 * common / (total + weights[other].total())
            if score >= SAME_FILE:
                same_name = Path(path).name == Path(other).name
                scores.append((-score, not same_name, path, other))
    found: dict[str, str] = {}
    taken: set[str] = set()
    for _, _, path, other in sorted(scores):
        if path not in found and other not in taken:
            found[path] = other
            taken.add(other)
    return found


def _code_lines(text: str) -> Counter[str]:
    return Counter(line.strip() for line in _lines(text) if not NOT_CODE.match(line))


@lru_cache(maxsize=65536)
def _uses(text: str) -> frozenset[str]:
    """Return the names that a piece of code uses; of ``a.b.c`` also ``a`` and ``a.b``."""
    names: set[str] = set()
    for match in TOKEN.finditer(text):
        if match["name"] and not match["dot"]:
            parts = match["name"].split(".")
            names.update(".".join(parts[:n]) for n in range(1, len(parts) + 1))
        elif match["string"] and "f" in match["prefix"].lower():
            names |= _uses(match["string"].strip("\"'"))
    return frozenset(names)


@dataclass(frozen=True)
class _Alias:
    """One name that an import statement binds, and the statement without the others."""

    name: str
    target: str
    head: str
    text: str


@dataclass(eq=False)
class _Unit:
    """Statements that share lines, with the comments and blank lines above them.

    ``filler`` is what a class's header needs below it where no member is left.
    """

    kind: str
    key: _Key
    name: str
    nodes: list[ast.stmt]
    lines: list[str]
    start: int
    end: int
    filler: str = ""

    @property
    def text(self) -> str:
        return "".join(self.lines[self.start : self.end])

    @cached_property
    def binds(self) -> frozenset[str]:
        """The names that this binds in its scope."""
        return frozenset().union(*map(_bound, self.nodes))

    @property
    def aliases(self) -> list[_Alias]:
        """The names that import statements bind."""
        found = []
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                head = f"from {source} import "
                targets = [f"{source}:{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                head = "import "
                targets = [alias.name for alias in node.names]
            else:
                continue
            found += [
                _Alias(alias.asname or alias.name, target, head, ast.unparse(alias))
                for alias, target in zip(node.names, targets, strict=True)
            ]
        return found

    def only(self, wanted: Collection[_Alias]) -> str:
        """Return the import statements with the wanted names only."""
        every = self.aliases
        kept = [alias for alias in every if alias in wanted]
        if not kept or len(kept) == len(every):
            return self.text if kept else ""
        lead = "".join(self.lines[self.start : _first(self.nodes[0])])
        end = "\r\n" if self.lines[self.end - 1].endswith("\r\n") else "\n"
        return lead + "".join(
            f"{head}{', '.join(alias.text for alias in group)}{end}"
            for head, group in groupby(kept, lambda alias: alias.head)
        )


@dataclass(eq=False)
class _Leaf:
    """A stretch of OLD, of NEW, or both, that a change replaces as one.

    A definition that moved stands in the plan twice, with the same ``id``, at its old place
    and its new one: ``when`` says for which choices of the moves it is there.
    """

    id: int
    scope: str
    old: _Unit | None
    new: _Unit | None
    owner: _Key | None
    when: tuple[tuple[_Key, bool], ...] = ()
    old_text: str = ""
    new_text: str = ""
    is_import: bool = False

    def __post_init__(self) -> None:
        self.old_text = self.old.text if self.old else ""
        self.new_text = self.new.text if self.new else ""
        units = [unit for unit in (self.old, self.new) if unit]
        self.is_import = len(units) == 1 and units[0].kind == "import"

    @property
    def differs(self) -> bool:
        return self.old_text != self.new_text

    def used(self) -> frozenset[str]:
        return _uses(self.old_text) | _uses(self.new_text)

    def settle(self) -> None:
        """Forget syntax trees, which are large, once all is known that they tell."""
        for unit in (self.old, self.new):
            if unit and unit.kind != "import":
                unit.binds  # noqa: B018
                unit.nodes = []


def _first(node: ast.stmt) -> int:
    """Return the index of a statement's first line, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)]) - 1


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _bound(node: ast.AST) -> set[str]:
    """Return the names that a statement binds in the scope that it stands in."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Lambda):
        return set()
    names = set()
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        names.add(node.id)
    if isinstance(node, ast.alias):
        names.add((node.asname or node.name).partition(".")[0])
    return names.union(*map(_bound, ast.iter_child_nodes(node)))


def _is_text(node: object) -> bool:
    """Whether a statement is a bare string: a docstring or a comment by other means."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _same(one: object, other: object) -> bool:
    """Whether two pieces of syntax do the same: bare strings and ``pass`` do nothing."""
    if type(one) is not type(other):
        return False
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        return all(
            _same(getattr(one, name, None), getattr(other, name, None))
            for name in one._fields
            if name != "kind"
        )
    if isinstance(one, list) and isinstance(other, list):
        lists = [
            [node for node in nodes if not (_is_text(node) or isinstance(node, ast.Pass))]
            for nodes in (one, other)
        ]
        return len(lists[0]) == len(lists[1]) and all(map(_same, *lists))
    return one == other


def _head(node: ast.stmt) -> list[object]:
    """Return what a definition itself does: decorators, and signature or bases."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [type(node), node.decorator_list, node.args, node.returns]
        case ast.ClassDef():
            return [node.decorator_list, node.bases, node.keywords]
    return []


def _kind_and_key(node: ast.stmt, *, in_module: bool) -> tuple[str, _Key]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            # The setter of a property has its getter's name.
            roles = [
                d.attr
                for d in node.decorator_list
                if isinstance(d, ast.Attribute)
                and isinstance(d.value, ast.Name)
                and d.value.id == node.name
            ]
            return "def", ("def", node.name, *roles)
        case ast.ClassDef():
            return "class", ("class", node.name)
        case (
            ast.Assign(targets=[ast.Name(id=name)])
            | ast.AnnAssign(target=ast.Name(id=name))
        ):
            return "stmt", ("assign", name)
        case ast.Import() if in_module:
            return "import", ("import", *map(ast.unparse, node.names))
        case ast.ImportFrom(names=[first, *_]) if in_module and first.name != "*":
            source = "." * node.level + (node.module or "")
            return "import", ("from", source, *map(ast.unparse, node.names))
    return "stmt", ("stmt", ast.dump(node))


def _units(
    lines: list[str], body: Sequence[ast.stmt], start: int, scope: str
) -> list[_Unit]:
    """Return the statements of a module or class as units that follow each other."""
    units: list[_Unit] = []
    for node in body:
        if units and _first(node) < units[-1].end:
            last = units[-1]
            last.nodes.append(node)
            last.end = max(last.end, _end(node))
            if last.kind != "import" or not isinstance(node, ast.Import | ast.ImportFrom):
                last.kind = "stmt"
            last.key = (last.kind, *(ast.dump(node) for node in last.nodes))
            continue
        kind, key = _kind_and_key(node, in_module=not scope)
        name = scope or MODULE
        if kind in ("def", "class") or key[0] == "assign":
            name = f"{scope}.{key[1]}" if scope else key[1]
        begin = units[-1].end if units else start
        units.append(_Unit(kind, key, name, [node], lines, begin, _end(node)))
    return units


def _module_units(text: str) -> list[_Unit] | None:
    """Return the units of a module and what follows them, or None where it does not parse."""
    tree = _tree_of(text)
    if tree is None:
        return None
    lines = _lines(text)
    units = _units(lines, tree.body, 0, "")
    end = units[-1].end if units else 0
    if end < len(lines):
        units.append(_Unit("stmt", ("end",), MODULE, [], lines, end, len(lines)))
    return units


def _members(unit: _Unit) -> tuple[_Unit, list[_Unit]] | None:
    """Return a class's header and members, or None where it cannot be cut between them."""
    node = unit.nodes[0]
    if not isinstance(node, ast.ClassDef):
        return None
    lines = unit.lines
    first, *others = node.body
    if lines[first.lineno - 1].encode()[: first.col_offset].strip() not in (b"", b"@"):
        return None
    body = others if _is_text(first) else node.body
    end = _first(body[0]) if body else unit.end
    if _is_text(first):
        if body and end < _end(first):
            return None
        end = _end(first)
    else:
        while NOT_CODE.match(lines[end - 1]):
            end -= 1
    line = lines[node.lineno - 1].removeprefix("\ufeff")
    filler = "" if _is_text(first) else f"{line[: node.col_offset]}    pass\n"
    head = _Unit("header", unit.key, unit.name, [node], lines, unit.start, end, filler)
    return head, _units(lines, body, end, unit.name)


def _tokens(units: Sequence[_Unit]) -> list[tuple[_Key, int]]:
    """Return the keys of units, each with how often it was there before."""
    seen: Counter[_Key] = Counter()
    tokens = []
    for unit in units:
        tokens.append((unit.key, seen[unit.key]))
        seen[unit.key] += 1
    return tokens


class _Cutter:
    """Cuts one module: pairs what both sides have and says which change the rest is."""

    def __init__(self) -> None:
        self.inert: dict[_Key, bool] = {}
        self.moved: dict[_Key, list[tuple[_Unit, _Unit]]] = {}
        self._ids = 0
        self._run = 0

    def scope(self, olds: list[_Unit], news: list[_Unit], scope: str) -> list[_Leaf]:
        """Return the leaves of a module's or class's units, in an order that suits both."""
        a, b = _tokens(olds), _tokens(news)
        blocks = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
        gaps = [block for block in blocks if block[0] != "equal"]
        lost = {a[i]: olds[i] for _, i1, i2, _, _ in gaps for i in range(i1, i2)}
        gained = {b[j]: news[j] for _, _, _, j1, j2 in gaps for j in range(j1, j2)}
        move = ("move", scope)
        moved = {}
        for token, unit in lost.items():
            if token in gained and unit.kind != "import":
                self._run += 1
                moved[token] = self._both(unit, gained[token], scope)
                self._run += 1
                self.moved.setdefault(move, []).append((unit, gained[token]))
        leaves = []
        for tag, i1, i2, j1, j2 in blocks:
            if tag == "equal":
                for unit, other in zip(olds[i1:i2], news[j1:j2], strict=True):
                    leaves += self._both(unit, other, scope)
                continue
            for side, tokens, units in ((False, a[i1:i2], olds), (True, b[j1:j2], news)):
                for index, token in enumerate(tokens, j1 if side else i1):
                    if token in moved:
                        leaves += [
                            replace(leaf, when=((move, side), *leaf.when))
                            for leaf in moved[token]
                        ]
                    else:
                        leaves.append(self._one(units[index], scope, is_new=side))
        return leaves

    def _leaf(
        self, scope: str, old: _Unit | None, new: _Unit | None, owner: _Key | None
    ) -> _Leaf:
        self._ids += 1
        return _Leaf(self._ids, scope, old, new, owner)

    def _one(self, unit: _Unit, scope: str, *, is_new: bool) -> _Leaf:
        owner: _Key | None = ("run", scope, str(self._run))
        if unit.kind == "import":
            owner = None
        elif unit.kind in ("def", "class"):
            owner = ("name", unit.name)
        if is_new:
            return self._leaf(scope, None, unit, owner)
        return self._leaf(scope, unit, None, owner)

    def _both(self, old: _Unit, new: _Unit, scope: str) -> list[_Leaf]:
        if old.text == new.text and old.kind != "class":
            self._run += old.kind != "import"
            return [self._leaf(scope, old, new, None)]
        if old.kind == "class":
            self._run += 1
            return self._classes(old, new, scope)
        if old.kind == "import":
            return [self._leaf(scope, old, new, None)]
        if old.kind == "def":
            self._run += 1
            pair = ("pair", str(self._ids))
            self.inert[pair] = _same(old.nodes, new.nodes)
            return [self._leaf(scope, old, new, pair)]
        inert = ("inert",) if _same(old.nodes, new.nodes) else ()
        return [self._leaf(scope, old, new, ("run", scope, str(self._run), *inert))]

    def _classes(self, old: _Unit, new: _Unit, scope: str) -> list[_Leaf]:
        if old.text == new.text:
            return [self._leaf(scope, old, new, None)]
        owner: _Key = ("pair", str(self._ids))
        before, after = _members(old), _members(new)
        if before is None or after is None:
            self.inert[owner] = _same(old.nodes, new.nodes)
            return [self._leaf(scope, old, new, owner)]
        (head, members), (new_head, new_members) = before, after
        self.inert[owner] = _same(_head(head.nodes[0]), _head(new_head.nodes[0]))
        return [
            self._leaf(
                scope, head, new_head, owner if head.text != new_head.text else None
            ),
            *self.scope(members, new_members, old.name),
        ]


@dataclass(frozen=True)
class _Import:
    """When a name of an import statement that only one side has is there.

    ``owner`` is the change that decides, or None where imports follow the code. ``always``
    is for a name that both sides import from the same place: OLD's statement stays.
    """

    alias: _Alias
    owner: _Key | None
    always: bool = False


def _sort_imports(leaves: Sequence[_Leaf]) -> dict[int, list[_Import]]:
    """Return who decides about each name of the import statements, by id of the leaf."""
    sides: list[set[tuple[str, str]]] = [set(), set()]
    for leaf in leaves:
        for side, unit in zip(sides, (leaf.old, leaf.new), strict=True):
            if unit and unit.kind == "import":
                side |= {(alias.name, alias.target) for alias in unit.aliases}
    code = [leaf for leaf in leaves if _is_code(leaf)]
    common = frozenset().union(*(leaf.used() for leaf in code if not leaf.differs))
    changed = [leaf for leaf in code if leaf.differs]
    found = {}
    for leaf in leaves:
        if not leaf.is_import:
            continue
        unit = leaf.new or leaf.old
        assert unit
        there = sides[0 if leaf.new else 1]
        found[leaf.id] = [
            _sort_import(leaf, alias, there, common, changed) for alias in unit.aliases
        ]
    return found


def _is_code(leaf: _Leaf) -> bool:
    return all(unit.kind != "import" for unit in (leaf.old, leaf.new) if unit)


def _sort_import(
    leaf: _Leaf,
    alias: _Alias,
    there: Collection[tuple[str, str]],
    common: frozenset[str],
    changed: Sequence[_Leaf],
) -> _Import:
    """Return who decides about one name, given what the other side imports."""
    name = alias.name
    if (name, alias.target) in there:
        return _Import(alias, None, always=True)
    own = ("import", name)
    users = {user.owner for user in changed if name in user.used()}
    if any(name == other for other, _ in there):
        alone = len(users) == 1 and name not in common
        return _Import(alias, users.pop() if alone else own)
    texts = [user.new_text if leaf.new else user.old_text for user in changed]
    is_used = name in common or any(name in _uses(text) for text in texts)
    units = [user.old if leaf.new else user.new for user in changed]
    is_bound = any(
        name in unit.binds
        for user, unit in zip(changed, units, strict=True)
        if unit and not user.scope
    )
    follows = is_used and (name not in common or is_bound)
    return _Import(alias, None if follows else own)


@dataclass(frozen=True)
class _Atom:
    """Lines that are not to be cut: a simple statement, a compound one's head, a comment."""

    text: str
    line: int
    height: int
    is_code: bool

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip(" \t\f"))

    @property
    def is_statement(self) -> bool:
        """Whether this is more than a comment; a docstring is, though it is no code."""
        return not NOT_CODE.match(self.text)


@dataclass(frozen=True)
class _Piece:
    """Lines of a leaf that a hunk replaces, or that both sides have where it is 0."""

    hunk: int
    old: tuple[_Atom, ...]
    new: tuple[_Atom, ...]


@lru_cache(maxsize=512)
def _atoms(text: str) -> tuple[_Atom, ...]:
    """Return the atoms of a file; they are its lines where it does not parse."""
    lines = _lines(text)
    tree = _tree_of(text)
    glued = [False] * len(lines)
    is_code = [tree is None or not NOT_CODE.match(line) for line in lines]
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        end = _end(node)
        if body:
            start = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
            end = start.lineno - 1 if isinstance(start, ast.pattern) else _first(start)
            end = max(end, node.lineno)
            while end > node.lineno and NOT_CODE.match(lines[end - 1]):
                end -= 1
        first = _first(node)
        glued[first + 1 : end] = [True] * (end - first - 1)
        if _is_text(node):
            is_code[first:end] = [False] * (end - first)
    starts = [index for index, flag in enumerate(glued) if not flag]
    return tuple(
        _Atom("".join(lines[i:j]), i, j - i, any(is_code[i:j]))
        for i, j in pairwise([*starts, len(lines)])
    )


def _blocks(atoms: Sequence[_Atom]) -> list[Sequence[_Atom]]:
    """Return atoms in a row, cut before each statement that is not inside another.

    One that is alone is cut below its head.
    """
    blocks = _cut_at_indent(atoms)
    if len(blocks) == 1:
        head = next((i for i, atom in enumerate(atoms, 1) if atom.is_statement), len(atoms))
        blocks = [atoms[:head], *_cut_at_indent(atoms[head:])]
    return blocks


def _cut_at_indent(atoms: Sequence[_Atom]) -> list[Sequence[_Atom]]:
    if not atoms:
        return []
    code = [atom for atom in atoms if atom.is_statement] or atoms
    indent = min(atom.indent for atom in code)
    cuts, lead = [], 0
    for index, atom in enumerate(atoms):
        if not atom.is_statement:
            continue
        if atom.indent == indent and not CLAUSE.match(atom.text.strip()):
            cuts.append(lead)
        lead = index + 1
    edges = [0, *(c for c in cuts if c), len(atoms)]
    return [atoms[i:j] for i, j in pairwise(edges)]


def _pieces(old: Sequence[_Atom], new: Sequence[_Atom], hunk: int) -> list[_Piece]:
    """Return a leaf's pieces, hunks numbered from the one after ``hunk``."""
    matcher = SequenceMatcher(
        None, [a.text for a in old], [b.text for b in new], autojunk=False
    )
    pieces = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        before, after = tuple(old[i1:i2]), tuple(new[j1:j2])
        if tag == "equal":
            pieces.append(_Piece(0, before, after))
            continue
        for blocks in _matched(before, after):
            hunk += 1
            pieces.append(_Piece(hunk, *blocks))
    return pieces


def _matched(
    before: tuple[_Atom, ...], after: tuple[_Atom, ...]
) -> list[tuple[tuple[_Atom, ...], tuple[_Atom, ...]]]:
    """Return what replaces what: statement by statement where they are as many."""
    if not after:
        return [(tuple(block), ()) for block in _blocks(before)]
    if not before:
        return [((), tuple(block)) for block in _blocks(after)]
    olds, news = _cut_at_indent(before), _cut_at_indent(after)
    if len(olds) != len(news):
        return [(before, after)]
    return [(tuple(old), tuple(new)) for old, new in zip(olds, news, strict=True)]


@dataclass
class _Division:
    """A change in hunks: the pieces of its leaves, and the hunk that is its imports."""

    pieces: dict[int, list[_Piece]] = field(default_factory=dict)
    imports: int = 0
    count: int = 0


class _Plan:
    """How the two texts of one file are cut, and how to compose them."""

    def __init__(self, path: str, old_path: str, old: str | None, new: str | None) -> None:
        """Cut a file; None stands for the text of a file that is not there."""
        self._path, self._old_path = path, old_path
        self._texts = old or "", new or ""
        self._imports: dict[int, list[_Import]] = {}
        cutter = _Cutter()
        olds = news = None
        if None not in (old, new) and path == old_path and path.endswith(".py"):
            olds, news = _module_units(self._texts[0]), _module_units(self._texts[1])
        if olds is None or news is None:
            units = [
                _Unit("file", ("file",), MODULE, [], lines, 0, len(lines))
                for lines in map(_lines, self._texts)
            ]
            self._leaves = [_Leaf(0, "", units[0], units[1], ("file",))]
        else:
            self._leaves = cutter.scope(olds, news, "")
            if any(leaf.is_import for leaf in self._leaves):
                self._imports = _sort_imports(self._leaves)
        owners = list(
            dict.fromkeys(key for leaf in self._leaves for key in self._keys(leaf))
        )
        inert = {key: self._is_inert(key, cutter) for key in owners}
        if not owners and self._texts[0] != self._texts[1]:
            owners = [("imports",)]
            inert = {owners[0]: True}
        # Where nothing in a file counts, one change is enough.
        as_one = bool(inert) and all(inert.values())
        self._positions = {key: 0 if as_one else n for n, key in enumerate(owners)}
        kind = Kind.CHANGED
        if old_path != path:
            kind = Kind.RENAMED
        elif old is None or new is None:
            kind = Kind.FILE_ADDED if old is None else Kind.FILE_REMOVED
        groups: dict[int, list[_Key]] = defaultdict(list)
        for key, position in self._positions.items():
            groups[position].append(key)
        self.changes = [
            self._change(position, keys, kind, cutter, inert=inert[keys[0]])
            for position, keys in groups.items()
        ]
        self._divisions: dict[int, _Division] = {}
        for leaf in self._leaves:
            leaf.settle()

    def _keys(self, leaf: _Leaf) -> Iterator[_Key]:
        """Return the owners that decide about a leaf."""
        if leaf.owner and (leaf.differs or leaf.owner == ("file",)):
            yield leaf.owner
        for key, _ in leaf.when:
            yield key
        for name in self._imports.get(leaf.id, ()):
            if name.owner:
                yield name.owner

    def _owned(self, *keys: _Key) -> list[_Leaf]:
        """Return the leaves of some owners, each once."""
        wanted = set(keys)
        found = {
            leaf.id: leaf
            for leaf in self._leaves
            if leaf.owner in wanted
            or any(name.owner in wanted for name in self._imports.get(leaf.id, ()))
        }
        return list(found.values())

    def _is_inert(self, key: _Key, cutter: _Cutter) -> bool:
        if key[0] == "run" and key[-1] != "inert":
            leaves = self._owned(key)
            olds = [node for leaf in leaves if leaf.old for node in leaf.old.nodes]
            news = [node for leaf in leaves if leaf.new for node in leaf.new.nodes]
            return _same(olds, news)
        if key[0] == "move":
            return all(
                len(old.key) == 2 and old.kind == "def" for old, _ in cutter.moved[key]
            )
        return key[-1] == "inert" or cutter.inert.get(key, False)

    def _change(
        self, position: int, keys: list[_Key], kind: Kind, cutter: _Cutter, *, inert: bool
    ) -> Change:
        leaves = self._owned(*keys)
        moved = [pair for key in keys for pair in cutter.moved.get(key, ())]
        olds = [leaf.old for leaf in leaves if leaf.old] + [old for old, _ in moved]
        news = [leaf.new for leaf in leaves if leaf.new] + [new for _, new in moved]
        code = [leaf for leaf in leaves if not leaf.is_import]
        functions = {
            unit.name
            for leaf in code
            for unit in (leaf.old, leaf.new)
            if unit and unit.kind == "def"
        }
        if kind is Kind.CHANGED and leaves and not (olds and news):
            kind = Kind.REMOVED if olds else Kind.ADDED
        return Change(
            path=self._path,
            position=position,
            hunk=0,
            kind=kind,
            names=_names_of(keys, code, moved),
            old_path=self._old_path,
            old_lines=_spans(olds),
            new_lines=_spans(news),
            old_text="".join(leaf.old_text for leaf in leaves),
            new_text="".join(leaf.new_text for leaf in leaves),
            inert=inert,
            on_import=not functions
            or any(key[0] in ("import", "move") for key in keys)
            or any(map(_acts_on_import, code)),
            functions=tuple(sorted(functions)),
        )

    def is_whole(self, position: int, hunks: Collection[int]) -> bool:
        """Whether hunks are all there are of a change."""
        return 0 in hunks or len(hunks) == max(1, self._divide(position).count)

    def compose(self, positions: Mapping[int, Collection[int]]) -> str:
        """Return the text with these changes, each given by its hunks."""
        whole = {p for p, hunks in positions.items() if self.is_whole(p, hunks)}
        if not positions or len(whole) == len(self.changes):
            return self._texts[bool(positions)]
        there = [
            leaf
            for leaf in self._leaves
            if all((self._positions[key] in whole) == side for key, side in leaf.when)
        ]
        parts = [
            [] if leaf.is_import else self._text(leaf, positions, whole) for leaf in there
        ]
        self._fill(there, parts, whole)
        if any(leaf.is_import for leaf in there):
            used = frozenset().union(*(_uses("".join(part)) for part in parts))
            bound = self._bound(there, positions, whole)
            for index, leaf in enumerate(there):
                if leaf.is_import:
                    wanted = [
                        name.alias
                        for name in self._imports[leaf.id]
                        if self._is_imported(leaf, name, positions, used - bound)
                    ]
                    unit = leaf.new or leaf.old
                    assert unit
                    parts[index] = [unit.only(wanted)]
        return _join(text for part in parts for text in part)

    def _text(
        self, leaf: _Leaf, positions: Mapping[int, Collection[int]], whole: Collection[int]
    ) -> list[str]:
        """Return the text of a leaf that is no import, in parts that end where lines do."""
        position = self._positions.get(leaf.owner) if leaf.owner else None
        if position is None or position not in positions:
            return [leaf.old_text]
        if position in whole:
            return [leaf.new_text]
        return [
            atom.text
            for piece in self._divide(position).pieces.get(leaf.id, ())
            for atom in (piece.new if piece.hunk in positions[position] else piece.old)
        ]

    def _fill(
        self, leaves: Sequence[_Leaf], parts: Sequence[list[str]], whole: Collection[int]
    ) -> None:
        """Give classes a body that have lost all their members and got no other yet."""
        filled = {
            leaf.scope
            for leaf, part in zip(leaves, parts, strict=True)
            if any(text.strip() for text in part)
        }
        for leaf, part in zip(leaves, parts, strict=True):
            is_new = leaf.owner and self._positions.get(leaf.owner) in whole
            unit = leaf.new if is_new else leaf.old
            if unit and unit.filler and unit.name not in filled:
                part.append(unit.filler)

    def _bound(
        self,
        leaves: Iterable[_Leaf],
        positions: Mapping[int, Collection[int]],
        whole: Collection[int],
    ) -> frozenset[str]:
        """Return what the composed module's statements bind other than by imports."""
        bound: set[str] = set()
        for leaf in leaves:
            if leaf.is_import or leaf.scope:
                continue
            position = self._positions.get(leaf.owner) if leaf.owner else None
            if leaf.old and _is_code(leaf) and position not in whole:
                bound |= leaf.old.binds
            if leaf.new and _is_code(leaf) and position in positions:
                bound |= leaf.new.binds
        return frozenset(bound)

    def _is_imported(
        self,
        leaf: _Leaf,
        name: _Import,
        positions: Mapping[int, Collection[int]],
        wanted: Collection[str],
    ) -> bool:
        if name.always:
            return leaf.old is not None
        if name.owner is None:
            return name.alias.name in wanted
        position = self._positions[name.owner]
        hunks = positions.get(position, ())
        taken = 0 in hunks
        if hunks and not taken:
            own = self._divide(position).imports
            taken = own in hunks or self.is_whole(position, hunks)
        return taken == (leaf.new is not None)

    def _divide(self, position: int) -> _Division:
        if position not in self._divisions:
            self._divisions[position] = self._divided(position)
        return self._divisions[position]

    def _divided(self, position: int) -> _Division:
        keys = [key for key, place in self._positions.items() if place == position]
        leaves = self._owned(*keys)
        code = [leaf for leaf in leaves if not leaf.is_import and leaf.differs]
        division = _Division(count=int(self._path != self._old_path))
        if any(key[0] == "move" for key in keys) or not code:
            return division
        if len(code) < len(leaves) and any(leaf.is_import for leaf in leaves):
            division.count = division.imports = division.count + 1
        olds, news = (
            _atoms(text) if self._path.endswith(".py") else _raw_atoms(text)
            for text in self._texts
        )
        for leaf in code:
            pieces = _pieces(
                _inside(olds, leaf.old), _inside(news, leaf.new), division.count
            )
            division.pieces[leaf.id] = pieces
            division.count = max([division.count, *(piece.hunk for piece in pieces)])
        return division

    def hunks(self, position: int) -> list[Change]:
        """Return the hunks of a change, or the change where there is but one."""
        change = self.changes[position]
        division = self._divide(position)
        if division.count < 2:
            return [change]
        names = {leaf.id: (leaf.new or leaf.old) for leaf in self._leaves}
        pieces = [
            (piece, unit.name if (unit := names[leaf]) else MODULE)
            for leaf, found in division.pieces.items()
            for piece in found
        ]
        found = [
            replace(
                change,
                hunk=piece.hunk,
                names=(name,),
                kind=_kind_of(change.kind, piece),
                old_lines=_span(piece.old),
                new_lines=_span(piece.new),
                old_text="".join(atom.text for atom in piece.old),
                new_text="".join(atom.text for atom in piece.new),
                inert=change.inert or not any(a.is_code for a in (*piece.old, *piece.new)),
            )
            for piece, name in pieces
            if piece.hunk
        ]
        numbers = {hunk.hunk for hunk in found}
        nothing = replace(change, old_lines=(), new_lines=(), old_text="", new_text="")
        rest = [
            replace(nothing, hunk=hunk)
            for hunk in range(1, division.count + 1)
            if hunk not in numbers
        ]
        return sorted([*rest, *found])


def _names_of(
    keys: Iterable[_Key], code: Iterable[_Leaf], moved: Iterable[tuple[_Unit, _Unit]]
) -> tuple[str, ...]:
    """Return the qualified names of what a change is made of."""
    names = [unit.name for leaf in code for unit in (leaf.old, leaf.new) if unit]
    names += [old.name for old, _ in moved]
    names += [f"import {key[1]}" for key in keys if key[0] == "import"]
    return tuple(dict.fromkeys(names)) or ("import",)


def _spans(units: Iterable[_Unit]) -> tuple[Span, ...]:
    return tuple(sorted({(u.start + 1, u.end) for u in units if u.end > u.start}))


def _acts_on_import(leaf: _Leaf) -> bool:
    """Whether a change of a leaf does something before any function in it runs."""
    units = [unit for unit in (leaf.old, leaf.new) if unit]
    if any(unit.kind != "def" for unit in units):
        return True
    if len(units) == 1:
        return not leaf.scope
    return not _same(*(_head(unit.nodes[0]) for unit in units))


def _raw_atoms(text: str) -> tuple[_Atom, ...]:
    return tuple(
        _Atom(line, index, 1, is_code=True) for index, line in enumerate(_lines(text))
    )


def _inside(atoms: Iterable[_Atom], unit: _Unit | None) -> list[_Atom]:
    return [a for a in atoms if unit.start <= a.line < unit.end] if unit else []


def _kind_of(kind: Kind, piece: _Piece) -> Kind:
    if kind in (Kind.CHANGED, Kind.RENAMED) and not (piece.old and piece.new):
        return Kind.REMOVED if piece.old else Kind.ADDED
    return Kind.CHANGED if kind is Kind.RENAMED else kind


def _span(atoms: Sequence[_Atom]) -> tuple[Span, ...]:
    return ((atoms[0].line + 1, atoms[-1].line + atoms[-1].height),) if atoms else ()


def _join(parts: Iterable[str]) -> str:
    """Join texts so that a line which ended the file does not run into the next."""
    joined: list[str] = []
    for part in parts:
        if part and joined and not joined[-1].endswith(("\n", "\r")):
            joined.append("\n")
        if part:
            joined.append(part)
    return "".join(joined)


@lru_cache(maxsize=4096)
def _plan(path: str, old_path: str, old: str | None, new: str | None) -> _Plan:
    return _Plan(path, old_path, old, new)
