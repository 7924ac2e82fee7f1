"""Hybrids: links to a release, and files of their own."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from krepro.hunt import hybrid

FILES = {
    "keras/__init__.py": "import keras.src.a\n",
    "keras/data.json": "{}\n",
    "keras/src/__init__.py": "",
    "keras/src/a.py": "x = 1\n",
    "keras/src/b.py": "y = 1\n",
    "keras/src/deep/__init__.py": "",
    "keras/src/deep/c.py": "z = 1\n",
    "keras/other/__init__.py": "",
    "keras-9.0.0.dist-info/METADATA": "Name: keras\n",
}


@pytest.fixture
def original(tmp_path: Path) -> Path:
    folder = tmp_path / "original"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for path in folder.rglob("*.py"):
        py_compile.compile(str(path), doraise=True)
    return folder


def seen(folder: Path) -> dict[str, str]:
    """Return what Python sees below a folder, through links."""
    return {
        str(Path(here, name).relative_to(folder)): Path(here, name).read_text()
        for here, _, names in os.walk(folder, followlinks=True)
        if not here.endswith("__pycache__")
        for name in names
    }


def test_a_hybrid_is_the_release_with_other_files(original: Path, tmp_path: Path) -> None:
    composed = {
        "keras/src/a.py": "x = 2\n",
        "keras/src/deep/c.py": None,
        "keras/new/deeper/d.py": "w = 1\n",
    }
    folder = hybrid.build(original, composed, tmp_path / "hybrid")
    expected = {**FILES, **{k: v for k, v in composed.items() if v is not None}}
    del expected["keras/src/deep/c.py"]
    assert seen(folder) == expected
    assert seen(original) == FILES
    assert (folder / "keras/other").is_symlink()
    assert (folder / "keras/src/b.py").is_symlink()
    assert not (folder / "keras/__init__.py").is_symlink(), "Keras says where it is"
    assert (folder / "keras/__init__.py").resolve().is_relative_to(folder.resolve())


def test_a_removed_hybrid_takes_nothing_with_it(original: Path, tmp_path: Path) -> None:
    before = hybrid.state_of(original)
    folder = hybrid.build(original, {"keras/src/a.py": "x = 2\n"}, tmp_path / "hybrid")
    hybrid.remove(folder)
    assert not folder.exists()
    assert hybrid.state_of(original) == before
    hybrid.remove(folder)


def test_the_bytecode_of_another_text_is_not_taken(original: Path, tmp_path: Path) -> None:
    """Same size, same second: Python would believe the compiled file of the release."""
    text = original / "keras/src/a.py"
    changed = "x = 2\n"
    assert len(changed) == len(text.read_text())
    folder = hybrid.build(original, {"keras/src/a.py": changed}, tmp_path / "hybrid")
    moment = text.stat().st_mtime
    os.utime(folder / "keras/src/a.py", (moment, moment))
    code = "import keras.src.a, keras.src.b; print(keras.src.a.x, keras.src.b.__cached__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    value, cached = done.stdout.split()
    assert value == "2"
    assert Path(cached).exists(), "what did not change is not compiled again"
    own = importlib.util.cache_from_source(str(text))
    assert not Path(own).is_symlink()
    loader = subprocess.run(
        [sys.executable, "-c", "import keras.src.a; print(keras.src.a.x)"],
        env={**os.environ, "PYTHONPATH": str(original)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert loader.stdout == "1\n", "the release got the bytecode of a hybrid"


def test_bytecode_is_written_into_the_hybrid(original: Path, tmp_path: Path) -> None:
    before = hybrid.state_of(original)
    folder = hybrid.build(original, {"keras/src/a.py": "x = 2\n"}, tmp_path / "hybrid")
    py_compile.compile(str(folder / "keras/src/a.py"), doraise=True)
    assert hybrid.state_of(original) == before


def test_the_key_stands_for_the_content() -> None:
    one = {"a": "x", "b": None}
    assert hybrid.key_of("9.0.0", one) == hybrid.key_of("9.0.0", {"b": None, "a": "x"})
    others = [
        hybrid.key_of("9.1.0", one),
        hybrid.key_of("9.0.0", {"a": "x"}),
        hybrid.key_of("9.0.0", {"a": "x", "b": ""}),
        hybrid.key_of("9.0.0", {"a": "x", "b": "None"}),
    ]
    assert len({hybrid.key_of("9.0.0", one), *others}) == 5


@pytest.mark.parametrize("how", ["text", "new", "gone", "deep"])
def test_the_state_changes_with_what_is_written(original: Path, how: str) -> None:
    before = hybrid.state_of(original)
    assert hybrid.state_of(original) == before
    if how == "text":
        (original / "keras/src/a.py").write_text("x = 12345\n")
    elif how == "new":
        (original / "keras/src/new.py").touch()
    elif how == "gone":
        (original / "keras/data.json").unlink()
    else:
        with (original / "keras/src/deep/__init__.py").open("a") as file:
            file.write("#")
    assert hybrid.state_of(original) != before
