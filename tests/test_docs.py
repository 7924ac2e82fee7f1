"""What docs/upgrade.md shows is what the commands print.

By default what is read and the first run are compared; KREPRO_DOCS=all compares every run, as
``nox -s truth`` does, and KREPRO_DOCS=write writes the page anew.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from krepro.cli import main
from tests.conftest import ROOT

pytestmark = pytest.mark.keras
PAGE = ROOT / "docs" / "upgrade.md"
BLOCK = re.compile(
    r"```console\n\$ (?P<command>krepro [^\n]+)\n(?P<output>.*?)```", re.DOTALL
)
# Differs from run to run and from machine to machine; the catalogue grows.
VARIES = re.compile(
    r"^(Time [\d.]+ s, then [\d.]+ s; memory \d+ MiB, then \d+ MiB\.|In the whole catalogue: .*)$",
    re.MULTILINE,
)
MODE = os.environ.get("KREPRO_DOCS", "")


def blocks() -> Iterator[tuple[str, str]]:
    for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        yield found["command"], found["output"]


def printed(command: str) -> str:
    arguments = shlex.split(command)[1:]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (0, 1), result.output
    return result.stdout


def runs_a_script(command: str) -> bool:
    return "--scan" not in command


def chosen() -> list[tuple[str, str]]:
    found = list(blocks())
    runs = [block for block in found if runs_a_script(block[0])]
    return [block for block in found if MODE or block not in runs[1:]]


@pytest.mark.parametrize(("command", "shown"), chosen(), ids=lambda text: text[:70])
def test_the_page_shows_what_is_printed(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    output = printed(command)
    if MODE == "write":
        text = PAGE.read_text(encoding="utf-8")
        block = f"```console\n$ {command}\n"
        start = text.index(block) + len(block)
        end = text.index("```", start)
        PAGE.write_text(f"{text[:start]}{output}{text[end:]}", encoding="utf-8")
        return
    assert VARIES.sub("", output) == VARIES.sub("", shown)


def test_the_page_has_its_runs() -> None:
    commands = [command for command, _ in blocks()]
    assert sum(runs_a_script(command) for command in commands) >= 4
    assert len(commands) >= 5
