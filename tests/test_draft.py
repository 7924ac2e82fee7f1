"""What a report is made of: its script, its words, what must not be in it. No run of Keras."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from krepro import published, ranges
from krepro.cell.supervise import Ending
from krepro.draft import duplicates, facts, redaction, verification
from krepro.draft import script as scripts
from krepro.draft.ending import declared, read_ending
from krepro.draft.facts import Check, Facts, Place, Row, Subject, Workaround
from krepro.draft.verification import Room, run_pasted
from krepro.hunt.symptom import Failure, Sighting, Where, of
from krepro.matrix import Cell
from krepro.project import Project, SelectionError
from krepro.render import downstream
from krepro.render import draft as rendering
from krepro.repro import Repro
from krepro.verdict import Verdict
from tests.conftest import ROOT

PROJECT = Project(ROOT)
CATALOGUE = PROJECT.repros()
REPORT = published.for_people(PROJECT, CATALOGUE)
RELEASES = PROJECT.matrix.versions
IDS = [repro.id for repro in CATALOGUE]
LONG = re.compile(r"[A-Za-z0-9]{40,}")
A, U, N = Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE


def rows_of(repro: Repro) -> list[Row]:
    return [
        Row(stack, tuple(row), row)
        for stack in REPORT.stacks
        if not stack.subject and (row := REPORT.row(repro, stack))
    ]


def row(verdicts: Mapping[str, Verdict | None], backend: str = "jax") -> Row:
    releases = {Version(name): verdict for name, verdict in verdicts.items()}
    return Row(PROJECT.matrix.primary(backend), tuple(releases), releases)


def place(release: str, backend: str = "jax") -> Place:
    stack = PROJECT.matrix.primary(backend)
    return Place(Cell(stack.name, release), stack)


# --- scripts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("repro", CATALOGUE, ids=IDS)
def test_the_script_of_an_entry_needs_keras_and_numpy_alone(repro: Repro) -> None:
    source = repro.path.read_text(encoding="utf-8")
    for test in repro.tests:
        script = scripts.of_repro(source, test, "jax")
        tree = ast.parse(script)
        names = {
            a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
        }
        names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        tops = {name.partition(".")[0] for name in names}
        assert tops <= sys.stdlib_module_names | {
            "keras",
            "numpy",
            "tensorflow",
            "torch",
            "jax",
        }
        for trace in ("unittest", "krepro", "__file__", "sys.exit", "workaround_", "# ///"):
            assert trace not in script
        assert script.count(scripts.BACKEND_VARIABLE) == 1
        assert script.index(scripts.BACKEND_VARIABLE) < script.index("import keras")
        assert scripts.IDENTITY in script
        scripts.check(repro.id, script, [str(ROOT)])
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import)]
        bound = {a.asname or a.name for n in imports for a in n.names}
        assert not [n for n in bound if not re.search(rf"\b{n}\.", script)]


# A block of its own would make pytest take this file for a repro.
REPRO = (
    """# /// script
# dependencies = []
# ///
"""
    '''"""The story."""

import os
import unittest

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

# A remark on the size.
SIZE = 2  # and another
UNUSED = np.zeros(3)


@keras.saving.register_keras_serializable()
class Layer(keras.layers.Layer):
    size = SIZE


def helper(**options):
    """What it does."""
    if keras.backend.backend() != "jax":
        raise unittest.SkipTest("not here")
    try:
        layer = Layer(
            **options,
        )
    except ValueError:
        raise unittest.SkipTest("not there") from None
    return layer


def test_one():
    """The first promise,
    on two lines."""
    # Why it is so.
    made = helper()
    assert made.size == 3, f"{made.size}, promised 3"


def test_two():
    SIZE = 3
    assert helper().size == SIZE


def test_three():
    return helper()


def test_four():
    text = """a
    b"""
    assert text == helper()


def workaround_np():
    """Another way."""
    assert UNUSED


if __name__ == "__main__":
    test_one()
'''
)


def test_a_script_has_what_the_test_needs_and_no_more() -> None:
    assert scripts.of_repro(REPRO, "test_one", "jax") == textwrap.dedent('''\
        import os

        os.environ.setdefault("KERAS_BACKEND", "jax")

        import keras

        print("Keras", keras.__version__, "on", keras.backend.backend())

        # A remark on the size.
        SIZE = 2  # and another


        @keras.saving.register_keras_serializable()
        class Layer(keras.layers.Layer):
            size = SIZE


        def helper(**options):
            """What it does."""
            layer = Layer(
                **options,
            )
            return layer


        # The first promise, on two lines.
        # Why it is so.
        made = helper()
        assert made.size == 3, f"{made.size}, promised 3"
        print("as promised")
        ''')


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("test_two", "its name would change what the class sees"),
        ("test_three", "it returns"),
        ("test_four", "its text would lose its indentation"),
    ],
)
def test_what_cannot_be_a_module_stays_a_function(test: str, why: str) -> None:
    script = scripts.of_repro(REPRO, test, "jax")
    assert f"def {test}():" in script, why
    assert script.endswith(f'\n\n\n{test}()\nprint("as promised")\n')


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("#!/usr/bin/env python\nimport keras\n", "{choice}import keras\n"),
        (
            '"""Doc."""\nfrom __future__ import annotations\n\nimport keras\n',
            '"""Doc."""\nfrom __future__ import annotations\n\n{choice}import keras\n',
        ),
        (
            '# /// script\n# dependencies = ["keras"]\n# ///\nimport keras\n',
            "{choice}import keras\n",
        ),
        ('import os\nos.environ["KERAS_BACKEND"] = "jax"\n', None),
        (
            "import keras\n\ndef test_it():\n    pass\n",
            "{choice}import keras\n\ndef test_it():\n    pass\n\n\ntest_it()\n",
        ),
        ("# A remark.\nimport keras", "{choice}# A remark.\nimport keras\n"),
    ],
)
def test_a_users_script_is_shown_as_it_is(given_: str, shown: str | None) -> None:
    choice = 'import os\n\nos.environ.setdefault("KERAS_BACKEND", "torch")\n\n'
    expected = given_ if shown is None else shown.replace("{choice}", choice)
    assert scripts.of_script(given_, "torch") == expected


def test_a_script_that_cannot_be_shown_is_refused() -> None:
    scripts.check("a.py", f"x = '{'a' * 39}'\ny = '/home/me2/x'\n", ["/home/me"])
    with pytest.raises(SelectionError, match=r"a.py:2: has 40 letters and digits in a row"):
        scripts.check("a.py", f"\nx = '{'a1' * 20}'", [])
    with pytest.raises(SelectionError, match=r"a.py:1: names /home/me, which others"):
        scripts.check("a.py", "open('/home/me/data.csv')", ["/home/me"])


@example("text = '''\n```\nmore\n'''")
@given(st.text(alphabet="`~a\n #") | st.text())
def test_what_is_taken_out_of_a_draft_is_what_was_put_in(text: str) -> None:
    # As it is in a file: no line ends but its own.
    code = "\n".join(text.splitlines()).rstrip("\n") + "\n"
    block = scripts.Fence("python").around(code)
    draft = f"# Title\n\n{scripts.Fence('text').around('``` print')}\n{block}\nmore\n"
    assert scripts.extracted(draft) == code


# --- redaction --------------------------------------------------------------------------------

PLACES = {"/home/me/work": ".", "/home/me": "~", "/tmp/x y": "/tmp"}
ROOTS = {"home", "tmp", "usr", "root", "data"}


@given(
    st.lists(
        st.sampled_from(
            [
                "/home/me/work/train.py",
                "/home/me",
                "/home/you/keras/x.py",
                "/tmp/x y/script.py",
                "/data/.cache/a/lib/python3.11/site-packages/keras/src/a.py",
                "a" * 45,
                "0123456789abcdef" * 4,
                "/usr/lib/python3.11/runpy.py",
                " ",
                '"',
                "\n",
                ", line 3",
                "é",
            ]
        )
        | st.text(max_size=8)
    )
)
def test_nothing_of_this_machine_and_no_long_run_is_left(parts: list[str]) -> None:
    once = redaction.redact(" ".join(parts), PLACES, ROOTS)
    assert not LONG.search(once)
    assert "/home/me" not in once
    assert "/home/you" not in once
    assert "/data/" not in once
    assert redaction.redact(once, PLACES, ROOTS) == once


@pytest.mark.parametrize(
    "text",
    [
        "layer/dense_1/kernel:0 is 0.5",
        "/job:localhost/replica:0/task:0/device:CPU:0",
        "https://github.com/keras-team/keras/issues/1",
        "a" * 39 + " 7267cd5327",
        "model/data/kernel:0 and ./tmp/x",
        "shapes (2, 3)/(4, 5); a/b",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redaction.redact(text, PLACES, ROOTS) == text


@pytest.mark.parametrize(
    ("text", "public"),
    [
        (
            'File "/data/.cache/k/fresh/lib/python3.11/site-packages/keras/src/a.py", line 1',
            'File "…/site-packages/keras/src/a.py", line 1',
        ),
        ('File "/data/run-1/script.py", line 3', 'File "…/script.py", line 3'),
        ("open /home/me/work/x.csv", "open ./x.csv"),
        ("open /home/meyer/x.csv", "open …/x.csv"),
        ("sha " + "ab12" * 16, "sha ab12ab12ab…"),
        ("(/usr/lib/a.so)", "(…/a.so)"),
    ],
)
def test_what_becomes_of_paths_and_hashes(text: str, public: str) -> None:
    assert redaction.redact(text, PLACES, ROOTS) == public


def test_an_output_is_what_a_person_saw() -> None:
    bar = "\x1b[1m1/2\x1b[0m ━ loss: 1\x08\x08\x08\x08\r\x1b[1m2/2\x1b[0m ━ loss: 0.5\r\nend\x07\n"
    assert redaction.cleaned(bar) == "2/2 ━ loss: 0.5\nend"
    lines = "\n".join(map(str, range(200)))
    shown = redaction.cut(lines).splitlines()
    assert len(shown) == redaction.MOST_LINES + 1
    assert (shown[0], shown[-1], shown[20]) == ("0", "199", "… 120 lines left out …")
    assert redaction.cut("a\nb") == "a\nb"


# --- how a run ended --------------------------------------------------------------------------


def pasted(tmp_path: Path, script: str) -> Sighting:
    room = Room(Path(sys.executable), ())
    text = textwrap.dedent(script)
    return run_pasted(
        room, text, "jax", tmp_path, timeout_s=20, memory_mb=1000, stop=lambda: False
    )


@pytest.mark.parametrize(
    ("script", "summary"),
    [
        ("print(1)", "ends well"),
        ("import sys\nsys.exit(3)", "exits with 3"),
        ("import sys\nsys.exit('no')", "exits with 1"),
        (
            "import os\nos.kill(os.getpid(), 9)",
            "untestable:crash the interpreter died of signal 9",
        ),
        ("raise ValueError('a\\nb')", "ValueError: a b"),
        ("raise ValueError", "ValueError"),
        ("class Odd(Exception): pass\nraise Odd('x: y')", "Odd: x: y"),
        (
            "try:\n    {}['a']\nexcept KeyError as e:\n    raise RuntimeError('why') from e",
            "RuntimeError: why",
        ),
        (
            "import json\njson.loads('')",
            "JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        ),
    ],
)
def test_how_a_run_of_its_own_ended(tmp_path: Path, script: str, summary: str) -> None:
    assert pasted(tmp_path, script).summary == summary


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    room = Room(Path(sys.executable), ())
    script = "import time\ntime.sleep(60)\n"
    found = run_pasted(
        room, script, "jax", tmp_path, timeout_s=0.5, memory_mb=1000, stop=lambda: False
    )
    assert found.verdict == Verdict.TIMEOUT.value


def test_an_assertion_counts_where_it_is_the_scripts_own(tmp_path: Path) -> None:
    own = pasted(tmp_path, "def check(x):\n    assert x == 2, x\n\ncheck(1)\n")
    assert own.failure
    assert own.failure.assertion
    assert own.failure.where == Where("script.py", 2, "check", "assert x == 2, x")
    assert declared(())(own)
    # One of a library that the script calls is not.
    library = tmp_path / "keras_like.py"
    library.write_text("def f():\n    assert False, 'inside'\n")
    other = pasted(
        tmp_path,
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport keras_like\nkeras_like.f()",
    )
    assert other.failure
    assert not other.failure.assertion
    assert not declared(())(other)
    assert declared(["AssertionError: ins"])(other)
    assert not declared(["ValueError: ins"])(other)
    # What the search saw of it is what the fresh run is held to.
    seen = of(own)
    assert seen is not None
    assert seen.seen_in(own)
    assert not seen.seen_in(other)


def test_what_jax_adds_is_no_part_of_the_message() -> None:
    output = (
        'Traceback (most recent call last):\n  File "/w/script.py", line 1, in <module>\n'
        "    f()\nTypeError: no such\nthing\n--------------------\nFor simplicity, JAX has\n"
    )
    found = read_ending(Ending(status=1, output=output), "f()\n", "/w/script.py").failure
    assert found is not None
    assert (found.type, found.text) == ("TypeError", "no such\nthing")
    assert found.where.statement == "f()"


# --- what is shown ----------------------------------------------------------------------------


def test_the_cells_that_are_shown() -> None:
    tensorflow = row({"3.0.0": U, "3.1.0": A, "3.2.0": None, "3.3.0": U}, "tensorflow")
    jax = row({"3.0.0": A, "3.1.0": A, "3.2.0": A, "3.3.0": N})
    rows = [tensorflow, jax]
    assert facts.choose_affected(rows, (), ()) == place("3.2.0")
    assert facts.choose_affected(rows, ("tensorflow",), ()) == place("3.1.0", "tensorflow")
    assert facts.choose_affected(rows, (), {Version("3.1.0")}) == place(
        "3.1.0", "tensorflow"
    )
    assert facts.choose_affected(rows, (), {Version("3.3.0")}) is None
    # The fix first, then what came before; what lacks the feature is no other side.
    assert facts.choose_unaffected(rows, place("3.1.0", "tensorflow")) == place(
        "3.3.0", "tensorflow"
    )
    before = [row({"3.0.0": U, "3.1.0": U, "3.2.0": A})]
    assert facts.choose_unaffected(before, place("3.2.0")) == place("3.1.0")
    # Else the same release elsewhere, else anything.
    assert facts.choose_unaffected(rows, place("3.0.0")) == place("3.0.0", "tensorflow")
    assert facts.choose_unaffected(rows, place("3.2.0")) == place("3.3.0", "tensorflow")
    assert facts.choose_unaffected([jax], place("3.2.0")) is None


@pytest.mark.parametrize("repro", CATALOGUE, ids=IDS)
def test_a_title_starts_with_a_symbol_that_can_be_searched_for(repro: Repro) -> None:
    symbol = facts.full_title(repro.title).partition(":")[0].partition(" ")[0]
    assert re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", symbol)
    assert len(symbol) >= 4


@pytest.mark.parametrize(
    ("statement", "symbol"),
    [
        ("d.train_on_batch(g.predict(x), np.zeros(3))", "Model.train_on_batch"),
        ("loss = float(model.evaluate(x, y))", "Model.evaluate"),
        ("keras.saving.load_model(path)", "keras.saving.load_model"),
        ("assert total == 3", "Model.fit"),
    ],
)
def test_the_symbol_of_a_script(statement: str, symbol: str) -> None:
    script = "import keras\nmodel = keras.Sequential()\nmodel.fit(x, y)\nprint(1)\n"
    failure = Failure("ValueError", where=Where(statement=statement))
    assert facts.symbol_of(failure, script) == symbol
    assert facts.title_of("ValueError: " + "x" * 300, failure, script).endswith("…")
    assert facts.symbol_of(None, "print(1)") == "keras"


@pytest.mark.parametrize("repro", CATALOGUE, ids=IDS)
def test_a_story_names_no_other_entry(repro: Repro) -> None:
    story = facts.story_of(repro.docstring, [name for name in IDS if name != repro.id])
    text = "\n".join(story)
    assert not [name for name in IDS if re.search(rf"\b{name}\b", text)]
    assert "repros/" not in text
    # Most of it is told.
    assert len(text) > 0.6 * len(" ".join(repro.docstring.split()))
    assert repro.docs or facts.promises_in(story)


@given(st.lists(st.sampled_from([A, U, N, Verdict.IMPORT, None]), min_size=40, max_size=40))
def test_a_pin_holds_the_releases_that_are_free_of_it(verdicts: list[Any]) -> None:
    by_release = dict(zip(RELEASES, verdicts, strict=True))
    found = ranges.avoiding(by_release, RELEASES)
    free = [release for release, verdict in by_release.items() if verdict in (U, N)]
    if found is None:
        assert not free
    else:
        assert list(found.filter(RELEASES)) == free
        assert found.contains("3.99.0") is (RELEASES[-1] in free)
        text = downstream.requirement(Row(REPORT.stacks[0], tuple(RELEASES), by_release))
        assert text is not None
        assert Requirement(text).specifier == found


@pytest.mark.parametrize(
    ("affected", "pin", "until"),
    [
        ("3.6.0 3.7.0", "keras>=3.0.0,!=3.6.*,!=3.7.*", "fixed in 3.8.0"),
        ("3.0.0 3.0.1", "keras>=3.0.2", "fixed in 3.0.2"),
        (
            "3.14.1 3.15.0 3.15.1",
            "keras>=3.0.0,<3.14.1",
            "no release yet (newest measured: 3.15.1)",
        ),
        ("3.12.0 3.12.1", "keras>=3.0.0,!=3.12.0,!=3.12.1", "fixed in 3.12.2"),
    ],
)
def test_what_to_pin_and_until_when(affected: str, pin: str, until: str) -> None:
    bad = {Version(name) for name in affected.split()}
    found = row({str(r): A if r in bad else U for r in RELEASES})
    assert downstream.requirement(found) == pin
    assert downstream.until(found) == until


# --- the whole --------------------------------------------------------------------------------


def facts_of(repro: Repro, **changes: Any) -> Facts:
    """Facts as a run would give them, for an entry that affects something."""
    rows = rows_of(repro)
    affected = facts.choose_affected(rows, (), ())
    assert affected is not None
    source = repro.path.read_text(encoding="utf-8")
    tale = facts.story_of(repro.docstring, [name for name in IDS if name != repro.id])
    subject = Subject(
        name=repro.id,
        title=facts.full_title(repro.title),
        repro=repro,
        promises=facts.promises_in(tale),
        story=tale,
        docs=repro.docs,
        issues=repro.issues,
        introduced=repro.introduced,
        fixed=repro.fixed,
        symptom="AssertionError: " + "f" * 64,
    )
    known = duplicates.find(REPORT, "", "", affected.cell, own=repro, raises=False)
    made = {
        "subject": subject,
        "script": scripts.of_repro(source, repro.tests[0], affected.stack.backend),
        "rows": tuple(rows),
        "affected": affected,
        "unaffected": facts.choose_unaffected(rows, affected),
        "output": "Keras\nAssertionError",
        "packages": ("numpy==1.26.4", "odd @ https://x/" + "0" * 64),
        "identity": {"python": "3.11.7", affected.stack.backend: "9.9"},
        "known": known,
        "culprits": tuple(published.stored_culprits(PROJECT).get(repro.id, ())),
        "workarounds": (Workaround("Do otherwise.", U, "works wherever it was measured"),),
    }
    return Facts(**{**made, **changes})


@pytest.mark.parametrize(
    "repro", [r for r in CATALOGUE if any(x.of(A) for x in rows_of(r))], ids=lambda r: r.id
)
def test_the_draft_of_an_entry(repro: Repro) -> None:
    found = facts_of(repro)
    draft = rendering.markdown(found)
    assert draft.startswith(f"# {facts.full_title(repro.title)}\n")
    assert scripts.extracted(draft) == found.script
    assert not LONG.search(draft)
    assert str(ROOT) not in draft
    for url in repro.docs:
        assert url in draft
    for number in repro.issues:
        assert f"issues/{number}" in draft or number in (repro.introduced, repro.fixed)
    comment = draft[: draft.index("-->")]
    assert rendering.POLICY in comment
    assert "nothing was posted" in comment
    visible = draft[draft.index("-->") :]
    assert not [name for name in IDS if re.search(rf"\b{name}\b", visible)]
    assert "**Not verified.**" in visible
    affected = found.affected
    assert f"pip install keras=={affected.cell.release}" in visible.replace(
        "pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu\n", ""
    )
    for each in found.rows:
        for interval in each.intervals:
            assert (
                f"| {each.stack.backend} | {interval} | {interval.first_bad} |" in visible
            )
    note = downstream.markdown(found)
    assert ("no release yet" in note) is bool(found.live)


def test_a_draft_says_what_was_verified() -> None:
    (repro,) = PROJECT.repros(["outer_compile_drops_inner_loss_tracker"])
    found = facts_of(repro)
    assert found.unaffected is not None
    failure = Failure("AttributeError", "no attribute 'update_state'")
    bad = Sighting(ending="raised", status=1, failure=failure)
    good = Sighting(ending="returned", output="x\nas promised\n")
    identity = {"python": "3.11.7", "tensorflow": "2.16.2"}
    checks = (
        Check(found.affected, bad, (), identity),
        Check(found.unaffected, good, (), identity),
    )
    draft = rendering.markdown(facts_of(repro, checks=checks))
    assert "Not verified" not in draft
    verified = draft[draft.index("## Verification") :]
    assert (
        "- Keras 3.7.0 on tensorflow (python 3.11.7, tensorflow 2.16.2): "
        "`AttributeError: no attribute 'update_state'`, exit status 1.\n"
    ) in verified
    assert 'ended without an error, its last line is "as promised".' in verified
    assert "Nothing to compare" not in verified
    alone = rendering.markdown(facts_of(repro, checks=checks[:1], unaffected=None))
    assert "none is known to be free of it" in alone
    commands = "\n".join(rendering.commands(found))
    assert "pip install keras==3.7.0 tensorflow-cpu==2.16.2 numpy==1.26.4\n" in commands
    assert "pip install keras==3.8.0\n" in commands
    assert "#20197" in draft
    assert "-        self._clear_previous_trainer_metrics()" in draft


def test_torch_comes_from_pytorchs_index_for_cpus() -> None:
    (repro,) = PROJECT.repros(["no_weight_left_to_decay_crashes_on_torch"])
    found = facts_of(repro)
    commands = list(rendering.commands(found))
    assert (
        "pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
        in commands
    )
    assert "pip install keras==3.15.1 numpy==1.26.4" in commands
    # Its other side is another backend.
    assert commands[-1].startswith("KERAS_BACKEND=tensorflow python script.py")


def test_what_speaks_against_posting_comes_first() -> None:
    (old,) = PROJECT.repros(["outer_compile_drops_inner_loss_tracker"])
    lines = rendering.remarks(facts_of(old))
    assert lines[0].startswith("Known: outer_compile_drops_inner_loss_tracker")
    assert "issues/20474" in lines[1]
    assert "The newest release, 3.15.1, does not have it" in lines[2]
    (live,) = PROJECT.repros(["freeze_after_step_raises_on_jax"])
    assert not any("newest release" in line for line in rendering.remarks(facts_of(live)))
    change = next(r for r in CATALOGUE if r.announced and any(x.of(A) for x in rows_of(r)))
    assert any(
        "announced it as a change" in line for line in rendering.remarks(facts_of(change))
    )


TRACEBACK = (
    "Traceback (most recent call last):\n"
    "AttributeError: 'NoneType' object has no attribute 'update_state'\n"
)
GAN = """
import keras
inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
inner.compile("sgd", "mse")
outer = keras.Sequential([keras.Input((2,)), inner])
outer.compile("sgd", "mse")
inner.train_on_batch([[1.0, 2.0]], [[1.0]])
"""


def test_a_script_whose_symptom_is_declared_is_a_known_one() -> None:
    found = duplicates.find(REPORT, GAN, TRACEBACK, Cell("jax-0.4", "3.6.0"), raises=True)
    assert found[0].id == "outer_compile_drops_inner_loss_tracker"
    assert found[0].sure
    assert "its code is in the script" in found[0].why
    # Where that entry affects nothing, it is not the one.
    found = duplicates.find(REPORT, GAN, TRACEBACK, Cell("jax-0.4", "3.15.1"), raises=True)
    assert not [k for k in found if k.sure and k.id.startswith("outer_compile_drops")]
    nothing = duplicates.find(
        REPORT, "print(1)", "zzz", Cell("jax-0.4", "3.6.0"), raises=True
    )
    assert nothing == ()


def test_a_stack_without_what_is_there_for_tests() -> None:
    lock = (ROOT / "locks" / "jax-0.4.txt").read_text(encoding="utf-8")
    assert re.search(r"(?m)^pytest==", lock)

    environment = SimpleNamespace(lock=SimpleNamespace(text=lock))
    pins = verification.pins_of(environment)  # type: ignore[arg-type]
    assert "jax==0.4.30" in pins
    assert not [pin for pin in pins if re.match("pytest|pluggy|iniconfig|#", pin)]
    assert verification.version_of(pins, "jax") == "0.4.30"
