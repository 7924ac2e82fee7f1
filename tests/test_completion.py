"""What a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = "import sys; sys.argv[0] = 'krepro'; from krepro.cli import main; main(prog_name='krepro')"


def completed(line: str, folder: Path = ROOT) -> list[str]:
    """Return what bash is offered at the end of a line."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env={
            **os.environ,
            "_KREPRO_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("krepro upg", ["plain,upgrade"]),
        (
            "krepro explain dict_losses_applied",
            ["plain,dict_losses_applied_alphabetically"],
        ),
        ("krepro matrix -t qu", ["plain,quick"]),
        ("krepro run x -r 3.12.", [f"plain,3.12.{n}" for n in (4, 3, 2, 1, 0)]),
        ("krepro matrix -s tensorflow-2.16", ["plain,tensorflow-2.16"]),
        ("krepro lock jax-0.4", ["plain,jax-0.4"]),
        ("krepro bisect noxf", ["plain,noxfile.py"]),
        ("krepro bisect README", ["file,README"]),
    ],
)
def test_what_there_is_is_offered(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_a_matrix_with_a_mistake_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "matrix.toml").write_text("schema = ")
    assert completed("krepro matrix -t qu", tmp_path) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_have_the_shell_ask_krepro(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "krepro", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_KREPRO_COMPLETE={shell}_complete" in done.stdout
