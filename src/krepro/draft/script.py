"""The script of a report: nothing but Keras, NumPy and a backend, to be pasted as it is. Pure."""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from krepro.cell.script import sort_tests
from krepro.project import SelectionError
from krepro.repro import metadata_block

BACKEND_VARIABLE = "KERAS_BACKEND"
WIDTH = 88
# What a run with the promised behaviour ends with.
AS_PROMISED = "as promised"
# What every run begins with: a reader of its output sees what ran.
IDENTITY = 'print("Keras", keras.__version__, "on", keras.backend.backend())'
# Upstream's bot takes longer ones for secrets.
MOST_ALPHANUMERICS = 39
LONG_RUN = re.compile(rf"[A-Za-z0-9]{{{MOST_ALPHANUMERICS + 1},}}")
SKIP = "SkipTest"
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
Definition = ast.FunctionDef | ast.ClassDef


def of_repro(source: str, test: str, backend: str) -> str:
    """Return the script of one test of a repro: what it needs, then what it does, line by line.

    Workarounds, other tests, skips and the footer are left out. Where the test's own names
    would be in the way of what it calls, it stays a function, and is called.

    Args:
        source: the text of the repro.
        test: the name of the test.
        backend: the one that it runs on, where nothing else is asked for.
    """
    source = without_skips(source)
    tree, lines = ast.parse(source), source.splitlines()
    chosen = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == test)
    kept = needed(tree, chosen)
    imports = [n for n in kept if isinstance(n, ast.Import | ast.ImportFrom)]
    rest = [n for n in kept if n not in imports]
    parts = [
        f'import os\n\nos.environ.setdefault("{BACKEND_VARIABLE}", "{backend}")',
        "\n".join(ast.unparse(n) for n in imports if ast.unparse(n) != "import os"),
        IDENTITY,
    ]
    text = "\n\n".join(parts)
    for before, node in zip([None, *rest], rest, strict=False):
        text += gap(before, node, lines) + "\n".join(lines_of(node, lines))
    text += "\n\n\n" if rest and isinstance(rest[-1], Definition) else "\n\n"
    promise = ast.get_docstring(chosen) or ""
    body = inlined(chosen, rest, lines)
    if body is None:
        text += "\n".join(lines_of(chosen, lines)) + f"\n\n\n{test}()"
    else:
        words = " ".join(promise.split())
        remark = textwrap.wrap(words, WIDTH, initial_indent="# ", subsequent_indent="# ")
        text += "\n".join([*remark, body])
    return f'{text}\nprint("{AS_PROMISED}")\n'


def needed(tree: ast.Module, test: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements of a module that a test needs, in their order, without itself."""
    candidates = [n for n in tree.body if not is_dressing(n)]
    names = names_in(test) | {"keras"}
    kept: list[ast.stmt] = []
    while True:
        more = [
            n
            for n in candidates
            if n not in kept and n is not test and (has_effect(n) or bound_by(n) & names)
        ]
        if not more:
            return [n for n in tree.body if n in kept]
        kept += more
        names |= {name for n in more for name in names_in(n)}


def is_dressing(node: ast.stmt) -> bool:
    """Whether a statement is for those who read or run the file as a repro."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    text = ast.unparse(node)
    return text.startswith("if __name__ ==") or (
        isinstance(node, ast.Expr) and BACKEND_VARIABLE in text
    )


def has_effect(node: ast.stmt) -> bool:
    """Whether a statement of a module does something besides giving names."""
    quiet = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, *SCOPES)
    return not isinstance(node, quiet)


def names_in(node: ast.AST) -> set[str]:
    """Return every name that a piece of code mentions."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def bound_by(node: ast.stmt) -> set[str]:
    """Return the names that a statement gives to its module."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {a.asname or a.name.partition(".")[0] for a in node.names}
    if isinstance(node, Definition):
        return {node.name}
    return stored_in(walk_scope(node))


def stored_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that something is assigned to."""
    names = (n for n in nodes if isinstance(n, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below one that belong to its own scope."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, SCOPES):
            yield from walk_scope(child)


def lines_of(node: ast.stmt, lines: Sequence[str]) -> Sequence[str]:
    """Return the lines of a statement, with its decorators and the remarks right above it."""
    first = node.lineno
    if isinstance(node, Definition) and node.decorator_list:
        first = node.decorator_list[0].lineno
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    return lines[first - 1 : node.end_lineno]


def gap(before: ast.stmt | None, node: ast.stmt, lines: Sequence[str]) -> str:
    """Return what separates two statements: two empty lines around definitions."""
    if isinstance(before, Definition) or isinstance(node, Definition):
        return "\n\n\n"
    if before is None or not lines[node.lineno - 2].strip():
        return "\n\n"
    return "\n"


def inlined(
    test: ast.FunctionDef, kept: Sequence[ast.stmt], lines: Sequence[str]
) -> str | None:
    """Return the statements of a test as a module's, or None where they have to stay a function's."""
    own = list(walk_scope(test))
    local = stored_in(own) | {n.name for n in own if isinstance(n, Definition)}
    taken = {name for n in kept for name in (*bound_by(n), *names_in(n))}
    global_ = {name for n in kept for name in bound_by(n)} | set(dir(builtins))
    stays = (ast.Return, ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal, ast.Await)
    if local & taken & global_ or any(isinstance(n, stays) for n in own):
        return None
    body = test.body[1:] if ast.get_docstring(test) is not None else test.body
    first = (test.body[0].end_lineno or 0) if len(body) < len(test.body) else test.lineno
    text = textwrap.dedent("\n".join(lines[first : test.end_lineno])).strip("\n")
    try:
        same = [ast.dump(n) for n in ast.parse(text).body] == [ast.dump(n) for n in body]
    except SyntaxError:
        return None
    # Text over several lines may have lost its indentation.
    return text if same else None


def without_skips(source: str) -> str:
    """Return a repro's text without what skips it where the release lacks the feature.

    There it says what Keras says.
    """
    lines = source.splitlines()
    edits: list[tuple[int, int, list[str]]] = []
    for node in ast.walk(ast.parse(source)):
        last = node.end_lineno or 0 if isinstance(node, ast.stmt) else 0
        if isinstance(node, ast.If) and len(node.body) == 1 and not node.orelse:
            if is_skip(node.body[0]):
                edits.append((node.lineno, last, []))
        elif (
            isinstance(node, ast.Try)
            and len(node.handlers) == 1
            and is_skip(node.handlers[0].body[-1])
        ):
            inner = lines[node.body[0].lineno - 1 : node.body[-1].end_lineno]
            indent = " " * node.col_offset
            block = textwrap.indent(textwrap.dedent("\n".join(inner)), indent)
            edits.append((node.lineno, last, block.splitlines()))
    for first, last, instead in sorted(edits, reverse=True):
        lines[first - 1 : last] = instead
    return "\n".join(lines) + "\n"


def is_skip(node: ast.stmt) -> bool:
    """Whether a statement skips the test."""
    return isinstance(node, ast.Raise) and SKIP in ast.unparse(node)


def of_script(source: str, backend: str) -> str:
    """Return a user's script as a report shows it: as it is, and on its backend.

    The line for the system and the metadata for tools go; tests that the file only defines are called.
    """
    if source.startswith("#!"):
        source = source.partition("\n")[2]
    block = metadata_block(source)
    if block:
        source = source[: block.start()] + source[block.end() :].removeprefix("\n")
    tree = ast.parse(source)
    called, _ = sort_tests(tree)
    text = source.strip("\n") + "\n"
    if called:
        text += "\n\n" + "".join(f"{name}()\n" for name in called)
    if BACKEND_VARIABLE in text:
        return text
    first = ast.parse(text).body
    head = 0
    for node in first:
        docstring = node is first[0] and isinstance(node, ast.Expr)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring and isinstance(node.value, ast.Constant)) and not future:  # type: ignore[attr-defined]
            break
        head = node.end_lineno or 0
    written = text.splitlines(keepends=True)
    choice = f'import os\n\nos.environ.setdefault("{BACKEND_VARIABLE}", "{backend}")\n\n'
    before = "".join(written[:head])
    return f"{before}\n{choice}".lstrip("\n") + "".join(written[head:]).lstrip("\n")


def check(name: str, source: str, own_folders: Sequence[str]) -> None:
    """Refuse a script that cannot be shown as it is.

    Args:
        name: of the script.
        source: its text.
        own_folders: folders of this user, which mean nothing to others.

    Raises:
        SelectionError: a line of it names such a folder, or holds what upstream's bot redacts.
    """
    for number, line in enumerate(source.splitlines(), 1):
        long = LONG_RUN.search(line)
        if long:
            raise SelectionError(
                f"{name}:{number}: has {len(long[0])} letters and digits in a row, which "
                f"upstream's bot redacts: split what has more than {MOST_ALPHANUMERICS}"
            )
        folder = next((f for f in own_folders if re.search(re.escape(f) + r"\b", line)), "")
        if folder:
            raise SelectionError(
                f"{name}:{number}: names {folder}, which others do not have: "
                "a report's script makes what it reads"
            )


@dataclass(frozen=True)
class Fence:
    """How a block of code is set off in Markdown: with more backticks than are in it."""

    language: str = ""

    def around(self, text: str) -> str:
        """Return a text as a block."""
        longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
        ticks = "`" * max(3, longest + 1)
        return f"{ticks}{self.language}\n{text.rstrip(chr(10))}\n{ticks}\n"


def extracted(markdown: str) -> str:
    """Return the script in a draft: its first block of Python."""
    found = re.search(
        r"^(?P<ticks>`{3,})python\n(?P<text>.*?)^(?P=ticks)$",
        markdown,
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None, "a draft has its script"
    return found["text"]
