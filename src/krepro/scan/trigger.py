"""The language of triggers: what code has to look like for a known bug to matter to it.

``docs/triggers.md`` tells how to write one. Here the text of a trigger becomes patterns and
conditions, and every mistake in it an error with file, line and fix; ``match.py`` and ``conditions.py`` apply them.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

from krepro.repro import Repro, ReproError
from krepro.scan import api

SHOWS = (
    *("raises", "warns", "calls", "steps", "names", "loss", "output_losses", "metrics"),
    *("trains", "weights", "trainable", "optimizer", "structure", "outputs"),
    *("time", "saved"),
)
# What a variable of a name may be: a class of Keras, or anything.
KINDS = {
    "model": api.MODEL,
    "inner": api.MODEL,
    "outer": api.MODEL,
    "layer": api.LAYER,
    "optimizer": "keras.Optimizer",
    "callback": "keras.callbacks.Callback",
    "metric": "keras.Metric",
    "schedule": "keras.optimizers.schedules.LearningRateSchedule",
    "loss": None,
    "data": None,
    "tensor": None,
    "value": None,
}
# Steps that stand for several methods of a model.
STEPS = {
    "trains": ("fit", "train_on_batch"),
    "tests": ("evaluate", "test_on_batch"),
    "runs": ("fit", "train_on_batch", "evaluate", "test_on_batch"),
}
# Methods of the user's own that Keras calls; ``returns`` is what they return.
OWN_METHODS = dict.fromkeys(
    ("train_step", "test_step", "predict_step"), ("data", "returns")
)
WORDS = ("absent", "string", "number", "function")
# The functions that ``where`` knows, and how many arguments they take.
VOCABULARY = {
    "compiled": 1,
    "built": 1,
    "trained": 1,
    "overrides": 2,
    "layers": 1,
    "masked": 1,
    "during": 1,
    "perhaps": 1,
    "given": 1,
    "flat": 1,
    "keys": 1,
    "means": 2,
    "isinstance": 2,
    "len": 1,
    "sorted": 1,
    "set": 1,
    "any": 1,
    "all": 1,
}
FIELDS = ("code", "where", "shows")
# Names beside Keras' that ``isinstance`` in ``where`` takes.
OTHERS = {
    "numpy.ndarray",
    "tensorflow.data.Dataset",
    "torch.Tensor",
    "torch.utils.data.DataLoader",
    "pandas.DataFrame",
    "types.GeneratorType",
    *(
        f"builtins.{name}"
        for name in ("str", "int", "float", "bool", "list", "tuple", "dict")
    ),
}


# --- values -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anything:
    """``_``: something is given."""


@dataclass(frozen=True)
class Absent:
    """``absent``: nothing is given."""


@dataclass(frozen=True)
class Literal:
    """A string, a number, True, False or None."""

    value: Any


@dataclass(frozen=True)
class Word:
    """``string``, ``number`` or ``function``."""

    word: str


@dataclass(frozen=True)
class Items:
    """A list or a tuple; ``items`` None: of whatever. ``...`` in it stands for any number."""

    items: tuple[ValuePattern | None, ...] | None


@dataclass(frozen=True)
class Entries:
    """A dict that has some entries, each with a key and a value like this."""

    entries: tuple[tuple[ValuePattern, ValuePattern], ...]


@dataclass(frozen=True)
class Has:
    """``has(x)``: it, or a list or a dict that has it at any depth."""

    inner: ValuePattern


@dataclass(frozen=True)
class OneOf:
    """``a | b``."""

    options: tuple[ValuePattern, ...]


@dataclass(frozen=True)
class Not:
    """``not a``: given, and not like this."""

    inner: ValuePattern


@dataclass(frozen=True)
class Thing:
    """``keras.losses.Huber``: an instance, the class, or its name in a string.

    With arguments (``keras.losses.Huber(delta=_)``): an instance that was built with these.
    """

    path: str
    arguments: Mapping[str, ValuePattern] | None = None


@cache
def kind_of(name: str) -> str | None:
    """Return the class of Keras that a variable of a name is of, if any."""
    return KINDS[name.partition("_")[0]]


@dataclass(frozen=True)
class Variable:
    """A variable: the same object wherever it stands."""

    name: str

    @property
    def kind(self) -> str | None:
        """The class of Keras it has to be of, if any."""
        return kind_of(self.name)


@dataclass(frozen=True)
class Named:
    """``(value := {})``: like a pattern, and the variable is what it is."""

    variable: Variable
    inner: ValuePattern


ValuePattern = (
    Named
    | Anything
    | Absent
    | Literal
    | Word
    | Items
    | Entries
    | Has
    | OneOf
    | Not
    | Thing
    | Variable
)


# --- steps --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a program: ``kind`` and ``name`` as those of ``events.Event``."""

    kind: str
    name: str
    receiver: Variable | None
    arguments: Mapping[str, ValuePattern]

    @cached_property
    def text(self) -> str:
        """The step in full: the same for the same step of another trigger."""
        return repr(
            (self.kind, self.name, self.receiver, sorted(self.arguments.items(), key=str))
        )


@dataclass(frozen=True, eq=False)
class Pattern:
    """One item of ``code``: any of several steps, or (``negated``) none of them."""

    steps: tuple[Step, ...]
    negated: bool
    text: str


@dataclass(frozen=True)
class Condition:
    """One item of ``where``; ``variables`` are those of ``code`` that it asks about, sorted."""

    tree: ast.expr
    text: str
    variables: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Trigger:
    """What code has to do for an entry to matter to it.

    ``shows`` tells how a run of such code differs where the bug is.
    """

    repro: str
    code: tuple[Pattern, ...]
    where: tuple[Condition, ...]
    shows: tuple[str, ...]


# --- parsing ------------------------------------------------------------------------------


def triggers_of(repro: Repro) -> tuple[Trigger, ...]:
    """Return the triggers of an entry.

    Raises:
        ReproError: one has a mistake in it.
    """
    return tuple(
        Reader(repro, number).trigger(table) for number, table in enumerate(repro.triggers)
    )


def all_triggers(repros: Iterable[Repro]) -> list[Trigger]:
    """Return the triggers of entries.

    Raises:
        ReproError: one has a mistake in it.
    """
    return [trigger for repro in repros for trigger in triggers_of(repro)]


class Reader:
    """Reads one trigger of an entry."""

    def __init__(self, repro: Repro, number: int) -> None:
        """Remember whose trigger it is, and which of them."""
        self.repro = repro
        self.number = number
        self.bound: set[str] = set()

    def error(self, text: str, message: str) -> ReproError:
        """Return what is wrong with a trigger, and where."""
        return ReproError(self.repro.path, self.line_of(text), message)

    def line_of(self, text: str) -> int:
        """Return the line of the file where some text of the trigger stands."""
        try:
            lines = self.repro.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return 1
        heads = [
            n
            for n, line in enumerate(lines)
            if re.match(r"# *\[\[tool\.krepro\.trigger\]\]", line)
        ]
        start = heads[self.number] if self.number < len(heads) else 0
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        for number, line in enumerate(lines[start:], start + 1):
            if line.startswith("# ///") and number > start + 1:
                break
            if text and (text in line or escaped in line):
                return number
        return start + 1

    def trigger(self, table: Mapping[str, Any]) -> Trigger:
        """Return a trigger from its table.

        Raises:
            ReproError: there is a mistake in it.
        """
        for name in table:
            if name not in FIELDS:
                raise self.error(
                    name, f"{name} is not a field of a trigger: {', '.join(FIELDS)}"
                )
        code = [self.pattern(text) for text in self.texts(table, "code")]
        if not code:
            raise self.error("", "a trigger needs code: what a program does")
        if code[-1].negated:
            raise self.error(
                code[-1].text, "the last step of code cannot be a 'not': nothing follows it"
            )
        where = tuple(self.condition(text) for text in self.texts(table, "where"))
        shows = tuple(self.texts(table, "shows"))
        if not shows:
            raise self.error("", f"a trigger needs shows: out of {', '.join(SHOWS)}")
        for word in shows:
            if word not in SHOWS:
                raise self.error(word, f"shows names {word!r}: use {', '.join(SHOWS)}")
        return Trigger(self.repro.id, tuple(code), where, shows)

    def texts(self, table: Mapping[str, Any], name: str) -> list[str]:
        """Return a field that is a string or a list of strings."""
        found = table.get(name, [])
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self.error(
                name, f"{name} must be a string or a list of strings, not {found!r}"
            )
        return found

    def parsed(self, text: str, mode: str) -> ast.AST:
        """Return a text as Python."""
        try:
            return ast.parse(text, mode=mode)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            message = getattr(error, "msg", None) or "it cannot be read"
            raise self.error(text, f"{text!r} is not valid Python: {message}") from None

    # --- code ------------------------------------------------------------------------------

    def pattern(self, text: str) -> Pattern:
        """Return one item of ``code``."""
        bare = text.strip().removeprefix("not ").strip()
        negated = bare != text.strip()
        module = self.parsed(bare, "exec")
        body = module.body if isinstance(module, ast.Module) else []
        if len(body) != 1:
            raise self.error(text, f"{text!r}: one step an item; give a list for several")
        node = body[0]
        before = set(self.bound)
        if isinstance(node, ast.Assign):
            steps = [self.assignment(node, text)]
        elif isinstance(node, ast.Expr):
            sides = alternatives(node.value)
            steps = [step for each in sides for step in self.steps(each, text)]
        else:
            raise self.error(text, f"{text!r} is no call, no assignment and no attribute")
        if negated:
            self.bound = before
        return Pattern(tuple(steps), negated, text)

    def steps(self, node: ast.expr, text: str) -> Iterator[Step]:
        """Yield what an expression stands for: a step, or several methods of a model."""
        name = (
            node.func.id
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            else ""
        )
        if name not in STEPS or not isinstance(node, ast.Call):
            yield self.step(node, text)
            return
        if len(node.args) != 1:
            raise self.error(text, f"{text!r}: {name} takes a model, and arguments by name")
        receiver = self.receiver(node.args[0], text)
        given = self.arguments(ast.Call(node.func, [], node.keywords), (), text)
        for method in STEPS[name]:
            if set(given) <= set(api.known_methods()[method]):
                yield Step("call", method, receiver, given)

    def assignment(self, node: ast.Assign, text: str) -> Step:
        """Return ``callback = keras.callbacks.X()`` or ``layer.trainable = False`` as a step."""
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Attribute):
            receiver = self.receiver(target.value, text)
            return Step(
                "set", target.attr, receiver, {"value": self.value(node.value, text)}
            )
        if len(node.targets) == 1 and isinstance(target, ast.Name):
            step = self.step(node.value, text)
            if step.kind != "new":
                raise self.error(
                    text, f"{text!r}: only what builds an object of Keras can be named"
                )
            return Step("new", step.name, self.variable(target.id, text), step.arguments)
        raise self.error(
            text, f"{text!r}: the left side must be a variable or its attribute"
        )

    def step(self, node: ast.expr, text: str) -> Step:
        """Return a call or an attribute as a step."""
        if isinstance(node, ast.Attribute) and not dotted(node).startswith("keras."):
            return Step("get", node.attr, self.receiver(node.value, text), {})
        if not isinstance(node, ast.Call):
            raise self.error(text, f"{text!r} is no call, no assignment and no attribute")
        path = dotted(node.func)
        if path.startswith("keras."):
            return self.keras_call(node, self.keras_name(path, text), text)
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            receiver = self.receiver(node.func.value, text)
            taken = self.methods(receiver).get(name)
            if taken is None:
                close = nearest(name, self.methods(receiver))
                raise self.error(
                    text, f"{name!r} is no method of Keras that is known here{close}"
                )
            return Step("call", name, receiver, self.arguments(node, taken, text))
        if isinstance(node.func, ast.Name):
            receiver = self.variable(node.func.id, text)
            return Step(
                "call", "__call__", receiver, self.arguments(node, ("inputs",), text)
            )
        raise self.error(
            text, f"{text!r}: what is called must be a variable or one of Keras' names"
        )

    def methods(self, receiver: Variable) -> Mapping[str, tuple[str, ...]]:
        """Return the methods that a variable may have."""
        if receiver.kind is None or receiver.kind == "keras.callbacks.Callback":
            return {**api.known_methods(), **api.methods_of("keras.callbacks.Callback")}
        return {**api.known_methods(), **OWN_METHODS}

    def keras_call(self, node: ast.Call, path: str, text: str) -> Step:
        """Return a call of one of Keras' names as a step."""
        given = self.arguments(node, api.parameters(path), text)
        return Step("new" if api.is_class(path) else "function", path, None, given)

    def keras_name(self, path: str, text: str) -> str:
        """Return the canonical name of one of Keras' names."""
        found = api.canonical(path)
        if not api.is_known(found):
            raise self.error(
                text, f"{path!r} is no public name of Keras{nearest(path, api.names())}"
            )
        return found

    def receiver(self, node: ast.expr, text: str) -> Variable:
        """Return the variable that a step is about."""
        if isinstance(node, ast.Name):
            return self.variable(node.id, text)
        raise self.error(
            text,
            f"{text!r}: name the object by a variable, and tell in where what it is of",
        )

    def variable(self, name: str, text: str) -> Variable:
        """Return a variable, bound from now on."""
        if name.partition("_")[0] not in KINDS:
            kinds = ", ".join(KINDS)
            raise self.error(
                text, f"{name!r}: a variable starts with its kind, one of {kinds}"
            )
        self.bound.add(name)
        return Variable(name)

    def arguments(
        self, node: ast.Call, taken: Iterable[str], text: str
    ) -> dict[str, ValuePattern]:
        """Return what a call has to give."""
        names = [name for name in taken if not name.startswith("*")]
        if len(node.args) > len(names):
            raise self.error(
                text, f"{text!r}: too many arguments without a name: it takes {names}"
            )
        found = dict(zip(names, (self.value(a, text) for a in node.args), strict=False))
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.error(
                    text, f"{text!r}: '**' is not for patterns; name the arguments"
                )
            found[keyword.arg] = self.value(keyword.value, text)
        return found

    def value(self, node: ast.expr, text: str) -> ValuePattern:
        """Return a value as a pattern."""
        handler = self.VALUES.get(type(node))
        if handler is not None and not is_ellipsis(node):
            found: ValuePattern = handler(self, node, text)
            return found
        what = ast.unparse(node)
        raise self.error(text, f"{what!r} is no pattern of a value: see docs/triggers.md")

    def _of_name(self, node: ast.Name, text: str) -> ValuePattern:
        if node.id == "_":
            return Anything()
        if node.id == "absent":
            return Absent()
        return Word(node.id) if node.id in WORDS else self.variable(node.id, text)

    def _of_constant(self, node: ast.Constant, _: str) -> ValuePattern:
        return Literal(node.value)

    def _of_either(self, node: ast.BinOp, text: str) -> ValuePattern:
        if not isinstance(node.op, ast.BitOr):
            raise self.error(
                text, f"{ast.unparse(node)!r}: of operators there is '|' alone"
            )
        return OneOf(tuple(self.value(each, text) for each in alternatives(node)))

    def _of_named(self, node: ast.NamedExpr, text: str) -> ValuePattern:
        inner = self.value(node.value, text)
        return Named(self.variable(node.target.id, text), inner)

    def _of_list(self, node: ast.List, text: str) -> ValuePattern:
        several = [None if is_ellipsis(e) else self.value(e, text) for e in node.elts]
        return Items(tuple(several) if several else None)

    def _of_dict(self, node: ast.Dict, text: str) -> ValuePattern:
        pairs = zip(node.keys, node.values, strict=True)
        return Entries(
            tuple((self.value(k, text), self.value(v, text)) for k, v in pairs if k)
        )

    def _of_thing(self, node: ast.Attribute | ast.Call, text: str) -> ValuePattern:
        path = dotted(node.func if isinstance(node, ast.Call) else node)
        if path == "has" and isinstance(node, ast.Call) and len(node.args) == 1:
            return Has(self.value(node.args[0], text))
        if not path.startswith("keras."):
            raise self.error(text, f"{ast.unparse(node)!r} is none of Keras' names")
        found = self.keras_name(path, text)
        if isinstance(node, ast.Call):
            return Thing(found, self.arguments(node, api.parameters(found), text))
        return Thing(found)

    def unary(self, node: ast.UnaryOp, text: str) -> ValuePattern:
        """Return ``not x`` or a negative number."""
        if isinstance(node.op, ast.Not):
            before = set(self.bound)
            inner = self.value(node.operand, text)
            if self.bound != before:
                raise self.error(
                    text, f"{text!r}: a variable within 'not' is bound to nothing"
                )
            return Not(inner)
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            number = node.operand.value
            if isinstance(number, int | float):
                return Literal(-number)
        raise self.error(text, f"{ast.unparse(node)!r} is no pattern of a value")

    VALUES: ClassVar[dict[type[ast.expr], Callable[[Any, Any, str], ValuePattern]]] = {
        ast.Name: _of_name,
        ast.Constant: _of_constant,
        ast.UnaryOp: unary,
        ast.BinOp: _of_either,
        ast.NamedExpr: _of_named,
        ast.List: _of_list,
        ast.Dict: _of_dict,
        ast.Attribute: _of_thing,
        ast.Call: _of_thing,
    }

    # --- where -----------------------------------------------------------------------------

    def condition(self, text: str) -> Condition:
        """Return one item of ``where``."""
        tree = self.parsed(text, "eval")
        assert isinstance(tree, ast.Expression)
        self.check(tree.body, frozenset(self.bound), text)
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        return Condition(tree.body, text, tuple(sorted(names & self.bound)))

    def check(self, node: ast.expr, known: frozenset[str], text: str) -> None:
        """Refuse what ``where`` has no word for."""
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Name):
            if node.id not in known:
                names = ", ".join(sorted(known)) or "none"
                raise self.error(text, f"{node.id!r} is bound by no step of code: {names}")
        elif isinstance(node, ast.Call):
            self.check_call(node, known, text)
        elif isinstance(node, ast.GeneratorExp):
            self.check_generator(node, known, text)
        elif isinstance(node, ALLOWED):
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.expr):
                    self.check(part, known, text)
        else:
            raise self.error(text, f"where has no word for {ast.unparse(node)!r}")

    def check_call(self, node: ast.Call, known: frozenset[str], text: str) -> None:
        """Refuse a call of what ``where`` does not know."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in {
            "startswith",
            "endswith",
        }:
            for part in (node.func.value, *node.args):
                self.check(part, known, text)
            return
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in VOCABULARY:
            close = nearest(name, VOCABULARY)
            raise self.error(
                text, f"where knows no {name!r}: {', '.join(VOCABULARY)}{close}"
            )
        if len(node.args) != VOCABULARY[name] or node.keywords:
            raise self.error(
                text, f"{name} takes {VOCABULARY[name]} arguments, without names"
            )
        if name in {"during", "perhaps"} and not is_text(node.args[0]):
            what = {"during": "the name of a method", "perhaps": "what cannot be read"}[
                name
            ]
            raise self.error(text, f"{name} takes {what}, in quotes")
        for number, part in enumerate(node.args):
            if name in {"isinstance", "means"} and number == 1:
                for each in part.elts if isinstance(part, ast.Tuple) else [part]:
                    self.check_class(each, text)
            else:
                self.check(part, known, text)

    def check_class(self, node: ast.expr, text: str) -> None:
        """Refuse a class that ``isinstance`` does not know."""
        path = dotted(node)
        if path.startswith("keras."):
            self.keras_name(path, text)
        elif plain_class(path) not in OTHERS:
            raise self.error(
                text,
                f"isinstance knows no {path!r}: Keras' names, {', '.join(sorted(OTHERS))}",
            )

    def check_generator(
        self, node: ast.GeneratorExp, known: frozenset[str], text: str
    ) -> None:
        """Refuse a generator with more than one ``for``."""
        part = node.generators[0]
        if len(node.generators) > 1 or not isinstance(part.target, ast.Name):
            raise self.error(text, "a generator in where has one 'for' with one name")
        self.check(part.iter, known, text)
        inner = known | {part.target.id}
        for each in (node.elt, *part.ifs):
            self.check(each, inner, text)


ALLOWED = (
    ast.BoolOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Attribute,
    ast.Subscript,
    ast.List,
    ast.Tuple,
    ast.BinOp,
)


def alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the sides of ``a | b | c``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from alternatives(node.left)
        yield from alternatives(node.right)
    else:
        yield node


def dotted(node: ast.AST) -> str:
    """Return a name with dots, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def plain_class(path: str) -> str:
    """Return the dotted name of a class that ``isinstance`` may name without a module."""
    return path if "." in path else f"builtins.{path}"


def is_ellipsis(node: ast.expr) -> bool:
    """Whether an expression is ``...``."""
    return isinstance(node, ast.Constant) and node.value is ...


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a string."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint at what may have been meant."""
    found = difflib.get_close_matches(name, list(names), 1, 0.6)
    return f" (did you mean {found[0]}?)" if found else ""
