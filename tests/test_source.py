"""Reading programs: what is followed, and that nothing in a program can break the reader."""

from __future__ import annotations

import ast
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro.scan.events import Event, Names
from krepro.scan.source import Interpreter
from krepro.scan.values import Const, Mapping, Module, Object, Scope, Sequence

HEAD = "import keras\nfrom keras import layers\n"
MODEL = "model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])\n"


def events(program: str) -> list[Event]:
    found: list[Event] = []
    interpreter = Interpreter(lambda _name, _level, _module: None, found.append)
    module = Module("program.py", Scope(Names()), ast.parse(program), program)
    interpreter.run(module)
    interpreter.look_at_uncalled(module)
    return found


def told(program: str, kind: str = "call") -> list[tuple[int, str]]:
    return [
        (e.place.line, e.name)
        for e in events(HEAD + program)
        if e.kind == kind and isinstance(e.receiver, Object)
    ]


def plain(value: object) -> object:
    """A value as Python has it, as far as it is known."""
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Sequence):
        items = [plain(item) for item in value.items]
        return (
            (items if value.kind != "tuple" else tuple(items))
            if value.exact
            else [*items, ...]
        )
    if isinstance(value, Mapping):
        entries = {plain(k): plain(v) for k, v in value.items}
        return entries if value.exact else {**entries, ...: ...}
    return value.cls if isinstance(value, Object) else "?"


def given_to_fit(program: str) -> list[object]:
    """What each ``fit`` is given as x, in a program that ends with it."""
    found = events(HEAD + MODEL + program)
    return [plain(e.arguments.get("x")) for e in found if e.name == "fit"]


@pytest.mark.parametrize(
    "imports",
    [
        "import keras\nnew = keras.layers.Dense",
        "import keras as k\nnew = k.layers.Dense",
        "from keras import layers\nnew = layers.Dense",
        "from keras import layers as L\nnew = L.Dense",
        "from keras.layers import Dense\nnew = Dense",
        "from keras.layers import Dense as new",
        "from keras.layers import *\nnew = Dense",
        "import keras.layers\nnew = keras.layers.Dense",
        "import keras.layers as kl\nnew = kl.Dense",
        "import tensorflow as tf\nnew = tf.keras.layers.Dense",
        "from tensorflow import keras\nnew = keras.layers.Dense",
        "from tensorflow.keras.layers import Dense as new",
        "import tensorflow.keras.layers as L\nnew = L.Dense",
        "import keras\nlayers = getattr(keras, 'layers')\nnew = layers.Dense",
        "import functools, keras\nnew = functools.partial(keras.layers.Dense, 1)",
        "try:\n    from keras.layers import Dense as new\nexcept ImportError:\n    new = None",
        "def lazily():\n    from keras import layers\n    return layers.Dense\nnew = lazily()",
    ],
)
def test_imports_and_aliases(imports: str) -> None:
    built = [e.name for e in events(f"{imports}\nnew()") if e.kind == "new"]
    assert built == ["keras.layers.Dense"]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("model.fit(3)", [3]),
        ("a = b = 3\nmodel.fit(a)", [3]),
        ("a, b = 3, 4\nmodel.fit(b)", [4]),
        ("a, *b = 3, 4, 5\nmodel.fit(b)", [[4, 5]]),
        ("a = [1]\na.append(2)\na += [3]\nmodel.fit(a)", [[1, 2, 3]]),
        ("a = [1, 2, 3]\nmodel.fit(a[-1])\nmodel.fit(a[1:])", [3, [2, 3]]),
        ("a = {'x': 1}\na['y'] = 2\na.update(z=3)\nmodel.fit(a)", [{"x": 1, "y": 2, "z": 3}]),
        ("a = {'x': 1}\nmodel.fit({**a, 'y': 2})", [{"x": 1, "y": 2}]),
        ("a = dict(zip(['x', 'y'], [1, 2]))\nmodel.fit(a)", [{"x": 1, "y": 2}]),
        ("a = {'x': 1}\nmodel.fit(a['x'])\nmodel.fit(a.get('y', 5))", [1, 5]),
        ("model.fit([n for n in range(3)])", [[0, 1, 2]]),
        ("model.fit({k: 0 for k in ('a', 'b') if k})", [{"a": 0, "b": 0}]),
        ("model.fit([n for n in (1, 2, 3) if n > 1])", [[2, 3]]),
        ("model.fit([n for n in unknown])", [["?", ...]]),
        ("model.fit('a' + 'b')", ["ab"]),
        ("model.fit(f'{1}b')", ["1b"]),
        ("model.fit(f'{unknown}b')", ["?"]),
        ("model.fit(1 if True else 2)", [1]),
        ("model.fit(None or 4)", [4]),
        ("model.fit(*[1])", [1]),
        ("model.fit(**{'x': 1})", [1]),
        ("def f(a, b=2, *c, d=4):\n    return a + b + d\nmodel.fit(f(1))", [7]),
        ("f = lambda a: a * 2\nmodel.fit(f(3))", [6]),
        ("def f(n):\n    return f(n - 1)\nmodel.fit(f(3))", ["?"]),
        ("def f():\n    yield 1\nmodel.fit(f())", ["?"]),
        ("a = 1\ndef f():\n    global a\n    a = 2\nf()\nmodel.fit(a)", [2]),
        ("def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = 2\n    g()\n    return a\nmodel.fit(f())", [2]),
        ("class A:\n    b = 2\n    def __init__(self, a):\n        self.a = a\n    @property\n    def c(self):\n        return self.a + self.b\nmodel.fit(A(1).c)", [3]),
        ("class A:\n    def f(self):\n        return 1\nclass B(A):\n    def f(self):\n        return super().f() + 1\nmodel.fit(B().f())", [2]),
        ("class A:\n    @staticmethod\n    def f(a):\n        return a\n    @classmethod\n    def g(cls, a):\n        return cls.f(a)\nmodel.fit(A.g(4))", [4]),
        ("if unknown:\n    a = 1\nelse:\n    a = 2\nmodel.fit(a)", ["?"]),
        ("if unknown:\n    a = 1\nelse:\n    a = 1\nmodel.fit(a)", [1]),
        ("a = [1]\nif unknown:\n    a.append(2)\nmodel.fit(a)", [[1, 2, ...]]),
        ("def f():\n    if unknown:\n        return 1\n    return 1\nmodel.fit(f())", [1]),
        ("a = []\nfor n in unknown:\n    a.append(1)\nmodel.fit(a)", [[1, 1, ...]]),
        ("a = []\nfor n in (1, 2):\n    a.append(n)\nmodel.fit(a)", [[1, 2]]),
        ("a = []\nwhile unknown:\n    a.append(1)\nmodel.fit(a)", [[1, 1, ...]]),
        ("try:\n    a = 1\nexcept OSError:\n    raise\nmodel.fit(a)", [1]),
        ("with open('f') as f:\n    a = 1\nmodel.fit(a)", [1]),
        ("match unknown:\n    case 1:\n        a = 1\n    case _:\n        a = 1\nmodel.fit(a)", [1]),
        ("if (a := 3):\n    model.fit(a)", [3]),
        ("import functools\ndef f(a, b):\n    return b\nmodel.fit(functools.partial(f, 1)(2))", [2]),
        ("def deco(f):\n    def inner(*a):\n        return f(*a) + 1\n    return inner\n@deco\ndef f(a):\n    return a\nmodel.fit(f(1))", [2]),
        ("import tensorflow as tf\n@tf.function(jit_compile=True)\ndef f(a):\n    return a\nmodel.fit(f(1))", [1]),
        ("if False:\n    model.fit(1)\nif __name__ == '__main__':\n    model.fit(2)", [2]),
        ("del model.x\nassert model\npass\nmodel.fit(1)", [1]),
    ],
)  # fmt: skip
def test_what_is_followed(program: str, expected: list[object]) -> None:
    assert given_to_fit(program) == expected


def test_a_loop_is_gone_round_twice() -> None:
    assert given_to_fit("for epoch in range(3):\n    model.fit(1)") == [1] * 3
    assert given_to_fit("for epoch in range(100):\n    model.fit(1)") == [1, 1]
    assert given_to_fit("for epoch in range(unknown):\n    model.fit(1)") == [1, 1]
    assert given_to_fit("while True:\n    model.fit(1)\n    break") == [1]


def test_what_nothing_calls_is_looked_at_once() -> None:
    program = "def helper(m):\n    m.fit(1)\ndef main():\n    helper(keras.Sequential())\n"
    for whole in (program, program + "main()\n"):
        receivers = [e.receiver for e in events(HEAD + whole) if e.name == "fit"]
        assert [type(receiver) for receiver in receivers] == [Object]
    annotated = "def train(model: keras.Model):\n    model.fit(1)\n"
    assert told(annotated) == [(4, "fit")]


def test_methods_share_their_object() -> None:
    program = (
        "class GAN:\n    def __init__(self):\n        self.model = keras.Sequential()\n"
        "    def train(self):\n        self.model.fit(1)\n"
    )
    assert told(program) == [(7, "fit")]


def test_fit_runs_the_methods_that_keras_would() -> None:
    program = """
class Watch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.evaluate(1)
class Net(keras.Model):
    def train_step(self, data):
        self.add_loss(1)
        return {"loss": 1}
net = Net()
net.fit(1, callbacks=[Watch(), keras.callbacks.LambdaCallback(on_train_end=lambda logs: net.save("x"))])
"""
    found = events(HEAD + program)
    assert [(e.name, e.hooks) for e in found if e.kind == "call"] == [
        ("fit", ()),
        ("add_loss", ("train_step",)),
        ("train_step", ()),
        ("evaluate", ("on_epoch_end",)),
        ("save", ("on_train_end", "")),
    ]


@pytest.mark.parametrize(
    "program",
    [
        "import re\nre.compile('x')",
        "from sklearn.svm import SVC\nSVC().fit(1)",
        "import torch\ntorch.nn.Linear(1, 2).compile()",
        "import torch\nclass Net(torch.nn.Module):\n    def go(self):\n        self.fit(1)\nNet().go()",
        "'x'.fit(1)\n[].fit(1)\n{}.fit(1)",
        "class Mine:\n    def go(self):\n        self.fit(1)\nMine().go()",
    ],
)
def test_what_is_no_keras_model(program: str) -> None:
    from krepro.scan import facts

    calls = [e for e in events(HEAD + program) if e.kind == "call" and e.receiver]
    assert all(facts.kind_is(e.receiver, "keras.Model") is False for e in calls)


def test_places_are_those_of_the_step() -> None:
    [fit] = [
        e
        for e in events("import keras\nm = keras.Sequential()\nm.fit(\n  1)\n")
        if e.name == "fit"
    ]
    place = fit.place
    assert (place.line, place.column, place.end_line, place.end_column) == (3, 1, 4, 5)


@pytest.mark.parametrize(
    "program",
    [
        "x = " + "(" * 90 + "1" + ")" * 90,
        "x = " + " + ".join(["1"] * 900),
        "x = " + "f(" * 80 + ")" * 80,
        "x" + ".a" * 900,
        "if a:\n  pass\n" + "".join(f"elif a{n}:\n  x = {n}\n" for n in range(300)),
        "def f(n):\n    return g(n) + g(n)\ndef g(n):\n    return f(n) + f(n)\nf(1)",
        "".join(f"def f{n}():\n    f{n + 1}()\n    f{n + 1}()\n" for n in range(60)) + "f0()",
        "x = []\nfor a in x:\n  for b in x:\n    for c in unknown:\n      x.append(x)",
        "x = [x for x in unknown for y in x for z in y for w in z]",
        "a = []\na.append(a)\nmodel.fit(a)",
        "d = {}\nd['d'] = d\nmodel.fit(**d)\nmodel.compile(loss=d)",
        "a = 'x' * 10 ** 9\nb = 1 << 10 ** 9\nc = 9 ** 9 ** 9\nd = [0] * 10 ** 12",
        "class A(A): pass\nclass B(B, A): pass\nB().x().y",
        "class A:\n    @property\n    def a(self):\n        return self.a\nA().a",
        "def f(*, a, **k): return f(**k)\nf(1, 2, 3, a=4, **{})",
        "async def f():\n    async with a as b:\n        async for c in b:\n            await c\n            yield c",
        "x: int\n(yield)\nglobal x\nreturn\nsuper().a\nsuper(1, 2).b\nprint(*a, **b)",
        "m = keras.Sequential()\nm.add(m)\nm.fit(1)\nm(m)\nm.layers[0]\nlen(m.layers)",
        "t = keras.Input(())\nt = keras.Model(t, t)(t)\nkeras.models.clone_model(t)",
        "isinstance()\nlen()\nrange('a')\nzip(1)\nsorted([1, 'a'])\nlist(1, 2)\ngetattr(1)\nmap()\nrange(1, 9, 0)",
    ],
)  # fmt: skip
def test_what_could_break_the_reader(program: str) -> None:
    found = events(HEAD + MODEL + program.replace("return\n", "").replace("(yield)\n", ""))
    assert len(found) < 5_000


STATEMENTS = """
model.compile("adam", "mse")
model.fit(x, y, epochs=3)
model = keras.Sequential([layers.Dense(2), model])
for layer in model.layers: layer.trainable = False
x = [x, *y] if x else {**y, "a": x}
def f(x, *y, **z): return x.fit(y, **z)
y = f(model, x, a=y)
class A(keras.Model): call = f
model = A(x)
try: y = model(x)
except Exception as x: raise
while x: x = x[0]; break
x = lambda y: model(y)
with x as (y, model): del y
import os, keras as x
x += y
model.trainable = not x
return_ = [layer(t) for t in y if t]
if x: model = None
else: x.append(model)
""".strip().splitlines()


@settings(max_examples=300)
@given(st.integers(0, 10**9))
def test_random_programs_never_break_the_reader(seed: int) -> None:
    """Lines in any order, and nested in any way that parses."""
    chance = random.Random(seed)
    lines, indent = [], 0
    for _ in range(chance.randint(1, 25)):
        pick = chance.choice(STATEMENTS)
        if pick.startswith(("except", "else", "try")):
            continue
        opener = chance.choice(
            ["if x:", "for x in y:", "def g(x, y=1):", "class B(A):", "while y:"]
        )
        if chance.random() < 0.25 and indent < 6:
            lines.append("    " * indent + opener)
            indent += 1
        lines.append("    " * indent + pick)
        if chance.random() < 0.3:
            indent = max(0, indent - 1)
    program = HEAD + MODEL + "\n".join(lines)
    found = events(program)
    assert found[0].name in {"keras.Input", "keras.layers.Dense"}
