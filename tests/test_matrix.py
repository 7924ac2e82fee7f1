"""``matrix.toml``: the real one is right, and every mistake is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from krepro import stack as stacks
from krepro.matrix import Cell, Matrix, MatrixError, read_matrix
from krepro.repro import BACKENDS
from tests.conftest import ROOT

REAL = read_matrix(ROOT / "matrix.toml")
SMALL = """\
schema = 1
requirements = ["pytest"]

[tiers]
quick = ["newest"]

[limits]
timeout_s = 60.0

[[stack]]
name = "jax-0.4"
backend = "jax"
primary = true
python = "3.11"
requirements = ["jax==0.4.30"]
releases = ">=3"

[[release]]
version = "3.0.0"
uploaded = 2023-11-28
python = ">=3.9"

[[release]]
version = "3.1.0"
uploaded = 2024-03-18
python = ">=3.9"

[[exclude]]
stack = "jax-0.4"
releases = "==3.0.0"
reason = "because"
"""


def read(tmp_path: Path, text: str) -> Matrix:
    path = tmp_path / "matrix.toml"
    path.write_text(text)
    read_matrix.cache_clear()
    return read_matrix(path)


def test_the_real_one() -> None:
    assert len(REAL.release) == 40
    assert (REAL.versions[0], REAL.versions[-1]) == (Version("3.0.0"), Version("3.15.1"))
    for backend in BACKENDS:
        assert all(REAL.primary(backend).serves(version) for version in REAL.versions)
    assert [str(v) for v in REAL.tier("quick")] == [
        "3.3.3",
        "3.4.1",
        "3.5.0",
        "3.6.0",
        "3.7.0",
        "3.8.0",
        "3.15.1",
    ]
    minor = [str(version) for version in REAL.tier("minor")]
    assert {"3.9.0", "3.9.2", "3.12.0", "3.12.4"} <= set(minor)
    assert not {"3.9.1", "3.12.3"} & set(minor)
    assert REAL.tier("all") == REAL.versions


def test_the_real_locks_belong_to_the_real_matrix() -> None:
    for stack in REAL.stack:
        if stack.uses:
            continue
        lock = stacks.read_lock(ROOT, REAL, stack)
        assert lock is not None, (
            f"locks/{stack.name}.txt is stale: krepro lock {stack.name}"
        )
        assert "\nkeras==" not in lock.text
        assert not stacks.CUDA_PACKAGES.search(lock.text)
        for requirement in stack.requirements:
            if "sys_platform == 'darwin'" not in requirement:
                assert requirement.split(" ;")[0] in lock.text


def test_cells_and_exclusions(tmp_path: Path) -> None:
    matrix = read(tmp_path, SMALL)
    assert matrix.cells(matrix.versions, matrix.stack) == [Cell("jax-0.4", "3.1.0")]
    assert matrix.excluded(Cell("jax-0.4", "3.0.0")) == "because"


def test_a_reference_stack_has_one_cell() -> None:
    (reference,) = REAL.reference_stacks()
    assert REAL.cells(REAL.versions, [reference]) == [Cell("keras-2", "2.16.0")]
    assert REAL.subject(Cell("keras-2", "2.16.0")) == "tf-keras==2.16.0"
    assert REAL.base(reference).name == "tensorflow-2.16"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("schema = 1", "schema = 2", 1, "this krepro reads 1"),
        ("schema = 1", "schema = ", 1, "not valid TOML"),
        ("schema = 1\n", "", 1, "missing required field `schema`"),
        ('["newest"]', '["latest"]', 5, "'latest' is neither a version"),
        ("timeout_s = 60.0", "timeout_s = 'long'", 8, "Expected `float`"),
        ("timeout_s = 60.0", "timeout = 60.0", 7, "unknown field `timeout`"),
        (
            'backend = "jax"',
            'backend = "caffe"',
            12,
            "is not one of tensorflow, jax, torch",
        ),
        ("primary = true\n", "", 10, "no primary stack for jax"),
        ('"jax==0.4.30"', '"jax=0.4.30"', 15, "is not a PEP 508 requirement"),
        ('releases = ">=3"', 'releases = "=>3"', 16, "is not a PEP 440 specifier"),
        ('name = "jax-0.4"', 'name = "JAX 0.4"', 11, "must be lower case"),
        ('version = "3.1.0"', 'version = "three"', 24, "is not a PEP 440 version"),
        ('version = "3.1.0"', 'version = "3.0.0"', 24, "is listed twice"),
        ("uploaded = 2024-03-18", "uploaded = 'soon'", 25, "Invalid RFC3339"),
        ('stack = "jax-0.4"', 'stack = "jax-0.5"', 29, "no stack 'jax-0.5'"),
        ('reason = "because"', 'reason = ""', 31, "needs a reason"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in SMALL
    with pytest.raises(MatrixError) as caught:
        read(tmp_path, SMALL.replace(old, new, 1))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/matrix.toml:{line}: "), said
    assert message in said
    assert "\n" not in said


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="cannot be read"):
        read_matrix(tmp_path / "absent.toml")


def test_the_lock_hash_is_of_pins_alone() -> None:
    stack = REAL.find_stack("jax-0.4")
    first = stacks.lock_of(stack, "# made by\na==1\nb==2\n")
    assert stacks.lock_of(stack, "b==2\na==1\n").hash == first.hash
    assert stacks.lock_of(stack, "a==1\nb==3\n").hash != first.hash
