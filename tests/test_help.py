"""What the commands say of themselves."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from krepro.cli import SECTIONS, main


def helped(*words: str) -> list[str]:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_all_commands_are_listed() -> None:
    listed = "\n".join(helped())
    for name in main.commands:
        assert f"\n  {name} " in listed


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_has_examples_a_line_each(name: str) -> None:
    lines = helped(name)
    heading = next(n for n, line in enumerate(lines) if line.strip().startswith("Example"))
    assert lines[heading].strip() in ("Example:", "Examples:")
    examples = lines[heading + 1 : lines.index("", heading)]
    assert examples
    for example in examples:
        assert f"krepro {name}" in example
    assert "\\b" not in "\n".join(lines)


def test_each_command_has_its_place_in_one_section() -> None:
    placed = [command.name for commands in SECTIONS.values() for command in commands]
    assert sorted(placed) == sorted(main.commands)
    text = "\n".join(helped())
    assert "..." not in text.partition("Who is affected:")[2]
    assert "krepro bisect train.py" in text
