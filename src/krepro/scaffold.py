"""A new repro to start from."""

from __future__ import annotations

import re
from pathlib import Path

from krepro.project import Project, SelectionError
from krepro.repro import KINDS

# Identical in every repro: it makes the file a script of its own.
FOOTER = """\
if __name__ == "__main__":
    import sys
    import unittest

    for name, function in list(globals().items()):
        if name.startswith("test_"):
            try:
                function()
            except unittest.SkipTest as reason:
                sys.exit(print(f"{name}: not applicable: {reason}") or 125)
            print(f"{name}: as promised")
"""

TEMPLATE = '''\
# /// script
# requires-python = ">=3.11"
# dependencies = ["keras=={release}", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Symbol: what goes wrong, in one line"
# kind = "{kind}"
# area = "{area}"
# issues = []
# docs = []
{announced}# affected = []
# ///
"""One sentence: what goes wrong.

What a user sees. What the documentation promises, and where. What was measured.
"""

import keras
import numpy as np


def test_the_promise():
    """The promise, in one line."""
    x = np.ones((4, 2), "float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    loss = model.train_on_batch(x, np.zeros((4, 1), "float32"))
    assert np.isfinite(loss), f"the loss is {{loss}}, a finite number was promised"


'''


def write(project: Project, name: str, kind: str, area: str) -> Path:
    """Write ``repros/NAME.py`` and return its path.

    Raises:
        SelectionError: the name is taken or is none for a module, or the kind is unknown.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.startswith("test_"):
        raise SelectionError(f"{name!r} is no name for a repro: use snake_case, not test_*")
    if kind not in KINDS:
        raise SelectionError(f"no kind {kind!r}: use {', '.join(KINDS)}")
    path = project.repros_folder / f"{name}.py"
    if path.exists():
        raise SelectionError(f"{path} is there already")
    text = text_of(str(project.matrix.versions[-1]), kind, area)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def text_of(release: str, kind: str, area: str) -> str:
    """Return the text of a repro to start from."""
    announced = (
        '# announced = "the address of the release note"\n' if kind == "change" else ""
    )
    start = TEMPLATE.format(release=release, kind=kind, area=area, announced=announced)
    return start + FOOTER
