"""From paths to hits: which files are read, notebooks, ignores, and what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro.project import SelectionError
from krepro.repro import Repro, find_repros, read_repro
from krepro.scan.scan import Hit, Scan, scan

ROOT = Path(__file__).parents[1]
CATALOGUE = [read_repro(path) for path in find_repros(ROOT / "repros")]
ENTRY = "loss_weights_of_a_single_output_rejected"
OTHER = "list_of_losses_uses_the_first"
HEAD = """import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
"""
BAD = "model.compile('adam', 'mse', loss_weights=[2.0])"


def look(*paths: Path, repros: list[Repro] | None = None) -> Scan:
    return scan(paths, repros or CATALOGUE)


def one(scanned: Scan) -> Hit:
    [hit] = scanned.hits
    return hit


def wrote(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def messages(scanned: Scan) -> list[str]:
    return [str(note) for note in scanned.notes]


def test_a_hit_says_where_and_why(tmp_path: Path) -> None:
    path = wrote(
        tmp_path / "train.py",
        HEAD + "if True:\n    model.compile(\n      loss='mse', loss_weights=[1.0])\n",
    )
    hit = one(look(path))
    assert (hit.repro, hit.sureness, hit.shows) == (ENTRY, "certain", ("raises",))
    spot = hit.spot
    assert (spot.path, spot.line, spot.column, spot.end_line, spot.end_column) == (
        path,
        4,
        5,
        5,
        38,
    )
    assert hit.snippet == "model.compile(\n  loss='mse', loss_weights=[1.0])"
    assert hit.why.startswith("Model.compile: loss_weights as a list")
    assert hit.steps == (spot,)
    assert not hit.ignored
    assert str(spot) == f"{path}:4"


def test_columns_are_characters(tmp_path: Path) -> None:
    path = wrote(tmp_path / "train.py", HEAD + f"x = 'äöü'; {BAD}\n")
    assert one(look(path)).spot.column == 12


def test_steps_tell_where_a_hit_comes_from(tmp_path: Path) -> None:
    path = wrote(
        tmp_path / "train.py",
        HEAD
        + "stop = keras.callbacks.EarlyStopping()\nmodel.fit(1, callbacks=[stop])\nmodel.fit(1, callbacks=[stop])\n",
    )
    hit = look(path).of("early_stopping_reuse_stops_at_once")[0]
    assert [spot.line for spot in hit.steps] == [3, 4, 5]


def test_a_script_brings_the_modules_beside_it(tmp_path: Path) -> None:
    models = "import keras\ndef build():\n    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
    wrote(tmp_path / "models.py", models)
    wrote(tmp_path / "pack/__init__.py", "")
    wrote(
        tmp_path / "pack/run.py",
        "from . import loss\ndef run(m):\n    m.compile('adam', 'mse', loss_weights=loss.WEIGHTS)\n",
    )
    wrote(tmp_path / "pack/loss.py", "WEIGHTS = [2.0]\n")
    wrote(tmp_path / "unrelated.py", HEAD + BAD)
    script = wrote(
        tmp_path / "train.py",
        "from models import build\nimport pack.run\npack.run.run(build())\n",
    )
    scanned = look(script)
    hit = one(scanned)
    assert (hit.spot.path, hit.spot.line, hit.sureness) == (
        tmp_path / "pack/run.py",
        3,
        "certain",
    )
    assert tmp_path / "unrelated.py" not in scanned.files


@pytest.mark.parametrize("seed", ["1", "8", "21"])
def test_the_order_of_a_set_changes_nothing(tmp_path: Path, seed: str) -> None:
    # With the seeds 8 and 21, sets of the names "inner" and "model" built in two ways had two
    # orders in CPython 3.11, and the answer for (inner, model) was taken for (model, inner).
    script = wrote(
        tmp_path / "gan.py",
        HEAD
        + "model.compile('adam', 'mse')\n"
        + "outer = keras.Sequential([keras.Input((2,)), model])\n"
        + "outer.compile('adam', 'mse')\n"
        + "model.train_on_batch(x, y)\n"
        + "outer.train_on_batch(x, y)\n",
    )
    code = (
        "import sys; from pathlib import Path; from tests.test_scan import look;"
        "print([(h.repro, h.spot.line, h.sureness.value) for h in look(Path(sys.argv[1])).hits])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    hits = [(h.repro, h.spot.line, h.sureness.value) for h in look(script).hits]
    assert ("outer_compile_drops_inner_loss_tracker", 6, "certain") in hits
    assert found.stdout.strip() == str(hits)


def test_one_hit_at_one_place(tmp_path: Path) -> None:
    """A module that two scripts call, once with a model that is known, once with one that is not."""
    wrote(
        tmp_path / "run.py",
        "def run(m):\n    m.compile('adam', 'mse', loss_weights=[2.0])\n",
    )
    wrote(tmp_path / "a.py", "from run import run\nfrom zoo import model\nrun(model)\n")
    wrote(tmp_path / "b.py", "from run import run\n" + HEAD + "run(model)\n")
    [hit] = look(tmp_path).of(ENTRY)
    assert (hit.spot.path.name, hit.sureness) == ("run.py", "certain")


def test_files_of_one_group_do_not_continue_each_other(tmp_path: Path) -> None:
    """Two scripts that share a module's model are two programs."""
    wrote(tmp_path / "shared.py", HEAD)
    wrote(
        tmp_path / "a.py",
        "from shared import model\nmodel.compile('adam', 'mse')\nmodel.train_on_batch(1)\n",
    )
    wrote(tmp_path / "b.py", "from shared import model\nmodel.train_on_batch(1)\n")
    assert look(tmp_path).of("train_on_batch_returns_running_mean") == ()


def test_a_folder_is_walked(tmp_path: Path) -> None:
    for name in ("a.py", "deep/er/b.py", "c.ipynb.py"):
        wrote(tmp_path / name, HEAD + BAD)
    for name in (
        ".hidden/d.py",
        "__pycache__/e.py",
        "env/f.py",
        "data.txt",
        "node_modules/g.py",
    ):
        wrote(tmp_path / name, HEAD + BAD)
    wrote(tmp_path / "env/pyvenv.cfg", "")
    scanned = look(tmp_path)
    assert [hit.spot.path.relative_to(tmp_path).as_posix() for hit in scanned.hits] == [
        "a.py",
        "c.ipynb.py",
        "deep/er/b.py",
    ]
    assert len(scanned.files) == 3


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="no such file or folder"):
        look(tmp_path / "none.py")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"import keras\nx = (\n", "train.py:2: is not valid Python: '(' was never closed"),
        (b"import keras\nx = 'a\x00b'\n", "train.py:1: is not valid Python: "),
        (
            b"# -*- coding: nonsense -*-\nimport keras\n",
            "train.py:1: is not valid Python: ",
        ),
        (b"import keras\nx = '\xff'\n", "train.py:1: is not valid Python: "),
        (b"import keras\nprint 'Python 2'\n", "train.py:2: is not valid Python: "),
        (b"import keras\nx = " + b"(" * 400, "train.py:2: is not valid Python: "),
        (b"import keras\n" + b"#" * 2_100_000, "is left out: it has"),
    ],
)
def test_what_is_no_program_is_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "train.py").write_bytes(content)
    wrote(tmp_path / "good.py", HEAD + BAD)
    scanned = look(tmp_path)
    [said] = messages(scanned)
    assert message in said
    assert "\n" not in said
    assert one(scanned).spot.path.name == "good.py"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("latin-1", "# -*- coding: latin-1 -*-\n"),
        ("utf-8-sig", ""),
        ("cp1251", "# vim: set fileencoding=cp1251 :\n"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, mark: str) -> None:
    text = {"cp1251": "вес"}.get(encoding, "Größe")
    path = tmp_path / "train.py"
    path.write_bytes((mark + f"s = '{text}'\n" + HEAD + BAD).encode(encoding))
    scanned = look(path)
    assert one(scanned).snippet == BAD
    assert not scanned.notes


def test_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes((HEAD + "x = 1  # \x0c page\n" + BAD).replace("\n", "\r\n").encode())
    assert one(look(path)).spot.line == 4


def test_a_file_that_takes_too_long_says_so(tmp_path: Path) -> None:
    program = (
        "import keras\n"
        + "".join(f"def f{n}():\n    f{n + 1}()\n    f{n + 1}()\n" for n in range(40))
        + "f0()\n" * 40
    )
    [said] = messages(look(wrote(tmp_path / "train.py", program)))
    assert said.endswith("is long: only a part of it was looked at")


# --- ignores --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f"{BAD}  # krepro: ignore[{ENTRY}]",
        f"{BAD}  # krepro: ignore[{OTHER}, {ENTRY}]",
        f"{BAD}  # krepro:ignore",
        f"{BAD}  # noqa: E501  # krepro: ignore[{ENTRY}] it is known",
        f"x = dict(  # krepro: ignore[{ENTRY}]\n  a=1,\n  b={BAD},\n)",
        f"x = dict(\n  a=1,\n  b={BAD},\n)  # krepro: ignore[{ENTRY}]",
        f"if {BAD}:  # krepro: ignore[{ENTRY}]\n    pass",
    ],
)
def test_a_comment_silences(tmp_path: Path, line: str) -> None:
    scanned = look(wrote(tmp_path / "train.py", f"{HEAD}{line}\n"))
    assert one(scanned).ignored
    assert scanned.active == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            f"{BAD}\n# krepro: ignore[{ENTRY}]",
            f"train.py:4: ignore[{ENTRY}] has nothing to silence here: remove it",
        ),
        (
            f"{BAD}  # krepro: ignore[{OTHER}]",
            f"train.py:3: ignore[{OTHER}] has nothing to silence here: remove it",
        ),
        (
            f"{BAD}  # krepro: ignore[no_such]",
            "train.py:3: ignore[no_such]: there is no entry of this name",
        ),
        (
            f"{BAD}\nx = 1  # krepro: ignore",
            "train.py:4: ignore has nothing to silence here: remove it",
        ),
        (
            f"for x in 'ab':  # krepro: ignore\n    {BAD}",
            "train.py:3: ignore has nothing to silence",
        ),
    ],
)
def test_an_ignore_without_use_is_reported(tmp_path: Path, line: str, message: str) -> None:
    scanned = look(wrote(tmp_path / "train.py", f"{HEAD}{line}\n"))
    assert not one(scanned).ignored
    [said] = messages(scanned)
    assert message in said


def test_an_ignore_in_a_string_is_none(tmp_path: Path) -> None:
    scanned = look(wrote(tmp_path / "train.py", f"{HEAD}x = '# krepro: ignore'; {BAD}\n"))
    assert not one(scanned).ignored
    assert not scanned.notes


# --- notebooks ------------------------------------------------------------------------------


def notebook(path: Path, *cells: str, form: int = 4) -> Path:
    code = [
        {"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells
    ]
    if form == 4:
        words = [{"cell_type": "markdown", "source": "words"}]
        document = {"nbformat": 4, "cells": words + code}
    else:
        old = [{"cell_type": "code", "input": cell["source"]} for cell in code]
        document = {
            "nbformat": 3,
            "worksheets": [{"cells": [{"cell_type": "heading"}, *old]}],
        }
    return wrote(path, json.dumps(document))


@pytest.mark.parametrize("form", [3, 4])
def test_notebooks(tmp_path: Path, form: int) -> None:
    path = notebook(tmp_path / "a.ipynb", HEAD, f"# train\n{BAD}\n", form=form)
    hit = one(look(path))
    assert (hit.spot.cell, hit.spot.line, hit.spot.end_line) == (3, 2, 2)
    assert hit.snippet == BAD
    assert str(hit.spot) == f"{path}:cell 3:2"


MAGICS = [
    "%matplotlib inline",
    "%pip install keras \\\n    --upgrade",
    "!pip install keras",
    "files = !ls",
    "where = %pwd",
    "keras.Model?",
    "?keras.Model",
    "for x in []:\n    %time x\n    !echo {x}",
]


@pytest.mark.parametrize("magic", MAGICS)
def test_magics_are_no_python(tmp_path: Path, magic: str) -> None:
    scanned = look(notebook(tmp_path / "a.ipynb", HEAD, f"{magic}\n{BAD}\n"))
    assert not scanned.notes
    assert one(scanned).spot.line == magic.count("\n") + 2


def test_what_magics_run_is_read(tmp_path: Path) -> None:
    timed = look(notebook(tmp_path / "a.ipynb", HEAD, f"%time {BAD}\n"))
    cell = look(notebook(tmp_path / "b.ipynb", HEAD, f"\n%%time\n{BAD}\n"))
    shell = look(notebook(tmp_path / "c.ipynb", HEAD, f"%%bash\n{BAD}\n"))
    assert [len(found.hits) for found in (timed, cell, shell)] == [1, 1, 0]


def test_a_broken_cell_is_one_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    scanned = look(notebook(tmp_path / "a.ipynb", HEAD, "x = (\n", BAD))
    assert one(scanned).spot.cell == 4
    [said] = messages(scanned)
    assert "a.ipynb:cell 3:1: is not valid Python" in said


def test_ignores_in_cells(tmp_path: Path) -> None:
    comment = f"  # krepro: ignore[{ENTRY}]"
    scanned = look(notebook(tmp_path / "a.ipynb", HEAD, BAD + comment, f"x = 1{comment}"))
    assert one(scanned).ignored
    assert [note.spot.cell for note in scanned.notes] == [4]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"cells": 1}', '{"cells": [1]}', "import keras"]
)
def test_a_malformed_notebook_is_one_line(tmp_path: Path, text: str) -> None:
    scanned = look(wrote(tmp_path / "a.ipynb", text))
    [said] = messages(scanned)
    assert "is not a notebook: " in said
    assert "\n" not in said


# --- all of it ------------------------------------------------------------------------------


def test_nothing_of_keras_is_imported(tmp_path: Path) -> None:
    path = wrote(tmp_path / "train.py", HEAD + BAD)
    program = f"""
import sys
from pathlib import Path
from krepro.repro import find_repros, read_repro
from krepro.scan.scan import scan
repros = [read_repro(p) for p in find_repros(Path({str(ROOT / "repros")!r}))]
assert scan([Path({str(path)!r})], repros).hits
print(sorted({{"keras", "tensorflow", "torch", "jax", "numpy"}} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_the_program_is_not_run(tmp_path: Path) -> None:
    path = wrote(
        tmp_path / "train.py",
        HEAD + f"open({str(tmp_path / 'made')!r}, 'w')\nraise SystemExit\n",
    )
    look(path)
    assert not (tmp_path / "made").exists()


VARIANTS = {
    "m = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])": [
        "m = keras.models.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])",
        "m = keras.Sequential()\nm.add(keras.Input((2,)))\nm.add(keras.layers.Dense(1))",
        "i = keras.Input((2,))\nm = keras.Model(i, keras.layers.Dense(1)(i))",
        "i = keras.Input((2,))\nm = keras.Model(outputs=keras.layers.Dense(1)(i), inputs=i)",
    ],
    "m.compile(loss='mse', loss_weights=[2.0])": [
        "m.compile(loss_weights=[2.0], loss='mse')",
        "m.compile('rmsprop', 'mse', [2.0])",
        "options = dict(loss='mse')\noptions['loss_weights'] = [2.0]\nm.compile(**options)",
        "weights = []\nweights.append(2.0)\nm.compile(loss='mse', loss_weights=weights)",
        "def go(model, w):\n    model.compile(loss='mse', loss_weights=w)\ngo(m, [2.0])",
    ],
}


@settings(max_examples=60)
@given(
    st.sampled_from(["keras", "k", "tf.keras", "deep"]),
    st.sampled_from(["m", "model", "net_2", "_x"]),
    *(st.sampled_from([plain, *others]) for plain, others in VARIANTS.items()),
)
def test_how_it_is_written_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory,
    alias: str,
    name: str,
    build: str,
    compiled: str,
) -> None:
    """Aliases, names, the order of keywords, positions, containers, a function in between."""
    imports = {
        "keras": "import keras",
        "k": "import keras as k",
        "tf.keras": "import tensorflow as tf",
        "deep": "from tensorflow import keras as deep",
    }[alias]
    body = f"{build}\n{compiled}".replace("keras.", f"{alias}.")
    body = "\n".join(
        line.replace("m.", f"{name}.")
        .replace("m =", f"{name} =")
        .replace("go(m,", f"go({name},")
        for line in body.splitlines()
    )
    path = wrote(tmp_path_factory.mktemp("variant") / "train.py", f"{imports}\n{body}\n")
    assert [(h.repro, h.sureness) for h in look(path).hits] == [(ENTRY, "certain")], body


def test_of_two_triggers_at_one_place_the_surer_counts(tmp_path: Path) -> None:
    unsure = {"code": "model.compile()", "where": "perhaps('x')", "shows": "loss"}
    sure = {"code": "model.compile()", "shows": "raises"}
    path = wrote(tmp_path / "train.py", HEAD + BAD)
    for triggers in ((unsure, sure), (sure, unsure)):
        hit = one(look(path, repros=[replace(CATALOGUE[0], triggers=triggers)]))
        assert hit.sureness == "certain"
        assert set(hit.shows) == {"loss", "raises"}


def test_entries_without_triggers_are_known_to_ignores(tmp_path: Path) -> None:
    bare = [replace(repro, triggers=()) for repro in CATALOGUE]
    scanned = look(
        wrote(tmp_path / "train.py", f"{HEAD}{BAD}  # krepro: ignore[{ENTRY}]\n"),
        repros=bare,
    )
    assert scanned.hits == ()
    [said] = messages(scanned)
    assert "has nothing to silence here" in said
