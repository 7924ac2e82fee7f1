"""The language of triggers: every mistake gets one line that names file, line and fix."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro import overlay, stack
from krepro.home import Home
from krepro.project import Project
from krepro.repro import Repro, ReproError, read_repro
from krepro.scan import api
from krepro.scan.scan import scan_with
from krepro.scan.trigger import (
    KINDS,
    SHOWS,
    STEPS,
    VOCABULARY,
    Trigger,
    all_triggers,
    triggers_of,
)
from tests import keras_api

ROOT = Path(__file__).parents[1]
HEADER = """# /// script
# dependencies = ["keras"]
#
# [{tool}]
# title = "Model: goes wrong"
# kind = "silent"
# area = "trainer"
# affected = ">=3.0"
#
# [[tool.krepro.trigger]]
{lines}
# ///
def test_it():
    pass
"""
HEAD = "import keras\nfrom keras import layers\n"


def made(folder: Path, *lines: str) -> Repro:
    path = folder / "entry.py"
    path.write_text(
        HEADER.format(tool="tool.krepro", lines="\n".join(f"# {line}" for line in lines))
    )
    return read_repro(path)


def trigger(folder: Path, code: object, where: object = ()) -> Trigger:
    wheres = list(where) if not isinstance(where, str) else [where]
    repro = made(folder, f"code = {code!r}", f"where = {wheres!r}", 'shows = ["loss"]')
    [found] = triggers_of(repro)
    return found


def hits(folder: Path, code: object, where: object, program: str) -> list[str]:
    """How sure each hit of a trigger in a program is, in order."""
    found = trigger(folder, code, where)
    path = folder / "program.py"
    path.write_text(HEAD + program)
    scanned = scan_with([path], [read_repro(folder / "entry.py")], [found])
    assert not scanned.notes
    return [hit.sureness.value for hit in scanned.hits]


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (['code = "model.fit("', 'shows = ["loss"]'], 11, "not valid Python"),
        (
            ['code = "model.fti()"', 'shows = ["loss"]'],
            11,
            "no method of Keras that is known here (did you mean fit?)",
        ),
        (
            ['code = "keras.layers.Dens()"', 'shows = ["loss"]'],
            11,
            "did you mean keras.layers.Dense?",
        ),
        (
            ['code = "thing.fit()"', 'shows = ["loss"]'],
            11,
            "a variable starts with its kind",
        ),
        (
            ['code = "model.a.fit()"', 'shows = ["loss"]'],
            11,
            "name the object by a variable",
        ),
        (['code = "model.fit(); model.fit()"', 'shows = ["loss"]'], 11, "one step an item"),
        (['code = "not model.fit()"', 'shows = ["loss"]'], 11, "nothing follows it"),
        (['code = "if model: pass"', 'shows = ["loss"]'], 11, "no call, no assignment"),
        (['code = "model = layer"', 'shows = ["loss"]'], 11, "no call, no assignment"),
        (
            ['code = "a, model = keras.Model()"', 'shows = ["loss"]'],
            11,
            "a variable or its attribute",
        ),
        (['code = "model.fit(**data)"', 'shows = ["loss"]'], 11, "name the arguments"),
        (
            ['code = "model.predict_on_batch(1, 2)"', 'shows = ["loss"]'],
            11,
            "too many arguments",
        ),
        (['code = "model.fit(x=1 + 2)"', 'shows = ["loss"]'], 11, "there is '|' alone"),
        (
            ['code = "model.fit(x=numpy.ones)"', 'shows = ["loss"]'],
            11,
            "none of Keras' names",
        ),
        (['code = "model.fit(x=not data)"', 'shows = ["loss"]'], 11, "bound to nothing"),
        (['code = "trains(model, 1)"', 'shows = ["loss"]'], 11, "takes a model"),
        (
            ["code = 3", 'shows = ["loss"]'],
            11,
            "code must be a string or a list of strings",
        ),
        (['shows = ["loss"]'], 10, "a trigger needs code"),
        (['code = "model.fit()"'], 10, "a trigger needs shows"),
        (['code = "model.fit()"', 'shows = ["los"]'], 12, "shows names 'los'"),
        (['code = "model.fit()"', 'show = "loss"'], 12, "show is not a field of a trigger"),
        (
            ['code = "model.fit()"', 'where = "inner in model"', 'shows = "loss"'],
            12,
            "'inner' is bound by no step",
        ),
        (
            [
                'code = ["not inner.fit()", "model.fit()"]',
                'where = "compiled(inner)"',
                'shows = "loss"',
            ],
            12,
            "'inner' is bound by no step",
        ),
        (
            ['code = "model.fit()"', 'where = "open(model)"', 'shows = "loss"'],
            12,
            "where knows no 'open'",
        ),
        (
            ['code = "model.fit()"', 'where = "compild(model)"', 'shows = "loss"'],
            12,
            "did you mean compiled?",
        ),
        (
            ['code = "model.fit()"', 'where = "compiled(model, 1)"', 'shows = "loss"'],
            12,
            "compiled takes 1 arguments",
        ),
        (
            ['code = "model.fit()"', 'where = "during(model)"', 'shows = "loss"'],
            12,
            "in quotes",
        ),
        (
            [
                'code = "model.fit()"',
                'where = "[x for x in model.outputs]"',
                'shows = "loss"',
            ],
            12,
            "where has no word for",
        ),
        (
            ['code = "model.fit()"', 'where = "model.evaluate()"', 'shows = "loss"'],
            12,
            "where knows no 'model.evaluate'",
        ),
        (
            [
                'code = "model.fit()"',
                'where = "isinstance(model, sys.Thing)"',
                'shows = "loss"',
            ],
            12,
            "isinstance knows no 'sys.Thing'",
        ),
        (
            ['code = "model.fit()"', 'where = "model is"', 'shows = "loss"'],
            12,
            "not valid Python",
        ),
    ],
)
def test_mistakes(tmp_path: Path, lines: list[str], line: int, message: str) -> None:
    repro = made(tmp_path, *lines)
    with pytest.raises(ReproError) as caught:
        triggers_of(repro)
    said = str(caught.value)
    assert said.startswith(f"{repro.path}:{line}: ")
    assert message in said
    assert "\n" not in said


def test_a_trigger_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "entry.py"
    text = HEADER.format(tool="tool.krepro", lines="# a = 1").replace(
        "# [[tool.krepro.trigger]]\n# a = 1\n", ""
    )
    path.write_text(
        text.replace('# area = "trainer"', '# area = "trainer"\n# trigger = "x"')
    )
    with pytest.raises(ReproError, match=r"entry.py:8: trigger must be an array of tables"):
        read_repro(path)


def test_triggers_change_no_source_hash(tmp_path: Path) -> None:
    plain = made(tmp_path, 'code = "model.fit()"', 'shows = ["loss"]').source_hash
    other = made(tmp_path, 'code = "model.evaluate()"', 'shows = ["loss"]')
    assert other.source_hash == plain
    assert other.triggers == ({"code": "model.evaluate()", "shows": ["loss"]},)


def test_an_entry_may_have_several(tmp_path: Path) -> None:
    repro = made(
        tmp_path,
        'code = "model.fit()"',
        'shows = "loss"',
        "[[tool.krepro.trigger]]",
        'code = ["model.compile()", "tests(model)"]',
        'shows = ["loss", "raises"]',
    )
    first, second = all_triggers([repro])
    assert (first.shows, second.shows) == (("loss",), ("loss", "raises"))
    assert [len(pattern.steps) for pattern in second.code] == [1, 2]


MODEL = "model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])\n"


@pytest.mark.parametrize(
    ("code", "program", "hit"),
    [
        ("model.fit(epochs=_)", "model.fit(x, epochs=3)", True),
        ("model.fit(epochs=_)", "model.fit(x)", False),
        ("model.fit(epochs=3)", "model.fit(x, y, 8, 3)", True),
        ("model.fit(epochs=3)", "model.fit(x, **{'epochs': 3})", True),
        ("model.fit(epochs=3)", "model.fit(x, epochs=4)", False),
        ("model.fit(epochs=3)", "model.fit(x, epochs=True)", False),
        ("model.fit(epochs=absent)", "model.fit(x)", True),
        ("model.fit(epochs=absent)", "model.fit(x, epochs=1)", False),
        ("model.fit(epochs=absent | 1)", "model.fit(x, epochs=1)", True),
        ("model.fit(y=not None)", "model.fit(x, y)", True),
        ("model.fit(y=not None)", "model.fit(x, None)", False),
        ("model.fit(y=not None)", "model.fit(x)", False),
        ("model.fit(epochs=not 1)", "model.fit(x, epochs=2)", True),
        ("model.fit(epochs=not 1)", "model.fit(x, epochs=1)", False),
        ("model.fit(epochs=-1)", "model.fit(x, epochs=-1)", True),
        ("model.compile(loss=string)", "model.compile(loss='mse')", True),
        ("model.compile(loss=string)", "model.compile(loss=f'm{x}')", True),
        ("model.compile(loss=string)", "model.compile(loss=[])", False),
        ("model.fit(epochs=number)", "model.fit(epochs=2)", True),
        ("model.fit(epochs=number)", "model.fit(epochs=int(x))", True),
        ("model.fit(epochs=number)", "model.fit(epochs='2')", False),
        ("model.compile(loss=function)", "model.compile(loss=lambda a, b: a)", True),
        ("model.compile(loss=function)", "model.compile(loss='mse')", False),
        ("model.compile(loss={})", "model.compile(loss=dict(a='mse'))", True),
        ("model.compile(loss={'a': _})", "model.compile(loss={'b': 1, 'a': 2})", True),
        ("model.compile(loss={'a': _})", "model.compile(loss={'b': 1})", False),
        ("model.compile(loss={_: None})", "model.compile(loss={'b': None})", True),
        ("model.compile(loss=[])", "model.compile(loss=('mse',))", True),
        ("model.compile(loss=[])", "model.compile(loss={'mse'})", False),
        ("model.compile(loss=[_, _])", "model.compile(loss=['a', 'b'])", True),
        ("model.compile(loss=[_, _])", "model.compile(loss=['a'])", False),
        ("model.compile(loss=[..., None, ...])", "model.compile(loss=['a', None])", True),
        ("model.compile(loss=[..., None])", "model.compile(loss=[None, 'a'])", False),
        ("model.compile(loss=has('mse'))", "model.compile(loss={'a': ['mse']})", True),
        ("model.compile(loss=has('mse'))", "model.compile(loss={'a': ['mae']})", False),
        ("model.compile(loss=keras.losses.Huber)", "model.compile(loss='huber')", True),
        (
            "model.compile(loss=keras.losses.Huber)",
            "model.compile(loss=keras.losses.huber)",
            True,
        ),
        (
            "model.compile(loss=keras.losses.Huber)",
            "model.compile(loss=keras.losses.Huber)",
            True,
        ),
        (
            "model.compile(loss=keras.losses.Huber)",
            "model.compile(loss=keras.losses.Huber(2))",
            True,
        ),
        ("model.compile(loss=keras.losses.Huber)", "model.compile(loss='mse')", False),
        (
            "model.compile(loss=keras.losses.MeanSquaredError)",
            "model.compile(loss='MSE')",
            True,
        ),
        (
            "model.compile(loss=keras.losses.Huber(delta=_))",
            "model.compile(loss=keras.losses.Huber(2))",
            True,
        ),
        (
            "model.compile(loss=keras.losses.Huber(delta=_))",
            "model.compile(loss=keras.losses.Huber())",
            False,
        ),
        ("model.fit() | model.evaluate()", "model.evaluate(x)", True),
        ("tests(model)", "model.test_on_batch(x)", True),
        ("tests(model)", "model.fit(x)", False),
        ("runs(model, sample_weight=_)", "model.train_on_batch(x, y, x)", True),
        ("model.metrics_names", "print(model.metrics_names)", True),
        ("model.metrics_names", "print(model.metrics)", False),
        ("model.trainable = False", "model.trainable = False", True),
        ("model.trainable = False", "model.trainable = True", False),
        ("layer(_, training=False)", "model(x, training=False)", True),
        ("layer(_, training=False)", "model(x)", False),
        ("keras.models.clone_model(model)", "keras.models.clone_model(model)", True),
        (
            "keras.saving.load_model(compile=False)",
            "keras.models.load_model('a', None, False)",
            True,
        ),
        (
            "optimizer = keras.Optimizer(use_ema=True)",
            "keras.optimizers.SGD(use_ema=True)",
            True,
        ),
        (
            "optimizer = keras.optimizers.Adam(use_ema=True)",
            "keras.optimizers.SGD(use_ema=True)",
            False,
        ),
    ],
)
def test_what_a_step_is(tmp_path: Path, code: str, program: str, hit: bool) -> None:
    assert (
        hits(
            tmp_path, code, (), f"import numpy as np\nx = y = np.ones(2)\n{MODEL}{program}"
        )
        == ["certain"] * hit
    )


def test_steps_come_in_their_order(tmp_path: Path) -> None:
    code = ["model.compile()", "model.fit()"]
    assert hits(tmp_path, code, (), MODEL + "model.compile()\nmodel.fit()") == ["certain"]
    assert hits(tmp_path, code, (), MODEL + "model.fit()\nmodel.compile()") == []


def test_a_step_that_must_not_be_between(tmp_path: Path) -> None:
    code = ["model.compile()", "not model.build()", "model.fit()"]
    between = MODEL + "model.compile()\nmodel.build()\nmodel.fit()"
    before = MODEL + "model.build()\nmodel.compile()\nmodel.fit()"
    assert hits(tmp_path, code, (), between) == []
    assert hits(tmp_path, code, (), before) == ["certain"]


def test_steps_of_two_branches_are_no_sequence(tmp_path: Path) -> None:
    code = ["model.compile()", "model.fit()"]
    apart = MODEL + "if big:\n    model.compile()\nelse:\n    model.fit()"
    within = MODEL + "if big:\n    model.compile()\n    model.fit()"
    assert hits(tmp_path, code, (), apart) == []
    assert hits(tmp_path, code, (), within) == ["certain"]


def test_a_variable_is_one_object(tmp_path: Path) -> None:
    code = ["model.compile()", "model.fit()"]
    two = MODEL + MODEL.replace("model =", "other =") + "model.compile()\nother.fit()"
    assert hits(tmp_path, code, (), two) == []
    free = ["model.compile()", "model_other.fit()"]
    assert hits(tmp_path, free, "model is not model_other", two) == ["certain"]


NET = """
class Net(keras.Model):
    def train_step(self, data):
        return {"loss": 1}
"""
TWO = """
inputs = keras.Input((2,))
a, b = layers.Dense(1, name="b")(inputs), layers.Dense(1, name="a")(inputs)
model = keras.Model(inputs, [a, b])
"""
MASKED = """
inputs = keras.Input((None,))
model = keras.Model(inputs, layers.LSTM(4, return_sequences={more})(layers.Embedding(9, 2, mask_zero=True)(inputs)))
"""


@pytest.mark.parametrize(
    ("where", "program", "expected"),
    [
        ("len(model.outputs) == 2", TWO, True),
        ("len(model.outputs) == 2", MODEL, False),
        ("len(model.outputs) > 1", "from zoo import model\n", None),
        ("model.output_names == ['b', 'a']", TWO, True),
        ("sorted(model.output_names) == model.output_names", TWO, False),
        ("set(model.output_names) == ['a', 'b']", TWO, True),
        ("model.outputs[0] is model.outputs[1]", TWO, False),
        ("compiled(model)", MODEL + "model.compile()\n", True),
        ("compiled(model)", MODEL, False),
        ("compiled(model)", "model = keras.models.load_model('x')\n", None),
        ("built(model)", MODEL, True),
        ("built(model)", "model = keras.Sequential([layers.Dense(1)])\n", False),
        ("trained(model)", MODEL, False),
        ("trained(model)", MODEL + "model.train_on_batch(1)\n", True),
        ("overrides(model, 'train_step')", NET + "model = Net()\n", True),
        ("overrides(model, 'call')", NET + "model = Net()\n", False),
        ("overrides(model, 'call')", MODEL, False),
        ("masked(model)", MASKED.format(more=True), True),
        ("masked(model)", MASKED.format(more=False), False),
        ("any(isinstance(x, keras.layers.Dense) for x in layers(model))", MODEL, True),
        ("any(isinstance(x, keras.layers.LSTM) for x in layers(model))", MODEL, False),
        ("all(x.units == 1 for x in layers(model))", MODEL, True),
        ("all(given(x.activation) for x in layers(model))", MODEL, False),
        ("model.layers[0].name == 'x'", MODEL, None),
        ("perhaps('the moon is full')", MODEL, None),
        ("not perhaps('the moon is full')", MODEL, None),
        ("compiled(model) and perhaps('x')", MODEL, False),
        ("not compiled(model) or perhaps('x')", MODEL, True),
        ("1 < len(model.outputs) + 1 <= 2", MODEL, True),
        ("'ab'.startswith('a')", MODEL, True),
        (
            "means(model.optimizer, keras.optimizers.Adam)",
            MODEL + "model.compile('adam')\n",
            True,
        ),
        (
            "means(model.optimizer, keras.optimizers.Adam)",
            MODEL + "model.compile()\n",
            False,
        ),
        ("len(flat(model.outputs)) == 2", TWO, True),
        ("isinstance(model, keras.Sequential)", MODEL, True),
        ("isinstance(model, (keras.Sequential, dict))", TWO, False),
        ("during('go')", MODEL, False),
    ],
)
def test_what_where_answers(
    tmp_path: Path, where: str, program: str, expected: bool | None
) -> None:
    found = hits(tmp_path, "model.fit()", where, program + "model.fit(1)")
    assert found == {True: ["certain"], None: ["possible"], False: []}[expected]


def test_what_may_be_no_keras_model_is_possible(tmp_path: Path) -> None:
    assert hits(tmp_path, "model.fit()", (), "from zoo import model\nmodel.fit(1)") == [
        "possible"
    ]
    either = MODEL + "if big:\n    from zoo import model\nmodel.fit(1)"
    assert hits(tmp_path, "model.fit()", (), either) == ["possible"]
    assert (
        hits(tmp_path, "model.fit()", (), "from sklearn import model\nmodel.fit(1)") == []
    )


def test_what_is_inside_what(tmp_path: Path) -> None:
    nested = (
        MODEL + "outer = keras.Sequential([model])\nouter = keras.Sequential([outer])\n"
    )
    code = ["inner.compile()", "model.fit()"]
    program = nested + "model.compile()\nouter.fit(1)"
    assert hits(tmp_path, code, "inner in model", program) == ["certain"]
    assert hits(tmp_path, code, "inner not in model", program) == []
    assert hits(tmp_path, code, "model in inner", program) == []


@settings(max_examples=200)
@given(st.text(alphabet="modelfit.()=_|[]{}'not ,:absent123", max_size=30))
def test_any_text_is_a_pattern_or_a_mistake(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("text")
    quoted = text.replace("'", '"')
    repro = made(folder, f"code = '{quoted}'", 'shows = ["loss"]')
    with contextlib.suppress(ReproError):
        triggers_of(repro)


def test_the_documentation_has_every_word() -> None:
    text = (ROOT / "docs/triggers.md").read_text(encoding="utf-8")
    words = [f"`{word}`" for word in (*SHOWS, *KINDS)]
    for word in (
        *words,
        *(f"{name}(" for name in VOCABULARY),
        *(f"`{name}(" for name in STEPS),
    ):
        assert word in text, f"docs/triggers.md does not have {word}"


@pytest.mark.keras
def test_the_table_of_names_is_that_of_keras() -> None:
    """It is the newest release's; what older ones take has the same order."""
    home, project = Home.find(), Project(ROOT)
    environment = stack.prepare(home, ROOT, project.matrix, project.matrix.primary("jax"))

    def of(release: str) -> dict[str, Any]:
        return keras_api.api(overlay.prepare(home, f"keras=={release}", environment))

    newest = of("3.15.1")
    assert keras_api.as_text(newest) == keras_api.TABLE.read_text(encoding="utf-8")
    for release in ("3.0.0", "3.3.3", "3.8.0"):
        older = of(release)
        pairs = [(older["functions"], newest["functions"])]
        for name, entry in older["classes"].items():
            same = newest["classes"].get(name, {})
            pairs.append(({"": entry["parameters"]}, {"": same.get("parameters", [])}))
            pairs.append(({"": entry.get("call", [])}, {"": same.get("call", [])}))
            pairs.append((entry.get("methods", {}), same.get("methods", {})))
        assert len(pairs) > 400
        for old, new in pairs:
            for name in old.keys() & new.keys():
                common = set(old[name]) & set(new[name])
                assert [p for p in old[name] if p in common] == [
                    p for p in new[name] if p in common
                ], (release, name)


def test_the_table_has_what_the_training_methods_take() -> None:
    """Held against the documentation of Model.fit, evaluate, train_on_batch and load_model."""
    fit = api.method_parameters("keras.Sequential", "fit")
    assert fit[:6] == ("x", "y", "batch_size", "epochs", "verbose", "callbacks")
    compile_ = api.method_parameters("keras.Model", "compile")
    assert compile_[:4] == ("optimizer", "loss", "loss_weights", "metrics")
    step = api.method_parameters("keras.Model", "train_on_batch")
    assert step == ("x", "y", "sample_weight", "class_weight", "return_dict")
    loaded = api.parameters(api.canonical("keras.models.load_model"))
    assert loaded == ["filepath", "custom_objects", "compile", "safe_mode"]
    assert api.ancestors("keras.Sequential")[:3] == (
        "keras.Sequential",
        "keras.Model",
        "keras.Layer",
    )
    assert api.canonical("tensorflow.keras.layers.Layer") == "keras.Layer"
