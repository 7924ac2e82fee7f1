"""The GitHub workflow: shards each night, the quick tier on each pull request, new releases told."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from krepro import __version__
from krepro.matrix import Matrix

PLACE = ".github/workflows/matrix.yml"
TEMPLATE = "workflow.yml.jinja"
SHARDS = 4


def render(matrix: Matrix, *, shards: int, own: bool) -> str:
    """Return the workflow of a project.

    Args:
        matrix: the project's.
        shards: how many machines share a run.
        own: whether the project is krepro's own checkout, which has tests and sessions of nox.
    """
    # A twentieth of a second that no other command needs.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    # GitHub's expressions have jinja's usual marks.
    environment = Environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="@{",
        variable_end_string="}@",
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  It is YAML, of our own words.
    )
    text = resources.files("krepro").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        shards=shards,
        own=own,
        python=matrix.stack[0].python or "3.11",
        ours="pip install ." if own else f"pip install krepro=={__version__}",
        # What takes a release in draws the pictures, too.
        drawing="pip install .[picture]"
        if own
        else f"pip install krepro[picture]=={__version__}",
    )


def is_own(folder: Path) -> bool:
    """Whether a project is krepro's own checkout."""
    return (folder / "src" / "krepro" / TEMPLATE).is_file()
