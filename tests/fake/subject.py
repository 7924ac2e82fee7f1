"""Builds the fake project: wheels of fake releases, a matrix, and repros."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
REPROS = HERE / "repros"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

KERAS = """
import importlib
import os

BACKEND = os.environ.get("KERAS_BACKEND", "torch")
importlib.import_module(BACKEND)

__version__ = {version!r}
VERSION = {version!r}

class backend:
    @staticmethod
    def backend():
        return BACKEND

    @staticmethod
    def clear_session():
        pass

def add(a, b):
    # The planted bug: wrong in 9.1.0; on jax, in 9.2.0 too.
    wrong = ("9.1.0", "9.2.0") if BACKEND == "jax" else ("9.1.0",)
    return a + b + (1 if VERSION in wrong else 0)

def update_state(value):
    # The planted crash, in 9.1.0 and 9.2.0.
    if VERSION in ("9.1.0", "9.2.0"):
        value = None
    return value.bit_length()

def checked(value):
    assert VERSION != "9.1.0", "an assertion of Keras' own"
    return value

if VERSION >= "9.2.0":
    def multiply(a, b):
        return a * b
"""

# What each release does; the good ones come first.
RELEASES = {
    "9.0.0": KERAS,
    "9.1.0": KERAS,
    "9.2.0": KERAS,
    "9.3.0": KERAS,
}
BROKEN = {
    "9.5.0": "raise RuntimeError('planted: no import')",
    "9.6.0": "__version__ = '1.2.3'\nclass backend:\n    backend = staticmethod(lambda: 'torch')",
    "9.7.0": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
}
# A release that matrix.toml knows, and the index does not have.
ABSENT = "9.8.0"

# A stack on another backend, which differs, and one that cannot be installed.
JAX_STACK = """
[[stack]]
name = "fake-jax"
backend = "jax"
primary = true
python = "{python}"
requirements = ["jax==99.0"]
releases = ">=9"
"""
LOST_STACK = """
[[stack]]
name = "lost"
backend = "tensorflow"
primary = true
python = "{python}"
requirements = ["tensorflow==0.0.99"]
releases = ">=9"
"""

MATRIX = """
schema = 1
requirements = ["pytest>=8.2"]

[tiers]
quick = [">=9,<9.4"]
all = [">=9"]

[limits]
timeout_s = 3.0
import_timeout_s = 20.0
memory_mb = 600
output_kb = 16

[[stack]]
name = "fake"
backend = "torch"
primary = true
python = "{python}"
requirements = ["torch==99.0"]
releases = ">=9"
"""


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    source: str,
    requires: Sequence[str] = (),
    *,
    module: str = "",
) -> Path:
    """Write a wheel that holds one module, by default one of the wheel's own name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{module or name}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {requirement}\n" for requirement in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: fake\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
        wheel.writestr(f"{info}/RECORD", record)
    return path


def make_wheels(folder: Path) -> Path:
    """Write the wheels of the fake backend and of every fake release."""
    for backend in ("torch", "jax"):
        make_wheel(folder, backend, "99.0", "__version__ = '99.0'\n")
    for version, source in {**RELEASES, **BROKEN}.items():
        text = source.format(version=version) if source is KERAS else source
        make_wheel(folder, "keras", version, text)
    return folder


def make_project(
    folder: Path,
    versions: Sequence[str] = (*RELEASES, *BROKEN, ABSENT),
    stacks: Sequence[str] = (),
) -> Path:
    """Write a project: ``matrix.toml``, with more stacks where some are given, and the fake repros."""
    text = "".join([MATRIX, *stacks]).format(python=PYTHON)
    for version in versions:
        text += (
            f'\n[[release]]\nversion = "{version}"\nuploaded = 2026-01-01\n'
            'python = ">=3.9"\n'
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "matrix.toml").write_text(text, encoding="utf-8")
    shutil.copytree(REPROS, folder / "repros", dirs_exist_ok=True)
    return folder


def header(**fields: str) -> str:
    """Return a metadata block for a repro made in a test."""
    table = {"title": "'a title'", "kind": "'silent'", "area": "'fake'", "affected": "[]"}
    lines = "".join(f"# {name} = {value}\n" for name, value in {**table, **fields}.items())
    return f"# /// script\n# dependencies = []\n#\n# [tool.krepro]\n{lines}# ///\n"
